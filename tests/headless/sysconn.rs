//! The Erlang connector of the built-in configuration, and that of `assets/accounts.toml`, through a WebSocket client that
//! knows nothing of us.

use crate::{configuration::mistake_in, running::Running};
use portcullis::{
    demo::roles::{Action, Echo},
    sysconn::{
        prost::Message,
        wire::{
            Request, Response, Size, Status, commands, errors,
            messages::{Empty, LoginAccount, LoginAnswer, Reconnect},
        },
    },
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};
use tungstenite::{Error, Message as Frame, WebSocket, client, protocol::frame::coding::CloseCode};

pub struct Client {
    socket: WebSocket<TcpStream>,
    flag: u32,
}

/// What came: an error, or a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    pub error: u16,
    pub flag: u32,
    pub command: u16,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(server: &Running) -> Self {
        Self::connect_to(server.address("sysconn"), server.connect("sysconn"))
    }

    fn connect_to(address: SocketAddr, socket: TcpStream) -> Self {
        let (socket, _) = client(format!("ws://{address}/"), socket).unwrap();
        Self { socket, flag: 0 }
    }

    /// Asks, and gives what comes next, which must be the answer.
    pub fn ask(&mut self, command: u16, body: &impl Message) -> Heard {
        self.send(command, body);
        let heard = self.next();
        assert_eq!((heard.flag, heard.command), (self.flag, command), "{heard:?}");
        heard
    }

    fn send(&mut self, command: u16, body: &impl Message) {
        self.flag += 1;
        let (flag, body, mut message) = (self.flag, body.encode_to_vec(), Vec::new());
        Request { status: Status::Raw, flag, command, body: &body, size: Size::Exact }.write(&mut message);
        self.socket.send(Frame::binary(message)).unwrap();
    }

    pub fn log_in(&mut self, account: &str) -> LoginAnswer {
        let heard = self.ask(commands::LOGIN, &LoginAccount { account: Some(account.to_owned()) });
        heard.login()
    }

    /// Reads what there still is, and tells whether the server has ended it then.
    fn is_ended(&mut self) -> bool {
        loop {
            match self.socket.read() {
                Ok(Frame::Binary(_)) => {}
                Ok(frame) => return frame.is_close(),
                Err(Error::Io(error)) => return error.kind() == ErrorKind::ConnectionReset,
                Err(_) => return true,
            }
        }
    }

    fn next(&mut self) -> Heard {
        let frame = self.socket.read().unwrap();
        let Frame::Binary(bytes) = &frame else { panic!("{frame:?}") };
        let Response { error, flag, command, body } = Response::read(bytes).unwrap();
        Heard { error, flag, command, body: body.to_vec() }
    }
}

impl Heard {
    #[track_caller]
    pub fn login(&self) -> LoginAnswer {
        assert_eq!(self.error, 0, "{self:?}");
        LoginAnswer::decode(&*self.body).unwrap()
    }
}

#[test]
fn a_role_logs_in_plays_is_refused_drops_and_comes_back_by_its_secret() {
    for driver in ["inline", "thread"] {
        let server = Running::start(&[("PORTCULLIS_NET_DRIVER", driver)]);
        let mut client = Client::connect(&server);
        assert_eq!(client.ask(commands::HEARTBEAT, &Empty {}).body, b"", "before the login too");
        let LoginAnswer { info, id } = client.log_in("ann");
        assert_eq!((info.regist, info.openid.as_str(), info.coin), (Some(1), "ann", 100));
        let echo = Echo { bytes: Some(b"\0hello\xff".to_vec()) };
        assert_eq!(client.ask(1190, &echo).body, echo.encode_to_vec());
        assert_eq!(client.ask(commands::HEARTBEAT, &Empty {}).body, b"");
        let refused = client.ask(1137, &Empty {});
        assert_eq!((refused.error, &*refused.body), (28, &b""[..]));
        // Not even a close frame: the line is gone.
        drop(client);

        let mut client = Client::connect(&server);
        let wrong = Reconnect { role_id: Some(info.role_id), id: Some(id ^ 1) };
        assert_eq!(client.ask(commands::RECONNECT, &wrong).error, errors::SECRET);
        let right = Reconnect { role_id: Some(info.role_id), id: Some(id) };
        let again = client.ask(commands::RECONNECT, &right).login();
        assert_eq!((again.info.role_id, again.info.regist, again.id), (info.role_id, None, id));
        assert_eq!(client.ask(1190, &echo).body, echo.encode_to_vec());
    }
}

