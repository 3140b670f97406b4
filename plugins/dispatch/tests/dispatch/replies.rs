//! Requests whose answers a session keeps: flows recorded from skynet's msgserver, and what it gets wrong.

use crate::plain::{Plain, add, app, ask_as, connection, said};
use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{BoundTo, Cause, Close, Closing, Ingress, Kick};
use portcullis_dispatch::{
    AppDispatchExt, Counters, Defer, DeferLimits, Deferred, FilterSystems, NoReply, OnBad, Packets, Raw,
    RawRequest, Refusal, ReplyCache, ReplyLimits, Request, Responder, Speaks,
};
use portcullis_session::{Logout, Session, SessionLinger, Unbind, bind};
use portcullis_testkit::{TestClient, TestServer};
use serde::{Serialize, Serializer};
use std::time::Duration;

/// How many requests were executed.
#[derive(Resource, Default)]
struct Runs(u32);

#[derive(Resource, Default)]
struct Held(Vec<Responder<Raw>>);

/// What a filter of all packets says.
#[derive(Resource, Default)]
enum Gate {
    #[default]
    Open,
    Refusing,
    Dropping,
}

fn count(request: RawRequest, mut runs: ResMut<Runs>) {
    runs.0 += 1;
    request.reply.extend_from_slice(runs.0.to_string().as_bytes());
}

fn fail(_: Request<Raw>, mut runs: ResMut<Runs>) -> Result<Raw, Refusal> {
    runs.0 += 1;
    Err(Refusal::new(418, "no"))
}

fn later(
    request: Request<Raw>,
    mut defer: Defer,
    mut runs: ResMut<Runs>,
    mut held: ResMut<Held>,
) -> Result<Deferred<Raw>, Refusal> {
    runs.0 += 1;
    let (deferred, responder) = defer.begin(&request)?;
    held.0.push(responder);
    Ok(deferred)
}

fn guard(gate: Res<Gate>, mut packets: ResMut<Packets>) {
    match *gate {
        Gate::Open => {}
        Gate::Refusing => packets.filter(|_, _| Err(Refusal::new(Refusal::FORBIDDEN, "not now"))),
        Gate::Dropping => packets.retain(|_, _| false),
    }
}

/// A server that speaks lines, one session, and its client.
struct Table {
    app: App,
    speaks: Speaks,
    session: Entity,
    here: Entity,
}

impl Table {
    fn new() -> Self {
        Self::with(ReplyLimits::default(), Plain::default())
    }

    fn with(limits: ReplyLimits, plain: Plain) -> Self {
        let mut app = app();
        app.init_resource::<Runs>()
            .init_resource::<Held>()
            .init_resource::<Gate>()
            .add_systems(Ingress, guard.in_set(FilterSystems::Before))
            .add_raw_handler("count", count)
            .add_raw_handler("echo", |request: RawRequest| request.reply.extend_from_slice(request.body))
            .add_handler("fail", fail)
            .add_handler("later", later);
        let speaks = add(&mut app, plain);
        let session = app.world_mut().spawn(ReplyCache::new(limits)).id();
        let mut table = Self { app, speaks, session, here: Entity::PLACEHOLDER };
        table.connect();
        table
    }

    /// A further connection of the client, which it uses from now on.
    fn connect(&mut self) -> Entity {
        let (speaks, session) = (self.speaks, self.session);
        let here = connection(&mut self.app, speaks);
        self.world().entity_mut(here).insert(BoundTo(session));
        self.here = here;
        here
    }

    fn reconnect(&mut self) {
        let old = self.here;
        self.world().despawn(old);
        self.connect();
    }

    fn world(&mut self) -> &mut World {
        self.app.world_mut()
    }

    fn ask(&mut self, id: u64, route: &str, body: &str) {
        let here = self.here;
        ask_as(&mut self.app, here, id, route, body.as_bytes());
    }

    fn answer(&mut self, body: &'static str) {
        let responder = self.world().resource_mut::<Held>().0.remove(0);
        responder.reply(Raw(body.into()));
        self.world().run_schedule(Ingress);
    }

