//! Listeners whose clients log in by accounts.

use crate::configuration::mistake_in;

const NATIVE: &str = "[listener.a]\nprotocol = \"native\"\naddress = \"127.0.0.1:0\"\nlogin = \"accounts\"\n";

#[cfg(feature = "accounts")]
mod served;

#[cfg(feature = "accounts")]
#[test]
fn a_mistake_about_accounts_is_named_with_what_mends_it() {
    const MEMORY: &str = "[accounts]\nregistration = true\n";
    let raw = NATIVE.replace("native", "raw");
    let without = NATIVE.replace("\"accounts\"", "\"none\"");
    let sysconn = NATIVE.replace("native", "sysconn").replace(".a]", ".b]");
    let roles = "[listener.c]\nprotocol = \"sysconn\"\naddress = \"127.0.0.1:0\"\nserve = \"roles\"\n";
    let connector =
        "[listener.b]\nprotocol = \"pomelo\"\naddress = \"127.0.0.1:0\"\nserve = \"connector\"\n".to_owned();
    for (name, text, place, mend) in [
        (
            "word",
            NATIVE.replace("\"accounts\"", "\"acounts\""),
            "listener.a.login",
            "did you mean \"accounts\"?",
        ),
        (
            "key",
            format!("[accounts]\nregistraton = true\n{NATIVE}"),
            "line 2: accounts.registraton",
            "did you mean accounts.registration?",
        ),
        (
            "ticket",
            format!("{MEMORY}ticket_seconds = 0.5\n{NATIVE}"),
            "accounts.ticket_seconds = 0.5",
            "a number from 1",
        ),
        (
            "linger",
            format!("{MEMORY}linger_seconds = -1\n{NATIVE}"),
            "accounts.linger_seconds = -1",
            "0 or a number",
        ),
        (
            "threads",
            format!("{MEMORY}hashing_threads = 65\n{NATIVE}"),
            "accounts.hashing_threads = 65",
            "from 0 to 64",
        ),
        // Nobody could ever log in.
        ("nobody", NATIVE.to_owned(), "accounts.registration = false", "name a file"),
        (
            "alone",
            format!("[accounts]\nfile = \"a.db\"\n{without}"),
            "accounts.file = \"a.db\"",
            "at a listener",
        ),
        ("open", format!("{MEMORY}{without}"), "accounts.registration = true", "take it out"),
        // Roles of accounts need accounts, and those must not be anybody's.
        (
            "roles_only",
            format!("{MEMORY}{sysconn}"),
            "accounts.file = \"\"",
            "add a listener with another protocol",
        ),
        (
            "anybodys_role",
            format!("{MEMORY}{NATIVE}{sysconn}{roles}"),
            "listener.c.serve = \"roles\"",
            "say login = \"accounts\" here too",
        ),
        ("raw", format!("{MEMORY}{raw}"), "listener.a.login = \"accounts\"", "nothing to the protocol raw"),
        (
            "anybody",
            format!("{MEMORY}{NATIVE}{connector}"),
            "listener.b.serve = \"connector\"",
            "in a server of its own",
        ),
    ] {
        let said = mistake_in(&format!("accounts_{name}.toml"), &text);
        assert!(said.contains(place) && said.contains(mend), "{place}, {mend} in {said}");
    }
}

#[cfg(feature = "accounts")]
#[test]
fn accounts_that_cannot_be_opened_are_named_before_anything_listens() {
    let foreign = crate::configuration::file(
        "accounts_foreign.db",
        "anything but a database, and longer than its head",
    );
    for (name, path, mend) in [
        ("nowhere", "/no/such/folder/accounts.db", "name a file in a directory that exists"),
        ("foreign", foreign.to_str().unwrap(), "name another file"),
    ] {
        let text = format!("[accounts]\nfile = {path:?}\n{NATIVE}");
        let said = mistake_in(&format!("accounts_{name}.toml"), &text);
        assert!(said.contains(&format!("line 2: accounts.file = {path:?}")) && said.contains(mend), "{said}");
    }
    assert!(std::fs::read_to_string(foreign).unwrap().starts_with("anything but"), "it is left alone");
}

#[cfg(not(feature = "accounts"))]
#[test]
fn a_server_without_accounts_says_so() {
    let said = mistake_in("accounts_missing.toml", &format!("[accounts]\nregistration = true\n{NATIVE}"));
    assert!(
        said.contains("listener.a.login = \"accounts\"") && said.contains("built without accounts"),
        "{said}"
    );
}
