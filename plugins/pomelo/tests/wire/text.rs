use super::vectors::{bytes, list, load, text};
use portcullis_pomelo::wire::text::{lenient, to_json};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

fn written(value: &impl serde::Serialize) -> String {
    let mut out = Vec::new();
    to_json(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn surrogates_in_three_bytes_each_are_joined_where_pomelo_reads_six_replacements() {
    let vectors = load("codec-text.json");
    let case = &list(&vectors, "cases")[0];
    let expected: String = serde_json::from_str(text(case, "text_json")).unwrap();
    assert_eq!(lenient(&bytes(case, "official_js_client_sends_hex")), expected);
    assert_eq!(lenient(&bytes(case, "utf8_hex")), expected);
}

#[test]
fn characters_above_ffff_are_escaped_so_that_the_official_clients_read_them() {
    let vectors = load("codec-text.json");
    let case = &list(&vectors, "cases")[1];
    let value: Value = serde_json::from_slice(&bytes(case, "server_json_utf8_hex")).unwrap();
    assert_eq!(written(&value), text(case, "server_should_send"));
}

#[test]
fn everything_else_is_json_as_usual() {
    for value in [json!({"a": [1, -2.5, null, true], "é你": "\u{ffff}\n\"\\\u{1}"}), json!("")] {
        assert_eq!(written(&value), value.to_string());
    }
    assert_eq!(written(&json!({"😀": "a😀b\"😀"})), r#"{"\ud83d\ude00":"a\ud83d\ude00b\"\ud83d\ude00"}"#);
}

#[test]
fn plain_text_is_not_copied() {
    assert!(matches!(lenient("h\u{e9}llo 😀".as_bytes()), Cow::Borrowed(_)));
}

#[test]
fn halves_of_pairs_and_rubbish_are_replaced() {
    assert_eq!(lenient(b"a\xed\xa0\xbdb"), "a\u{fffd}\u{fffd}\u{fffd}b", "a high half alone");
    assert_eq!(lenient(b"\xed\xb8\x80\xed\xa0\xbd"), "\u{fffd}".repeat(6), "halves in the wrong order");
    assert_eq!(lenient(b"\xff\xed\xa0\xbd\xed\xb8\x80\xe4\xbd"), "\u{fffd}😀\u{fffd}");
    assert_eq!(lenient(b"\xed\xa0\xbd\xed\xb8"), "\u{fffd}".repeat(5), "cut");
}

#[test]
fn a_value_without_json_form_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let map = BTreeMap::from([(vec![1], 2)]);
    assert!(to_json(&(1, map), &mut out).is_err());
    assert_eq!(out, b"before");
}