    /// All that this connection was told.
    #[track_caller]
    fn heard(&self, expected: &str) {
        assert_eq!(said(&self.app, self.here), expected);
    }

    #[track_caller]
    fn ran(&self, times: u32) {
        assert_eq!(self.app.world().resource::<Runs>().0, times, "executed");
    }

    fn cache(&self) -> &ReplyCache {
        self.app.world().get::<ReplyCache>(self.session).unwrap()
    }
}

#[test]
fn an_id_that_is_used_again_over_one_connection_is_another_request() {
    let mut table = Table::new();
    for _ in 0..3 {
        table.ask(5, "count", "");
    }
    table.heard("1\n2\n3\n");
}

#[test]
fn after_a_reconnect_what_was_answered_is_answered_alike() {
    let mut table = Table::new();
    table.ask(5, "count", "");
    table.ask(6, "fail", "");
    table.ask(7, "nobody.knows", "");
    table.reconnect();
    table.ask(5, "echo", "something else");
    table.ask(6, "echo", "something else");
    table.ask(7, "echo", "something else");
    table.heard("1\n418\n404\n");
    table.ran(2);
    table.ask(5, "count", "");
    table.heard("1\n418\n404\n3\n");
}

#[test]
fn what_is_running_at_a_reconnect_is_answered_over_the_new_connection() {
    let mut table = Table::new();
    table.ask(5, "later", "");
    table.reconnect();
    table.ask(5, "later", "");
    table.heard("");
    table.answer("late");
    table.heard("late\n");
    table.ran(1);
    assert_eq!(table.cache().running(), 0);
}

#[test]
fn what_was_done_after_a_reconnect_and_is_repeated_then_was_executed_once() {
    let mut table = Table::new();
    table.ask(5, "later", "");
    table.reconnect();
    table.answer("late");
    table.heard("");
    table.ask(5, "echo", "not ignored");
    table.heard("late\n");
    table.ran(1);
}

#[test]
fn a_client_that_takes_its_session_over_gets_the_answers_it_repeats_and_no_others() {
    let mut table = Table::new();
    let old = table.here;
    table.ask(5, "later", "");
    table.ask(6, "later", "");
    table.connect();
    table.ask(6, "later", "");
    table.answer("five");
    table.answer("six");
    table.heard("six\n");
    assert_eq!(said(&table.app, old), "five\n", "it is open still");
    table.ran(2);
}

#[test]
fn twice_over_one_connection_while_it_runs_is_one_answer() {
    let mut table = Table::new();
    table.ask(5, "later", "");
    table.ask(5, "later", "");
    table.answer("x");
    table.heard("x\n");
    table.ran(1);
}

#[test]
fn three_times_over_one_connection_while_it_runs_is_what_the_protocol_says() {
    let mut table = Table::new();
    (0..4).for_each(|_| table.ask(5, "later", ""));
    table.heard("");
    table.answer("x");
    table.heard("x\n");
    assert_eq!(table.app.world().resource::<Counters>().refused, 2);

    let plain = Plain { on_bad: Some(OnBad::Close(Cause::Incompatible)), ..Plain::default() };
    let mut table = Table::with(ReplyLimits::default(), plain);
    (0..3).for_each(|_| table.ask(5, "later", ""));
    let here = table.here;
    assert!(table.world().get::<Closing>(here).is_some());
    table.answer("x");
    table.heard("");
    table.reconnect();
    table.ask(5, "later", "");
    table.heard("x\n");
    table.ran(1);
}

#[test]
fn of_three_hundred_the_first_hundred_and_twenty_eight_are_executed_anew() {
    let mut table = Table::new();
    (0..300).for_each(|id| table.ask(id, "echo", &format!("r{id}")));
    table.reconnect();
    for id in [0, 100, 127, 128, 200, 299] {
        table.ask(id, "echo", "fresh");
    }
    table.heard("fresh\nfresh\nfresh\nr128\nr200\nr299\n");
}

