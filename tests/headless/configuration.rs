//! What is wrong is said in one sentence, with the exit code 2; what is right is checked, printed, and read again.

use crate::running::portcullis;
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
};

/// A configuration file of this test's own.
pub fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Runs to the end, which must be the operator's mistake, and gives its one sentence.
#[track_caller]
fn mistake(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
    said
}

#[track_caller]
pub fn mistake_in(name: &str, text: &str) -> String {
    let path = file(name, text);
    let said = mistake(portcullis().arg("--config").arg(&path));
    assert!(said.contains(name), "it names the file: {said}");
    said
}

#[test]
fn a_wrong_key_is_named_with_the_one_that_was_meant() {
    let said = mistake_in("wrong_key.toml", "[net]\ndrivr = \"inline\"\n");
    assert!(said.contains("line 2: net.drivr = \"inline\" is no key: did you mean net.driver?"), "{said}");
    let said = mistake_in("wrong_section.toml", "[nets]\n");
    assert!(said.contains("nets") && said.contains("net"), "{said}");
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    for (name, text, parts) in [
        ("word.toml", "[net]\ndriver = \"fast\"\n", ["net.driver = \"fast\"", "\"inline\""]),
        ("number.toml", "[server]\ntick_rate = 0\n", ["server.tick_rate = 0", "a number from"]),
        ("kind.toml", "[log]\nlevel = 3\n", ["log.level = 3", "\"debug\""]),
        (
            "network.toml",
            "[gate]\n\ndeny = [\"10.0.0.0/8\", \"nowhere\"]\n",
            ["line 3: gate.deny[1] = \"nowhere\"", "192.0.2.7"],
        ),
        ("list.toml", "[[listener]]\nname = \"a\"\n", ["line 1: listener", "[listener.NAME]"]),
        ("toml.toml", "[net\n", ["line 1", "not TOML"]),
        ("empty.toml", "", ["listener", "[listener.NAME]"]),
        (
            "address.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"localhost\"\n",
            ["listener.a.address = \"localhost\"", "127.0.0.1:4000"],
        ),
        (
            "demo.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\nserve = \"chat\"\n",
            ["listener.a.serve = \"chat\"", "native"],
        ),
        (
            "schema.toml",
            "[listener.a]\nprotocol = \"skynet\"\naddress = \"127.0.0.1:0\"\nschema_c2s = \"/nowhere.sproto\"\n",
            ["listener.a.schema_c2s = \"/nowhere.sproto\"", "cannot be read"],
        ),
        (
            "dictionary.toml",
            "[listener.a]\nprotocol = \"pomelo\"\naddress = \"127.0.0.1:0\"\ndictionary = \"/nowhere.json\"\n",
            ["listener.a.dictionary = \"/nowhere.json\"", "\"demo\" for the demo's"],
        ),
        (
            "protos.toml",
            "[listener.a]\nprotocol = \"native\"\naddress = \"127.0.0.1:0\"\nserver_protos = \"demo\"\n",
            ["listener.a.server_protos = \"demo\"", "means nothing to the protocol native"],
        ),
        (
            "half_tls.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\ntls_certificate = \"c.pem\"\n",
            ["listener.a.tls_key", "is missing beside tls_certificate"],
        ),
        (
            "no_tls.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\ntls_certificate = \"/c.pem\"\ntls_key = \"/k.pem\"\n",
            ["listener.a.tls_certificate = \"/c.pem\"", "cannot be read"],
        ),
        (
            "proxies.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n",
            ["listener.a.proxies", "name the networks"],
        ),
        (
            "forwarded.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\nproxies = [\"10.0.0.0/8\"]\n",
            ["listener.a.proxies", "set proxy_protocol or forwarded_for too"],
        ),
        (
            "protocol.toml",
            "[listener.a]\nprotocol = \"skynet-logn\"\naddress = \"127.0.0.1:0\"\n",
            ["listener.a.protocol = \"skynet-logn\"", "did you mean \"skynet-login\"?"],
        ),
        (
            "msgagent.toml",
            "[listener.a]\nprotocol = \"skynet-login\"\naddress = \"127.0.0.1:0\"\nserve = \"msgagent\"\n",
            ["listener.a.serve = \"msgagent\"", "that demo speaks msgserver"],
        ),
    ] {
        let said = mistake_in(name, text);
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in {said}");
    }
}