#[test]
fn who_logs_in_elsewhere_is_told_so_at_the_old_place() {
    let server = Running::start(&[]);
    let mut old = Client::connect(&server);
    let first = old.log_in("ann");
    let second = Client::connect(&server).log_in("ann");
    assert_eq!((second.info.role_id, second.id), (first.info.role_id, first.id));
    let kicked = old.next();
    assert_eq!((kicked.command, kicked.flag, &*kicked.body), (commands::KICK, 0, &b"\x08\x0b"[..]));
    let close = old.socket.read().unwrap();
    let Frame::Close(Some(close)) = close else { panic!("{close:?}") };
    assert_eq!(close.code, CloseCode::Library(4011));
}

#[test]
fn a_role_that_nobody_came_back_to_has_another_secret() {
    let server = Running::start(&[
        ("PORTCULLIS_LISTENER_SYSCONN_SESSION_LINGER_SECONDS", "0.001"),
        ("PORTCULLIS_SERVER_TICK_RATE", "1000"),
    ]);
    let mut bystander = Client::connect(&server);
    let LoginAnswer { info, id } = Client::connect(&server).log_in("ann");
    // Whoever is quick takes his own place, before the server has seen that he was gone.
    let old = Reconnect { role_id: Some(info.role_id), id: Some(id) };
    let mut is_gone = || {
        for _ in 0..100 {
            bystander.ask(commands::HEARTBEAT, &Empty {});
        }
        Client::connect(&server).ask(commands::RECONNECT, &old).error == errors::SECRET
    };
    assert!((0..1000).any(|_| is_gone()), "it lingers");
    let again = Client::connect(&server).log_in("ann");
    assert_eq!((again.info.role_id, again.info.regist), (info.role_id, None));
    assert_ne!(again.id, id);
}

#[test]
fn the_settings_of_the_connector_are_those_of_its_listener() {
    let ends = |variable: &str, value: &str, client: &mut dyn FnMut(&mut Client)| {
        let server = Running::start(&[(&format!("PORTCULLIS_LISTENER_SYSCONN_{variable}"), value)]);
        let mut connection = Client::connect(&server);
        client(&mut connection);
        assert!(connection.is_ended(), "{variable}");
    };
    ends("IDLE_SECONDS", "0.1", &mut |_| ());
    ends("LOGIN_DEADLINE_SECONDS", "0.1", &mut |_| ());
    ends("CLIENT_CHECK_SECONDS", "0.1", &mut |_| ());
    ends("BAD_REQUESTS", "1", &mut |client| {
        client.log_in("ann");
        assert_eq!(client.ask(9999, &Empty {}).error, errors::WRONG_OPERATION);
        client.send(9999, &Empty {});
    });
    ends("MAX_MESSAGE", "1000", &mut |client| {
        client.log_in("ann");
        let echo = Echo { bytes: Some(vec![7; 900]) };
        assert_eq!(client.ask(1190, &echo).body, echo.encode_to_vec());
        client.socket.send(Frame::binary(vec![0; 1001])).unwrap();
    });
}

#[test]
fn a_message_may_be_longer_than_a_frame_of_the_other_protocols() {
    let server = Running::start(&[]);
    let mut client = Client::connect(&server);
    client.log_in("ann");
    let echo = Echo { bytes: Some(vec![7; 200_000]) };
    assert_eq!(client.ask(1190, &echo).body, echo.encode_to_vec());
}

#[test]
fn a_game_that_is_not_ready_says_so_to_all_but_those_it_trusts() {
    let closed = [("PORTCULLIS_LISTENER_SYSCONN_GAME_READY", "false")];
    let server = Running::start(&closed);
    let mut socket = server.connect("sysconn");
    write!(socket, "GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");

    let trusted = ("PORTCULLIS_LISTENER_SYSCONN_TRUSTED", "127.0.0.0/8");
    Client::connect(&Running::start(&[closed[0], trusted])).log_in("ann");
}

#[test]
fn the_demo_keeps_so_many_roles_and_no_more() {
    let server = Running::start(&[("PORTCULLIS_DEMO_ROLES", "1")]);
    Client::connect(&server).log_in("ann");
    let bob = LoginAccount { account: Some("bob".to_owned()) };
    assert_eq!(Client::connect(&server).ask(commands::LOGIN, &bob).error, errors::BUSY);
    assert_eq!(Client::connect(&server).log_in("ann").info.regist, None);
}

