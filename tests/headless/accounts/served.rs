//! `assets/accounts.toml`, and others like it, through real clients.

use crate::{
    configuration::file,
    running::{Running, portcullis},
    sysconn,
};
use portcullis::{
    demo::chat::{ECHO, Echo, Heard, SAID, SAY, Said, Say, manifest},
    native::{
        ClientError, Credentials, Ticket,
        client::blocking::Client,
        login::{LOGIN, REGISTER, RESUME},
    },
    pomelo::wire::{message, zip},
    prelude::Refusal,
    sysconn::wire::{
        commands,
        messages::{LoginAccount, PhoneLogin},
    },
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

/// Where this test's accounts are, and are not yet.
fn accounts_file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    path
}

/// `assets/accounts.toml`, with accounts in this file, or in memory.
fn start(accounts: &str, variables: &[(&str, &str)]) -> Running {
    let mut command = portcullis();
    command
        .args(["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/assets/accounts.toml")])
        .env("PORTCULLIS_LISTENER_CHAT_ADDRESS", "127.0.0.1:0")
        .env("PORTCULLIS_LISTENER_SYSCONN_ADDRESS", "127.0.0.1:0")
        .env("PORTCULLIS_ACCOUNTS_FILE", accounts)
        .env("PORTCULLIS_LOG_LEVEL", "error")
        .envs(variables.iter().copied());
    Running::run(command, 2)
}

fn stranger(server: &Running) -> Client {
    Client::connect(server.address("chat"), &manifest().with_login()).unwrap()
}

fn ann() -> Credentials {
    Credentials::new("ann", "correct horse")
}

fn say(client: &mut Client) -> Result<Heard, ClientError> {
    client.request(SAY, &Say { name: "somebody else".into(), text: "hi".into() })
}

#[track_caller]
fn refused<T>(result: Result<T, ClientError>, code: u16) {
    match result {
        Err(error) => assert_eq!(error.code(), Some(code), "{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn an_account_outlives_the_server() {
    let path = accounts_file("accounts_outlive.db");
    let path = path.to_str().unwrap();
    let server = start(path, &[]);
    stranger(&server).register(&ann()).unwrap();
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));

    let server = start(path, &[("PORTCULLIS_ACCOUNTS_REGISTRATION", "false")]);
    refused(stranger(&server).log_in(&Credentials::new("ann", "battery staple")), Refusal::UNAUTHORIZED);
    refused(stranger(&server).log_in(&Credentials::new("bob", "correct horse")), Refusal::UNAUTHORIZED);
    refused(stranger(&server).register(&Credentials::new("bob", "correct horse")), Refusal::FORBIDDEN);
    let mut client = stranger(&server);
    client.log_in(&ann()).unwrap();
    let echo: Echo = client.request(ECHO, &Echo { text: "here again".into() }).unwrap();
    assert_eq!(echo.text, "here again");
    client.log_out().unwrap();
}

#[test]
fn a_restart_keeps_accounts_and_forgets_locks_and_tickets() {
    let path = accounts_file("accounts_restart.db");
    let path = path.to_str().unwrap();
    let server = start(path, &[]);
    let ticket: Ticket = stranger(&server).request(REGISTER, &ann()).unwrap();
    let mut guesser = stranger(&server);
    for _ in 0..10 {
        refused(guesser.log_in(&Credentials::new("ann", "battery staple")), Refusal::UNAUTHORIZED);
    }
    refused(stranger(&server).log_in(&ann()), Refusal::TOO_MANY);
    // Not even told to stop: what was answered is on the disk.
    drop(server);

    let server = start(path, &[]);
    refused(stranger(&server).request::<_, Ticket>(RESUME, &ticket), Refusal::UNAUTHORIZED);
    stranger(&server).log_in(&ann()).unwrap();
}

