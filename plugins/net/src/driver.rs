//! The two ways to run the tokio side.

mod lane;

pub(crate) use self::lane::Lane;
use crate::tcp::TcpLine;
use bevy_ecs::prelude::*;
use portcullis_core::{Driver, Intake};
use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread::available_parallelism,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{sleep_until, timeout},
};

/// Who runs the tokio code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverKind {
    /// `Inline` on machines of one or two cores, else `Thread` with a quarter of the cores, at most four.
    #[default]
    Auto,
    /// In the ECS thread, between schedule runs: no thread hop. The cheapest on few cores.
    Inline,
    /// On this many threads of their own (at least one): scales while the ECS thread is busy.
    Thread(usize),
}

impl DriverKind {
    /// What this comes to on this machine.
    pub fn resolve(self) -> Self {
        match self {
            Self::Auto => match available_parallelism().map_or(1, usize::from) {
                0..=2 => Self::Inline,
                cores => Self::Thread((cores / 4).clamp(1, 4)),
            },
            Self::Thread(threads) => Self::Thread(threads.max(1)),
            Self::Inline => Self::Inline,
        }
    }
}

/// The tokio runtime that owns the sockets, for tasks of the game's own.
///
/// With the `inline` driver tasks run in the ECS thread: a task must not block.
#[derive(Resource, Clone, Debug)]
pub struct IoRuntime {
    handle: Handle,
    pub(crate) lanes: Arc<Lanes>,
}

impl IoRuntime {
    /// Runs a future on the runtime. It ends with the app.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(future);
    }

    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.handle.enter()
    }
}

pub(crate) fn start(kind: DriverKind) -> io::Result<(Box<dyn Driver>, IoRuntime)> {
    match kind.resolve() {
        DriverKind::Thread(threads) => {
            let runtime = Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("portcullis-net")
                .enable_all()
                .build()?;
            let lanes = Arc::new(Lanes::new(threads));
            for lane in &lanes.all {
                runtime.spawn(write(Arc::clone(lane)));
            }
            let io = IoRuntime { handle: runtime.handle().clone(), lanes: Arc::clone(&lanes) };
            Ok((Box::new(ThreadDriver { lanes, runtime: Some(runtime) }), io))
        }
        DriverKind::Auto | DriverKind::Inline => {
            // One look at the world after so many tasks: large batches, while the queue stays short.
            let runtime = Builder::new_current_thread().event_interval(128).enable_all().build()?;
            let io = IoRuntime { handle: runtime.handle().clone(), lanes: Arc::new(Lanes::new(0)) };
            Ok((Box::new(InlineDriver { runtime: Some(runtime) }), io))
        }
    }
}

/// Runs tokio on the calling thread while the world waits.
struct InlineDriver {
    runtime: Option<Runtime>,
}

impl Driver for InlineDriver {
    fn wait(&mut self, intake: &Intake, until: Option<Instant>) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            let input = poll_fn(|context| intake.poll_ready(context));
            match until {
                Some(until) => {
                    let mut input = pin!(input);
                    let mut tick = pin!(sleep_until(until.into()));
                    poll_fn(|context| match input.as_mut().poll(context) {
                        Poll::Ready(()) => Poll::Ready(()),
                        Poll::Pending => tick.as_mut().poll(context),
                    })
                    .await;
                }
                None => input.await,
            }
        });
    }

    fn poll(&mut self) {
        let Some(runtime) = &self.runtime else { return };
        // Two rounds: what the first finds ready, the second runs.
        runtime.block_on(async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
    }

    fn flushed(&self) {}
}

impl Drop for InlineDriver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Tokio runs on threads of its own; the world sleeps on the queue.
struct ThreadDriver {
    lanes: Arc<Lanes>,
    runtime: Option<Runtime>,
}

impl Driver for ThreadDriver {
    fn wait(&mut self, intake: &Intake, until: Option<Instant>) {
        intake.wait(until);
    }

    fn poll(&mut self) {}

    fn flushed(&self) {
        self.lanes.all.iter().for_each(|lane| lane.flush());
    }
}

impl Drop for ThreadDriver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The lists by which the world hands written connections to the I/O threads: one list, one wake-up a flush.
#[derive(Debug)]
pub(crate) struct Lanes {
    all: Vec<Arc<Lane<Arc<TcpLine>>>>,
    given: AtomicUsize,
}

impl Lanes {
    fn new(lanes: usize) -> Self {
        Self { all: (0..lanes).map(|_| Arc::new(Lane::new())).collect(), given: AtomicUsize::new(0) }
    }

    /// The lane of a new connection, each in turn; none when the world writes to sockets itself.
    pub(crate) fn next(&self) -> Option<Arc<Lane<Arc<TcpLine>>>> {
        let index = self.given.fetch_add(1, Ordering::Relaxed).checked_rem(self.all.len())?;
        self.all.get(index).cloned()
    }
}

/// Writes what the world hands over, for good.
async fn write(lane: Arc<Lane<Arc<TcpLine>>>) {
    let mut lines = Vec::new();
    loop {
        lane.flushed(&mut lines).await;
        lines.drain(..).for_each(|line| line.write());
    }
}

/// A pause that ends early with this.
pub(crate) async fn pause(end: impl Future<Output = ()>, at_most: Duration) {
    let _ = timeout(at_most, end).await;
}
