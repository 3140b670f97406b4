//! What handlers, streams and mods may rely on: in memory, and over TCP under both drivers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use portcullis::{
    dispatch::{Counters, DeferLimits, Outcome},
    prelude::*,
    session::{DefaultMultiLogin, Login, MultiLogin, Sessions},
    watchdog::{AgentTemplate, DefaultAgent, Kick},
};
use portcullis_testkit::{TestServerBuilder, on_every_transport};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What was handled, in order.
#[derive(Resource, Default)]
struct Log(Vec<String>);

#[derive(Component, Default)]
struct Player {
    moves: Vec<u32>,
}

#[derive(Serialize, Deserialize, Clone)]
struct Move(u32);

#[derive(Serialize, Deserialize)]
struct Transfer {
    to: String,
    amount: u32,
}

/// Responders that a test answers by hand.
#[derive(Resource, Default)]
struct Kept(Vec<Responder<String>>);

fn game(app: &mut App) {
    app.init_resource::<Log>()
        .init_resource::<Kept>()
        .insert_resource(DefaultAgent(AgentTemplate::new(Player::default)))
        .add_handler("log", |text: Request<String>, mut log: ResMut<Log>| log.0.push(text.body))
        .add_handler("transfer", transfer)
        .add_handler("panic", |_: Request<()>, mut commands: Commands| -> u32 {
            commands.queue(|world: &mut World| world.resource_mut::<Log>().0.push("queued".into()));
            panic!("a handler of the test panics")
        })
        .add_handler("later", |request: Request<()>, mut defer: Defer, mut kept: ResMut<Kept>| {
            let (deferred, responder) = defer.begin(&request)?;
            kept.0.push(responder);
            Ok::<Deferred<String>, Refusal>(deferred)
        })
        .add_handler("leave", |request: Request<()>, mut commands: Commands| {
            commands.trigger(Kick::new(request.connection, "you asked for it"));
            "good bye"
        })
        .add_handler("tell_me", |request: Request<()>, mut pusher: Pusher| {
            let agent = request.agent.ok_or("no agent")?;
            Ok::<usize, Refusal>(pusher.push(agent, "news", &"something happened"))
        })
        .add_push::<str>("news")
        .add_stream::<Move>("move")
        .add_systems(FixedUpdate, collect_moves);
}

fn transfer(request: Request<Transfer>) -> Result<u32, Refusal> {
    match request.amount {
        0 => Err("nothing to transfer".into()),
        amount if amount > 100 => {
            Err(Refusal::new(Refusal::FORBIDDEN, format!("{} may not have it", request.to)))
        }
        amount => Ok(100 - amount),
    }
}

fn collect_moves(mut moves: MessageReader<Received<Move>>, mut players: Query<&mut Player>) {
    for step in moves.read() {
        if let Some(mut player) = step.agent.and_then(|agent| players.get_mut(agent).ok()) {
            player.moves.push(step.body.0);
        }
    }
}