#[test]
fn accounts_in_memory_are_gone_with_the_server() {
    let server = start("", &[]);
    stranger(&server).register(&ann()).unwrap();
    refused(stranger(&server).register(&ann()), Refusal::CONFLICT);
    drop(server);
    stranger(&start("", &[])).register(&ann()).unwrap();
}

#[test]
fn who_has_not_logged_in_neither_speaks_nor_hears_and_who_has_speaks_under_his_name() {
    let server = start("", &[]);
    let mut silent = stranger(&server);
    refused(silent.request::<_, Echo>(ECHO, &Echo { text: "hello".into() }), Refusal::UNAUTHORIZED);
    refused(say(&mut silent), Refusal::UNAUTHORIZED);
    let mut client = stranger(&server);
    client.register(&ann()).unwrap();
    assert_eq!(say(&mut client).unwrap().by, 1, "nobody but who has logged in");
    let push = client.next_push(Duration::from_secs(20)).unwrap().unwrap();
    assert_eq!(&*push.route, SAID);
    assert_eq!(push.decode::<Said>().unwrap(), Said { name: "ann".into(), text: "hi".into() });
}

#[test]
fn who_does_not_log_in_in_time_is_shown_out() {
    let server = start("", &[("PORTCULLIS_LIMITS_LOGIN_SECONDS", "0.1")]);
    match stranger(&server).next_push(Duration::from_secs(20)) {
        Err(ClientError::Closed { cause, .. }) => assert_eq!(cause, "login_timeout"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ticket_is_good_for_as_long_as_is_said_and_a_session_waits_for_as_long() {
    let server = start("", &[("PORTCULLIS_ACCOUNTS_TICKET_SECONDS", "7.5")]);
    let mut first = stranger(&server);
    let ticket: Ticket = first.request(REGISTER, &ann()).unwrap();
    assert_eq!(ticket.seconds, 7);
    drop(first);
    let next: Ticket = stranger(&server).request(RESUME, &ticket).unwrap();
    assert_ne!(next.token, ticket.token);

    let server = start("", &[("PORTCULLIS_ACCOUNTS_LINGER_SECONDS", "0")]);
    let mut ticket: Ticket = stranger(&server).request(REGISTER, &ann()).unwrap();
    // Whoever is quick takes his own place, before the server has seen that he was gone.
    let mut waits_for_him = move || match stranger(&server).request(RESUME, &ticket) {
        Ok(next) => {
            ticket = next;
            true
        }
        Err(error) => {
            assert_eq!(error.code(), Some(Refusal::UNAUTHORIZED), "{error}");
            false
        }
    };
    assert!((0..1000).any(|_| !waits_for_him()), "the session waits");
}

#[test]
fn a_listener_without_a_login_offers_none() {
    let text = "[accounts]\nregistration = true\n\
         [listener.members]\nprotocol = \"native\"\naddress = \"127.0.0.1:0\"\nserve = \"chat\"\nlogin = \"accounts\"\n\
         [listener.guests]\nprotocol = \"native\"\naddress = \"127.0.0.1:0\"\nserve = \"chat\"\n\
         [listener.pitaya]\nprotocol = \"pomelo\"\naddress = \"127.0.0.1:0\"\n\
         [listener.pitaya_members]\nprotocol = \"pomelo\"\naddress = \"127.0.0.1:0\"\nlogin = \"accounts\"\n";
    let mut command = portcullis();
    command.arg("--config").arg(file("accounts_apart.toml", text)).env("PORTCULLIS_LOG_LEVEL", "error");
    let server = Running::run(command, 4);
    let connect_to = |listener, manifest| Client::connect(server.address(listener), &manifest);

    // Manifests differ, so that neither speaks with the other's clients.
    assert!(matches!(connect_to("guests", manifest().with_login()), Err(ClientError::Rejected(_))));
    assert!(matches!(connect_to("members", manifest()), Err(ClientError::Rejected(_))));
    let mut guest = connect_to("guests", manifest()).unwrap();
    connect_to("members", manifest().with_login()).unwrap().register(&ann()).unwrap();
    say(&mut guest).unwrap();

    let ann = json!({ "name": "ann", "password": "correct horse" });
    let mut pitaya = Pitaya::connect(server.connect("pitaya"));
    assert_eq!(pitaya.ask(LOGIN, &ann)["code"], "PIT-404");
    assert!(pitaya.ask(SAY, &json!({ "name": "ann", "text": "hi" }))["by"].is_u64(), "all else is served");
    let mut pitaya = Pitaya::connect(server.connect("pitaya_members"));
    assert_eq!(pitaya.ask(SAY, &json!({ "name": "ann", "text": "hi" }))["code"], "PIT-401");
    assert!(pitaya.ask(LOGIN, &ann)["token"].is_string());
}

#[test]
fn a_role_is_its_accounts_and_nobody_plays_it_without_the_password() {
    let path = accounts_file("accounts_roles.db");
    let path = path.to_str().unwrap();
    let server = start(path, &[]);
    stranger(&server).register(&Credentials::new("bob", "battery staple")).unwrap();
    stranger(&server).register(&ann()).unwrap();
    let phone = |password: &str| PhoneLogin { phone: Some("ann".into()), password: Some(password.into()) };
    let mut client = sysconn::Client::connect(&server);
    assert_eq!(client.ask(commands::PHONE_LOGIN, &phone("battery staple")).error, 31);
    let by_name = LoginAccount { account: Some("ann".into()) };
    assert_eq!(client.ask(commands::LOGIN, &by_name).error, 5, "a name is no proof");
    let first = client.ask(commands::PHONE_LOGIN, &phone("correct horse")).login();
    assert_eq!((first.info.role_id, first.info.phone.as_str()), (1_000_002, "ann"));
    assert_eq!(client.ask(1137, &LoginAccount::default()).error, 28, "the demo serves it");
    drop(server);

    let server = start(path, &[]);
    let again = sysconn::Client::connect(&server).ask(commands::PHONE_LOGIN, &phone("correct horse")).login();
    assert_eq!(again.info.role_id, first.info.role_id);
    assert_ne!(again.id, first.id);
}

/// A client of Pitaya's kind, which may ask for routes of two parts.
struct Pitaya {
    socket: TcpStream,
    id: u8,
}

impl Pitaya {
    fn connect(socket: TcpStream) -> Self {
        let mut client = Self { socket, id: 0 };
        let hello = json!({ "sys": { "platform": "test", "libVersion": "0.3.5", "clientVersion": "1.0" } });
        client.send(1, hello.to_string().as_bytes());
        let welcome: Value = serde_json::from_slice(&client.package(1)).unwrap();
        assert_eq!(welcome["code"], 200);
        client.send(2, b"");
        client
    }

    fn ask(&mut self, route: &str, body: &Value) -> Value {
        self.id += 1;
        let head = [&[0, self.id, route.len() as u8], route.as_bytes()].concat();
        self.send(4, &[&head, body.to_string().as_bytes()].concat());
        let answer = self.package(4);
        let answer = message::read(&answer).unwrap();
        assert_eq!(answer.id, u32::from(self.id));
        // Those that become shorter by it are compressed.
        let body =
            if answer.compressed { zip::inflate(answer.body, 4096).unwrap() } else { answer.body.to_vec() };
        serde_json::from_slice(&body).unwrap()
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let head = [&[kind], &(body.len() as u32).to_be_bytes()[1..]].concat();
        self.socket.write_all(&[&head, body].concat()).unwrap();
    }

    /// The next package of this kind.
    fn package(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let mut head = [0; 4];
            self.socket.read_exact(&mut head).unwrap();
            let mut body = vec![0; u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize];
            self.socket.read_exact(&mut body).unwrap();
            if head[0] == kind {
                return body;
            }
        }
    }
}