#[test]
fn what_may_have_been_answered_is_gone_where_ids_go_up() {
    let limits = ReplyLimits { expired_number: 2, ascending: true, ..ReplyLimits::default() };
    let mut table = Table::with(limits, Plain::default());
    (1..=5).for_each(|id| table.ask(id, "count", ""));
    table.reconnect();
    for id in [1, 5, 6] {
        table.ask(id, "count", "");
    }
    table.heard("410\n5\n6\n");
    table.ran(6);
}

#[test]
fn more_bytes_than_may_be_kept_are_not() {
    let limits = ReplyLimits { max_bytes: 1000, ..ReplyLimits::default() };
    let mut table = Table::with(limits, Plain::default());
    table.ask(1, "echo", &"a".repeat(600));
    table.ask(2, "echo", &"b".repeat(600));
    assert_eq!((table.cache().len(), table.cache().bytes()), (1, 601));
    table.ask(3, "echo", &"c".repeat(65_536));
    assert_eq!((table.cache().len(), table.cache().bytes()), (1, 65_537));
    table.reconnect();
    table.ask(3, "count", "");
    table.heard(&format!("{}\n", "c".repeat(65_536)));
    table.ask(4, "echo", "d");
    assert_eq!((table.cache().len(), table.cache().bytes()), (1, 2));
}

#[test]
fn too_many_that_run_are_refused_over_whatever_connections() {
    let limits = ReplyLimits { running: 2, ..ReplyLimits::default() };
    let mut table = Table::with(limits, Plain::default());
    table.ask(1, "later", "");
    table.reconnect();
    table.ask(2, "later", "");
    table.ask(3, "later", "");
    table.ask(4, "count", "");
    table.heard("429\n429\n");
    table.answer("one");
    table.ask(3, "count", "");
    table.heard("429\n429\n3\n");
    table.ran(3);
}

#[test]
fn deferred_answers_are_counted_for_each_connection_and_for_the_session() {
    let limits = ReplyLimits { running: 3, ..ReplyLimits::default() };
    let mut table = Table::with(limits, Plain::default());
    table.world().insert_resource(DeferLimits { per_connection: 2, ..DeferLimits::default() });
    (1..=3).for_each(|id| table.ask(id, "later", ""));
    table.heard("429\n");
    assert_eq!(table.cache().running(), 2);
    table.reconnect();
    table.ask(4, "later", "");
    table.ask(5, "later", "");
    table.heard("429\n");
    assert_eq!(table.cache().running(), 3);
}

#[test]
fn a_filter_of_all_packets_never_puts_a_refusal_beside_an_answer() {
    let mut table = Table::new();
    table.ask(1, "later", "");
    table.ask(2, "count", "");
    table.world().insert_resource(Gate::Refusing);
    table.ask(1, "later", "");
    table.answer("one");
    table.heard("2\none\n");
    table.reconnect();
    table.ask(1, "later", "");
    table.ask(2, "count", "");
    table.ask(3, "count", "");
    table.heard("one\n2\n403\n");
    table.world().insert_resource(Gate::Open);
    table.ask(3, "count", "");
    table.heard("one\n2\n403\n3\n");
    table.ran(3);
}

#[test]
fn a_request_that_is_turned_away_does_not_get_the_answer_its_id_had_before() {
    for gate in [Gate::Refusing, Gate::Dropping] {
        let mut table = Table::new();
        table.ask(1, "echo", "the first");
        table.world().insert_resource(gate);
        table.ask(1, "echo", "the second");
        table.world().insert_resource(Gate::Open);
        table.reconnect();
        table.ask(1, "echo", "the second");
        table.heard("the second\n");
    }
}

#[test]
fn a_repeated_request_that_is_dropped_may_come_again() {
    let mut table = Table::new();
    table.ask(1, "count", "");
    table.reconnect();
    table.world().insert_resource(Gate::Dropping);
    table.ask(1, "count", "");
    table.world().insert_resource(Gate::Open);
    table.ask(1, "count", "");
    table.heard("1\n");
    table.ran(1);
}

