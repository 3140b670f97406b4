//! The game of the house: the demos, and handlers that panic or never answer, on every protocol.

use crate::sysconn_late::late_logins;
use portcullis::{
    accounts::{AccountLoginPlugin, AccountSettings, AccountsPlugin, Hashing},
    demo::{
        chat::ChatPlugin,
        connector::ConnectorPlugin,
        members::MembersPlugin,
        msgagent::MsgAgentPlugin,
        roles::RolesPlugin,
        simpledb::{CLIENT_TO_SERVER, SimpleDbPlugin},
    },
    dispatch::Answer,
    prelude::*,
    skynet::login::{Identity, LOGIN_ROUTE, wire::Token},
    sysconn::AppSysconnExt,
};
use serde::Serialize;
use std::panic::resume_unwind;

/// Routes of the native protocol and of Pomelo's that panic, and that never answer.
pub const BOOM: &str = "connector.entryHandler.boom";
pub const NEVER: &str = "connector.entryHandler.never";
/// Comes back as it is, JSON on Pomelo's.
pub const BACK: &str = "connector.entryHandler.back";
/// The same, as the frames of skynet's raw gate and its msgserver.
pub const FRAMES: &str = "house.frames";
/// As commands of the Erlang connector.
pub const BOOM_COMMAND: u16 = 1120;
pub const NEVER_COMMAND: u16 = 1121;
/// As tags of the sproto schema.
pub const BOOM_TAG: u8 = 5;
pub const NEVER_TAG: u8 = 6;

/// What skynet's example has, and the two.
pub fn schema() -> String {
    let more = |name: &str, tag: u8| format!("\n{name} {tag} {{ response {{ msg 0 : string }} }}\n");
    CLIENT_TO_SERVER.to_owned() + &more("boom", BOOM_TAG) + &more("never", NEVER_TAG)
}

/// What is never answered is kept here, as by a game that waits for somebody.
#[derive(Resource, Default)]
pub struct Kept(Vec<Box<dyn std::any::Any + Send + Sync>>);

/// Logins whose answer waits for the test.
#[derive(Resource, Default)]
pub struct Undecided(pub Vec<(Vec<u8>, Responder<Identity>)>);

pub fn game(app: &mut App) {
    let hashing = Hashing { memory: 64, passes: 1, lanes: 1, threads: 1, ..Hashing::default() };
    app.add_plugins((
        AccountsPlugin::new(AccountSettings { hashing, ..AccountSettings::default() }),
        AccountLoginPlugin { registration: true, ..AccountLoginPlugin::default() },
        MembersPlugin,
        ChatPlugin,
        ConnectorPlugin::default(),
        MsgAgentPlugin,
        RolesPlugin::default(),
        SimpleDbPlugin::default(),
    ))
    .init_resource::<Kept>()
    .init_resource::<Undecided>()
    .add_handler(BOOM, |_: Request<()>| -> () { boom() })
    .add_handler(NEVER, never)
    .add_handler(BACK, |request: Request<serde_json::Value>| request.body)
    .add_handler("boom", |_: Request<()>| -> Welcome { boom() })
    .add_handler("never", never_welcome)
    .add_handler(FRAMES, frames)
    .add_handler(LOGIN_ROUTE, authenticate)
    .add_command(BOOM_COMMAND, |_: Request<()>| -> () { boom() })
    .add_command(NEVER_COMMAND, never);
    late_logins(app);
}

#[derive(Serialize)]
struct Welcome {
    msg: String,
}

/// Unwinds as a panic does, without its lines in the test's output.
fn boom<T>() -> T {
    resume_unwind(Box::new("as was asked for"))
}

fn never(request: Request<()>, mut defer: Defer, mut kept: ResMut<Kept>) -> Result<Deferred<()>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    kept.0.push(Box::new(responder));
    Ok(deferred)
}

fn never_welcome(
    request: Request<()>,
    mut defer: Defer,
    mut kept: ResMut<Kept>,
) -> Result<Deferred<Welcome>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    kept.0.push(Box::new(responder));
    Ok(deferred)
}

/// An echo, but for two words.
fn frames(request: Request<Raw>, mut defer: Defer, mut kept: ResMut<Kept>) -> Result<Answer<Raw>, Refusal> {
    match &request.0[..] {
        b"boom" => boom(),
        b"never" => {
            let (_, responder): (Deferred<Raw>, _) = defer.begin(&request)?;
            kept.0.push(Box::new(responder));
            Ok(Answer::Deferred)
        }
        _ => Ok(Answer::Reply(request.body)),
    }
}

/// Everybody's password is "password". Who is called "boom" makes it panic, and whose name begins with "late" waits.
fn authenticate(
    request: Request<Token>,
    mut defer: Defer,
    mut undecided: ResMut<Undecided>,
) -> Result<Answer<Identity>, Refusal> {
    let (Ok(user), Ok(server)) = (str::from_utf8(&request.user), str::from_utf8(&request.server)) else {
        return Err("names are UTF-8".into());
    };
    if *request.password != *b"password" {
        return Err(Refusal::new(Refusal::UNAUTHORIZED, "wrong name or password"));
    }
    match user {
        "boom" => boom(),
        _ if user.starts_with("late") => {
            let (_, responder): (Deferred<Identity>, _) = defer.begin(&request)?;
            undecided.0.push((request.user.to_vec(), responder));
            Ok(Answer::Deferred)
        }
        _ => Ok(Answer::Reply(Identity::new(user, server))),
    }
}
