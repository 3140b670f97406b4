//! Rust types over a schema: what fits, what does not, and what the error says.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use portcullis_skynet::sproto::{DecodeError, EncodeError, MAX_OBJECT, Schema, TypeId, Value};
use serde::{Deserialize, Serialize, Serializer};

fn schema() -> (Schema, TypeId) {
    let schema = Schema::parse(
        "
        .T {
            int 0 : integer   fixed 1 : integer(2)  flag 2 : boolean   text 3 : string   blob 4 : binary   real 5 : double
            sub 6 : T         ints 7 : *integer     flags 8 : *boolean texts 9 : *string reals 10 : *double subs 11 : *T
            keyed 12 : *Entry(id)                   pairs 13 : *Pair() prices 14 : *integer(2)
        }
        .Entry { id 0 : integer  name 1 : string }
        .Pair { key 0 : string  value 1 : integer }
        ",
    )
    .unwrap();
    let ty = schema.type_("T").unwrap();
    (schema, ty)
}

/// A struct of one field, and back as another type.
fn round_trip<T: for<'de> Deserialize<'de>>(field: &str, value: impl Serialize) -> T {
    let (schema, ty) = schema();
    let bytes = schema.encode(ty, &BTreeMap::from([(field, value)])).unwrap();
    let mut map: BTreeMap<String, T> = schema.decode(ty, &bytes).unwrap();
    assert_eq!(map.len(), 1);
    map.remove(field).unwrap()
}

fn refused(field: &str, value: impl Serialize) -> String {
    let (schema, ty) = schema();
    let mut out = vec![1, 2, 3];
    let error = schema.encode_into(ty, &BTreeMap::from([(field, value)]), &mut out).unwrap_err();
    assert_eq!(out, [1, 2, 3], "after an error the buffer is as before");
    error.to_string()
}

fn unread<T: for<'de> Deserialize<'de> + std::fmt::Debug>(field: &str, value: impl Serialize) -> String {
    let (schema, ty) = schema();
    let bytes = schema.encode(ty, &BTreeMap::from([(field, value)])).unwrap();
    schema.decode::<BTreeMap<String, T>>(ty, &bytes).unwrap_err().to_string()
}

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Color {
    Red,
    Green,
}

#[test]
fn numbers_of_all_widths_fit_an_integer() {
    assert_eq!(round_trip::<u8>("int", 255_u8), 255);
    assert_eq!(round_trip::<i8>("int", -128_i8), -128);
    assert_eq!(round_trip::<u64>("int", i64::MAX as u64), i64::MAX as u64);
    assert_eq!(round_trip::<i128>("int", i128::from(i64::MIN)), i128::from(i64::MIN));
    assert_eq!(round_trip::<u128>("int", 5_u128), 5);
    assert_eq!(round_trip::<f64>("int", 7), 7.0);
    assert_eq!(round_trip::<f64>("real", 7), 7.0, "an integer is a double too");
    assert_eq!(round_trip::<f32>("real", 1.5_f32), 1.5);
}

#[test]
fn numbers_out_of_range_are_errors_and_do_not_wrap() {
    assert_eq!(refused("int", u64::MAX), "`T.int`: the number is out of range");
    assert_eq!(refused("int", i128::MIN), "`T.int`: the number is out of range");
    assert_eq!(refused("fixed", i64::MAX), "`T.fixed`: the number is out of range");
    for float in [f64::NAN, f64::INFINITY, 1e300, -9.3e16] {
        assert_eq!(refused("fixed", float), "`T.fixed`: the number is out of range");
    }
    assert_eq!(refused("blob", [256]), "`T.blob`: the number is out of range");
    assert!(unread::<u8>("int", 256).contains("256"));
    assert!(unread::<u64>("int", -1).contains("-1"));
}

#[test]
fn fixed_point_rounds_half_away_from_zero() {
    for (given, got) in [(0.125, 0.13), (-0.125, -0.13), (1.004, 1.0), (3.0, 3.0), (-1e15, -1e15)] {
        assert_eq!(round_trip::<f64>("fixed", given), got);
    }
    assert_eq!(round_trip::<f64>("fixed", 12), 12.0);
    assert_eq!(round_trip::<Vec<f64>>("prices", [0.125, 21_474_836.48]), [0.13, 21_474_836.48]);
}

#[test]
fn doubles_keep_every_bit() {
    for value in [0.0, -0.0, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NAN] {
        assert_eq!(round_trip::<f64>("real", value).to_bits(), value.to_bits());
        assert_eq!(round_trip::<Vec<f64>>("reals", [value, 1.0])[0].to_bits(), value.to_bits());
    }
}

