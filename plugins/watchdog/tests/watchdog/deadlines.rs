use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Authenticated, Cause, Close, Forward, Lateness, Opened};
use portcullis_net::memory::MemorySocket;
use portcullis_watchdog::{
    AgentTemplate, HandshakeLimit, Handshaking, IdleLimit, LoginLimit, WatchdogDefaults,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
const FRAME: &[u8] = &[0, 1, b'x'];

fn connect_with(server: &mut Server, policies: impl Bundle) -> MemorySocket {
    let listener = server.world().spawn(policies).id();
    server.connect(listener)
}

/// A protocol whose connections begin with a handshake.
fn shake_hands(server: &mut Server) {
    server.app.add_observer(|opened: On<Opened>, mut commands: Commands| {
        commands.entity(opened.entity).insert(Handshaking);
    });
}

#[test]
fn a_handshake_has_five_seconds() {
    let mut server = Server::started();
    shake_hands(&mut server);
    let [slow, quick] = [(); 2].map(|()| connect_with(&mut server, ()));
    server.world().entity_mut(quick.connection()).remove::<Handshaking>();
    slow.write(FRAME);
    server.advance(5 * SECOND - MOMENT);
    assert!(server.causes().is_empty());
    server.advance(MOMENT);
    assert_eq!(server.causes(), [Cause::HandshakeTimeout]);
    assert!(slow.is_closed() && !quick.is_closed());
}

/// What a stall has kept from being answered can still be said.
#[test]
fn a_tick_that_was_late_puts_deadlines_off_for_as_long_and_not_again() {
    let mut server = Server::started();
    shake_hands(&mut server);
    let [slow, quick] = [(); 2].map(|()| connect_with(&mut server, LoginLimit(Duration::MAX)));
    let late = |server: &mut Server, seconds: u32| {
        server.world().resource_mut::<Lateness>().0 = seconds * SECOND;
        server.advance(seconds * SECOND);
        server.world().resource_mut::<Lateness>().0 = Duration::ZERO;
    };
    late(&mut server, 7);
    assert!(server.causes().is_empty(), "it was due after five");
    server.world().entity_mut(quick.connection()).remove::<Handshaking>();
    server.advance(5 * SECOND - MOMENT);
    assert!(server.causes().is_empty(), "seven seconds late is five of mercy");
    late(&mut server, 1);
    assert_eq!(server.causes(), [Cause::HandshakeTimeout], "another stall is no more");
    assert!(slow.is_closed() && !quick.is_closed());
}

#[test]
fn a_login_has_ten_seconds() {
    let mut server = Server::started();
    let sockets = [(); 3].map(|()| connect_with(&mut server, ()));
    let agent = server.world().spawn_empty().id();
    server.advance(9 * SECOND);
    server.world().trigger(Forward { entity: sockets[1].connection(), agent });
    server.world().trigger(Authenticated { entity: sockets[2].connection() });
    server.advance(SECOND - MOMENT);
    assert!(server.causes().is_empty());
    server.advance(MOMENT);
    assert_eq!(server.causes(), [Cause::LoginTimeout]);
    assert!(sockets[0].is_closed());
    server.advance(20 * SECOND);
    assert_eq!(server.causes().len(), 1);
}

#[test]
fn whoever_is_forwarded_at_once_is_logged_in() {
    let mut server = Server::new();
    let socket = connect_with(&mut server, AgentTemplate::new(|| ()));
    server.advance(11 * SECOND);
    assert!(!socket.is_closed());
}

#[test]
fn idle_counts_from_the_last_frame() {
    let mut server = Server::new();
    let socket = connect_with(&mut server, AgentTemplate::new(|| ()));
    for _ in 0..5 {
        server.advance(50 * SECOND);
        socket.write(FRAME);
        server.run();
    }
    // Half a frame is not a sign of life.
    server.advance(50 * SECOND);
    socket.write(&FRAME[..2]);
    server.advance(10 * SECOND - MOMENT);
    assert!(server.causes().is_empty());
    server.advance(MOMENT);
    assert_eq!(server.causes(), [Cause::Idle]);
}

#[test]
fn idle_counts_from_the_opening_when_nothing_comes() {
    let mut server = Server::new();
    server.advance(1000 * SECOND);
    let _socket = connect_with(&mut server, AgentTemplate::new(|| ()));
    server.advance(60 * SECOND - MOMENT);
    assert!(server.causes().is_empty());
    server.advance(MOMENT);
    assert_eq!(server.causes(), [Cause::Idle]);
}

#[test]
fn a_frame_that_arrives_in_the_last_tick_counts() {
    let mut server = Server::new();
    let socket = connect_with(&mut server, AgentTemplate::new(|| ()));
    server.advance(59 * SECOND);
    socket.write(FRAME);
    // It was read in time, and is handled in the tick that looks at the deadline.
    server.advance(2 * SECOND);
    assert!(server.causes().is_empty());
}

#[test]
fn a_shorter_idle_limit_holds_at_once_and_a_longer_one_too() {
    let mut server = Server::new();
    let [shorter, longer, off] = [(); 3].map(|()| connect_with(&mut server, AgentTemplate::new(|| ())));
    server.advance(30 * SECOND);
    server.world().entity_mut(longer.connection()).insert(IdleLimit(90 * SECOND));
    server.world().entity_mut(shorter.connection()).insert(IdleLimit(40 * SECOND));
    server.world().entity_mut(off.connection()).insert(IdleLimit(Duration::MAX));
    server.advance(10 * SECOND - MOMENT);
    assert!(!shorter.is_closed());
    server.advance(MOMENT);
    assert!(shorter.is_closed());
    server.advance(50 * SECOND - MOMENT);
    assert!(!longer.is_closed());
    server.advance(MOMENT);
    assert!(longer.is_closed());
    server.advance(100_000 * SECOND);
    assert!(!off.is_closed());
    server.world().entity_mut(off.connection()).insert(IdleLimit(SECOND));
    server.run();
    assert!(off.is_closed(), "it was idle for long enough already");
    assert_eq!(server.causes(), [Cause::Idle; 3]);
}

#[test]
fn a_limit_that_is_removed_is_off_and_one_that_is_set_again_is_on() {
    let mut server = Server::new();
    let socket = connect_with(&mut server, AgentTemplate::new(|| ()));
    server.world().entity_mut(socket.connection()).remove::<IdleLimit>();
    server.advance(100 * SECOND);
    assert!(!socket.is_closed());
    server.world().entity_mut(socket.connection()).insert(IdleLimit(150 * SECOND));
    server.advance(50 * SECOND);
    assert!(socket.is_closed());
}

#[test]
fn a_listener_has_limits_of_its_own() {
    let mut server = Server::started();
    shake_hands(&mut server);
    server.world().resource_mut::<WatchdogDefaults>().login = LoginLimit(3 * SECOND);
    let strict = connect_with(&mut server, HandshakeLimit(SECOND));
    let lenient = connect_with(&mut server, (HandshakeLimit(Duration::MAX), LoginLimit(Duration::MAX)));
    let plain = connect_with(&mut server, ());
    server.advance(SECOND);
    assert!(strict.is_closed());
    server.advance(2 * SECOND);
    assert!(plain.is_closed());
    server.advance(56 * SECOND);
    assert!(!lenient.is_closed());
    server.advance(SECOND);
    assert_eq!(server.causes(), [Cause::HandshakeTimeout, Cause::LoginTimeout, Cause::Idle]);
}

#[test]
fn a_limit_that_a_protocol_sets_at_the_opening_stays() {
    let mut server = Server::started();
    server.app.add_observer(|opened: On<Opened>, mut commands: Commands| {
        commands.entity(opened.entity).insert(LoginLimit(2 * SECOND));
    });
    let socket = connect_with(&mut server, LoginLimit(5 * SECOND));
    server.advance(2 * SECOND);
    assert!(socket.is_closed());
}

#[test]
fn deadlines_of_connections_that_are_gone_meet_nobody() {
    let mut server = Server::started();
    let listener = server.world().spawn_empty().id();
    let entities = server.count_entities();
    for _ in 0..30 {
        let sockets: Vec<_> = (0..20).map(|_| server.connect(listener)).collect();
        for socket in &sockets {
            server.world().trigger(Close::new(socket.connection(), Cause::Requested));
        }
        // The entities that come next reuse these.
        server.advance(SECOND);
    }
    let survivor = server.connect(listener);
    server.world().trigger(Authenticated { entity: survivor.connection() });
    server.advance(59 * SECOND);
    assert_eq!(server.causes(), [Cause::Requested; 600]);
    assert!(!survivor.is_closed());
    server.advance(SECOND);
    server.run();
    assert_eq!(server.count_entities(), entities);
}
