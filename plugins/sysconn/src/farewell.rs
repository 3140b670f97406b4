//! Last words: what a client hears before its connection is closed.

use crate::{
    Ban, Blacklist, ClientRecord,
    login::online,
    wire::{
        self,
        commands::{BLACKLIST_NOTICE, KICK, SYSTEM_NOTICE},
        errors::LOGGED_IN_ELSEWHERE,
        messages::{Blacklisted, Kicked, SystemNotice},
    },
};
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, Cause, Clock, CloseCode, Closing, Handshaking, Kick, Outboxes};
use prost::Message;
use std::convert::Infallible;

/// The error code that a kicked client is told, in place of [`LOGGED_IN_ELSEWHERE`]: insert it on the connection before the
/// [`Kick`].
///
/// The close frame behind it has this code, beyond [`CLOSE_CODES`].
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct KickCode(pub u16);

/// Close codes of this protocol begin here: 4011 is what a client that was kicked with error code 11 sees, if it looks.
pub const CLOSE_CODES: u16 = 4000;

/// Request: ban a role at once, for as long as [its offences](crate::BlacklistPolicy) make it, and show it out if it is
/// online, with a blacklist notice in place of a kick. Its session lingers. Role 0, which is nobody, is never banned.
#[derive(Event, Clone, Copy, Debug)]
pub struct BanRole(pub u32);

/// The connection is closed for a ban, and this is what its client is told.
#[derive(Component, Clone, Copy, Debug)]
pub(crate) struct Banned(Ban);

pub(crate) fn ban(event: On<BanRole>, mut commands: Commands) {
    let BanRole(role) = *event.event();
    commands.queue(move |world: &mut World| {
        let now = world.resource::<Clock>().unix();
        let Some(ban) = world.resource_mut::<Blacklist>().ban(role, now) else { return };
        let session = online(world, role);
        let bindings = session.and_then(|session| world.get::<Bindings>(session));
        let connections: Vec<_> = bindings.into_iter().flat_map(RelationshipTarget::iter).collect();
        for entity in connections {
            world.entity_mut(entity).insert(Banned(ban));
            world.trigger(Kick::new(entity, "blacklisted"));
            world.flush();
        }
    });
}

type Parting = (&'static Closing, Option<&'static KickCode>, Option<&'static Banned>);

/// Tells a client that it was shown out.
///
/// As in the original, whoever is closed for what it did, or because its role has ended, is told nothing.
pub(crate) fn farewell(
    event: On<Add<Closing>>,
    connections: Query<Parting, (With<ClientRecord>, Without<Handshaking>)>,
    mut outboxes: Outboxes,
    mut commands: Commands,
) {
    let entity = event.entity;
    let Ok((closing, kick, banned)) = connections.get(entity) else { return };
    let code = match closing.cause {
        Cause::Kicked => kick.map_or(LOGGED_IN_ELSEWHERE, |kick| kick.0),
        Cause::Replaced => LOGGED_IN_ELSEWHERE,
        Cause::Shutdown => {
            let text = closing.reason.as_deref().unwrap_or("the server is shutting down");
            return say(&mut outboxes, entity, SYSTEM_NOTICE, &SystemNotice { text: text.to_owned() });
        }
        _ => return,
    };
    let code = match banned {
        Some(&Banned(ban)) => {
            say(&mut outboxes, entity, BLACKLIST_NOTICE, &Blacklisted::from(ban));
            wire::errors::BLACKLISTED
        }
        None => {
            say(&mut outboxes, entity, KICK, &Kicked { error_code: code.into() });
            code
        }
    };
    // Codes beyond 4999 are not WebSocket's to say.
    commands.entity(entity).try_insert(CloseCode(CLOSE_CODES + code.min(999)));
}

fn say(outboxes: &mut Outboxes, connection: Entity, command: u16, message: &impl Message) {
    // A connection that is gone needs no farewell.
    let _ = outboxes.write(connection, |out| {
        wire::write_response(out, 0, command, |out| {
            out.extend_from_slice(&message.encode_to_vec());
            Ok::<_, Infallible>(())
        })
    });
}
