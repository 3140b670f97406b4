//! Clients of a test, and what the typed and the raw one have in common.

use crate::{
    PendingReply,
    hub::{Hub, Shared},
    report::fail,
    talk::{Goodbye, Talk},
};
use bevy_ecs::prelude::*;
use portcullis_core::Cause;
use portcullis_gate::Refusal;
use portcullis_native::{ClientError, Push};
use serde::{Serialize, de::DeserializeOwned};
use std::{cell::OnceCell, time::Duration};

/// One client's place at the hub. Dropped, it closes the connection.
pub(crate) struct Handle {
    pub(crate) hub: Shared,
    pub(crate) id: usize,
    /// Kept here, so that it can be told while the world is borrowed.
    entity: OnceCell<Entity>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(mut hub) = self.hub.try_get_mut() {
            hub.peers[self.id].pipe.close();
        }
    }
}

impl Handle {
    pub(crate) fn new(hub: &Shared, id: usize) -> Self {
        let known = hub.get_mut().entity(id);
        Self { hub: hub.clone(), id, entity: known.map(OnceCell::from).unwrap_or_default() }
    }

    #[track_caller]
    pub(crate) fn entity(&self) -> Entity {
        if let Some(&entity) = self.entity.get() {
            return entity;
        }
        let mut hub = self.hub.get_mut();
        let entity = hub.wait_for(|hub| hub.entity(self.id));
        let Some(entity) = entity else {
            fail(hub.report(self.id, "a connection that the server has accepted"))
        };
        *self.entity.get_or_init(|| entity)
    }

    #[track_caller]
    pub(crate) fn expect_closed(&self, expected: Cause) {
        let mut hub = self.hub.get_mut();
        let found = hub.wait_for(|hub| hub.ending(self.id));
        if found != Some(expected) {
            fail(hub.report(self.id, format_args!("a connection closed with cause {expected}")));
        }
    }

    #[track_caller]
    pub(crate) fn expect_refused(&self) -> Refusal {
        let mut hub = self.hub.get_mut();
        let found = hub.wait_for(|hub| {
            let entity = hub.entity(self.id)?;
            hub.history().refused(entity).filter(|_| hub.peer(self.id).pipe.is_over())
        });
        let Some(why) = found else { fail(hub.report(self.id, "a connection that the gate refuses")) };
        why
    }

    pub(crate) fn is_open(&self) -> bool {
        let mut hub = self.hub.get_mut();
        hub.settle();
        let over = hub.peer(self.id).pipe.is_over();
        !over && hub.ending(self.id).is_none()
    }

    pub(crate) fn close(&self) {
        let mut hub = self.hub.get_mut();
        hub.peers[self.id].pipe.close();
        hub.settle();
    }

    pub(crate) fn reset(&self) {
        let mut hub = self.hub.get_mut();
        hub.peers[self.id].pipe.reset();
        hub.settle();
    }
}

impl Hub {
    /// Why a client's connection is over.
    fn ending(&mut self, id: usize) -> Option<Cause> {
        let entity = self.entity(id)?;
        let history = self.history();
        history.closed(entity).or_else(|| history.refused(entity).map(|_| Cause::Refused))
    }
}

/// A client that speaks the native protocol, with the server's own routes and types.
///
/// Whatever it sends, the server handles at once; whatever it is to receive, it waits for, though no virtual time
/// passes. Expectations that are not met panic, and say what came instead. Dropped, it closes its connection.
pub struct TestClient {
    pub(crate) handle: Handle,
}

impl TestClient {
    /// The connection, as the world knows it.
    #[track_caller]
    pub fn entity(&self) -> Entity {
        self.handle.entity()
    }

    /// Asks this of a route.
    ///
    /// # Panics
    /// When the server has no such route, or takes another type, or has not welcomed the client.
    #[track_caller]
    pub fn request<T: Serialize + ?Sized>(&mut self, route: &str, body: &T) -> PendingReply {
        let id = self
            .say(format_args!("a request to `{route}`"), |talk, out| talk.codec.request(out, route, body));
        PendingReply::new(self.handle.hub.clone(), self.handle.id, id, route)
    }

    /// Says this to a route, and wants no answer.
    ///
    /// # Panics
    /// As [`request`](Self::request).
    #[track_caller]
    pub fn notify<T: Serialize + ?Sized>(&mut self, route: &str, body: &T) {
        self.say(format_args!("a notify to `{route}`"), |talk, out| talk.codec.notify(out, route, body));
    }