#[test]
fn what_a_filter_of_a_route_refuses_is_an_answer_and_kept() {
    let mut table = Table::new();
    table.app.add_filter("count", |_: portcullis_dispatch::Inspect, gate: Res<Gate>| match *gate {
        Gate::Open => Err(Refusal::new(Refusal::FORBIDDEN, "not now")),
        _ => Ok(()),
    });
    table.ask(1, "count", "");
    table.reconnect();
    table.ask(1, "count", "");
    table.heard("403\n");
    table.ran(0);
}

#[test]
fn a_panic_between_two_packets_leaves_no_request_that_runs_for_ever() {
    let plain = Plain { on_bad: Some(OnBad::Close(Cause::Incompatible)), ..Plain::default() };
    let mut table = Table::with(ReplyLimits::default(), plain);
    table.app.add_observer(|_: On<Close>| panic!("it cannot be borne"));
    table.ask(1, "nobody.knows", "");
    assert_eq!((table.cache().running(), table.cache().len()), (0, 0));
    table.reconnect();
    table.ask(1, "count", "");
    table.heard("1\n");
}

#[test]
fn a_request_that_is_not_answered_does_not_run_for_ever() {
    let mut table = Table::new();
    table.app.add_handler("quit", |_: Request<Raw>, mut runs: ResMut<Runs>| {
        runs.0 += 1;
        NoReply
    });
    table.ask(1, "quit", "");
    assert_eq!((table.cache().running(), table.cache().len()), (0, 0));
    table.ask(1, "quit", "");
    table.reconnect();
    table.ask(1, "quit", "");
    table.heard("");
    table.ran(3);
}

#[test]
fn an_answer_that_cannot_be_written_is_a_refusal_and_kept() {
    let mut table = Table::new();
    table.app.add_handler("number", |_: Request<Raw>, mut runs: ResMut<Runs>| {
        runs.0 += 1;
        7
    });
    table.ask(1, "number", "");
    table.reconnect();
    table.ask(1, "number", "");
    table.heard("500\n");
    table.ran(1);
}

#[test]
fn a_request_nothing_can_be_said_about_may_come_again() {
    let mut table = Table::with(ReplyLimits::default(), Plain { broken: true, ..Plain::default() });
    table.ask(1, "count", "");
    table.ask(2, "later", "");
    assert_eq!((table.cache().running(), table.cache().len()), (1, 0));
    table.answer("late");
    assert_eq!((table.cache().running(), table.cache().len()), (0, 0));
    table.heard("");
    table.ran(2);
}

/// A handler that takes the world, and what it does with its own connection.
fn exclusive(table: &mut Table, act: impl Fn(&mut World, Entity) + Send + Sync + 'static) {
    table.app.add_handler("act", move |request: Request<Raw>, world: &mut World| {
        world.resource_mut::<Runs>().0 += 1;
        act(world, request.connection);
        Raw("done".into())
    });
}

#[test]
fn who_is_shown_out_by_the_handler_of_its_request_finds_the_answer_when_it_returns() {
    let mut table = Table::new();
    exclusive(&mut table, |world, connection| {
        world.entity_mut(connection).insert(Closing { cause: Cause::Kicked, reason: None });
    });
    table.ask(1, "act", "");
    table.heard("");
    table.reconnect();
    table.ask(1, "act", "");
    table.heard("done\n");
    table.ran(1);
}

#[test]
fn who_is_despawned_by_the_handler_of_its_request_finds_the_answer_when_it_returns() {
    let mut table = Table::new();
    exclusive(&mut table, |world, connection| {
        world.despawn(connection);
    });
    table.ask(1, "act", "");
    table.connect();
    table.ask(1, "act", "");
    table.heard("done\n");
    table.ran(1);
}

#[test]
fn who_logs_out_and_stays_is_answered() {
    let mut table = Table::new();
    let session = table.session;
    exclusive(&mut table, move |world, connection| {
        world.entity_mut(connection).remove::<BoundTo>();
        world.despawn(session);
    });
    table.ask(1, "later", "");
    table.ask(2, "act", "");
    table.heard("done\n");
    table.answer("late");
    table.heard("done\nlate\n");
}

