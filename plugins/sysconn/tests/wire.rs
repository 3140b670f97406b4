//! The wire format: what was recorded of the original, what nobody should send, and noise.
#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use flate2::{Compression, write::ZlibEncoder};
use portcullis_sysconn::wire::messages::{
    Blacklisted, Empty, Kicked, LoginAccount, LoginAnswer, PhoneLogin, Reconnect, RoleInfo, SystemNotice,
};
use portcullis_sysconn::wire::{
    Request, Response, Size, Status, WireError, commands, inflate, write_error, write_response,
};
use prost::Message;
use serde_json::Value;
use std::{io::Write, path::Path};

/// A limit that no test is meant to meet.
const LIMIT: usize = 1 << 20;

fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/sysconn").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cases(name: &str) -> Vec<Value> {
    recorded(name)["cases"].as_array().unwrap().clone()
}

fn number<T: TryFrom<u64, Error: std::fmt::Debug>>(case: &Value, field: &str) -> T {
    case[field].as_u64().unwrap().try_into().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(digits).collect()
}

/// Bytes that are written out, or described by a rule as in `0a70 + 112 x 78`.
fn bytes(described: &Value) -> Vec<u8> {
    if let Some(hex) = described["hex"].as_str() {
        return unhex(hex);
    }
    let (head, run) = described["rule"].as_str().unwrap().split_once(" + ").unwrap();
    let (times, byte) = run.split_once(" x ").unwrap();
    let mut bytes = unhex(head);
    bytes.resize(bytes.len() + times.parse::<usize>().unwrap(), unhex(byte)[0]);
    assert_eq!(bytes.len(), number::<usize>(described, "length"));
    bytes
}

/// That the message is the recorded one: whole, or, where it is long, its head and its length.
fn assert_recorded(message: &[u8], described: &Value, case: &str) {
    match described["hex"].as_str() {
        Some(hex) => assert_eq!(message, unhex(hex), "{case}"),
        None => {
            assert!(message.starts_with(&unhex(described["hex_head"].as_str().unwrap())), "{case}");
            assert_eq!(message.len(), number::<usize>(described, "length"), "{case}");
        }
    }
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn recorded_requests_are_written_and_read_as_they_were() {
    let cases = cases("codec_client_to_server.json");
    assert!(cases.len() > 30);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let (body, declared) = (bytes(&case["body"]), number::<u16>(case, "size"));
        let right = usize::from(declared) == body.len() % 65_536;
        let request = Request {
            status: number::<u8>(case, "status").into(),
            flag: number(case, "flag"),
            command: number(case, "cmd"),
            body: &body,
            size: if right { Size::Exact } else { Size::Mismatch(declared) },
        };
        let mut message = Vec::new();
        request.write(&mut message);
        assert_recorded(&message, &case["message"], name);
        assert_eq!(Request::read(&message), Ok(request), "{name}");
        assert_eq!(u8::from(request.status), number::<u8>(case, "status"), "{name}");
    }
}

#[test]
fn recorded_bodies_say_what_the_original_understood() {
    let body = |name: &str| {
        let case =
            cases("codec_client_to_server.json").into_iter().find(|case| case["name"] == name).unwrap();
        bytes(&case["body"])
    };
    let account = |name: &str| LoginAccount::decode(&*body(name)).map(|login| login.account);
    assert_eq!(account("login by account"), Ok(Some("alice".to_owned())));
    assert_eq!(account("login by account, utf-8"), Ok(Some("游客7".to_owned())));
    assert_eq!(account("login by account, field missing, size not 0"), Ok(None));
    assert!(
        account("login by account, invalid utf-8 tail").is_err(),
        "the original takes the rest for a name"
    );

    let reconnect = Reconnect { role_id: Some(1_000_001), id: Some(6_222_999) };
    for name in
        ["reconnect", "reconnect, fields in other order and an unknown one", "reconnect, field given twice"]
    {
        assert_eq!(Reconnect::decode(&*body(name)), Ok(reconnect), "{name}");
    }
    let phone = PhoneLogin { phone: Some("13800000000".to_owned()), password: Some("secret".to_owned()) };
    assert_eq!(PhoneLogin::decode(&*body("phone login")), Ok(phone));
    for name in ["truncated protobuf (invalid)", "wire type 7 (invalid)"] {
        assert!(LoginAccount::decode(&*body(name)).is_err(), "{name}");
    }
}

