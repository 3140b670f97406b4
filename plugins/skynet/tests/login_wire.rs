//! The login server's lines: as recorded from the original (`tests/vectors/skynet/login.json`), and what becomes of
//! wrong ones.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use std::collections::BTreeMap;

use portcullis_skynet::crypt::{
    CryptError, base64_decode, base64_encode, des_decode, des_encode, dh_public, hmac64, verify,
};
use portcullis_skynet::login::wire::{
    Challenged, Client, ClientError, MAX_BUFFERED, Server, Status, Step, Token,
};
use portcullis_skynet::msgserver::wire::{Handshake, Reply, Username, read_frame};
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
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/skynet/login.json");
    let vectors: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    vectors["flows"].as_array().unwrap().clone()
}

/// The private key of the recording client, where the flow does not say otherwise.
const RECORDER: &str = "1122334455667788";

/// What one connection of a flow has sent and received.
#[derive(Default)]
struct Lines {
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
    /// Something was sent that was not recorded.
    bulk: bool,
}

/// The connections of a flow by number. Those to msgserver begin with a frame, and are left out.
fn connections(flow: &Json) -> BTreeMap<i64, Lines> {
    let mut streams = BTreeMap::<_, (Vec<u8>, Vec<u8>, bool)>::new();
    for message in flow["messages"].as_array().unwrap() {
        let (sent, received, bulk) = streams.entry(message["conn"].as_i64().unwrap()).or_default();
        match (message["dir"].as_str(), message["hex"].as_str()) {
            (Some("c2s"), Some(bytes)) => sent.extend(unhex(bytes)),
            (Some("s2c"), Some(bytes)) => received.extend(unhex(bytes)),
            (Some("c2s"), None) => *bulk = true,
            _ => {}
        }
    }
    let cut = |stream: Vec<u8>| {
        let ended = stream.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        ended.map(<[u8]>::to_vec).collect()
    };
    let lines = |(sent, received, bulk)| Lines { sent: cut(sent), received: cut(received), bulk };
    let text = streams.into_iter().filter(|(_, (sent, ..))| sent.first() != Some(&0));
    text.map(|(number, streams)| (number, lines(streams))).collect()
}

fn challenged(challenge: &[u8], private: [u8; 8]) -> (Challenged, Vec<u8>) {
    let mut out = Vec::new();
    let client = Client::new(private).challenge(challenge, &mut out).unwrap();
    assert_eq!(out.pop(), Some(b'\n'));
    (client, out)
}

/// The lines of `out`, without their LF; it is empty afterwards.
fn take_lines(out: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let text = std::mem::take(out);
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\n").unwrap().to_vec()).collect()
}

