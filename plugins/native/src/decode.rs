//! Frames to packets: handshakes and heartbeats end here, requests and notifies go on to dispatch.

use crate::{
    NativeState,
    connection::{Offenders, Services},
    protocol::Service,
    wire::{ClientFrame, Identity, ServerFrame, WireError},
};
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{Arrival, Arrivals, Cause, Closing, Outboxes, Traffic};
use portcullis_dispatch::{PacketKind, Packets, RouteId, Speaks};
use portcullis_gate::Trust;
use portcullis_watchdog::{Handshaking, LoginLimit};
use std::time::Duration;

/// Takes the arrivals of our connections.
pub(crate) fn decode(
    mut arrivals: ResMut<Arrivals>,
    mut decoder: Decoder,
    services: Res<Services>,
    speaks: Query<&Speaks>,
) {
    let service_of = |entity| speaks.get(entity).ok().and_then(|&speaks| services.get(speaks));
    arrivals.take_if(
        |entity| service_of(entity).is_some(),
        |arrival| {
            if let Some(service) = service_of(arrival.connection) {
                decoder.arrival(arrival, service);
            }
        },
    );
}

#[derive(SystemParam)]
pub(crate) struct Decoder<'w, 's> {
    connections: Query<
        'w,
        's,
        (&'static mut NativeState, &'static mut Traffic, Option<&'static LoginLimit>),
        Without<Closing>,
    >,
    outboxes: Outboxes<'w, 's>,
    packets: ResMut<'w, Packets>,
    offenders: ResMut<'w, Offenders>,
    commands: Commands<'w, 's>,
    asked: Local<'s, Vec<Asked>>,
}

/// A request or notify, and where in the bytes of its read the body lies.
struct Asked {
    route: RouteId,
    kind: PacketKind,
    body: (u32, u32),
}

impl Decoder<'_, '_> {
    fn arrival(&mut self, Arrival { connection, received, frames }: Arrival, service: &Service) {
        let Ok((mut state, mut traffic, login)) = self.connections.get_mut(connection) else { return };
        let (data, spans) = frames.into_parts();
        for (start, end) in spans {
            // What follows an offence in the same read is not looked at.
            if matches!(*state, NativeState::Rejected | NativeState::Broken) {
                break;
            }
            let payload = data.get(start as usize..end as usize).unwrap_or_default();
            let mut say = |frame: ServerFrame<'_>| {
                // A connection that is gone needs no answer, and these frames always have a place on the wire.
                let _ = self.outboxes.write(connection, |out| frame.write(out));
            };
            match step(*state, payload, service) {
                Ok(Step::Welcome) => {
                    say(ServerFrame::Welcome { heartbeat: service.heartbeat });
                    *state = NativeState::Ready;
                    self.commands.entity(connection).remove::<Handshaking>();
                    // Where no login is to come, nobody else will say that it may be trusted.
                    if login.is_some_and(|login| login.0 == Duration::MAX) {
                        self.commands.trigger(Trust { entity: connection });
                    }
                }
                Ok(Step::Ping) => say(ServerFrame::Pong),
                Ok(Step::Ask { route, kind, body }) => {
                    let body = (end - body.len() as u32, end);
                    self.asked.push(Asked { route: service.tables.route(route), kind, body });
                }
                Err(Offence::Incompatible(message)) => {
                    tracing::debug!(%connection, message, "a handshake was refused");
                    say(ServerFrame::Reject { message: &message });
                    *state = NativeState::Rejected;
                    self.offenders.0.push((connection, Cause::Incompatible, message.into()));
                }
                Err(Offence::Malformed(error)) => {
                    tracing::debug!(%connection, %error, "a frame that the protocol does not allow");
                    traffic.bad_requests += 1;
                    *state = NativeState::Broken;
                    self.offenders.0.push((connection, Cause::Malformed, error.to_string().into()));
                }
            }
        }
        if !self.asked.is_empty() {
            let buffer = self.packets.buffer(data, received);
            for Asked { route, kind, body } in self.asked.drain(..) {
                self.packets.push(connection, route, kind, buffer, body);
            }
        }
    }
}

/// What a frame asks the server to do.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Welcome,
    Ping,
    Ask { route: u16, kind: PacketKind, body: &'a [u8] },
}

/// What a connection is closed for.
#[derive(Debug, PartialEq, Eq)]
enum Offence {
    Incompatible(String),
    Malformed(WireError),
}

fn step<'a>(state: NativeState, payload: &'a [u8], service: &Service) -> Result<Step<'a>, Offence> {
    let frame = ClientFrame::read(payload).map_err(|error| match error {
        WireError::Format(theirs) if state == NativeState::Greeting => Offence::Incompatible(format!(
            "server speaks wire format {}; client speaks wire format {theirs}",
            crate::wire::FORMAT
        )),
        error => Offence::Malformed(error),
    })?;
    match (state, frame) {
        (NativeState::Greeting, ClientFrame::Hello(theirs)) => agree(service, theirs),
        (NativeState::Ready, ClientFrame::Request { id, route, body }) => {
            Ok(Step::Ask { route, kind: PacketKind::Request(id.into()), body })
        }
        (NativeState::Ready, ClientFrame::Notify { route, body }) => {
            Ok(Step::Ask { route, kind: PacketKind::Notify, body })
        }
        (NativeState::Ready, ClientFrame::Ping) => Ok(Step::Ping),
        (_, frame) => Err(Offence::Malformed(WireError::OutOfTurn(frame.kind()))),
    }
}

fn agree<'a>(service: &Service, theirs: Identity<'_>) -> Result<Step<'a>, Offence> {
    let ours = service.identity();
    if ours == theirs {
        return Ok(Step::Welcome);
    }
    let same_version = (ours.name, ours.version) == (theirs.name, theirs.version);
    let hint = if same_version { ": their messages differ, compare the manifests" } else { "" };
    Err(Offence::Incompatible(format!("server speaks {ours}; client speaks {theirs}{hint}")))
}
