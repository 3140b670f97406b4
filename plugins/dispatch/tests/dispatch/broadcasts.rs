use crate::plain::{Plain, add, app, connection, said};
use bevy_app::App;
use bevy_ecs::{prelude::*, system::RunSystemOnce};
use bytes::Bytes;
use portcullis_core::{BoundTo, Cause, Close, ForwardedTo, Handshaking, Traffic};
use portcullis_dispatch::{AppDispatchExt, Pusher, Raw, Told};

fn news() -> Raw {
    Raw(Bytes::from_static(b"news"))
}

fn tell(app: &mut App, targets: Vec<Entity>) -> Told {
    let tell = move |mut pusher: Pusher| pusher.broadcast(targets.iter().copied(), "news", &news());
    app.world_mut().run_system_once(tell).unwrap()
}

fn told(connections: usize, unreachable: usize) -> Told {
    Told { connections, unreachable }
}

#[test]
fn a_broadcast_is_encoded_once_for_each_protocol() {
    let mut app = app();
    app.add_push::<Raw>("news");
    let (loud, quiet) = (Plain::marked("!"), Plain::marked("."));
    let variants = [add(&mut app, loud.clone()), add(&mut app, quiet.clone())];
    let peers: Vec<Entity> = (0..100).map(|i| connection(&mut app, variants[i % 2])).collect();
    assert_eq!(tell(&mut app, peers.clone()), told(100, 0));
    assert_eq!((loud.encoded(), quiet.encoded()), (1, 1));
    for pair in peers.chunks(2) {
        assert_eq!((said(&app, pair[0]), said(&app, pair[1])), ("!news\n".into(), ".news\n".into()));
    }
}

#[test]
fn nobody_is_told_twice_however_many_targets_they_stand_behind() {
    let mut app = app();
    app.add_push::<Raw>("news");
    let speaks = add(&mut app, Plain::default());
    let peer = connection(&mut app, speaks);
    let (agent, session) = (app.world_mut().spawn_empty().id(), app.world_mut().spawn_empty().id());
    app.world_mut().entity_mut(peer).insert((ForwardedTo(agent), BoundTo(session)));
    assert_eq!(tell(&mut app, vec![agent, peer, session, peer]), told(1, 0));
    assert_eq!(said(&app, peer), "news\n");
    assert_eq!(tell(&mut app, vec![session]), told(1, 0), "the next broadcast is another");
}

#[test]
fn who_cannot_be_reached_is_counted() {
    let mut app = app();
    app.add_push::<Raw>("news");
    let (speaks, mute) =
        (add(&mut app, Plain::default()), add(&mut app, Plain { mute: true, ..Plain::default() }));
    let (open, closing, without_words) =
        (connection(&mut app, speaks), connection(&mut app, speaks), connection(&mut app, mute));
    app.world_mut().trigger(Close::new(closing, Cause::Requested));
    app.world_mut().flush();
    let nobody = app.world_mut().spawn_empty().id();
    let gone = app.world_mut().spawn_empty().id();
    app.world_mut().despawn(gone);
    assert_eq!(tell(&mut app, vec![nobody, open, closing, without_words, gone]), told(1, 4));
    assert_eq!(app.world().get::<Traffic>(without_words).unwrap().send_errors, 0, "that is no error");
}

#[test]
fn a_push_that_cannot_be_encoded_is_counted_and_leaves_nothing_behind() {
    let mut app = app();
    app.add_push::<Raw>("news");
    let broken = Plain { broken: true, mark: "half a mess", ..Plain::default() };
    let (good, bad) = (add(&mut app, Plain::default()), add(&mut app, broken.clone()));
    let peers: Vec<Entity> = [bad, good, bad].map(|speaks| connection(&mut app, speaks)).to_vec();
    assert_eq!(tell(&mut app, peers.clone()), told(1, 2));
    assert_eq!(broken.encoded(), 1);
    let bad = peers[0];
    let push = move |mut pusher: Pusher| pusher.push(bad, "news", &news());
    assert_eq!(app.world_mut().run_system_once(push).unwrap(), 0);
    let errors = |peer| app.world().get::<Traffic>(peer).unwrap().send_errors;
    assert_eq!(peers.iter().map(|&peer| errors(peer)).collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(peers.iter().map(|&peer| said(&app, peer)).collect::<Vec<_>>(), ["", "news\n", ""]);
}

#[test]
fn nothing_is_told_on_a_route_that_nobody_added() {
    let mut app = app();
    let speaks = add(&mut app, Plain::default());
    let peer = connection(&mut app, speaks);
    assert_eq!(tell(&mut app, vec![peer]), told(0, 1));
}

#[test]
fn nothing_is_pushed_to_a_peer_whose_handshake_is_going_on() {
    let mut app = app();
    app.add_push::<Raw>("news");
    let speaks = add(&mut app, Plain::default());
    let peer = connection(&mut app, speaks);
    app.world_mut().entity_mut(peer).insert(Handshaking);
    let push = move |mut pusher: Pusher| pusher.push(peer, "news", &news());
    assert_eq!(app.world_mut().run_system_once(push).unwrap(), 0);
    assert_eq!(said(&app, peer), "");
    app.world_mut().entity_mut(peer).remove::<Handshaking>();
    assert_eq!(app.world_mut().run_system_once(push).unwrap(), 1);
}
