//! The recorded conversations of the Erlang connector, replayed against ours over the bytes of WebSocket.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod sysconn;

use portcullis::{
    core::{OutboxWriter, Traffic},
    prelude::FromWorld,
    sysconn::{
        prost::Message,
        wire::{
            Request, Response,
            messages::{LoginAccount, LoginAnswer},
        },
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport};
use sysconn::{
    Apart, Before, Client, Ours, Table,
    flow::{cases, described, flow, names},
    payload, replay, response,
    server::strict,
};

/// All conversations.
const FLOWS: [&str; 33] = [
    "bad_body",
    "bad_commands",
    "bad_empty_binary",
    "bad_ping",
    "bad_pong",
    "bad_reserved_opcode",
    "bad_short_message",
    "bad_text_frame",
    "close_frame",
    "compression",
    "datasize_quirks",
    "duplicate_login_kick",
    "echo_flag",
    "error_reply",
    "frames_odd_but_accepted",
    "handshake",
    "handshake_faults",
    "heartbeat",
    "large_126",
    "large_126_max",
    "large_127",
    "login",
    "login_known_account",
    "push_and_buffer",
    "reconnect",
    "reconnect_refused",
    "server_blacklists_online_role",
    "server_kick",
    "timer_fragmented",
    "timer_idle",
    "timer_oversize",
    "timer_unauthenticated",
    "timer_unmasked",
];
/// Messages without a conversation.
const CODECS: [&str; 2] = ["codec_client_to_server", "codec_server_to_client"];

const fn apart(
    file: &'static str,
    step: usize,
    weak_point: u8,
    why: &'static str,
    ours: &'static [Ours],
) -> Apart {
    Apart { file, step, weak_point, why, ours }
}

const TABLE: Table = Table {
    apart: &[
        apart("bad_commands", 1, 11, "the command is refused", &[Ours::Refused(5)]),
        apart("bad_commands", 3, 11, "the command is refused", &[Ours::Refused(5)]),
        apart("bad_commands", 5, 11, "the command is refused", &[Ours::Refused(5)]),
        apart("bad_commands", 7, 11, "the command is refused", &[Ours::Refused(5)]),
        apart("bad_commands", 9, 10, "no body of an unknown command is read", &[Ours::Hears(&[])]),
        apart("bad_commands", 17, 11, "no command costs the session", &[Ours::Refused(5)]),
        apart("bad_commands", 19, 11, "no command costs the session", &[Ours::Refused(5)]),
        apart("bad_commands", 21, 11, "no command costs the session", &[Ours::Refused(5)]),
        apart("bad_commands", 23, 11, "no command costs the session", &[Ours::Refused(5)]),
        apart("bad_ping", 1, 3, "a ping is answered", &[Ours::Hears(&["8a00"])]),
        apart("bad_pong", 1, 3, "a pong is passed over", &[Ours::Hears(&[])]),
        apart("close_frame", 1, 3, "a close is answered with its code", &[Ours::Closes(1000)]),
        apart("datasize_quirks", 7, 7, "so many bytes can only be a body", &[Ours::Echoed]),
        apart("error_reply", 11, 16, "each request is answered", &[Ours::Refused(1)]),
        apart(
            "frames_odd_but_accepted",
            1,
            2,
            "a fragment waits for the rest",
            &[Ours::Hears(&[]), Ours::Says(b"\x80\x80\x11\x22\x33\x44"), Ours::AsRecorded],
        ),
        apart("frames_odd_but_accepted", 3, 4, "RSV is nobody's", &[Ours::Closes(1002)]),
        apart("frames_odd_but_accepted", 11, 4, "clients have to mask", &[Ours::Closes(1002)]),
        apart(
            "handshake",
            3,
            1,
            "a browser that offers subprotocols wants one of them",
            &[Ours::UpgradedWith("Sec-WebSocket-Protocol: game")],
        ),
        apart("handshake_faults", 1, 1, "HTTP is answered", &[Ours::Http(0, "HTTP/1.1 426 ")]),
        apart("handshake_faults", 3, 1, "what is no HTTP is told so", &[Ours::Http(0, "HTTP/1.1 400 ")]),
        apart("handshake_faults", 5, 1, "names are of any case", &[Ours::Upgraded]),
        apart(
            "handshake_faults",
            7,
            1,
            "a request comes in as many pieces as it likes",
            &[
                Ours::Hears(&[]),
                Ours::Says(
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                ),
                Ours::Upgraded,
            ],
        ),
        apart(
            "handshake_faults",
            9,
            1,
            "a line is no request",
            &[Ours::Hears(&[]), Ours::Http(10_200, "HTTP/1.1 408 ")],
        ),
        apart("handshake_faults", 11, 1, "a key alone asks for nothing", &[Ours::Http(0, "HTTP/1.1 426 ")]),
        apart("timer_fragmented", 1, 2, "a fragment waits for the rest", &[Ours::Hears(&[])]),
        apart(
            "timer_fragmented",
            4,
            2,
            "fragments are one message, and what is behind them is read",
            &[
                Ours::Hears(&["820b000000000000000006044a", "820b000000000000000006044a"]),
                Ours::ClosesAfter(60_000, 1008),
            ],
        ),
        apart("timer_oversize", 1, 6, "the header tells it all", &[Ours::Closes(1009)]),
        apart("timer_unmasked", 1, 4, "clients have to mask", &[Ours::Closes(1002)]),
    ],
    codes: &[
        ("bad_body", 3, 1007),
        ("bad_commands", 11, 1007),
        ("bad_empty_binary", 1, 1002),
        ("bad_reserved_opcode", 1, 1002),
        ("bad_short_message", 1, 1002),
        ("bad_text_frame", 1, 1003),
        ("compression", 9, 1007),
        ("duplicate_login_kick", 5, 4011),
        ("reconnect", 10, 4011),
        ("server_blacklists_online_role", 2, 4045),
        ("server_kick", 2, 4011),
        ("timer_idle", 2, 1008),
        ("timer_unauthenticated", 0, 1008),
    ],
    before: &[
        ("bad_commands", &[Before::In(11), Before::In(12), Before::In(13), Before::In(14)]),
        ("compression", &[Before::In(0)]),
        ("datasize_quirks", &[Before::In(0)]),
        ("error_reply", &[Before::In(0)]),
        ("large_126", &[Before::In(0)]),
        ("large_126_max", &[Before::In(0)]),
        ("large_127", &[Before::In(0)]),
        ("login_known_account", &[Before::Known("vec_known_23531")]),
        ("push_and_buffer", &[Before::In(0)]),
        ("reconnect_refused", &[Before::As(0, 1_000_186)]),
        ("server_blacklists_online_role", &[Before::In(0)]),
        ("server_kick", &[Before::In(0)]),
        ("timer_unauthenticated", &[Before::Beats(0, 20)]),
    ],
};

#[test]
fn every_file_is_replayed_and_every_entry_of_the_table_is_of_one() {
    let mut known: Vec<_> = FLOWS.iter().chain(&CODECS).copied().collect();
    known.sort_unstable();
    assert_eq!(names(), known);
    let files = TABLE.apart.iter().map(|apart| apart.file);
    let files = files.chain(TABLE.codes.iter().map(|(file, ..)| *file));
    let files = files.chain(TABLE.before.iter().map(|(file, _)| *file));
    for file in files {
        assert!(FLOWS.contains(&file), "{file}");
    }
    assert!(TABLE.apart.iter().all(|apart| (1..=26).contains(&apart.weak_point) && !apart.ours.is_empty()));
}

/// Each with a server of its own: the roles and bans of one would be in the way of the next.
fn replay_all(transport: Transport) {
    for name in FLOWS {
        let mut server = strict(TestServer::builder().transport(transport));
        replay(&mut server, &flow(name), &TABLE);
    }
}

#[test]
fn what_was_recorded_is_repeated_byte_by_byte_inline() {
    replay_all(Transport::ALL[1]);
}

#[test]
fn what_was_recorded_is_repeated_byte_by_byte_in_threads() {
    replay_all(Transport::ALL[2]);
}

/// What a recorded request of the codec comes to, where the original's decoder alone was asked.
enum Outcome {
    /// Its body comes back as it came.
    Echo,
    /// An empty body.
    Empty,
    LoggedIn,
    Refused(u16),
    Nothing,
    Closed,
}

fn outcome(name: &str, command: u64) -> Outcome {
    match name {
        // The original cuts the name there, and lets somebody else in.
        "login by account, invalid utf-8 tail" => Outcome::Closed,
        // It lets somebody in who is called "undefined".
        "login by account, field missing, size not 0" => Outcome::Refused(5),
        // No body of an unknown command is read.
        "unknown command (invalid)" => Outcome::Nothing,
        // Among them a number where bytes belong, which the original takes.
        name if name.ends_with("(invalid)") => Outcome::Closed,
        _ => match command {
            1098 => Outcome::Empty,
            1190 => Outcome::Echo,
            1002 => Outcome::LoggedIn,
            1003 => Outcome::Refused(10),
            // The demo has no other way to log in.
            1001 | 1004 | 1005 | 1006 => Outcome::Nothing,
            other => panic!("command {other} of {name}"),
        },
    }
}

over_sockets! {
    fn each_recorded_request_has_its_outcome(server: TestServerBuilder) {
        let mut server = strict(server);
        let codec = cases("codec_client_to_server");
        assert!(codec.len() > 30);
        for (number, case) in codec.iter().enumerate() {
            let (name, command) = (case["name"].as_str().unwrap(), case["cmd"].as_u64().unwrap());
            let mut client = Client::upgraded(&mut server);
            if command >= 1100 {
                client.log_in(&mut server, &format!("codec-{number}"));
            }
            let said = described(&case["frame"], &case["body"], true);
            client.send(&mut server, &said);
            let message = payload(&said);
            let asked = Request::read(&message).unwrap();
            let (flag, command) = (asked.flag, asked.command);
            match outcome(name, command.into()) {
                Outcome::Echo => {
                    let body = asked.content(usize::MAX).unwrap();
                    assert_eq!(client.expect_message(&mut server), response(0, flag, command, &body), "{name}");
                }
                Outcome::Empty => {
                    assert_eq!(client.expect_message(&mut server), response(0, flag, command, &[]), "{name}");
                }
                Outcome::LoggedIn => {
                    let message = client.expect_message(&mut server);
                    let answer = Response::read(&message).unwrap();
                    assert_eq!((answer.error, answer.flag, answer.command), (0, flag, command), "{name}");
                    let answer = LoginAnswer::decode(answer.body).unwrap();
                    let account = LoginAccount::decode(asked.body).unwrap();
                    assert_eq!(Some(answer.info.openid), account.account, "{name}");
                }
                Outcome::Refused(error) => {
                    let expected = response(error, flag, command, &[]);
                    assert_eq!(client.expect_message(&mut server), expected, "{name}");
                }
                Outcome::Nothing => client.expect_silence(&mut server, name),
                Outcome::Closed => client.expect_close(&mut server, 1007, name),
            }
        }
    }

    fn each_recorded_answer_is_framed_as_it_was(server: TestServerBuilder) {
        let mut server = strict(server);
        let mut client = Client::logged_in(&mut server, "codec");
        let codec = cases("codec_server_to_client");
        assert!(codec.len() > 30);
        for case in &codec {
            let number = |field: &str| case[field].as_u64().unwrap();
            let (error, flag) = (number("error") as u16, number("flag") as u32);
            let body = described(&case["body"], &case["body"], false);
            let expected = described(&case["frame"], &case["body"], false);
            let connection = client.entity.unwrap();
            {
                let world = &mut *server.world_mut();
                let mut outbox = OutboxWriter::from_world(world);
                let answer = Response { error, flag, command: number("cmd") as u16, body: &body };
                outbox.write(world, connection, |out| answer.write(out)).unwrap();
            }
            client.expect(&mut server, &expected, case["name"].as_str().unwrap());
        }
        let sent = server.world().get::<Traffic>(client.entity.unwrap()).unwrap().sent;
        assert_eq!(sent as usize, codec.len() + 1, "each is one, and so was the login's answer");
    }
}
