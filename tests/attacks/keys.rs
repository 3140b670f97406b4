//! Who shows what is not his, or was good once.

use crate::{
    Client, House, Socket, attacks,
    client::{PASSWORD, sysconn_request},
    protocol::{Protocol::*, package},
    skynet::{PRIVATE, token},
};
use portcullis::{
    core::Cause,
    demo::chat::{ECHO, Echo},
    native::{
        ClientEvent, Credentials, Ticket,
        login::{LOGIN, REGISTER, RESUME},
    },
    skynet::{login::wire::Client as LoginClient, msgserver::wire::Handshake},
    sysconn::{
        prost::Message,
        wire::{
            Response,
            messages::{LoginAnswer, Reconnect},
        },
    },
};
use portcullis_testkit::Carrier;

/// A login of skynet's over a socket of one's own, in pieces of this many bytes: what was said, and the answer.
#[track_caller]
pub fn log_in_over(house: &mut House, socket: &mut Socket, token: &[u8], piece: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut said, mut all) = (Vec::new(), Vec::new());
    let challenge = socket.expect_line(house);
    let challenged = LoginClient::new(PRIVATE).challenge(challenge.trim_ascii_end(), &mut said).unwrap();
    for bytes in said.chunks(piece) {
        socket.push(bytes);
        house.server.step();
    }
    all.append(&mut said);
    let key = socket.expect_line(house);
    challenged.prove(key.trim_ascii_end(), token, &mut said).unwrap();
    for bytes in said.chunks(piece) {
        socket.push(bytes);
        house.server.step();
    }
    all.append(&mut said);
    let answer = socket.expect_line(house);
    (all, answer)
}

/// The answer to a login that comes byte by byte.
#[track_caller]
pub fn log_in_slowly(house: &mut House) -> Vec<u8> {
    let mut socket = Socket::connect(house, Login);
    let name = house.name();
    log_in_over(house, &mut socket, &token(&name, "sample"), 1).1
}

/// A stranger who has said hello.
#[track_caller]
fn stranger(house: &mut House) -> Client {
    let mut client = Client::connect(house, Native);
    let mut hello = Vec::new();
    client.codec.hello(&mut hello).unwrap();
    client.say(house, &hello);
    client.expect_event(house, "a welcome", |event| matches!(event, ClientEvent::Welcome { .. }));
    client
}

/// Asks without the codec's knowing that it is a login, and gives the answer's ticket, or why there is none.
#[track_caller]
fn ticket(
    house: &mut House,
    client: &mut Client,
    route: &str,
    body: &impl serde::Serialize,
) -> Result<Ticket, u16> {
    let mut out = Vec::new();
    let asked = client.codec.request(&mut out, route, body).unwrap();
    client.say(house, &out);
    let mut found = None;
    house.until("an answer to a login", |_| {
        for event in client.events_come() {
            match event {
                ClientEvent::Reply { id, body } if id == asked => found = Some(Ok(body.decode().unwrap())),
                ClientEvent::Refused { id, code, .. } if id == asked => found = Some(Err(code)),
                _ => {}
            }
        }
        found.is_some()
    });
    found.unwrap()
}

/// What the text comes back as, by this id.
#[track_caller]
fn echo(house: &mut House, client: &mut Client, id: u32, text: &str) -> String {
    let mut out = Vec::new();
    client.codec.request(&mut out, ECHO, &Echo { text: text.to_owned() }).unwrap();
    // The id stands behind the length and the kind.
    out[5..9].copy_from_slice(&id.to_le_bytes());
    client.say(house, &out);
    let mut found = None;
    house.until("an echo", |_| {
        for event in client.events_come() {
            if let ClientEvent::Reply { id: of, body } = event
                && of == id
            {
                found = Some(body.decode::<Echo>().unwrap().text);
            }
        }
        found.is_some()
    });
    found.unwrap()
}

/// The answer to a handshake with the msgserver.
#[track_caller]
fn msgserver(house: &mut House, user: &Client, index: i64, secret: &[u8; 8]) -> String {
    let (username, _) = user.user.clone().unwrap();
    let mut said = Vec::new();
    Handshake::write(&username.encode(), index, secret, &mut said).unwrap();
    let mut client = Client::connect(house, MsgServer);
    client.say(house, &said);
    let answer = String::from_utf8(client.expect(house, "an answer", |_| true)).unwrap();
    if answer != "200 OK" {
        client.expect_closed(house, Cause::Incompatible);
    }
    answer
}

/// Logs in by name, and gives what comes back by.
#[track_caller]
fn secret(house: &mut House, client: &mut Client) -> LoginAnswer {
    let name = client.name.clone();
    let body = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
    client.say(house, &sysconn_request(1, 1002, &body));
    let answer = client.expect(house, "a login", |frame| {
        Response::read(frame).is_ok_and(|answer| (answer.error, answer.command) == (0, 1002))
    });
    LoginAnswer::decode(Response::read(&answer).unwrap().body).unwrap()
}