#[test]
fn strings_and_binaries_are_text_or_bytes_as_asked() {
    struct Raw<'a>(&'a [u8]);
    impl Serialize for Raw<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    for field in ["text", "blob"] {
        assert_eq!(round_trip::<String>(field, "é"), "é");
        assert_eq!(round_trip::<char>(field, 'é'), 'é');
        assert_eq!(round_trip::<Vec<u8>>(field, vec![0_u8, 255]), [0, 255]);
        assert_eq!(round_trip::<[u8; 2]>(field, [0_u8, 255]), [0, 255]);
        assert_eq!(round_trip::<Vec<u8>>(field, Raw(&[0, 255])), [0, 255]);
        assert_eq!(round_trip::<IpAddr>(field, "::1".parse::<IpAddr>().unwrap()).to_string(), "::1");
        let message = unread::<String>(field, Raw(&[255]));
        assert_eq!(message, format!("`T.{field}`: the string is not UTF-8; read it as bytes"));
    }
}

#[test]
fn text_and_bytes_are_borrowed_from_the_input() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        text: &'a str,
        #[serde(borrow)]
        blob: &'a [u8],
    }
    let (schema, ty) = schema();
    let bytes = schema.encode(ty, &BTreeMap::from([("blob", "ab"), ("text", "cd")])).unwrap();
    let borrowed: Borrowed<'_> = schema.decode(ty, &bytes).unwrap();
    assert_eq!((borrowed.text, borrowed.blob), ("cd", &b"ab"[..]));
    assert!(bytes.as_ptr_range().contains(&borrowed.text.as_ptr()));
    assert!(bytes.as_ptr_range().contains(&borrowed.blob.as_ptr()));
}

#[test]
fn plain_variants_are_numbers_or_names_as_the_schema_says() {
    assert_eq!(round_trip::<i64>("int", Color::Green), 1);
    assert_eq!(round_trip::<Color>("int", 0), Color::Red);
    assert_eq!(round_trip::<String>("text", Color::Red), "Red");
    assert_eq!(round_trip::<Color>("text", "Green"), Color::Green);
    assert_eq!(unread::<Color>("int", -1), "`T.int`: the number names no variant");
    assert!(unread::<Color>("text", "Blue").contains("unknown variant `Blue`"));
    assert_eq!(
        refused("real", Color::Red),
        "`T.real` is a double in the schema, the value is an enum variant"
    );
}

#[test]
fn maps_are_rust_maps_or_lists_of_entries() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Entry {
        id: u32,
        name: Option<String>,
    }
    let entries = || vec![Entry { id: 7, name: Some("seven".into()) }, Entry { id: 9, name: None }];
    let by_id = || entries().into_iter().map(|entry| (entry.id, entry)).collect::<HashMap<_, _>>();
    assert_eq!(round_trip::<HashMap<u32, Entry>>("keyed", by_id()), by_id());
    assert_eq!(round_trip::<HashMap<u32, Entry>>("keyed", entries()), by_id());
    assert_eq!(round_trip::<Vec<Entry>>("keyed", entries()), entries());

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair {
        key: String,
        value: i64,
    }
    let pairs = || BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), -70_000)]);
    let list = || pairs().into_iter().map(|(key, value)| Pair { key, value }).collect::<Vec<_>>();
    assert_eq!(round_trip::<BTreeMap<String, i64>>("pairs", pairs()), pairs());
    assert_eq!(round_trip::<BTreeMap<String, i64>>("pairs", list()), pairs());
    assert_eq!(round_trip::<Vec<Pair>>("pairs", pairs()), list());
    assert!(round_trip::<BTreeMap<String, i64>>("pairs", BTreeMap::<String, i64>::new()).is_empty());
}

#[test]
fn a_map_entry_without_its_key_is_neither_written_nor_read() {
    let nameless = Value::from_iter([("name", "x")]);
    assert!(refused("keyed", vec![nameless.clone()]).contains("lacks its key"));
    assert!(refused("keyed", Value::Map(vec![(1.into(), nameless)])).contains("lacks its key"));
    assert!(refused("pairs", vec![Value::from_iter([("key", "k")])]).contains("lacks its key"));
    assert!(refused("pairs", BTreeMap::from([("k", None::<i64>)])).contains("lacks its key"));
    let (schema, ty) = schema();
    // Tags 12 and 13, each with one empty entry.
    for (skip, field) in [(23, "keyed"), (25, "pairs")] {
        let bytes = [2, 0, skip, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0, 0, 0];
        assert!(matches!(schema.decode_value(ty, &bytes), Err(DecodeError::MissingKey { .. })), "{field}");
        let lists = schema.decode::<BTreeMap<String, Vec<HashMap<String, String>>>>(ty, &bytes);
        assert!(matches!(lists, Err(DecodeError::MissingKey { .. })), "{field}");
    }
}