#[test]
fn recorded_responses_are_written_and_read_as_they_were() {
    let cases = cases("codec_server_to_client.json");
    assert!(cases.len() > 30);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let body = bytes(&case["body"]);
        let response = Response {
            error: number(case, "error"),
            flag: number(case, "flag"),
            command: number(case, "cmd"),
            body: &body,
        };
        let Response { error, flag, command, .. } = response;
        let mut message = b"before".to_vec();
        response.write(&mut message);
        assert_recorded(&message[6..], &case["message"], name);
        assert_eq!(Response::read(&message[6..]), Ok(response), "{name}");

        let mut in_place = b"before".to_vec();
        if error == 0 {
            let append = |out: &mut Vec<u8>| {
                out.extend_from_slice(&body);
                Ok::<_, WireError>(())
            };
            write_response(&mut in_place, flag, command, append).unwrap();
        } else {
            write_error(&mut in_place, error, flag, command);
        }
        assert_eq!(in_place, message, "{name}");
    }
}

#[test]
fn recorded_pushes_and_login_answers_are_those_of_our_messages() {
    fn check<M: Message + Default + PartialEq + std::fmt::Debug>(name: &str, message: &M) {
        let case =
            cases("codec_server_to_client.json").into_iter().find(|case| case["name"] == name).unwrap();
        let body = bytes(&case["body"]);
        assert_eq!(message.encode_to_vec(), body, "{name}");
        assert_eq!(&M::decode(&*body).unwrap(), message, "{name}");
    }
    check("kick", &Kicked { error_code: 11 });
    check("blacklist notice", &Blacklisted { start: 1_700_000_000, end: 1_700_000_300 });
    check("system notice, utf-8", &SystemNotice { text: "abc合理".to_owned() });
    check("heartbeat answer flag 0x1", &Empty {});

    let info = RoleInfo {
        role_id: 1_000_001,
        nick_name: "guest".to_owned(),
        icon: "http://h/i.png".to_owned(),
        vip: 2,
        gold: 300,
        coin: 400_000,
        status: 0,
        use_coin: 1,
        first_gift: 0,
        id_card: 1,
        sign: "sign".to_owned(),
        phone: "13800000000".to_owned(),
        channel: 5,
        openid: "openid".to_owned(),
        regist: Some(1),
        vip_effect: 0,
        subscribe: 2,
    };
    let case = cases("codec_server_to_client.json");
    let case = case.iter().find(|case| case["name"] == "login answer, new account").unwrap();
    let read = LoginAnswer::decode(&*bytes(&case["body"])).unwrap();
    assert_eq!(read.info.regist, Some(1));
    check("login answer, new account", &LoginAnswer { info: info.clone(), id: 6_222_999 });
    check(
        "login answer, known account",
        &LoginAnswer { info: RoleInfo { regist: None, ..info }, id: 99_999 },
    );
}

#[test]
fn what_the_original_sent_to_a_new_account_is_its_role() {
    let login = recorded("login.json");
    let step = login["steps"].as_array().unwrap().iter().find(|step| step["pb"].is_object()).unwrap();
    let message = unhex(step["msg"]["body_hex"].as_str().unwrap());
    let answer = LoginAnswer::decode(&*message).unwrap();
    let (said, info) = (&step["pb"]["info"], &answer.info);
    assert_eq!(answer.id, number::<u32>(&step["pb"], "id"));
    let texts = [
        ("nick_name", &info.nick_name),
        ("icon", &info.icon),
        ("sign", &info.sign),
        ("phone", &info.phone),
        ("openid", &info.openid),
    ];
    for (field, value) in texts {
        assert_eq!(said[field].as_str(), Some(value.as_str()), "{field}");
    }
    let numbers = [
        ("role_id", info.role_id),
        ("vip", info.vip),
        ("gold", info.gold),
        ("coin", info.coin),
        ("status", info.status),
        ("use_coin", info.use_coin),
        ("first_gift", info.first_gift),
        ("id_card", info.id_card),
        ("channel", info.channel),
        ("regist", info.regist.unwrap()),
        ("vip_effect", info.vip_effect),
        ("subscribe", info.subscribe),
    ];
    for (field, value) in numbers {
        assert_eq!(number::<u32>(said, field), value, "{field}");
    }
    assert_eq!(answer.encode_to_vec(), message);
}

