//! Frames to packets: the first of a connection is its handshake, all others are requests.

use bevy_ecs::prelude::*;
use portcullis_core::{Arrivals, Cause, Close, Handshaking, Traffic};
use portcullis_dispatch::{PacketKind, Packets, RouteId};
use portcullis_session::{ServerName, Unbound};

/// One msgserver, on its listener and on its connections.
#[derive(Component, Clone, Debug)]
#[component(immutable)]
pub(crate) struct MsgGate {
    pub(crate) server: ServerName,
    pub(crate) request: RouteId,
    pub(crate) handshake: RouteId,
}

/// How far a connection has come.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Its handshake has not come yet.
    Awaited,
    /// It has come; what follows is handled after it.
    Came,
    /// It has sent what is no request, and is about to be closed.
    Broken,
}

/// Bytes of a request's session, at its end.
const SESSION: u32 = 4;

/// Handshakes are packets too, so that all that came before a handshake, over whatever connection, is handled before it:
/// a request, then a reconnect and the same request again, are one request.
pub(crate) fn decode(
    mut arrivals: ResMut<Arrivals>,
    mut packets: ResMut<Packets>,
    mut offenders: ResMut<Offenders>,
    mut connections: Query<(&MsgGate, &mut Greeting, &mut Traffic)>,
    mut found: Local<Vec<(RouteId, PacketKind, (u32, u32))>>,
) {
    if arrivals.is_empty() {
        return;
    }
    let mut mine = Vec::new();
    arrivals.take_if(|connection| connections.contains(connection), |arrival| mine.push(arrival));
    for arrival in mine {
        let connection = arrival.connection;
        let Ok((gate, mut greeting, mut traffic)) = connections.get_mut(connection) else { continue };
        if *greeting == Greeting::Broken {
            continue;
        }
        let (data, spans) = arrival.frames.into_parts();
        for (start, end) in spans {
            if *greeting == Greeting::Awaited {
                *greeting = Greeting::Came;
                offenders.greeters.push(connection);
                found.push((gate.handshake, PacketKind::Request(0), (start, end)));
                continue;
            }
            let frame = data.get(start as usize..end as usize).unwrap_or_default();
            let Some((_, session)) = frame.split_last_chunk() else {
                tracing::debug!(%connection, bytes = frame.len(), "a request without a session");
                traffic.bad_requests += 1;
                *greeting = Greeting::Broken;
                offenders.broken.push(connection);
                break;
            };
            let kind = PacketKind::Request(u32::from_be_bytes(*session).into());
            found.push((gate.request, kind, (start, end - SESSION)));
        }
        let buffer = packets.buffer(data, arrival.received);
        for (route, kind, span) in found.drain(..) {
            packets.push(connection, route, kind, buffer, span);
        }
    }
}

/// Connections that may have to be closed when this run's packets have been handled.
#[derive(Resource, Default)]
pub(crate) struct Offenders {
    /// Those that have sent what is no request: after what they sent before it was handled.
    broken: Vec<Entity>,
    /// Those whose handshake is among the packets.
    greeters: Vec<Entity>,
}

pub(crate) fn close_offenders(
    mut offenders: ResMut<Offenders>,
    handshaking: Query<(), With<Handshaking>>,
    mut commands: Commands,
) {
    for connection in offenders.broken.drain(..) {
        commands.trigger(Close::new(connection, Cause::Malformed));
    }
    // Somebody has dropped the handshake without a word: what follows would be nobody's requests.
    for connection in offenders.greeters.drain(..).filter(|&connection| handshaking.contains(connection)) {
        commands.trigger(Close::new(connection, Cause::Incompatible));
    }
}

/// Who is nobody's connection any more can become nobody's again: there is one handshake.
pub(crate) fn close_unbound(
    event: On<Unbound>,
    connections: Query<(), With<Greeting>>,
    mut commands: Commands,
) {
    if connections.contains(event.connection) {
        commands.trigger(Close::new(event.connection, Cause::Requested));
    }
}
