//! `connector.entryHandler.*`.

use super::{
    LONGEST_NAME, MOST_PUSHES, ServerId,
    bodies::*,
    chat::room_of,
    later::{Later, Leaving},
};
use crate::{
    dispatch::Routes,
    prelude::*,
    room::{self, AutoClose, MemberOf, Room, Teller},
    session::{self, KickUser, LoginRefusal, Session, Sessions},
};
use bevy_ecs::system::SystemParam;
use serde_json::Value;
use std::{borrow::Cow, panic::resume_unwind, time::Duration};

pub(super) fn build(app: &mut App, handler: &str) {
    let route = |name: &str| format!("{handler}.{name}");
    app.add_handler(&route("entry"), |_: Request<()>| Entry { code: 200, msg: "game server is ok." })
        .add_handler(&route("enter"), enter)
        .add_handler(&route("leave"), leave)
        .add_handler(&route("echo"), |request: Request<Value>| request.body)
        .add_handler(&route("fail"), |_: Request<()>| failed())
        .add_handler(&route("failWith"), |_: Request<()>| Failure { code: 42, text: "mine" })
        .add_handler(&route("failText"), |_: Request<()>| Failure { code: 500, text: "no code given" })
        .add_handler(&route("throwing"), throwing)
        .add_handler(&route("silent"), |_: Request<()>| NoReply)
        .add_handler(&route("empty"), |_: Request<()>| ())
        .add_handler(&route("slow"), slow)
        .add_handler(&route("note"), note)
        .add_handler(&route("pushMe"), push_me)
        .add_handler(&route("pushMany"), push_many)
        .add_handler(&route("say"), say)
        .add_handler(&route("bcast"), broadcast)
        .add_handler(&route("pushUids"), push_uids)
        .add_handler(&route("kickMe"), kick_me)
        .add_handler(&route("kickMeNoReason"), kick_me_without_reason)
        .add_handler(&route("kickUid"), kick_uid)
        .add_handler(&route("stats"), statistics)
        .add_handler(&route("getRoom"), get_room)
        // Of Pomelo's MQTT connector, which has nobody to serve here.
        .add_handler(&route("publish"), |_: Request<()>| FINE)
        .add_handler(&route("subscribe"), |_: Request<()>| FINE);
}

/// What a handler of Pomelo's makes of an error without a body: code 500.
pub(super) fn failed() -> Result<(), Refusal> {
    Err(Refusal::new(Refusal::INTERNAL, "as was asked for"))
}

/// Unwinds as a panic does, without its message: strangers must not fill the log.
fn throwing(_: Request<()>) {
    resume_unwind(Box::new("thrown"));
}

fn enter(request: Request<Enter>, world: &mut World) -> Result<Entered, Refusal> {
    let (connection, Enter { uid, room }) = (request.connection, request.body);
    if [&uid, &room].iter().any(|name| name.is_empty() || name.len() > LONGEST_NAME) {
        return Err("a name has at least one byte, and at most 64".into());
    }
    let refused = |error| Ok(Entered { code: 500, uid: None, error: Some(error) });
    let session = match session::bind(world, connection, uid.as_str()) {
        Ok(session) => session,
        Err(LoginRefusal::AlreadyLoggedIn) => {
            let bound = world.get::<BoundTo>(connection).and_then(|bound| world.get::<Session>(bound.0));
            let who = bound.map_or_else(String::new, |session| session.uid().to_string());
            return refused(format!("session has already bind with {who}"));
        }
        Err(why) => return refused(why.to_string()),
    };
    match join(world, session, &room) {
        Ok(()) => Ok(Entered { code: 200, uid: Some(uid), error: None }),
        Err(error) => refused(error.to_string()),
    }
}

/// A user is in one room at a time, and a room ends with its last user.
fn join(world: &mut World, session: Entity, name: &str) -> Result<(), room::RoomError> {
    let room = room::open(world, name)?;
    world.entity_mut(room).insert(AutoClose);
    let before: Vec<Entity> = world.get::<MemberOf>(session).into_iter().flat_map(MemberOf::iter).collect();
    let joined = room::join(world, room, session).map(drop);
    if joined.is_ok() {
        for other in before.into_iter().filter(|&other| other != room) {
            room::leave(world, other, session);
        }
    }
    joined
}

fn leave(request: Request<()>, world: &mut World) -> Fine {
    session::unbind(world, request.connection);
    FINE
}

fn slow(
    request: Request<Slow>,
    clock: Res<Clock>,
    mut later: ResMut<Later>,
    mut defer: Defer,
) -> Result<Deferred<Waited>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    let at = clock.now() + Duration::from_millis(request.ms.into());
    later.answer(at, responder, request.body.n);
    Ok(deferred)
}

/// All connections of the user that this one is bound to.
fn user(connection: Entity, bound: &Query<&BoundTo>) -> Result<Entity, Refusal> {
    Ok(bound.get(connection).map_err(|_| "nobody is logged in here")?.0)
}

