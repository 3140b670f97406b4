//! Text: the one trap of Pomelo's JSON bodies.
//!
//! The official JS clients encode and decode text by UTF-16 unit: a character above U+FFFF comes as two sequences of
//! three bytes (CESU-8), and a real one of four bytes makes them throw. So what comes is read [leniently](lenient), and what
//! goes is [escaped](to_json).

use serde::Serialize;
use std::borrow::Cow;

/// Reads text: UTF-8, pairs of three-byte surrogates joined, anything else replaced by U+FFFD.
///
/// At most three bytes come out for each that goes in; plain UTF-8 is not copied.
pub fn lenient(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(repair(bytes)),
    }
}

fn repair(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (valid, invalid) = match str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                break;
            }
            Err(error) => (error.valid_up_to(), error.error_len()),
        };
        let (good, bad) = rest.split_at(valid);
        text.extend(str::from_utf8(good));
        let (found, used) = match surrogates(bad) {
            Some(found) => (found, 6),
            None => (char::REPLACEMENT_CHARACTER, invalid.unwrap_or(bad.len())),
        };
        text.push(found);
        rest = bad.get(used..).unwrap_or_default();
    }
    text
}

/// The character whose two surrogates, each in three bytes, stand first.
fn surrogates(bytes: &[u8]) -> Option<char> {
    let &[0xed, high @ 0xa0..=0xaf, a @ 0x80..=0xbf, 0xed, low @ 0xb0..=0xbf, b @ 0x80..=0xbf] =
        bytes.first_chunk::<6>()?
    else {
        return None;
    };
    let ten = |first: u8, second: u8| u32::from(first & 0x0f) << 6 | u32::from(second & 0x3f);
    char::from_u32(0x1_0000 + (ten(high, a) << 10 | ten(low, b)))
}

/// Appends `value` as JSON in which every character above U+FFFF is escaped (`\ud83d\ude00`), which every client reads.
///
/// # Errors
/// When the value has no JSON form, such as a map with keys that are no text. `out` is then as before.
pub fn to_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let start = out.len();
    let written = serde_json::to_writer(&mut *out, value);
    match written {
        Ok(()) => escape(out, start),
        Err(_) => out.truncate(start),
    }
    written
}

/// Escapes every character above U+FFFF in the JSON text that stands in `out` from `start` on. They stand only inside
/// strings, so that the text means the same.
pub fn escape(out: &mut Vec<u8>, start: usize) {
    let json = out.get(start..).unwrap_or_default();
    if !is_ascii(json) && json.iter().any(|&byte| byte >= FIRST_OF_FOUR) {
        escape_all(out, start);
    }
}

/// The least first byte of a UTF-8 sequence of four.
const FIRST_OF_FOUR: u8 = 0xf0;

/// As the method of slices, which is slow where a length is no multiple of its vectors.
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, &word| all | u64::from_ne_bytes(word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & HIGH == 0 && rest < 0x80
}

#[cold]
fn escape_all(out: &mut Vec<u8>, start: usize) {
    let json = out.split_off(start);
    // What is no UTF-8 is no JSON either, and is not looked at.
    let mut units = [0; 2];
    for chunk in json.utf8_chunks() {
        for found in chunk.valid().chars() {
            match found {
                '\u{1_0000}'.. => {
                    for unit in found.encode_utf16(&mut units) {
                        out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                    }
                }
                _ => out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// Appends `text` as a JSON string, escaped as by [`to_json`].
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    // Text always has a JSON form, and a vector takes all bytes.
    if to_json(text, out).is_err() {
        out.extend_from_slice(br#""""#);
    }
}
