//! Random values survive the way there and back; damaged bytes are an error or another value, never a panic.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use std::collections::BTreeMap;

use portcullis_skynet::sproto::{
    DecodeError, EncodeError, Host, Kind, Repeat, Schema, Type, UnpackError, Value, measure, pack, unpack,
};
use serde::de::IgnoredAny;

/// A small generator with a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Numbers near every boundary of the format, and anything.
    fn integer(&mut self) -> i64 {
        let around = [0, 0x7ffe, 0x8000, 1 << 31, -(1 << 31), 1 << 32, i64::MAX - 2, i64::MIN + 2];
        match self.below(9) {
            8 => self.next().cast_signed() >> self.below(64),
            index => around[index as usize] + (self.below(5).cast_signed() - 2),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| if self.below(3) == 0 { 0 } else { self.next() as u8 }).collect()
    }
}

const SCHEMA: &str = "
    .Leaf { a 0 : integer  b 3 : boolean  c 4 : double  d 5 : string  e 32766 : binary }
    .Node {
        leaf 1 : Leaf  ints 2 : *integer  flags 3 : *boolean  reals 4 : *double  texts 5 : *string
        leaves 10 : *Leaf  nodes 11 : *Node  keyed 12 : *Leaf(a)  pairs 13 : *Pair()  prices 20 : *integer(0)
    }
    .Pair { key 2 : string  value 9 : Node }
";

fn struct_of(random: &mut Random, schema: &Schema, ty: &Type, depth: u64, must: &[usize]) -> Value {
    let mut fields = BTreeMap::new();
    for (index, field) in ty.fields().iter().enumerate() {
        if must.contains(&index) || random.below(3 + depth) == 0 {
            let value = many_of(random, schema, field.kind(), field.repeat(), depth);
            fields.insert(field.name().to_owned(), value);
        }
    }
    Value::Struct(fields)
}

fn many_of(random: &mut Random, schema: &Schema, kind: Kind, repeat: Repeat, depth: u64) -> Value {
    let count = random.below(4);
    let entry = |random: &mut Random, must: &[usize]| {
        let Kind::Struct(id) = kind else { panic!("a map of structs") };
        struct_of(random, schema, schema.type_at(id).unwrap(), depth + 1, must)
    };
    match repeat {
        Repeat::One => one_of(random, schema, kind, depth),
        Repeat::Array => Value::Array((0..count).map(|_| one_of(random, schema, kind, depth)).collect()),
        Repeat::Keyed(_) => {
            let entries = (0..count).map(|_| {
                let entry = entry(random, &[0]);
                let Value::Struct(fields) = &entry else { panic!("a struct") };
                (fields["a"].clone(), entry)
            });
            Value::Map(entries.collect())
        }
        Repeat::Pairs => {
            let entries = (0..count).map(|_| {
                let Value::Struct(mut fields) = entry(random, &[0, 1]) else { panic!("a struct") };
                (fields.remove("key").unwrap(), fields.remove("value").unwrap())
            });
            Value::Map(entries.collect())
        }
    }
}

fn one_of(random: &mut Random, schema: &Schema, kind: Kind, depth: u64) -> Value {
    match kind {
        Kind::Integer => Value::Integer(random.integer()),
        Kind::Fixed(_) => Value::Double((random.integer() >> 16) as f64),
        Kind::Boolean => Value::Boolean(random.below(2) == 0),
        Kind::Double => Value::Double((random.integer() >> 8) as f64 / 256.0),
        Kind::String | Kind::Binary => Value::String(random.bytes()),
        Kind::Struct(id) => struct_of(random, schema, schema.type_at(id).unwrap(), depth + 1, &[]),
    }
}