#[test]
fn recorded_compressed_bodies_are_inflated_and_gzip_is_refused() {
    let recorded = recorded("compression.json");
    let mut seen = Vec::new();
    for step in recorded["steps"].as_array().unwrap().iter().filter(|step| step["dir"] == "c2s") {
        let message = &step["msg"];
        let body = unhex(message["body_hex"].as_str().unwrap());
        let request = Request {
            status: number::<u8>(message, "status").into(),
            flag: number(message, "flag"),
            command: number(message, "cmd"),
            body: &body,
            size: Size::Exact,
        };
        seen.push((request.status, request.content(LIMIT).map(|content| content.len())));
    }
    let hellos = (Status::Zlib, Ok(203));
    let gzip = (Status::Zlib, Err(WireError::Compressed));
    assert_eq!(seen, [hellos.clone(), hellos.clone(), hellos, (Status::Passed, Ok(7)), gzip]);
}

#[test]
fn a_wrong_size_is_told_and_costs_nothing_but_zero_drops_the_body() {
    let with_size = |size: u16, body: &[u8]| {
        let header = [&size.to_be_bytes()[..], &[0, 0, 0, 0, 1, 4, 0xa6]].concat();
        [&header, body].concat()
    };
    for (declared, len, size, has_body) in [
        (7, 7, Size::Exact, true),
        (1, 7, Size::Mismatch(1), true),
        (60_000, 7, Size::Mismatch(60_000), true),
        (0, 7, Size::Empty(7), false),
        (0, 65_535, Size::Empty(65_535), false),
        (0, 65_537, Size::Empty(65_537), false),
        (0, 0, Size::Exact, false),
        (5, 0, Size::Mismatch(5), true),
        (0, 65_536, Size::Exact, true),
        (0, 131_072, Size::Exact, true),
        (4464, 70_000, Size::Exact, true),
    ] {
        let message = with_size(declared, &vec![b'G'; len]);
        let request = Request::read(&message).unwrap();
        assert_eq!((request.size, request.has_body()), (size, has_body), "{declared} for {len}");
        let dropped = matches!(size, Size::Empty(_));
        assert_eq!(request.body.len(), if dropped { 0 } else { len }, "{declared} for {len}");
    }
}

#[test]
fn the_recorded_quirks_of_sizes_are_ours_but_for_long_bodies() {
    let recorded = recorded("datasize_quirks.json");
    let steps = recorded["steps"].as_array().unwrap().iter().filter(|step| step["dir"] == "c2s");
    let sizes: Vec<_> = steps
        .map(|step| {
            let message = &step["msg"];
            let mut bytes = number::<u16>(message, "size").to_be_bytes().to_vec();
            bytes.extend_from_slice(&[0; 7]);
            bytes.resize(bytes.len() + number::<usize>(message, "body_length"), 0);
            let request = Request::read(&bytes).unwrap();
            (request.size, request.body.len())
        })
        .collect();
    assert_eq!(
        sizes,
        [
            (Size::Mismatch(1), 7),
            (Size::Mismatch(60_000), 7),
            (Size::Empty(7), 0),
            // The original drops it, though it can only be a body.
            (Size::Exact, 65_536),
            (Size::Exact, 0),
        ]
    );
}

#[test]
fn a_message_without_its_header_is_refused() {
    for len in 0..Request::HEADER {
        assert_eq!(Request::read(&vec![0; len]), Err(WireError::Short(len)));
    }
    for len in 0..Response::HEADER {
        assert_eq!(Response::read(&vec![0; len]), Err(WireError::Short(len)));
    }
}

#[test]
fn an_unknown_status_leaves_the_header_readable_and_matters_only_with_a_body() {
    let message = b"\0\x01\x03\0\0\0\x0a\x04\xa6x";
    let request = Request::read(message).unwrap();
    assert_eq!((request.flag, request.command), (10, 1190));
    assert_eq!(request.content(LIMIT), Err(WireError::Status(3)));
    let bare = Request::read(b"\0\0\xff\0\0\0\x0a\x04\xa6").unwrap();
    assert_eq!(bare.content(LIMIT).unwrap().len(), 0);
    let dropped = Request::read(b"\0\0\x03\0\0\0\x0a\x04\xa6x").unwrap();
    assert_eq!(dropped.content(LIMIT).unwrap().len(), 0);
}

