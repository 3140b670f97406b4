//! Messages to packets.

use crate::{
    ClientRecord, Manners,
    commands::{CommandTable, Found, Unknown},
    offences::Offenders,
    protocol::request_id,
    wire::{
        Request, Size, Status, WireError,
        errors::{LOGGED_IN_ALREADY, WRONG_OPERATION},
        inflate,
    },
};
use bevy_ecs::{entity::EntityHashMap, prelude::*, system::SystemParam};
use portcullis_core::{
    Arrival, Arrivals, BoundTo, Cause, Clock, Closing, Funnel, InboundLimit, MaxFrame, PutOff, Traffic,
};
use portcullis_dispatch::{AnsweredLate, Outcome, Outcomes, PacketKind, Packets, Refusal, RouteId};
use std::time::Duration;

/// How many times their own size what one connection sends in one run may inflate to, beyond one body of any size.
const INFLATION: usize = 32;

/// How far the talk with a client has come.
#[derive(Component, Debug, Default)]
pub(crate) struct Talk {
    /// A login is on its way to its answer: nothing that was sent behind it is looked at before.
    awaits: bool,
    /// It has sent what ends its connection; nothing behind that is looked at.
    over: bool,
    /// What was sent behind a login.
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    data: Vec<u8>,
    spans: Vec<(u32, u32)>,
}

impl Held {
    /// In bytes. Messages of a byte are bounded by what is kept of each.
    fn size(&self) -> usize {
        size_of::<Self>() + self.data.len() + size_of_val(&*self.spans)
    }
}

/// Logins that may have been answered in this run, and connections that go on in the next.
#[derive(Resource, Debug, Default)]
pub(crate) struct Logins {
    asked: bool,
    released: Vec<Entity>,
}

/// Takes the arrivals of our connections.
pub(crate) fn decode(mut arrivals: ResMut<Arrivals>, mut decoder: Decoder) {
    if arrivals.is_empty() && decoder.logins.released.is_empty() {
        return;
    }
    decoder.inflatable.clear();
    // What was held comes before what came behind it.
    for connection in std::mem::take(&mut decoder.logins.released) {
        decoder.go_on(connection);
    }
    let mut mine = std::mem::take(&mut *decoder.mine);
    arrivals.take_if(|connection| decoder.ours.contains(connection), |arrival| mine.push(arrival));
    for Arrival { connection, received, frames } in mine.drain(..) {
        let (data, spans) = frames.into_parts();
        decoder.read(connection, received, data, spans);
    }
    *decoder.mine = mine;
}

#[derive(SystemParam)]
pub(crate) struct Decoder<'w, 's> {
    talks: Query<'w, 's, Talking, Without<Closing>>,
    ours: Query<'w, 's, (), With<Talk>>,
    table: Res<'w, CommandTable>,
    packets: ResMut<'w, Packets>,
    offenders: ResMut<'w, Offenders>,
    logins: ResMut<'w, Logins>,
    clock: Res<'w, Clock>,
    commands: Commands<'w, 's>,
    mine: Local<'s, Vec<Arrival>>,
    asked: Local<'s, Vec<Asked>>,
    /// What may still come out of compressed bodies in this run, in bytes, for connections that have sent any.
    inflatable: Local<'s, EntityHashMap<usize>>,
}

type Talking = (
    &'static mut Talk,
    &'static mut Traffic,
    &'static mut ClientRecord,
    &'static Manners,
    &'static MaxFrame,
    &'static InboundLimit,
    Has<BoundTo>,
);

/// A request that goes to a route, or its refusal.
struct Asked {
    route: RouteId,
    id: u64,
    body: Body,
}

enum Body {
    /// In the bytes of its read.
    There((u32, u32)),
    Inflated(Vec<u8>),
    Refused(u16),
}

/// What a message comes to.
enum Step {
    /// It is dropped without a word.
    Nothing,
    Ask(Asked),
    /// It goes to a handler that says who somebody is.
    LogIn(Asked),
    /// It counts as a bad request.
    Bad(Asked),
    End(Cause),
}

