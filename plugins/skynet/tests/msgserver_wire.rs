//! msgserver's frames: as recorded from the original (`tests/vectors/skynet/msgserver.json`), and what becomes of
//! wrong ones.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use std::collections::BTreeMap;

use portcullis_skynet::msgserver::wire::{
    Answer, Handshake, MAX_ANSWER, MAX_REQUEST, Reply, Request, Response, Username, WireError, index, proof,
    read_frame,
};
use serde_json::Value as Json;

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn key(text: &Json) -> [u8; 8] {
    unhex(text.as_str().unwrap()).try_into().unwrap()
}

fn flows() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/skynet/msgserver.json");
    let vectors: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    vectors["flows"].as_array().unwrap().clone()
}

/// Who is logged in, in a flow: secret and version by name. A login replaces the earlier one.
fn log_in(users: &mut BTreeMap<Vec<u8>, ([u8; 8], i64)>, params: &Json, login: &Json) {
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    if params.get("uid").is_some() {
        let (uid, server) = (text(&params["uid"]), text(&params["server_name"]));
        let name = Username { uid, server, subid: text(&login["subid"]).parse().unwrap() };
        users.clear();
        users.insert(name.encode(), (key(&login["secret_hex"]), 0));
    }
}

fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = read_frame(stream) {
        frames.push(frame);
        stream = rest;
    }
    assert!(stream.is_empty(), "a capture holds whole frames");
    frames
}

#[test]
fn every_recorded_handshake_is_answered_with_the_recorded_words() {
    let (mut handshakes, mut requests, mut responses) = (0, 0, 0);
    for flow in flows() {
        let name = flow["name"].as_str().unwrap();
        let mut users = BTreeMap::new();
        log_in(&mut users, &flow["params"], &flow["params"]);
        let mut expected = BTreeMap::<i64, Reply>::new();
        let mut greeted = BTreeMap::<i64, bool>::new();
        for message in flow["messages"].as_array().unwrap() {
            if message["event"] == "external" {
                log_in(&mut users, &flow["params"], &flow["params"]["second_login"]);
            }
            let conn = message["conn"].as_i64().unwrap();
            let Some(bytes) = message["hex"].as_str().map(unhex) else { continue };
            for frame in frames(&bytes) {
                if message["dir"] == "s2c" {
                    if let Some(reply) = expected.remove(&conn) {
                        assert_eq!(reply.text().as_bytes(), frame, "{name}");
                        assert_eq!(Reply::parse(frame), Some(reply));
                        let mut ours = Vec::new();
                        reply.write(&mut ours);
                        assert_eq!(ours, bytes);
                        continue;
                    }
                    let response = Response::parse(frame).unwrap();
                    let mut ours = Vec::new();
                    response.write(&mut ours).unwrap();
                    assert_eq!(ours, bytes, "{name}");
                    responses += 1;
                } else if greeted.insert(conn, true).is_none() {
                    let handshake = Handshake::parse(frame);
                    let user =
                        handshake.and_then(|handshake| Some((handshake, users.get_mut(handshake.username)?)));
                    let reply = match user {
                        Some((handshake, (secret, version))) => match handshake.check(secret, *version) {
                            Ok(index) => {
                                *version = index;
                                Reply::Ok
                            }
                            Err(reply) => reply,
                        },
                        None => Reply::UserNotFound,
                    };
                    expected.insert(conn, reply);
                    handshakes += 1;
                } else {
                    requests += 1;
                    match Request::parse(frame) {
                        Ok(request) => {
                            let mut ours = Vec::new();
                            request.write(&mut ours).unwrap();
                            assert_eq!(read_frame(&ours), Some((frame, &[][..])), "{name}");
                        }
                        Err(error) => {
                            assert!(["request_too_short", "request_empty_frame"].contains(&name), "{name}");
                            assert!(matches!(error, WireError::Short { least: 4, .. }));
                        }
                    }
                }
            }
            // The agent logs its user out when it is asked to.
            if name == "logout_by_agent" && bytes.windows(6).any(|word| word == b"logout") {
                users.clear();
            }
        }
        assert!(expected.is_empty(), "{name}: a handshake without answer");
    }
    assert_eq!((handshakes, requests, responses), EXPECTED);
}

