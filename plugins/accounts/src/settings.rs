//! What an operator may choose.

use std::{ops::RangeInclusive, path::PathBuf, thread::available_parallelism, time::Duration};

/// The longest name, in bytes: what a person may type, twice over.
pub const MAX_NAME: usize = 64;
/// The longest password that is ever looked at, in bytes: room for any sentence, and nothing to hash for long.
pub const MAX_PASSWORD: usize = 1024;

/// How the accounts are kept. See [`AccountStore::open`](crate::AccountStore::open).
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// Where. Default [`Store::Memory`].
    pub store: Store,
    /// What a password costs. Defaults as OWASP recommends: see [`Hashing`].
    pub hashing: Hashing,
    /// How long a new password may be, in bytes as they were sent. Default 8 to 1024: eight is NIST's least (SP 800-63B).
    /// More than [`MAX_PASSWORD`] never. Logins are not held to it, so that it can be raised while accounts exist.
    pub password: RangeInclusive<usize>,
    /// How failed logins are answered in the end; none is never. Default [`Lockout::default`].
    pub lockout: Option<Lockout>,
    /// How many operations without a password may wait at a time; more are [busy](crate::AccountError::Busy).
    /// Default 1024: a look-up takes tens of microseconds, so that is a wait of well under a second. They have a queue
    /// of their own, so that a flood of logins does not keep an operator from disabling an account.
    pub queue: usize,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            store: Store::default(),
            hashing: Hashing::default(),
            password: 8..=MAX_PASSWORD,
            lockout: Some(Lockout::default()),
            queue: 1024,
        }
    }
}

/// Where accounts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// In memory: gone with the server. For tests and development.
    #[default]
    Memory,
    /// In this `SQLite` file, which is made if there is none, for its owner alone to read. Beside it are its `-wal` and
    /// `-shm` while the server runs; a copy is made with `SQLite`'s own `.backup` or `VACUUM INTO`.
    File(PathBuf),
}

/// What hashing a password costs, and how many may be hashed at a time.
///
/// The costs are Argon2id's (RFC 9106), with OWASP's recommendation as defaults: 19 MiB, 2 passes, 1 lane. Passwords
/// are stored with the costs they were hashed with; when those are lower than these, the next login hashes anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Memory of one hash in KiB. Default 19456, which is 19 MiB. At least 8, and 8 for each lane.
    pub memory: u32,
    /// Passes over the memory. Default 2, at least 1.
    pub passes: u32,
    /// Lanes of the hash, worked on one after the other. Default 1, at least 1.
    pub lanes: u32,
    /// Threads that hash; all the memory ever taken is this many times [`Hashing::memory`]. Default half of the cores,
    /// so that logins leave the game its time; at least 1.
    pub threads: usize,
    /// How many operations with a password may wait or be worked on at a time; more are
    /// [busy](crate::AccountError::Busy) at once. Default 128: at 16 to 32 ms a hash, one thread answers the last of them
    /// after 2 to 4 s, before its request times out. At least 1.
    pub queue: usize,
}

impl Default for Hashing {
    fn default() -> Self {
        let threads = available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Self { memory: 19 * 1024, passes: 2, lanes: 1, threads, queue: 128 }
    }
}

/// How failed logins lock a name.
///
/// It is by name, whether an account has it or not, so that nobody learns from it which names there are. It costs
/// somebody else's attempts too: who can reach the login can keep a name locked. Limit the attempts of an address
/// before, and [switch this off](AccountSettings::lockout) if guesses are the lesser evil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Wrong passwords in a row that lock the name. Default 10: more than a person errs. At least 1.
    pub after: u32,
    /// How long the first lock lasts; each wrong password after it doubles it. Default 30 s.
    pub first: Duration,
    /// The longest a lock becomes. Default 15 minutes, which leaves a guesser 96 attempts a day.
    pub longest: Duration,
    /// After this long without a wrong password and without a lock all is forgotten. Default 15 minutes.
    pub forget: Duration,
    /// How many names are remembered, the latest. Default 10,000: 2 MiB at most. Who wants one forgotten has
    /// to fail so often for others, a hash each.
    pub names: usize,
}

impl Default for Lockout {
    fn default() -> Self {
        let quarter = Duration::from_secs(15 * 60);
        Self { after: 10, first: Duration::from_secs(30), longest: quarter, forget: quarter, names: 10_000 }
    }
}