impl Decoder<'_, '_> {
    /// A connection whose login has been answered.
    fn go_on(&mut self, connection: Entity) {
        // Should it wait for another login, that says when it goes on.
        self.commands.entity(connection).try_remove::<PutOff>();
        let Ok((mut talk, ..)) = self.talks.get_mut(connection) else { return };
        let held = std::mem::take(&mut talk.held);
        // As if it came now: how long the login has taken is not how far the server is behind.
        let received = self.clock.now();
        for Held { data, spans } in held {
            self.read(connection, received, data, spans.into_iter());
        }
    }

    fn read(
        &mut self,
        connection: Entity,
        received: Duration,
        data: Vec<u8>,
        mut spans: impl Iterator<Item = (u32, u32)>,
    ) {
        let Ok((mut talk, mut traffic, mut record, manners, max, held, bound)) =
            self.talks.get_mut(connection)
        else {
            return;
        };
        let mut inflatable =
            Inflatable { of: &mut self.inflatable, connection, read: Some(data.len()), max: max.0 };
        while let Some((start, end)) = spans.next() {
            // What follows an offence is not looked at, and what follows a login, not yet.
            if talk.over {
                break;
            }
            if talk.awaits {
                let rest = std::iter::once((start, end)).chain(spans);
                if !hold(&mut talk, held.0, &data, rest) {
                    talk.over = true;
                    self.offenders.0.push((connection, Cause::Abuse));
                }
                break;
            }
            let message = data.get(start as usize..end as usize).unwrap_or_default();
            let step = match Request::read(message) {
                Ok(request) => {
                    record.size_mismatches += u32::from(request.size != Size::Exact);
                    step(&self.table, &request, end, bound, &mut inflatable)
                }
                // As in the original, it is not counted against the role.
                Err(_) => Step::End(Cause::Malformed),
            };
            let end = match step {
                Step::Nothing => {
                    record.early += u32::from(!bound);
                    (record.early > manners.early).then_some(Cause::Abuse)
                }
                Step::Ask(asked) => {
                    self.asked.push(asked);
                    None
                }
                Step::LogIn(asked) => {
                    talk.awaits = true;
                    self.logins.asked = true;
                    self.asked.push(asked);
                    None
                }
                Step::Bad(asked) => {
                    traffic.bad_requests += 1;
                    self.asked.push(asked);
                    (traffic.bad_requests > manners.bad_requests).then_some(Cause::Abuse)
                }
                Step::End(cause) => {
                    traffic.bad_requests += 1;
                    Some(cause)
                }
            };
            if let Some(cause) = end {
                tracing::debug!(%connection, %cause, "a message that ends its connection");
                talk.over = true;
                self.offenders.0.push((connection, cause));
            }
        }
        self.hand_over(connection, received, data);
    }

    fn hand_over(&mut self, connection: Entity, received: Duration, data: Vec<u8>) {
        if self.asked.is_empty() {
            return;
        }
        let read = self.packets.buffer(data, received);
        for Asked { route, id, body } in self.asked.drain(..) {
            let kind = PacketKind::Request(id);
            match body {
                Body::There(span) => self.packets.push(connection, route, kind, read, span),
                Body::Inflated(body) => {
                    let span = (0, body.len() as u32);
                    let own = self.packets.buffer(body, received);
                    self.packets.push(connection, route, kind, own, span);
                }
                Body::Refused(error) => {
                    let refusal = Refusal::new(error, "");
                    self.packets.push_refused(connection, route, kind, read, refusal);
                }
            }
        }
    }
}

/// Keeps these messages of a read for later; false when they are too much.
fn hold(talk: &mut Talk, most: usize, read: &[u8], messages: impl Iterator<Item = (u32, u32)>) -> bool {
    let waiting: usize = talk.held.iter().map(Held::size).sum();
    // A read that crosses the mark is taken whole, as everywhere.
    if waiting >= most {
        return false;
    }
    let mut held = Held { data: Vec::new(), spans: Vec::new() };
    for (start, end) in messages {
        let from = held.data.len() as u32;
        held.data.extend_from_slice(read.get(start as usize..end as usize).unwrap_or_default());
        held.spans.push((from, held.data.len() as u32));
    }
    talk.held.push(held);
    true
}

