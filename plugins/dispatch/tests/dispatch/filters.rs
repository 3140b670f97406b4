use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{BoundTo, Cause, Close, Ingress};
use portcullis_dispatch::{
    AppDispatchExt, Counters, FilterSystems, Inspect, Outcome, Outcomes, Packets, Refusal, Request, Routes,
};
use portcullis_session::Login;
use portcullis_testkit::TestServer;

#[derive(Resource, Default)]
struct Log(Vec<String>);

fn game(app: &mut App) {
    app.init_resource::<Log>()
        .add_handler("chat.say", |line: Request<String>, mut log: ResMut<Log>| log.0.push(line.body))
        .add_handler("chat.login", |uid: Request<String>, mut commands: Commands| {
            commands.trigger(Login::new(uid.connection, uid.body.as_str()));
        })
        .add_handler("ping", |_: Request<()>| "pong");
}

fn logged_in(packet: Inspect, bound: Query<(), With<BoundTo>>) -> Result<(), Refusal> {
    match bound.contains(packet.connection) {
        true => Ok(()),
        false => Err(Refusal::new(Refusal::UNAUTHORIZED, "log in first")),
    }
}

fn log(server: &TestServer) -> Vec<String> {
    server.world().resource::<Log>().0.clone()
}

#[test]
fn a_route_s_filter_refuses_requests_and_drops_notifies() {
    let guard = |app: &mut App| {
        app.add_filter("chat.say", logged_in);
    };
    let mut server = TestServer::new((game, guard));
    let mut ann = server.connect();
    assert_eq!(ann.request("chat.say", "hello").expect_refusal().code, Refusal::UNAUTHORIZED);
    ann.notify("chat.say", "hello");
    assert_eq!(ann.request("ping", &()).expect_reply::<String>(), "pong");
    assert!(log(&server).is_empty());
    assert_eq!(server.world().resource::<Counters>().refused, 2);
}

#[test]
fn a_login_and_what_needs_it_may_come_in_one_read() {
    let guard = |app: &mut App| {
        app.add_filter("chat.say", logged_in);
    };
    let mut server = TestServer::new((game, guard));
    let mut ann = server.connect();
    let (early, _login, late) = server.together(|| {
        (ann.request("chat.say", "1"), ann.request("chat.login", "ann"), ann.request("chat.say", "2"))
    });
    assert_eq!(early.expect_refusal().message, "log in first");
    late.expect_reply::<()>();
    assert_eq!(log(&server), ["2"]);
}

#[test]
fn a_filter_reads_the_body_as_the_handler_does() {
    fn no_shouting(packet: Inspect) -> Result<(), Refusal> {
        match packet.read::<String>()?.ends_with('!') {
            true => Err("do not shout".into()),
            false => Ok(()),
        }
    }
    let mut server = TestServer::new((game, |app: &mut App| {
        app.add_filter("chat.say", no_shouting);
    }));
    let mut ann = server.connect();
    assert_eq!(ann.request("chat.say", "hello!").expect_refusal().message, "do not shout");
    ann.request("chat.say", "hello").expect_reply::<()>();
}

#[test]
fn filters_run_in_the_order_they_were_added_until_one_refuses() {
    fn refuse_with(code: u16) -> impl Fn(Inspect, ResMut<Log>) -> Result<(), Refusal> {
        move |_: Inspect, mut log: ResMut<Log>| {
            log.0.push(code.to_string());
            if code < 3 { Ok(()) } else { Err(Refusal::new(code, "no")) }
        }
    }
    let mut server = TestServer::new((game, |app: &mut App| {
        app.add_filter("*", refuse_with(1))
            .add_filter("ping", refuse_with(2))
            .add_filter("chat.*|ping", refuse_with(3))
            .add_filter("*", refuse_with(4));
    }));
    let mut ann = server.connect();
    assert_eq!(ann.request("ping", &()).expect_refusal().code, 3);
    assert_eq!(log(&server), ["1", "2", "3"]);
}

