use super::vectors::{Ordered, hex, list, load, load_ordered, same, text, unhex};
use portcullis_pomelo::wire::protobuf::{MAX_DEPTH, ProtobufError, Protos, Schema, SchemaError, version};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn schema(proto: &Value) -> Schema {
    protos(&json!({ "route": proto })).get("route").unwrap().clone()
}

fn protos(file: &Value) -> Protos {
    Protos::parse(&file.to_string()).unwrap()
}

fn encode<T: Serialize + ?Sized>(schema: &Schema, value: &T) -> Result<String, ProtobufError> {
    let mut out = Vec::new();
    schema.encode(value, &mut out).map(|()| hex(&out))
}

fn decode<'a, T: Deserialize<'a>>(schema: &'a Schema, body: &'a [u8]) -> Result<T, ProtobufError> {
    T::deserialize(schema.decoder(body))
}

fn missing(field: &str) -> ProtobufError {
    ProtobufError::Missing(field.into())
}

/// The proto of a case as a whole file, in its own order.
fn file(case: &Ordered) -> String {
    let mut file = vec![("route".to_owned(), case.at("proto").clone())];
    if let Some(Ordered::Object(shared)) = case.get("root_messages") {
        file.extend(shared.iter().cloned());
    }
    Ordered::Object(file).json()
}

/// Where the original writes a key without value.
fn of_no_type(case: &Ordered) -> bool {
    let name = case.at("name").str().unwrap();
    name.starts_with("64-bit") || name.starts_with("bool")
}

#[test]
fn schemas_are_parsed_to_the_form_that_clients_get() {
    for case in load_ordered("codec-protobuf.json").at("encode").items() {
        let protos = Protos::parse(&file(case)).unwrap();
        let json: Ordered = serde_json::from_str(protos.json()).unwrap();
        assert_eq!(json.at("route").json(), case.at("parsed").json(), "{}", case.at("name").json());
    }
}

#[test]
fn values_become_the_bytes_of_the_original_and_come_back() {
    let mut written = 0;
    for case in
        load_ordered("codec-protobuf.json").at("encode").items().iter().filter(|case| !of_no_type(case))
    {
        let protos = Protos::parse(&file(case)).unwrap();
        let schema = protos.get("route").unwrap();
        for vector in case.at("vectors").items() {
            let value = vector.at("value");
            let Some(expected) = vector.at("hex").str() else { continue };
            assert_eq!(encode(schema, value).unwrap(), expected, "{}", value.json());
            let decoded: Value = decode(schema, &unhex(expected)).unwrap();
            let expected = vector.get("decoded").unwrap_or(value).value();
            assert!(same(&decoded, &expected), "{decoded} is not {expected}");
            written += 1;
        }
    }
    assert!(written > 50);
}

