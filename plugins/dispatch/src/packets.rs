//! Packets: what protocols have decoded and handlers have not yet seen. The place where a mod stands.

use crate::{Refusal, RouteId, RouteSet, Routes};
use bevy_ecs::prelude::*;
use bytes::Bytes;
use std::{borrow::Cow, time::Duration};

/// One request or notify.
#[derive(Debug)]
pub struct Packet {
    /// Who sent it.
    pub connection: Entity,
    /// Where it goes.
    pub route: RouteId,
    /// Whether an answer is wanted.
    pub kind: PacketKind,
    buffer: u32,
    span: (u32, u32),
    /// None for a packet that passes; small, for there are many.
    pub(crate) verdict: Option<Box<Verdict>>,
}

#[derive(Debug)]
pub(crate) enum Verdict {
    Drop,
    Refuse(Refusal),
    /// Refused, and then the connection is closed.
    Kick {
        refusal: Refusal,
        reason: Cow<'static, str>,
    },
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// Whether an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// To be answered with the id the peer gave it.
    Request(u64),
    /// Not to be answered.
    Notify,
}

/// The packets of this run, in the order they came.
///
/// Between [`Decode`](portcullis_core::IngressSystems::Decode) and
/// [`Dispatch`](portcullis_core::IngressSystems::Dispatch) any system may look at them and turn some away:
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_dispatch::{Packets, Refusal};
///
/// #[derive(Component)]
/// struct Muted;
///
/// fn mute(mut packets: ResMut<Packets>, muted: Query<(), With<Muted>>) {
///     packets.filter(|packet, _body| match muted.contains(packet.connection) {
///         true => Err(Refusal::new(Refusal::FORBIDDEN, "you are muted")),
///         false => Ok(()),
///     });
/// }
/// ```
#[derive(Resource, Debug, Default)]
pub struct Packets {
    pub(crate) list: Vec<Packet>,
    pub(crate) buffers: Vec<ReadBuffer>,
}

/// What packets of one read share.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: Bytes,
    pub(crate) received: Duration,
}

/// Bytes that packets of one read share.
#[derive(Clone, Copy, Debug)]
pub struct Buffer(u32);

impl Packets {
    /// Keeps the bytes of a read, and when it was read, for the packets in it.
    pub fn buffer(&mut self, bytes: impl Into<Bytes>, received: Duration) -> Buffer {
        let index = self.buffers.len() as u32;
        self.buffers.push(ReadBuffer { bytes: bytes.into(), received });
        Buffer(index)
    }

    /// Adds a packet whose body is `start..end` of that buffer.
    pub fn push(
        &mut self,
        connection: Entity,
        route: RouteId,
        kind: PacketKind,
        Buffer(buffer): Buffer,
        span: (u32, u32),
    ) {
        self.list.push(Packet { connection, route, kind, buffer, span, verdict: None });
    }

    /// Adds a packet that has no body that could be handled: a request is answered with this, in its turn, and a notify
    /// is dropped.
    pub fn push_refused(
        &mut self,
        connection: Entity,
        route: RouteId,
        kind: PacketKind,
        Buffer(buffer): Buffer,
        refusal: Refusal,
    ) {
        let verdict = Some(Box::new(Verdict::Refuse(refusal)));
        self.list.push(Packet { connection, route, kind, buffer, span: (0, 0), verdict });
    }

    /// Turns away the packets for which `check` gives an error: a request is answered with it, a notify is dropped.
    pub fn filter(&mut self, mut check: impl FnMut(&Packet, &[u8]) -> Result<(), Refusal>) {
        for packet in &mut self.list {
            if packet.verdict.is_none()
                && let Err(refusal) = check(packet, body(&self.buffers, packet))
            {
                packet.verdict = Some(Box::new(Verdict::Refuse(refusal)));
            }
        }
    }

    /// As [`filter`](Self::filter), for the packets to these routes only.
    pub fn filter_routes(
        &mut self,
        routes: &Routes,
        set: RouteSet,
        mut check: impl FnMut(&Packet, &[u8]) -> Result<(), Refusal>,
    ) {
        self.filter(|packet, body| match routes.contains(set, packet.route) {
            true => check(packet, body),
            false => Ok(()),
        });
    }

    /// Gives each packet that has none a verdict, where there is one, by when it was received.
    pub(crate) fn judge(&mut self, mut judge: impl FnMut(&Packet, Duration) -> Option<Verdict>) {
        for packet in &mut self.list {
            if packet.verdict.is_none() {
                let received = packet.parts(&self.buffers).0.received;
                packet.verdict = judge(packet, received).map(Box::new);
            }
        }
    }

    /// As [`judge`](Self::judge), and of packets that are refused already, which cost an answer too, those as well: they are
    /// dropped, or cost their sender its connection, but are refused as they were.
    pub(crate) fn judge_answered(&mut self, mut judge: impl FnMut(&Packet, Duration) -> Option<Verdict>) {
        for packet in &mut self.list {
            let is_refused = match packet.verdict.as_deref() {
                None => false,
                Some(Verdict::Refuse(_)) => true,
                Some(Verdict::Drop | Verdict::Kick { .. }) => continue,
            };
            let received = packet.parts(&self.buffers).0.received;
            match judge(packet, received) {
                None => {}
                Some(Verdict::Refuse(_)) if is_refused => {}
                Some(verdict) => packet.verdict = Some(Box::new(verdict)),
            }
        }
    }

    /// Drops the packets for which `keep` gives false, without a word. What a filter has refused before is still answered.
    pub fn retain(&mut self, mut keep: impl FnMut(&Packet, &[u8]) -> bool) {
        for packet in &mut self.list {
            if packet.verdict.is_none() && !keep(packet, body(&self.buffers, packet)) {
                packet.verdict = Some(Box::new(Verdict::Drop));
            }
        }
    }

    /// The packets that have not been turned away, with their bodies.
    pub fn iter(&self) -> impl Iterator<Item = (&Packet, &[u8])> {
        self.list
            .iter()
            .filter(|packet| packet.verdict.is_none())
            .map(|packet| (packet, body(&self.buffers, packet)))
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.buffers.clear();
    }
}

impl Packet {
    pub(crate) fn parts<'a>(&self, buffers: &'a [ReadBuffer]) -> (&'a ReadBuffer, (usize, usize)) {
        (&buffers[self.buffer as usize], (self.span.0 as usize, self.span.1 as usize))
    }
}

fn body<'a>(buffers: &'a [ReadBuffer], packet: &Packet) -> &'a [u8] {
    let (buffer, (start, end)) = packet.parts(buffers);
    &buffer.bytes[start..end]
}