fn note(request: Request<Note>, bound: Query<&BoundTo>, mut pusher: Pusher) -> Result<Fine, Refusal> {
    let user = user(request.connection, &bound)?;
    pusher.push(user, "onNote", &Got { got: request.body.n });
    Ok(FINE)
}

/// A client may name any route that exists: one that does not would have to be kept for ever.
fn push_me(
    request: Request<PushMe>,
    bound: Query<&BoundTo>,
    routes: Res<Routes>,
    mut pusher: Pusher,
) -> Result<Fine, Refusal> {
    let user = user(request.connection, &bound)?;
    routes.get(&request.route).ok_or("there is no such route")?;
    pusher.push(user, &request.route, &request.body.body);
    Ok(FINE)
}

fn push_many(
    request: Request<PushMany>,
    bound: Query<&BoundTo>,
    mut pusher: Pusher,
) -> Result<Fine, Refusal> {
    let user = user(request.connection, &bound)?;
    if request.n > MOST_PUSHES {
        return Err("at most 100 pushes at once".into());
    }
    for n in 0..request.n {
        pusher.push(user, "onMsg", &Number { n });
    }
    Ok(FINE)
}

fn say(
    request: Request<Text>,
    bound: Query<&BoundTo>,
    sessions: Query<&Session>,
    members: Query<&MemberOf>,
    rooms: Query<&Room>,
    mut teller: Teller,
) -> Result<Fine, Refusal> {
    let session = user(request.connection, &bound)?;
    let from = sessions.get(session)?.uid().as_str();
    let (room, _) = room_of(session, &members, &rooms).ok_or("enter a room first")?;
    teller.to_room(room, "onChat", &Chat { from, msg: &request.text });
    Ok(FINE)
}

fn broadcast(
    request: Request<Broadcast>,
    users: Query<Entity, (With<BoundTo>, Without<Closing>)>,
    mut teller: Teller,
) -> Fine {
    let all = All { text: request.body.text };
    match request.body.bound {
        true => teller.to(users, "onAll", &all),
        false => teller.to_all("onAll", &all),
    };
    FINE
}

fn push_uids(request: Request<PushUids>, mut teller: Teller) -> Pushed {
    if request.uids.is_empty() {
        return Pushed { code: 200, err: Some("uids should not be empty"), fails: None };
    }
    let told = teller.to_uids(&request.uids, "onMsg", &Number { n: 9 });
    let fails = told.offline.iter().map(ToString::to_string).collect();
    Pushed { code: 200, err: None, fails: Some(fails) }
}

fn kick_me(request: Request<KickMe>, leave: Departure) -> Fine {
    leave.soon(request.connection, words(request.body.reason))
}

fn kick_me_without_reason(request: Request<()>, leave: Departure) -> Fine {
    leave.soon(request.connection, words(Value::Null))
}

/// What it takes to show a connection out.
#[derive(SystemParam)]
struct Departure<'w, 's> {
    leaving: Query<'w, 's, (), With<Leaving>>,
    clock: Res<'w, Clock>,
    later: ResMut<'w, Later>,
    commands: Commands<'w, 's>,
}

impl Departure<'_, '_> {
    fn soon(mut self, connection: Entity, reason: Option<Cow<'static, str>>) -> Fine {
        if !self.leaving.contains(connection) {
            self.commands.entity(connection).insert(Leaving);
            self.later.kick(self.clock.now(), connection, reason);
        }
        FINE
    }
}

/// Pomelo's word where none was given; none where it is no text.
fn words(reason: Value) -> Option<Cow<'static, str>> {
    match reason {
        Value::String(reason) => Some(reason.into()),
        Value::Null => Some("kick".into()),
        _ => None,
    }
}

fn kick_uid(request: Request<KickUid>, mut commands: Commands) -> Fine {
    let KickUid { uid, reason } = request.body;
    commands.trigger(KickUser::new(uid, reason.map_or(Cow::Borrowed("kick"), Cow::Owned)));
    FINE
}

fn statistics(
    _: Request<()>,
    connections: Query<&Connection>,
    sessions: Res<Sessions>,
    users: Query<(&Session, &crate::core::Bindings)>,
    server: Res<ServerId>,
) -> Statistics {
    let logged_in = users.iter().filter_map(|(session, bindings)| {
        let connection = connections.get(bindings.iter().next()?).ok()?;
        Some(Online {
            uid: session.uid().to_string(),
            login_time: session.logged_in_at().as_millis(),
            address: connection.peer.to_string(),
        })
    });
    Statistics {
        server_id: server.0.to_string(),
        total_conn_count: connections.iter().len(),
        logined_count: sessions.len(),
        logined_list: logged_in.take(MOST_PUSHES).collect(),
    }
}

fn get_room(
    request: Request<()>,
    bound: Query<&BoundTo>,
    members: Query<&MemberOf>,
    rooms: Query<&Room>,
) -> Where {
    let room = bound.get(request.connection).ok().and_then(|bound| room_of(bound.0, &members, &rooms));
    Where { code: 200, room: room.map(|(_, name)| name) }
}
