//! What targets begin with: everything that was recorded of the originals, and a little that was not.
//!
//! The recordings are read from `tests/vectors` at run time; `src/bin/seeds.rs` writes them where libFuzzer looks for them.

use crate::targets::edge::UPGRADE;
use flate2::{Compression, write::ZlibEncoder};
use portcullis::{
    native::wire::{ClientFrame, Identity, ServerFrame},
    sysconn::wire::Request,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, io::Write, path::PathBuf, time::Duration};

/// A seed has no more bytes.
const LONGEST: usize = 4096;

/// Streams of 2-byte and 4-byte frames, and the lengths at which something changes.
pub fn frames() -> Vec<Vec<u8>> {
    let mut seeds =
        [&b"\x04\0\x02hi\0\0"[..], b"\x03\x05\0\0\0hello\0\0\0\0", b"\x04\xff\xff", b"\x04\xff\xff\xff\xff"]
            .map(<[u8]>::to_vec)
            .to_vec();
    seeds.extend(client_bytes("skynet/gate_sproto.json"));
    seeds.extend(native_stream());
    seeds
}

/// sproto values and RPC messages, packed and not, with and without the gate's length.
pub fn sproto() -> Vec<Vec<u8>> {
    let mut seeds = hex_of("skynet/sproto.json");
    seeds.extend(behind(2, hex_of("skynet/gate_sproto.json")));
    seeds
}

/// Texts and bundles of sproto schemas.
pub fn schemas() -> Vec<Vec<u8>> {
    let mut seeds = texts_of("skynet/sproto.json", |text| text.contains(" : ") || text.contains('{'));
    for file in ["assets/skynet/c2s.sproto", "assets/skynet/s2c.sproto"] {
        seeds.extend(fs::read(root().join(file)));
    }
    seeds.extend(hex_of("skynet/sproto.json").into_iter().filter(|bytes| bytes.len() > 100));
    bounded(seeds)
}

/// Lines of logins, and tokens.
pub fn login() -> Vec<Vec<u8>> {
    let mut seeds = client_bytes("skynet/login.json");
    seeds.push(seeds.concat());
    seeds.push(b"YW5u@c2FtcGxl:cGFzc3dvcmQ=".to_vec());
    seeds.extend(texts_of("skynet/login.json", |text| text.contains('@') && text.contains(':')));
    bounded(seeds)
}

/// Handshakes and requests of msgserver, without the length.
pub fn msgserver() -> Vec<Vec<u8>> {
    bounded(behind(2, hex_of("skynet/msgserver.json")))
}

/// Packages, messages and bodies.
pub fn pomelo() -> Vec<Vec<u8>> {
    let files = [
        "codec-message",
        "codec-package",
        "codec-protobuf",
        "codec-text",
        "flows-messages",
        "flows-handshake",
    ];
    let mut seeds: Vec<_> = files.iter().flat_map(|file| hex_of(&format!("pomelo/{file}.json"))).collect();
    seeds.extend(behind(4, client_bytes("pomelo/flows-dict-protobuf.json")));
    seeds.extend(behind(4, client_bytes("pomelo/capture-tcp-json-libpitaya-compressed.json")));
    bounded(seeds)
}

/// Files of schemas and dictionaries.
pub fn pomelo_files() -> Vec<Vec<u8>> {
    let files = ["clientProtos.json", "serverProtos.json", "dictionary.json"];
    let mut seeds: Vec<_> =
        files.iter().flat_map(|file| fs::read(root().join("assets/pomelo").join(file))).collect();
    let vectors: Value = read("pomelo/codec-protobuf.json");
    for case in vectors["encode"].as_array().into_iter().flatten() {
        let file = serde_json::json!({ "route": case["proto"] }).to_string().into_bytes();
        let bodies = case["vectors"].as_array().into_iter().flatten();
        for body in bodies.filter_map(|vector| vector["hex"].as_str()).filter_map(unhex).take(2) {
            seeds.push([&file[..], b"\0", &body].concat());
        }
    }
    bounded(seeds)
}

/// Deflated bodies, behind the byte that sets the limit.
pub fn compressed() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = [&b""[..], b"hello", &[0; 5000], b"{\"text\":\"the same, the same, the same\"}"]
        .into_iter()
        .map(|body| {
            let mut deflate = ZlibEncoder::new(Vec::new(), Compression::best());
            deflate.write_all(body).unwrap();
            deflate.finish().unwrap()
        })
        .collect();
    seeds.extend(hex_of("sysconn/compression.json").into_iter().filter(|bytes| bytes.starts_with(&[0x78])));
    bounded(seeds)
}

/// What clients of the connector send, as messages and as bodies.
pub fn sysconn() -> Vec<Vec<u8>> {
    let mut seeds = sysconn_messages();
    seeds.extend(behind(Request::HEADER, sysconn_messages()));
    bounded(seeds)
}

/// Messages of the connector's clients.
pub fn sysconn_messages() -> Vec<Vec<u8>> {
    let vectors: Value = read("sysconn/codec_client_to_server.json");
    let mut found = BTreeSet::new();
    walk(&vectors, &mut |key, value| {
        if key == "message" {
            found.extend(value["hex"].as_str().and_then(unhex));
        }
    });
    bounded(found.into_iter().collect())
}