#[test]
fn absent_is_none_and_none_is_absent() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Partial {
        int: Option<i64>,
        text: Option<String>,
        #[serde(default)]
        flag: bool,
        real: (),
    }
    let (schema, ty) = schema();
    let bytes = schema.encode(ty, &BTreeMap::from([("int", Some(3)), ("fixed", None)])).unwrap();
    assert_eq!(bytes, [1, 0, 8, 0]);
    #[derive(Debug, PartialEq, Deserialize)]
    struct Back {
        int: Option<i64>,
        text: Option<String>,
        #[serde(default)]
        flag: bool,
    }
    assert_eq!(schema.decode::<Back>(ty, &bytes).unwrap(), Back { int: Some(3), text: None, flag: false });
    let partial = Partial { int: None, text: None, flag: true, real: () };
    assert_eq!(schema.encode(ty, &partial).unwrap(), [2, 0, 3, 0, 4, 0]);
}

#[test]
fn a_needed_field_that_is_missing_is_an_error_that_names_it() {
    #[derive(Debug, Deserialize)]
    struct Needs {
        #[expect(dead_code, reason = "only its absence matters")]
        text: String,
    }
    let (schema, ty) = schema();
    let error = schema.decode::<Needs>(ty, &[0, 0]).unwrap_err();
    assert_eq!(error.to_string(), "missing field `text`");
}

#[test]
fn a_field_the_schema_does_not_know_is_named() {
    assert_eq!(
        refused("colour", 1),
        "type `T` of the schema has no field `colour`; add it to the schema or skip it in the value"
    );
}

#[test]
fn a_value_of_another_kind_is_refused_with_both_kinds() {
    assert_eq!(refused("int", "1"), "`T.int` is an integer in the schema, the value is a string");
    assert_eq!(
        refused("int", 1.0),
        "`T.int` is an integer in the schema, the value is a floating-point number"
    );
    assert_eq!(refused("int", true), "`T.int` is an integer in the schema, the value is a boolean");
    assert_eq!(refused("flag", 1), "`T.flag` is a boolean in the schema, the value is an integer");
    assert_eq!(refused("text", 1), "`T.text` is a string in the schema, the value is an integer");
    assert_eq!(refused("sub", 1), "`T.sub` is a struct in the schema, the value is an integer");
    assert_eq!(refused("sub", [1]), "`T.sub` is a struct in the schema, the value is a sequence");
    assert_eq!(refused("ints", 1), "`T.ints` is an array in the schema, the value is an integer");
    assert_eq!(refused("ints", ["1"]), "`T.ints` is an integer in the schema, the value is a string");
    assert_eq!(refused("pairs", 1), "`T.pairs` is a map in the schema, the value is an integer");
    assert_eq!(refused("ints", [Some(1), None]), "`T.ints`: nothing is given where a value is needed");
}

#[test]
fn fields_in_any_order_encode_as_in_the_order_of_tags() {
    let (schema, ty) = schema();
    let fields: [(&str, Value); 6] = [
        ("int", 70_000.into()),
        ("text", "some text".into()),
        ("flag", true.into()),
        ("reals", vec![1.5.into()].into()),
        ("sub", Value::from_iter([("texts", Value::Array(vec!["a".into(), "".into()]))])),
        ("blob", (&[1_u8, 2, 3][..]).into()),
    ];
    struct InOrder<'a>(&'a [(&'a str, Value)]);
    impl Serialize for InOrder<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }
    let wanted = schema.encode(ty, &Value::from_iter(fields.clone())).unwrap();
    assert_eq!(schema.decode_value(ty, &wanted).unwrap(), Value::from_iter(fields.clone()));
    let mut random = Random(7);
    for _ in 0..500 {
        let mut shuffled = fields.to_vec();
        shuffled.sort_by_cached_key(|_| random.next());
        assert_eq!(schema.encode(ty, &InOrder(&shuffled)).unwrap(), wanted, "{shuffled:?}");
    }
    let twice = [fields[0].clone(), fields[0].clone()];
    let error = schema.encode(ty, &InOrder(&twice)).unwrap_err();
    assert_eq!(error, EncodeError::DuplicateField { field: "T.int".into() });
}

#[test]
fn flattened_and_tagged_rust_types_work() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Part {
        int: i64,
        texts: Vec<String>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Whole {
        flag: bool,
        #[serde(flatten)]
        part: Part,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "text")]
    enum Tagged {
        Number { int: i64 },
        Nothing,
    }
    let (schema, ty) = schema();
    let whole = Whole { flag: true, part: Part { int: -1, texts: vec!["a".into()] } };
    let bytes = schema.encode(ty, &whole).unwrap();
    assert_eq!(schema.decode::<Whole>(ty, &bytes).unwrap(), whole);
    for tagged in [Tagged::Number { int: 5 }, Tagged::Nothing] {
        let bytes = schema.encode(ty, &tagged).unwrap();
        assert_eq!(schema.decode::<Tagged>(ty, &bytes).unwrap(), tagged);
    }
}