    /// Shows a sign of life.
    #[track_caller]
    pub fn ping(&mut self) {
        self.say("a ping", |talk, out| {
            talk.codec.ping(out);
            Ok(())
        });
    }

    /// From now on shows the signs of life the server has asked for, while [time passes](crate::TestServer::advance).
    pub fn keep_alive(&mut self) {
        let mut hub = self.handle.hub.get_mut();
        let now = hub.time.now();
        let peer = hub.peer(self.handle.id);
        let asked = peer.talk.as_ref().and_then(|talk| talk.heartbeat);
        let interval = asked.unwrap_or(Duration::from_secs(20)).max(Duration::from_millis(1));
        peer.pings = Some((interval, now + interval));
    }

    #[track_caller]
    fn say<R>(
        &mut self,
        what: impl std::fmt::Display,
        say: impl FnOnce(&mut Talk, &mut Vec<u8>) -> Result<R, ClientError>,
    ) -> R {
        let mut hub = self.handle.hub.get_mut();
        let id = self.handle.id;
        let peer = hub.peer(id);
        let over = peer.pipe.is_over() || peer.pipe.closed;
        let mut out = Vec::new();
        let said = match &mut peer.talk {
            // Before the handshake the server would only close the connection.
            Some(talk) if talk.heartbeat.is_some() || over => say(talk, &mut out),
            _ => fail(hub.report(id, format_args!("to send {what}, as a client that is welcome"))),
        };
        match said {
            Ok(said) => {
                peer.pipe.write(&out);
                hub.settle();
                said
            }
            Err(error) => fail(hub.report(id, format_args!("to send {what}, but: {error}"))),
        }
    }

    /// The next push on this route; those on other routes stay for later.
    ///
    /// # Panics
    /// When none comes, or when it is of another type.
    #[track_caller]
    pub fn expect_push<T: DeserializeOwned>(&mut self, route: &str) -> T {
        let id = self.handle.id;
        let mut hub = self.handle.hub.get_mut();
        let push = hub.wait_for(|hub| {
            let pushes = &mut hub.peer(id).talk.as_mut()?.pushes;
            let place = pushes.iter().position(|push| &*push.route == route)?;
            pushes.remove(place)
        });
        let Some(push) = push else { fail(hub.report(id, format_args!("a push on `{route}`"))) };
        match push.decode() {
            Ok(value) => value,
            Err(error) => fail(hub.report(id, format_args!("a push on `{route}`, but: {error}"))),
        }
    }

    /// All pushes that have come and were not taken.
    pub fn pushes(&mut self) -> Vec<Push> {
        let mut hub = self.handle.hub.get_mut();
        hub.settle();
        hub.peer(self.handle.id).talk.as_mut().map(|talk| talk.pushes.drain(..).collect()).unwrap_or_default()
    }

    /// No push has come, on whatever route, that was not taken.
    #[track_caller]
    pub fn expect_no_push(&mut self) {
        let mut hub = self.handle.hub.get_mut();
        hub.settle();
        let id = self.handle.id;
        if hub.peer(id).talk.as_ref().is_some_and(|talk| !talk.pushes.is_empty()) {
            fail(hub.report(id, "no push"));
        }
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

    /// What the server said before it closed.
    pub fn goodbye(&mut self) -> Option<Goodbye> {
        self.talk(|talk| talk.goodbye.clone())
    }

    /// Why the handshake was rejected.
    pub fn rejection(&mut self) -> Option<String> {
        self.talk(|talk| talk.rejected.clone())
    }

    /// Answers to pings so far.
    pub fn pongs(&mut self) -> u64 {
        self.talk(|talk| Some(talk.pongs)).unwrap_or(0)
    }

    fn talk<R>(&mut self, look: impl FnOnce(&Talk) -> Option<R>) -> Option<R> {
        let mut hub = self.handle.hub.get_mut();
        hub.settle();
        hub.peer(self.handle.id).talk.as_ref().and_then(look)
    }

    /// Whether it is connected.
    pub fn is_open(&self) -> bool {
        self.handle.is_open()
    }

    /// Ends the client's side; what was sent before is still handled, and its answers can still be read.
    pub fn close(&mut self) {
        self.handle.close();
    }

    /// Breaks the connection off, without a word.
    pub fn reset(&mut self) {
        self.handle.reset();
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
}

impl std::fmt::Debug for TestClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestClient").field("number", &self.handle.id).finish_non_exhaustive()
    }
}