#[test]
fn every_recorded_line_is_the_one_our_client_and_server_would_have_sent() {
    // A wrong line is the point of these: line 4, or line 5.
    let wrong_proof = ["wrong_hmac"];
    let wrong_cipher = ["bad_token_cipher", "bad_token_length"];
    let (mut exchanged, mut proved, mut tokens, mut faults) = (0, 0, 0, 0);
    for flow in flows() {
        let name = flow["name"].as_str().unwrap();
        for (number, lines) in connections(&flow) {
            let known = flow["params"]["secrets"].as_array().into_iter().flatten();
            let known = known.into_iter().find(|secrets| secrets["conn"] == number);
            let challenge: [u8; 8] = base64_decode(&lines.received[0]).unwrap().try_into().unwrap();
            assert_eq!(base64_encode(&challenge).as_bytes(), lines.received[0], "{name}");
            if let Some(known) = known {
                assert_eq!(challenge, key(&known["challenge_hex"]), "{name}");
            }
            // The recorded line 2 does to our server what it did to the original.
            let mut server = Server::new(challenge, *b"whatever");
            let mut out = Vec::new();
            server.write_challenge(&mut out);
            assert_eq!(take_lines(&mut out), lines.received[..1], "{name}");
            let Some(line2) = lines.sent.first() else {
                assert!(lines.bulk || lines.received.len() == 1, "{name}");
                continue;
            };
            if let Step::Unauthorized(_) = server.line(line2, &mut out) {
                Status::Unauthorized.write(&mut out);
                let ours = take_lines(&mut out);
                assert_eq!(ours.len(), lines.received.len() - 1, "{name}");
                assert_eq!(ours.last(), lines.received.last(), "{name}");
                faults += 1;
                continue;
            }
            assert_eq!(take_lines(&mut out).len(), 1, "{name}: line 3");

            // Its key is not the recorded one, so from here on it is the client's side that is compared.
            let (line3, status) = match &lines.received[..] {
                [_, line3, status] => (line3, status),
                other => panic!("{name}: {} lines", other.len()),
            };
            exchanged += 1;
            let [line4, line5] = [&lines.sent[1], &lines.sent[2]];
            let secret = match flow["params"].get("secret_hex") {
                // The client's private key is not known, as this one is skynet's own.
                Some(secret) => key(secret),
                None => {
                    let private = known
                        .map_or_else(|| key(&RECORDER.into()), |known| key(&known["client_private_hex"]));
                    let (client, ours) = challenged(&lines.received[0], private);
                    assert_eq!(&ours, line2, "{name}");
                    let secret = *client.prove(line3, b"", &mut out).unwrap();
                    if let Some(known) = known {
                        assert_eq!(secret, key(&known["secret_hex"]), "{name}");
                    }
                    out.clear();
                    let token =
                        base64_decode(line5).ok().and_then(|cipher| des_decode(&secret, &cipher).ok());
                    let (client, _) = challenged(&lines.received[0], private);
                    client.prove(line3, token.as_deref().unwrap_or_default(), &mut out).unwrap();
                    let ours = take_lines(&mut out);
                    assert_eq!(&ours[0] == line4, !wrong_proof.contains(&name), "{name}");
                    assert_eq!(&ours[1] == line5, !wrong_cipher.contains(&name), "{name}");
                    secret
                }
            };
            if !verify(&hmac64(&challenge, &secret), &base64_decode(line4).unwrap()) {
                assert_eq!((name, Status::parse(status)), ("wrong_hmac", Some(Status::Unauthorized)));
                continue;
            }
            proved += 1;
            let Ok(token) = des_decode(&secret, &base64_decode(line5).unwrap()) else {
                assert!(wrong_cipher.contains(&name), "{name}");
                assert_eq!(Status::parse(status), Some(Status::Unauthorized));
                continue;
            };
            assert_eq!(base64_encode(&des_encode(&secret, &token)).as_bytes(), line5);
            let parsed = Status::parse(status).unwrap();
            parsed.write(&mut out);
            assert_eq!(&take_lines(&mut out)[..], std::slice::from_ref(status), "{name}");
            let Some(token) = Token::parse(&token) else {
                assert_eq!((name, parsed), ("malformed_token", Status::Unauthorized));
                continue;
            };
            tokens += 1;
            assert_eq!(base64_encode(&des_encode(&secret, &token.encode())).as_bytes(), line5, "{name}");
            let expected = match name {
                "unknown_server" => {
                    assert_eq!(token.server, b"nosuch");
                    Status::Forbidden
                }
                "wrong_password" => Status::Unauthorized,
                "concurrent_same_uid_multilogin_false" if number == 2 => Status::NotAcceptable,
                _ => {
                    assert_eq!(*token.password, b"password");
                    assert!(matches!(parsed, Status::Ok(_)), "{name}");
                    continue;
                }
            };
            assert_eq!(parsed, expected, "{name}");
        }
    }
    assert_eq!((exchanged, proved, tokens, faults), EXPECTED);
}

/// Counted in the file by other means: so many connections got as far as line 4, proved their secret, and sent a
/// token of the example's form; and so many failed at line 2.
const EXPECTED: (i32, i32, i32, i32) = (16, 15, 12, 5);

#[test]
fn the_stock_clients_handshakes_prove_the_secret_of_its_login() {
    let flow = flows().into_iter().find(|flow| flow["name"] == "login_client_unmodified").unwrap();
    let secret = key(&flow["params"]["secret_hex"]);
    let ann = Username { uid: "hello".into(), server: "sample".into(), subid: 1 };
    let mut version = 0;
    for message in flow["messages"].as_array().unwrap().iter().filter(|message| message["dir"] == "c2s") {
        let sent = unhex(message["hex"].as_str().unwrap());
        let handshake = read_frame(&sent).and_then(|(frame, _)| Handshake::parse(frame));
        if let Some(handshake) = handshake {
            assert_eq!(Username::parse(handshake.username), Some(ann.clone()));
            let mut ours = Vec::new();
            Handshake::write(handshake.username, version + 1, &secret, &mut ours).unwrap();
            assert_eq!(ours, sent);
            version = handshake.check(&secret, version).unwrap();
            assert_eq!(handshake.check(&secret, version), Err(Reply::IndexExpired));
        }
    }
    assert_eq!(version, 2, "it connects twice");
}

