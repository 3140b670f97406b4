//! A client that speaks bytes.

use crate::{Message, client::Handle, report::fail};
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Framing};
use portcullis_gate::Refusal;

/// A client that sends what bytes it likes, right or wrong, to any listener.
///
/// Whatever it sends, the server handles at once. Dropped, it closes its connection.
pub struct RawClient {
    pub(crate) handle: Handle,
}

impl RawClient {
    /// The connection, as the world knows it.
    #[track_caller]
    pub fn entity(&self) -> Entity {
        self.handle.entity()
    }

    /// Sends these bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let mut hub = self.handle.hub.get_mut();
        hub.peers[self.handle.id].pipe.write(bytes);
        hub.settle();
    }

    /// Sends these bytes behind a 16-bit big-endian length, as skynet's gate has it.
    ///
    /// # Panics
    /// When there are more than 65,535.
    #[track_caller]
    pub fn send_frame(&mut self, payload: &[u8]) {
        let Ok(length) = u16::try_from(payload.len()) else {
            fail(format!("a frame of {} bytes: a 2-byte length says at most 65,535", payload.len()))
        };
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(payload);
        self.send_bytes(&bytes);
    }

    /// The payload of the next frame that comes, behind a 16-bit big-endian length.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn expect_frame(&mut self) -> Vec<u8> {
        self.expect_framed(Framing::BE16)
    }

    /// The payload of the next frame that comes, cut by this framing.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn expect_framed(&mut self, framing: Framing) -> Vec<u8> {
        let id = self.handle.id;
        let mut hub = self.handle.hub.get_mut();
        let frame = hub.wait_for(|hub| {
            let received = &mut hub.peer(id).pipe.received;
            let extent = (framing.measure)(received)?;
            let end = extent.header.checked_add(extent.payload)?;
            let payload = received.get(extent.header..end)?.to_vec();
            received.drain(..end);
            Some(payload)
        });
        let Some(frame) = frame else { fail(hub.report(id, format_args!("a whole {} frame", framing.name))) };
        frame
    }

    /// The next bytes that come are these; what comes behind them stays.
    ///
    /// # Panics
    /// When other bytes come, or fewer.
    #[track_caller]
    pub fn expect_bytes(&mut self, expected: &[u8]) {
        let id = self.handle.id;
        let mut hub = self.handle.hub.get_mut();
        let equal = hub.wait_for(|hub| {
            let received = &mut hub.peer(id).pipe.received;
            let Some(come) = received.get(..expected.len()) else {
                // Fewer so far: wrong ones are wrong at once.
                return (!expected.starts_with(received)).then_some(false);
            };
            let equal = come == expected;
            if equal {
                received.drain(..expected.len());
            }
            Some(equal)
        });
        if equal != Some(true) {
            fail(hub.report(id, format_args!("the bytes \"{}\"", expected.escape_ascii())));
        }
    }

    /// Sends this message, over a [carrier](crate::Carrier) that has messages.
    pub fn send_message(&mut self, message: Message) {
        let mut hub = self.handle.hub.get_mut();
        hub.peers[self.handle.id].pipe.write_message(message);
        hub.settle();
    }

    /// The next message that comes, over a [carrier](crate::Carrier) that has messages. What binary messages hold is
    /// among the bytes that have come, too.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn expect_message(&mut self) -> Message {
        let id = self.handle.id;
        let mut hub = self.handle.hub.get_mut();
        let message = hub.wait_for(|hub| hub.peer(id).pipe.next_message());
        let Some(message) = message else { fail(hub.report(id, "a message")) };
        message
    }

    /// Nothing has come that was not taken.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        let id = self.handle.id;
        let mut hub = self.handle.hub.get_mut();
        hub.settle();
        if !hub.peer(id).pipe.received.is_empty() {
            fail(hub.report(id, "silence"));
        }
    }

    /// Takes all bytes that have come, also after [`stop_reading`](Self::stop_reading).
    pub fn read(&mut self) -> Vec<u8> {
        let mut hub = self.handle.hub.get_mut();
        hub.settle();
        let bytes = hub.peers[self.handle.id].pipe.read_all();
        hub.settle();
        bytes
    }

    /// Takes nothing more, as a peer that is stuck: once 64 KiB, or what a kernel holds, wait for it, the server's
    /// outbox grows.
    pub fn stop_reading(&mut self) {
        self.handle.hub.get_mut().peers[self.handle.id].pipe.stop_reading();
    }

    /// Takes what comes again.
    pub fn resume_reading(&mut self) {
        let mut hub = self.handle.hub.get_mut();
        hub.peers[self.handle.id].pipe.resume();
        hub.settle();
    }

    /// The connection is over, and this is why. The gate's refusal counts as [`Cause::Refused`].
    #[track_caller]
    pub fn expect_closed(&mut self, cause: Cause) {
        self.handle.expect_closed(cause);
    }

    /// The gate did not let it in.
    #[track_caller]
    pub fn expect_refused(&mut self) -> Refusal {
        self.handle.expect_refused()
    }

    /// Whether it is connected.
    pub fn is_open(&self) -> bool {
        self.handle.is_open()
    }

    /// Ends the client's side; what was sent before is still handled, and what comes can still be read.
    pub fn close(&mut self) {
        self.handle.close();
    }

    /// Breaks the connection off, without a word.
    pub fn reset(&mut self) {
        self.handle.reset();
    }
}

impl std::fmt::Debug for RawClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawClient").field("number", &self.handle.id).finish_non_exhaustive()
    }
}
