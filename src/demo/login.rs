//! Who somebody is, as skynet's example says it: everybody's password is "password".

use crate::{
    prelude::*,
    skynet::login::{Identity, LOGIN_ROUTE, Logins, wire::Token},
};

/// The password.
pub const PASSWORD: &[u8] = b"password";
/// The longest name of a user, in bytes.
pub const LONGEST_NAME: usize = 64;

/// Looks at the tokens of a [`LoginServerPlugin`].
///
/// ```
/// use portcullis::{demo::login, prelude::*};
///
/// App::new().add_plugins((ServerPlugins, login::LoginPlugin::default(), LoginServerPlugin::default()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LoginPlugin {
    /// Users that may be logged in at once: sessions may be for ever, and strangers log in here. Default 1,000.
    pub max_users: usize,
}

impl Default for LoginPlugin {
    fn default() -> Self {
        Self { max_users: 1000 }
    }
}

#[derive(Resource, Clone, Copy, Debug)]
struct MostUsers(usize);

impl Plugin for LoginPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(MostUsers(self.max_users)).add_handler(LOGIN_ROUTE, authenticate);
    }
}

fn authenticate(
    token: Request<Token>,
    logins: Res<Logins>,
    most: Res<MostUsers>,
) -> Result<Identity, Refusal> {
    let (Ok(user), Ok(server)) = (str::from_utf8(&token.user), str::from_utf8(&token.server)) else {
        return Err("names are UTF-8".into());
    };
    if *token.password != PASSWORD || user.len() > LONGEST_NAME {
        return Err(Refusal::new(
            Refusal::UNAUTHORIZED,
            "the password is \"password\", and a name has at most 64 bytes",
        ));
    }
    // One who is logged in takes his own place.
    if logins.online(user).is_none() && logins.len() + logins.pending() >= most.0 {
        return Err(Refusal::new(Refusal::FORBIDDEN, "too many users are logged in"));
    }
    Ok(Identity::new(user, server))
}
