//! What caches hold of the server's budget.

use super::*;

const NATIVE: Speaks = Speaks(0);

fn connection(version: u32) -> Entity {
    Entity::from_raw_u32(version).unwrap()
}

/// A world with a budget, and caches in it.
struct Caches {
    world: World,
    budget: Budget,
}

impl Caches {
    fn new(limit: usize) -> Self {
        let (mut world, budget) = (World::new(), Budget::new(limit));
        world.insert_resource(budget.clone());
        Self { world, budget }
    }

    fn spawn(&mut self) -> Entity {
        let mut cache = ReplyCache::new(ReplyLimits { ascending: true, ..ReplyLimits::default() });
        cache.next_version();
        self.world.spawn(cache).id()
    }

    fn serve(&mut self, cache: Entity, id: u64, frame: &[u8]) {
        let mut cache = self.world.get_mut::<ReplyCache>(cache).unwrap();
        let version = cache.version();
        let Asked::New(run) = cache.ask(id, connection(version), NATIVE) else { panic!("it is new") };
        assert!(cache.answer(id, run, connection(version), frame).is_some());
    }
}

#[test]
fn what_is_kept_is_charged_for_as_long_as_it_is_kept() {
    let mut caches = Caches::new(1 << 30);
    let [first, second] = [caches.spawn(), caches.spawn()];
    for id in 0..300 {
        caches.serve(first, id, &[1; 1000]);
        caches.serve(second, id, &[2; 10]);
    }
    let held = |caches: &Caches, cache| caches.world.get::<ReplyCache>(cache).unwrap().held();
    let kept = caches.budget.held(Holding::Kept);
    assert_eq!(kept, held(&caches, first) + held(&caches, second));
    assert!(held(&caches, first) >= 128_000);
    caches.world.get_mut::<ReplyCache>(first).unwrap().clear();
    assert_eq!(held(&caches, first), 0);
    caches.serve(first, 1, b"on it goes");
    caches.world.despawn(second);
    assert_eq!(caches.budget.used(), held(&caches, first));
    caches.world.entity_mut(first).insert(ReplyCache::new(ReplyLimits::default()));
    assert_eq!(caches.budget.used(), 0);
}

#[test]
fn all_answers_together_take_half_of_the_budget_and_the_latest_take_the_place_of_the_oldest() {
    let mut caches = Caches::new(4 << 20);
    let all: Vec<Entity> = (0..100).map(|_| caches.spawn()).collect();
    for id in 0..200 {
        for &cache in &all {
            caches.serve(cache, id, &[1; 1000]);
            assert!(caches.budget.used() <= 2 << 20);
        }
    }
    assert!(caches.budget.used() > (2 << 20) - 10_000, "all of the half is used");
    assert!(caches.budget.count(Shortage::Unkept) > 0);
    let mut kept = 0;
    for &cache in &all {
        let mut cache = caches.world.get_mut::<ReplyCache>(cache).unwrap();
        cache.next_version();
        // What is kept is the latest, and what is not is not handled again.
        let asked: Vec<Asked> = (0..200).map(|id| cache.ask(id, connection(2), NATIVE)).collect();
        let first = asked.iter().position(|asked| *asked == Asked::Again).unwrap();
        assert!(asked[..first].iter().all(|asked| *asked == Asked::Forgotten));
        assert!(asked[first..].iter().all(|asked| *asked == Asked::Again));
        kept += 200 - first;
    }
    assert!((1700..2100).contains(&kept), "{kept}");
}

#[test]
fn an_answer_for_which_there_is_no_room_at_all_is_forgotten() {
    let mut caches = Caches::new(1 << 20);
    let mut hog = Charge::new(&caches.budget, Holding::Outgoing);
    hog.set(9 << 17);
    let cache = caches.spawn();
    caches.serve(cache, 1, &[1; 1000]);
    assert_eq!((caches.budget.count(Shortage::Unkept), caches.budget.held(Holding::Kept)), (1, 0));
    drop(hog);
    caches.serve(cache, 2, &[2; 1000]);
    let mut cache = caches.world.get_mut::<ReplyCache>(cache).unwrap();
    cache.next_version();
    assert_eq!(cache.ask(1, connection(2), NATIVE), Asked::Forgotten);
    assert_eq!(cache.ask(2, connection(2), NATIVE), Asked::Again);
}
