//! What one message costs: a request read, its body typed or inflated, an answer written.
#![expect(clippy::unwrap_used, reason = "a bench stops where its preparation fails")]

use criterion::{Criterion, criterion_group, criterion_main};
use flate2::{Compression, write::ZlibEncoder};
use portcullis_sysconn::wire::messages::{LoginAccount, SystemNotice};
use portcullis_sysconn::wire::{Request, Response, Status, commands, inflate, write_response};
use prost::Message;
use std::{hint::black_box, io::Write};

/// 64 bytes, as the echo of the servers' benches.
const BODY: [u8; 64] = [b'x'; 64];

fn requests(c: &mut Criterion) {
    let write = |command, body: &[u8]| {
        let mut out = Vec::new();
        let size = Default::default();
        Request { status: Status::Raw, flag: 7, command, body, size }.write(&mut out);
        out
    };
    let raw = write(1190, &BODY);
    c.bench_function("request read", |b| b.iter(|| Request::read(black_box(&raw)).unwrap().body.len()));
    let login = LoginAccount { account: Some("an account of some length".to_owned()) };
    let login = write(commands::LOGIN, &login.encode_to_vec());
    c.bench_function("login read", |b| {
        b.iter(|| LoginAccount::decode(Request::read(black_box(&login)).unwrap().body).unwrap().account);
    });
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&BODY).unwrap();
    let zlib = zlib.finish().unwrap();
    c.bench_function("inflate 64 bytes", |b| b.iter(|| inflate(black_box(&zlib), 65_536).unwrap().len()));
}

fn responses(c: &mut Criterion) {
    let mut out = Vec::new();
    c.bench_function("response write", |b| {
        b.iter(|| {
            out.clear();
            Response { error: 0, flag: 7, command: 1190, body: black_box(&BODY) }.write(&mut out);
        });
    });
    let notice = SystemNotice { text: "x".repeat(62) };
    c.bench_function("protobuf written in place", |b| {
        b.iter(|| {
            out.clear();
            write_response(&mut out, 0, commands::SYSTEM_NOTICE, |out| black_box(&notice).encode(out))
                .unwrap();
        });
    });
}

criterion_group!(benches, requests, responses);
criterion_main!(benches);