/// A server and a client after line 3, and that line.
fn exchanged() -> (Server, Challenged, Vec<u8>) {
    let mut server = Server::new(*b"at rando", *b"of serve");
    let mut out = Vec::new();
    server.write_challenge(&mut out);
    let [line1] = take_lines(&mut out).try_into().unwrap();
    let (client, line2) = challenged(&line1, *b"of clien");
    assert!(matches!(server.line(&line2, &mut out), Step::Wait));
    let [line3] = take_lines(&mut out).try_into().unwrap();
    (server, client, line3)
}

#[test]
fn a_key_that_is_none_is_refused_in_the_place_of_line_3() {
    for (line, fault) in [
        (&b""[..], CryptError::KeyLength(0)),
        (b"MTIzNDU2Nw==", CryptError::KeyLength(7)),
        (b"MTIzNDU2Nzg5", CryptError::KeyLength(9)),
        (b"A", CryptError::Base64),
        (b"ISkxwPmkUxg=\r", CryptError::Base64),
    ] {
        let (mut server, mut out) = (Server::new([1; 8], [2; 8]), Vec::new());
        assert!(matches!(server.line(line, &mut out), Step::Unauthorized(found) if found == fault));
        assert!(out.is_empty());
        assert!(matches!(server.line(b"ISkxwPmkUxg=", &mut out), Step::Ignored), "there is no second try");
        assert!(out.is_empty());
    }
}

#[test]
fn a_key_of_zeros_is_refused_after_line_3() {
    let (mut server, mut out) = (Server::new([1; 8], [2; 8]), Vec::new());
    assert!(matches!(server.line(b"AAAAAAAAAAA=", &mut out), Step::Unauthorized(CryptError::ZeroKey)));
    let public = base64_encode(&dh_public(&[2; 8]).unwrap());
    assert_eq!(take_lines(&mut out), [public.into_bytes()]);
}

#[test]
fn a_private_key_of_zeros_becomes_one_that_works() {
    let (mut server, mut out) = (Server::new([1; 8], [0; 8]), Vec::new());
    assert!(matches!(server.line(b"ISkxwPmkUxg=", &mut out), Step::Wait));
    assert_eq!(take_lines(&mut out), [base64_encode(&5u64.to_le_bytes()).into_bytes()]);
    let (_, line2) = challenged(b"AAAAAAAAAAA=", [0; 8]);
    assert_eq!(line2, base64_encode(&5u64.to_le_bytes()).into_bytes());
}

#[test]
fn a_wrong_proof_ends_the_login_before_the_token_is_read() {
    for line in [&b"AAAAAAAAAAA="[..], b"", b"AAAA"] {
        let (mut server, ..) = exchanged();
        let mut out = Vec::new();
        assert!(matches!(server.line(line, &mut out), Step::Unauthorized(CryptError::Proof)));
        assert!(matches!(server.line(b"MTIzNDU2Nzg=", &mut out), Step::Ignored));
        assert!(out.is_empty());
    }
    let (mut server, ..) = exchanged();
    assert!(matches!(server.line(b"A", &mut Vec::new()), Step::Unauthorized(CryptError::Base64)));
}

#[test]
fn a_proof_of_another_challenge_is_wrong() {
    let (mut server, _, line3) = exchanged();
    let mut out = Vec::new();
    let (client, _) = challenged(b"AAAAAAAAAAA=", *b"of clien");
    client.prove(&line3, b"token", &mut out).unwrap();
    let [line4, _] = take_lines(&mut out).try_into().unwrap();
    assert!(matches!(server.line(&line4, &mut out), Step::Unauthorized(CryptError::Proof)));
}

