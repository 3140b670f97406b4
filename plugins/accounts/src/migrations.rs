//! The versions of the database, and how one becomes the next.

use crate::AccountsError;
use rusqlite::{Connection, Error, ErrorCode, Transaction, TransactionBehavior};
use std::path::Path;

/// Each step makes a database of the next version; `user_version` counts those that were made. Steps that were
/// released are never changed: a change of the schema is one more step.
///
/// Version 1: `password` is a PHC string, `password_version` counts how often another password was set. Password and name may be NULL, so that accounts which log in by something else
/// (a phone, another service) need no new table of accounts: they need one beside it that refers to this. Ids are never
/// used again, for games keep them.
const STEPS: &[&str] = &["
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT UNIQUE COLLATE NOCASE,
        password TEXT,
        password_version INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL DEFAULT (unixepoch()),
        disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))
    ) STRICT;
"];

/// In the file's header, so that no other program's database is taken for ours: `PcAc`.
const APPLICATION: i32 = i32::from_be_bytes(*b"PcAc");

/// Brings the database to the newest version, all of it or nothing.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), AccountsError> {
    apply(connection, STEPS, path)
}

fn apply(connection: &mut Connection, steps: &[&str], path: &Path) -> Result<(), AccountsError> {
    let unusable = |error| unusable(path, error);
    // At once for writing, so that of two servers that start one waits for the other.
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unusable)?;
    if !is_ours(&transaction).map_err(unusable)? {
        return Err(AccountsError::Foreign { path: path.to_owned() });
    }
    let found: i64 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unusable)?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let Some(missing) = usize::try_from(found).ok().and_then(|found| steps.get(found..)) else {
        return Err(AccountsError::Newer { path: path.to_owned(), found, known });
    };
    if missing.is_empty() {
        return Ok(());
    }
    missing.iter().try_for_each(|step| transaction.execute_batch(step)).map_err(unusable)?;
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(unusable)?;
    transaction.pragma_update(None, "user_version", known).map_err(unusable)?;
    transaction.commit().map_err(unusable)
}

/// Marked as ours, or empty.
fn is_ours(transaction: &Transaction<'_>) -> Result<bool, Error> {
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let objects: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(application == APPLICATION || (application == 0 && objects == 0))
}

pub(crate) fn unusable(path: &Path, error: Error) -> AccountsError {
    let path = path.to_owned();
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return AccountsError::Foreign { path };
    }
    AccountsError::Unusable { path, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_database_of_an_older_version_gets_the_steps_it_lacks() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Path::new("db")).unwrap();
        connection.execute("INSERT INTO accounts (name) VALUES ('ann')", ()).unwrap();
        let later = [STEPS, &["ALTER TABLE accounts ADD COLUMN phone TEXT"]].concat();
        apply(&mut connection, &later, Path::new("db")).unwrap();
        let phones: i64 = connection
            .query_row("SELECT count(*) FROM accounts WHERE phone IS NULL", (), |row| row.get(0))
            .unwrap();
        assert_eq!((phones, version(&connection)), (1, later.len() as i64));
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = [STEPS, &["CREATE TABLE more (id INTEGER) STRICT", "nonsense"]].concat();
        assert!(apply(&mut connection, &broken, Path::new("db")).is_err());
        let objects: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).unwrap();
        assert_eq!((objects, version(&connection)), (0, 0));
    }

    #[test]
    fn a_negative_version_is_nobodys() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", -1).unwrap();
        assert!(matches!(
            migrate(&mut connection, Path::new("db")),
            Err(AccountsError::Newer { found: -1, .. })
        ));
    }
}
