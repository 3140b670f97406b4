//! `assets/skynet-login.toml`, through a client that does what skynet's own `examples/login/client.lua` does.

use crate::running::{Running, connect, portcullis};
use portcullis::skynet::{
    login::wire::{Client, Status, Token},
    msgserver::wire::{Answer, Handshake, Reply, Request, Response, Username, read_frame},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

fn start(variables: &[(&str, &str)]) -> Running {
    let mut command = portcullis();
    command.args(["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/assets/skynet-login.toml")]);
    for listener in ["LOGIN", "SAMPLE"] {
        command.env(format!("PORTCULLIS_LISTENER_{listener}_ADDRESS"), "127.0.0.1:0");
    }
    command.env("PORTCULLIS_LOG_LEVEL", "warn").envs(variables.iter().copied());
    Running::run(command, 2)
}

/// A user who is logged in.
struct User {
    name: Username,
    secret: [u8; 8],
    index: i64,
}

/// Lines 1 to 6.
fn log_in(server: &Running, user: &str, at: &str, password: &str) -> Result<User, Status> {
    let mut socket = server.connect("login");
    let mut lines =
        BufReader::new(socket.try_clone().unwrap()).lines().map(|line| line.unwrap().into_bytes());
    let mut out = Vec::new();
    let client = Client::new(*b"a secret").challenge(&lines.next().unwrap(), &mut out).unwrap();
    socket.write_all(&out).unwrap();
    out.clear();
    let token = Token { user: user.into(), server: at.into(), password: password.as_bytes().to_vec().into() };
    let secret = client.prove(&lines.next().unwrap(), &token.encode(), &mut out).unwrap();
    socket.write_all(&out).unwrap();
    let status = Status::parse(&lines.next().unwrap()).unwrap();
    assert_eq!(lines.next(), None, "the connection ends after the last line");
    let Status::Ok(subid) = status else { return Err(status) };
    let subid = String::from_utf8(subid).unwrap().parse().unwrap();
    let name = Username { uid: user.to_owned(), server: at.to_owned(), subid };
    Ok(User { name, secret: *secret, index: 0 })
}

fn log_in_well(server: &Running, user: &str) -> User {
    log_in(server, user, "sample", "password").unwrap()
}

/// One connection of a user to the game server.
struct Game {
    socket: TcpStream,
    received: Vec<u8>,
}

impl User {
    /// The next connection, and what became of its handshake.
    fn connect(&mut self, server: &Running) -> (Game, Reply) {
        self.index += 1;
        let mut game = Game { socket: connect(server.address("sample")), received: Vec::new() };
        let mut out = Vec::new();
        Handshake::write(&self.name.encode(), self.index, &self.secret, &mut out).unwrap();
        game.socket.write_all(&out).unwrap();
        let reply = Reply::parse(&game.frame().unwrap()).unwrap();
        (game, reply)
    }

    fn connect_well(&mut self, server: &Running) -> Game {
        let (game, reply) = self.connect(server);
        assert_eq!(reply, Reply::Ok);
        game
    }
}

impl Game {
    fn request(&mut self, session: u32, content: &str) {
        let mut out = Vec::new();
        Request { content: content.as_bytes(), session }.write(&mut out).unwrap();
        self.socket.write_all(&out).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, session: u32, content: &str) {
        let frame = self.frame().expect("an answer, and not the end");
        let response = Response::parse(&frame).unwrap();
        assert_eq!(response, Response { answer: Answer::Done(content.as_bytes()), session });
    }

    /// The next frame; none at the end of the stream.
    fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((frame, rest)) = read_frame(&self.received) {
                let (frame, rest) = (frame.to_vec(), rest.to_vec());
                self.received = rest;
                return Some(frame);
            }
            let mut bytes = [0; 1024];
            match self.socket.read(&mut bytes).unwrap() {
                0 => return None,
                read => self.received.extend_from_slice(&bytes[..read]),
            }
        }
    }
}

#[test]
fn the_script_of_skynets_own_client_runs_to_its_end() {
    for driver in ["inline", "thread"] {
        let server = start(&[("PORTCULLIS_NET_DRIVER", driver)]);
        for subid in 1..=3 {
            let mut user = log_in_well(&server, "hello");
            assert_eq!(user.name.subid, subid, "each login is another session");
            let mut game = user.connect_well(&server);
            game.request(0, "echo");
            // The answer is not waited for.
            drop(game);
            let mut game = user.connect_well(&server);
            game.request(0, "fake");
            game.request(1, "again");
            game.expect(0, "echo");
            game.expect(1, "again");
        }
        server.signal("-TERM");
        assert_eq!(server.end(), Some(0));
    }
}

