//! The recorded conversations.

use super::frames::bytes;
use serde_json::Value;
use std::fs;

pub struct Flow {
    /// The name of the file.
    pub name: String,
    pub steps: Vec<Step>,
}

pub struct Step {
    pub connection: u64,
    pub meaning: String,
    pub kind: Kind,
}

pub enum Kind {
    Said(Vec<u8>),
    /// And what of it is another each time.
    Heard(Vec<u8>, Option<String>),
    /// So many milliseconds without a word.
    Nothing(u64),
    /// The server has ended it, so many milliseconds later.
    End(u64),
    Left,
}

fn folder() -> String {
    format!("{}/tests/vectors/sysconn", env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(format!("{}/{name}.json", folder())).unwrap()).unwrap()
}

/// The names of all files.
pub fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    names.sort();
    names
}

/// The conversation in this file.
pub fn flow(name: &str) -> Flow {
    let file = read(name);
    let steps = file["steps"].as_array().unwrap_or_else(|| panic!("{name} is no conversation"));
    Flow { name: name.to_owned(), steps: steps.iter().map(|step| parse(name, step)).collect() }
}

/// The messages in this file.
pub fn cases(name: &str) -> Vec<Value> {
    read(name)["cases"].as_array().unwrap_or_else(|| panic!("{name} has no cases")).clone()
}

/// Fails at what it does not know: nothing that was recorded may be passed over.
fn parse(name: &str, step: &Value) -> Step {
    let known = [
        "conn", "dir", "hex", "hex_head", "length", "sha256", "rule", "meaning", "frame", "msg", "pb",
        "vary", "how", "after_ms", "for_ms",
    ];
    let fields = step.as_object().unwrap();
    let unknown: Vec<_> = fields.keys().filter(|field| !known.contains(&field.as_str())).collect();
    assert!(unknown.is_empty(), "{name}: {unknown:?} in {step}");
    let number = |field: &str| step[field].as_u64().unwrap_or_else(|| panic!("{name}: no {field} in {step}"));
    let kind = match step["dir"].as_str().unwrap() {
        "c2s" => Kind::Said(whole(step)),
        "s2c" => Kind::Heard(whole(step), step["vary"].as_str().map(str::to_owned)),
        "none" => Kind::Nothing(number("for_ms")),
        "end" => {
            assert!(matches!(step["how"].as_str(), Some("fin" | "rst")), "{name}: {step}");
            Kind::End(number("after_ms"))
        }
        "client-end" => Kind::Left,
        other => panic!("{name}: a step of {other} is not known here"),
    };
    Step { connection: number("conn"), meaning: step["meaning"].as_str().unwrap().to_owned(), kind }
}

/// The bytes of a step, made from their rule where they are many: a head, and a run of one byte. The client's are masked
/// from behind the first occurrence of the mask on.
fn whole(step: &Value) -> Vec<u8> {
    if let Some(hex) = step["hex"].as_str() {
        return bytes(hex);
    }
    let head = bytes(step["hex_head"].as_str().unwrap());
    let length = step["length"].as_u64().unwrap() as usize;
    let rule = step["rule"].as_str().unwrap();
    let (_, run) = rule.trim_end_matches(')').rsplit_once(" + ").unwrap();
    let (times, byte) = run.split_once(" x ").unwrap();
    let (times, byte) = (times.parse::<usize>().unwrap(), u8::from_str_radix(byte, 16).unwrap());
    let mut whole = head[..length - times].to_vec();
    let mask_at = whole.windows(4).position(|four| four == super::MASK).filter(|_| step["dir"] == "c2s");
    for at in whole.len()..length {
        let key = mask_at.map_or(0, |mask_at| super::MASK[(at - mask_at) % 4]);
        whole.push(byte ^ key);
    }
    assert!(whole.starts_with(&head), "the rule gives the recorded head");
    whole
}

/// The bytes of a part of a codec's case: written out, or a head, and a body by its rule.
pub fn described(part: &Value, body: &Value, masked: bool) -> Vec<u8> {
    if let Some(hex) = part["hex"].as_str() {
        return bytes(hex);
    }
    let (start, run) = body["rule"].as_str().unwrap().split_once(" + ").unwrap();
    let (times, byte) = run.split_once(" x ").unwrap();
    let mut plain = bytes(start);
    plain.resize(plain.len() + times.parse::<usize>().unwrap(), bytes(byte)[0]);
    let Some(head) = part["hex_head"].as_str().map(bytes) else { return plain };
    let total = part["length"].as_u64().unwrap() as usize;
    let mut whole = head[..total - plain.len()].to_vec();
    let mask_at = whole.windows(4).position(|four| four == super::MASK).filter(|_| masked);
    for byte in plain {
        let key = mask_at.map_or(0, |mask_at| super::MASK[(whole.len() - mask_at) % 4]);
        whole.push(byte ^ key);
    }
    assert!(whole.starts_with(&head), "the rule gives the recorded head");
    whole
}