#[test]
fn what_a_transaction_holds_is_told_together_or_not_at_all() {
    let server = Running::start(&[]);
    let mut client = Client::connect(&server);
    client.log_in("ann");
    let act = |text: &str| Action { text: Some(text.to_owned()) };
    assert_eq!(client.ask(1191, &act("bufclean")).body, act("cleaned").encode_to_vec());
    // An error overtakes what is held, and the answer is the last.
    client.send(1191, &act("bufflush"));
    let heard: Vec<_> = (0..5).map(|_| client.next()).map(|heard| (heard.command, heard.error)).collect();
    assert_eq!(heard, [(1137, 28), (1148, 0), (1148, 0), (1148, 0), (1191, 0)]);
}

#[test]
fn a_mistake_about_a_connector_is_named_with_what_mends_it() {
    const SYSCONN: &str = "[listener.a]\nprotocol = \"sysconn\"\naddress = \"127.0.0.1:0\"\n";
    const RAW: &str = "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\n";
    for (name, listener, line, place, mend) in [
        ("protocol", "", "[listener.a]\nprotocol = \"sysconnn\"", "a.protocol", "did you mean \"sysconn\"?"),
        (
            "key",
            SYSCONN,
            "game_redy = true",
            "line 4: listener.a.game_redy",
            "did you mean listener.a.game_ready?",
        ),
        ("check", SYSCONN, "client_check_seconds = -1", "client_check_seconds = -1", "0 or a number"),
        ("deadline", SYSCONN, "login_deadline_seconds = 90000", "login_deadline_seconds = 90000", "to 86400"),
        ("message", SYSCONN, "max_message = 0", "listener.a.max_message = 0", "a whole number from 1"),
        ("requests", SYSCONN, "bad_requests = -1", "listener.a.bad_requests = -1", "a whole number from 0"),
        ("ready", SYSCONN, "game_ready = \"no\"", "listener.a.game_ready = \"no\"", "true or false"),
        ("trusted", SYSCONN, "trusted = [\"me\"]", "listener.a.trusted[0] = \"me\"", "192.0.2.7"),
        ("tcp", SYSCONN, "accepts = \"tcp\"", "listener.a.accepts = \"tcp\"", "say \"websocket\""),
        ("both", SYSCONN, "accepts = \"both\"", "listener.a.accepts = \"both\"", "say \"websocket\""),
        ("beats", SYSCONN, "heartbeat_seconds = 5", "listener.a.heartbeat_seconds = 5", "set it to 0"),
        ("demo", SYSCONN, "serve = \"chat\"", "listener.a.serve = \"chat\"", "that demo speaks native"),
        ("roles", RAW, "serve = \"roles\"", "listener.a.serve = \"roles\"", "that demo speaks sysconn"),
        (
            "schema",
            SYSCONN,
            "dictionary = \"demo\"",
            "listener.a.dictionary",
            "nothing to the protocol sysconn",
        ),
        ("relogin", SYSCONN, "relogin = \"refuse\"", "listener.a.relogin", "nothing to the protocol sysconn"),
        // Its keys elsewhere.
        (
            "no_check",
            RAW,
            "client_check_seconds = 7",
            "client_check_seconds = 7",
            "nothing to the protocol raw",
        ),
        ("no_deadline", RAW, "login_deadline_seconds = 7", "login_deadline_seconds = 7", "take it out"),
        ("no_message", RAW, "max_message = 7", "listener.a.max_message = 7", "take it out"),
        ("no_requests", RAW, "bad_requests = 7", "listener.a.bad_requests = 7", "take it out"),
        ("no_ready", RAW, "game_ready = false", "listener.a.game_ready = false", "take it out"),
        ("no_trusted", RAW, "trusted = [\"10.0.0.0/8\"]", "listener.a.trusted", "take it out"),
        ("no_linger", RAW, "session_linger_seconds = 7", "session_linger_seconds = 7", "take it out"),
    ] {
        let said = mistake_in(&format!("sysconn_{name}.toml"), &format!("{listener}{line}\n"));
        assert!(said.contains(place) && said.contains(mend), "{place}, {mend} in {said}");
    }
}