#[test]
fn a_late_answer_is_not_that_of_a_session_in_the_same_place() {
    let mut table = Table::new();
    let (here, session) = (table.here, table.session);
    table.ask(1, "later", "");
    table.world().despawn(here);
    let place = table.world().despawn_no_free(session).unwrap();
    let other = table.world().spawn_at(place, ReplyCache::new(ReplyLimits::default())).unwrap().id();
    assert_eq!(other.index(), session.index());
    table.session = other;
    table.connect();
    table.ask(1, "later", "");
    table.answer("the first");
    table.heard("");
    table.answer("the second");
    table.heard("the second\n");
    assert_eq!((table.cache().len(), table.cache().running()), (1, 0));
}

#[test]
fn who_changes_sessions_is_answered_and_the_former_keeps_the_answer() {
    let mut table = Table::new();
    let another = table.world().spawn(ReplyCache::new(ReplyLimits::default())).id();
    exclusive(&mut table, move |world, connection| {
        world.entity_mut(connection).insert(BoundTo(another));
    });
    table.ask(1, "act", "");
    table.ask(1, "count", "");
    table.heard("done\n2\n");
    table.reconnect();
    table.ask(1, "act", "");
    table.heard("done\n");
}

#[test]
fn over_another_protocol_nothing_is_understood_that_was_written_for_the_first() {
    let mut table = Table::new();
    table.ask(1, "count", "");
    table.ask(2, "later", "");
    table.speaks = add(&mut table.app, Plain::marked("> "));
    table.reconnect();
    table.ask(1, "count", "");
    table.ask(2, "later", "");
    table.heard("> 3\n");
    table.answer("old");
    table.heard("> 3\n");
    table.answer("new");
    table.heard("> 3\n> new\n");
    assert_eq!((table.cache().len(), table.cache().running()), (2, 0));
}

#[test]
fn a_responder_that_is_dropped_beside_an_answer_does_not_answer_the_next_of_its_id() {
    let mut table = Table::new();
    let both = |request: Request<Raw>, mut defer: Defer| -> Result<Deferred<Raw>, Refusal> {
        let (_deferred, _responder) = defer.begin::<_, Raw>(&request)?;
        Err(Refusal::new(418, "no"))
    };
    table.app.add_handler("both", both);
    table.ask(1, "both", "");
    table.ask(1, "later", "");
    table.heard("418\n");
    table.answer("late");
    table.heard("418\nlate\n");
}

/// A value that cannot be written.
struct Bomb;

impl Serialize for Bomb {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("it cannot be written")
    }
}

#[derive(Resource, Default)]
struct Bombs(Vec<Responder<Bomb>>);

fn game(app: &mut App) {
    fn login(uid: Request<String>, world: &mut World) -> Result<(), Refusal> {
        let bound = bind(world, uid.connection, uid.body.as_str());
        bound.map(drop).map_err(|why| Refusal::new(Refusal::CONFLICT, why.to_string()))
    }
    app.init_resource::<Runs>()
        .init_resource::<Held>()
        .init_resource::<Bombs>()
        .insert_resource(SessionLinger(Duration::from_secs(60)))
        .add_observer(|event: On<Add<Session>>, mut commands: Commands| {
            commands.entity(event.entity).insert(ReplyCache::new(ReplyLimits::default()));
        })
        .add_handler("login", login)
        .add_handler("count", |_: Request<()>, mut runs: ResMut<Runs>| {
            runs.0 += 1;
            runs.0
        })
        .add_handler("bomb", bomb);
}

fn bomb(
    request: Request<()>,
    mut defer: Defer,
    mut runs: ResMut<Runs>,
    mut bombs: ResMut<Bombs>,
) -> Result<Deferred<Bomb>, Refusal> {
    runs.0 += 1;
    let (deferred, responder) = defer.begin(&request)?;
    bombs.0.push(responder);
    Ok(deferred)
}

/// A client's connection, on which the login is the first request: what follows has the same ids over each.
fn enter(server: &mut TestServer) -> TestClient {
    let mut client = server.connect();
    client.keep_alive();
    client.request("login", "ann").expect_reply::<()>();
    client
}