#[test]
fn a_token_is_taken_once_and_what_follows_is_ignored() {
    let (mut server, client, line3) = exchanged();
    let mut out = Vec::new();
    let secret = client.prove(&line3, b"of the game's own form", &mut out).unwrap();
    let [line4, line5] = take_lines(&mut out).try_into().unwrap();
    assert!(matches!(server.line(&line4, &mut out), Step::Wait));
    let step = server.line(&line5, &mut out);
    assert_eq!(format!("{step:?}"), "Token(Presented { .. })");
    let Step::Token(presented) = step else { panic!("a token") };
    assert_eq!(*presented.token, b"of the game's own form");
    assert_eq!(presented.secret, secret);
    assert!(matches!(server.line(&line5, &mut out), Step::Ignored));
    assert!(out.is_empty());
}

#[test]
fn a_token_that_is_not_enciphered_with_the_secret_is_refused() {
    for (line, fault) in [
        (&b""[..], CryptError::CipherLength(0)),
        (b"MTIzNDU=", CryptError::CipherLength(5)),
        (b"MTIzNDU2Nzg=", CryptError::Padding),
        (b"A", CryptError::Base64),
    ] {
        let (mut server, client, line3) = exchanged();
        let mut out = Vec::new();
        client.prove(&line3, b"", &mut out).unwrap();
        let [line4, line5] = take_lines(&mut out).try_into().unwrap();
        assert!(matches!(server.line(&line4, &mut out), Step::Wait));
        assert!(matches!(server.line(line, &mut out), Step::Unauthorized(found) if found == fault));
        assert!(matches!(server.line(&line5, &mut out), Step::Ignored), "there is no second try");
        assert!(out.is_empty());
    }
}

#[test]
fn secrets_and_passwords_do_not_show_in_debug_output() {
    let (server, client, _) = exchanged();
    let token =
        Token { user: b"ann\xff".to_vec(), server: "sample".into(), password: b"hunter2".to_vec().into() };
    let first = Client::new(*b"of clien");
    let shown = format!("{server:?} {first:?} {client:?} {token:?}");
    assert_eq!(
        shown,
        r#"Server { awaited: "proof", .. } Client { .. } Challenged { .. } Token { user: "ann\xff", server: "sample", .. }"#
    );
}

