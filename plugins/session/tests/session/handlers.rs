//! Binding in handlers and in systems, in whole servers.

use bevy_app::{App, Update};
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, BoundTo, Cause, Kick};
use portcullis_dispatch::{AppDispatchExt, Defer, Deferred, Pusher, Refusal, Request};
use portcullis_session::{
    KickUser, Login, MultiLogin, REPLACED, Session, SessionLinger, SessionPlugin, Sessions, Unbind, bind,
    unbind,
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

#[derive(Component)]
struct Visits(u32);

/// It answers with the outcome, and with what the session knows.
fn enter(name: Request<String>, world: &mut World) -> Result<u32, Refusal> {
    let session = bind(world, name.connection, name.body.as_str())
        .map_err(|why| Refusal::new(Refusal::CONFLICT, why.label()))?;
    let mut session = world.entity_mut(session);
    let visits = session.get::<Visits>().map_or(0, |visits| visits.0) + 1;
    session.insert(Visits(visits));
    Ok(visits)
}

fn leave(request: Request<()>, world: &mut World) -> bool {
    unbind(world, request.connection).is_some()
}

fn whisper(name: Request<String>, sessions: Res<Sessions>, mut pusher: Pusher) -> usize {
    sessions.get(&name).map_or(0, |session| pusher.push(session, "heard", &"psst"))
}

fn fails(_: Request<()>, world: &mut World) -> u32 {
    world.commands().queue(|world: &mut World| {
        world.spawn(Visits(0));
    });
    panic!("on purpose")
}

/// The one connection of the user that asks is closed before the answer could be written.
fn leave_for_good(request: Request<()>, world: &mut World) -> bool {
    world.trigger(Kick::new(request.connection, "for good"));
    world.flush();
    true
}

fn leave_and_answer_later(
    request: Request<()>,
    mut defer: Defer,
    mut commands: Commands,
) -> Result<Deferred<bool>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    commands.trigger(Kick::new(request.connection, "before the answer"));
    responder.reply(true);
    Ok(deferred)
}

fn game(app: &mut App) {
    app.add_handler("leave.for.good", leave_for_good)
        .add_handler("leave.and.answer", leave_and_answer_later)
        .add_handler("enter", enter)
        .add_handler("leave", leave)
        .add_handler("whisper", whisper)
        .add_handler("fails", fails)
        .add_push::<str>("heard");
}

fn policy(policy: MultiLogin) -> impl Fn(&mut EntityWorldMut) + Send + Sync {
    move |listener| {
        listener.insert(policy);
    }
}

on_every_transport! {
    fn the_farewell_is_the_last_word_whoever_closes_and_answers(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let (mut ann, mut bob) = (server.connect(), server.connect());
        assert!(!ann.request("leave.for.good", &()).is_answered());
        assert_eq!(ann.goodbye().unwrap().reason.as_deref(), Some("for good"));
        ann.expect_closed(Cause::Kicked);
        assert!(!bob.request("leave.and.answer", &()).is_answered());
        assert_eq!(bob.goodbye().unwrap().reason.as_deref(), Some("before the answer"));
        bob.expect_closed(Cause::Kicked);
    }

    fn a_handler_that_takes_the_world_answers_with_the_outcome(server: TestServerBuilder) {
        let mut server = server
            .plugin(game)
            .listener(policy(MultiLogin::Refuse))
            .build();
        let (mut ann, mut rival) = (server.connect(), server.connect());
        assert_eq!(ann.request("enter", "ann").expect_reply::<u32>(), 1);
        assert_eq!(ann.request("enter", "ann").expect_reply::<u32>(), 2);
        let refusal = ann.request("enter", "bob").expect_refusal();
        assert_eq!((refusal.code, refusal.message.as_ref()), (Refusal::CONFLICT, "already_logged_in"));
        assert_eq!(rival.request("enter", "ann").expect_refusal().message, "in_use");
        assert!(ann.request("leave", &()).expect_reply::<bool>());
        assert!(!ann.request("leave", &()).expect_reply::<bool>());
        assert_eq!(rival.request("enter", "ann").expect_reply::<u32>(), 1, "another session: the first has ended");
    }

    fn who_is_replaced_hears_why(server: TestServerBuilder) {
        let mut server = server.plugin(game).build();
        let (mut old, mut new) = (server.connect(), server.connect());
        old.request("enter", "ann").expect_reply::<u32>();
        assert_eq!(new.request("enter", "ann").expect_reply::<u32>(), 2);
        old.expect_closed(Cause::Replaced);
        assert_eq!(old.goodbye().unwrap().reason.as_deref(), Some(REPLACED));
        server.trigger(KickUser::new("ann", "the evening is over"));
        new.expect_closed(Cause::Kicked);
        assert_eq!(new.goodbye().unwrap().reason.as_deref(), Some("the evening is over"));
    }
}

