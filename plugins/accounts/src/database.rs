//! The accounts in `SQLite`.

use crate::{
    Account, AccountError, AccountsError, Store,
    migrations::{migrate, unusable},
    name::Name,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row, TransactionBehavior};
use std::{
    fs::OpenOptions,
    io::{self, ErrorKind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long a write waits for another program that holds the file: a copy being made ends sooner.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(2);

/// The connection, which one thread owns.
pub(crate) struct Database {
    connection: Connection,
    /// Whether the last operation failed: the log tells of the first failure, for peers cause the next ones.
    failing: bool,
    /// Whether the server ends, and waits for us: then no write waits for another program.
    pub(crate) ending: Arc<AtomicBool>,
}

/// What is known before a password was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    /// A PHC string.
    pub(crate) password: String,
    /// Another one after each password that was set, and the same after a hash that was renewed.
    version: i64,
}

impl Database {
    pub(crate) fn open(store: &Store) -> Result<Self, AccountsError> {
        let path = match store {
            Store::Memory => Path::new(":memory:"),
            Store::File(path) => path,
        };
        let mut connection = match store {
            Store::Memory => Connection::open_in_memory(),
            Store::File(path) => {
                make(path).map_err(|error| AccountsError::Unopenable { path: path.clone(), error })?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                // A path is a path, whatever it begins with: `:memory:` and URIs, which SQLite reads also when it is not
                // told to, cannot begin so. One that is whole stays as it is.
                Connection::open_with_flags(Path::new(".").join(path), flags)
            }
        }
        .map_err(|error| unusable(path, error))?;
        let unusable = |error| unusable(path, error);
        connection.busy_timeout(WAIT_FOR_LOCK).map_err(unusable)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(unusable)?;
        migrate(&mut connection, path)?;
        // Only now that it is known to be ours. In memory it stays what it is.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(unusable)?;
        // What was answered is on the disk, even if the power fails: accounts are not written often.
        connection.pragma_update(None, "synchronous", "FULL").map_err(unusable)?;
        Ok(Self { connection, failing: false, ending: Arc::default() })
    }

    /// Makes an account; none if the name is taken.
    pub(crate) fn insert(&mut self, name: &Name, password: &str) -> Result<Option<Account>, AccountError> {
        self.write(
            "INSERT INTO accounts (name, password) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING
             RETURNING id, name, created_at, disabled",
            (name.as_str(), password),
            account,
        )
    }

    pub(crate) fn find(&mut self, name: &Name) -> Result<Option<Account>, AccountError> {
        let sql = "SELECT id, name, created_at, disabled FROM accounts WHERE name = ?1";
        self.read(sql, (name.as_str(),), account)
    }

    pub(crate) fn stored(&mut self, name: &Name) -> Result<Option<Stored>, AccountError> {
        let sql = "SELECT id, password, password_version FROM accounts
             WHERE name = ?1 AND password IS NOT NULL";
        self.read(sql, (name.as_str(),), |row| {
            Ok(Stored { id: row.get(0)?, password: row.get(1)?, version: row.get(2)? })
        })
    }

    /// The account as it is now, if this is its password still.
    pub(crate) fn current(&mut self, stored: &Stored) -> Result<Option<Account>, AccountError> {
        let sql =
            "SELECT id, name, created_at, disabled FROM accounts WHERE id = ?1 AND password_version = ?2";
        self.read(sql, (stored.id, stored.version), account)
    }

    /// Stores another hash of the same password; none if it is no longer the account's.
    pub(crate) fn renew(&mut self, stored: &Stored, hash: &str) -> Result<Option<Account>, AccountError> {
        self.write(
            "UPDATE accounts SET password = ?3 WHERE id = ?1 AND password_version = ?2
             RETURNING id, name, created_at, disabled",
            (stored.id, stored.version, hash),
            account,
        )
    }

    /// Stores the hash of another password; none if this one is no longer the account's.
    pub(crate) fn replace(&mut self, stored: &Stored, hash: &str) -> Result<Option<Account>, AccountError> {
        self.write(
            "UPDATE accounts SET password = ?3, password_version = password_version + 1
             WHERE id = ?1 AND password_version = ?2
             RETURNING id, name, created_at, disabled",
            (stored.id, stored.version, hash),
            account,
        )
    }

    pub(crate) fn set_disabled(
        &mut self,
        name: &Name,
        disabled: bool,
    ) -> Result<Option<Account>, AccountError> {
        self.write(
            "UPDATE accounts SET disabled = ?2 WHERE name = ?1 RETURNING id, name, created_at, disabled",
            (name.as_str(), disabled),
            account,
        )
    }

    pub(crate) fn remove(&mut self, name: &Name) -> Result<Option<Account>, AccountError> {
        let sql = "DELETE FROM accounts WHERE name = ?1 RETURNING id, name, created_at, disabled";
        self.write(sql, (name.as_str(),), account)
    }

    fn read<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, AccountError> {
        self.run(|connection| connection.prepare_cached(sql)?.query_row(params, map).optional())
    }

    /// In a transaction of its own: a statement that returns rows would swallow what goes wrong with its commit.
    fn write<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, AccountError> {
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let row = transaction.prepare_cached(sql)?.query_row(params, map).optional()?;
            transaction.commit()?;
            Ok(row)
        })
    }

    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, AccountError> {
        if self.ending.load(Ordering::Relaxed) {
            // Where this fails it waits as ever.
            let _ = self.connection.busy_timeout(Duration::ZERO);
        }
        let outcome = work(&mut self.connection);
        let failed = outcome.is_err();
        if let Err(error) = &outcome
            && !self.failing
        {
            tracing::error!("the accounts cannot be read or written until this is mended: {error}");
        } else if !failed && self.failing {
            tracing::info!("the accounts can be read and written again");
        }
        self.failing = failed;
        outcome.map_err(|_| AccountError::Store)
    }
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: row.get(0)?, name: row.get(1)?, created_at: row.get(2)?, disabled: row.get(3)? })
}

