//! Who may log in.

use crate::server::{CHEAP, Folder, Server, cheap, in_file};
use portcullis_accounts::{AccountError, AccountSettings, Hashing, Lockout};
use rusqlite::Connection;
use std::{path::Path, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_wrong_password_and_an_unknown_name_are_the_same_error() {
    let mut server = Server::new(cheap());
    server.register("ann", "correct horse").unwrap();
    assert_eq!(server.verify("ann", "battery staple"), Err(AccountError::Wrong));
    assert_eq!(server.verify("ben", "battery staple"), Err(AccountError::Wrong));
}

#[test]
fn a_disabled_account_says_so_only_to_who_knows_its_password() {
    let mut server = Server::new(cheap());
    server.register("ann", "correct horse").unwrap();
    assert!(server.disable("ANN").unwrap().disabled);
    assert_eq!(server.verify("ann", "correct horse"), Err(AccountError::Disabled));
    assert_eq!(server.set_password("ann", "correct horse", "battery staple"), Err(AccountError::Disabled));
    assert_eq!(server.verify("ann", "battery staple"), Err(AccountError::Wrong));
    assert!(!server.enable("ann").unwrap().disabled);
    assert!(server.verify("ann", "correct horse").is_ok());
}

#[test]
fn no_login_succeeds_after_its_account_was_disabled() {
    let mut server = Server::new(cheap());
    server.register("ann", "correct horse").unwrap();
    let outcomes = server.all(9, |accounts, index, done| match index {
        4 => accounts.disable("ann", done),
        _ => accounts.verify("ann", "correct horse", done),
    });
    let disabled = outcomes.iter().position(|outcome| outcome.as_ref().is_ok_and(|account| account.disabled));
    let after = &outcomes[disabled.unwrap() + 1..];
    assert!(after.iter().all(|outcome| *outcome == Err(AccountError::Disabled)), "{outcomes:?}");
}

#[test]
fn a_new_password_takes_the_place_of_the_old_one() {
    let mut server = Server::new(cheap());
    let ann = server.register("ann", "correct horse").unwrap();
    assert_eq!(server.set_password("ann", "something else", "battery staple"), Err(AccountError::Wrong));
    assert_eq!(server.set_password("ben", "correct horse", "battery staple"), Err(AccountError::Wrong));
    assert_eq!(server.set_password("ann", "correct horse", "battery staple"), Ok(ann.clone()));
    assert_eq!(server.verify("ann", "correct horse"), Err(AccountError::Wrong));
    assert_eq!(server.verify("ann", "battery staple"), Ok(ann));
}

#[test]
fn of_two_new_passwords_at_once_one_is_set() {
    let mut server = Server::new(cheap());
    server.register("ann", "correct horse").unwrap();
    let outcomes = server.all(2, |accounts, index, done| {
        accounts.set_password("ann", "correct horse", format!("password {index}"), done);
    });
    let set = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let works = ["password 0", "password 1"].iter().filter(|new| server.verify("ann", new).is_ok()).count();
    assert_eq!((set, works), (1, 1));
}

#[test]
fn ten_wrong_passwords_lock_a_name_for_a_while_whether_it_has_an_account_or_not() {
    let mut server = Server::new(cheap());
    server.register("ann", "correct horse").unwrap();
    for name in ["ann", "nobody"] {
        for _ in 0..10 {
            assert_eq!(server.verify(name, "battery staple"), Err(AccountError::Wrong));
        }
        let locked = Err(AccountError::Locked { wait: 30 * SECOND });
        assert_eq!(server.verify(name, "battery staple"), locked);
        assert_eq!(server.set_password(name, "correct horse", "battery staple"), locked);
    }
    assert_eq!(server.verify("Ann", "correct horse"), Err(AccountError::Locked { wait: 30 * SECOND }));
    server.advance(29 * SECOND);
    assert_eq!(server.verify("ann", "correct horse"), Err(AccountError::Locked { wait: SECOND }));
    server.advance(SECOND);
    assert!(server.verify("ann", "correct horse").is_ok());
    // And all is forgotten.
    assert_eq!(server.verify("ann", "battery staple"), Err(AccountError::Wrong));
    assert!(server.verify("ann", "correct horse").is_ok());
}

#[test]
fn guesses_made_at_once_are_no_more_than_lock_a_name() {
    let mut server = Server::new(cheap());
    server.register("ann", "correct horse").unwrap();
    let outcomes =
        server.all(100, |accounts, index, done| accounts.verify("ann", format!("guess {index}"), done));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(AccountError::Wrong)).count(), 10);
}

#[test]
fn without_a_lock_out_nobody_is_locked_out() {
    let mut server = Server::new(AccountSettings { lockout: None, ..cheap() });
    server.register("ann", "correct horse").unwrap();
    for _ in 0..3 * Lockout::default().after {
        assert_eq!(server.verify("ann", "battery staple"), Err(AccountError::Wrong));
    }
    assert!(server.verify("ann", "correct horse").is_ok());
}

#[test]
fn a_login_renews_a_hash_of_lower_costs() {
    let folder = Folder::new("renewed");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    server.register("ann", "correct horse").unwrap();
    drop(server);
    assert!(stored(&path).contains("m=64,t=1"));

    let hashing = Hashing { memory: 128, passes: 2, ..CHEAP };
    let mut server = Server::new(AccountSettings { hashing, ..in_file(&path) });
    assert_eq!(server.verify("ann", "battery staple"), Err(AccountError::Wrong));
    assert!(stored(&path).contains("m=64,t=1"));
    assert!(server.verify("ann", "correct horse").is_ok());
    let renewed = stored(&path);
    assert!(renewed.contains("m=128,t=2"), "{renewed}");
    assert!(server.verify("ann", "correct horse").is_ok());
    assert_eq!(stored(&path), renewed);
}

#[test]
fn logins_at_once_that_renew_one_hash_all_succeed() {
    let folder = Folder::new("renewed-at-once");
    let path = folder.file("accounts.db");
    Server::new(in_file(&path)).register("ann", "correct horse").unwrap();
    let hashing = Hashing { memory: 128, ..CHEAP };
    let mut server = Server::new(AccountSettings { hashing, ..in_file(&path) });
    let outcomes = server.all(8, |accounts, _, done| accounts.verify("ann", "correct horse", done));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[test]
fn a_stored_password_that_is_damaged_is_an_error_and_others_log_in() {
    let folder = Folder::new("damaged");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    server.register("ann", "correct horse").unwrap();
    server.register("ben", "correct horse").unwrap();
    Connection::open(&path)
        .unwrap()
        .execute("UPDATE accounts SET password = 'x' WHERE name = 'ann'", ())
        .unwrap();
    assert_eq!(server.verify("ann", "correct horse"), Err(AccountError::Store));
    assert!(server.verify("ben", "correct horse").is_ok());
}

fn stored(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row("SELECT password FROM accounts", (), |row| row.get(0)).unwrap()
}