/// Counted in the file by other means: handshakes, requests, responses.
const EXPECTED: (i32, i32, i32) = (48, 45, 36);

#[test]
fn a_recorded_handshake_is_what_our_client_sends() {
    let flow = flows().into_iter().find(|flow| flow["name"] == "handshake_and_request").unwrap();
    let mut users = BTreeMap::new();
    log_in(&mut users, &flow["params"], &flow["params"]);
    let (name, (secret, _)) = users.pop_first().unwrap();
    let mut ours = Vec::new();
    Handshake::write(&name, 1, &secret, &mut ours).unwrap();
    assert_eq!(ours, unhex(flow["messages"][1]["hex"].as_str().unwrap()));
}

#[test]
fn a_handshake_needs_two_colons_and_ignores_what_follows_a_third() {
    for none in [&b""[..], b"garbage", b"one:colon"] {
        assert_eq!(Handshake::parse(none), None);
    }
    let handshake = Handshake::parse(b"::").unwrap();
    assert_eq!((handshake.username, handshake.index_text, handshake.proof_text), (&[][..], &[][..], &[][..]));
    assert_eq!(handshake.signed, b":");
    let handshake = Handshake::parse(b"name: 1 :cHJvb2Y=:more:and:more").unwrap();
    assert_eq!((handshake.username, handshake.index_text), (&b"name"[..], &b" 1 "[..]));
    assert_eq!((handshake.proof_text, handshake.signed), (&b"cHJvb2Y="[..], &b"name: 1 "[..]));
}

#[test]
fn a_handshake_with_several_faults_is_refused_for_the_originals_first() {
    let secret = *b"whatever";
    let check = |text: &str, version| Handshake::parse(text.as_bytes()).unwrap().check(&secret, version);
    assert_eq!(check("name:x:A", 5), Err(Reply::BadRequest), "no number");
    assert_eq!(check("name:1:A", 5), Err(Reply::BadRequest), "no base64, though the index has expired");
    assert_eq!(check("name:1:AAAA", 5), Err(Reply::IndexExpired), "the proof is not looked at");
    assert_eq!(check("name:5:AAAA", 5), Err(Reply::IndexExpired));
    assert_eq!(check("name:6:AAAA", 5), Err(Reply::Unauthorized), "a proof of another length");
    assert_eq!(check("name:6:", 5), Err(Reply::Unauthorized), "a proof of no length");
}

#[test]
fn a_proof_is_of_the_index_as_it_was_written() {
    let secret = *b"whatever";
    let (mut one, mut again) = (Vec::new(), Vec::new());
    Handshake::write(b"name", 1, &secret, &mut one).unwrap();
    let (frame, _) = read_frame(&one).unwrap();
    let handshake = Handshake::parse(frame).unwrap();
    assert_eq!(handshake.check(&secret, 0), Ok(1));
    // The same number in other words is another text.
    again.extend_from_slice(b"name:0x1:");
    again.extend_from_slice(handshake.proof_text);
    assert_eq!(Handshake::parse(&again).unwrap().check(&secret, 0), Err(Reply::Unauthorized));
    assert_ne!(proof(&secret, b"name:1"), proof(&secret, b"name:0x1"));
}

