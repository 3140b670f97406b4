//! What nobody asked for, written with the original's numbers.

use crate::{
    ClientRecord,
    wire::{Response, commands, messages::SystemNotice},
};
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{Bindings, Closing, Forwards, Handshaking, OutboxWriter, Outboxes};
use prost::Message;

/// Memory that is kept for the next push, in bytes.
const KEPT: usize = 16 * 1024;

/// Pushes to clients of this protocol by their commands' numbers, as a system parameter.
///
/// A target is a connection, an agent, whose connections are those [forwarded](Forwards) to it, or a session.
/// Only connections that carry a [`ClientRecord`] are written to, and of those none that is handshaking or closing. Each
/// push is a message of its own, with flag 0 and error 0; all of a run leave by one write for each connection. It is
/// encoded once, however many connections it is for.
///
/// Handlers that should not know the protocol push by [`Pusher`](portcullis_dispatch::Pusher), which has routes for this.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_core::Agent;
/// use portcullis_sysconn::Pushes;
///
/// fn announce(agents: Query<Entity, With<Agent>>, mut pushes: Pushes) {
///     for agent in &agents {
///         pushes.notice(agent, "the gates are open");
///     }
/// }
/// # bevy_ecs::system::assert_is_system(announce);
/// ```
#[derive(SystemParam)]
pub struct Pushes<'w, 's> {
    outboxes: Outboxes<'w, 's>,
    ready: Query<'w, 's, (), Ready>,
    forwards: Query<'w, 's, &'static Forwards>,
    bindings: Query<'w, 's, &'static Bindings>,
    frame: Local<'s, Vec<u8>>,
}

/// Who may be told what nobody asked for.
type Ready = (With<ClientRecord>, Without<Handshaking>, Without<Closing>);

impl Pushes<'_, '_> {
    /// Pushes a message, and gives how many connections it was written to: none where the target has none.
    pub fn push(&mut self, target: Entity, command: u16, message: &impl Message) -> usize {
        self.push_frame(target, |out| write(out, command, message))
    }

    /// As [`push`](Self::push), a body that is encoded already.
    pub fn push_raw(&mut self, target: Entity, command: u16, body: &[u8]) -> usize {
        self.push_frame(target, |out| write_raw(out, command, body))
    }

    /// Pushes words for all to see, by [`SYSTEM_NOTICE`](commands::SYSTEM_NOTICE).
    pub fn notice(&mut self, target: Entity, text: impl Into<String>) -> usize {
        self.push(target, commands::SYSTEM_NOTICE, &SystemNotice { text: text.into() })
    }

    /// Tells of an error that is no request's: flag 0, and no body.
    pub fn push_error(&mut self, target: Entity, error: u16, command: u16) -> usize {
        self.push_frame(target, |out| Response { error, flag: 0, command, body: &[] }.write(out))
    }

    fn push_frame(&mut self, target: Entity, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        let mut frame = std::mem::take(&mut *self.frame);
        encode(&mut frame);
        let told = self.push_frames(target, std::iter::once(&frame[..]));
        frame.clear();
        frame.shrink_to(KEPT);
        *self.frame = frame;
        told
    }

    /// Writes these messages, headers included, to each connection of a target.
    pub(crate) fn push_frames<'a>(
        &mut self,
        target: Entity,
        frames: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> usize {
        let Self { outboxes, ready, forwards, bindings, .. } = self;
        let mut tell = |connection: Entity| {
            ready.contains(connection)
                && frames
                    .clone()
                    .all(|frame| outboxes.write(connection, |out| out.extend_from_slice(frame)).is_ok())
        };
        if let Ok(forwards) = forwards.get(target) {
            forwards.iter().filter(|&connection| tell(connection)).count()
        } else if let Ok(bindings) = bindings.get(target) {
            bindings.iter().filter(|&connection| tell(connection)).count()
        } else {
            usize::from(tell(target))
        }
    }
}

/// As [`Pushes::push`], where the whole world is at hand. Where there is much to push, [`Pushes`] costs less.
pub fn push_in(world: &mut World, target: Entity, command: u16, message: &impl Message) -> usize {
    let mut frame = Vec::with_capacity(Response::HEADER + message.encoded_len());
    write(&mut frame, command, message);
    push_frames_in(world, target, std::iter::once(&frame[..]))
}

/// As [`Pushes::push_frames`], where the whole world is at hand.
pub(crate) fn push_frames_in<'a>(
    world: &mut World,
    target: Entity,
    frames: impl Iterator<Item = &'a [u8]> + Clone,
) -> usize {
    let mut connections = connections_of(world, target);
    connections.retain(|&connection| is_ready(world, connection));
    if connections.is_empty() {
        return 0;
    }
    let mut outboxes = OutboxWriter::from_world(world);
    let mut tell = |connection: Entity| {
        let mut frames = frames.clone();
        frames.all(|frame| outboxes.write(world, connection, |out| out.extend_from_slice(frame)).is_ok())
    };
    connections.into_iter().filter(|&connection| tell(connection)).count()
}

fn connections_of(world: &World, target: Entity) -> Vec<Entity> {
    if let Some(forwards) = world.get::<Forwards>(target) {
        forwards.iter().collect()
    } else if let Some(bindings) = world.get::<Bindings>(target) {
        bindings.iter().collect()
    } else {
        vec![target]
    }
}

fn is_ready(world: &World, connection: Entity) -> bool {
    world.get_entity(connection).is_ok_and(|entity| {
        entity.contains::<ClientRecord>()
            && !entity.contains::<Handshaking>()
            && !entity.contains::<Closing>()
    })
}

/// Appends a push.
pub(crate) fn write(out: &mut Vec<u8>, command: u16, message: &impl Message) {
    let written = crate::wire::write_response(out, 0, command, |out| message.encode(out));
    debug_assert!(written.is_ok(), "a `Vec` takes any message");
}

/// Appends a push whose body is encoded already.
pub(crate) fn write_raw(out: &mut Vec<u8>, command: u16, body: &[u8]) {
    Response { error: 0, flag: 0, command, body }.write(out);
}
