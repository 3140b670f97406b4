//! How the threads end.

use crate::server::{Folder, Server, cheap, in_file};
use portcullis_accounts::AccountStore;
use portcullis_core::Intake;
use rusqlite::Connection;

#[test]
fn the_store_closes_its_file_with_the_last_handle() {
    let folder = Folder::new("closed");
    let path = folder.file("accounts.db");
    let store = AccountStore::open(in_file(&path)).unwrap();
    let mut server = Server::over(store.clone());
    server.register("ann", "correct horse").unwrap();
    drop(server);
    // SQLite removes its log when the last connection to a file ends.
    assert!(folder.file("accounts.db-wal").exists());
    drop(store);
    assert!(!folder.file("accounts.db-wal").exists());
}

#[test]
fn a_server_ends_in_the_middle_of_a_flood() {
    let server = Server::new(cheap());
    let accounts = server.accounts();
    for index in 0..1000 {
        accounts.verify("ann", format!("guess {index}"), |_, _| {});
        accounts.find("ann", |_, _| {});
    }
    drop(accounts);
    drop(server);
}

#[test]
fn what_was_asked_before_the_end_is_written() {
    let folder = Folder::new("written");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    server.register("ann", "correct horse").unwrap();
    server.accounts().disable("ann", |_, _| {});
    drop(server);
    assert!(Server::new(in_file(&path)).find("ann").unwrap().unwrap().disabled);
}

/// Each write waits two seconds for the other program, so that without more ado this would take half an hour.
#[test]
fn a_server_ends_while_another_program_holds_the_file() {
    let folder = Folder::new("held");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    server.register("ann", "correct horse").unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..1000 {
        server.accounts().disable("ann", |_, _| {});
    }
    drop(server);
    drop(other);
    assert!(!Server::new(in_file(&path)).find("ann").unwrap().unwrap().disabled);
}

#[test]
fn a_closure_may_hold_the_last_handle() {
    for _ in 0..50 {
        let server = Server::new(cheap());
        let accounts = server.accounts();
        let held = [(); 3].map(|()| accounts.clone());
        // The world goes first: the closures are dropped by the threads that would have answered.
        let intake = server.0.world().resource::<Intake>().clone();
        drop(server);
        drop(intake);
        for (index, held) in held.into_iter().enumerate() {
            let done = move |_: &mut bevy_ecs::world::World, _| drop(held);
            accounts.verify(&format!("name {index}"), "correct horse", done);
        }
        drop(accounts);
    }
}
