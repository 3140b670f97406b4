//! skynet's crypto gives what the original gave (`tests/vectors/skynet/crypt.json`), for every input recorded there.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use portcullis_skynet::crypt::{
    CryptError, base64_decode, base64_encode, des_decode, des_encode, dh_public, dh_secret, hashkey, hex,
    hmac_hash, hmac64, verify,
};
use portcullis_skynet::login::wire::{Client, Server, Status, Step, Token};
use portcullis_skynet::msgserver::wire::{Handshake, Username, read_frame};
use serde_json::Value as Json;

fn vectors() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/skynet/crypt.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases of a section, of which there are `count`.
fn cases(section: &str, count: usize) -> Vec<Json> {
    let cases = vectors()[section]["cases"].as_array().unwrap().clone();
    assert_eq!(cases.len(), count, "cases of {section}");
    cases
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {case}"))
}

fn bytes(case: &Json, key: &str) -> Vec<u8> {
    text(case, key)
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn key(case: &Json, name: &str) -> [u8; 8] {
    bytes(case, name).try_into().unwrap()
}

/// The case's result is ours, or both are errors.
fn assert_same<T: AsRef<[u8]>>(case: &Json, ours: Result<T, CryptError>) {
    match case.get("error") {
        Some(_) => assert!(ours.is_err(), "{case}"),
        None => assert_eq!(hex(ours.unwrap().as_ref()), text(case, "out_hex"), "{case}"),
    }
}

#[test]
fn every_section_is_ours_or_used_by_neither_login_nor_msgserver() {
    let ours = [
        "base64decode",
        "base64encode",
        "desdecode_edge",
        "desencode",
        "dh_pairs",
        "dhexchange",
        "dhsecret",
        "hashkey",
        "hexencode",
        "hmac64",
        "hmac_hash",
        "login_composite",
    ];
    // Functions of skynet's `crypt` that nothing of its logins calls.
    let others = ["hmac64_md5", "sha1", "xor_str"];
    let vectors = vectors();
    let sections = vectors.as_object().unwrap().iter().filter(|(_, section)| section.is_object());
    let mut named: Vec<&str> = ours.into_iter().chain(others).collect();
    named.sort_unstable();
    let mut found: Vec<&str> = sections.map(|(name, _)| name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, named);
}

#[test]
fn texts_hash_to_the_recorded_keys() {
    for case in cases("hashkey", 14) {
        assert_same(&case, Ok(hashkey(&bytes(&case, "text_hex"))));
    }
    for case in cases("hmac64", 121) {
        assert_same(&case, Ok(hmac64(&key(&case, "x_hex"), &key(&case, "y_hex"))));
    }
    for case in cases("hmac_hash", 56) {
        assert_same(&case, Ok(hmac_hash(&key(&case, "key_hex"), &bytes(&case, "text_hex"))));
    }
}

#[test]
fn keys_are_exchanged_as_recorded() {
    for case in cases("dhexchange", 17) {
        match bytes(&case, "x_hex").try_into() {
            Ok(private) => assert_same(&case, dh_public(&private)),
            // Ours has no such call to refuse.
            Err(_) => assert!(text(&case, "error").contains("Invalid dh uint64 key")),
        }
    }
    for case in cases("dhsecret", 121) {
        assert_same(&case, dh_secret(&key(&case, "x_hex"), &key(&case, "y_hex")));
    }
    for case in cases("dh_pairs", 4) {
        let (ours, theirs) = (key(&case, "client_private_hex"), key(&case, "server_private_hex"));
        let (our_public, their_public) = (key(&case, "client_public_hex"), key(&case, "server_public_hex"));
        assert_eq!(dh_public(&ours), Ok(our_public));
        assert_eq!(dh_public(&theirs), Ok(their_public));
        assert_eq!(dh_secret(&their_public, &ours), Ok(key(&case, "secret_hex")));
        assert_eq!(dh_secret(&our_public, &theirs), Ok(key(&case, "secret_hex")));
    }
}

#[test]
fn texts_are_enciphered_and_deciphered_as_recorded() {
    let mut pkcs7 = 0;
    for case in cases("desencode", 110) {
        let (key, plain, cipher) = (key(&case, "key_hex"), bytes(&case, "text_hex"), bytes(&case, "out_hex"));
        if text(&case, "padding") == "iso7816_4" {
            assert_eq!(des_encode(&key, &plain), cipher, "{case}");
            assert_eq!(des_decode(&key, &cipher), Ok(plain), "{case}");
        } else {
            // A mode that logins do not use. Its whole blocks before the padding are the same.
            let whole = plain.len() / 8 * 8;
            assert_eq!(des_encode(&key, &plain)[..whole], cipher[..whole]);
            pkcs7 += 1;
        }
    }
    assert_eq!(pkcs7, 10);
    for case in cases("desdecode_edge", 5) {
        match bytes(&case, "key_hex").try_into() {
            Ok(key) => assert_same(&case, des_decode(&key, &bytes(&case, "text_hex"))),
            // Ours has no such call to refuse.
            Err(_) => assert!(text(&case, "error").contains("Invalid key size")),
        }
    }
}

#[test]
fn the_parity_bits_of_a_key_do_not_count() {
    let (even, odd) = ([0x10; 8], [0x11; 8]);
    assert_eq!(des_encode(&even, b"same"), des_encode(&odd, b"same"));
}

#[test]
fn a_text_that_does_not_end_in_its_padding_is_an_error() {
    let key = *b"whatever";
    // What deciphers to these is found by enciphering them and dropping the block of padding.
    let cipher_of = |block: &[u8; 8]| des_encode(&key, block)[..8].to_vec();
    assert_eq!(des_decode(&key, &cipher_of(&[0; 8])), Err(CryptError::Padding));
    assert_eq!(des_decode(&key, &cipher_of(b"\x80......\x00")), Err(CryptError::Padding));
    assert_eq!(des_decode(&key, &cipher_of(&[0x80, 0, 0, 0, 0, 0, 0, 0])), Ok(Vec::new()));
    // The mark must stand in the last block.
    let long = [cipher_of(b".......\x80"), cipher_of(&[0; 8])].concat();
    assert_eq!(des_decode(&key, &long), Err(CryptError::Padding));
}

#[test]
fn base64_is_written_and_leniently_read_as_recorded() {
    for case in cases("base64encode", 22) {
        let plain = bytes(&case, "in_hex");
        assert_eq!(base64_encode(&plain), text(&case, "text"));
        assert_eq!(base64_decode(text(&case, "text").as_bytes()), Ok(plain));
    }
    for case in cases("base64decode", 23) {
        assert_same(&case, base64_decode(&bytes(&case, "text_hex")));
    }
    for case in cases("hexencode", 5) {
        assert_eq!(hex(&bytes(&case, "in_hex")), text(&case, "text"));
    }
}

/// The original's decoder, statement by statement.
fn original_base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (mut group, mut padding) = (Vec::new(), 0);
        while group.len() < 4 {
            let symbol = match text.get(at) {
                None | Some(b'=') => None,
                Some(byte) => match ALPHABET.iter().position(|symbol| symbol == byte) {
                    Some(value) => Some(value as u32),
                    None => {
                        at += 1;
                        continue;
                    }
                },
            };
            padding += usize::from(symbol.is_none());
            group.push(symbol);
            at += 1;
        }
        match (padding, group.as_slice()) {
            (0, &[Some(a), Some(b), Some(c), Some(d)]) => {
                out.extend(&(a << 18 | b << 12 | c << 6 | d).to_be_bytes()[1..]);
            }
            (1, &[Some(a), Some(b), Some(c), None]) if c & 3 == 0 => {
                out.extend(&(a << 10 | b << 4 | c >> 2).to_be_bytes()[2..]);
            }
            (2, &[Some(a), Some(b), None, None]) if b & 15 == 0 => {
                out.extend(&(a << 2 | b >> 4).to_be_bytes()[3..]);
            }
            _ => return None,
        }
    }
    Some(out)
}