#[test]
fn a_push_after_a_new_login_arrives_once() {
    let mut server =
        TestServer::builder().plugin(game).listener(policy(MultiLogin::Allow(usize::MAX))).build();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    for _ in 0..3 {
        ann.request("enter", "ann").expect_reply::<u32>();
        ann.request("enter", "ann").expect_reply::<u32>();
        ann.request("leave", &()).expect_reply::<bool>();
        ann.request("enter", "ann").expect_reply::<u32>();
    }
    assert_eq!(bob.request("whisper", "ann").expect_reply::<usize>(), 1);
    assert_eq!(ann.expect_push::<String>("heard"), "psst");
    ann.expect_no_push();
}

#[test]
fn a_handler_that_takes_the_world_survives_its_panic_and_keeps_the_order() {
    let mut server = TestServer::builder().plugin(game).build();
    let mut ann = server.connect();
    let (before, failed, after) =
        (ann.request("enter", "ann"), ann.request("fails", &()), ann.request("enter", "ann"));
    assert_eq!(before.expect_reply::<u32>(), 1);
    assert_eq!(failed.expect_refusal().code, Refusal::INTERNAL);
    assert_eq!(after.expect_reply::<u32>(), 2);
    server.errors();
}

#[derive(Resource, Default)]
struct Cast {
    joins: Vec<(Entity, &'static str)>,
    leaves: Vec<Entity>,
    kicks: Vec<&'static str>,
}

/// Systems nobody has ordered, which ask for what contradicts.
fn quarrel(app: &mut App) {
    app.init_resource::<Cast>().add_systems(
        Update,
        (
            |mut cast: ResMut<Cast>, mut commands: Commands| {
                cast.joins
                    .drain(..)
                    .for_each(|(connection, uid)| commands.trigger(Login::new(connection, uid)));
            },
            |mut cast: ResMut<Cast>, mut commands: Commands| {
                cast.leaves.drain(..).for_each(|entity| commands.trigger(Unbind { entity }));
            },
            |mut cast: ResMut<Cast>, mut commands: Commands| {
                cast.kicks.drain(..).for_each(|uid| commands.trigger(KickUser::new(uid, "out")));
            },
        ),
    );
}

#[test]
fn in_whatever_order_systems_run_each_connection_is_one_users_or_nobodys() {
    let mut outcomes = std::collections::HashSet::new();
    for seed in 0..24 {
        let session = SessionPlugin {
            multi_login: MultiLogin::Allow(2),
            linger: SessionLinger(Duration::from_secs(5)),
        };
        let mut server = TestServer::builder().set(session).plugin((game, quarrel)).seed(seed).build();
        let clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
        let entities: Vec<Entity> = clients.iter().map(|client| client.entity()).collect();
        for round in 0..6 {
            let uids = ["ann", "bob", "ann", "ann", "bob", "ann"];
            let cast = Cast {
                joins: entities.iter().copied().zip(uids).collect(),
                leaves: vec![entities[round % 6], entities[(round + 3) % 6]],
                kicks: if round == 2 { vec!["bob"] } else { Vec::new() },
            };
            *server.world_mut().resource_mut::<Cast>() = cast;
            server.tick();
        }
        let bound = server.run_system_once(
            |sessions: Query<(Entity, &Session, Option<&Bindings>)>,
             index: Res<Sessions>,
             bound: Query<&BoundTo>| {
                for (entity, session, bindings) in &sessions {
                    assert_eq!(index.get(session.uid().as_str()), Some(entity));
                    let bindings: Vec<Entity> =
                        bindings.into_iter().flat_map(RelationshipTarget::iter).collect();
                    assert!(bindings.len() <= 2);
                    assert!(
                        bindings
                            .iter()
                            .all(|&connection| bound.get(connection).is_ok_and(|to| to.0 == entity))
                    );
                }
                assert_eq!(index.len(), sessions.iter().len());
                bound.iter().len()
            },
        );
        let open = clients.iter().filter(|client| client.is_open()).count();
        outcomes.insert((bound, open));
        server.advance(Duration::from_secs(6));
        server.check_invariants();
    }
    assert!(outcomes.len() > 1, "the order makes a difference: {outcomes:?}");
}
