//! The edge's wake-ups and back-pressure, run by [loom] in every order that two or three threads can take: a wake-up
//! that is lost is a deadlock, which loom reports.

#![expect(dead_code, reason = "what each model needs of what is shared by all")]

#[path = "../src/tcp/bell.rs"]
mod bell;
#[path = "../src/driver/lane.rs"]
mod lane;
#[path = "../src/listener/switch.rs"]
mod switch;
#[path = "../../core/tests/models/sync.rs"]
mod sync;
#[path = "../src/tcp/undelivered.rs"]
mod undelivered;

use self::{
    bell::Bell,
    lane::Lane,
    switch::Switch,
    sync::{AtomicUsize, model},
    undelivered::Undelivered,
};
use loom::{
    future::block_on,
    sync::{Arc, Mutex},
    thread,
};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::Ordering::SeqCst,
    task::Poll,
};

#[test]
fn a_task_sees_all_that_is_sent_and_one_close() {
    model(|| {
        let line = Arc::new((Bell::new(), Mutex::new(Sending::default())));
        let world = {
            let line = Arc::clone(&line);
            thread::spawn(move || {
                let (bell, sending) = &*line;
                bell.start();
                sending.lock().unwrap().queued += 1;
                bell.ring();
                let mut last = sending.lock().unwrap();
                last.queued += 1;
                last.close = true;
                drop(last);
                bell.ring();
            })
        };
        let (bell, sending) = &*line;
        let (mut sent, mut closes) = (0, 0);
        block_on(poll_fn(|context| {
            bell.listen(context.waker());
            if !bell.is_started() || !bell.is_rung() {
                return Poll::Pending;
            }
            bell.answer();
            let mut sending = sending.lock().unwrap();
            sent += std::mem::take(&mut sending.queued);
            closes += usize::from(sending.close);
            if sending.close { Poll::Ready(()) } else { Poll::Pending }
        }));
        world.join().unwrap();
        assert_eq!((sent, closes), (2, 1));
    });
}

#[test]
fn a_task_is_woken_by_whoever_rings_while_the_world_rings_too() {
    model(|| {
        let line = Arc::new((Bell::new(), Mutex::new(0)));
        let ringers = [(); 2].map(|()| {
            let line = Arc::clone(&line);
            thread::spawn(move || {
                *line.1.lock().unwrap() += 1;
                line.0.ring();
            })
        });
        block_on(poll_fn(|context| {
            line.0.listen(context.waker());
            if !line.0.is_rung() {
                return Poll::Pending;
            }
            line.0.answer();
            if *line.1.lock().unwrap() == 2 { Poll::Ready(()) } else { Poll::Pending }
        }));
        ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    });
}

#[test]
fn a_socket_that_waits_for_the_world_is_read_again_when_it_has_caught_up() {
    const FRAMES: usize = 3;
    model(|| {
        let line = Arc::new(Line::default());
        line.undelivered.limit(1);
        let world = {
            let line = Arc::clone(&line);
            thread::spawn(move || {
                for _ in 0..FRAMES {
                    block_on(line.sent.notified());
                    line.arrived.fetch_sub(1, SeqCst);
                    if line.undelivered.take(1, 1) {
                        line.bell.wake();
                    }
                }
            })
        };
        let mut read = 0;
        block_on(poll_fn(|context| {
            line.bell.listen(context.waker());
            while read < FRAMES {
                if line.undelivered.must_wait() {
                    return Poll::Pending;
                }
                read += 1;
                line.undelivered.add(1, 1);
                assert_eq!(line.arrived.fetch_add(1, SeqCst), 0, "more than the limit is on its way");
                line.sent.notify_one();
            }
            Poll::Ready(())
        }));
        world.join().unwrap();
        assert!(!line.undelivered.must_wait(), "something was counted twice, or not taken off");
    });
}

#[test]
fn a_paused_listener_hears_that_it_is_open_or_closed() {
    model(|| {
        let switch = Arc::new(Switch::new());
        switch.pause();
        let acceptor = {
            let switch = Arc::clone(&switch);
            thread::spawn(move || {
                block_on(async {
                    while switch.opened().await {
                        switch.changed().await;
                    }
                });
            })
        };
        switch.resume();
        switch.close();
        acceptor.join().unwrap();
    });
}

#[test]
fn a_closed_listener_stays_closed_whatever_is_asked_of_it() {
    model(|| {
        let switch = Arc::new(Switch::new());
        let asks = {
            let switch = Arc::clone(&switch);
            thread::spawn(move || {
                switch.pause();
                switch.resume();
            })
        };
        switch.close();
        asks.join().unwrap();
        let mut opened = pin!(switch.opened());
        block_on(poll_fn(|context| {
            assert_eq!(opened.as_mut().poll(context), Poll::Ready(false));
            Poll::Ready(())
        }));
    });
}

#[test]
fn what_is_flushed_is_written_once() {
    model(|| {
        let lane = Arc::new(Lane::new());
        let world = {
            let lane = Arc::clone(&lane);
            thread::spawn(move || {
                for line in 0..3 {
                    lane.push(line);
                    lane.flush();
                }
            })
        };
        let (mut written, mut lines) = (Vec::new(), Vec::new());
        block_on(async {
            while written.len() < 3 {
                lane.flushed(&mut lines).await;
                written.append(&mut lines);
            }
        });
        world.join().unwrap();
        assert_eq!(written, [0, 1, 2]);
    });
}

#[derive(Default)]
struct Sending {
    queued: usize,
    close: bool,
}

/// A line, and the queue to the world, in which frames are a number.
struct Line {
    bell: Bell,
    undelivered: Undelivered,
    arrived: AtomicUsize,
    sent: sync::Notify,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            bell: Bell::new(),
            undelivered: Undelivered::new(),
            arrived: AtomicUsize::new(0),
            sent: sync::Notify::new(),
        }
    }
}