#[test]
fn what_the_original_does_not_encode_is_an_empty_body_or_an_error() {
    let encoded = |case: &Ordered, vector: &Ordered| {
        let protos = Protos::parse(&file(case)).unwrap();
        encode(protos.get("route").unwrap(), vector.at("value"))
    };
    let (mut empty, mut refused) = (0, 0);
    for case in load_ordered("codec-protobuf.json").at("encode").items() {
        let name = case.at("name").str().unwrap();
        for vector in case.at("vectors").items().iter().filter(|vector| vector.at("hex").str().is_none()) {
            let json = vector.at("value").json();
            match (name, encoded(case, vector)) {
                ("empty results", Ok(hex)) => {
                    assert_eq!(hex, "");
                    empty += 1;
                }
                // Nothing in the place of a text is absent here, where the original throws.
                ("refused or wrong values", Ok(hex)) => {
                    assert_eq!((&*json, &*hex), (r#"{"a":1,"s":null}"#, "0801"));
                }
                ("refused or wrong values", Err(_)) => refused += 1,
                (_, Ok(hex)) => {
                    assert!(name.contains("overflow") && hex.len() == 2 * (2 + 8 * 8), "{json}: {hex}");
                }
                (_, Err(error)) => panic!("{json}: {error}"),
            }
        }
    }
    assert_eq!((empty, refused), (3, 5));
}

#[test]
fn bodies_are_read_as_the_original_does() {
    for case in list(&load("codec-protobuf.json"), "decode") {
        let schema = schema(&case["proto"]);
        let body = unhex(text(case, "hex"));
        let decoded: Result<Value, _> = decode(&schema, &body);
        match text(case, "pomelo") {
            throws if throws.starts_with("throws") => {
                let cut = case["name"] == "cut varint";
                let expected = if cut { ProtobufError::Cut } else { ProtobufError::UnknownTag(2) };
                assert_eq!(decoded, Err(expected));
            }
            expected => assert_eq!(decoded.unwrap().to_string(), expected),
        }
    }
}

#[test]
fn the_example_files_give_the_parsed_form_and_the_version_of_the_original() {
    let vectors = load_ordered("codec-protobuf.json");
    let example = vectors.at("file_example");
    let client = Protos::parse(&example.at("clientProtos").json()).unwrap();
    let server = Protos::parse(&example.at("serverProtos").json()).unwrap();
    assert_eq!(client.json(), example.at("parsed_client").json());
    assert_eq!(server.json(), example.at("parsed_server").json());
    assert_eq!(version(&client, &server), example.at("version").str().unwrap());
    assert_eq!(version(&Protos::default(), &Protos::default()), "");
}

#[test]
fn a_missing_required_field_is_an_error_and_not_an_empty_body() {
    let schema = schema(&json!({
        "message M": { "required uInt32 x": 1 },
        "required string s": 1, "optional M m": 2, "repeated M ms": 3,
    }));
    assert_eq!(encode(&schema, &json!({})), Err(missing("s")));
    assert_eq!(encode(&schema, &()), Err(missing("s")));
    assert_eq!(encode(&schema, &json!({ "s": null })), Err(missing("s")));
    assert_eq!(encode(&schema, &json!({ "s": "", "m": {} })), Err(missing("x")));
    assert_eq!(encode(&schema, &json!({ "s": "", "ms": [{ "x": 1 }, {}] })), Err(missing("x")));
    assert_eq!(encode(&schema, &json!({ "s": "", "m": null, "ms": [] })).unwrap(), "0a00");
}

#[test]
fn a_required_field_behind_64_others_is_not_forgotten() {
    let mut proto: BTreeMap<String, u32> =
        (1..=130).map(|tag| (format!("optional uInt32 f{tag}"), tag)).collect();
    proto.insert("required uInt32 zzz".to_owned(), 131);
    let schema = schema(&serde_json::to_value(proto).unwrap());
    assert_eq!(encode(&schema, &json!({ "f1": 1 })), Err(missing("zzz")));
    assert_eq!(encode(&schema, &json!({ "zzz": 1 })).unwrap(), "980801");
}

#[test]
fn a_field_of_a_type_that_does_not_exist_is_an_error_and_not_a_key_without_value() {
    for case in
        load_ordered("codec-protobuf.json").at("encode").items().iter().filter(|case| of_no_type(case))
    {
        let protos = Protos::parse(&file(case)).unwrap();
        let schema = protos.get("route").unwrap();
        let vector = &case.at("vectors").items()[0];
        let unsupported = ProtobufError::Unsupported("a".into());
        assert_eq!(encode(schema, vector.at("value")), Err(unsupported.clone()));
        let body = unhex(vector.at("hex").str().unwrap());
        assert_eq!(decode::<IgnoredAny>(schema, &body).err(), Some(unsupported));
    }
}

#[test]
fn an_array_of_short_doubles_does_not_overflow_anything() {
    let schema = schema(&json!({ "repeated double a": 1 }));
    let value = json!({ "a": vec![1; 300] });
    let mut out = Vec::new();
    schema.encode(&value, &mut out).unwrap();
    assert_eq!(out.len(), 1 + 2 + 300 * 8, "the count takes two bytes");
    assert!(same(&decode(&schema, &out).unwrap(), &value));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item<'a> {
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delta: Option<i32>,
    #[serde(default, borrow)]
    tags: Vec<&'a str>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Echo<'a> {
    u: Option<u64>,
    s: Option<i32>,
    f: Option<f32>,
    d: Option<f64>,
    str: Option<String>,
    #[serde(default)]
    nums: Vec<u16>,
    #[serde(default)]
    strs: Vec<String>,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(default)]
    items: Vec<Item<'a>>,
    #[serde(default)]
    unknown: bool,
}

fn echo() -> Schema {
    let vectors = load_ordered("codec-protobuf.json");
    let file = vectors.at("file_example").at("clientProtos").json();
    Protos::parse(&file).unwrap().get("connector.entryHandler.echo").unwrap().clone()
}

#[test]
fn rust_types_go_there_and_back() {
    let schema = echo();
    let value = Echo {
        u: Some(1 << 53),
        s: Some(i32::MIN),
        f: Some(0.1),
        d: Some(-0.1),
        str: Some("x".repeat(200)),
        nums: vec![0, 65_535],
        strs: vec![String::new(), "é".to_owned()],
        item: Some(Item { id: 7, delta: None, tags: vec!["a", ""] }),
        items: vec![
            Item { id: 1, delta: Some(-1), tags: vec![] },
            Item { id: 2, delta: None, tags: vec!["a", "b"] },
        ],
        unknown: true,
    };
    let mut out = Vec::new();
    schema.encode(&value, &mut out).unwrap();
    assert_eq!(decode::<Echo<'_>>(&schema, &out).unwrap(), Echo { unknown: false, ..value });
    assert_eq!(decode::<Echo<'_>>(&schema, b"").unwrap(), Echo::default());
    decode::<IgnoredAny>(&schema, &out).unwrap();
    decode::<()>(&schema, &out).unwrap();
}

#[test]
fn the_same_bytes_come_through_erased_serde() {
    let schema = echo();
    let value = json!({ "u": 3, "items": [{ "id": 1, "tags": ["a"] }], "nums": [1, 2] });
    let erased: &dyn erased_serde::Serialize = &value;
    assert_eq!(encode(&schema, erased), encode(&schema, &value));
    let body = unhex(&encode(&schema, &value).unwrap());
    let mut decoder = <dyn erased_serde::Deserializer<'_>>::erase(schema.decoder(&body));
    assert_eq!(erased_serde::deserialize::<Value>(&mut decoder).unwrap(), value);
}

#[test]
fn occurrences_of_a_repeated_field_may_stand_apart() {
    let schema = schema(&json!({ "repeated uInt32 a": 1, "repeated string b": 2, "optional uInt32 c": 3 }));
    let body = unhex("080201021201781805080103120179");
    let decoded: Value = decode(&schema, &body).unwrap();
    assert_eq!(decoded, json!({ "a": [1, 2, 3], "b": ["x", "y"], "c": 5 }));
}

#[test]
fn numbers_serve_where_javascript_would_not_see_a_difference() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Numbers {
        d: i32,
        u: f64,
    }
    let schema = schema(&json!({ "optional double d": 1, "optional uInt32 u": 2 }));
    let body = unhex(&encode(&schema, &json!({ "d": -3, "u": 4 })).unwrap());
    assert_eq!(decode::<Numbers>(&schema, &body).unwrap(), Numbers { d: -3, u: 4.0 });
    let body = unhex(&encode(&schema, &json!({ "d": 0.5, "u": 4 })).unwrap());
    assert!(decode::<Numbers>(&schema, &body).is_err());
}

#[test]
fn enums_without_data_are_texts_or_numbers() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Side {
        Left,
        Right,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sides {
        text: Side,
        number: Side,
        all: Vec<Side>,
    }
    let schema =
        schema(&json!({ "optional string text": 1, "optional uInt32 number": 2, "repeated sInt32 all": 3 }));
    let value = Sides { text: Side::Left, number: Side::Right, all: vec![Side::Left, Side::Right] };
    let body = unhex(&encode(&schema, &value).unwrap());
    assert_eq!(body, unhex("0a044c6566741001180200 02".replace(' ', "").as_str()));
    assert_eq!(decode::<Sides>(&schema, &body).unwrap(), value);
    assert!(decode::<Sides>(&schema, &unhex("1002")).is_err(), "no such variant");
}

#[test]
fn numbers_stay_within_53_bits() {
    let schema = schema(&json!({ "optional uInt32 u": 1, "optional sInt32 s": 2 }));
    let range = |field: &str| Err(ProtobufError::Range(field.into()));
    let max = 1u64 << 53;
    assert!(encode(&schema, &json!({ "u": max, "s": -(1i64 << 52) })).is_ok());
    assert_eq!(encode(&schema, &json!({ "u": max + 1 })), range("u"));
    assert_eq!(encode(&schema, &json!({ "u": -1 })), range("u"));
    assert_eq!(encode(&schema, &json!({ "u": 1e300 })), range("u"));
    assert_eq!(encode(&schema, &BTreeMap::from([("u", f64::NAN)])), range("u"));
    assert_eq!(encode(&schema, &BTreeMap::from([("u", u128::MAX)])), range("u"));
    assert_eq!(encode(&schema, &json!({ "s": (1i64 << 52) + 1 })), range("s"));
    assert_eq!(encode(&schema, &json!({ "s": i64::MIN })), range("s"));
    for body in ["08ffffffffffffffffff01", "088180808080808010", "0880808080808080808000"] {
        assert_eq!(decode::<IgnoredAny>(&schema, &unhex(body)).err(), Some(ProtobufError::Number), "{body}");
    }
}

#[test]
fn an_announced_count_or_length_is_checked_against_the_bytes_there_are() {
    let schema = schema(&json!({
        "repeated uInt32 a": 1, "repeated double b": 2, "repeated string c": 3, "optional string d": 4
    }));
    let much = "ffffffffffff0f";
    for body in ["0802 01", "08ff", &format!("08{much}0000"), &format!("11{much}"), "1102 0000000000000000"] {
        assert_eq!(
            decode::<Value>(&schema, &unhex(&body.replace(' ', ""))),
            Err(ProtobufError::Cut),
            "{body}"
        );
    }
    for body in [&*format!("1a{much}"), &format!("22{much}"), "220161220261"] {
        assert_eq!(decode::<Value>(&schema, &unhex(body)), Err(ProtobufError::Cut), "{body}");
    }
}

#[test]
fn messages_in_themselves_have_a_bottom() {
    let protos = protos(&json!({ "message N": { "optional N n": 1 }, "route": { "optional N n": 1 } }));
    let schema = protos.get("route").unwrap();
    let nested = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({ "n": inner }));
    let body = unhex(&encode(schema, &nested(MAX_DEPTH)).unwrap());
    assert_eq!(decode::<Value>(schema, &body).unwrap(), nested(MAX_DEPTH));
    assert_eq!(encode(schema, &nested(MAX_DEPTH + 1)), Err(ProtobufError::Depth));
    let mut deeper = vec![0x0a, 0x80 | (body.len() % 128) as u8, (body.len() / 128) as u8];
    assert!(body.len() >= 128);
    deeper.extend_from_slice(&body);
    assert_eq!(decode::<Value>(schema, &deeper), Err(ProtobufError::Depth));
}

#[test]
fn texts_are_read_leniently() {
    let schema = schema(&json!({ "optional string s": 1 }));
    let decoded: Value = decode(&schema, &unhex("0a06eda0bdedb880")).unwrap();
    assert_eq!(decoded, json!({ "s": "😀" }));
    assert_eq!(decode::<Value>(&schema, &unhex("0a01ff")).unwrap(), json!({ "s": "\u{fffd}" }));
}

#[test]
fn values_of_other_types_are_refused() {
    let schema = schema(&json!({
        "message M": { "optional uInt32 x": 1 },
        "optional uInt32 u": 1, "optional string s": 2, "repeated uInt32 r": 3, "optional M m": 4
    }));
    for value in [
        json!({ "u": true }),
        json!({ "u": "x" }),
        json!({ "u": [1] }),
        json!({ "u": {} }),
        json!({ "s": 5 }),
        json!({ "s": false }),
        json!({ "s": ["x"] }),
        json!({ "s": {} }),
        json!({ "r": 5 }),
        json!({ "r": [[1]] }),
        json!({ "r": [null] }),
        json!({ "r": {} }),
        json!({ "m": 5 }),
        json!({ "m": [] }),
        json!([]),
        json!(5),
        json!("x"),
    ] {
        let mut out = b"before".to_vec();
        let written = schema.encode(&value, &mut out);
        assert!(matches!(written, Err(ProtobufError::WrongType { .. })), "{value}: {written:?}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn types_mean_the_messages_own_and_then_the_files() {
    let protos = protos(&json!({
        "message A": { "optional uInt32 shared": 1 },
        "route": { "message A": { "optional uInt32 own": 1 }, "optional A a": 1 },
        "other": { "optional A a": 1 },
        "around": { "message A": { "optional uInt32 own": 1 }, "message B": { "optional A a": 1 }, "optional B b": 1 },
    }));
    let body = |route: &str, value: Value| encode(protos.get(route).unwrap(), &value);
    assert_eq!(body("route", json!({ "a": { "own": 1, "shared": 2 } })).unwrap(), "0a020801");
    assert_eq!(body("other", json!({ "a": { "own": 1, "shared": 2 } })).unwrap(), "0a020802");
    assert_eq!(body("around", json!({ "b": { "a": { "own": 1, "shared": 2 } } })).unwrap(), "0a040a020802");
    assert!(protos.get("message A").is_none(), "a shared type is no route");
}

#[test]
fn files_that_cannot_be_used_are_refused() {
    assert!(matches!(Protos::parse(""), Err(SchemaError::Json(_))));
    assert!(matches!(Protos::parse("[]"), Err(SchemaError::NoObject(_))));
    assert!(matches!(Protos::parse(r#"{"a": 1}"#), Err(SchemaError::NoObject(key)) if key == "a"));
    for tag in ["0", "-1", "1.5", "268435456", "\"1\"", "null"] {
        let file = format!(r#"{{"route": {{"optional string a": {tag}}}}}"#);
        assert!(matches!(Protos::parse(&file), Err(SchemaError::Tag(_))), "{tag}");
    }
    assert!(Protos::parse(&r#"{"message A":"#.repeat(10_000)).is_err());
}
