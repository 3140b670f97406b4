//! What is asked and answered.

mod common;

use common::*;
use portcullis_core::{Cause, Traffic};
use portcullis_dispatch::{AppDispatchExt, Refusal, Request, Routes};
use portcullis_native::{
    ClientError, ClientEvent, Manifest, ManifestFault, NativePlugin,
    wire::{ClientFrame, ServerFrame},
};

#[test]
fn a_request_is_answered() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let events = peer.ask(&mut server, "arena.join", &ann());
    assert_eq!(reply::<Joined>(&events), Joined { seat: 1 });
}

#[test]
fn a_handlers_refusal_is_the_answer() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let events = peer.ask(&mut server, "arena.join", &Join { name: String::new() });
    assert_eq!(refusal(&events), (Refusal::FORBIDDEN, "a name is needed"));
}

#[test]
fn an_unknown_route_is_answered() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let mut out = Vec::new();
    ClientFrame::Request { id: 9, route: 999, body: &[] }.write(&mut out).unwrap();
    let events = peer.say(&mut server, &out);
    assert_eq!(refusal(&events).0, Refusal::NOT_FOUND);
    let traffic = server.app.world().get::<Traffic>(peer.socket.connection()).unwrap();
    assert_eq!(traffic.bad_requests, 1);
}

#[test]
fn a_request_on_a_push_is_answered_as_unknown() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let mut out = Vec::new();
    let route = arena().number("arena.state").unwrap();
    ClientFrame::Request { id: 9, route, body: &[] }.write(&mut out).unwrap();
    assert_eq!(refusal(&peer.say(&mut server, &out)).0, Refusal::NOT_FOUND);
}

#[test]
fn an_undecodable_body_is_answered_and_the_next_request_works() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let route = arena().number("arena.join").unwrap();
    for body in [&[][..], &[200, 1], &[1, 0xff], &[1, b'a', 0]] {
        let mut out = Vec::new();
        ClientFrame::Request { id: 9, route, body }.write(&mut out).unwrap();
        assert_eq!(refusal(&peer.say(&mut server, &out)).0, Refusal::BAD_REQUEST, "{body:?}");
    }
    assert_eq!(reply::<Joined>(&peer.ask(&mut server, "arena.join", &ann())), Joined { seat: 1 });
}

#[test]
fn a_notify_is_handled_and_not_answered() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let mut out = Vec::new();
    peer.codec.notify(&mut out, "arena.move", &Move { x: 1.5, y: 0.0 }).unwrap();
    peer.codec.notify(&mut out, "arena.join", &ann()).unwrap();
    assert!(peer.say(&mut server, &out).is_empty());
    assert_eq!(server.resource::<Seen>().moves, [1.5]);
    assert_eq!(server.resource::<Seats>().0, 1);
}

#[test]
fn an_undecodable_notify_is_counted_and_not_answered() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let mut out = Vec::new();
    let route = arena().number("arena.move").unwrap();
    ClientFrame::Notify { route, body: &[1, 2, 3] }.write(&mut out).unwrap();
    assert!(peer.say(&mut server, &out).is_empty());
    assert_eq!(server.app.world().get::<Traffic>(peer.socket.connection()).unwrap().bad_requests, 1);
}

#[test]
fn a_push_is_received_with_its_route_and_type() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let events = peer.ask(&mut server, "arena.watch", &2u64);
    let [ClientEvent::Pushed(first), ClientEvent::Pushed(second), ClientEvent::Reply { .. }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(&*first.route, "arena.state");
    assert_eq!(first.decode::<State>().unwrap(), State { tick: 0 });
    assert_eq!(second.decode::<State>().unwrap(), State { tick: 1 });
    assert!(matches!(first.decode::<Join>(), Err(ClientError::WrongType { expected: "State", .. })));
}

