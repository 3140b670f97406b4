//! What goes wrong in the game itself, and whom it costs something.

use crate::{
    ALL, Client, House, Socket, attacks,
    client::{contains, sysconn_request},
    ends::THERE,
    game::{BOOM, BOOM_COMMAND, BOOM_TAG, NEVER, NEVER_COMMAND, NEVER_TAG},
    keys::log_in_over,
    protocol::{Protocol::*, be16, pomelo_request, sproto_request},
    skynet::{present, request, token},
};
use portcullis::{
    core::{Lateness, Outbox},
    native::ClientEvent,
    prelude::{App, Cause, Clock, Ingress, Res, ResMut, Resource, Update},
    skynet::login::wire::Status,
    sysconn::wire::Response,
};
use portcullis_testkit::Carrier;
use std::{panic::resume_unwind, time::Duration};

/// Asks for what panics, or for what is never answered, on each protocol; then, when `seconds` have passed, looks at the
/// error that each is told.
#[track_caller]
fn fails(house: &mut House, never: bool, seconds: u64) {
    let (route, command, tag, words, code): (_, _, _, &[u8], u16) = match never {
        true => (NEVER, NEVER_COMMAND, NEVER_TAG, b"never", 504),
        false => (BOOM, BOOM_COMMAND, BOOM_TAG, b"boom", 500),
    };
    let mut native = Client::enter(house, Native);
    let mut out = Vec::new();
    let id = native.codec.request(&mut out, route, &()).unwrap();
    native.say(house, &out);
    let mut sproto = Client::enter(house, Sproto);
    sproto.say(house, &sproto_request(tag, 1));
    let mut raw = Client::enter(house, Raw);
    raw.say(house, &be16(words));
    let mut msgserver = Client::enter(house, MsgServer);
    msgserver.say(house, &request(1000, words));
    let mut pomelo = Client::enter(house, Pomelo(Carrier::Tcp));
    pomelo.say(house, &pomelo_request(125, route, b"{}"));
    let mut sysconn = Client::enter(house, Sysconn);
    sysconn.say(house, &sysconn_request(125, command, &[]));
    let name = if never { "late" } else { "boom" };
    let mut login = present(&mut house.server, &token(name, "sample"));

    let mut others = [&mut native, &mut sproto, &mut raw, &mut msgserver, &mut pomelo, &mut sysconn];
    for _ in 0..seconds {
        house.pass(1);
        // They ask on: one of their questions is open, and no other.
        for client in &mut others {
            let beat = client.question();
            client.say(house, &beat);
        }
    }
    native.expect_event(
        house,
        "a refusal",
        |event| matches!(event, ClientEvent::Refused { id: of, code: why, .. } if *of == id && *why == code),
    );
    sproto.ask(house);
    raw.ask(house);
    msgserver.expect(house, "a failure", |frame| frame.ends_with(&[0, 0, 0, 0x03, 0xe8]));
    let text = format!("\"code\":{code}");
    pomelo.expect(house, "an error", |frame| frame.get(5) == Some(&125) && contains(frame, text.as_bytes()));
    sysconn.expect(house, "an error", |frame| {
        Response::read(frame).is_ok_and(|answer| answer.flag == 125 && answer.error == 1)
    });
    login.expect_status(Status::Unauthorized);
    for client in [&mut native, &mut msgserver, &mut pomelo, &mut sysconn] {
        client.ask(house);
    }
}

#[derive(Resource, Default)]
struct Panics {
    on: bool,
    count: u64,
}

/// In the tick and in `Ingress`, whatever else is there.
fn panicking(app: &mut App) {
    app.init_resource::<Panics>().add_systems(Update, panics).add_systems(Ingress, panics);
}

fn panics(mut panics: ResMut<Panics>) {
    if panics.on {
        panics.count += 1;
        resume_unwind(Box::new("each tick"));
    }
}

/// How long a tick takes; it takes it once.
#[derive(Resource, Default)]
struct Stall(Duration);

fn stalling(app: &mut App) {
    app.init_resource::<Stall>().add_systems(Update, stall);
}

/// Time passes while the world stands still. The next tick knows how late it is, as of a server's runner.
fn stall(mut stall: ResMut<Stall>, mut lateness: ResMut<Lateness>, clock: Res<Clock>) {
    lateness.0 = std::mem::take(&mut stall.0);
    clock.source().advance(lateness.0);
}

attacks! {
    fn a_handler_that_panics(house) {
        fails(house, false, 0);
    }

    fn a_handler_that_never_answers(house) {
        fails(house, true, 11);
    }
}

