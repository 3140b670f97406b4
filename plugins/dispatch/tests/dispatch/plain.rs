//! A protocol whose messages are lines of text, and a world with connections that speak it, without a transport.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{Connection, CorePlugin, Ingress, Outbox, TimeSource};
use portcullis_dispatch::{
    BodyError, Content, DispatchPlugin, OnBad, Outgoing, PacketKind, Packets, Protocol, Protocols, RouteId,
    Routes, Speaks,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[derive(Clone, Default)]
pub struct Plain {
    /// What a line begins with.
    pub mark: &'static str,
    /// How many messages were encoded.
    pub encoded: Arc<AtomicUsize>,
    pub on_bad: Option<OnBad>,
    pub broken: bool,
    pub mute: bool,
}

impl Plain {
    pub fn marked(mark: &'static str) -> Self {
        Self { mark, ..Self::default() }
    }

    pub fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }
}

impl Protocol for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn read(
        &self,
        _: RouteId,
        _: &[u8],
        _: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        Err(BodyError::new("lines have no codec"))
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        if self.mute {
            return Ok(());
        }
        out.extend_from_slice(self.mark.as_bytes());
        if self.broken {
            return Err(BodyError::new("it is broken"));
        }
        match message {
            Outgoing::Reply { body: Content::Raw(bytes), .. }
            | Outgoing::Push { body: Content::Raw(bytes), .. } => {
                out.extend_from_slice(bytes);
            }
            Outgoing::Refusal { refusal, .. } => out.extend_from_slice(refusal.code.to_string().as_bytes()),
            _ => return Err(BodyError::new("lines have no codec")),
        }
        out.push(b'\n');
        Ok(())
    }

    fn on_bad(&self, _: portcullis_dispatch::Bad) -> OnBad {
        self.on_bad.unwrap_or(OnBad::Answer)
    }
}

pub fn app() -> App {
    let mut app = App::new();
    app.add_plugins((CorePlugin { time: TimeSource::manual(), runner: false }, DispatchPlugin));
    app
}

pub fn add(app: &mut App, protocol: Plain) -> Speaks {
    app.world_mut().resource_mut::<Protocols>().add(protocol)
}

pub fn connection(app: &mut App, speaks: Speaks) -> Entity {
    let address = ([127, 0, 0, 1], 7).into();
    let connection =
        Connection { peer: address, local: address, transport: "none", opened_at: Duration::ZERO };
    app.world_mut().spawn((connection, speaks)).id()
}

/// What waits in a connection's outbox.
pub fn said(app: &App, connection: Entity) -> String {
    String::from_utf8(app.world().get::<Outbox>(connection).unwrap().bytes().to_vec()).unwrap()
}

/// Lets a connection ask a route, and handles it.
pub fn ask(app: &mut App, connection: Entity, route: &str, body: &[u8]) {
    ask_as(app, connection, 1, route, body);
}

/// As [`ask`], with this id.
pub fn ask_as(app: &mut App, connection: Entity, id: u64, route: &str, body: &[u8]) {
    let route = app.world_mut().resource_mut::<Routes>().intern(route);
    let mut packets = app.world_mut().resource_mut::<Packets>();
    let buffer = packets.buffer(body.to_vec(), Duration::ZERO);
    packets.push(connection, route, PacketKind::Request(id), buffer, (0, body.len() as u32));
    app.world_mut().run_schedule(Ingress);
}