#[test]
fn a_handler_that_panics_costs_its_request_and_the_next_works() {
    let mut server = Server::new();
    let mut peer = server.connect();
    assert_eq!(refusal(&peer.ask(&mut server, "arena.panic", &"now")).0, Refusal::INTERNAL);
    assert_eq!(reply::<u8>(&peer.ask(&mut server, "arena.panic", &"later".to_owned())), 7);
}

#[test]
fn pipelined_requests_are_answered_in_order_however_the_stream_is_cut() {
    for piece in [1, 3, 7, 1000] {
        let mut server = Server::new();
        let mut peer = server.connect();
        let mut out = Vec::new();
        let asked: Vec<u32> =
            (0..50).map(|_| peer.codec.request(&mut out, "arena.join", &ann()).unwrap()).collect();
        let mut answered = Vec::new();
        for bytes in out.chunks(piece) {
            for event in peer.say(&mut server, bytes) {
                let ClientEvent::Reply { id, body } = event else { panic!("{event:?}") };
                answered.push(id);
                assert_eq!(body.decode::<Joined>().unwrap().seat as usize, answered.len());
            }
        }
        assert_eq!(answered, asked);
    }
}

#[test]
fn a_ping_is_answered() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let mut out = Vec::new();
    peer.codec.ping(&mut out);
    assert!(matches!(peer.say(&mut server, &out)[..], [ClientEvent::Pong]));
}

#[test]
fn garbage_closes_only_that_connection_after_what_came_before_it() {
    let mut server = Server::new();
    let (mut ann_peer, mut bob) = (server.connect(), server.connect());
    let mut out = Vec::new();
    ann_peer.codec.request(&mut out, "arena.join", &ann()).unwrap();
    out.extend_from_slice(&[3, 0, 0, 0, 99, 1, 2]);
    ann_peer.codec.request(&mut out, "arena.join", &ann()).unwrap();
    let events = ann_peer.say(&mut server, &out);
    let [ClientEvent::Reply { .. }, ClientEvent::Bye { cause, reason: Some(reason) }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(cause, "malformed");
    assert!(reason.contains("99"), "{reason}");
    assert!(ann_peer.socket.is_closed());
    assert_eq!(server.resource::<Seen>().closed, [Cause::Malformed]);
    assert_eq!(server.resource::<Seats>().0, 1, "what follows garbage is not looked at");
    assert_eq!(reply::<Joined>(&bob.ask(&mut server, "arena.join", &ann())), Joined { seat: 2 });
}

#[test]
fn any_flipped_bit_of_a_conversation_harms_nobody_else() {
    let mut server = Server::new();
    let mut bob = server.connect();
    let mut whole = Vec::new();
    let mut scribe = server.dial();
    scribe.codec.hello(&mut whole).unwrap();
    scribe.codec.request(&mut whole, "arena.join", &ann()).unwrap();
    scribe.codec.notify(&mut whole, "arena.move", &Move { x: 0.0, y: 0.0 }).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mallory = server.dial();
        mallory.socket.write(&flipped);
        server.run();
        mallory.socket.reset();
    }
    server.run();
    assert!(matches!(bob.ask(&mut server, "arena.join", &ann())[..], [ClientEvent::Reply { .. }]));
    assert_eq!(server.resource::<Seen>().closed.len(), whole.len() * 8);
}

#[test]
fn a_manifest_restricts_what_is_served() {
    let small = Manifest::new("lobby", 3).request::<Join, Joined>("arena.join");
    let mut server = Server::with(NativePlugin::default().manifest(small.clone()));
    let mut peer = server.dial_with(small);
    assert!(matches!(peer.hello(&mut server)[..], [ClientEvent::Welcome { .. }]));
    assert!(matches!(peer.ask(&mut server, "arena.join", &ann())[..], [ClientEvent::Reply { .. }]));
    let mut out = Vec::new();
    ClientFrame::Request { id: 1, route: 1, body: &[0] }.write(&mut out).unwrap();
    assert_eq!(refusal(&peer.say(&mut server, &out)).0, Refusal::NOT_FOUND);
}