#[test]
fn a_mistake_about_logins_is_named_with_what_is_allowed() {
    const LOGIN: &str = "[listener.a]\nprotocol = \"skynet-login\"\naddress = \"127.0.0.1:0\"\n";
    const GAME: &str = "[listener.a]\nprotocol = \"msgserver\"\naddress = \"127.0.0.1:0\"\n";
    const OTHER: &str = "[listener.b]\naddress = \"127.0.0.1:0\"\n";
    let second_login = format!("{OTHER}protocol = \"skynet-login\"\n");
    let second_game = format!("{OTHER}protocol = \"msgserver\"\n");
    for (name, listener, line, place, mend) in [
        (
            "relogn",
            LOGIN,
            "relogn = \"kick\"",
            "line 4: listener.a.relogn",
            "did you mean listener.a.relogin?",
        ),
        ("relogin", LOGIN, "relogin = \"refus\"", "listener.a.relogin", "did you mean \"refuse\"?"),
        ("within", LOGIN, "relogin_seconds = 0", "listener.a.relogin_seconds = 0", "a number from"),
        ("overlap", LOGIN, "multi_login = \"replace\"", "listener.a.multi_login", "\"refuse\" or \"allow\""),
        ("both", LOGIN, "accepts = \"both\"", "listener.a.accepts = \"both\"", "\"tcp\" or \"websocket\""),
        ("unnamed", GAME, "server = \"\"", "line 4: listener.a.server = \"\"", "give it a name"),
        ("linger", GAME, "session_linger_seconds = -1", "listener.a.session_linger_seconds", "0 or a number"),
        ("expired", GAME, "expired_number = -1", "listener.a.expired_number = -1", "a whole number from 0"),
        ("kept", GAME, "kept_bytes = 0", "listener.a.kept_bytes = 0", "a whole number from 1"),
        (
            "policy",
            LOGIN,
            &format!("{second_login}relogin = \"refuse\""),
            "listener.b.relogin",
            "listener.a says",
        ),
        ("names", GAME, &second_game, "listener.b.server = \"sample\"", "that of listener.a too"),
        // Keys of the other one.
        (
            "no_relogin",
            GAME,
            "relogin = \"refuse\"",
            "listener.a.relogin",
            "nothing to the protocol msgserver",
        ),
        ("no_within", GAME, "relogin_seconds = 7", "listener.a.relogin_seconds", "take it out"),
        ("no_server", LOGIN, "server = \"b\"", "listener.a.server", "nothing to the protocol skynet-login"),
        ("no_linger", LOGIN, "session_linger_seconds = 7", "session_linger_seconds = 7", "take it out"),
        ("no_expired", LOGIN, "expired_number = 7", "listener.a.expired_number = 7", "take it out"),
        ("no_kept", LOGIN, "kept_bytes = 7", "listener.a.kept_bytes = 7", "take it out"),
        ("no_heartbeat", GAME, "heartbeat_seconds = 5", "listener.a.heartbeat_seconds", "set it to 0"),
    ] {
        let said = mistake_in(&format!("logins_{name}.toml"), &format!("{listener}{line}\n"));
        assert!(said.contains(place) && said.contains(mend), "{place}, {mend} in {said}");
    }
}

