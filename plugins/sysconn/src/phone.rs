//! Logging in by a phone number and a password (command 1004), against the account store.

use crate::{
    AppSysconnExt, Entrance, ErrorId, Pb,
    wire::{
        commands::PHONE_LOGIN,
        errors::{BUSY, EMPTY_PASSWORD, PHONE_PASSWORD, WRONG_OPERATION},
        messages::PhoneLogin,
    },
};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_accounts::{Account, AccountError, Accounts, Password};
use portcullis_core::{Closing, Connection};
use portcullis_dispatch::{Defer, Deferred, Refusal, Request};
use std::{fmt, sync::Arc};

/// Serves command 1004: the phone number is the account's name. Passwords are hashed elsewhere, and the client's next
/// commands wait for the outcome, as long as [`Defer`] lets it take.
///
/// | `ErrorID` | when |
/// | --- | --- |
/// | 31 | no such account, or a wrong password |
/// | 32 | an empty password |
/// | 5 | no phone number or no password at all; the account is disabled |
/// | 1 | too many wrong passwords for this account; too many logins at once; the account store has failed |
///
/// ```
/// use bevy_app::App;
/// use portcullis_accounts::AccountsPlugin;
/// use portcullis_core::CorePlugin;
/// use portcullis_dispatch::DispatchPlugin;
/// use portcullis_session::SessionPlugin;
/// use portcullis_sysconn::{Entrance, PhoneLoginPlugin, SysconnPlugin, wire::messages::RoleInfo};
///
/// let roles = PhoneLoginPlugin::new(|_world, account| {
///     let info = RoleInfo { role_id: 1_000_000 + account.id as u32, ..RoleInfo::default() };
///     Ok(Entrance::new(account.name.clone(), info))
/// });
/// App::new()
///     .add_plugins((CorePlugin::default(), SessionPlugin::default(), DispatchPlugin, AccountsPlugin::default()))
///     .add_plugins((SysconnPlugin::default(), roles));
/// ```
#[derive(Clone)]
pub struct PhoneLoginPlugin {
    role_of: RoleOf,
}

/// Which role an account plays.
#[derive(Resource, Clone)]
struct RoleOf(Arc<dyn Fn(&mut World, &Account) -> Result<Entrance, ErrorId> + Send + Sync>);

impl PhoneLoginPlugin {
    /// The function tells which role plays for an account whose password was right, or refuses.
    pub fn new(
        role_of: impl Fn(&mut World, &Account) -> Result<Entrance, ErrorId> + Send + Sync + 'static,
    ) -> Self {
        Self { role_of: RoleOf(Arc::new(role_of)) }
    }
}

impl fmt::Debug for PhoneLoginPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneLoginPlugin")
    }
}

impl Plugin for PhoneLoginPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.role_of.clone()).add_login(PHONE_LOGIN, log_in);
    }
}

fn log_in(
    request: Request<Pb<PhoneLogin>>,
    mut defer: Defer,
    accounts: Res<Accounts>,
) -> Result<Deferred<Entrance>, Refusal> {
    let (Some(phone), Some(password)) = (&request.phone, &request.password) else {
        return Err(ErrorId(WRONG_OPERATION).into());
    };
    if password.is_empty() {
        return Err(ErrorId(EMPTY_PASSWORD).into());
    }
    let connection = request.connection;
    let (deferred, responder) = defer.begin(&request)?;
    accounts.verify(phone, Password::from(password.as_str()), move |world, account| {
        // Who is gone, or was told that it took too long, must not be logged in behind his back.
        if responder.is_late() || !is_open(world, connection) {
            return;
        }
        let role_of = world.resource::<RoleOf>().clone();
        let entrance = account.map_err(error_of).and_then(|account| (role_of.0)(world, &account));
        responder.answer(entrance.map_err(Refusal::from));
    });
    Ok(deferred)
}

fn is_open(world: &World, connection: Entity) -> bool {
    world
        .get_entity(connection)
        .is_ok_and(|connection| connection.contains::<Connection>() && !connection.contains::<Closing>())
}

fn error_of(error: AccountError) -> ErrorId {
    ErrorId(match error {
        AccountError::Wrong
        | AccountError::Unknown
        | AccountError::BadName(_)
        | AccountError::BadPassword { .. } => PHONE_PASSWORD,
        AccountError::Disabled => WRONG_OPERATION,
        AccountError::Locked { .. } | AccountError::Busy | AccountError::Taken | AccountError::Store => BUSY,
    })
}