fn kept(server: &mut TestServer) -> (usize, usize) {
    server.run_system_once(|cache: Single<&ReplyCache>| (cache.len(), cache.running()))
}

#[test]
fn a_native_client_that_drops_and_returns_is_answered_once_more() {
    let mut server = TestServer::new(game);
    let mut ann = enter(&mut server);
    let (lost, other) = server.together(|| (ann.request("count", &()), ann.request("count", &())));
    assert_eq!((lost.expect_reply::<u32>(), other.expect_reply::<u32>()), (1, 2));
    ann.reset();
    let mut ann = enter(&mut server);
    assert_eq!(ann.request("count", &()).expect_reply::<u32>(), 1);
    assert_eq!(ann.request("count", &()).expect_reply::<u32>(), 2);
    assert_eq!(ann.request("count", &()).expect_reply::<u32>(), 3);
    assert_eq!(server.world().resource::<Runs>().0, 3);
}

#[test]
fn a_timeout_is_an_answer_and_kept() {
    let mut server = TestServer::new(game);
    let mut ann = enter(&mut server);
    let late = ann.request("bomb", &());
    ann.reset();
    server.advance(Duration::from_secs(11));
    assert!(!late.is_answered());
    let mut ann = enter(&mut server);
    assert_eq!(ann.request("bomb", &()).expect_refusal().code, Refusal::TIMEOUT);
    assert_eq!(server.world().resource::<Runs>().0, 1);
    assert_eq!(kept(&mut server), (1, 0));
    server.world_mut().resource_mut::<Bombs>().0.clear();
}

#[test]
fn a_late_answer_that_panics_while_it_is_written_is_a_refusal_and_kept() {
    let mut server = TestServer::new(game);
    let mut ann = enter(&mut server);
    let _lost = ann.request("bomb", &());
    ann.reset();
    let responder = server.world_mut().resource_mut::<Bombs>().0.remove(0);
    responder.reply(Bomb);
    server.settle();
    let mut ann = enter(&mut server);
    assert_eq!(ann.request("bomb", &()).expect_refusal().code, Refusal::INTERNAL);
    assert_eq!(server.world().resource::<Runs>().0, 1);
    assert_eq!(kept(&mut server), (1, 0));
}

#[test]
fn with_a_logout_all_that_was_kept_is_gone() {
    let mut server = TestServer::new(game);
    let mut ann = enter(&mut server);
    assert_eq!(ann.request("count", &()).expect_reply::<u32>(), 1);
    let _waiting = ann.request("bomb", &());
    let session = server.world().get::<BoundTo>(ann.entity()).unwrap().0;
    server.trigger(Logout { session });
    ann.expect_closed(Cause::Requested);
    server.world_mut().resource_mut::<Bombs>().0.clear();
    server.settle();
    let mut ann = enter(&mut server);
    assert_eq!(ann.request("count", &()).expect_reply::<u32>(), 3);
    assert_eq!(kept(&mut server), (1, 0));
}

#[test]
fn who_is_unbound_while_a_request_runs_is_answered() {
    let mut server = TestServer::new(game);
    let mut ann = enter(&mut server);
    let late = ann.request("bomb", &());
    server.trigger(Unbind { entity: ann.entity() });
    server.world_mut().resource_mut::<Bombs>().0.clear();
    assert_eq!(late.expect_refusal().code, Refusal::INTERNAL);
}

#[test]
fn who_is_kicked_by_commands_of_the_handler_is_answered_first() {
    let mut server = TestServer::new(|app: &mut App| {
        game(app);
        app.add_handler("leave", |request: Request<()>, mut commands: Commands| {
            commands.trigger(Kick::new(request.connection, "as asked"));
        });
    });
    let mut ann = enter(&mut server);
    ann.request("leave", &()).expect_reply::<()>();
    ann.expect_closed(Cause::Kicked);
    let mut ann = enter(&mut server);
    ann.request("leave", &()).expect_reply::<()>();
    assert!(ann.is_open(), "it was not handled again");
}
