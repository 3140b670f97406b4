//! What was told of users, and what was logged.

use portcullis::{
    prelude::*,
    session::{Detached, Resumed, Unbound},
    skynet::{
        login::{LogoutAsked, UserLeft},
        msgserver::MsgUser,
    },
};
use portcullis_testkit::TestServer;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// What was told, in order, each with the user's id.
#[derive(Resource, Default)]
pub struct Facts(Vec<String>);

/// Notes what is told of users.
pub fn facts(app: &mut App) {
    app.init_resource::<Facts>()
        .add_observer(|event: On<Add<MsgUser>>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note("began", event.entity, &users);
        })
        .add_observer(|event: On<LoggedIn>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note(if event.resumed { "took over" } else { "logged in" }, event.session, &users);
        })
        .add_observer(|event: On<Unbound>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note("unbound", event.session, &users);
        })
        .add_observer(|event: On<Detached>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note("detached", event.session, &users);
        })
        .add_observer(|event: On<Resumed>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note("resumed", event.session, &users);
        })
        .add_observer(|event: On<LogoutAsked>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note("asked out", event.session, &users);
        })
        .add_observer(|event: On<LoggedOut>, users: Query<&Session>, mut facts: ResMut<Facts>| {
            facts.note("logged out", event.session, &users);
        })
        .add_observer(|event: On<UserLeft>, mut facts: ResMut<Facts>| {
            facts.0.push(format!("left {} {}", event.uid, event.subid));
        });
}

impl Facts {
    fn note(&mut self, what: &str, session: Entity, users: &Query<&Session>) {
        let uid = users.get(session).map_or("nobody".into(), |session| session.uid().to_string());
        self.0.push(format!("{what} {uid}"));
    }
}

/// What was told since this was last called.
pub fn told(server: &mut TestServer) -> Vec<String> {
    server.settle();
    std::mem::take(&mut server.world_mut().resource_mut::<Facts>().0)
}

/// All that was logged in this thread while `run` ran, at whatever level.
pub fn logged(run: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes sure that this is in a log in none of the forms it could have got there.
#[track_caller]
pub fn assert_secret(log: &str, secret: &[u8]) {
    use portcullis::skynet::crypt::{base64_encode, hex};
    let debug = format!("{secret:?}");
    let escaped = secret.escape_ascii().to_string();
    for form in [hex(secret), base64_encode(secret), debug, escaped] {
        assert!(!log.contains(&form), "{form} was logged:\n{log}");
    }
}
