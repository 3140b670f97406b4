//! The opened database and the threads that work for it.

use crate::{
    AccountSettings, AccountsError, MAX_PASSWORD,
    database::{Database, Stored},
    failures::Failures,
    hasher::Hasher,
    worker::{Places, Queue},
};
use std::{
    fmt, mem,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, ThreadId},
};

/// An opened store of accounts: its database, owned by one thread, and the threads that hash. Clones share it.
///
/// The threads end with the last clone, be it in an [`Accounts`](crate::Accounts) or in a plugin. Dropping that one waits
/// for what they are at, a hash and what there is to write, and drops the logins that wait; their answers come to nobody.
/// What another program that holds the file keeps from being written by then is not written.
#[derive(Clone)]
pub struct AccountStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) keeping: Queue<Keeper>,
    pub(crate) hashing: Queue<HashingThread>,
    pub(crate) places: Places,
    pub(crate) hashing_places: Places,
    pub(crate) password: RangeInclusive<usize>,
    /// The database's.
    ending: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
    hashers: Vec<JoinHandle<()>>,
}

/// What the thread of the database owns. All that is known about accounts is decided here, one after the other.
pub(crate) struct Keeper {
    pub(crate) database: Database,
    pub(crate) failures: Failures,
    pub(crate) hashing: Queue<HashingThread>,
    /// Whether the log has told of a damaged hash: peers could have it told again and again.
    told_of_damage: bool,
}

impl Keeper {
    /// Tells the operator of a stored hash that cannot be checked.
    pub(crate) fn tell_of_damage(&mut self, stored: Option<&Stored>) {
        let account = stored.map_or(0, |stored| stored.id);
        if mem::replace(&mut self.told_of_damage, true) {
            tracing::debug!(account, "one more stored password is no Argon2 hash");
        } else {
            tracing::warn!(
                account,
                "a stored password is no Argon2 hash: remove the account, or bring back a copy of it"
            );
        }
    }
}

/// What a thread that hashes owns.
pub(crate) struct HashingThread {
    pub(crate) hasher: Hasher,
    pub(crate) keeping: Queue<Keeper>,
}

impl AccountStore {
    /// Opens the store: makes the file if there is none, brings its tables up to date and starts the threads.
    ///
    /// # Errors
    /// Each is the operator's to mend, and says how in one sentence that names the file.
    pub fn open(settings: AccountSettings) -> Result<Self, AccountsError> {
        let AccountSettings { store, hashing, password, lockout, queue } = settings;
        let hasher = Hasher::new(&hashing)?;
        let database = Database::open(&store)?;
        let (keeping, hashing_queue) = (Queue::new(), Queue::new());
        let most = (*password.end()).min(MAX_PASSWORD);
        let mut inner = Inner {
            keeping: keeping.clone(),
            hashing: hashing_queue.clone(),
            places: Places::new(queue.max(1)),
            hashing_places: Places::new(hashing.queue.max(1)),
            password: *password.start()..=most,
            ending: Arc::clone(&database.ending),
            keeper: None,
            hashers: Vec::new(),
        };
        let keeper = Keeper {
            database,
            failures: Failures::new(lockout),
            hashing: hashing_queue.clone(),
            told_of_damage: false,
        };
        inner.keeper = Some(keeping.spawn("accounts", keeper).map_err(AccountsError::Threads)?);
        for _ in 0..hashing.threads.max(1) {
            let owned = HashingThread { hasher: hasher.clone(), keeping: keeping.clone() };
            let thread = hashing_queue.spawn("passwords", owned).map_err(AccountsError::Threads)?;
            inner.hashers.push(thread);
        }
        Ok(Self(Arc::new(inner)))
    }
}

impl Inner {
    fn is_one_of_ours(&self, thread: ThreadId) -> bool {
        self.hashers.iter().chain(&self.keeper).any(|ours| ours.thread().id() == thread)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A closure that holds the last clone may be dropped by one of the threads, which cannot wait for itself.
        let wait = !self.is_one_of_ours(thread::current().id());
        self.ending.store(true, Ordering::Relaxed);
        self.hashing.clear();
        self.hashers.iter().for_each(|_| self.hashing.stop());
        if wait {
            self.hashers.drain(..).for_each(join);
        }
        // After the threads that hash: what they have sent is still written.
        self.keeping.stop();
        if wait {
            self.keeper.take().into_iter().for_each(join);
        }
    }
}

fn join(thread: JoinHandle<()>) {
    // Jobs that panic are caught, so that there is nothing to hear.
    let _ = thread.join();
}

impl fmt::Debug for AccountStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountStore").field("hashing_threads", &self.0.hashers.len()).finish_non_exhaustive()
    }
}
