//! The first frame of a connection: whose it is.

use super::{
    decode::MsgGate,
    users::MsgUser,
    wire::{Handshake, Reply, Username},
};
use bevy_ecs::prelude::*;
use portcullis_core::Handshaking;
use portcullis_dispatch::{Raw, Refusal, Request};
use portcullis_session::{LoginRefusal, Secret, Session, Sessions, resume};

/// Binds a connection to the session whose secret it has proved to know. A connection that was bound to it before is
/// closed: the later handshake is the user's word. What fails changes nothing, and uses up no index.
pub(crate) fn handshake(request: Request<Raw>, world: &mut World) -> Result<Raw, Refusal> {
    let connection = request.connection;
    match greet(world, connection, &request.body.0) {
        Ok(()) => Ok(Raw::default()),
        Err(reply) => {
            tracing::debug!(%connection, reply = reply.text(), "a handshake was refused");
            Err(Refusal::new(Refusal::UNAUTHORIZED, reply.text()))
        }
    }
}

fn greet(world: &mut World, connection: Entity, frame: &[u8]) -> Result<(), Reply> {
    let handshake = Handshake::parse(frame).ok_or(Reply::UserNotFound)?;
    let session = find(world, connection, handshake.username).ok_or(Reply::UserNotFound)?;
    let (user, secret) = (world.get::<MsgUser>(session), world.get::<Secret>(session));
    let (Some(user), Some(secret)) = (user, secret) else { return Err(Reply::UserNotFound) };
    let secret = secret.expose().first_chunk().ok_or(Reply::UserNotFound)?;
    let before = user.index;
    let index = handshake.check(secret, before)?;
    // Before anybody is told: whatever observers do, these words let nobody in again.
    set_index(world, session, index);
    resume(world, connection, session).map_err(|why| {
        set_index(world, session, before);
        match why {
            LoginRefusal::NoSession => Reply::UserNotFound,
            // A policy that keeps a second connection out, or somebody who closed this one in between.
            _ => Reply::Unauthorized,
        }
    })?;
    if let Ok(mut connection) = world.get_entity_mut(connection) {
        connection.remove::<Handshaking>();
    }
    Ok(())
}

fn set_index(world: &mut World, session: Entity, index: i64) {
    if let Some(mut user) = world.get_mut::<MsgUser>(session) {
        user.index = index;
    }
}

/// The session of exactly this name, at the server that the connection came to.
fn find(world: &World, connection: Entity, username: &[u8]) -> Option<Entity> {
    let gate = world.get::<MsgGate>(connection)?;
    let Username { uid, server, subid } = Username::parse(username)?;
    if server != gate.server.as_str() {
        return None;
    }
    let session = world.resource::<Sessions>().at(&server, &uid)?;
    (world.get::<Session>(session)?.subid() == subid).then_some(session)
}