#[test]
fn a_push_that_is_not_in_the_manifest_is_not_sent() {
    let small = Manifest::new("arena", 1).request::<u64, u64>("arena.watch");
    let mut server = Server::with(NativePlugin::default().manifest(small.clone()));
    let mut peer = server.dial_with(small);
    peer.hello(&mut server);
    assert_eq!(reply::<u64>(&peer.ask(&mut server, "arena.watch", &3u64)), 3);
}

#[test]
fn what_a_manifest_promises_and_the_app_does_not_keep_is_named() {
    let server = Server::new();
    let routes = server.app.world().resource::<Routes>();
    assert_eq!(arena().faults(routes), []);
    let promises = Manifest::new("arena", 1)
        .request::<Join, State>("arena.join")
        .notify::<u64>("arena.watch")
        .request::<Move, u8>("arena.move")
        .request::<Join, Joined>("arena.leave")
        .push::<Join>("arena.state");
    let faults = promises.faults(routes);
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults.contains(&ManifestFault::NotHandled { route: "arena.leave".into() }));
    assert_eq!(
        faults[0].to_string(),
        "the manifest promises `arena.join` as request of Join for State, but the app has request of Join for \
         Joined: make them the same"
    );
}

#[test]
fn a_route_with_other_types_than_promised_is_not_served() {
    let wrong = Manifest::new("arena", 1).request::<Join, State>("arena.join");
    let mut server = Server::with(NativePlugin::default().manifest(wrong.clone()));
    let mut peer = server.dial_with(wrong);
    peer.hello(&mut server);
    assert_eq!(refusal(&peer.ask(&mut server, "arena.join", &ann())).0, Refusal::NOT_FOUND);
}

#[test]
fn two_plugins_serve_two_manifests_of_one_app() {
    let admin = Manifest::new("admin", 1).request::<String, u8>("arena.panic");
    let mut app = bevy_app::App::new();
    app.add_plugins((
        portcullis_core::CorePlugin { time: portcullis_core::TimeSource::manual(), runner: false },
        portcullis_dispatch::DispatchPlugin,
        NativePlugin::default().name("arena", 1),
        NativePlugin::default().manifest(admin),
    ));
    game(&mut app);
    app.add_handler("late", |request: Request<u8>| *request);
    app.finish();
    let world = app.world_mut();
    let mut listeners = world.query::<&portcullis_native::NativeListener>();
    assert_eq!(listeners.iter(world).count(), 2);
}

#[test]
fn a_client_is_held_to_its_manifest() {
    let mut server = Server::new();
    let mut peer = server.connect();
    let mut out = Vec::new();
    let unknown = peer.codec.request(&mut out, "arena.leave", &ann());
    assert!(matches!(unknown, Err(ClientError::NotInManifest { what: "request", .. })));
    let notify = peer.codec.request(&mut out, "arena.move", &Move { x: 0.0, y: 0.0 });
    assert!(matches!(notify, Err(ClientError::NotInManifest { .. })));
    let wrong = peer.codec.request(&mut out, "arena.join", &7u8);
    assert!(matches!(wrong, Err(ClientError::WrongType { expected: "Join", given: "u8", .. })));
    assert!(peer.codec.check_reply::<State>("arena.join").is_err());
    assert!(out.is_empty());
}

#[test]
fn a_server_that_breaks_the_protocol_is_an_error_for_the_client() {
    let frames = [
        ServerFrame::Reply { id: 1, body: &[] },
        ServerFrame::Pong,
        ServerFrame::Push { route: 0, body: &[] },
    ];
    for frame in frames {
        let mut codec = portcullis_native::ClientCodec::new(arena());
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        codec.feed(&bytes);
        assert!(codec.next_event().is_err(), "{frame:?} before the Welcome");
        codec.feed(&bytes);
        assert!(codec.next_event().is_err(), "an error stays one");
    }
}