#[test]
fn nothing_is_a_struct_only_where_there_is_nothing_to_say() {
    #[derive(Serialize, Deserialize)]
    struct Unset;
    let schema = Schema::parse(".Empty {} .Full { x 0 : integer }").unwrap();
    let (empty, full) = (schema.type_("Empty").unwrap(), schema.type_("Full").unwrap());
    assert_eq!(schema.encode(empty, &()).unwrap(), [0, 0]);
    assert_eq!(schema.encode(full, &Unset).unwrap(), [0, 0]);
    assert_eq!(schema.encode(full, &()).unwrap_err(), EncodeError::Nil { field: "Full".into() });
    assert_eq!(schema.encode(full, &None::<i32>).unwrap_err(), EncodeError::Nil { field: "Full".into() });
    schema.decode::<()>(empty, &[0, 0]).unwrap();
    schema.decode::<Unset>(full, &[1, 0, 2, 0]).unwrap();
    assert_eq!(
        schema.decode::<()>(full, &[1, 0, 0, 0]),
        Err(DecodeError::Short),
        "even if nothing is wanted"
    );
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(Value::from_iter([("int", 1)]), |inner, _| Value::from_iter([("sub", inner)]))
}

#[test]
fn structs_nest_up_to_the_limit_both_ways() {
    let (schema, ty) = schema();
    let bytes = schema.encode(ty, &nested(64)).unwrap();
    assert_eq!(schema.decode_value(ty, &bytes).unwrap(), nested(64));
    assert_eq!(schema.encode(ty, &nested(65)).unwrap_err(), EncodeError::TooDeep);
    // One level more, by hand: tag 6 holds what was the whole.
    let mut deeper = vec![2, 0, 11, 0, 0, 0];
    deeper.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    deeper.extend(&bytes);
    assert_eq!(schema.decode_value(ty, &deeper).unwrap_err(), DecodeError::TooDeep);
    #[derive(Debug, Deserialize)]
    struct Nested {
        sub: Option<Box<Nested>>,
    }
    let mut levels = 0;
    let mut rest = Some(Box::new(schema.decode::<Nested>(ty, &bytes).unwrap()));
    while let Some(nested) = rest {
        (rest, levels) = (nested.sub, levels + 1);
    }
    assert_eq!(levels, 64);
    assert_eq!(schema.decode::<Nested>(ty, &deeper).unwrap_err(), DecodeError::TooDeep);
}

#[test]
fn an_object_larger_than_16_mib_is_refused() {
    let (schema, ty) = schema();
    // While a struct is open, room is kept for its longest header; so a few bytes less than 16 MiB fit.
    let text = "x".repeat(MAX_OBJECT);
    let bytes = schema.encode(ty, &BTreeMap::from([("text", &text[64..])])).unwrap();
    assert!(bytes.len() <= MAX_OBJECT);
    let error = schema.encode(ty, &BTreeMap::from([("text", &text)])).unwrap_err();
    assert_eq!(error, EncodeError::TooLarge);
    let many = std::iter::repeat_n(i64::from(i32::MAX), MAX_OBJECT / 5).chain([i64::MAX]).collect::<Vec<_>>();
    assert_eq!(schema.encode(ty, &BTreeMap::from([("ints", many)])).unwrap_err(), EncodeError::TooLarge);
}

#[test]
fn an_id_of_another_schema_is_an_error() {
    let (schema, _) = schema();
    let small = Schema::parse(".A {}").unwrap();
    let far = schema.type_("T").unwrap();
    assert!(matches!(small.encode(far, &()), Err(EncodeError::UnknownType(_))));
    assert!(matches!(small.decode::<()>(far, &[0, 0]), Err(DecodeError::UnknownType(_))));
}

#[test]
fn a_sender_that_goes_on_after_an_error_writes_no_rubbish() {
    struct Careless;
    impl Serialize for Careless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
            let mut map = serializer.serialize_map(None)?;
            let wrong = Value::from_iter([("texts", Value::Array(vec!["ok".into(), 1.into()]))]);
            assert!(map.serialize_entry("sub", &wrong).is_err());
            assert!(map.serialize_entry("pairs", &BTreeMap::from([("k", None::<i64>)])).is_err());
            assert!(map.serialize_entry("nowhere", &1).is_err());
            map.serialize_entry("text", "fine")?;
            map.end()
        }
    }
    let (schema, ty) = schema();
    let bytes = schema.encode(ty, &Careless).unwrap();
    assert_eq!(schema.decode_value(ty, &bytes).unwrap(), Value::from_iter([("text", "fine")]));
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
}
