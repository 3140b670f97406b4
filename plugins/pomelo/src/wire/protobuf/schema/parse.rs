//! From a file's JSON to schemas, and to the parsed form that clients are sent.
//!
//! The order of keys in the file is kept, because the version of the schemas depends on it.

use super::{Field, Message, Protos, Schema, SchemaError, Type};
use crate::wire::text;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// The largest tag: the original shifts it by three within 31 bits.
const MAX_TAG: f64 = 268_435_455.0;
/// What the parsed form keeps beside the fields; the original loses a field of such a name.
const RESERVED: [&str; 2] = ["__messages", "__tags"];

pub(super) fn parse(json: &str) -> Result<Protos, SchemaError> {
    let Node::Object(file) = serde_json::from_str(json)? else {
        return Err(SchemaError::NoObject("the file".to_owned()));
    };
    let mut drafts = Vec::new();
    let mut roots = Vec::new();
    for (key, node) in &file {
        roots.push((key.as_str(), draft(key, node, &mut drafts)?));
    }
    let shared = |name: &str| {
        roots.iter().find(|(key, _)| key.strip_prefix("message ") == Some(name)).map(|&(_, place)| place)
    };
    let messages: Arc<[Message]> = drafts.iter().map(|draft| draft.resolve(shared)).collect();
    let schemas: HashMap<String, Schema> = roots
        .iter()
        .filter(|(key, _)| !key.starts_with("message "))
        .map(|&(key, root)| (key.to_owned(), Schema { messages: Arc::clone(&messages), root }))
        .collect();
    let mut out = String::new();
    write_object(&mut out, &roots, |out, place| write_draft(out, &drafts, place));
    Ok(Protos { schemas, json: out })
}

/// A message as the file has it, its types still names.
struct Draft<'a> {
    fields: Vec<FieldDraft<'a>>,
    /// By tag, the place of the field; of two fields of one name the later stands in the earlier's place, under both tags.
    tags: BTreeMap<u32, usize>,
    /// Messages of its own, with their places.
    nested: Vec<(&'a str, usize)>,
}

struct FieldDraft<'a> {
    option: &'a str,
    ty: &'a str,
    name: &'a str,
    tag: u32,
}

/// Adds the message under `key`, and those inside of it, and gives its place.
fn draft<'a>(key: &str, node: &'a Node, drafts: &mut Vec<Draft<'a>>) -> Result<usize, SchemaError> {
    let Node::Object(entries) = node else { return Err(SchemaError::NoObject(key.to_owned())) };
    let mut message = Draft { fields: Vec::new(), tags: BTreeMap::new(), nested: Vec::new() };
    for (key, node) in entries {
        let words: Vec<&str> = key.split(' ').collect();
        match *words.as_slice() {
            ["message", name] => {
                let place = draft(key, node, drafts)?;
                match message.nested.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = place,
                    None => message.nested.push((name, place)),
                }
            }
            [option @ ("required" | "optional" | "repeated"), ty, name] if !RESERVED.contains(&name) => {
                let tag = tag(key, node)?;
                if message.tags.contains_key(&tag) {
                    continue;
                }
                let field = FieldDraft { option, ty, name, tag };
                let place = match message.fields.iter().position(|field| field.name == name) {
                    Some(place) => place,
                    None => message.fields.len(),
                };
                match message.fields.get_mut(place) {
                    Some(known) => *known = field,
                    None => message.fields.push(field),
                }
                message.tags.insert(tag, place);
            }
            _ => {}
        }
    }
    drafts.push(message);
    Ok(drafts.len() - 1)
}

fn tag(key: &str, node: &Node) -> Result<u32, SchemaError> {
    match node {
        Node::Number(tag) if tag.fract() == 0.0 && (1.0..=MAX_TAG).contains(tag) => Ok(*tag as u32),
        _ => Err(SchemaError::Tag(key.to_owned())),
    }
}

impl Draft<'_> {
    /// Names of types mean the message's own, then the file's, not those of a message around it: clients look there only.
    fn resolve(&self, shared: impl Fn(&str) -> Option<usize>) -> Message {
        let ty = |name: &str| match name {
            "uInt32" => Type::Unsigned,
            "sInt32" | "int32" => Type::Signed,
            "float" => Type::Float,
            "double" => Type::Double,
            "string" => Type::Text,
            _ => {
                let own = self.nested.iter().find(|(own, _)| *own == name).map(|&(_, place)| place);
                own.or_else(|| shared(name)).map_or(Type::Unsupported, Type::Message)
            }
        };
        let fields: Vec<Field> = self
            .fields
            .iter()
            .map(|field| {
                let (name, ty, repeated) = (field.name.into(), ty(field.ty), field.option == "repeated");
                Field { name, repeated, ty, key: field.tag << 3 | ty.wire() }
            })
            .collect();
        let required = self.fields.iter().enumerate().filter(|(_, field)| field.option == "required");
        Message {
            required: required.map(|(place, _)| place).collect(),
            tags: self.tags.iter().map(|(&tag, &place)| (tag, place)).collect(),
            fields,
        }
    }
}

fn write_draft(out: &mut String, drafts: &[Draft<'_>], place: usize) {
    // Places come from `draft`.
    let Some(draft) = drafts.get(place) else { return };
    out.push('{');
    for FieldDraft { option, ty, name, tag } in &draft.fields {
        quote(out, name);
        out.push_str(":{\"option\":");
        quote(out, option);
        out.push_str(",\"type\":");
        quote(out, ty);
        out.push_str(&format!(",\"tag\":{tag}}},"));
    }
    out.push_str("\"__messages\":");
    write_object(out, &draft.nested, |out, place| write_draft(out, drafts, place));
    out.push_str(",\"__tags\":");
    let name = |place: usize| draft.fields.get(place).map_or("", |field| field.name);
    let tags: Vec<(String, usize)> =
        draft.tags.iter().map(|(tag, &place)| (tag.to_string(), place)).collect();
    let tags: Vec<(&str, usize)> = tags.iter().map(|(tag, place)| (tag.as_str(), *place)).collect();
    write_object(out, &tags, |out, place| quote(out, name(place)));
    out.push('}');
}

fn write_object(out: &mut String, entries: &[(&str, usize)], value: impl Fn(&mut String, usize)) {
    out.push('{');
    for (index, &(key, place)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quote(out, key);
        out.push(':');
        value(out, place);
    }
    out.push('}');
}

fn quote(out: &mut String, text: &str) {
    let mut json = Vec::new();
    text::quote(text, &mut json);
    out.push_str(&text::lenient(&json));
}

/// JSON that remembers the order of its keys, as far as a file of schemas needs it. Of equal keys the last one counts, in
/// the place of the first.
enum Node {
    Object(Vec<(String, Node)>),
    Number(f64),
    Other,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while let Some((key, node)) = map.next_entry()? {
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = node,
                None => entries.push((key, node)),
            }
        }
        Ok(Node::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }
}
