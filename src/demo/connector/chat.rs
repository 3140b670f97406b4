//! `chat.chatHandler.*`: in Pomelo a server of its own, with a copy of the session; here the session itself.

use super::{
    ServerId,
    bodies::{Chat, FINE, Fine, Recalled, Sent, Text},
};
use crate::{
    core::Kick,
    prelude::*,
    room::{MemberOf, Room},
    session::Session,
};

/// The last text a user has sent, on the session.
#[derive(Component)]
struct LastText(String);

pub(super) fn build(app: &mut App) {
    app.add_handler("chat.chatHandler.send", send)
        .add_handler("chat.chatHandler.setOnly", set_only)
        .add_handler("chat.chatHandler.recall", recall)
        .add_handler("chat.chatHandler.fail", |_: Request<()>| super::entry::failed())
        .add_handler("chat.chatHandler.kick", kick);
}

/// The room a user is in.
pub(super) fn room_of(
    session: Entity,
    members: &Query<&MemberOf>,
    rooms: &Query<&Room>,
) -> Option<(Entity, String)> {
    let room = members.get(session).ok()?.iter().next()?;
    Some((room, rooms.get(room).ok()?.name().to_owned()))
}

fn send(
    request: Request<Text>,
    bound: Query<&BoundTo>,
    sessions: Query<&Session>,
    members: Query<&MemberOf>,
    rooms: Query<&Room>,
    server: Res<ServerId>,
    mut pusher: Pusher,
    mut commands: Commands,
) -> Result<Sent, Refusal> {
    let session = bound.get(request.connection).map_err(|_| "nobody is logged in here")?.0;
    let from = sessions.get(session)?.uid().as_str();
    pusher.push(session, "onChat", &Chat { from, msg: &request.text });
    commands.entity(session).insert(LastText(request.body.text));
    let room = room_of(session, &members, &rooms).map(|(_, name)| name);
    Ok(Sent { code: 200, frontend: server.0.to_string(), room })
}

/// What a backend sets in its copy of the session and does not push back is lost with the request.
fn set_only(_: Request<Text>) -> Fine {
    FINE
}

fn recall(request: Request<()>, bound: Query<&BoundTo>, texts: Query<&LastText>) -> Recalled {
    let text = bound.get(request.connection).ok().and_then(|bound| texts.get(bound.0).ok());
    Recalled { code: 200, last_text: text.map(|text| text.0.clone()) }
}

/// Is not answered: the kick is the answer.
fn kick(request: Request<()>, mut commands: Commands) -> NoReply {
    commands.trigger(Kick::new(request.connection, "from-backend"));
    NoReply
}
