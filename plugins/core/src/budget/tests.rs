use super::*;
use std::{
    sync::atomic::AtomicUsize,
    task::{Wake, Waker},
};

const LIMIT: usize = 100 << 20;
const PERCENT: usize = 1 << 20;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn newcomers_wait_from_90_percent_until_below_85() {
    let budget = Budget::new(LIMIT);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut charge = Charge::new(&budget, Holding::Outgoing);
    charge.set(90 * PERCENT - 1);
    assert!(budget.poll_newcomers(&mut context).is_ready());
    charge.set(90 * PERCENT);
    assert!(budget.poll_newcomers(&mut context).is_pending());
    charge.set(85 * PERCENT);
    assert!(budget.poll_newcomers(&mut context).is_pending());
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    charge.set(85 * PERCENT - 1);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(budget.poll_newcomers(&mut context).is_ready());
    assert_eq!(budget.count(Shortage::Paused), 1);
}

/// Counts what is told.
struct Told(Arc<AtomicUsize>);

impl tracing::Subscriber for Told {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn who_uses_it_up_again_and_again_does_not_flood_the_log() {
    let (budget, told) = (Budget::new(LIMIT), Arc::new(AtomicUsize::new(0)));
    tracing::subscriber::with_default(Told(Arc::clone(&told)), || {
        for _ in 0..1000 {
            let mut charge = Charge::new(&budget, Holding::Outgoing);
            charge.set(90 * PERCENT);
            assert!(!budget.is_accepting());
            drop(charge);
            assert!(budget.is_accepting());
        }
    });
    assert_eq!(budget.count(Shortage::Paused), 1000, "all are counted");
    assert_eq!(told.load(Ordering::SeqCst), 2 * 10, "twice of 1, 2, 4, to 512");
}

#[test]
fn nobody_is_read_from_95_percent_on() {
    let budget = Budget::new(LIMIT);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut charge = Charge::new(&budget, Holding::Incomplete);
    charge.set(95 * PERCENT - 1);
    assert!(budget.poll_read(&mut context).is_ready());
    charge.set(95 * PERCENT);
    assert!(budget.poll_read(&mut context).is_pending());
    drop(charge);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(budget.poll_read(&mut context).is_ready());
}

#[test]
fn who_asks_again_while_it_waits_is_woken_once() {
    let budget = Budget::new(LIMIT);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut charge = Charge::new(&budget, Holding::Incomplete);
    charge.set(LIMIT);
    for _ in 0..1000 {
        assert!(budget.poll_read(&mut context).is_pending());
    }
    drop(charge);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[test]
fn what_waits_for_the_world_has_an_eighth() {
    let budget = Budget::new(LIMIT);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    budget.charge(Holding::Incoming, LIMIT / 8);
    assert!(budget.poll_read(&mut context).is_pending());
    budget.release(Holding::Incoming, 1);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    budget.release(Holding::Incoming, LIMIT / 8 - 1);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_limit_that_is_raised_lets_those_go_on_who_wait() {
    let budget = Budget::new(LIMIT);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut charge = Charge::new(&budget, Holding::Outgoing);
    charge.set(LIMIT);
    assert!(budget.poll_newcomers(&mut context).is_pending() && budget.poll_read(&mut context).is_pending());
    budget.clone().set_limit(usize::MAX);
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert_eq!(charge.try_set(3 * LIMIT), Ok(()));
}

#[test]
fn threads_that_share_the_last_of_it_hold_no_more_than_the_limit() {
    let budget = Budget::new(Budget::MIN_LIMIT);
    let part = Budget::MIN_LIMIT / 3;
    for _ in 0..200 {
        let held: Vec<Charge> = std::thread::scope(|scope| {
            let threads: Vec<_> = Holding::ALL
                .map(|holding| {
                    let budget = &budget;
                    scope.spawn(move || {
                        let mut charge = Charge::new(budget, holding);
                        let _ = charge.try_set(part);
                        charge
                    })
                })
                .into_iter()
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        assert!(held.iter().map(Charge::bytes).sum::<usize>() <= budget.limit());
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn answers_are_kept_in_half_of_it() {
    let budget = Budget::new(LIMIT);
    assert!(budget.may_keep(50 * PERCENT) && !budget.may_keep(50 * PERCENT + 1));
    let mut charge = Charge::new(&budget, Holding::Outgoing);
    charge.set(80 * PERCENT);
    assert!(budget.may_keep(9 * PERCENT) && !budget.may_keep(10 * PERCENT));
}
