//! Handshakes: the client's version is looked at here, who its user is by the game's own handler.

use crate::{
    HANDSHAKE_ROUTE, PomeloClient, PomeloState,
    protocol::{write_refusal, write_welcome},
    service::Services,
    state::settle,
    wire::{
        handshake::{self, Family, Request},
        text,
    },
};
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{Cause, Close, Closing, Outboxes};
use portcullis_dispatch::{AnsweredLate, Content, Outcome, Outcomes, PacketKind, Packets, Routes, Speaks};
use std::time::Duration;

/// Handshakes that came in this run, and those that wait for the game's answer in it.
#[derive(Resource, Default)]
pub(crate) struct Handshakes {
    came: Vec<Came>,
    asked: bool,
}

struct Came {
    connection: Entity,
    received: Duration,
    body: Vec<u8>,
}

impl Handshakes {
    pub(crate) fn came(&mut self, connection: Entity, received: Duration, body: &[u8]) {
        self.came.push(Came { connection, received, body: body.to_vec() });
    }
}

#[derive(SystemParam)]
pub(crate) struct Answers<'w, 's> {
    connections: Query<'w, 's, (&'static mut PomeloState, &'static Speaks), Without<Closing>>,
    services: Res<'w, Services>,
    routes: Res<'w, Routes>,
    packets: ResMut<'w, Packets>,
    outboxes: Outboxes<'w, 's>,
    commands: Commands<'w, 's>,
}

/// Answers what came, or asks the game. After `decode`, in the same set.
pub(crate) fn answer(mut handshakes: ResMut<Handshakes>, mut answers: Answers) {
    if handshakes.came.is_empty() {
        return;
    }
    for came in std::mem::take(&mut handshakes.came) {
        handshakes.asked |= answers.answer(came);
    }
}

impl Answers<'_, '_> {
    /// Gives true when the game has been asked.
    fn answer(&mut self, came: Came) -> bool {
        let Came { connection, received, body } = came;
        let Ok((mut state, &speaks)) = self.connections.get_mut(connection) else { return false };
        let request = match Request::read(&body) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%connection, %error, "a handshake that cannot be understood");
                self.refuse(connection, Family::Minimal, handshake::FAILED, Cause::Malformed);
                return false;
            }
        };
        let client = PomeloClient::of(&request);
        let family = client.family;
        let (Some((service, _)), Some(dialect)) =
            (self.services.get(speaks), self.services.dialect(speaks, family))
        else {
            return false;
        };
        if !service.manners.wants(&client) {
            tracing::debug!(%connection, ?client, "a client that the server does not want");
            self.refuse(connection, family, handshake::OLD_CLIENT, Cause::Incompatible);
            return false;
        }
        settle(&mut self.commands, connection, client, dialect);
        let id = service.kept(&request);
        let handled = self.routes.info(service.handshake_route).is_some_and(|route| route.inbound.is_some());
        if handled {
            let mut user = Vec::new();
            if let Some(value) = &request.user {
                // A value that was read can be written.
                let _ = text::to_json(value, &mut user);
            }
            let span = (0, user.len() as u32);
            let buffer = self.packets.buffer(user, received);
            let kind = PacketKind::Request(id);
            self.packets.push(connection, service.handshake_route, kind, buffer, span);
            return true;
        }
        let written =
            self.outboxes.write(connection, |out| write_welcome(out, service, family, id, Content::Raw(&[])));
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "the answer to a handshake could not be written");
        }
        *state = PomeloState::WaitAck;
        false
    }

    fn refuse(&mut self, connection: Entity, family: Family, code: u16, cause: Cause) {
        let _ = self.outboxes.write(connection, |out| write_refusal(out, family, code));
        if let Ok((mut state, _)) = self.connections.get_mut(connection) {
            *state = PomeloState::Closed;
        }
        self.commands.trigger(Close::new(connection, cause));
    }
}

/// What the game has said of the handshakes of this run. After dispatch.
pub(crate) fn conclude(
    mut handshakes: ResMut<Handshakes>,
    outcomes: Res<Outcomes>,
    routes: Res<Routes>,
    mut states: Query<&mut PomeloState>,
    mut commands: Commands,
) {
    if !std::mem::take(&mut handshakes.asked) {
        return;
    }
    let Some(route) = routes.get(HANDSHAKE_ROUTE) else { return };
    for handled in outcomes.iter().filter(|handled| handled.route == route) {
        let welcome = match handled.outcome {
            Outcome::Deferred => continue,
            Outcome::Done => true,
            _ => false,
        };
        settle_state(handled.connection, welcome, &mut states, &mut commands);
    }
}

/// The same for an answer that took longer.
pub(crate) fn conclude_late(
    event: On<AnsweredLate>,
    routes: Res<Routes>,
    mut states: Query<&mut PomeloState>,
    mut commands: Commands,
) {
    if routes.get(HANDSHAKE_ROUTE) == Some(event.route) {
        settle_state(event.connection, event.refused.is_none(), &mut states, &mut commands);
    }
}

fn settle_state(
    connection: Entity,
    welcome: bool,
    states: &mut Query<&mut PomeloState>,
    commands: &mut Commands,
) {
    let Ok(mut state) = states.get_mut(connection) else { return };
    if *state != PomeloState::Answering {
        return;
    }
    *state = if welcome { PomeloState::WaitAck } else { PomeloState::Closed };
    if !welcome {
        commands.trigger(Close::new(connection, Cause::Incompatible));
    }
}
