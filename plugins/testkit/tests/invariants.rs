//! A server that leaks fails the test that made it.

use bevy_app::{App, Update};
use bevy_ecs::prelude::*;
use portcullis_core::{
    Agent, BelongsTo, BoundTo, Budget, Charge, Clock, Closed, Closing, Connection, DirtyOutboxes, Holding,
    Ingress, IngressSystems, Opened, Outboxes, Start, write_outbox,
};
use portcullis_dispatch::{
    AppDispatchExt, Defer, Deferred, PacketKind, Packets, Refusal, Request, Responder, Routes,
};
use portcullis_session::{Lingering, Login, SessionLinger, SessionPlugin, Sessions};
use portcullis_testkit::TestServer;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// What the test would be told, if it fails.
fn complaint(test: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(test)).err()?;
    Some(panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

/// What is wrong here stays wrong: there is nothing to wait for.
fn impatient(plugin: impl Fn(&mut App) + Send + Sync + 'static) -> TestServer {
    TestServer::builder().patience(Duration::ZERO).plugin(plugin).build()
}

#[test]
fn a_server_in_order_passes() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_handler("echo", |text: Request<String>| text.body);
        });
        let mut ann = server.connect();
        ann.request("echo", "hello").expect_reply::<String>();
        server.check_invariants();
    });
    assert_eq!(told, None);
}

#[test]
fn an_agent_that_plays_for_nobody_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|_: On<Opened>, mut commands: Commands| {
                commands.spawn((Agent, Name::new("stray")));
            });
        });
        server.connect();
    });
    assert!(told.is_some_and(|told| told.contains("agent")));
}

#[test]
fn an_agent_may_belong_to_its_connection() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|event: On<Opened>, mut commands: Commands| {
                commands.spawn(BelongsTo(event.entity));
            });
        });
        server.connect();
    });
    assert_eq!(told, None);
}

#[test]
fn a_close_that_was_told_twice_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|event: On<Closed>, mut commands: Commands, mut again: Local<bool>| {
                if !std::mem::replace(&mut *again, true) {
                    commands.trigger(event.event().clone());
                }
            });
        });
        server.connect().close();
    });
    assert!(told.is_some_and(|told| told.to_lowercase().contains("closed")));
}

#[test]
fn a_system_that_fails_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|_: On<Opened>, mut outboxes: Outboxes| -> Result {
                outboxes.write(Entity::PLACEHOLDER, |_| ())?;
                Ok(())
            });
        });
        server.connect();
    });
    assert!(told.is_some_and(|told| told.contains("error")));
}

#[test]
fn a_request_that_is_refused_is_no_failure() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_handler("no", |_: Request<()>| -> Result<(), Refusal> { Err("never".into()) });
        });
        let mut ann = server.connect();
        ann.request("no", &()).expect_refusal();
    });
    assert_eq!(told, None);
}

#[test]
fn a_connection_that_is_despawned_and_not_closed_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        let ann = server.connect();
        server.world_mut().despawn(ann.entity());
    });
    assert!(told.is_some_and(|told| told.contains("is gone, and Closed was told 0 times")));
}

#[test]
fn a_connection_without_a_link_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        let connection = Connection {
            peer: "192.0.2.1:1".parse().unwrap(),
            local: "192.0.2.2:1".parse().unwrap(),
            transport: "none",
            opened_at: Duration::ZERO,
        };
        server.world_mut().spawn(connection);
    });
    assert!(told.is_some_and(|told| told.contains("has no link")));
}

#[test]
fn a_connection_that_is_opened_twice_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        let ann = server.connect();
        server.trigger(Opened { entity: ann.entity() });
    });
    assert!(told.is_some_and(|told| told.contains("was opened 2 times")));
}

#[test]
fn a_connection_that_outlives_its_client_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            // A plugin that swallows every close.
            app.add_observer(|event: On<Add<Closing>>, mut commands: Commands| {
                commands.entity(event.entity).remove::<Closing>();
            });
        });
        server.connect();
    });
    assert!(told.is_some_and(|told| told.contains("has not noticed that its client is gone")));
}

