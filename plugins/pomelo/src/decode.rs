//! Packages to packets: handshakes, acknowledgements and heartbeats end here, requests and notifies go on to dispatch.

use crate::{
    PomeloState,
    handshake::Handshakes,
    service::{HeartbeatStyle, Service, Services},
    state::Offenders,
    wire::{
        WireError,
        handshake::Family,
        message::{self, Message, Route},
        package::{self, Kind},
        zip,
    },
};
use bevy_ecs::{entity::EntityHashMap, prelude::*, system::SystemParam};
use portcullis_core::{Arrival, Arrivals, Cause, Clock, Closing, MaxFrame, Outboxes, Traffic};
use portcullis_dispatch::{PacketKind, Packets, Refusal, RouteId, Speaks};
use portcullis_gate::Trust;
use portcullis_watchdog::{Handshaking, HeartbeatInterval, HeartbeatLimit, Kick, LastHeartbeat, LoginLimit};
use std::time::Duration;

/// A method of this name was an attack on Pomelo, which looked handlers up among what every object inherits.
const CONSTRUCTOR: &str = "constructor";

/// How many times their own size what one connection sends in one run may inflate to, beyond one body of any size. JSON
/// shrinks to a tenth or so; what was made to be inflated, to a thousandth.
const INFLATION: usize = 32;

/// Takes the arrivals of our connections.
pub(crate) fn decode(
    mut arrivals: ResMut<Arrivals>,
    mut decoder: Decoder,
    services: Res<Services>,
    speaks: Query<&Speaks>,
) {
    let service_of = |entity| speaks.get(entity).ok().and_then(|&speaks| services.get(speaks));
    decoder.inflatable.clear();
    arrivals.take_if(
        |entity| service_of(entity).is_some(),
        |arrival| {
            if let Some((service, family)) = service_of(arrival.connection) {
                decoder.arrival(arrival, service, family);
            }
        },
    );
}

#[derive(SystemParam)]
pub(crate) struct Decoder<'w, 's> {
    connections: Query<'w, 's, Decoded, Without<Closing>>,
    outboxes: Outboxes<'w, 's>,
    packets: ResMut<'w, Packets>,
    offenders: ResMut<'w, Offenders>,
    handshakes: ResMut<'w, Handshakes>,
    clock: Res<'w, Clock>,
    commands: Commands<'w, 's>,
    asked: Local<'s, Vec<Asked>>,
    /// What may still come out of compressed bodies in this run, in bytes, for connections that have sent any.
    inflatable: Local<'s, EntityHashMap<usize>>,
}

type Decoded = (
    &'static mut PomeloState,
    &'static mut Traffic,
    Option<&'static mut LastHeartbeat>,
    Option<&'static LoginLimit>,
    &'static MaxFrame,
);

/// A request or notify, and where its body lies.
struct Asked {
    route: RouteId,
    kind: PacketKind,
    body: Body,
}

enum Body {
    /// In the bytes of its read.
    There((u32, u32)),
    /// It came compressed.
    Inflated(Vec<u8>),
    /// It came compressed, and is broken or too long.
    Unreadable,
}

/// What a package asks the server to do.
enum Step<'a> {
    Nothing,
    ShakeHands(&'a [u8]),
    Begin,
    Beat,
    Data(&'a [u8]),
}

fn step(state: PomeloState, kind: Kind, body: &[u8]) -> Result<Step<'_>, Cause> {
    match (state, kind) {
        // Only we send these.
        (_, Kind::Kick) => Err(Cause::Malformed),
        (PomeloState::Inited, Kind::Handshake) => Ok(Step::ShakeHands(body)),
        (PomeloState::WaitAck, Kind::HandshakeAck) => Ok(Step::Begin),
        (PomeloState::Working, Kind::Heartbeat) => Ok(Step::Beat),
        (PomeloState::Working, Kind::Data) => Ok(Step::Data(body)),
        // Out of its turn it is ignored without a word.
        (_, Kind::Handshake | Kind::HandshakeAck | Kind::Heartbeat | Kind::Data) => Ok(Step::Nothing),
    }
}

impl Decoder<'_, '_> {
    fn arrival(&mut self, arrival: Arrival, service: &Service, family: Family) {
        let Arrival { connection, received, frames } = arrival;
        let Ok((mut state, mut traffic, mut beats, login, max_frame)) = self.connections.get_mut(connection)
        else {
            return;
        };
        let (data, spans) = frames.into_parts();
        let mut bounds =
            Bounds { body: max_frame.0, read: Some(data.len()), inflatable: &mut self.inflatable };
        for (start, end) in spans {
            // What follows an offence in the same read is not looked at.
            if state.is_over() {
                break;
            }
            let package = data.get(start as usize..end as usize).unwrap_or_default();
            let step = package::read(package)
                .map_err(|_| Cause::Malformed)
                .and_then(|(kind, body)| step(*state, kind, body));
            match step {
                Ok(Step::Nothing) => {}
                Ok(Step::ShakeHands(body)) => {
                    *state = PomeloState::Answering;
                    self.handshakes.came(connection, received, body);
                }
                Ok(Step::Begin) => {
                    *state = PomeloState::Working;
                    begin(&mut self.commands, connection, service);
                    if service.manners.heartbeat.is_some() {
                        let _ = self.outboxes.write(connection, |out| out.extend(package::HEARTBEAT));
                    }
                    // Where no login is to come, nobody else will say that it may be trusted.
                    if login.is_some_and(|login| login.0 == Duration::MAX) {
                        self.commands.trigger(Trust { entity: connection });
                    }
                }
                Ok(Step::Beat) => {
                    if let Some(beats) = &mut beats {
                        beats.0 = self.clock.now();
                    }
                    let answers = service.manners.heartbeat.map(|beat| beat.style);
                    if answers == Some(HeartbeatStyle::Answer) {
                        let _ = self.outboxes.write(connection, |out| out.extend(package::HEARTBEAT));
                    }
                }
                Ok(Step::Data(body)) => match ask(connection, body, end, service, family, &mut bounds) {
                    Ask::Packet(asked) => {
                        traffic.bad_requests += u64::from(matches!(asked.body, Body::Unreadable));
                        self.asked.push(asked);
                    }
                    Ask::Attack => {
                        traffic.bad_requests += 1;
                        self.commands.trigger(Kick::new(connection, "attack"));
                    }
                    Ask::Bomb => {
                        tracing::debug!(%connection, "compressed bodies that inflate to far too much");
                        traffic.bad_requests += 1;
                        *state = state.broken();
                        self.offenders.0.push((connection, Cause::Malformed));
                    }
                    Ask::Nothing => {
                        traffic.bad_requests += 1;
                        tracing::debug!(%connection, "a message that cannot be understood was dropped");
                    }
                },
                Err(cause) => {
                    tracing::debug!(%connection, "a package that the protocol does not allow");
                    traffic.bad_requests += 1;
                    *state = state.broken();
                    self.offenders.0.push((connection, cause));
                }
            }
        }
        self.hand_over(connection, received, data);
    }