#[test]
fn a_broken_schema_is_named_with_its_line() {
    let schema = file("broken.sproto", ".package {\n\ttype 0 : integer\n}\nget 1 {\n");
    let text = format!(
        "[listener.a]\nprotocol = \"skynet\"\naddress = \"127.0.0.1:0\"\nschema_c2s = {:?}\n",
        schema.display().to_string()
    );
    let said = mistake_in("broken.toml", &text);
    assert!(said.contains("listener.a.schema_c2s") && said.contains("broken.sproto"), "{said}");
    assert!(said.matches("line ").count() == 2, "of the configuration, and of the schema: {said}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let said = mistake(portcullis().args(["--config", "no/such/file.toml"]));
    assert!(said.contains("no/such/file.toml") && said.contains("cannot be read"), "{said}");
}

#[test]
fn a_wrong_variable_is_named() {
    let said = mistake(portcullis().env("PORTCULLIS_LOG_FORMATT", "json"));
    assert!(said.contains("PORTCULLIS_LOG_FORMATT") && said.contains("PORTCULLIS_LOG_FORMAT?"), "{said}");
    let said = mistake(portcullis().env("RUST_LOG", "portcullis_net=loud"));
    assert!(said.contains("RUST_LOG = \"portcullis_net=loud\"") && said.contains("log.filter"), "{said}");
    let said = mistake(portcullis().env("PORTCULLIS_GATE_MAX_CONNECTIONS", "many"));
    assert!(said.contains("PORTCULLIS_GATE_MAX_CONNECTIONS") && said.contains("\"many\""), "{said}");
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("[listener.game]\nprotocol = \"raw\"\naddress = \"{address}\"\n");
    let said = mistake_in("taken.toml", &text);
    let key = format!("listener.game.address = \"{address}\" is taken");
    assert!(said.contains(&key) && said.contains("choose another port"), "{said}");
}

#[test]
fn a_sound_configuration_is_checked_and_not_run() {
    let output = portcullis().arg("--check-config").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("OK"));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let print = |command: &mut Command| {
        let output = command.arg("--print-config").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first =
        print(portcullis().env("PORTCULLIS_LOG_FORMAT", "json").env("PORTCULLIS_SERVER_TICK_RATE", "7.5"));
    assert!(first.contains("format = \"json\"") && first.contains("tick_rate = 7.5"), "{first}");
    let path = file("printed.toml", &first);
    assert_eq!(print(portcullis().arg("--config").arg(path)), first);
    let first = print(
        portcullis()
            .env("PORTCULLIS_LISTENER_SYSCONN_CLIENT_CHECK_SECONDS", "0")
            .env("PORTCULLIS_LISTENER_SYSCONN_LOGIN_DEADLINE_SECONDS", "2.5")
            .env("PORTCULLIS_LISTENER_SYSCONN_GAME_READY", "false")
            .env("PORTCULLIS_LISTENER_SYSCONN_TRUSTED", "10.0.0.0/8, 192.0.2.7")
            .env("PORTCULLIS_DEMO_ROLES", "7"),
    );
    for line in [
        "client_check_seconds = 0",
        "login_deadline_seconds = 2.5",
        "session_linger_seconds = 60",
        "max_message = 524288",
        "bad_requests = 10",
        "game_ready = false",
        "trusted = [\"10.0.0.0/8\", \"192.0.2.7\"]",
        "roles = 7",
    ] {
        assert!(first.contains(&format!("\n{line}\n")), "{line} in {first}");
    }
    let path = file("printed_sysconn.toml", &first);
    assert_eq!(print(portcullis().arg("--config").arg(path)), first);
    let login = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/skynet-login.toml");
    let first = print(
        portcullis()
            .args(["--config", login])
            .env("PORTCULLIS_LISTENER_LOGIN_RELOGIN_SECONDS", "2.5")
            .env("PORTCULLIS_LISTENER_SAMPLE_KEPT_BYTES", "4096"),
    );
    assert!(first.contains("relogin_seconds = 2.5") && first.contains("kept_bytes = 4096"), "{first}");
    let path = file("printed_login.toml", &first);
    assert_eq!(print(portcullis().arg("--config").arg(path)), first);
    // In all builds: accounts that nobody uses are told of too.
    let first = print(
        portcullis()
            .env("PORTCULLIS_ACCOUNTS_TICKET_SECONDS", "7.5")
            .env("PORTCULLIS_ACCOUNTS_LINGER_SECONDS", "0")
            .env("PORTCULLIS_ACCOUNTS_HASHING_THREADS", "3"),
    );
    for line in [
        "file = \"\"",
        "registration = false",
        "ticket_seconds = 7.5",
        "linger_seconds = 0",
        "hashing_threads = 3",
        "login = \"none\"",
    ] {
        assert!(first.contains(&format!("\n{line}\n")), "{line} in {first}");
    }
}

#[test]
fn the_configuration_in_assets_says_everything_that_is_printed() {
    let assets = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/portcullis.toml")).unwrap();
    let printed = String::from_utf8(portcullis().arg("--print-config").output().unwrap().stdout).unwrap();
    for key in printed.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
        assert!(assets.contains(&format!("{key} ")), "{key} is not told of");
    }
}
