//! What is in a file, and what is told of one that cannot be used.

use crate::server::{Folder, Server, cheap, in_file};
use bevy_app::App;
use portcullis_accounts::{AccountStore, AccountsError, AccountsPlugin, Hashing};
use portcullis_core::CorePlugin;
use rusqlite::Connection;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

fn refused(path: &Path) -> (AccountsError, String) {
    let error = AccountStore::open(in_file(path)).unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains(&path.display().to_string()), "{sentence}");
    assert!(!sentence.contains('\n'), "{sentence}");
    (error, sentence)
}

#[test]
fn accounts_in_a_file_are_there_after_it_is_opened_again() {
    let folder = Folder::new("again");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    let ann = server.register("ann", "correct horse").unwrap();
    server.register("ben", "battery staple").unwrap();
    let ben = server.disable("ben").unwrap();
    drop(server);

    let mut server = Server::new(in_file(&path));
    assert_eq!(server.verify("ann", "correct horse"), Ok(ann));
    assert_eq!(server.find("ben"), Ok(Some(ben)));
}

#[test]
fn what_was_answered_survives_a_crash() {
    let folder = Folder::new("crash");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    for index in 0..50 {
        server.register(&format!("name {index}"), "correct horse").unwrap();
        // What a server that dies now leaves behind: the file and its log.
        let left = folder.file(&format!("left-{index}.db"));
        fs::copy(&path, &left).unwrap();
        fs::copy(folder.file("accounts.db-wal"), folder.file(&format!("left-{index}.db-wal"))).unwrap();
        let mut next = Server::new(in_file(&left));
        assert_eq!(next.find(&format!("name {index}")).unwrap().map(|account| account.id), Some(index + 1));
    }
}

#[test]
fn a_log_that_was_cut_off_in_a_write_loses_that_write_alone() {
    let folder = Folder::new("cut");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    server.register("ann", "correct horse").unwrap();
    let before = fs::metadata(folder.file("accounts.db-wal")).unwrap().len();
    server.register("ben", "correct horse").unwrap();
    let log = fs::read(folder.file("accounts.db-wal")).unwrap();
    let cut = usize::try_from(before).unwrap() + 100;
    assert!(cut < log.len());
    fs::copy(&path, folder.file("left.db")).unwrap();
    fs::write(folder.file("left.db-wal"), &log[..cut]).unwrap();
    let mut next = Server::new(in_file(&folder.file("left.db")));
    assert!(next.verify("ann", "correct horse").is_ok());
    assert_eq!(next.find("ben"), Ok(None));
    assert!(next.register("ben", "battery staple").is_ok());
}

#[test]
fn accounts_in_memory_are_gone_with_their_store_and_not_with_the_world() {
    let store = AccountStore::open(cheap()).unwrap();
    let ann = Server::over(store.clone()).register("ann", "correct horse").unwrap();
    assert_eq!(Server::over(store).verify("ann", "correct horse"), Ok(ann));
    assert_eq!(Server::new(cheap()).find("ann"), Ok(None));
}

#[test]
fn two_servers_may_share_a_file() {
    let folder = Folder::new("shared");
    let path = folder.file("accounts.db");
    let (mut one, mut two) = (Server::new(in_file(&path)), Server::new(in_file(&path)));
    let ann = one.register("ann", "correct horse").unwrap();
    assert_eq!(two.verify("ann", "correct horse"), Ok(ann));
    two.remove("ann").unwrap();
    assert_eq!(one.find("ann"), Ok(None));
}

#[cfg(unix)]
#[test]
fn a_file_that_was_made_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("mode");
    let path = folder.file("accounts.db");
    let mut server = Server::new(in_file(&path));
    server.register("ann", "correct horse").unwrap();
    for file in ["accounts.db", "accounts.db-wal"] {
        assert_eq!(fs::metadata(folder.file(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let folder = Folder::new("newer");
    let path = folder.file("accounts.db");
    drop(AccountStore::open(in_file(&path)).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let (error, sentence) = refused(&path);
    assert!(matches!(error, AccountsError::Newer { found: 99, known: 1, .. }));
    assert!(sentence.contains("run the newer server"), "{sentence}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_file_is_left_alone() {
    let folder = Folder::new("foreign");
    let database = folder.file("game.db");
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE accounts (gold INTEGER)").unwrap();
    let text = folder.file("server.toml");
    fs::write(&text, "a server's settings, and no database at all\n".repeat(100)).unwrap();
    for path in [&database, &text] {
        let before = fs::read(path).unwrap();
        let (error, sentence) = refused(path);
        assert!(matches!(error, AccountsError::Foreign { .. }), "{sentence}");
        assert_eq!(fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_file_that_cannot_be_made_or_opened_is_told_in_one_sentence() {
    let folder = Folder::new("unopenable");
    for path in [folder.file("missing/accounts.db"), folder.file(""), Path::new("").to_owned()] {
        let (error, sentence) = refused(&path);
        assert!(matches!(error, AccountsError::Unopenable { .. }), "{sentence}");
    }
}

/// `SQLite` has names of its own for databases in memory, and reads URIs.
#[cfg(unix)]
#[test]
fn a_path_is_a_path_whatever_it_begins_with() {
    use std::{env, ffi::OsStr, os::unix::ffi::OsStrExt};

    let folder = Folder::new("paths, \u{fc}nicode # and %20");
    let whole = folder.file("a link");
    std::os::unix::fs::symlink(folder.file("accounts.db"), &whole).unwrap();
    drop(AccountStore::open(in_file(&folder.file("accounts.db"))).unwrap());
    // Nobody else here has a path that is not whole.
    env::set_current_dir(folder.file("")).unwrap();
    let not_text = OsStr::from_bytes(b"acc\xffounts");
    for path in [
        OsStr::new(":memory:"),
        OsStr::new("file:accounts?mode=memory"),
        OsStr::new("-wal"),
        not_text,
        whole.as_os_str(),
    ] {
        let path = Path::new(path);
        Server::new(in_file(path)).register("ann", "correct horse").unwrap();
        assert!(Server::new(in_file(path)).find("ann").unwrap().is_some(), "{path:?}");
        assert!(fs::metadata(path).unwrap().len() > 0, "{path:?}");
    }
}

#[test]
fn a_damaged_file_is_told_in_one_sentence() {
    let folder = Folder::new("damaged-file");
    let path = folder.file("accounts.db");
    drop(AccountStore::open(in_file(&path)).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let (error, sentence) = refused(&path);
    assert!(matches!(error, AccountsError::Unusable { .. }), "{sentence}");
}

#[test]
fn costs_that_cannot_be_are_told_before_a_file_is_made() {
    let folder = Folder::new("costs");
    let path = folder.file("accounts.db");
    let hashing = Hashing { memory: 0, ..Hashing::default() };
    let mut settings = in_file(&path);
    settings.hashing = hashing;
    assert!(matches!(AccountStore::open(settings), Err(AccountsError::Hashing { memory: 0, .. })));
    assert!(!path.exists());
}

#[test]
fn the_plain_plugin_panics_with_the_sentence() {
    let folder = Folder::new("plain");
    let path = folder.file("missing/accounts.db");
    let plugin = AccountsPlugin::new(in_file(&path));
    let built = catch_unwind(AssertUnwindSafe(|| {
        App::new().add_plugins((CorePlugin::default(), plugin));
    }));
    let said = built.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("name a file in a directory that exists"), "{said}");
}
