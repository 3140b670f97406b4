//! sproto's messages as dispatch's packets, and answers and pushes as frames.

use crate::{
    frame::write_frame,
    sproto::{Host, Incoming, ProtocolId, UNPACK_LIMIT, unpack},
};
use bevy_ecs::prelude::*;
use portcullis_core::{Arrival, Arrivals, ForwardedTo, Traffic};
use portcullis_dispatch::{
    Bad, BodyError, Buffer, Content, OnBad, Outgoing, PacketKind, Packets, Protocol, RouteId, Routes,
};
use std::{cell::RefCell, sync::Arc};

/// The route on which packets of a connection without an agent arrive, whole and unparsed, for a handler of
/// `Request<Raw>`: what skynet's gate sends to its watchdog. What the handler returns goes back as a frame.
pub const WATCHDOG_ROUTE: &str = "skynet.watchdog";

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// sproto over the gate's frames. Names of the schema's protocols are names of routes.
#[derive(Clone)]
pub(crate) struct SprotoProtocol {
    pub(crate) host: Host,
    /// The route of each protocol of the incoming schema.
    routes: Arc<[RouteId]>,
    /// By route: the protocol of the incoming schema, and of the outgoing one.
    requests: Arc<[Option<ProtocolId>]>,
    pushes: Arc<[Option<ProtocolId>]>,
}

impl SprotoProtocol {
    pub(crate) fn new(host: Host, routes: &mut Routes) -> Self {
        let incoming = host.incoming().protocols().map(|(id, known)| (id, routes.intern(known.name())));
        let incoming: Vec<(ProtocolId, RouteId)> = incoming.collect();
        let outgoing = host.outgoing().protocols().map(|(id, known)| (id, routes.intern(known.name())));
        let outgoing: Vec<(ProtocolId, RouteId)> = outgoing.collect();
        Self {
            routes: incoming.iter().map(|&(_, route)| route).collect(),
            requests: by_route(&incoming),
            pushes: by_route(&outgoing),
            host,
        }
    }

    /// Unpacks a frame behind what `unpacked` holds, and tells what it is.
    fn packet(
        &self,
        frame: &[u8],
        unpacked: &mut Vec<u8>,
    ) -> Result<(RouteId, PacketKind, (u32, u32)), String> {
        let start = unpacked.len();
        unpack(frame, unpacked, UNPACK_LIMIT).map_err(|error| error.to_string())?;
        let message = &unpacked[start..];
        match self.host.read(message).map_err(|error| error.to_string())? {
            Incoming::Request { protocol, session, body, .. } => {
                let route = *self.routes.get(protocol.index()).ok_or("a protocol of another schema")?;
                // Sessions are signed on the wire; as an id only equality matters.
                let kind = session.map_or(PacketKind::Notify, |session| PacketKind::Request(session as u64));
                let end = unpacked.len();
                Ok((route, kind, ((end - body.len()) as u32, end as u32)))
            }
            Incoming::Response { session, .. } => {
                Err(format!("an answer to session {session}, which nobody asked"))
            }
        }
    }

    fn body_error(error: impl std::fmt::Display) -> BodyError {
        BodyError::new(error)
    }
}

fn by_route(protocols: &[(ProtocolId, RouteId)]) -> Arc<[Option<ProtocolId>]> {
    let length = protocols.iter().map(|(_, route)| route.index() + 1).max().unwrap_or(0);
    let mut table = vec![None; length];
    for &(protocol, route) in protocols {
        table[route.index()] = Some(protocol);
    }
    table.into()
}

impl Protocol for SprotoProtocol {
    fn name(&self) -> &'static str {
        "skynet"
    }

    fn read(
        &self,
        route: RouteId,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        let protocol = self.requests.get(route.index()).copied().flatten();
        let protocol = protocol.ok_or_else(|| BodyError::new("the schema has no such request"))?;
        let decoder = self.host.request_body(protocol, body).map_err(Self::body_error)?;
        read(&mut <dyn erased_serde::Deserializer>::erase(decoder)).map_err(Self::body_error)
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        let (route, id, body) = match message {
            // sproto has no words for an error; the original logs it and says nothing.
            Outgoing::Refusal { .. } => return Ok(()),
            Outgoing::Reply { route, id, body } => (route, Some(id), body),
            Outgoing::Push { route, body } => (route, None, body),
        };
        let value = match body {
            Content::Value(value) => value,
            Content::Raw(payload) => {
                return write_frame(out, |out| {
                    out.extend_from_slice(payload);
                    Ok(())
                });
            }
        };
        let table = if id.is_some() { &self.requests } else { &self.pushes };
        let protocol = table.get(route.index()).copied().flatten();
        let protocol = protocol.ok_or_else(|| BodyError::new("the schema has no such protocol"))?;
        SCRATCH.with_borrow_mut(|scratch| {
            write_frame(out, |out| {
                match id {
                    Some(id) => self.host.encode_response(protocol, id as i64, &(), value, scratch, out),
                    None => self.host.encode_request(protocol, None, &(), value, scratch, out),
                }
                .map_err(Self::body_error)
            })
        })
    }

    /// A log line, no answer, and the connection stays: as the example agent does.
    fn on_bad(&self, _: Bad) -> OnBad {
        OnBad::Ignore
    }
}

/// One sproto listener's protocol, on the listener and on its connections.
#[derive(Component, Clone)]
#[component(immutable)]
pub(crate) struct SprotoGate(pub(crate) Arc<SprotoProtocol>);

/// Where unparsed packets of connections without an agent go.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct WatchdogRoute(pub(crate) RouteId);

pub(crate) fn decode(
    mut arrivals: ResMut<Arrivals>,
    mut packets: ResMut<Packets>,
    watchdog: Res<WatchdogRoute>,
    mut connections: Query<(&SprotoGate, Has<ForwardedTo>, &mut Traffic)>,
) {
    if arrivals.is_empty() {
        return;
    }
    let mut mine = Vec::new();
    arrivals.take_if(|connection| connections.contains(connection), |arrival| mine.push(arrival));
    for arrival in mine {
        let Ok((gate, has_agent, mut traffic)) = connections.get_mut(arrival.connection) else { continue };
        if has_agent {
            traffic.bad_requests += requests(&gate.0, arrival, &mut packets);
        } else {
            data(watchdog.0, arrival, &mut packets);
        }
    }
}

/// Packets of a connection with an agent. Gives how many frames could not be understood.
fn requests(protocol: &SprotoProtocol, arrival: Arrival, packets: &mut Packets) -> u64 {
    let mut bad = 0;
    let mut unpacked = Vec::new();
    let mut found = Vec::with_capacity(arrival.frames.len());
    for frame in arrival.frames.iter() {
        let before = unpacked.len();
        match protocol.packet(frame, &mut unpacked) {
            Ok(packet) => found.push(packet),
            Err(error) => {
                unpacked.truncate(before);
                bad += 1;
                tracing::debug!(connection = %arrival.connection, error, "bad packet");
            }
        }
    }
    let buffer: Buffer = packets.buffer(unpacked, arrival.received);
    for (route, kind, span) in found {
        packets.push(arrival.connection, route, kind, buffer, span);
    }
    bad
}

fn data(route: RouteId, arrival: Arrival, packets: &mut Packets) {
    let Arrival { connection, received, frames } = arrival;
    let (data, spans) = frames.into_parts();
    let buffer = packets.buffer(data, received);
    for span in spans {
        packets.push(connection, route, PacketKind::Request(0), buffer, span);
    }
}
