//! What can go wrong: for whoever asked, and for the operator when the database is opened.

use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// Why an operation on an account failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AccountError {
    /// No account has this name, or the password is another: nobody is told which.
    #[error("wrong name or password")]
    Wrong,
    /// The password was right, but the account is [disabled](crate::Accounts::disable).
    #[error("this account is disabled")]
    Disabled,
    /// Too many wrong passwords for this name; not even the right one is looked at. See [`Lockout`](crate::Lockout).
    #[error("too many failed logins: try again in {} s", wait.as_secs_f64().ceil())]
    Locked {
        /// How long it lasts yet.
        wait: Duration,
    },
    /// As much waits already as is allowed to. Nothing was done; it may be tried again in a moment.
    #[error("the account store is busy")]
    Busy,
    /// There is an account of this name, in this or another case.
    #[error("this name is taken")]
    Taken,
    /// No account has this name. Never the answer to a login: that is [`AccountError::Wrong`].
    #[error("no account has this name")]
    Unknown,
    /// No account can have this name.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// No account can have this password.
    #[error("a password has {least} to {most} bytes")]
    BadPassword {
        /// The shortest there may be, in bytes.
        least: usize,
        /// The longest, in bytes.
        most: usize,
    },
    /// The database or the hashing failed, or the server shuts down. The log tells the operator more.
    #[error("the account store has failed")]
    Store,
}

/// Why a name cannot be one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadName {
    /// Empty, or too long.
    #[error("a name has 1 to {} bytes", crate::MAX_NAME)]
    Length,
    /// White space before or after it, which nobody sees.
    #[error("a name does not begin or end with white space")]
    Padded,
    /// A line break, a zero byte or the like.
    #[error("a name has no control characters")]
    Control,
}

/// Why the store of accounts cannot be opened: one sentence for the operator, with what mends it.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The file cannot be made, or not be opened for writing.
    #[error(
        "the accounts in {} cannot be opened ({error}): name a file in a directory that exists, both writable for the server",
        path.display()
    )]
    Unopenable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// `SQLite` cannot work with the file: it is locked, damaged, read-only, the disk is full.
    #[error(
        "the accounts in {} cannot be used ({error}): see that no other program holds the file, that it may be written and the disk has room, or bring back a copy of it",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        error: rusqlite::Error,
    },
    /// The file is no database, or another program's; it was left as it is.
    #[error("{} holds something else than accounts: name another file, which is made if there is none", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of the server has written the database; it was left as it is.
    #[error(
        "the accounts in {} have version {found}, and this server knows versions up to {known}: run the newer server that wrote them, or bring back a copy from before",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// Argon2 cannot work with these costs.
    #[error(
        "passwords cannot be hashed with memory = {memory} KiB, passes = {passes}, lanes = {lanes} ({error}): the defaults are 19456, 2 and 1"
    )]
    Hashing {
        /// [`Hashing::memory`](crate::Hashing::memory).
        memory: u32,
        /// [`Hashing::passes`](crate::Hashing::passes).
        passes: u32,
        /// [`Hashing::lanes`](crate::Hashing::lanes).
        lanes: u32,
        /// What Argon2 said.
        error: argon2::Error,
    },
    /// The system gives no more threads.
    #[error(
        "the account store cannot have its threads ({0}): raise the limit of threads, or lower `threads` of its hashing"
    )]
    Threads(io::Error),
}