/// The error that a reconnect is answered with.
#[track_caller]
fn reconnect(house: &mut House, role: u32, id: u32) -> u16 {
    let mut client = Client::connect(house, Sysconn);
    let body = Reconnect { role_id: Some(role), id: Some(id) }.encode_to_vec();
    client.say(house, &sysconn_request(1, 1003, &body));
    let answer = client
        .expect(house, "an answer", |frame| Response::read(frame).is_ok_and(|answer| answer.command == 1003));
    Response::read(&answer).unwrap().error
}

attacks! {
    fn replay(house) {
        // skynet's login: the challenge is another, and so is the server's key.
        let mut socket = Socket::connect(house, Login);
        let name = house.name();
        let (said, answer) = log_in_over(house, &mut socket, &token(&name, "sample"), usize::MAX);
        assert!(answer.starts_with(b"200 "), "{}", answer.escape_ascii());
        let mut again = Socket::connect(house, Login);
        again.send(house, &said);
        let answers: Vec<_> = (0..3).map(|_| again.expect_line(house)).collect();
        assert!(answers[2].starts_with(b"401 "), "{}", answers[2].escape_ascii());
        // A handshake with the msgserver: its index is used up, while its owner is there and when he has gone.
        let user = Client::enter(house, MsgServer);
        let (_, key) = user.user.clone().unwrap();
        assert_eq!(msgserver(house, &user, 1, &key), "403 Index Expired");
        // A ticket that was redeemed is void.
        let mut first = stranger(house);
        let credentials = Credentials::new(first.name.as_str(), PASSWORD);
        let overheard = ticket(house, &mut first, REGISTER, &credentials).unwrap();
        let mut back = stranger(house);
        let next = ticket(house, &mut back, RESUME, &overheard).unwrap();
        let mut back = stranger(house);
        ticket(house, &mut back, RESUME, &next).unwrap();
        let mut thief = stranger(house);
        assert_eq!(ticket(house, &mut thief, RESUME, &overheard).unwrap_err(), 401);
        assert_eq!(ticket(house, &mut thief, REGISTER, &credentials).unwrap_err(), 409);
        // The connector's secret is good for as long as its role is there, as in the original, and no longer.
        let mut role = Client::connect(house, Sysconn);
        let LoginAnswer { id, info, .. } = secret(house, &mut role);
        drop(role);
        house.pass(61);
        assert_eq!(reconnect(house, info.role_id, id), 10);
        // Pomelo's handshake has no secret: said twice over one connection it is not heard, over another it is another's.
        let mut client = Client::enter(house, Pomelo(Carrier::Tcp));
        client.say(house, &package(1, br#"{"sys":{"type":"a","version":"1"}}"#));
        client.ask(house);
    }

    fn stale_index(house) {
        let user = Client::enter(house, MsgServer);
        let (_, key) = user.user.clone().unwrap();
        assert_eq!(msgserver(house, &user, 9, &key), "200 OK");
        for stale in [9, 8, 1, 0, -1, i64::MIN] {
            assert_eq!(msgserver(house, &user, stale, &key), "403 Index Expired", "{stale}");
        }
        assert_eq!(msgserver(house, &user, 10, &key), "200 OK");
        // Ours: what an id was answered with, it is answered with again, and nothing is handled twice.
        let mut first = stranger(house);
        let credentials = Credentials::new(first.name.as_str(), PASSWORD);
        let mut shown = ticket(house, &mut first, REGISTER, &credentials).unwrap();
        assert_eq!(echo(house, &mut first, 100, "the first"), "the first");
        for _ in 0..3 {
            let mut back = stranger(house);
            shown = ticket(house, &mut back, RESUME, &shown).unwrap();
            assert_eq!(echo(house, &mut back, 100, "another"), "the first");
        }
    }

    fn wrong_token(house) {
        for (name, expected) in [("", b"401 "), ("nobody", b"401 ")] {
            let wrong = [token(name, "sample"), b"x".to_vec()].concat();
            let mut socket = Socket::connect(house, Login);
            let (_, answer) = log_in_over(house, &mut socket, &wrong, usize::MAX);
            assert!(answer.starts_with(expected), "{name:?}: {}", answer.escape_ascii());
        }
        let mut socket = Socket::connect(house, Login);
        let (_, answer) = log_in_over(house, &mut socket, &token("ann", "nosuch"), usize::MAX);
        assert!(answer.starts_with(b"403 "), "{}", answer.escape_ascii());
        let user = Client::enter(house, MsgServer);
        assert_eq!(msgserver(house, &user, 2, b"a guess!"), "401 Unauthorized");
        let mut thief = stranger(house);
        let guess = Ticket { token: "00".repeat(32), seconds: 600 };
        assert_eq!(ticket(house, &mut thief, RESUME, &guess).unwrap_err(), 401);
        assert_eq!(ticket(house, &mut thief, LOGIN, &Credentials::new("nobody", PASSWORD)).unwrap_err(), 401);
        let mut role = Client::connect(house, Sysconn);
        let LoginAnswer { id, info, .. } = secret(house, &mut role);
        for guess in [id ^ 1, 0, u32::MAX] {
            assert_eq!(reconnect(house, info.role_id, guess), 10);
        }
        role.ask(house);
        // Whom nobody knows: his bytes are of another protocol.
        let mut other = Client::connect(house, Native);
        other.say(house, &Native.frame(b"\x01\x01\x07\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08other"));
        other.expect_closed(house, Cause::Incompatible);
    }
}