#[test]
fn a_client_of_ours_refuses_responses_that_no_server_writes() {
    let mut message = Vec::new();
    Response { error: 0, flag: 1, command: 1190, body: b"four" }.write(&mut message);
    let cut = Response::read(&message[..message.len() - 1]);
    assert_eq!(cut, Err(WireError::Size { declared: 4, len: 3 }));
    message[4] = 1;
    assert_eq!(Response::read(&message), Err(WireError::Status(1)));
}

#[test]
fn a_body_that_cannot_be_written_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let failed = write_response(&mut out, 1, 1190, |out| {
        out.extend_from_slice(b"half");
        Err::<(), _>(WireError::Compressed)
    });
    assert_eq!(failed, Err(WireError::Compressed));
    assert_eq!(out, b"before");
}

#[test]
fn inflating_stops_at_the_limit_and_needs_the_whole_stream() {
    let bomb = zlib(&vec![0; 64 << 20]);
    assert_eq!(inflate(&bomb, LIMIT), Err(WireError::Inflated { limit: LIMIT }));
    let small = zlib(b"exactly twenty bytes");
    assert_eq!(inflate(&small, 20).unwrap(), b"exactly twenty bytes");
    assert_eq!(inflate(&small, 19), Err(WireError::Inflated { limit: 19 }));
    for len in 0..small.len() {
        assert_eq!(inflate(&small[..len], LIMIT), Err(WireError::Compressed), "cut at {len}");
    }
    assert_eq!(inflate(&[&small[..], b"junk"].concat(), LIMIT).unwrap().len(), 20);
    let mut damaged = small;
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(inflate(&damaged, LIMIT), Err(WireError::Compressed), "the checksum is another");
}

#[test]
fn secrets_are_not_shown() {
    let reconnect = Reconnect { role_id: Some(7), id: Some(987_654) };
    let phone = PhoneLogin { phone: Some("138".to_owned()), password: Some("hunter2".to_owned()) };
    let answer = LoginAnswer { info: RoleInfo::default(), id: 987_654 };
    let shown = format!("{reconnect:?} {phone:?} {answer:?}");
    assert!(!shown.contains("987654") && !shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("138"), "{shown}");
}

/// A small generator with a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, below: u64) -> Vec<u8> {
        (0..self.next() % below).map(|_| self.next() as u8).collect()
    }
}

#[test]
fn noise_is_read_or_refused_and_what_is_read_is_written_as_it_came() {
    let mut random = Random(0x5ca1ab1e);
    for _ in 0..50_000 {
        let mut noise = random.bytes(40);
        // Statuses and sizes that mean something come too seldom by themselves.
        if random.next().is_multiple_of(2) && noise.len() >= Request::HEADER {
            noise[0] = 0;
            noise[1] %= 32;
            noise[2] %= 4;
        }
        if let Ok(request) = Request::read(&noise) {
            let content = request.content(LIMIT);
            let mut again = Vec::new();
            request.write(&mut again);
            if let Size::Empty(dropped) = request.size {
                assert_eq!(again.len() + dropped, noise.len());
            } else {
                assert_eq!(again, noise);
                assert_eq!(Request::read(&again), Ok(request));
            }
            if let Ok(content) = content {
                let _ = LoginAccount::decode(&*content);
                let _ = Reconnect::decode(&*content);
                let _ = PhoneLogin::decode(&*content);
                let _ = LoginAnswer::decode(&*content);
            }
        }
        if let Ok(response) = Response::read(&noise) {
            let mut again = Vec::new();
            response.write(&mut again);
            assert_eq!(again, noise);
        }
    }
}

#[test]
fn damaged_zlib_is_inflated_or_refused() {
    let mut random = Random(7);
    for _ in 0..5_000 {
        let body = random.bytes(200);
        let mut stream = zlib(&body);
        assert_eq!(inflate(&stream, LIMIT).unwrap(), body);
        let at = random.next() as usize % stream.len();
        stream[at] ^= 1 << (random.next() % 8);
        let _ = inflate(&stream, LIMIT);
    }
}

#[test]
fn commands_of_the_connection_are_of_its_own_module() {
    for command in [commands::LOGIN, commands::RECONNECT, commands::PHONE_LOGIN, commands::HEARTBEAT] {
        assert_eq!(command / 100, 10);
    }
}
