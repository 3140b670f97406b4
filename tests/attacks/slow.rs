//! Who takes his time, or says nothing at all.

use crate::{Client, House, Protocol, Socket, attacks, keys::log_in_slowly, protocol::Protocol::*};
use portcullis::{
    core::{Budget, Cause, Holding},
    native::ClientEvent,
};
use portcullis_testkit::Carrier;

/// What each says first, as far as the attacker gets.
const HANDSHAKES: [(Protocol, &[u8]); 7] = [
    (Native, &[40, 0, 0]),
    (Login, b"aGVs"),
    (MsgServer, &[0, 40, b'x']),
    (Pomelo(Carrier::Tcp), &[1, 0, 0]),
    (Pomelo(Carrier::WebSocket), b"GET / HTTP/1.1\r\nUp"),
    (Pomelo(Carrier::Tls), b"\x16\x03\x01\x02\0\x01"),
    (Sysconn, b"GET / HTTP/1.1\r\nUpgrade: web"),
];

/// Who has said nothing for a minute, or not enough, and what that costs. Whom it does not end takes one of the places
/// of his listener, by its configuration.
const SILENCE: [(Protocol, Option<Cause>); 8] = [
    (Native, Some(Cause::Idle)),
    (Sproto, None),
    (Raw, Some(Cause::Idle)),
    (Proxied, Some(Cause::Idle)),
    (MsgServer, Some(Cause::Idle)),
    (Pomelo(Carrier::Tcp), Some(Cause::HeartbeatTimeout)),
    (Pomelo(Carrier::WebSocket), Some(Cause::HeartbeatTimeout)),
    (Sysconn, Some(Cause::Idle)),
];

#[track_caller]
fn ends(house: &mut House, clients: Vec<(Client, Option<Cause>)>) {
    for (mut client, cause) in clients {
        match cause {
            Some(cause) => client.expect_closed(house, cause),
            None => assert!(client.is_open(house), "{:?}", client.protocol),
        }
    }
}

attacks! {
    fn slow_handshake(house) {
        let mut sockets = Vec::new();
        for (protocol, said) in HANDSHAKES {
            let mut socket = Socket::connect(house, protocol);
            // A byte a second is a sign of life, and no handshake.
            socket.send(house, &said[..1]);
            sockets.push((socket, said));
        }
        let mut untold = Socket::connect(house, Proxied);
        untold.send(house, b"PROXY TCP4 192.0.2.1");
        for second in 1..6 {
            for (socket, said) in &mut sockets {
                socket.send(house, said.get(second..=second).unwrap_or_default());
            }
            house.pass(1);
        }
        for (mut socket, _) in sockets {
            socket.expect_closed(house, Cause::HandshakeTimeout);
        }
        // The gate does not know of it: the transport ends it.
        untold.expect_end(house, "a PROXY header that does not come to its end");
    }

    fn slow_frame(house) {
        let mut clients = Vec::new();
        for (protocol, cause) in SILENCE {
            let mut client = Client::enter(house, protocol);
            let frame = client.wrap(&protocol.frame(&[b'x'; 100]));
            client.say_bytes(house, &frame[..20]);
            clients.push((client, cause, frame));
        }
        for tenth in 0..6 {
            house.pass(10);
            for (client, _, frame) in &mut clients {
                client.say_bytes(house, &frame[20 + tenth..=20 + tenth]);
            }
        }
        let held = house.server.world().resource::<Budget>().held(Holding::Incomplete);
        assert!(held < 64 * 1024, "{held} bytes are held for a hundred");
        ends(house, clients.into_iter().map(|(client, cause, _)| (client, cause)).collect());
    }

    fn one_byte_at_a_time(house) {
        for (protocol, _) in SILENCE {
            let mut client = Client::connect(house, protocol);
            if protocol == MsgServer {
                client.user = Client::log_in(house).user;
            }
            client.drips = true;
            if protocol == MsgServer {
                client.shake_hands(house, 1);
            } else {
                client.greet(house);
            }
            client.ask(house);
        }
        assert!(log_in_slowly(house).starts_with(b"200 "));
    }

    fn half_open(house) {
        let clients = SILENCE.map(|(protocol, cause)| (Client::enter(house, protocol), cause));
        house.pass(61);
        ends(house, clients.into());
    }

    fn connect_and_wait(house) {
        const EACH: usize = 5;
        let mut sockets = Vec::new();
        for (protocol, cause) in [
            (Native, Cause::HandshakeTimeout),
            (Raw, Cause::Idle),
            (Login, Cause::HandshakeTimeout),
            (MsgServer, Cause::HandshakeTimeout),
            (Pomelo(Carrier::Tcp), Cause::HandshakeTimeout),
            (Pomelo(Carrier::Tls), Cause::HandshakeTimeout),
            (Sysconn, Cause::HandshakeTimeout),
        ] {
            for _ in 0..EACH {
                sockets.push((Socket::connect(house, protocol), cause));
            }
        }
        let mut untold = Socket::connect(house, Proxied);
        // Shakes hands, and does not log in.
        let mut stranger = Client::connect(house, Native);
        let mut hello = Vec::new();
        stranger.codec.hello(&mut hello).unwrap();
        stranger.say(house, &hello);
        stranger.expect_event(house, "a welcome", |event| matches!(event, ClientEvent::Welcome { .. }));
        let mut quiet = Client::connect(house, Sysconn);
        house.pass(11);
        stranger.expect_closed(house, Cause::LoginTimeout);
        assert!(quiet.is_open(house), "it shows its login page");
        house.pass(50);
        quiet.expect_closed(house, Cause::Idle);
        for (socket, cause) in &mut sockets {
            socket.expect_closed(house, *cause);
        }
        untold.expect_end(house, "a proxy that says nothing");
    }
}
