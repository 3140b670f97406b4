//! Who has an account.

use crate::server::{Server, cheap};
use portcullis_accounts::{AccountError, AccountSettings, BadName};

#[test]
fn an_account_keeps_the_spelling_of_its_name_and_is_found_in_any_case() {
    let mut server = Server::new(cheap());
    let ann = server.register("Ann", "correct horse").unwrap();
    assert_eq!((ann.id, ann.name.as_str(), ann.disabled), (1, "Ann", false));
    assert!(ann.created_at > 1_700_000_000);
    assert_eq!(server.find("aNN"), Ok(Some(ann.clone())));
    assert_eq!(server.verify("ANN", "correct horse"), Ok(ann));
    assert_eq!(server.find("ben"), Ok(None));
}

#[test]
fn of_registrations_of_one_name_at_once_one_succeeds() {
    let mut server = Server::new(cheap());
    let outcomes = server.all(20, |accounts, index, done| {
        accounts.register(["ann", "Ann"][index % 2], format!("password of {index}"), done);
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(AccountError::Taken)).count(), 19);
}

#[test]
fn names_and_passwords_that_cannot_be_are_refused() {
    let mut server = Server::new(AccountSettings { password: 8..=20, ..cheap() });
    assert_eq!(server.register(" ann", "correct horse"), Err(AccountError::BadName(BadName::Padded)));
    assert_eq!(server.verify("", "correct horse"), Err(AccountError::BadName(BadName::Length)));
    assert_eq!(server.find("a\tn"), Err(AccountError::BadName(BadName::Control)));
    let bad = Err(AccountError::BadPassword { least: 8, most: 20 });
    assert_eq!(server.register("ann", "seven.."), bad);
    assert_eq!(server.register("ann", &"x".repeat(21)), bad);
    server.register("ann", "eight...").unwrap();
    assert_eq!(server.set_password("ann", "eight...", "seven.."), bad);
    let most = 1024;
    assert_eq!(
        server.verify("ann", &"x".repeat(most + 1)),
        Err(AccountError::BadPassword { least: 0, most })
    );
    assert_eq!(server.verify("ann", &"x".repeat(most)), Err(AccountError::Wrong));
}

#[test]
fn a_name_with_marks_of_sql_in_it_is_a_name() {
    let mut server = Server::new(cheap());
    let name = "'; DROP TABLE accounts; --";
    server.register(name, "correct horse").unwrap();
    assert_eq!(server.find(name).unwrap().unwrap().name, name);
    assert_eq!(server.find("%"), Ok(None));
}

#[test]
fn an_account_that_was_removed_is_unknown_and_its_name_is_free() {
    let mut server = Server::new(cheap());
    let first = server.register("ann", "correct horse").unwrap();
    assert_eq!(server.remove("Ann"), Ok(first.clone()));
    assert_eq!(server.verify("ann", "correct horse"), Err(AccountError::Wrong));
    for outcome in [server.remove("ann"), server.disable("ann"), server.enable("ann")] {
        assert_eq!(outcome, Err(AccountError::Unknown));
    }
    let second = server.register("ann", "battery staple").unwrap();
    assert!(second.id > first.id);
}