/// Values with their encoded form.
fn samples(count: usize, seed: u64) -> (Schema, Vec<(Value, Vec<u8>)>) {
    let schema = Schema::parse(SCHEMA).unwrap();
    let node = schema.type_("Node").unwrap();
    let mut random = Random(seed);
    let samples = (0..count)
        .map(|_| {
            let value = struct_of(&mut random, &schema, schema.type_at(node).unwrap(), 0, &[]);
            let bytes = schema.encode(node, &value).unwrap();
            (value, bytes)
        })
        .collect();
    (schema, samples)
}

#[test]
fn random_values_survive_encoding_packing_and_the_way_back() {
    let (schema, samples) = samples(1000, 1);
    let node = schema.type_("Node").unwrap();
    let (mut packed, mut raw) = (Vec::new(), Vec::new());
    for (value, bytes) in samples {
        packed.clear();
        raw.clear();
        pack(&bytes, &mut packed);
        unpack(&packed, &mut raw, usize::MAX).unwrap();
        assert_eq!(measure(&raw).unwrap(), bytes.len());
        assert_eq!(schema.decode_value(node, &raw).unwrap(), value);
        schema.decode::<IgnoredAny>(node, &raw).unwrap();
    }
}

#[test]
fn every_prefix_of_an_object_is_an_error() {
    let (schema, samples) = samples(60, 2);
    let node = schema.type_("Node").unwrap();
    for (_, bytes) in samples {
        for cut in 0..bytes.len() {
            assert!(schema.decode_value(node, &bytes[..cut]).is_err());
            assert!(schema.decode::<BTreeMap<String, IgnoredAny>>(node, &bytes[..cut]).is_err());
            assert!(measure(&bytes[..cut]).is_err());
        }
    }
}

#[test]
fn damaged_objects_are_errors_or_values_that_encode_again() {
    let (schema, samples) = samples(200, 3);
    let node = schema.type_("Node").unwrap();
    let mut decoded = 0;
    for (_, bytes) in samples.iter().filter(|(_, bytes)| bytes.len() < 250) {
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(value) = schema.decode_value(node, &damaged) {
                decoded += 1;
                let again = match schema.encode(node, &value) {
                    Ok(again) => again,
                    // A fixed-point number at the end of 64 bits is rounded out of them when it becomes a double.
                    Err(EncodeError::Range { field }) if *field == *"Node.prices" => continue,
                    Err(error) => panic!("{error}"),
                };
                // Not all doubles are equal to themselves; their bytes are.
                let value = schema.decode_value(node, &again).unwrap();
                assert_eq!(schema.encode(node, &value).unwrap(), again);
            }
        }
    }
    assert!(decoded > 1000, "most flips hit contents, not structure");
}