/// Makes the file if there is none, before `SQLite` does: it holds what others should not read.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            OpenOptions::new().read(true).write(true).open(path).map(drop)
        }
        made => made.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    #[test]
    fn a_full_disk_is_an_error_and_nothing_is_half_written() {
        let mut database = Database::open(&Store::Memory).unwrap();
        database.insert(&name("ann"), "hash").unwrap();
        let pages: i64 =
            database.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        database.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();

        assert_eq!(database.insert(&name("ben"), &"x".repeat(100_000)), Err(AccountError::Store));
        assert!(database.failing);
        assert_eq!(database.find(&name("ben")), Ok(None));

        database.connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
        assert!(database.insert(&name("ben"), "hash").unwrap().is_some());
        assert!(!database.failing);
    }

    #[test]
    fn a_file_that_another_program_holds_is_an_error() {
        let folder = crate::testing::Folder::new("held");
        let path = folder.file("accounts.db");
        let mut database = Database::open(&Store::File(path.clone())).unwrap();
        database.connection.busy_timeout(Duration::ZERO).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(database.insert(&name("ann"), "hash"), Err(AccountError::Store));
        assert_eq!(database.find(&name("ann")), Ok(None));
        other.execute_batch("ROLLBACK").unwrap();
        assert!(database.insert(&name("ann"), "hash").unwrap().is_some());
    }

    #[test]
    fn an_id_is_never_used_again() {
        let mut database = Database::open(&Store::Memory).unwrap();
        let first = database.insert(&name("ann"), "hash").unwrap().unwrap();
        assert_eq!(database.remove(&name("ANN")), Ok(Some(first.clone())));
        let second = database.insert(&name("ann"), "hash").unwrap().unwrap();
        assert!(second.id > first.id);
    }
}
