//! What one message costs: encode, decode, pack, and a whole request with its answer.
#![expect(clippy::unwrap_used, reason = "a bench stops where its preparation fails")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_skynet::sproto::{Host, Incoming, Schema, pack, unpack};
use serde::{Deserialize, Serialize};

const C2S: &str = "
.package { type 0 : integer  session 1 : integer }
.Keys { run 0 : boolean  jump 1 : boolean }
move 5 {
    request { x 0 : integer  y 1 : integer  z 2 : double  name 3 : string  keys 4 : Keys }
    response { seq 0 : integer }
}
";
const S2C: &str = ".package { type 0 : integer  session 1 : integer }";

#[derive(Serialize, Deserialize)]
struct Move<'a> {
    x: i32,
    y: i32,
    z: f64,
    name: &'a str,
    keys: Keys,
}

#[derive(Serialize, Deserialize)]
struct Keys {
    run: bool,
    jump: bool,
}

#[derive(Serialize)]
struct Moved {
    seq: u32,
}

fn sample() -> Move<'static> {
    Move { x: 100_000, y: -5, z: 1.5, name: "a player's name", keys: Keys { run: true, jump: false } }
}

fn structs(c: &mut Criterion) {
    let schema = Schema::parse(C2S).unwrap();
    let ty = schema.type_("move.request").unwrap();
    let mut bytes = Vec::new();
    c.bench_function("sproto encode", |b| {
        b.iter(|| {
            bytes.clear();
            schema.encode_into(ty, black_box(&sample()), &mut bytes).unwrap();
        });
    });
    c.bench_function("sproto decode", |b| {
        b.iter(|| schema.decode::<Move<'_>>(ty, black_box(&bytes)).unwrap().x);
    });
}

fn rpc(c: &mut Criterion) {
    let (c2s, s2c) = (Schema::parse(C2S).unwrap(), Schema::parse(S2C).unwrap());
    let client = Host::new(s2c.clone(), c2s.clone()).unwrap();
    let server = Host::new(c2s, s2c).unwrap();
    let request = client.outgoing().protocol_named("move").unwrap();
    let (mut scratch, mut unpacked) = (Vec::new(), Vec::new());
    let (mut payload, mut answer) = (Vec::new(), Vec::new());
    client.encode_request(request, Some(7), &(), &sample(), &mut scratch, &mut payload).unwrap();
    c.bench_function("sproto request in, answer out", |b| {
        b.iter(|| {
            let incoming = server.dispatch(black_box(&payload), &mut unpacked).unwrap();
            let Incoming::Request { protocol, session, body, .. } = incoming else { return };
            let body = Move::deserialize(server.request_body(protocol, body).unwrap()).unwrap();
            let moved = Moved { seq: body.x.cast_unsigned() };
            answer.clear();
            server
                .encode_response(protocol, session.unwrap_or(0), &(), &moved, &mut scratch, &mut answer)
                .unwrap();
        });
    });
}

fn packing(c: &mut Criterion) {
    const SIZE: usize = 1 << 16;
    let mixed = |i: usize| if i.wrapping_mul(0x9e37_79b9) >> 16 & 1 == 0 { 0 } else { i as u8 | 1 };
    let mut group = c.benchmark_group("sproto 0-pack");
    group.throughput(Throughput::Bytes(SIZE as u64));
    for (name, raw) in
        [("zeros", vec![0; SIZE]), ("mixed", (0..SIZE).map(mixed).collect()), ("dense", vec![7; SIZE])]
    {
        let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
        group.bench_function(format!("pack {name}"), |b| {
            b.iter(|| {
                packed.clear();
                pack(black_box(&raw), &mut packed);
            });
        });
        group.bench_function(format!("unpack {name}"), |b| {
            b.iter(|| {
                unpacked.clear();
                unpack(black_box(&packed), &mut unpacked, SIZE).unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, structs, rpc, packing);
criterion_main!(benches);
