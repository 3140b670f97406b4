//! What has to happen on a socket before its frames: a proxy's header, a TLS handshake, detection, an HTTP upgrade.

use crate::{
    Accepts, Listener, MessageKind, Proxies, Tls,
    inlet::{Inlet, Kind, proxy::ProxyHeader, websocket},
};
use bevy_ecs::prelude::*;
use portcullis_core::{Envelope, Framing};
use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};

/// Sockets of one listener that come from proxies and have not told yet for whom. The gate does not know of them.
const MAX_UNTOLD: usize = 1024;

/// What a listener wants of its sockets.
#[derive(Debug)]
pub(crate) struct Terms {
    pub listener: Entity,
    pub nodelay: bool,
    pub framing: Framing,
    pub accepts: Accepts,
    pub messages: MessageKind,
    pub tls: Option<Tls>,
    pub proxies: Proxies,
    pub limit: Duration,
    pub health_path: Arc<str>,
    untold: Arc<Semaphore>,
}

impl Terms {
    pub(crate) fn new(listener: Entity, settings: &Listener) -> Arc<Self> {
        Arc::new(Self {
            listener,
            nodelay: settings.nodelay,
            framing: settings.framing,
            accepts: settings.accepts,
            messages: settings.messages,
            tls: settings.tls.clone(),
            proxies: settings.proxies.clone(),
            limit: settings.greeting_limit,
            health_path: Arc::clone(&settings.health_path),
            untold: Arc::new(Semaphore::new(MAX_UNTOLD)),
        })
    }

    pub(crate) fn inlet(&self) -> Inlet {
        Inlet::new(self.framing, self.accepts, self.messages, Arc::clone(&self.health_path))
    }

    /// Whether a socket from there may say later whom it speaks for.
    pub(crate) fn defers(&self, peer: IpAddr) -> bool {
        self.proxies.may_speak_for_others(peer) && (self.proxies.proxy_protocol || self.reads_http())
    }

    /// Whether an address that is known by now may still turn out to be a proxy's.
    pub(crate) fn asks_on(&self, peer: IpAddr) -> bool {
        self.reads_http() && self.proxies.forwarded_for && self.proxies.trusts(peer)
    }

    /// Whether the first bytes have to tell something.
    pub(crate) fn reads_http(&self) -> bool {
        self.accepts != Accepts::Tcp
    }

    /// Whether a peer that has not greeted can only wait for an answer of HTTP.
    pub(crate) fn expects_http(&self) -> bool {
        self.accepts == Accepts::WebSocket && self.tls.is_none()
    }

    /// Room for one more socket that is not told of.
    pub(crate) fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.untold).try_acquire_owned().ok()
    }

    /// What the transport is called while nothing has come.
    pub(crate) fn first_name(&self) -> &'static str {
        self.established(if self.accepts == Accepts::WebSocket { Kind::Messages } else { Kind::Stream }).0
    }

    /// What the transport is called, and how what is sent is wrapped.
    pub(crate) fn established(&self, kind: Kind) -> (&'static str, Option<Envelope>) {
        let wrap: Envelope = match self.messages {
            MessageKind::Either | MessageKind::Binary => websocket::wrap,
            MessageKind::Text => websocket::wrap_text,
        };
        match (kind, self.tls.is_some()) {
            (Kind::Messages, false) => ("ws", Some(wrap)),
            (Kind::Messages, true) => ("wss", Some(wrap)),
            (_, false) => ("tcp", None),
            (_, true) => ("tls", None),
        }
    }
}

/// The state of a socket whose greeting is not over.
pub(crate) struct Greeting {
    pub terms: Arc<Terms>,
    /// Runs from when the greeting could begin.
    pub deadline: Option<Pin<Box<Sleep>>>,
    /// The header that has to come first.
    pub proxy: Option<ProxyHeader>,
    /// What the world is told of the socket, once it is known whom it speaks for.
    pub untold: Option<Untold>,
}

/// A socket the world was not told of.
pub(crate) struct Untold {
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub opened_at: Duration,
    pub _room: Option<OwnedSemaphorePermit>,
}
