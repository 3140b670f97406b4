use super::vectors::{bytes, hex, list, load, text, unhex};
use portcullis_pomelo::wire::WireError;
use portcullis_pomelo::wire::message::{Kind, MAX_ID, Message, Route, read, write_head};
use serde_json::Value;

pub fn kind(name: &str) -> Kind {
    match name {
        "request" => Kind::Request,
        "notify" => Kind::Notify,
        "response" => Kind::Response,
        "push" => Kind::Push,
        other => panic!("{other} is no kind"),
    }
}

pub fn write(message: &Message<'_>) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    let Message { kind, id, route, compressed, error, body } = *message;
    write_head(&mut out, kind, id, route, compressed, error)?;
    out.extend_from_slice(body);
    Ok(out)
}

fn route(case: &Value) -> Route<'_> {
    match (case["route"].as_str(), case["route_code"].as_u64()) {
        (Some(name), _) => Route::Name(name),
        (_, Some(code)) => Route::Code(u16::try_from(code).unwrap()),
        _ => Route::None,
    }
}

#[test]
fn messages_are_written_and_read_as_the_format_means() {
    let vectors = load("codec-message.json");
    let pitaya = list(&vectors, "pitaya").iter().filter(|case| case["name"] == "pitaya-error-response");
    for case in list(&vectors, "messages").iter().chain(pitaya) {
        let body = bytes(case, "body_hex");
        let id = case["id"].as_u64().unwrap_or(0);
        if id > MAX_ID.into() {
            assert_eq!(read(&bytes(case, "hex")), Err(WireError::Id), "{}", case["name"]);
            continue;
        }
        let message = Message {
            kind: kind(text(case, "type")),
            id: id as u32,
            route: route(case),
            compressed: case["compress_gzip"].as_bool().unwrap_or(false),
            error: case["error"].as_bool().unwrap_or(false),
            body: &body,
        };
        assert_eq!(hex(&write(&message).unwrap()), text(case, "hex"), "{}", case["name"]);
        assert_eq!(read(&bytes(case, "hex")).unwrap(), message, "{}", case["name"]);
    }
}

#[test]
fn flags_are_those_of_the_table() {
    for row in list(&load("codec-message.json")["flag"], "table") {
        let kind = kind(text(row, "type"));
        let coded = row["route_compressed"] == true;
        let flag = bytes(row, "flag_hex")[0];
        let bytes = [flag, 1, 1, 1];
        let read = read(&bytes).unwrap();
        assert_eq!(read.kind, kind);
        if kind == Kind::Response {
            // The original ignores the bit there; we never set it.
            assert_eq!(read.route, Route::None);
        } else {
            assert_eq!(matches!(read.route, Route::Code(_)), coded);
            let route = if coded { Route::Code(1) } else { Route::Name("") };
            let mut out = Vec::new();
            write_head(&mut out, kind, 1, route, false, false).unwrap();
            assert_eq!(out[0], flag);
        }
    }
}

#[test]
fn unused_flag_bits_are_ignored() {
    let plain = unhex("000105612e622e637b7d");
    let mut odd = plain.clone();
    odd[0] |= 0xc0;
    assert_eq!(read(&odd), read(&plain));
}

#[test]
fn what_is_cut_is_refused_and_not_read_as_zeros() {
    for case in list(&load("codec-message.json"), "decode_edges") {
        let expected = if text(case, "hex").starts_with("00ff") { WireError::Id } else { WireError::Short };
        assert_eq!(read(&bytes(case, "hex")), Err(expected), "{case}");
    }
}

#[test]
fn an_id_of_2_to_the_31_is_refused_and_never_answered() {
    // Pomelo's frontend serves nobody any more once it has to answer one.
    assert_eq!(read(&unhex("00808080800800")), Err(WireError::Id));
    assert_eq!(read(&unhex("00ffffffff0700")).unwrap().id, MAX_ID);
    let mut out = Vec::new();
    assert_eq!(
        write_head(&mut out, Kind::Response, MAX_ID + 1, Route::None, false, false),
        Err(WireError::Id)
    );
    assert!(out.is_empty());
}

#[test]
fn an_id_may_be_longer_than_it_needs_within_five_bytes() {
    assert_eq!(read(&unhex("00818080800000")).unwrap().id, 1);
    assert_eq!(read(&unhex("0081808080800000")), Err(WireError::Id));
}

#[test]
fn types_4_to_7_are_refused() {
    for unknown in 4..8u8 {
        assert_eq!(read(&[unknown << 1, 1, 0]), Err(WireError::UnknownMessage(unknown)));
    }
}

#[test]
fn a_route_of_256_bytes_cannot_be_written() {
    let name = "r".repeat(256);
    let mut out = Vec::new();
    let written = write_head(&mut out, Kind::Push, 0, Route::Name(&name), false, false);
    assert_eq!(written, Err(WireError::RouteTooLong(256)));
    assert_eq!(write_head(&mut out, Kind::Push, 0, Route::None, false, false), Err(WireError::NoRoute));
    assert!(out.is_empty());
}

#[test]
fn a_route_that_is_no_text_is_refused() {
    assert_eq!(read(&[0, 1, 1, 0xff]), Err(WireError::Text));
}
