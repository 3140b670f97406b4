//! A way to log in that takes as long as a test likes: command 1007.

use portcullis::{
    demo::roles::Roles,
    prelude::*,
    sysconn::{AppSysconnExt, Entrance, ErrorId, Pb, wire::messages::LoginAccount},
};
use portcullis_testkit::TestServer;

pub const LATE_LOGIN: u16 = 1007;

#[derive(Resource, Default)]
struct Waiting(Vec<(String, Responder<Entrance>)>);

pub fn late_logins(app: &mut App) {
    app.init_resource::<Waiting>().add_login(LATE_LOGIN, wait);
}

fn wait(
    request: Request<Pb<LoginAccount>>,
    mut defer: Defer,
    mut waiting: ResMut<Waiting>,
) -> Result<Deferred<Entrance>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    waiting.0.push((request.account.clone().unwrap_or_default(), responder));
    Ok(deferred)
}

/// How many wait.
pub fn waiting(server: &TestServer) -> usize {
    server.world().resource::<Waiting>().0.len()
}

/// Answers the first who waits: who it is, or this error.
#[track_caller]
pub fn answer(server: &mut TestServer, error: Option<u16>) {
    let (account, responder) = server.world_mut().resource_mut::<Waiting>().0.remove(0);
    let entrance = match error {
        Some(error) => Err(ErrorId(error)),
        None => server.world_mut().resource_mut::<Roles>().of(&account).map(|(info, created)| {
            let entrance = Entrance::new(account, info);
            if created { entrance.created() } else { entrance }
        }),
    };
    responder.answer(entrance.map_err(Refusal::from));
    server.settle();
}
