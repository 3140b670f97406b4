//! Threads that work through a queue.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{Builder, JoinHandle},
};

/// What a thread is given to do, with what it owns.
enum Job<C> {
    Do(Box<dyn FnOnce(&mut C) + Send>),
    Stop,
}

/// The way to threads that own a `C` each. Nobody ever waits at it: whoever sends holds one of its [`Places`], and so
/// many jobs there are at most.
pub(crate) struct Queue<C> {
    sender: Sender<Job<C>>,
    receiver: Receiver<Job<C>>,
}

impl<C: 'static> Queue<C> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded(); // bounded by places: see above
        Self { sender, receiver }
    }

    /// Sends a job; when the threads have ended, it is dropped.
    pub(crate) fn send(&self, job: impl FnOnce(&mut C) + Send + 'static) {
        let _ = self.sender.send(Job::Do(Box::new(job)));
    }

    /// Drops the jobs that wait.
    pub(crate) fn clear(&self) {
        self.receiver.try_iter().for_each(drop);
    }

    /// Ends one of the threads after what was sent before.
    pub(crate) fn stop(&self) {
        let _ = self.sender.send(Job::Stop);
    }

    /// A thread that works through it.
    pub(crate) fn spawn(&self, name: &str, mut owned: C) -> io::Result<JoinHandle<()>>
    where
        C: Send,
    {
        let receiver = self.receiver.clone();
        Builder::new().name(name.to_owned()).spawn(move || {
            while let Ok(Job::Do(job)) = receiver.recv() {
                // A job that panics is answered by the drop of its reply, and the thread goes on.
                if catch_unwind(AssertUnwindSafe(|| job(&mut owned))).is_err() {
                    tracing::error!("an operation on an account panicked");
                }
            }
        })
    }
}

impl<C> Clone for Queue<C> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), receiver: self.receiver.clone() }
    }
}

/// How many may wait.
pub(crate) struct Places {
    free: Arc<AtomicUsize>,
}

/// One of them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Places {
    pub(crate) fn new(places: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(places)) }
    }

    pub(crate) fn take(&self) -> Option<Place> {
        self.free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1))
            .ok()
            .map(|_| Place(Arc::clone(&self.free)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
