//! Who comes, says or asks the same thing without end.

use crate::{
    Client, House, Socket, attacks,
    client::{PASSWORD, contains, sysconn_request},
    protocol::{Protocol::*, be16, package, pomelo_request, sproto_request},
    skynet::{Presented, present, request, token},
    sysconn_frames::masked,
};
use portcullis::{
    core::{Budget, Cause, Holding},
    demo::chat::{ECHO, Echo},
    dispatch::Routes,
    gate::{Refusal, Refusals},
    native::{ClientEvent, Credentials, wire::ClientFrame},
    prelude::{Connection, With},
    skynet::login::{Logins, wire::Status},
    sysconn::wire::Response,
};
use portcullis_testkit::Carrier;

fn native_events(house: &mut House, client: &mut Client, count: usize) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    house.until(&format!("{count} events"), |_| {
        events.extend(client.events_come());
        events.len() >= count
    });
    events
}

attacks! {
    fn connect_flood(house) {
        // Of a listener with 64 places, one is a bystander's.
        let before = house.connections();
        let mut flood: Vec<_> = (0..200).map(|_| Socket::dial(house, Sproto)).collect();
        house.until("all are looked at", |server| {
            server.world().resource::<Refusals>().count(Refusal::ListenerFull) >= 200 - 63
        });
        assert_eq!(house.refused(Refusal::ListenerFull), 200 - 63);
        house.until("those have places who came first", |server| {
            server.settle();
            flood.iter_mut().for_each(Socket::read);
            flood.iter().filter(|socket| !socket.is_over()).count() == 63
        });
        // Whoever has a place is served, and a place is free when its socket is gone.
        let first = flood.iter_mut().position(|socket| socket.find(&mut house.server).is_some()).unwrap();
        let served = &mut flood[first];
        served.send(house, &sproto_request(1, 1));
        served.expect(house, b"skynet", "one of those who came first");
        flood.clear();
        house.until("they are gone", |server| {
            let mut world = server.world_mut();
            world.query_filtered::<(), With<Connection>>().iter(&world).len() <= before
        });
        // From one address, that a proxy tells: fifty at once, and ten a second.
        let mut flood: Vec<_> = (0..80).map(|_| Socket::dial(house, Proxied)).collect();
        for (n, socket) in flood.iter_mut().enumerate() {
            socket.push(format!("PROXY TCP4 192.0.2.9 10.0.0.1 {} 80\r\n", 2000 + n).as_bytes());
        }
        house.until("all are looked at", |server| {
            server.world().resource::<Refusals>().count(Refusal::TooFast) >= 30
        });
        assert_eq!(house.refused(Refusal::TooFast), 30);
    }

    fn login_flood(house) {
        // A name is locked, and no other.
        let mut guesser = Client::connect(house, Native);
        let mut said = Vec::new();
        guesser.codec.hello(&mut said).unwrap();
        guesser.say(house, &said);
        guesser.expect_event(house, "a welcome", |event| matches!(event, ClientEvent::Welcome { .. }));
        let mut codes = Vec::new();
        for _ in 0..12 {
            let mut said = Vec::new();
            guesser.codec.log_in(&mut said, &Credentials::new("victim", "a wrong guess")).unwrap();
            guesser.say(house, &said);
            let answers = native_events(house, &mut guesser, 1);
            let [ClientEvent::Refused { code, .. }] = answers[..] else { panic!("{answers:?}") };
            codes.push(code);
        }
        assert_eq!(codes[..10], [401; 10]);
        assert_eq!(codes[10..], [429; 2], "the name is locked");
        // One at a time: the others are not even hashed.
        let mut said = Vec::new();
        for _ in 0..50 {
            guesser.codec.log_in(&mut said, &Credentials::new("another", PASSWORD)).unwrap();
        }
        guesser.say(house, &said);
        let refused = native_events(house, &mut guesser, 50);
        let busy = |event: &&ClientEvent| matches!(event, ClientEvent::Refused { code: 429, .. });
        assert_eq!(refused.iter().filter(busy).count(), 49);
        // skynet's: a hundred who never prove who they are to the end, and a hundred nobody decides about.
        let mut half: Vec<_> = (0..100).map(|_| Socket::connect(house, Login)).collect();
        let mut undecided: Vec<Presented> = (0..100)
            .map(|n| present(&mut house.server, &token(&format!("late{n}"), "sample")))
            .collect();
        house.pass(11);
        for socket in &mut half {
            socket.expect_closed(house, Cause::HandshakeTimeout);
        }
        for login in &mut undecided {
            login.expect_status(Status::Unauthorized);
        }
        assert_eq!(house.server.world().resource::<Logins>().pending(), 0);
        // The connector's: secrets that are guessed.
        let mut client = Client::connect(house, Sysconn);
        for guess in 1..=12_u8 {
            let body = [8, 0xc1, 0x84, 0x3d, 16, guess];
            client.say(house, &sysconn_request(guess.into(), 1003, &body));
            client.expect(house, "a refusal", |frame| {
                Response::read(frame).is_ok_and(|answer| answer.error == 10 && answer.command == 1003)
            });
        }
    }

    fn ping_flood(house) {
        const PINGS: usize = 2000;
        let mut ping = Vec::new();
        ClientFrame::Ping.write(&mut ping).unwrap();
        let mut native = Client::enter(house, Native);
        native.say(house, &ping.repeat(PINGS));
        let pongs = native_events(house, &mut native, PINGS);
        assert!(pongs.iter().all(|event| matches!(event, ClientEvent::Pong)));
        native.ask(house);
        let mut pomelo = Client::enter(house, Pomelo(Carrier::Tcp));
        pomelo.say(house, &package(3, b"").repeat(PINGS));
        pomelo.ask(house);
        let mut sysconn = Client::enter(house, Sysconn);
        let beats: Vec<u8> = (0..PINGS).flat_map(|_| masked(0x82, &sysconn_request(1, 1098, &[]))).collect();
        sysconn.say_bytes(house, &beats);
        sysconn.ask(house);
        // Those of WebSocket are answered by the edge: the latest of those that come at once, when nobody reads.
        for protocol in [Pomelo(Carrier::WebSocket), Sysconn] {
            let mut client = Client::enter(house, protocol);
            let pings: Vec<u8> = (0..PINGS).flat_map(|_| masked(0x89, &[b'p'; 125])).collect();
            client.say_bytes(house, &pings);
            let held = house.server.world().resource::<Budget>().held(Holding::Outgoing);
            assert!(held <= 128 * 1024, "{protocol:?}: {held} bytes of pongs");
            client.ask(house);
        }
    }

    fn empty_frame_flood(house) {
        const FRAMES: usize = 5000;
        for protocol in [Raw, Proxied] {
            let mut client = Client::enter(house, protocol);
            client.say(house, &be16(b"").repeat(FRAMES));
            client.ask(house);
        }
        for (protocol, frame, cause) in [
            (Native, Native.frame(b""), Cause::Malformed),
            (Login, b"\n".to_vec(), Cause::Requested),
            (MsgServer, be16(b""), Cause::Malformed),
            (Pomelo(Carrier::WebSocket), masked(0x82, b""), Cause::Malformed),
            (Sysconn, masked(0x82, b""), Cause::Malformed),
        ] {
            let mut client = match protocol {
                Login => Client::connect(house, protocol),
                _ => Client::enter(house, protocol),
            };
            client.say_bytes(house, &frame.repeat(FRAMES));
            client.expect_closed(house, cause);
        }
        let mut sproto = Client::enter(house, Sproto);
        sproto.say(house, &be16(b"").repeat(FRAMES));
        sproto.ask(house);
        let mut pomelo = Client::enter(house, Pomelo(Carrier::Tcp));
        pomelo.say(house, &package(4, b"").repeat(FRAMES));
        pomelo.ask(house);
        // Fragments of nothing are a message that never comes to its end.
        let mut endless = Client::enter(house, Sysconn);
        endless.say_bytes(house, &[masked(0x02, b""), masked(0x00, b"").repeat(FRAMES)].concat());
        let held = house.server.world().resource::<Budget>().held(Holding::Incomplete);
        assert!(held <= 64 * 1024, "{held} bytes of nothing");
    }

    fn route_flood(house) {
        const ROUTES: u16 = 500;
        let routes = |house: &House| house.server.world().resource::<Routes>().iter().count();
        let before = routes(house);
        let mut native = Client::enter(house, Native);
        let mut said = Vec::new();
        for route in 0..ROUTES {
            ClientFrame::Request { id: u32::from(route) + 1_000_000, route: route + 10_000, body: b"" }
                .write(&mut said)
                .unwrap();
        }
        native.say(house, &said);
        let answers = native_events(house, &mut native, ROUTES.into());
        let unknown = |event: &ClientEvent| matches!(event, ClientEvent::Refused { code: 404, .. });
        assert!(answers.iter().all(unknown), "{answers:?}");
        let mut pomelo = Client::enter(house, Pomelo(Carrier::Tcp));
        let flood = |n: u16| pomelo_request(1, &format!("connector.entryHandler.n{n}"), b"{}");
        pomelo.say(house, &(0..ROUTES).flat_map(flood).collect::<Vec<_>>());
        pomelo.ask(house);
        let mut sproto = Client::enter(house, Sproto);
        sproto.say(house, &(0..ROUTES).flat_map(|n| sproto_request(20 + (n % 100) as u8, 1)).collect::<Vec<_>>());
        sproto.ask(house);
        let mut sysconn = Client::enter(house, Sysconn);
        for command in 5000..5011 {
            sysconn.say(house, &sysconn_request(1, command, &[]));
        }
        sysconn.expect_closed(house, Cause::Abuse);
        assert_eq!(routes(house), before, "nothing is kept of what nobody has");
    }

    fn request_id_reuse(house) {
        const TIMES: usize = 200;
        let mut native = Client::enter(house, Native);
        let mut same = Vec::new();
        let id = native.codec.request(&mut same, ECHO, &Echo { text: "again".into() }).unwrap();
        // The session answers with what it has kept.
        native.say(house, &same.repeat(TIMES));
        let answers = native_events(house, &mut native, 1);
        let of = |event: &ClientEvent| matches!(event, ClientEvent::Reply { id: of, .. } if *of == id);
        assert!(answers.iter().all(of), "{answers:?}");
        native.ask(house);
        let mut user = Client::enter(house, MsgServer);
        user.say(house, &[request(7, b"first"), request(7, b"second").repeat(TIMES)].concat());
        // As in the original: over the same connection a number may be used again once it is answered.
        for _ in 0..=TIMES {
            user.expect(house, "an answer", |frame| frame.ends_with(&[1, 0, 0, 0, 7]));
        }
        user.ask(house);
        let mut pomelo = Client::enter(house, Pomelo(Carrier::Tcp));
        pomelo.say(house, &pomelo_request(5, "connector.entryHandler.entry", b"{}").repeat(TIMES));
        for _ in 0..TIMES {
            pomelo.expect(house, "an answer", |frame| frame.get(5) == Some(&5));
        }
        pomelo.ask(house);
        let mut sproto = Client::enter(house, Sproto);
        sproto.say(house, &sproto_request(1, 9).repeat(TIMES));
        for _ in 0..TIMES {
            sproto.expect(house, "an answer", |frame| contains(frame, b"skynet"));
        }
        let mut sysconn = Client::enter(house, Sysconn);
        let same = masked(0x82, &sysconn_request(7, 1190, b"\x0a\x01x"));
        sysconn.say_bytes(house, &same.repeat(50));
        for _ in 0..50 {
            sysconn.expect(house, "an answer", |frame| frame.ends_with(b"\x0a\x01x"));
        }
    }
}
