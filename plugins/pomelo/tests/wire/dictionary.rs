use super::vectors::load;
use portcullis_pomelo::wire::dictionary::{Dictionary, DictionaryError, pushes};
use std::collections::BTreeMap;

#[test]
fn routes_are_numbered_as_the_original_does() {
    let vectors = load("codec-dictionary.json");
    let handlers: Vec<String> = serde_json::from_value(vectors["handler_routes"].clone()).unwrap();
    let pushes = pushes(&vectors["dictionary_json"].to_string()).unwrap();
    let dictionary = Dictionary::new(handlers, &pushes).unwrap();

    let codes: BTreeMap<String, u16> = serde_json::from_value(vectors["dict"].clone()).unwrap();
    assert_eq!(dictionary.len(), codes.len());
    for (route, code) in &codes {
        assert_eq!(dictionary.code(route), Some(*code));
        assert_eq!(dictionary.route(*code), Some(route.as_str()));
    }
    assert_eq!(dictionary.version(), vectors["dictVersion"]);
    assert!(dictionary.iter().map(|(_, code)| code).eq(1..=5));
}

#[test]
fn code_0_and_codes_beyond_the_last_are_nobodys() {
    let dictionary = Dictionary::from_json(r#"["onChat"]"#).unwrap();
    assert_eq!((dictionary.route(0), dictionary.route(2)), (None, None));
    assert_eq!(dictionary.route(1), Some("onChat"));
}

#[test]
fn routes_are_sorted_by_utf_16_units() {
    // U+1F600 starts with the unit D83D, which is less than U+FF5E; in UTF-8 it is the other way round.
    let routes = ["～".to_owned(), "😀".to_owned()];
    let dictionary = Dictionary::new(routes, &[]).unwrap();
    assert_eq!(dictionary.code("😀"), Some(1));
}

#[test]
fn a_route_named_twice_has_one_code() {
    let pushes = ["b".to_owned(), "a".to_owned(), "c".to_owned()];
    let dictionary = Dictionary::new(["b".to_owned(), "b".to_owned()], &pushes).unwrap();
    assert!(dictionary.iter().eq([("b", 1), ("a", 2), ("c", 3)]));
}

#[test]
fn more_routes_than_codes_are_refused() {
    let routes = |count: usize| (0..count).map(|index| index.to_string());
    assert_eq!(Dictionary::new(routes(65_535), &[]).unwrap().len(), 65_535);
    assert!(matches!(Dictionary::new(routes(65_536), &[]), Err(DictionaryError::TooMany(65_536))));
}

#[test]
fn a_file_that_is_no_list_of_texts_is_refused() {
    for text in ["", "{}", "[1]", "null"] {
        assert!(matches!(Dictionary::from_json(text), Err(DictionaryError::Json(_))), "{text}");
    }
}

#[test]
fn an_empty_dictionary_has_no_version() {
    let dictionary = Dictionary::new([], &[]).unwrap();
    assert!(dictionary.is_empty());
    assert_eq!(dictionary.version(), "");
}
