//! The queue's wake-ups, run by [loom] in every order that two or three threads can take: a wake-up that is lost is a
//! deadlock, which loom reports. The queue itself, crossbeam's, is a number here.

#![expect(dead_code, reason = "what each model needs of what is shared by all")]

#[path = "../src/funnel/sleeper.rs"]
mod sleeper;
#[path = "models/sync.rs"]
mod sync;
#[path = "../src/budget/waiters.rs"]
mod waiters;

use self::{
    sleeper::Sleeper,
    sync::{AtomicUsize, model},
    waiters::Waiters,
};
use loom::{future::block_on, sync::Arc, thread};
use std::{
    future::poll_fn,
    sync::atomic::Ordering::SeqCst,
    task::{Context, Poll},
};

#[test]
fn a_reader_that_waits_for_room_is_woken_when_there_is() {
    model(|| {
        let load = Arc::new(Load::new(2));
        load.add(3);
        let reader = {
            let load = Arc::clone(&load);
            thread::spawn(move || {
                block_on(poll_fn(|context| load.poll_room(context)));
                load.add(1);
            })
        };
        load.give_back(1);
        load.give_back(2);
        reader.join().unwrap();
        load.give_back(1);
        // Had anything been counted twice, or not at all, there were none or too much.
        assert!(load.is_room() && !is_room_with(&load, 2) && is_room_with(&load, 1));
    });
}

#[test]
fn all_readers_that_wait_for_room_are_woken_however_fast_others_fill_it() {
    model(|| {
        let load = Arc::new(Load::new(1));
        load.add(1);
        let readers = [1, 1].map(|size| {
            let load = Arc::clone(&load);
            thread::spawn(move || {
                block_on(poll_fn(|context| load.poll_room(context)));
                load.add(size);
                load.give_back(size);
            })
        });
        load.give_back(1);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(load.is_room());
    });
}

#[test]
fn a_world_that_sleeps_is_woken_by_what_is_sent() {
    model(|| {
        let queue = Arc::new(Queue::default());
        let senders = [(); 2].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.send())
        });
        let mut taken = 0;
        while taken < 2 {
            block_on(poll_fn(|context| queue.sleeper.poll(context, || queue.is_empty())));
            taken += queue.items.swap(0, SeqCst);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(queue.is_empty());
    });
}

/// The budget, of one kind of bytes.
struct Load {
    limit: usize,
    held: AtomicUsize,
    waiters: Waiters,
}

impl Load {
    fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), waiters: Waiters::new() }
    }

    fn add(&self, load: usize) {
        self.held.fetch_add(load, SeqCst);
    }

    fn is_room(&self) -> bool {
        self.held.load(SeqCst) < self.limit
    }

    fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waiters.poll(context, || self.is_room())
    }

    fn give_back(&self, load: usize) {
        self.held.fetch_sub(load, SeqCst);
        self.waiters.ease(|| self.is_room());
    }
}

/// The funnel, with a number for crossbeam's channel: what was sent is seen by who looks after it, and whoever sends
/// and whoever looks agree on one order.
struct Queue {
    items: AtomicUsize,
    sleeper: Sleeper,
}

impl Default for Queue {
    fn default() -> Self {
        Self { items: AtomicUsize::new(0), sleeper: Sleeper::new() }
    }
}

impl Queue {
    fn send(&self) {
        self.items.fetch_add(1, SeqCst);
        self.sleeper.wake();
    }

    fn is_empty(&self) -> bool {
        self.items.load(SeqCst) == 0
    }
}

/// Whether there is room while this is in the queue too.
fn is_room_with(load: &Load, more: usize) -> bool {
    load.add(more);
    let is_room = load.is_room();
    load.give_back(more);
    is_room
}
