use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_dispatch::{AppDispatchExt, Defer, Deferred, Refusal, Request, Responder};
use portcullis_testkit::TestServer;
use std::time::Duration;

#[derive(Resource, Default)]
struct Kept(Vec<Responder<u32>>);

fn keep(request: Request<()>, mut defer: Defer, mut kept: ResMut<Kept>) -> Result<Deferred<u32>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    kept.0.push(responder);
    Ok(deferred)
}

fn game(app: &mut App) {
    app.init_resource::<Kept>()
        .add_handler("shop.buy", keep)
        .add_handler("shop.list", keep)
        .add_handler("other", keep)
        .set_timeout("shop.*", Duration::from_secs(2))
        .set_timeout("shop.list", Duration::MAX);
}

#[test]
fn deferred_answers_time_out_as_their_route_says() {
    let mut server = TestServer::new(game);
    let mut ann = server.connect();
    ann.keep_alive();
    let (buy, list, other) = server.together(|| {
        (ann.request("shop.buy", &()), ann.request("shop.list", &()), ann.request("other", &()))
    });
    server.advance(Duration::from_millis(1900));
    assert!(!buy.is_answered());
    server.advance(Duration::from_millis(100));
    assert!(buy.is_answered() && !other.is_answered());
    assert_eq!(buy.expect_refusal().code, Refusal::TIMEOUT);
    server.advance(Duration::from_secs(8));
    assert_eq!(other.expect_refusal().code, Refusal::TIMEOUT);
    server.advance(Duration::from_secs(600));
    assert!(!list.is_answered(), "the later call holds");
    let responder = server.world_mut().resource_mut::<Kept>().0.remove(1);
    responder.reply(7);
    assert_eq!(list.expect_reply::<u32>(), 7);
    server.world_mut().resource_mut::<Kept>().0.clear();
}