/// What a message whose body ends at `end` of its read comes to.
fn step(
    table: &CommandTable,
    request: &Request<'_>,
    end: u32,
    bound: bool,
    inflatable: &mut Inflatable<'_>,
) -> Step {
    let asked = |route, body| Asked { route, id: request_id(request.flag, request.command), body };
    let refused = |error| asked(table.nobody, Body::Refused(error));
    match table.find(request.command) {
        Found::NoModule => Step::Bad(refused(WRONG_OPERATION)),
        Found::Command { logs_in: true, .. } | Found::Unknown { logs_in: true, .. } if bound => {
            Step::Ask(refused(LOGGED_IN_ALREADY))
        }
        Found::Command { before_login: false, .. } | Found::Unknown { before_login: false, .. } if !bound => {
            Step::Nothing
        }
        Found::Unknown { unknown: Unknown::Ignore, .. } => Step::Nothing,
        Found::Unknown { unknown: Unknown::Refuse(error), .. } => Step::Bad(refused(error)),
        Found::Command { route, logs_in, .. } => {
            let body = match request.status {
                Status::Unknown(_) if request.has_body() => return Step::End(Cause::Undecodable),
                Status::Zlib if request.has_body() => match inflatable.inflate(request.body) {
                    Ok(body) => Body::Inflated(body),
                    Err(_) => return Step::End(Cause::Undecodable),
                },
                _ => Body::There((end - request.body.len() as u32, end)),
            };
            if logs_in { Step::LogIn(asked(route, body)) } else { Step::Ask(asked(route, body)) }
        }
    }
}

/// What compressed bodies of a read may come to.
struct Inflatable<'a> {
    of: &'a mut EntityHashMap<usize>,
    connection: Entity,
    /// The size of the read, until it is counted.
    read: Option<usize>,
    /// One of them, in bytes.
    max: usize,
}

impl Inflatable<'_> {
    /// Bounded by what has come, as all else is.
    fn inflate(&mut self, body: &[u8]) -> Result<Vec<u8>, WireError> {
        let left = self.of.entry(self.connection).or_insert(self.max);
        *left = left.saturating_add(self.read.take().unwrap_or(0).saturating_mul(INFLATION));
        let inflated = inflate(body, self.max.min(*left))?;
        *left = left.saturating_sub(inflated.len());
        Ok(inflated)
    }
}

/// Lets connections go on whose login was answered in this run, or came to nothing.
pub(crate) fn release(
    outcomes: Res<Outcomes>,
    table: Res<CommandTable>,
    mut talks: Query<&mut Talk>,
    mut logins: ResMut<Logins>,
    funnel: Res<Funnel>,
    mut commands: Commands,
) {
    if !std::mem::take(&mut logins.asked) {
        return;
    }
    for handled in outcomes.iter() {
        if handled.outcome != Outcome::Deferred && table.logs_in(handled.route) {
            answered(handled.connection, &mut talks, &mut logins, &funnel, &mut commands);
        }
    }
}

pub(crate) fn release_late(
    event: On<AnsweredLate>,
    table: Option<Res<CommandTable>>,
    mut talks: Query<&mut Talk>,
    mut logins: ResMut<Logins>,
    funnel: Res<Funnel>,
    mut commands: Commands,
) {
    if table.is_some_and(|table| table.logs_in(event.route)) {
        answered(event.connection, &mut talks, &mut logins, &funnel, &mut commands);
    }
}

fn answered(
    connection: Entity,
    talks: &mut Query<&mut Talk>,
    logins: &mut Logins,
    funnel: &Funnel,
    commands: &mut Commands,
) {
    let Ok(mut talk) = talks.get_mut(connection) else { return };
    talk.awaits = false;
    if !talk.held.is_empty() {
        logins.released.push(connection);
        commands.entity(connection).try_insert(PutOff);
        // Another run, and soon.
        funnel.post(|_| {});
    }
}