/// It is the game's own fault, each time: everybody is served all the same, and each failure is told.
fn panics_each_tick(house: &mut House) {
    house.server.world_mut().resource_mut::<Panics>().on = true;
    house.pass(4);
    for protocol in ALL {
        house.welcomes(protocol);
    }
    let count = {
        let mut world = house.server.world_mut();
        let mut panics = world.resource_mut::<Panics>();
        panics.on = false;
        panics.count
    };
    let told = house.server.errors();
    assert!(count > 16, "{count}");
    assert_eq!(told.len() as u64, count);
    assert!(told.iter().all(|error| error.contains("panicked")), "{:?}", told[0]);
}

/// Nobody is thrown out for a silence that was ours, and what came meanwhile is answered.
fn stalls(house: &mut House) {
    let mut clients: Vec<_> = THERE.map(|protocol| Client::enter(house, protocol)).into();
    for _ in 0..3 {
        let mut strangers =
            [Native, Pomelo(Carrier::Tcp), Sysconn].map(|protocol| Client::connect(house, protocol));
        let mut login = Socket::connect(house, Login);
        house.server.world_mut().resource_mut::<Stall>().0 = Duration::from_secs(5);
        house.server.tick();
        // What comes during the tick is there when it has ended, and the next one looks at deadlines behind it.
        for client in &mut clients {
            let question = client.question();
            client.put(house, &question);
        }
        house.ask_bystanders();
        house.server.tick();
        for client in &mut clients {
            let mut answered = false;
            house.until(&format!("{:?} is answered after the tick", client.protocol), |_| {
                answered |= client.is_answered();
                answered
            });
        }
        for client in &mut strangers {
            client.greet(house);
            house.server.tick();
            client.ask(house);
        }
        let name = house.name();
        let (_, answer) = log_in_over(house, &mut login, &token(&name, "sample"), usize::MAX);
        assert!(answer.starts_with(b"200 "), "{}", answer.escape_ascii());
        // A server that stalls all the time is another matter.
        for _ in 0..2 {
            house.pass(3);
            for client in clients.iter_mut().chain(&mut strangers) {
                client.ask(house);
            }
        }
    }
    // Who says nothing all the same is closed as ever.
    let mut silent =
        [Native, MsgServer, Pomelo(Carrier::Tcp)].map(|protocol| Client::connect(house, protocol));
    house.pass(6);
    for client in &mut silent {
        client.expect_closed(house, Cause::HandshakeTimeout);
    }
    let longest = {
        let mut world = house.server.world_mut();
        let mut outboxes = world.query::<&Outbox>();
        outboxes.iter(&world).map(|outbox| outbox.bytes().len()).max()
    };
    assert!(longest.unwrap() < 64 * 1024);
}

mod a_system_that_panics_each_tick {
    use super::{House, Panics, panicking, panics_each_tick};
    use portcullis::prelude::{App, AppExit, Last, MessageWriter, Res, ServerPlugins, TickRate};
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
        time::Duration,
    };

    #[test]
    fn inline() {
        House::attacked(House::inline().plugin(panicking), panics_each_tick);
    }

    #[test]
    fn thread() {
        House::attacked(House::thread().plugin(panicking), panics_each_tick);
    }

    /// With the server's own runner and error handler, in real time.
    #[test]
    fn its_log_is_short() {
        const TICKS: u64 = 500;
        let mut app = App::new();
        app.add_plugins((ServerPlugins, panicking))
            .insert_resource(Panics { on: true, count: 0 })
            .insert_resource(TickRate(Duration::from_millis(1)))
            .add_systems(Last, |panics: Res<Panics>, mut exit: MessageWriter<AppExit>| {
                if panics.count >= TICKS {
                    exit.write(AppExit::Success);
                }
            });
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer({
            let log = log.clone();
            move || log.clone()
        });
        let exit = tracing::subscriber::with_default(subscriber.finish(), || app.run());
        assert_eq!(exit, AppExit::Success, "it goes on");
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let lines = log.lines().filter(|line| line.contains("panicked")).count();
        assert!((1..=10).contains(&lines), "{lines} lines of {TICKS} panics: {log}");
        assert!(log.contains("times=64"), "it is counted: {log}");
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

mod a_tick_that_takes_5_s {
    use super::{House, stalling, stalls};

    #[test]
    fn inline() {
        House::attacked(House::inline().plugin(stalling), stalls);
    }

    #[test]
    fn thread() {
        House::attacked(House::thread().plugin(stalling), stalls);
    }
}
