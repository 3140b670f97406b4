//! Every byte the original has written (`tests/vectors/skynet/sproto.json`): through `Value`, through serde and through
//! `erased_serde`.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use std::collections::{BTreeMap, HashMap};

use portcullis_skynet::sproto::{
    Decoder, Host, Incoming, Kind, Repeat, Schema, Type, TypeId, Value, measure, pack, unpack,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

fn vectors() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/skynet/sproto.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases(section: &Json) -> impl Iterator<Item = &Json> {
    section["cases"].as_array().unwrap().iter()
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {case}"))
}

fn bytes(case: &Json, key: &str) -> Vec<u8> {
    unhex(text(case, key))
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The schema of sections `encode` and `decode`.
fn schema(vectors: &Json) -> Schema {
    Schema::parse(text(&vectors["encode"], "schema")).unwrap()
}

const C2S: &str = "
.package {
    type 0 : integer
    session 1 : integer
}
handshake 1 { response { msg 0 : string } }
get 2 { request { what 0 : string } response { result 0 : string } }
set 3 { request { what 0 : string value 1 : string } }
quit 4 {}
";

const S2C: &str = "
.package { type 0 : integer  session 1 : integer }
heartbeat 1 {}
";

/// The JSON notation of the vectors, read with the eyes of the schema: `[]` is any empty table there.
fn struct_value(schema: &Schema, ty: &Type, json: &Json) -> Value {
    let Some(object) = json.as_object() else {
        assert!(json.as_array().unwrap().is_empty());
        return Value::Struct(BTreeMap::new());
    };
    let value = |(name, json): (&String, &Json)| {
        let field = ty.fields().iter().find(|field| field.name() == name).unwrap();
        (name.clone(), field_value(schema, field.kind(), field.repeat(), json))
    };
    Value::Struct(object.iter().map(value).collect())
}

fn field_value(schema: &Schema, kind: Kind, repeat: Repeat, json: &Json) -> Value {
    match (repeat, kind) {
        (Repeat::One, Kind::Struct(id)) => struct_value(schema, schema.type_at(id).unwrap(), json),
        (Repeat::One, _) => scalar(kind, json),
        (Repeat::Array, _) => Value::Array(
            json.as_array()
                .unwrap()
                .iter()
                .map(|json| field_value(schema, kind, Repeat::One, json))
                .collect(),
        ),
        (Repeat::Keyed(_), _) => {
            let Kind::Struct(id) = kind else { panic!("a map of structs") };
            let entry = schema.type_at(id).unwrap();
            let entries = json["$map"].as_array().unwrap().iter().map(|pair| {
                (Value::Integer(pair[0].as_i64().unwrap()), struct_value(schema, entry, &pair[1]))
            });
            Value::Map(entries.collect())
        }
        (Repeat::Pairs, _) => {
            let entries = json.as_object().unwrap().iter();
            Value::Map(
                entries.map(|(key, json)| (key.as_str().into(), scalar(Kind::Integer, json))).collect(),
            )
        }
    }
}

fn scalar(kind: Kind, json: &Json) -> Value {
    match kind {
        Kind::Boolean => Value::Boolean(json.as_bool().unwrap()),
        Kind::Integer => Value::Integer(match json.get("$int") {
            Some(digits) => digits.as_str().unwrap().parse().unwrap(),
            None => json.as_i64().unwrap(),
        }),
        Kind::Double | Kind::Fixed(_) => Value::Double(match json.get("$f64") {
            Some(digits) => digits.as_str().unwrap().parse().unwrap(),
            None => json.as_f64().unwrap(),
        }),
        _ => Value::String(match json.get("$hex") {
            Some(hex) => unhex(hex.as_str().unwrap()),
            None => json.as_str().unwrap().into(),
        }),
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Person {
    name: Option<String>,
    age: Option<i32>,
    marital: Option<bool>,
    children: Option<Vec<Person>>,
}

/// Fields out of the schema's order on purpose.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Data {
    strings: Option<Vec<String>>,
    numbers: Option<Vec<i64>>,
    bools: Option<Vec<bool>>,
    double: Option<f64>,
    number: Option<i64>,
    bignumber: Option<i64>,
    doubles: Option<Vec<f64>>,
    blob: Option<Vec<u8>>,
    fpn: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Gap {
    e: Option<u16>,
    d: Option<u32>,
    a: Option<u8>,
    b: Option<Box<str>>,
    c: Option<bool>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Empty;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    x: Option<i8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Outer {
    i: Option<Inner>,
    e: Option<Empty>,
    after: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Maps {
    byid: Option<HashMap<u64, Entry>>,
    kv: Option<BTreeMap<String, i64>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair {
    key: String,
    value: i64,
}

/// The same bytes, as sequences of the entry structs.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct MapsAsLists {
    byid: Option<Vec<Entry>>,
    kv: Option<Vec<Pair>>,
}

/// Decodes into a Rust type and encodes again, plainly and with the types erased.
fn through<T: Serialize + DeserializeOwned>(
    schema: &Schema,
    ty: TypeId,
    bytes: &[u8],
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let value: T = schema.decode(ty, bytes)?;
    let plain = schema.encode(ty, &value)?;
    let mut erased = <dyn erased_serde::Deserializer>::erase(schema.decode_with(ty, bytes)?);
    let value: T = erased_serde::deserialize(&mut erased)?;
    let value: &dyn erased_serde::Serialize = &value;
    assert_eq!(schema.encode(ty, value)?, plain);
    Ok(plain)
}

fn through_rust(
    schema: &Schema,
    name: &str,
    ty: TypeId,
    bytes: &[u8],
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    match name {
        "Person" => through::<Person>(schema, ty, bytes),
        "Data" => through::<Data>(schema, ty, bytes),
        "Gap" => through::<Gap>(schema, ty, bytes),
        "Empty" => through::<Empty>(schema, ty, bytes),
        "Outer" => through::<Outer>(schema, ty, bytes),
        "Maps" => {
            let lists = through::<MapsAsLists>(schema, ty, bytes)?;
            let maps = through::<Maps>(schema, ty, bytes)?;
            assert_eq!(lists, maps);
            Ok(maps)
        }
        other => panic!("no Rust type for {other}"),
    }
}

#[test]
fn schema_text_becomes_the_bundle_of_the_original_and_back() {
    let vectors = vectors();
    let (rpc, ud) = (&vectors["rpc_examples_proto"], &vectors["rpc_with_ud"]);
    for (text, bundle) in [
        (text(&vectors["encode"], "schema"), bytes(&vectors["encode"], "schema_bundle_hex")),
        (C2S, bytes(rpc, "c2s_bundle_hex")),
        (S2C, bytes(rpc, "s2c_bundle_hex")),
        (text(ud, "c2s_schema"), bytes(ud, "c2s_bundle_hex")),
        (text(ud, "s2c_schema"), bytes(ud, "s2c_bundle_hex")),
    ] {
        let schema = Schema::parse(text).unwrap();
        assert_eq!(hex(&schema.to_bundle().unwrap()), hex(&bundle));
        assert_eq!(Schema::from_bundle(&bundle).unwrap(), schema);
    }
}

#[test]
fn values_encode_to_the_bytes_of_the_original() {
    let vectors = vectors();
    let schema = schema(&vectors);
    for case in cases(&vectors["encode"]) {
        let id = schema.type_(text(case, "type")).unwrap();
        let value = struct_value(&schema, schema.type_at(id).unwrap(), &case["value"]);
        let encoded = schema.encode(id, &value).unwrap();
        assert_eq!(hex(&encoded), text(case, "encoded_hex"), "{case}");
        let mut packed = Vec::new();
        pack(&encoded, &mut packed);
        assert_eq!(hex(&packed), text(case, "packed_hex"), "{case}");
    }
}

#[test]
fn encoded_bytes_decode_to_the_values_of_the_original() {
    let vectors = vectors();
    let schema = schema(&vectors);
    for case in cases(&vectors["encode"]) {
        let id = schema.type_(text(case, "type")).unwrap();
        let wanted = case.get("decoded").unwrap_or(&case["value"]);
        let wanted = struct_value(&schema, schema.type_at(id).unwrap(), wanted);
        let encoded = bytes(case, "encoded_hex");
        assert_eq!(schema.decode_value(id, &encoded).unwrap(), wanted, "{case}");
        assert_eq!(measure(&encoded).unwrap(), encoded.len());
        let mut raw = Vec::new();
        unpack(&bytes(case, "packed_hex"), &mut raw, 1 << 20).unwrap();
        assert_eq!(schema.decode_value(id, &raw).unwrap(), wanted, "{case}");
        assert_eq!(measure(&raw).unwrap(), encoded.len());
    }
}

#[test]
fn rust_structs_keep_the_bytes_of_the_original() {
    let vectors = vectors();
    let schema = schema(&vectors);
    for case in cases(&vectors["encode"]) {
        let name = text(case, "type");
        let encoded = bytes(case, "encoded_hex");
        let again = through_rust(&schema, name, schema.type_(name).unwrap(), &encoded).unwrap();
        assert_eq!(hex(&again), hex(&encoded), "{case}");
    }
}

#[test]
fn rust_structs_say_what_the_examples_of_the_readme_say() {
    let vectors = vectors();
    let schema = schema(&vectors);
    let child = |name: &str, age| Person { name: Some(name.into()), age: Some(age), ..Person::default() };
    let bob = Person { children: Some(vec![child("Alice", 13), child("Carol", 5)]), ..child("Bob", 40) };
    let data = Data { numbers: Some((1..=5).collect()), ..Data::default() };
    let fixed = Data { fpn: Some(1.82), ..Data::default() };
    for (note, ty, encoded) in [
        ("README example 2", "Person", schema.encode(schema.type_("Person").unwrap(), &bob)),
        ("README example 3", "Data", schema.encode(schema.type_("Data").unwrap(), &data)),
        (
            "README example 8 (fixed point: stored as round(v*100))",
            "Data",
            schema.encode(schema.type_("Data").unwrap(), &fixed),
        ),
    ] {
        let case = cases(&vectors["encode"]).find(|case| case["note"] == note).unwrap();
        assert_eq!(text(case, "type"), ty);
        assert_eq!(hex(&encoded.unwrap()), text(case, "encoded_hex"), "{note}");
    }
}

#[test]
fn the_decoder_accepts_and_refuses_what_the_original_does() {
    let vectors = vectors();
    let schema = schema(&vectors);
    for case in cases(&vectors["decode"]) {
        let name = text(case, "type");
        let id = schema.type_(name).unwrap();
        let input = bytes(case, "bytes_hex");
        let value = schema.decode_value(id, &input);
        let rust = through_rust(&schema, name, id, &input);
        if case.get("error").is_some() {
            assert!(value.is_err(), "{case}");
            assert!(rust.is_err(), "{case}");
            continue;
        }
        let wanted = struct_value(&schema, schema.type_at(id).unwrap(), &case["decoded"]);
        assert_eq!(value.unwrap(), wanted, "{case}");
        assert_eq!(schema.decode_value(id, &rust.unwrap()).unwrap(), wanted, "{case}");
        assert_eq!(measure(&input).unwrap() as u64, case["used"].as_u64().unwrap(), "{case}");
    }
}

#[test]
fn packing_writes_the_bytes_of_the_original() {
    for case in cases(&vectors()["pack"]) {
        let raw = bytes(case, "raw_hex");
        let (mut packed, mut unpacked) = (vec![7], vec![7]);
        pack(&raw, &mut packed);
        assert_eq!(hex(&packed[1..]), text(case, "packed_hex"), "{case}");
        unpack(&packed[1..], &mut unpacked, 1 << 20).unwrap();
        let wanted = if case["unpacked_hex"].is_null() { raw } else { bytes(case, "unpacked_hex") };
        assert_eq!(unpacked[1..], wanted, "{case}");
        assert_eq!((packed[0], unpacked[0]), (7, 7), "what stood in the buffers stays");
    }
}

#[test]
fn unpacking_accepts_and_refuses_what_the_original_does() {
    for case in cases(&vectors()["unpack"]) {
        let mut raw = Vec::new();
        let done = unpack(&bytes(case, "packed_hex"), &mut raw, 1 << 20);
        match case.get("error") {
            Some(_) => assert!(done.is_err() && raw.is_empty(), "{case}"),
            None => assert_eq!(hex(&raw), text(case, "unpacked_hex"), "{case}"),
        }
    }
}

/// A client's and a server's end of one pair of schemas.
struct Ends {
    client: Host,
    server: Host,
}

impl Ends {
    fn new(c2s: Schema, s2c: Schema) -> Self {
        Self { client: Host::new(s2c.clone(), c2s.clone()).unwrap(), server: Host::new(c2s, s2c).unwrap() }
    }

    fn check(&self, case: &Json) {
        let (from, to) = if text(case, "dir") == "c2s" {
            (&self.client, &self.server)
        } else {
            (&self.server, &self.client)
        };
        let (mut scratch, mut payload) = (Vec::new(), Vec::new());
        let asked = from.outgoing().protocol_named(text(case, "name")).unwrap();
        let session = case["session"].as_i64();
        let request = from.outgoing().protocol_at(asked).unwrap().request();
        let args = optional(from.outgoing(), request, &case["args"]);
        let ud = case.get("ud").and_then(Json::as_str);
        from.encode_request(asked, session, &ud, &args, &mut scratch, &mut payload).unwrap();
        assert_eq!(hex(&payload), text(case, "packed_hex"), "{case}");
        let framed = [&u16::try_from(payload.len()).unwrap().to_be_bytes()[..], &payload].concat();
        assert_eq!(hex(&framed), text(case, "frame_hex"));

        let incoming = to.dispatch(&payload, &mut scratch).unwrap();
        let Incoming::Request { protocol, session: seen, ud: seen_ud, body } = incoming else {
            panic!("a request: {case}")
        };
        assert_eq!((protocol, seen), (asked, session));
        assert_eq!(ud_text(seen_ud), ud);
        assert_eq!(to.request_body(protocol, body).unwrap().value().unwrap(), args, "{case}");
        if let Some(answer) = case.get("response") {
            self.check_answer(case, answer, asked, session.unwrap());
        }
    }

    fn check_answer(
        &self,
        case: &Json,
        answer: &Json,
        protocol: portcullis_skynet::sproto::ProtocolId,
        session: i64,
    ) {
        let (mut scratch, mut payload) = (Vec::new(), Vec::new());
        let schema = self.server.incoming();
        let result = optional(schema, schema.protocol_at(protocol).unwrap().response(), &answer["result"]);
        let ud = answer["ud"].as_str();
        self.server.encode_response(protocol, session, &ud, &result, &mut scratch, &mut payload).unwrap();
        assert_eq!(hex(&payload), text(answer, "packed_hex"), "{case}");

        let incoming = self.client.dispatch(&payload, &mut scratch).unwrap();
        let Incoming::Response { session: seen, ud: seen_ud, body } = incoming else {
            panic!("a response: {case}")
        };
        assert_eq!(seen, session);
        assert_eq!(ud_text(seen_ud), ud);
        let client_sees =
            optional(schema, schema.protocol_at(protocol).unwrap().response(), &answer["client_sees"]);
        assert_eq!(
            self.client.response_body(protocol, body).unwrap().value().unwrap(),
            client_sees,
            "{case}"
        );
    }
}

fn optional(schema: &Schema, ty: Option<TypeId>, json: &Json) -> Option<Value> {
    if json.is_null() { None } else { Some(struct_value(schema, schema.type_at(ty?)?, json)) }
}

fn ud_text<'m>(ud: Option<Decoder<'_, 'm>>) -> Option<&'m str> {
    ud.map(|ud| Deserialize::deserialize(ud).unwrap())
}

#[test]
fn rpc_messages_of_the_example_are_those_of_the_original() {
    let ends = Ends::new(Schema::parse(C2S).unwrap(), Schema::parse(S2C).unwrap());
    cases(&vectors()["rpc_examples_proto"]).for_each(|case| ends.check(case));
}

#[test]
fn rpc_messages_with_a_user_datum_are_those_of_the_original() {
    let vectors = vectors();
    let section = &vectors["rpc_with_ud"];
    let schema = |key| Schema::parse(text(section, key)).unwrap();
    let ends = Ends::new(schema("c2s_schema"), schema("s2c_schema"));
    cases(section).for_each(|case| ends.check(case));
}

#[test]
fn schemas_read_from_bundles_serve_rpc_as_well() {
    let vectors = vectors();
    for section in [&vectors["rpc_examples_proto"], &vectors["rpc_with_ud"]] {
        let schema = |key| Schema::from_bundle(&bytes(section, key)).unwrap();
        let ends = Ends::new(schema("c2s_bundle_hex"), schema("s2c_bundle_hex"));
        cases(section).for_each(|case| ends.check(case));
    }
}
