//! What threads meet by, as loom runs it: every order of events, and every value that a weak read may see.
//!
//! loom takes `SeqCst` for `AcqRel`, save in a fence. So each such write has a fence behind it here, as it has in machine
//! code where the processor's own writes are as weak. That is a little less than `SeqCst` promises, and never more: what
//! holds here holds.

use loom::sync::atomic::{self, fence};
pub(crate) use loom::sync::{
    Mutex,
    atomic::Ordering::{self, SeqCst},
};
pub(crate) use std::{future::Future, sync::PoisonError};
use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Runs this in every order in which no more than three times a thread is interrupted that could go on: beyond that
/// orders are many, and bugs, by experience, none.
pub(crate) fn model(story: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(story);
}

/// Does this write with its fence.
fn fenced<T>(order: Ordering, write: impl FnOnce() -> T) -> T {
    let value = write();
    if order == SeqCst {
        fence(SeqCst);
    }
    value
}

macro_rules! number {
    ($name:ident, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(atomic::$name);

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                fenced(order, || self.0.store(value, order));
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.swap(value, order))
            }

            pub(crate) fn compare_exchange(
                &self,
                before: $value,
                after: $value,
                order: Ordering,
                otherwise: Ordering,
            ) -> Result<$value, $value> {
                fenced(order, || self.0.compare_exchange(before, after, order, otherwise))
            }
        }
    };
    ($name:ident, $value:ty, adds) => {
        number!($name, $value);

        impl $name {
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.fetch_add(value, order))
            }

            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.fetch_sub(value, order))
            }
        }
    };
}

number!(AtomicBool, bool);
number!(AtomicU8, u8);
number!(AtomicU64, u64, adds);
number!(AtomicUsize, usize, adds);

/// The crate `atomic-waker` promises what loom's own does, under other names.
pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self(loom::future::AtomicWaker::new())
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.0.register_by_ref(waker);
    }

    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}

/// `tokio::sync::Notify` with one task that waits: a permit, and who wants it.
#[derive(Debug)]
pub(crate) struct Notify(Mutex<(bool, Option<Waker>)>);

impl Notify {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((false, None)))
    }

    pub(crate) fn notify_one(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified(self)
    }
}

pub(crate) struct Notified<'a>(&'a Notify);

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.0) {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}