#[test]
fn a_session_that_nobody_is_bound_to_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        let ann = server.connect();
        server.trigger(Login::new(ann.entity(), "ann"));
        server.check_invariants();
        server.world_mut().entity_mut(ann.entity()).remove::<BoundTo>();
        let session = server.world().resource::<Sessions>().get("ann");
        assert_eq!(session, None, "the session ends with its last connection");
    });
    assert_eq!(told, None);
    let told = complaint(|| {
        let linger = SessionLinger(Duration::from_secs(5));
        let plugin = SessionPlugin { linger, ..SessionPlugin::default() };
        let mut server = TestServer::builder().patience(Duration::ZERO).set(plugin).build();
        let ann = server.connect();
        server.trigger(Login::new(ann.entity(), "ann"));
        drop(ann);
        server.check_invariants(); // it lingers
        let session = server.world().resource::<Sessions>().get("ann").unwrap();
        server.world_mut().entity_mut(session).remove::<Lingering>();
        server.advance(Duration::from_secs(6));
    });
    assert!(told.is_some_and(|told| told.contains("of ann has no connection")));
}

#[test]
fn frames_that_no_protocol_takes_are_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|event: On<Opened>, mut commands: Commands| {
                commands.trigger(Start { entity: event.entity });
            });
        });
        let stranger = server.world_mut().spawn_empty().id();
        let mut peer = server.connect_raw(stranger);
        peer.send_frame(b"who takes this?");
        server.check_invariants();
    });
    assert!(told.is_some_and(|told| told.contains("no protocol has taken the frames")));
}

#[test]
fn packets_that_come_after_dispatch_are_found() {
    fn late(
        mut packets: ResMut<Packets>,
        mut routes: ResMut<Routes>,
        connections: Query<Entity, With<Connection>>,
    ) {
        let route = routes.intern("late");
        for connection in &connections {
            let buffer = packets.buffer(Vec::new(), Duration::ZERO);
            packets.push(connection, route, PacketKind::Notify, buffer, (0, 0));
        }
    }
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_systems(Ingress, late.after(IngressSystems::Dispatch));
        });
        let _ann = server.connect();
        server.check_invariants();
    });
    assert!(told.is_some_and(|told| told.contains("never dispatched")));
}

#[test]
fn an_outbox_that_is_never_sent_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        let ann = server.connect();
        write_outbox(&mut server.world_mut(), ann.entity(), |out| out.push(1)).unwrap();
        *server.world_mut().resource_mut::<DirtyOutboxes>() = DirtyOutboxes::from_world(&mut World::new());
        server.check_invariants();
    });
    assert!(told.is_some_and(|told| told.contains("1 bytes in the outbox of")));
}

#[test]
fn a_responder_that_is_kept_is_found_once_nobody_is_connected() {
    #[derive(Resource, Default)]
    struct Kept(Vec<Responder<()>>);

    fn keep(request: Request<()>, mut defer: Defer, mut kept: ResMut<Kept>) -> Result<Deferred<()>, Refusal> {
        let (deferred, responder) = defer.begin(&request)?;
        kept.0.push(responder);
        Ok(deferred)
    }
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.init_resource::<Kept>().add_handler("keep", keep);
        });
        let mut ann = server.connect();
        ann.request("keep", &());
        server.check_invariants(); // as long as somebody waits, that is its business
    });
    assert!(told.is_some_and(|told| told.contains("1 requests wait for a deferred answer")));
}

#[test]
fn an_error_that_the_test_expects_is_taken() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_systems(Update, |clock: Res<Clock>| assert!(clock.now().is_zero(), "time passed"));
        });
        server.tick();
        let errors = server.errors();
        assert!(errors.len() == 1 && errors[0].contains("panicked"), "{errors:?}");
    });
    assert_eq!(told, None);
}

#[test]
fn a_test_that_breaks_things_itself_may_say_so() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        server.world_mut().spawn(Agent);
        server.skip_invariants();
    });
    assert_eq!(told, None);
}

#[test]
fn what_is_wrong_is_told_once() {
    let told = complaint(|| {
        let mut server = impatient(|_: &mut App| {});
        server.world_mut().spawn(Agent);
        assert!(complaint(|| server.check_invariants()).is_some());
    });
    assert_eq!(told, None);
}

#[test]
fn bytes_that_stay_charged_when_everybody_is_gone_are_found() {
    #[derive(Resource)]
    struct Forgotten(#[expect(dead_code, reason = "it is to be held")] Charge);

    for (holding, word) in [(Holding::Outgoing, "outgoing"), (Holding::Kept, "answers")] {
        let told = complaint(|| {
            impatient(move |app: &mut App| {
                let mut charge = Charge::new(app.world().resource::<Budget>(), holding);
                charge.set(17);
                app.insert_resource(Forgotten(charge));
            })
            .connect();
        });
        assert!(told.is_some_and(|told| told.contains("17") && told.contains(word)));
    }
}