    fn hand_over(&mut self, connection: Entity, received: Duration, data: Vec<u8>) {
        if self.asked.is_empty() {
            return;
        }
        let read = self.packets.buffer(data, received);
        for Asked { route, kind, body } in self.asked.drain(..) {
            match body {
                Body::There(span) => self.packets.push(connection, route, kind, read, span),
                Body::Inflated(body) => {
                    let span = (0, body.len() as u32);
                    let own = self.packets.buffer(body, received);
                    self.packets.push(connection, route, kind, own, span);
                }
                Body::Unreadable => {
                    let refusal = Refusal::new(Refusal::BAD_REQUEST, "the compressed body cannot be read");
                    self.packets.push_refused(connection, route, kind, read, refusal);
                }
            }
        }
    }
}

/// The handshake is over: from now on heartbeats count.
fn begin(commands: &mut Commands, connection: Entity, service: &Service) {
    let mut entity = commands.entity(connection);
    entity.remove::<Handshaking>();
    if let Some(beat) = service.manners.heartbeat {
        entity.insert(HeartbeatLimit { within: beat.timeout, strict: beat.strict });
        if beat.style == HeartbeatStyle::Ticker {
            entity.insert(HeartbeatInterval(beat.interval));
        }
    }
}

enum Ask {
    Packet(Asked),
    Attack,
    Bomb,
    Nothing,
}

/// What compressed bodies may come to.
struct Bounds<'a> {
    /// One of them, in bytes.
    body: usize,
    /// The size of the read that is looked at, until it is counted.
    read: Option<usize>,
    inflatable: &'a mut EntityHashMap<usize>,
}

impl Bounds<'_> {
    /// Bounded by what has come, as all else is.
    fn inflate(&mut self, connection: Entity, body: &[u8]) -> Result<Body, Ask> {
        let left = self.inflatable.entry(connection).or_insert(self.body);
        *left = left.saturating_add(self.read.take().unwrap_or(0).saturating_mul(INFLATION));
        match zip::inflate(body, self.body.min(*left)) {
            Ok(inflated) => {
                *left = left.saturating_sub(inflated.len());
                Ok(Body::Inflated(inflated))
            }
            Err(WireError::Inflated { limit }) if limit < self.body => Err(Ask::Bomb),
            Err(_) => Ok(Body::Unreadable),
        }
    }
}

/// What a data package asks. Its body ends where the package does, at `end` of the read.
fn ask(
    connection: Entity,
    body: &[u8],
    end: u32,
    service: &Service,
    family: Family,
    bounds: &mut Bounds<'_>,
) -> Ask {
    let Ok(Message { kind, id, route, compressed, body, .. }) = message::read(body) else {
        return Ask::Nothing;
    };
    let known = match route {
        Route::Name(name) => service.route(family, name),
        Route::Code(code) => service.route_of(code),
        Route::None => None,
    };
    if known.is_none() && matches!(route, Route::Name(name) if name.rsplit('.').next() == Some(CONSTRUCTOR)) {
        return Ask::Attack;
    }
    let kind = match kind {
        message::Kind::Request if id > 0 => PacketKind::Request(id.into()),
        // As in Pomelo, which looks at the id alone.
        message::Kind::Request | message::Kind::Notify | message::Kind::Push => PacketKind::Notify,
        message::Kind::Response => return Ask::Nothing,
    };
    // Only clients of Pitaya's kind compress; Pomelo ignores the flag.
    let body = if compressed && family == Family::Pitaya {
        match bounds.inflate(connection, body) {
            Ok(body) => body,
            Err(instead) => return instead,
        }
    } else {
        Body::There((end - body.len() as u32, end))
    };
    // A route that nobody knows is dispatch's to answer, and to count.
    Ask::Packet(Asked { route: known.unwrap_or(service.unknown_route), kind, body })
}

/// It is time for a heartbeat.
pub(crate) fn beat(
    event: On<portcullis_watchdog::HeartbeatDue>,
    connections: Query<&PomeloState>,
    mut outboxes: Outboxes,
) {
    if connections.get(event.entity).is_ok_and(|state| *state == PomeloState::Working) {
        let _ = outboxes.write(event.entity, |out| out.extend(package::HEARTBEAT));
    }
}
