//! Systems that nobody has ordered run in an order of chance, the same for the same seed.

use bevy_app::{App, FixedUpdate, PostUpdate, Startup, Update};
use bevy_ecs::{prelude::*, schedule::ScheduleLabel};
use portcullis_core::{Ingress, IngressSystems};
use portcullis_testkit::TestServer;
use std::collections::HashSet;

#[derive(Resource, Default)]
struct Trace(Vec<u8>);

#[derive(Component)]
struct Mark;

fn note<const N: u8>(mut trace: ResMut<Trace>) {
    trace.0.push(N);
}

/// Eight systems, of which two pairs are ordered: 1 before 2, and 3 before 4 with a sync point between.
fn traced<S: ScheduleLabel + Clone>(schedule: S) -> impl Fn(&mut App) + Send + Sync + 'static {
    move |app| {
        let schedule = || schedule.clone();
        app.init_resource::<Trace>()
            .add_systems(schedule(), (note::<1>, note::<2>).chain())
            .add_systems(schedule(), (spawn, count).chain())
            .add_systems(schedule(), (note::<5>, note::<6>, note::<7>, note::<8>));
    }
}

fn spawn(mut trace: ResMut<Trace>, mut commands: Commands) {
    trace.0.push(3);
    commands.spawn(Mark);
}

fn count(mut trace: ResMut<Trace>, marks: Query<Entity, With<Mark>>, mut commands: Commands) {
    trace.0.push(4);
    assert_eq!(marks.iter().len(), 1, "commands are applied where Bevy applies them");
    marks.iter().for_each(|mark| commands.entity(mark).despawn());
}

fn order<S: ScheduleLabel + Clone>(schedule: S, seed: Option<u64>) -> Vec<u8> {
    let builder = TestServer::builder().plugin(traced(schedule));
    let mut server = match seed {
        Some(seed) => builder.seed(seed).build(),
        None => builder.build(),
    };
    server.world_mut().resource_mut::<Trace>().0.clear();
    server.tick();
    let order = std::mem::take(&mut server.world_mut().resource_mut::<Trace>().0);
    assert_eq!(order.iter().collect::<HashSet<_>>().len(), 8, "each runs once");
    order
}

fn assert_shuffled<S: ScheduleLabel + Clone>(schedule: S) {
    let orders: HashSet<Vec<u8>> = (0..30).map(|seed| order(schedule.clone(), Some(seed))).collect();
    assert!(orders.len() > 20, "thirty seeds gave {} orders", orders.len());
    let place = |order: &[u8], system| order.iter().position(|&other| other == system);
    for order in &orders {
        assert!(place(order, 1) < place(order, 2) && place(order, 3) < place(order, 4), "{order:?}");
    }
    // Every pair that nobody has ordered was seen in both orders.
    for (one, other) in [(1, 5), (2, 6), (5, 8), (7, 1), (3, 6), (1, 3)] {
        let earlier = orders.iter().filter(|order| place(order, one) < place(order, other)).count();
        assert!(earlier > 0 && earlier < orders.len(), "{one} and {other}");
    }
}

#[test]
fn ingress_is_shuffled() {
    assert_shuffled(Ingress);
}

#[test]
fn the_main_schedules_are_shuffled() {
    assert_shuffled(Update);
    assert_shuffled(FixedUpdate);
    assert_shuffled(PostUpdate);
}

#[test]
fn a_seed_gives_one_order() {
    for seed in [0, 1, 7, u64::MAX] {
        assert_eq!(order(Ingress, Some(seed)), order(Ingress, Some(seed)));
    }
    assert_eq!(order(Update, None), order(Update, None));
}

#[test]
fn the_stations_of_ingress_keep_their_order() {
    fn stations(app: &mut App) {
        app.init_resource::<Trace>().add_systems(
            Ingress,
            (
                note::<3>.in_set(IngressSystems::Dispatch),
                note::<1>.in_set(IngressSystems::Admit),
                note::<4>.after(IngressSystems::Flush),
                note::<2>.after(IngressSystems::Decode).before(IngressSystems::Dispatch),
                note::<0>.before(IngressSystems::Receive),
            ),
        );
    }
    for seed in 0..20 {
        let mut server = TestServer::builder().plugin(stations).seed(seed).build();
        server.world_mut().resource_mut::<Trace>().0.clear();
        server.step();
        assert_eq!(server.world().resource::<Trace>().0, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn startup_is_shuffled_too() {
    let orders: HashSet<Vec<u8>> = (0..30)
        .map(|seed| {
            let server = TestServer::builder().plugin(traced(Startup)).seed(seed).build();
            let world = server.world();
            world.resource::<Trace>().0.clone()
        })
        .collect();
    assert!(orders.len() > 20);
}