#[test]
fn any_text_decodes_as_by_the_originals_statements() {
    let mut state = 1u64;
    let mut accepted = 0;
    for _ in 0..200_000 {
        let mut random = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let text: Vec<u8> = (0..random(14)).map(|_| b"AAQQgwz09+/=== \r-"[random(17) as usize]).collect();
        let ours = base64_decode(&text).ok();
        assert_eq!(ours, original_base64_decode(&text), "{}", text.escape_ascii());
        accepted += usize::from(ours.is_some());
    }
    assert!(accepted > 10_000, "{accepted} texts were base64");
}

#[test]
fn a_proof_of_another_length_or_value_is_none() {
    let proof = *b"12345678";
    assert!(verify(&proof, b"12345678"));
    for other in [&b""[..], b"1234567", b"123456789", b"12345679", b"02345678"] {
        assert!(!verify(&proof, other));
    }
}

/// The lines written to `out`, without their LF; it is empty afterwards.
fn lines(out: &mut Vec<u8>) -> Vec<String> {
    let text = String::from_utf8(std::mem::take(out)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn whole_logins_with_known_keys_are_the_recorded_ones_on_both_sides() {
    for case in cases("login_composite", 3) {
        let mut out = Vec::new();
        let mut server = Server::new(key(&case, "challenge_hex"), key(&case, "server_private_hex"));
        server.write_challenge(&mut out);
        let line1 = lines(&mut out);
        assert_eq!(line1, [text(&case, "line1_s2c_challenge")]);

        let client = Client::new(key(&case, "client_private_hex"));
        let client = client.challenge(line1[0].as_bytes(), &mut out).unwrap();
        let line2 = lines(&mut out);
        assert_eq!(line2, [text(&case, "line2_c2s_client_public")]);

        assert!(matches!(server.line(line2[0].as_bytes(), &mut out), Step::Wait));
        let line3 = lines(&mut out);
        assert_eq!(line3, [text(&case, "line3_s2c_server_public")]);

        let token = Token {
            user: bytes(&case, "uid_hex"),
            server: bytes(&case, "server_hex"),
            password: bytes(&case, "password_hex").into(),
        };
        assert_eq!(*token.encode(), text(&case, "token_text").as_bytes());
        let secret = client.prove(line3[0].as_bytes(), &token.encode(), &mut out).unwrap();
        assert_eq!(*secret, key(&case, "secret_hex"));
        let proved = lines(&mut out);
        assert_eq!(proved, [text(&case, "line4_c2s_hmac"), text(&case, "line5_c2s_token")]);

        assert!(matches!(server.line(proved[0].as_bytes(), &mut out), Step::Wait));
        let Step::Token(presented) = server.line(proved[1].as_bytes(), &mut out) else { panic!("a token") };
        assert_eq!(presented.secret, secret);
        assert_eq!(Token::parse(&presented.token), Some(token.clone()));
        assert!(out.is_empty());

        let subid = text(&case, "subid");
        Status::Ok(subid.into()).write(&mut out);
        assert_eq!(lines(&mut out), [text(&case, "line6_s2c_ok")]);

        let username = Username {
            uid: String::from_utf8(token.user).unwrap(),
            server: String::from_utf8(token.server).unwrap(),
            subid: subid.parse().unwrap(),
        };
        let encoded = username.encode();
        assert_eq!(encoded, text(&case, "msgserver_username").as_bytes());
        assert_eq!(Username::parse(&encoded), Some(username));
        let index = case["index"].as_i64().unwrap();
        Handshake::write(&encoded, index, &secret, &mut out).unwrap();
        assert_eq!(hex(&out), text(&case, "msgserver_handshake_frame_hex"));
        let (frame, rest) = read_frame(&out).unwrap();
        assert_eq!((frame, rest.len()), (text(&case, "msgserver_handshake_payload").as_bytes(), 0));
        assert_eq!(Handshake::parse(frame).unwrap().check(&secret, index - 1), Ok(index));
    }
}
