//! One message for many: encoded once for each protocol, copied for each connection.

use crate::{IntoBody, Outgoing, Pusher, RouteId, Speaks, answer::append_caught};
use bevy_ecs::{entity::EntityHashSet, prelude::*};
use std::ops::Range;

/// What came of a broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Connections it was written to, each once.
    pub connections: usize,
    /// Targets none of whose connections could be told: there was none, it was shaking hands or closing, or its protocol
    /// has no words for this push.
    pub unreachable: usize,
}

/// One message on its way to many: see [`Pusher::begin`].
pub struct Broadcast<'a, 'w, 's, B> {
    pusher: &'a mut Pusher<'w, 's>,
    route: Option<RouteId>,
    body: &'a B,
    told: Told,
}

/// What one message has become so far, and what else a [`Pusher`] keeps for its memory.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The message in all variants, one behind the other.
    bytes: Vec<u8>,
    /// Where which is; none where it could not be encoded. At most as many as there are protocols in the app.
    variants: Vec<(Speaks, Option<Range<usize>>)>,
    /// Who was told.
    told: EntityHashSet,
    /// The connections of one target.
    pub(crate) connections: Vec<Entity>,
    /// How often a route was unknown.
    unknown: u64,
}

/// A larger buffer is given back.
const SCRATCH_CAPACITY: usize = 64 * 1024;

impl Scratch {
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(SCRATCH_CAPACITY);
        self.variants.clear();
        self.told.clear();
    }

    /// Whether an unknown route is worth a line in the log: the first, second, fourth … time.
    pub(crate) fn unknown_route(&mut self) -> bool {
        self.unknown += 1;
        self.unknown.is_power_of_two()
    }
}

impl<'a, 'w, 's, B: IntoBody> Broadcast<'a, 'w, 's, B> {
    pub(crate) fn new(pusher: &'a mut Pusher<'w, 's>, route: Option<RouteId>, body: &'a B) -> Self {
        pusher.scratch.clear();
        Self { pusher, route, body, told: Told::default() }
    }

    /// Tells a connection, the connections of an agent, or those of a session. Gives whether one at least was told, now
    /// or earlier in this broadcast.
    pub fn to(&mut self, target: Entity) -> bool {
        let Self { pusher, body, told, .. } = self;
        let reached = self.route.is_some_and(|route| {
            let tell = |pusher: &mut Pusher, connection| match write(pusher, connection, route, *body) {
                Written::Now => {
                    told.connections += 1;
                    true
                }
                Written::Before => true,
                Written::Not => false,
            };
            pusher.for_connections_of(target, tell) > 0
        });
        self.told.unreachable += usize::from(!reached);
        reached
    }

    /// What came of it so far.
    pub fn told(&self) -> Told {
        self.told
    }
}

enum Written {
    Now,
    /// Another target stands for the same connection.
    Before,
    Not,
}

/// One write of the whole message to one connection.
fn write(pusher: &mut Pusher, connection: Entity, route: RouteId, body: &impl IntoBody) -> Written {
    let Ok(&speaks) = pusher.speaks.get(connection) else { return Written::Not };
    let known = pusher.scratch.variants.iter().find(|(known, _)| *known == speaks);
    let known = known.map(|(_, range)| range.clone());
    let Some(range) = known.unwrap_or_else(|| encode(pusher, speaks, route, body)) else {
        pusher.count_send_error(connection);
        return Written::Not;
    };
    // Nothing: the protocol has no words for it, which is no error.
    if range.is_empty() {
        return Written::Not;
    }
    let scratch = &mut *pusher.scratch;
    if !scratch.told.insert(connection) {
        return Written::Before;
    }
    match pusher.outboxes.write(connection, |out| out.extend_from_slice(&scratch.bytes[range])) {
        Ok(()) => Written::Now,
        Err(_) => Written::Not,
    }
}

/// Encodes the message for a protocol, when the first of its connections is met.
fn encode(pusher: &mut Pusher, speaks: Speaks, route: RouteId, body: &impl IntoBody) -> Option<Range<usize>> {
    let Scratch { bytes, variants, .. } = &mut *pusher.scratch;
    let start = bytes.len();
    let encoded = pusher.protocols.get(speaks).map_or(Ok(()), |protocol| {
        let message = Outgoing::Push { route, body: body.content() };
        append_caught(bytes, |out| protocol.write(out, message)).inspect_err(|error| {
            let (protocol, route) = (protocol.name(), pusher.routes.name(route));
            tracing::debug!(protocol, route, %error, "a push could not be encoded");
        })
    });
    let range = encoded.ok().map(|()| start..bytes.len());
    variants.push((speaks, range.clone()));
    range
}