#[test]
fn a_client_learns_that_it_was_refused_in_the_place_of_line_3() {
    let (_, client, _) = exchanged();
    let mut out = Vec::new();
    let refused = client.prove(b"401 Unauthorized", b"", &mut out).unwrap_err();
    assert_eq!(refused, ClientError::Refused(Status::Unauthorized));
    assert_eq!(refused.to_string(), "the server refused the login: 401 Unauthorized");
    let (_, client, _) = exchanged();
    let wrong = client.prove(b"AAAAAAAAAAA=", b"", &mut out).unwrap_err();
    assert_eq!(wrong, ClientError::Line(CryptError::ZeroKey));
    assert!(Client::new([1; 8]).challenge(b"MTIzNDU2Nw==", &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn status_lines_are_the_originals() {
    for (status, line) in [
        (Status::Ok(b"17".to_vec()), "200 MTc=\n"),
        (Status::Ok(Vec::new()), "200 \n"),
        (Status::Unauthorized, "401 Unauthorized\n"),
        (Status::Forbidden, "403 Forbidden\n"),
        (Status::NotAcceptable, "406 Not Acceptable\n"),
    ] {
        let mut out = Vec::new();
        status.write(&mut out);
        assert_eq!(out, line.as_bytes());
        assert_eq!(Status::parse(line.strip_suffix('\n').unwrap().as_bytes()), Some(status));
    }
    assert_eq!(Status::parse(b"403"), Some(Status::Forbidden), "the code decides");
    assert_eq!(Status::parse(b"406 Pas acceptable"), Some(Status::NotAcceptable));
    for line in [&b""[..], b"20", b"500 Oops", b"200 A", b"200MTc=", b"4010", b"\xff\xff\xff"] {
        assert_eq!(Status::parse(line), None);
    }
}

#[test]
fn a_token_is_found_where_luas_pattern_finds_it() {
    let parse = |text: &[u8]| {
        let token = Token::parse(text)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some([text(&token.user), text(&token.server), text(&token.password)])
    };
    let plain = Some(["ann".into(), "sample".into(), "pw".into()]);
    assert_eq!(parse(b"YW5u@c2FtcGxl:cHc="), plain);
    // The pattern is bound to no end, and what is not of base64 is skipped.
    assert_eq!(parse(b"@@YW5u@c2FtcGxl:cHc="), plain);
    assert_eq!(parse(b"eA==@:YW5u@c2FtcGxl:cHc="), Some(["ann".into(), "sample".into(), "pw".into()]));
    assert_eq!(parse(b"YW 5u@c2Ft@cGxl:c:Hc="), plain);
    for none in [
        &b""[..],
        b"nonsense",
        b"@c2FtcGxl:cHc=",
        b"YW5u@:cHc=",
        b"YW5u@c2FtcGxl:",
        b"YW5u@c2FtcGxl",
        b"YW5u:c2FtcGxl@cHc=",
        b"A@c2FtcGxl:cHc=",
        b"YW5u@A:cHc=",
        b"YW5u@c2FtcGxl:A",
        b"@@@@",
    ] {
        assert_eq!(Token::parse(none), None, "{}", none.escape_ascii());
    }
}

/// The captures of `([^@]+)@([^:]+):(.+)`, by trying each start as Lua does.
fn by_pattern(text: &[u8]) -> Option<[&[u8]; 3]> {
    (0..text.len()).find_map(|start| {
        let text = &text[start..];
        let at = text.iter().position(|&byte| byte == b'@').filter(|&at| at > 0)?;
        let after = &text[at + 1..];
        let colon = after.iter().position(|&byte| byte == b':').filter(|&colon| colon > 0)?;
        let rest = &after[colon + 1..];
        (!rest.is_empty()).then_some([&text[..at], &after[..colon], rest])
    })
}

#[test]
fn any_text_is_a_token_when_the_pattern_and_base64_say_so() {
    let mut random = Random(7);
    let mut found = 0;
    for _ in 0..100_000 {
        let text: Vec<u8> =
            (0..random.below(16)).map(|_| b"AAAA@@::= \n"[random.below(11) as usize]).collect();
        let expected = by_pattern(&text).and_then(|parts| {
            let [user, server, password] = parts.map(|part| base64_decode(part).ok());
            Some((user?, server?, password?))
        });
        let ours = Token::parse(&text).map(|token| (token.user, token.server, token.password.to_vec()));
        found += usize::from(ours.is_some());
        assert_eq!(ours, expected, "{}", text.escape_ascii());
    }
    assert!(found > 100, "{found} tokens");
}

/// A small generator with a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let text = self.below(2) == 0;
        let alphabet = b"ABCDabcd0189+/=@:# ";
        let mut byte = || if text { alphabet[self.below(19) as usize] } else { self.below(256) as u8 };
        let length = byte();
        (0..u64::from(length) % most).map(|_| byte()).collect()
    }
}

#[test]
fn rubbish_at_any_point_is_a_refusal_and_never_a_panic() {
    let mut random = Random(1);
    for round in 0..20_000 {
        let rubbish = random.bytes(60);
        let mut out = Vec::new();
        let mut server = Server::new([1; 8], [2; 8]);
        if round % 2 == 0 {
            server.write_challenge(&mut out);
            let [line1] = take_lines(&mut out).try_into().unwrap();
            let (client, line2) = challenged(&line1, [3; 8]);
            let _ = server.line(&line2, &mut out);
            let [line3] = take_lines(&mut out).try_into().unwrap();
            client.prove(&line3, &rubbish, &mut out).unwrap();
            let [line4, line5] = take_lines(&mut out).try_into().unwrap();
            let _ = server.line(&line4, &mut out);
            if round % 4 == 0 {
                let Step::Token(presented) = server.line(&line5, &mut out) else { panic!("a token") };
                assert_eq!(*presented.token, rubbish);
            }
        }
        let _ = server.line(&rubbish, &mut out);
        let _ = server.line(&rubbish, &mut out);
        let _ = Status::parse(&rubbish);
        let _ = Token::parse(&rubbish);
        let _ = Client::new([1; 8]).challenge(&rubbish, &mut out);
        let _ = challenged(b"AAAAAAAAAAA=", [1; 8]).0.prove(&rubbish, &rubbish, &mut out);
    }
}

#[test]
fn the_longest_line_is_read_and_makes_no_more_than_itself() {
    let line = vec![b'A'; MAX_BUFFERED];
    let (mut server, mut out) = (Server::new([1; 8], [2; 8]), Vec::new());
    assert!(matches!(server.line(&line, &mut out), Step::Unauthorized(CryptError::KeyLength(6144))));
    assert!(out.is_empty());
}