#[test]
fn a_filter_that_panics_lets_nothing_pass_and_answers() {
    fn broken(_: Inspect) -> Result<(), Refusal> {
        panic!("a filter of the test panics")
    }
    let mut server = TestServer::new((game, |app: &mut App| {
        app.add_filter("chat.*", broken);
    }));
    let mut ann = server.connect();
    for _ in 0..2 {
        assert_eq!(ann.request("chat.say", "hello").expect_refusal().code, Refusal::INTERNAL);
    }
    assert_eq!(ann.request("ping", &()).expect_reply::<String>(), "pong");
    assert_eq!(server.world().resource::<Counters>().failed, 2);
    assert!(log(&server).is_empty());
}

#[test]
fn who_is_shown_out_by_a_filter_is_not_handled() {
    fn show_out(packet: Inspect, mut commands: Commands) -> Result<(), Refusal> {
        commands.trigger(Close::new(packet.connection, Cause::Requested));
        Ok(())
    }
    let mut server = TestServer::new((game, |app: &mut App| {
        app.add_filter("chat.say", show_out);
    }));
    let mut ann = server.connect();
    ann.notify("chat.say", "hello");
    ann.expect_closed(Cause::Requested);
    assert!(log(&server).is_empty());
}

#[test]
fn sets_before_and_after_dispatch_have_an_order() {
    fn note(text: &'static str) -> impl Fn(ResMut<Log>, Res<Packets>, Res<Outcomes>) {
        move |mut log: ResMut<Log>, packets: Res<Packets>, outcomes: Res<Outcomes>| {
            let before = packets.iter().count();
            let after = outcomes.iter().filter(|handled| handled.outcome == Outcome::Done).count();
            if before + after > 0 {
                log.0.push(text.into());
            }
        }
    }
    let stations = |app: &mut App| {
        app.add_systems(
            Ingress,
            (
                note("global after").in_set(FilterSystems::GlobalAfter),
                note("after").in_set(FilterSystems::After),
                note("before").in_set(FilterSystems::Before),
                note("global before").in_set(FilterSystems::GlobalBefore),
            ),
        );
    };
    for seed in 0..4 {
        let mut server = TestServer::builder().seed(seed).plugin((game, stations)).build();
        let mut ann = server.connect();
        ann.request("chat.say", "handled").expect_reply::<()>();
        let mut log = log(&server);
        log.truncate(5);
        assert_eq!(log, ["global before", "before", "handled", "after", "global after"]);
    }
}

#[test]
fn a_system_filters_the_routes_it_names() {
    let quiet = |app: &mut App| {
        let set = app.world_mut().resource_mut::<Routes>().set("chat.*");
        let filter = move |routes: Res<Routes>, mut packets: ResMut<Packets>| {
            packets.filter_routes(&routes, set, |_, _| Err(Refusal::new(Refusal::FORBIDDEN, "quiet")));
        };
        app.add_systems(Ingress, filter.in_set(FilterSystems::Before));
    };
    let mut server = TestServer::new((game, quiet));
    let mut ann = server.connect();
    assert_eq!(ann.request("chat.say", "hello").expect_refusal().message, "quiet");
    ann.request("ping", &()).expect_reply::<String>();
}

#[test]
fn what_one_filter_refused_is_answered_though_another_drops_it() {
    let filters = |app: &mut App| {
        let refuse = |mut packets: ResMut<Packets>| {
            packets.filter(|_, _| Err(Refusal::new(Refusal::FORBIDDEN, "no")));
        };
        let drop = |mut packets: ResMut<Packets>| packets.retain(|_, _| false);
        app.add_systems(
            Ingress,
            (refuse.in_set(FilterSystems::GlobalBefore), drop.in_set(FilterSystems::Before)),
        );
    };
    let mut server = TestServer::new((game, filters));
    let mut ann = server.connect();
    assert_eq!(ann.request("ping", &()).expect_refusal().code, Refusal::FORBIDDEN);
}