/// Requests for a WebSocket, and its frames.
pub fn edge() -> Vec<Vec<u8>> {
    let mut seeds = vec![UPGRADE.to_vec(), b"GET /health HTTP/1.1\r\n\r\n".to_vec()];
    for file in
        ["handshake", "handshake_faults", "frames_odd_but_accepted", "large_126", "close_frame", "bad_ping"]
    {
        seeds.extend(hex_of(&format!("sysconn/{file}.json")));
    }
    seeds.extend(client_bytes("pomelo/flows-websocket.json"));
    let frames =
        hex_of("sysconn/codec_client_to_server.json").into_iter().filter(|bytes| bytes.starts_with(&[0x82]));
    seeds.extend(frames.take(40));
    bounded(seeds)
}

/// Headers of proxies.
pub fn proxies() -> Vec<Vec<u8>> {
    const TWO: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let binary = |rest: &[u8]| [TWO, rest].concat();
    vec![
        b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\nmore".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        binary(b"\x21\x11\0\x0c\xc0\0\x02\x09\x0a\0\0\x01\0\x07\0\x50"),
        binary(b"\x21\x11\0\x13\xc0\0\x02\x09\x0a\0\0\x01\0\x07\0\x50\x30\0\x04someX"),
        binary(&[&b"\x21\x21\0\x24"[..], &[0x20; 36]].concat()),
        binary(b"\x20\0\0\0"),
        binary(&[&b"\x21\x31\0\xd8"[..], &[b'/'; 216]].concat()),
    ]
}

/// Payloads of native frames, and bodies.
pub fn native() -> Vec<Vec<u8>> {
    let mut seeds = behind(4, native_stream());
    seeds
        .push(b"\x01\x05\xfb\x10\x01\x07\x0c\x05z\x02hi\x02\x01\xfb\x80\x01\0\x01\x01k\x01\x01\x02".to_vec());
    seeds.push(vec![1; 80]);
    seeds.push([&[3, 1][..]; 60].concat());
    seeds
}

/// Native frames of both sides, whole.
pub fn native_stream() -> Vec<Vec<u8>> {
    let identity = Identity { name: "sums", version: 1, hash: 7 };
    let client = [
        ClientFrame::Hello(identity),
        ClientFrame::Request { id: 1, route: 0, body: &[2, 4] },
        ClientFrame::Notify { route: 1, body: b"\x05hello" },
        ClientFrame::Ping,
    ];
    let server = [
        ServerFrame::Welcome { heartbeat: Duration::from_secs(20) },
        ServerFrame::Reject { message: "no" },
        ServerFrame::Reply { id: 1, body: &[6] },
        ServerFrame::Refusal { id: 1, code: 404, message: "nothing is there" },
        ServerFrame::Push { route: 1, body: b"\x04news" },
        ServerFrame::Pong,
        ServerFrame::Bye { cause: "kicked", reason: "enough" },
    ];
    let mut seeds: Vec<_> = client
        .iter()
        .map(|frame| {
            let mut out = Vec::new();
            frame.write(&mut out).unwrap();
            out
        })
        .collect();
    let server = server.iter().map(|frame| {
        let mut out = Vec::new();
        frame.write(&mut out).unwrap();
        out
    });
    let server: Vec<_> = server.collect();
    seeds.push(server.concat());
    seeds.extend(server);
    seeds
}

/// What clients sent, in order.
pub fn client_bytes(file: &str) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    walk(&read(file), &mut |_, value| {
        if value["dir"] == "c2s" {
            sent.extend(value["hex"].as_str().and_then(unhex));
        }
    });
    bounded(sent)
}

/// Each distinct run of hex digits in a file of vectors, as bytes.
fn hex_of(file: &str) -> Vec<Vec<u8>> {
    let mut found = BTreeSet::new();
    walk(&read(file), &mut |key, value| {
        if key.ends_with("hex") {
            found.extend(value.as_str().and_then(unhex));
        }
    });
    bounded(found.into_iter().collect())
}

/// The texts of a file of vectors that are of this kind.
fn texts_of(file: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let mut found = BTreeSet::new();
    walk(&read(file), &mut |_, value| {
        found.extend(value.as_str().filter(|text| wanted(text)).map(|text| text.as_bytes().to_vec()));
    });
    bounded(found.into_iter().collect())
}

/// The seeds, and what stands behind so many bytes of each.
fn behind(header: usize, mut seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let tails: Vec<_> = seeds.iter().filter_map(|seed| seed.get(header..)).map(<[u8]>::to_vec).collect();
    seeds.extend(tails);
    seeds
}

fn bounded(mut seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    seeds.retain(|seed| seed.len() <= LONGEST);
    seeds
}

/// Visits every value of a file, with the key it stands under.
fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                visit(key, value);
                walk(value, visit);
            }
        }
        Value::Array(values) => {
            for value in values {
                visit("", value);
                walk(value, visit);
            }
        }
        _ => {}
    }
}

fn read(file: &str) -> Value {
    let path = root().join("tests/vectors").join(file);
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() || text.is_empty() {
        return None;
    }
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}