on_every_transport! {
    fn requests_of_one_connection_are_handled_in_the_order_they_came(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        let sent: Vec<String> = (0..200).map(|index| index.to_string()).collect();
        let replies: Vec<_> =
            server.together(|| sent.iter().map(|text| ann.request("log", text)).collect());
        for reply in replies {
            reply.expect_reply::<()>();
        }
        assert_eq!(server.world().resource::<Log>().0, sent);
    }

    fn a_result_is_a_reply_or_a_refusal(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        let mut transfer = |amount| ann.request("transfer", &Transfer { to: "bob".into(), amount });
        assert_eq!(transfer(30).expect_reply::<u32>(), 70);
        assert_eq!(transfer(0).expect_refusal(), Refusal::from("nothing to transfer"));
        let refusal = transfer(101).expect_refusal();
        assert_eq!((refusal.code, &*refusal.message), (Refusal::FORBIDDEN, "bob may not have it"));
    }

    fn a_panic_costs_its_request_and_nothing_else(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let (mut ann, mut bob) = (server.connect(), server.connect());
        for _ in 0..3 {
            assert_eq!(ann.request("panic", &()).expect_refusal().code, Refusal::INTERNAL);
        }
        ann.request("log", "ann").expect_reply::<()>();
        bob.request("log", "bob").expect_reply::<()>();
        assert_eq!(server.world().resource::<Counters>().failed, 3);
        let log = server.world().resource::<Log>().0.clone();
        // What it had queued is done with its own request, not with somebody else's.
        assert_eq!(log, ["queued", "queued", "queued", "ann", "bob"]);
    }

    fn a_deferred_request_is_answered_once_by_whoever_holds_it(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        let (first, second) = (ann.request("later", &()), ann.request("later", &()));
        assert!(!first.is_answered());
        let kept = std::mem::take(&mut server.world_mut().resource_mut::<Kept>().0);
        // From other threads, in the other order.
        for (responder, answer) in kept.into_iter().zip(["one", "two"]).rev() {
            std::thread::spawn(move || responder.reply(answer.to_owned())).join().unwrap();
        }
        server.settle();
        assert_eq!(first.expect_reply::<String>(), "one");
        assert_eq!(second.expect_reply::<String>(), "two");
    }

    fn a_responder_that_is_dropped_answers_with_an_error(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        let reply = ann.request("later", &());
        server.world_mut().resource_mut::<Kept>().0.clear();
        server.settle();
        assert_eq!(reply.expect_refusal().code, Refusal::INTERNAL);
    }

    fn a_deferred_request_is_answered_when_its_time_is_up(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        let reply = ann.request("later", &());
        server.advance(9 * SECOND);
        assert!(!reply.is_answered());
        server.advance(2 * SECOND);
        assert_eq!(reply.expect_refusal().code, Refusal::TIMEOUT);
        let mut late = std::mem::take(&mut server.world_mut().resource_mut::<Kept>().0);
        late.pop().unwrap().reply("too late".to_owned());
        server.settle();
        ann.request("log", "still fine").expect_reply::<()>();
    }

    fn one_connection_cannot_have_everything_deferred(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        server.world_mut().resource_mut::<DeferLimits>().per_connection = 2;
        let (mut ann, mut bob) = (server.connect(), server.connect());
        let _waiting = [ann.request("later", &()), ann.request("later", &())];
        assert_eq!(ann.request("later", &()).expect_refusal().code, Refusal::TOO_MANY);
        assert!(!bob.request("later", &()).is_answered());
        server.world_mut().resource_mut::<Kept>().0.clear();
        server.settle();
        assert!(!ann.request("later", &()).is_answered());
        server.world_mut().resource_mut::<Kept>().0.clear();
    }

    fn the_answer_leaves_before_what_the_handler_asked_for(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        let (farewell, after) = server.together(|| (ann.request("leave", &()), ann.request("log", "after")));
        assert_eq!(farewell.expect_reply::<String>(), "good bye");
        let goodbye = ann.goodbye().expect("kicks are explained");
        assert!(format!("{goodbye:?}").contains("you asked for it"), "{goodbye:?}");
        ann.expect_closed(Cause::Kicked);
        assert!(!after.is_answered(), "nothing is handled after a kick");
        assert!(server.world().resource::<Log>().0.is_empty());
    }

    fn a_push_reaches_the_agents_connection(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let (mut ann, mut bob) = (server.connect(), server.connect());
        assert_eq!(ann.request("tell_me", &()).expect_reply::<usize>(), 1);
        assert_eq!(ann.expect_push::<String>("news"), "something happened");
        bob.expect_no_push();
    }

    fn a_push_reaches_all_connections_of_a_session(server: TestServerBuilder) {
        let login = |app: &mut App| {
            app.insert_resource(DefaultMultiLogin(MultiLogin::Allow(usize::MAX)))
                .add_handler("login", |uid: Request<String>, mut commands: Commands| {
                    commands.trigger(Login::new(uid.connection, uid.body.as_str()));
                })
                .add_handler("tell_all", |uid: Request<String>, sessions: Res<Sessions>, mut pusher: Pusher| {
                    let session = sessions.get(&uid).ok_or("nobody of that name")?;
                    Ok::<usize, Refusal>(pusher.push(session, "news", &"for you"))
                });
        };
        let mut server = server.plugin((game, login)).build();
        let (mut phone, mut desk, mut other) = (server.connect(), server.connect(), server.connect());
        phone.request("login", "ann").expect_reply::<()>();
        desk.request("login", "ann").expect_reply::<()>();
        other.request("login", "bob").expect_reply::<()>();
        assert_eq!(other.request("tell_all", "ann").expect_reply::<usize>(), 2);
        assert_eq!(phone.expect_push::<String>("news"), "for you");
        assert_eq!(desk.expect_push::<String>("news"), "for you");
        other.expect_no_push();
    }

    fn a_stream_is_read_in_batches_and_keeps_each_connections_order(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let (mut ann, mut bob) = (server.connect(), server.connect());
        for step in 0..100 {
            ann.notify("move", &Move(step));
            bob.notify("move", &Move(1000 + step));
        }
        server.advance(SECOND);
        let mut moves: Vec<Vec<u32>> = server
            .run_system_once(|players: Query<&Player>| players.iter().map(|player| player.moves.clone()).collect::<Vec<_>>());
        moves.sort();
        assert_eq!(moves, [(0..100).collect::<Vec<_>>(), (1000..1100).collect()]);
    }

    fn mods_stand_before_and_after_the_handlers(server: TestServerBuilder) {
        #[derive(Resource, Default)]
        struct Seen(Vec<Outcome>);
        let mute = |mut packets: ResMut<Packets>| {
            packets.filter(|_, body| match body.windows(4).any(|word| word == b"darn") {
                true => Err(Refusal::new(Refusal::FORBIDDEN, "mind your words")),
                false => Ok(()),
            });
        };
        let look_back = |outcomes: Res<Outcomes>, mut seen: ResMut<Seen>| {
            seen.0.extend(outcomes.iter().map(|handled| handled.outcome));
        };
        let mods = move |app: &mut App| {
            app.init_resource::<Seen>().add_systems(
                Ingress,
                (
                    mute.after(IngressSystems::Decode).before(IngressSystems::Dispatch),
                    look_back.after(IngressSystems::Dispatch).before(IngressSystems::Flush),
                ),
            );
        };
        let mut server = server.plugin(game).plugin(mods).build();
        let mut ann = server.connect();
        let (polite, rude, sorry) =
            server.together(|| (ann.request("log", "hello"), ann.request("log", "darn"), ann.request("log", "sorry")));
        polite.expect_reply::<()>();
        assert_eq!(rude.expect_refusal().message, "mind your words");
        sorry.expect_reply::<()>();
        assert_eq!(server.world().resource::<Log>().0, ["hello", "sorry"]);
        let expected = [Outcome::Done, Outcome::Refused(Refusal::FORBIDDEN), Outcome::Done];
        assert_eq!(server.world().resource::<Seen>().0, expected);
    }

    fn many_come_ask_and_go(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        for _ in 0..4 {
            let mut clients: Vec<_> = (0..25).map(|_| server.connect()).collect();
            for client in &mut clients {
                client.request("log", "here").expect_reply::<()>();
            }
            for mut client in clients {
                client.close();
            }
            server.settle();
        }
        assert_eq!(server.world().resource::<Log>().0.len(), 100);
        let players = server.run_system_once(|players: Query<&Player>| players.iter().len());
        assert_eq!(players, 0, "agents go with their connections");
    }

    fn a_shutdown_tells_clients_and_ends_the_app(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let mut ann = server.connect();
        server.world_mut().trigger(Shutdown);
        server.tick();
        assert!(ann.goodbye().is_some(), "the client is told");
        ann.expect_closed(Cause::Shutdown);
        server.tick();
        assert_eq!(server.exit(), Some(AppExit::Success));
    }
}
