use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Clock};
use portcullis_dispatch::{
    AppDispatchExt, Counters, OnExcess, RateLimit, RateLimitPlugin, RateLimited, Refusal, Request,
};
use portcullis_testkit::{TestClient, TestServer};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Resource, Default)]
struct Said(usize);

fn game(app: &mut App) {
    app.init_resource::<Said>()
        .add_handler("chat.say", |_: Request<()>, mut said: ResMut<Said>| said.0 += 1)
        .add_handler("move", |_: Request<()>| ());
}

fn chat_limit() -> RateLimit {
    RateLimit::default().bucket("chat.*", 2.0, 5)
}

fn limited(limit: RateLimit) -> TestServer {
    TestServer::new((game, RateLimitPlugin { default: Some(limit) }))
}

/// How many of so many requests at once are answered as asked; the others are refused as too many.
fn pass(server: &mut TestServer, client: &mut TestClient, route: &str, requests: usize) -> usize {
    let replies: Vec<_> = server.together(|| (0..requests).map(|_| client.request(route, &())).collect());
    let refused = |reply: portcullis_testkit::PendingReply| match reply.reply::<()>() {
        Ok(()) => false,
        Err(error) => {
            assert!(error.to_string().contains("too many"), "{error}");
            true
        }
    };
    requests - replies.into_iter().filter_map(|reply| refused(reply).then_some(())).count()
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let mut server = limited(chat_limit());
    let mut ann = server.connect();
    ann.keep_alive();
    assert_eq!(pass(&mut server, &mut ann, "chat.say", 8), 5);
    assert_eq!(pass(&mut server, &mut ann, "chat.say", 1), 0);
    server.advance(SECOND);
    assert_eq!(pass(&mut server, &mut ann, "chat.say", 8), 2);
    server.advance(SECOND * 60);
    assert_eq!(pass(&mut server, &mut ann, "chat.say", 8), 5, "a bucket holds no more than its burst");
}

#[test]
fn a_surplus_is_counted_and_a_surplus_request_is_told() {
    let mut server = limited(chat_limit());
    let mut ann = server.connect();
    server.together(|| (0..9).for_each(|_| ann.notify("chat.say", &())));
    assert_eq!(ann.request("chat.say", &()).expect_refusal().code, Refusal::TOO_MANY);
    assert!(ann.is_open());
    let world = server.world();
    assert_eq!(world.resource::<Said>().0, 5);
    assert_eq!(*world.resource::<RateLimited>(), RateLimited { requests: 1, notifies: 4, closed: 0 });
    assert_eq!(world.resource::<Counters>().refused, 5);
}

#[test]
fn each_route_kind_has_its_bucket_and_each_connection_its_own() {
    let mut server = limited(chat_limit().bucket("*", 100.0, 8));
    let (mut ann, mut bob) = (server.connect(), server.connect());
    assert_eq!(pass(&mut server, &mut ann, "chat.say", 6), 5);
    assert_eq!(pass(&mut server, &mut ann, "move", 6), 3, "the chat took from the bucket of all routes too");
    assert_eq!(pass(&mut server, &mut bob, "move", 10), 8);
}

#[test]
fn a_connection_s_limit_comes_before_its_listener_s_and_that_before_the_default() {
    let plugin = RateLimitPlugin { default: Some(RateLimit::default().bucket("*", 1.0, 1)) };
    let listener = |entity: &mut EntityWorldMut| {
        entity.insert(RateLimit::default().bucket("*", 1.0, 2));
    };
    let mut server = TestServer::builder().plugin((game, plugin)).listener(listener).build();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    server.world_mut().entity_mut(ann.entity()).insert(RateLimit::default().bucket("*", 1.0, 4));
    assert_eq!(pass(&mut server, &mut ann, "move", 9), 4);
    assert_eq!(pass(&mut server, &mut bob, "move", 9), 2);
    server.world_mut().entity_mut(ann.entity()).remove::<RateLimit>();
    assert_eq!(pass(&mut server, &mut ann, "move", 9), 2, "a change begins with full buckets");
    let listener = server.listener();
    server.world_mut().entity_mut(listener).remove::<RateLimit>();
    assert_eq!(pass(&mut server, &mut bob, "move", 9), 1);
}

#[test]
fn who_does_not_stop_is_shown_out_and_what_came_before_is_answered() {
    let mut server = limited(chat_limit().on_excess(OnExcess::Kick { after: 3 }));
    let mut ann = server.connect();
    let replies: Vec<_> = server.together(|| (0..20).map(|_| ann.request("chat.say", &())).collect());
    ann.expect_closed(Cause::Kicked);
    assert_eq!(ann.goodbye().unwrap().reason.as_deref(), Some("too many requests"));
    let answered = replies.iter().filter(|reply| reply.is_answered()).count();
    assert_eq!(answered, 8, "five as asked, three refused");
    assert_eq!(
        *server.world().resource::<RateLimited>(),
        RateLimited { requests: 3, notifies: 0, closed: 1 }
    );
}

#[test]
fn who_calms_down_is_forgiven() {
    let mut server = limited(chat_limit().on_excess(OnExcess::Kick { after: 3 }));
    let mut ann = server.connect();
    ann.keep_alive();
    for _ in 0..4 {
        assert_eq!(pass(&mut server, &mut ann, "chat.say", 7), 5);
        server.advance(SECOND * 3);
    }
    assert!(ann.is_open());
}

#[test]
fn a_strict_limit_closes_at_the_first_surplus() {
    let mut server = limited(RateLimit::default().bucket("move", 1.0, 1).on_excess(OnExcess::Close));
    let mut ann = server.connect();
    ann.request("move", &()).expect_reply::<()>();
    ann.notify("move", &());
    ann.expect_closed(Cause::Kicked);
}

#[test]
fn packets_count_by_when_they_came_not_by_when_they_are_handled() {
    let mut server = limited(RateLimit::default().bucket("move", 1.0, 1));
    let mut ann = server.connect();
    let time = server.world().resource::<Clock>().source().clone();
    let replies = server.together(|| {
        (0..3)
            .map(|_| {
                time.advance(SECOND);
                ann.request("move", &())
            })
            .collect::<Vec<_>>()
    });
    for reply in replies {
        reply.expect_reply::<()>();
    }
}
