//! The lines of a connection, and what becomes of the token in the last of them.

use super::{
    Identity, LOGIN_ROUTE,
    logins::{self, Secret, answer},
    plugin::LoginSpeaks,
    wire::{Presented, Server, Status, Step},
};
use bevy_ecs::prelude::*;
use bytes::Bytes;
use portcullis_core::{Arrivals, Closing, Handshaking, Outboxes, Traffic};
use portcullis_dispatch::{
    BodyError, Handled, Outcome, Outcomes, Outgoing, PacketKind, Packets, Protocol, Refusal, RouteId,
};

/// How far a connection to a login server has come.
#[derive(Component, Debug)]
pub(crate) struct Dialogue {
    server: Server,
    /// What was agreed on, once the token is being looked at.
    secret: Option<Secret>,
}

impl Dialogue {
    pub(crate) fn new(challenge: [u8; 8], private: [u8; 8]) -> Self {
        Self { server: Server::new(challenge, private), secret: None }
    }

    pub(crate) fn write_challenge(&self, out: &mut Vec<u8>) {
        self.server.write_challenge(out);
    }
}

pub(crate) fn decode(
    mut arrivals: ResMut<Arrivals>,
    mut packets: ResMut<Packets>,
    mut outboxes: Outboxes,
    speaks: Res<LoginSpeaks>,
    mut connections: Query<(&mut Dialogue, &mut Traffic, Has<Closing>)>,
    mut commands: Commands,
) {
    if arrivals.is_empty() {
        return;
    }
    let mut mine = Vec::new();
    arrivals.take_if(|connection| connections.contains(connection), |arrival| mine.push(arrival));
    for arrival in mine {
        let entity = arrival.connection;
        let Ok((mut dialogue, mut traffic, false)) = connections.get_mut(entity) else { continue };
        for frame in arrival.frames.iter() {
            let line = frame.strip_suffix(b"\n").unwrap_or(frame);
            let mut said = Vec::new();
            let step = dialogue.server.line(line, &mut said);
            if !said.is_empty() {
                // A connection that is gone needs no key.
                let _ = outboxes.write(entity, |out| out.append(&mut said));
            }
            match step {
                Step::Wait => {}
                Step::Token(Presented { token, secret }) => {
                    dialogue.secret = Some(Secret(secret));
                    // Who has come so far is no stranger's bot; the login's own deadlines hold now.
                    commands.entity(entity).remove::<Handshaking>();
                    let length = token.len() as u32;
                    // It is wiped when the last who looks at it is done.
                    let buffer = packets.buffer(Bytes::from_owner(token), arrival.received);
                    packets.push(entity, speaks.route, PacketKind::Request(0), buffer, (0, length));
                }
                Step::Unauthorized(error) => {
                    tracing::debug!(connection = %entity, %error, "a login that goes wrong");
                    traffic.bad_requests += 1;
                    commands.queue(move |world: &mut World| answer(world, entity, &Status::Unauthorized));
                }
                // What follows the last line is not looked at.
                Step::Ignored => break,
            }
        }
    }
}

/// The only thing that dispatch says for this protocol is what becomes of a token.
pub(crate) struct LoginProtocol;

impl Protocol for LoginProtocol {
    fn name(&self) -> &'static str {
        "skynet-login"
    }

    fn read(
        &self,
        _: RouteId,
        _: &[u8],
        _: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        Err(BodyError::new("tokens are bytes: handle them as Request<Token> or Request<Raw>"))
    }

    fn write(&self, _: &mut Vec<u8>, _: Outgoing<'_>) -> Result<(), BodyError> {
        Ok(())
    }

    fn take_answer(&self, world: &mut World, connection: Entity, said: &Outgoing<'_>) -> bool {
        let identity = match said {
            Outgoing::Reply { body, .. } => Identity::read(body),
            Outgoing::Refusal { refusal, .. } => {
                tracing::debug!(%connection, %refusal, "a token was refused");
                if refusal.code == Refusal::NOT_FOUND {
                    world.resource_mut::<Missing>().suspect();
                }
                None
            }
            // Nobody is told what he did not ask.
            Outgoing::Push { .. } => return true,
        };
        let secret = world.get_mut::<Dialogue>(connection).and_then(|mut dialogue| dialogue.secret.take());
        match (identity, secret) {
            (Some(identity), Some(secret)) => logins::enter(world, connection, &identity, secret),
            _ => answer(world, connection, &Status::Unauthorized),
        }
        true
    }
}

/// Whether the game has forgotten to say who people are. Its users cannot tell it.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing speaks for it.
    #[default]
    No,
    /// A token was not found worth an answer.
    Suspected,
    /// The operator has been told.
    Told,
}

impl Missing {
    fn suspect(&mut self) {
        if *self == Self::No {
            *self = Self::Suspected;
        }
    }
}

/// Tells the operator, once.
pub(crate) fn miss(mut missing: ResMut<Missing>, outcomes: Res<Outcomes>, speaks: Res<LoginSpeaks>) {
    if *missing != Missing::Suspected {
        return;
    }
    let unknown = |handled: &Handled| handled.route == speaks.route && handled.outcome == Outcome::Unknown;
    *missing = if outcomes.iter().any(unknown) { Missing::Told } else { Missing::No };
    if *missing == Missing::Told {
        tracing::error!("nobody can log in: add a handler for `{LOGIN_ROUTE}`, which says whose a token is");
    }
}
