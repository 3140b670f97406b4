//! A connection whose transport is known late.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::*;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What was asked of the transport, in order.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<String>>>);

impl Wire {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Line for Wire {
    fn start(&self) {}
    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        self.note(String::from_utf8(std::mem::take(bytes)).unwrap());
        0
    }
    fn delivered(&self, _: usize, _: usize) {}
    fn limit(&self, _: usize, _: usize) {}
    fn close(&self, _: Duration, _: u16) {}
    fn established(&self) {
        self.note("(established)".into());
    }
}

fn brackets(out: &mut Vec<u8>, start: usize) {
    out.insert(start, b'[');
    out.push(b']');
}

fn open(app: &mut App, wire: &Wire) -> (Funnel, Entity) {
    let funnel = app.world().resource::<Funnel>().clone();
    let connection = funnel.reserve();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    funnel.send(Inbound::Opened(Box::new(Opening {
        connection,
        listener: Entity::PLACEHOLDER,
        peer: address,
        local: address,
        transport: "tcp",
        link: Link(Arc::new(wire.clone())),
        opened_at: Duration::ZERO,
    })));
    app.world_mut().run_schedule(Ingress);
    (funnel, connection)
}

#[test]
fn from_then_on_each_write_is_wrapped_and_what_was_written_before_is_dropped() {
    let mut app = App::new();
    app.add_plugins(CorePlugin::default());
    let wire = Wire::default();
    let (funnel, connection) = open(&mut app, &wire);
    let write = |app: &mut App, text: &str| {
        write_outbox(app.world_mut(), connection, |out| out.extend_from_slice(text.as_bytes())).unwrap();
    };
    write(&mut app, "lost");
    funnel.send(Inbound::Established { connection, transport: "ws", envelope: Some(brackets) });
    app.world_mut().run_schedule(Ingress);
    assert_eq!(app.world().get::<Connection>(connection).unwrap().transport, "ws");
    for text in ["one", "", "two"] {
        write(&mut app, text);
    }
    app.world_mut().run_schedule(Ingress);
    assert_eq!(*wire.0.lock().unwrap(), ["(established)", "[one][two]"]);
}

#[test]
fn a_transport_without_messages_keeps_what_was_written() {
    let mut app = App::new();
    app.add_plugins(CorePlugin::default());
    let wire = Wire::default();
    let (funnel, connection) = open(&mut app, &wire);
    write_outbox(app.world_mut(), connection, |out| out.extend_from_slice(b"welcome")).unwrap();
    funnel.send(Inbound::Established { connection, transport: "tls", envelope: None });
    app.world_mut().run_schedule(Ingress);
    assert_eq!(*wire.0.lock().unwrap(), ["(established)", "welcome"]);
}

#[test]
fn a_sign_of_life_is_no_frame() {
    let mut app = App::new();
    app.add_plugins(CorePlugin::default());
    let (funnel, connection) = open(&mut app, &Wire::default());
    let received = Duration::from_secs(5);
    funnel.send(Inbound::Heard { connection, received });
    app.world_mut().run_schedule(Ingress);
    let traffic = app.world().get::<Traffic>(connection).unwrap();
    assert_eq!((traffic.last_received, traffic.received, traffic.bytes_received), (received, 0, 0));
    assert!(app.world().resource::<Arrivals>().is_empty());
}

#[derive(Resource, Default)]
struct Come(Vec<Entity>);

#[test]
fn an_observer_that_panics_while_the_queue_is_drained_costs_nobody_their_frames() {
    let mut app = App::new();
    app.add_plugins(CorePlugin::default()).init_resource::<Come>();
    let (funnel, first) = open(&mut app, &Wire::default());
    let (_, second) = open(&mut app, &Wire::default());
    app.add_observer(|event: On<Insert<Connection>>, connections: Query<&Connection>| {
        assert_eq!(connections.get(event.entity).unwrap().transport, "tcp", "the only one this game knows");
    });
    let note = |arrivals: Res<Arrivals>, mut come: ResMut<Come>| {
        come.0.extend(arrivals.iter().map(|arrival| arrival.connection));
    };
    app.add_systems(Ingress, note.in_set(IngressSystems::Decode));
    let frames = |connection| Inbound::Frames {
        connection,
        received: Duration::ZERO,
        frames: Frames::single(b"hi".to_vec()),
    };
    funnel.send(frames(first));
    funnel.send(Inbound::Established { connection: first, transport: "ws", envelope: Some(brackets) });
    funnel.send(frames(second));
    app.world_mut().run_schedule(Ingress);
    app.world_mut().run_schedule(Ingress);
    assert_eq!(app.world().resource::<Come>().0, [first, second]);
}