#[test]
fn what_the_banner_says_to_try_is_answered() {
    let server = start(&[]);
    let mut answer = String::new();
    let mut login = server.connect("login");
    login.write_all(b"hello\n").unwrap();
    login.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("=\n401 Unauthorized\n"), "{answer}");
    answer.clear();
    let mut game = server.connect("sample");
    game.write_all(b"\0\x03x::").unwrap();
    game.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "\0\x12404 User Not Found");
}

#[test]
fn who_logs_in_wrongly_is_told_so() {
    let server = start(&[("PORTCULLIS_LISTENER_SAMPLE_SERVER", "other")]);
    assert_eq!(log_in(&server, "ann", "other", "passw0rd").err(), Some(Status::Unauthorized));
    assert_eq!(log_in(&server, &"a".repeat(65), "other", "password").err(), Some(Status::Unauthorized));
    assert_eq!(log_in(&server, "ann", "sample", "password").err(), Some(Status::Forbidden));
    assert!(log_in(&server, "ann", "other", "password").is_ok());
}

#[test]
fn a_later_login_ends_the_earlier_session() {
    let server = start(&[]);
    let mut earlier = log_in_well(&server, "ann");
    let mut game = earlier.connect_well(&server);
    let mut later = log_in_well(&server, "ann");
    assert_eq!(game.frame(), None, "its connection is closed");
    assert_eq!(earlier.connect(&server).1, Reply::UserNotFound);
    later.connect_well(&server);
}

#[test]
fn a_later_login_is_refused_where_that_is_asked_for() {
    let server = start(&[("PORTCULLIS_LISTENER_LOGIN_RELOGIN", "refuse")]);
    let mut earlier = log_in_well(&server, "ann");
    assert_eq!(log_in(&server, "ann", "sample", "password").err(), Some(Status::NotAcceptable));
    earlier.connect_well(&server);
}

#[test]
fn a_user_who_does_not_come_is_logged_out_when_the_session_has_lingered() {
    let server = start(&[
        ("PORTCULLIS_LISTENER_LOGIN_RELOGIN", "refuse"),
        ("PORTCULLIS_LISTENER_SAMPLE_SESSION_LINGER_SECONDS", "0.05"),
    ]);
    log_in_well(&server, "ann");
    let mut again = (0..10_000).map(|_| log_in(&server, "ann", "sample", "password"));
    assert!(again.any(|login| login.is_ok()), "the session stays");
}

#[test]
fn answers_are_kept_in_the_number_and_bytes_that_are_asked_for() {
    for (key, value, first, second) in [
        ("KEPT_BYTES", "262144", "one", "two"),
        // The latest always stays.
        ("KEPT_BYTES", "1", "new", "two"),
        ("EXPIRED_NUMBER", "0", "new", "new"),
    ] {
        let variable = format!("PORTCULLIS_LISTENER_SAMPLE_{key}");
        let server = start(&[(&variable, value)]);
        let mut user = log_in_well(&server, "ann");
        let mut game = user.connect_well(&server);
        for (session, content) in [(1, "one"), (2, "two")] {
            game.request(session, content);
            game.expect(session, content);
        }
        let mut game = user.connect_well(&server);
        for (session, content) in [(2, second), (1, first)] {
            game.request(session, "new");
            game.expect(session, content);
        }
    }
}

#[test]
fn a_second_connection_takes_the_place_of_the_first_or_is_refused() {
    let server = start(&[]);
    let mut user = log_in_well(&server, "ann");
    let (mut first, mut second) = (user.connect_well(&server), user.connect_well(&server));
    assert_eq!(first.frame(), None);
    second.request(1, "here");
    second.expect(1, "here");

    let server = start(&[("PORTCULLIS_LISTENER_SAMPLE_MULTI_LOGIN", "refuse")]);
    let mut user = log_in_well(&server, "ann");
    let mut first = user.connect_well(&server);
    assert_eq!(user.connect(&server).1, Reply::Unauthorized);
    first.request(1, "here");
    first.expect(1, "here");
}

#[test]
fn strangers_cannot_log_in_without_end() {
    let server = start(&[("PORTCULLIS_DEMO_LOGIN_USERS", "2")]);
    log_in_well(&server, "ann");
    log_in_well(&server, "bob");
    assert_eq!(log_in(&server, "eve", "sample", "password").err(), Some(Status::Unauthorized));
    log_in_well(&server, "ann");
}