#[test]
fn rubbish_is_never_a_panic() {
    let (schema, _) = samples(0, 0);
    let host_schema = Schema::parse(
        ".package { type 0 : integer session 1 : integer ud 2 : Deep } .Deep { d 0 : Deep } p 0 { request Deep }",
    )
    .unwrap();
    let host = Host::new(host_schema.clone(), host_schema).unwrap();
    let mut random = Random(4);
    let (mut scratch, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..30_000 {
        let length = random.below(40);
        let small = random.below(2) == 0;
        let bytes: Vec<u8> =
            (0..length).map(|_| (random.next() >> if small { 62 } else { 56 }) as u8).collect();
        for (index, _) in schema.types().enumerate() {
            let id = schema.type_(["Leaf", "Node", "Pair"][index]).unwrap();
            let _ = schema.decode_value(id, &bytes);
        }
        let _ = host.read(&bytes);
        let _ = host.dispatch(&bytes, &mut scratch);
        raw.clear();
        let _ = unpack(&bytes, &mut raw, 64);
        assert!(raw.len() <= 64);
        let _ = Schema::from_bundle(&bytes);
    }
}

#[test]
fn a_declared_size_near_four_gigabytes_does_not_wrap_around() {
    // The original computes size + 4 in 32 bits, believes this item to be there, and reads outside its buffer.
    let schema = Schema::parse(".T { texts 0 : *string  text 1 : string }").unwrap();
    let ty = schema.type_("T").unwrap();
    for size in [u32::MAX, u32::MAX - 3, 1 << 31] {
        for header in [&[1, 0, 0, 0][..], &[2, 0, 1, 0, 0, 0]] {
            let bytes = [header, &size.to_le_bytes(), b"tail"].concat();
            assert_eq!(schema.decode_value(ty, &bytes), Err(DecodeError::Short));
            assert_eq!(measure(&bytes), Err(DecodeError::Short));
        }
    }
}

#[test]
fn a_pair_without_value_does_not_take_the_value_of_the_pair_before() {
    // The original decodes all pairs of a map into one table, and so does.
    let schema = Schema::parse(".T { map 0 : *Pair() } .Pair { k 0 : integer  v 1 : integer }").unwrap();
    let ty = schema.type_("T").unwrap();
    let (whole, half) = ([6, 0, 0, 0, 2, 0, 4, 0, 20, 0], [4, 0, 0, 0, 1, 0, 6, 0]);
    let bytes = [&[1, 0, 0, 0, 18, 0, 0, 0][..], &whole, &half].concat();
    let missing = DecodeError::MissingKey { field: "Pair".into() };
    assert_eq!(schema.decode_value(ty, &bytes).unwrap_err(), missing);
    let rust = schema.decode::<BTreeMap<String, BTreeMap<i64, i64>>>(ty, &bytes);
    assert_eq!(rust.unwrap_err(), missing);
}

/// The packer as the original describes it, byte by byte.
fn slow_pack(raw: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut run: Option<(usize, usize)> = None;
    for chunk in raw.chunks(8) {
        let mut word = chunk.to_vec();
        word.resize(8, 0);
        let set = word.iter().filter(|&&byte| byte != 0).count();
        match run {
            Some((at, count)) if set >= 6 => {
                out[at] = count as u8;
                out.extend(&word);
                run = if count == 255 { None } else { Some((at, count + 1)) };
            }
            _ if set == 8 => {
                out.extend([0xff, 0]);
                run = Some((out.len() - 1, 1));
                out.extend(&word);
            }
            _ => {
                run = None;
                out.push((0..8).filter(|&bit| word[bit] != 0).map(|bit| 1 << bit).sum());
                out.extend(word.iter().filter(|&&byte| byte != 0));
            }
        }
    }
    out
}

#[test]
fn random_data_packs_as_word_by_word_and_unpacks_to_itself() {
    let mut random = Random(5);
    for round in 0..1500 {
        let length = random.below(if round % 50 == 0 { 8000 } else { 90 });
        let zeros = random.below(12);
        let raw: Vec<u8> =
            (0..length).map(|_| if random.below(12) < zeros { 0 } else { random.next() as u8 | 1 }).collect();
        let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
        pack(&raw, &mut packed);
        assert_eq!(packed, slow_pack(&raw));
        unpack(&packed, &mut unpacked, raw.len().next_multiple_of(8)).unwrap();
        assert_eq!(unpacked.len(), raw.len().next_multiple_of(8));
        assert_eq!(unpacked[..raw.len()], raw);
        for cut in 0..packed.len().min(40) {
            unpacked.clear();
            let _ = unpack(&packed[..cut], &mut unpacked, usize::MAX);
        }
    }
}

#[test]
fn unpacking_stops_at_the_limit_of_the_caller() {
    let mut out = vec![9];
    assert_eq!(unpack(&[0; 100], &mut out, 799), Err(UnpackError::TooLarge { limit: 799 }));
    assert_eq!(out, [9], "after an error the buffer is as before");
    unpack(&[0; 100], &mut out, 800).unwrap();
    assert_eq!(out.len(), 801, "what stood in the buffer does not count");
    let mut run = vec![0xff, 255];
    run.resize(2 + 2048, 1);
    assert_eq!(unpack(&run, &mut out, 2047), Err(UnpackError::TooLarge { limit: 2047 }));
    unpack(&run, &mut out, 2048).unwrap();
}