#[test]
fn an_index_is_what_lua_reads_as_a_whole_number() {
    for (text, value) in [
        ("0", 0),
        ("1", 1),
        ("-5", -5),
        ("+5", 5),
        ("007", 7),
        (" 151 ", 151),
        ("\t\n\u{b}\u{c}\r 151", 151),
        ("0x65", 101),
        ("0XfF", 255),
        ("-0x10", -16),
        ("0xffffffffffffffff", -1),
        ("0x10000000000000001", 1),
        ("-0x8000000000000000", i64::MIN),
        ("1.5e2", 150),
        ("1.5E+2", 150),
        ("100e-2", 1),
        ("5.", 5),
        (".5e1", 5),
        ("-0.0", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("-9223372036854775808.0", i64::MIN),
        // Too long for an integer, so a float for Lua too.
        ("-9223372036854775809", i64::MIN),
        ("9007199254740993.0", 9_007_199_254_740_992),
    ] {
        assert_eq!(index(text.as_bytes()), Some(value), "{text:?}");
    }
    for text in [
        "",
        " ",
        "abc",
        "1_0",
        "1 0",
        "- 5",
        "+-5",
        "--5",
        "0x",
        "0xg",
        "x10",
        "0x1 0",
        "5e",
        "e5",
        ".",
        "-",
        "+",
        "1e5x",
        "inf",
        "-inf",
        "nan",
        "infinity",
        "0x-1",
        "1,5",
        "\u{a0}1",
        "1\0",
        "٣",
        // Numbers for Lua, but none to count with.
        "1.5",
        "1e300",
        "1e999",
        "9223372036854775808",
        "0x1p4",
        "0x.8",
    ] {
        assert_eq!(index(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(index(b"\xff1"), None);
}

#[test]
fn only_the_canonical_text_of_a_user_name_is_one() {
    let ann = Username { uid: "u1".into(), server: "sample".into(), subid: 9 };
    assert_eq!(ann.encode(), b"dTE=@c2FtcGxl#OQ==");
    assert_eq!(Username::parse(b"dTE=@c2FtcGxl#OQ=="), Some(ann));
    let nobody = Username { uid: String::new(), server: String::new(), subid: u64::MAX };
    assert_eq!(Username::parse(&nobody.encode()), Some(nobody));
    for none in [
        &b""[..],
        b"dTE=@c2FtcGxl",
        b"dTE=#OQ==@c2FtcGxl",
        b"dTE@c2FtcGxl#OQ==",
        b"dTE=@c2FtcGxl#OQ",
        b"dT E=@c2FtcGxl#OQ==",
        b"dTF=@c2FtcGxl#OQ==",
        b"dTE=@c2FtcGxl#OQ==#",
        b"dTE=@@c2FtcGxl#OQ==",
        b" dTE=@c2FtcGxl#OQ==",
        // The subids `09`, `+9`, none, `9 `, `-1`, and 2^64.
        b"dTE=@c2FtcGxl#MDk=",
        b"dTE=@c2FtcGxl#Kzk=",
        b"dTE=@c2FtcGxl#",
        b"dTE=@c2FtcGxl#OSA=",
        b"dTE=@c2FtcGxl#LTE=",
        b"dTE=@c2FtcGxl#MTg0NDY3NDQwNzM3MDk1NTE2MTY=",
        // A uid, and a server, of the byte ff.
        b"/w==@c2FtcGxl#OQ==",
        b"dTE=@/w==#OQ==",
    ] {
        assert_eq!(Username::parse(none), None, "{}", none.escape_ascii());
    }
}

#[test]
fn the_words_of_a_reply_are_the_originals() {
    for (reply, text) in [
        (Reply::Ok, "200 OK"),
        (Reply::BadRequest, "400 Bad Request"),
        (Reply::Unauthorized, "401 Unauthorized"),
        (Reply::IndexExpired, "403 Index Expired"),
        (Reply::UserNotFound, "404 User Not Found"),
    ] {
        let mut out = Vec::new();
        reply.write(&mut out);
        assert_eq!(read_frame(&out), Some((text.as_bytes(), &[][..])));
        assert_eq!(Reply::parse(text.as_bytes()), Some(reply));
    }
    assert_eq!(Reply::parse(b"200 OK\n"), None);
}

#[test]
fn a_message_of_a_whole_frame_is_written_and_one_byte_more_is_an_error() {
    let content = vec![0x7a; MAX_PAYLOAD];
    let mut out = b"before".to_vec();
    for (longest, write) in [
        (MAX_REQUEST, (|content, out| Request { content, session: 1 }.write(out)) as Write),
        (MAX_ANSWER, |content, out| Response { answer: Answer::Done(content), session: 1 }.write(out)),
    ] {
        let error = write(&content[..longest + 1], &mut out).unwrap_err();
        assert_eq!(error, WireError::Long(MAX_PAYLOAD + 1));
        assert_eq!(out, b"before", "nothing is appended");
        write(&content[..longest], &mut out).unwrap();
        assert_eq!(out[6..8], [0xff, 0xff]);
        assert_eq!(out.len(), 6 + 2 + MAX_PAYLOAD);
        out.truncate(6);
    }
    assert_eq!((MAX_REQUEST, MAX_ANSWER), (65_531, 65_530));
    let error = Handshake::write(&content, 1, &[1; 8], &mut out).unwrap_err();
    assert_eq!(error, WireError::Long(MAX_PAYLOAD + 15));
    assert_eq!(out, b"before");
}

const MAX_PAYLOAD: usize = portcullis_skynet::MAX_PAYLOAD;

type Write = fn(&[u8], &mut Vec<u8>) -> Result<(), WireError>;

#[test]
fn a_failed_request_is_answered_without_content() {
    let mut out = Vec::new();
    let failed = Response { answer: Answer::Failed, session: 7 };
    failed.write(&mut out).unwrap();
    assert_eq!(out, [0, 5, 0, 0, 0, 0, 7]);
    assert_eq!(Response::parse(&out[2..]), Ok(failed));
    assert_eq!(Response::trailer(true, 0x0102_0304), [1, 1, 2, 3, 4]);
    let odd = Response::parse(b"words\x02\0\0\0\x01").unwrap();
    assert_eq!(odd, Response { answer: Answer::Done(b"words"), session: 1 });
}

#[test]
fn messages_without_a_whole_trailer_are_too_short() {
    for bytes in 0..4 {
        assert_eq!(Request::parse(&[9; 4][..bytes]), Err(WireError::Short { bytes, least: 4 }));
        assert_eq!(Response::parse(&[9; 4][..bytes]), Err(WireError::Short { bytes, least: 5 }));
    }
    assert_eq!(Request::parse(&[0xff; 4]), Ok(Request { content: b"", session: u32::MAX }));
    assert_eq!(Response::parse(&[0; 4]), Err(WireError::Short { bytes: 4, least: 5 }));
}

#[test]
fn a_frame_is_read_when_it_is_whole() {
    let stream = b"\0\x03abc\0\0rest";
    for cut in 0..5 {
        assert_eq!(read_frame(&stream[..cut]), None);
    }
    let (frame, rest) = read_frame(stream).unwrap();
    assert_eq!((frame, read_frame(rest)), (&b"abc"[..], Some((&[][..], &b"rest"[..]))));
}

#[test]
fn rubbish_is_never_a_panic_and_a_name_that_parses_is_written_the_same() {
    let mut state = 1u64;
    let mut random = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut names = 0;
    for round in 0..200_000 {
        let length = random(30);
        let mut rubbish: Vec<u8> = match round % 3 {
            0 => (0..length).map(|_| random(256) as u8).collect(),
            1 => (0..length).map(|_| b"0019.eExX+- :@#aF=MQ"[random(20) as usize]).collect(),
            _ => b"dTE=@c2FtcGxl#OQ==:0x1:AAAAAAAAAAA=".to_vec(),
        };
        if round % 3 == 2 {
            let at = random(rubbish.len() as u64) as usize;
            rubbish[at] = b"dTE=@#:19MQ"[random(11) as usize];
        }
        if let Some(handshake) = Handshake::parse(&rubbish) {
            let _ = handshake.check(b"whatever", 0);
            assert!(rubbish.starts_with(handshake.signed));
        }
        let _ = index(&rubbish);
        let _ = Reply::parse(&rubbish);
        let _ = read_frame(&rubbish);
        let _ = (Request::parse(&rubbish), Response::parse(&rubbish));
        let name = rubbish.split(|&byte| byte == b':').next().unwrap();
        if let Some(parsed) = Username::parse(name) {
            assert_eq!(parsed.encode(), name);
            names += 1;
        }
    }
    assert!(names > 1000, "{names} names");
}
