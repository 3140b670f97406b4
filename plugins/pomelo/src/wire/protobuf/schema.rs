//! Schemas, as parsed from a file.

mod parse;

use super::SchemaError;
use std::collections::HashMap;
use std::sync::Arc;

/// The schemas of one direction (`serverProtos.json` or `clientProtos.json`), by route.
#[derive(Clone, Debug)]
pub struct Protos {
    schemas: HashMap<String, Schema>,
    json: String,
}

impl Default for Protos {
    /// No schemas: what a server without the files has.
    fn default() -> Self {
        Self { schemas: HashMap::new(), json: "{}".to_owned() }
    }
}

impl Protos {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// When it is no JSON object of objects, or a tag cannot be written.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        parse::parse(json)
    }

    /// The schema of a route.
    pub fn get(&self, route: &str) -> Option<&Schema> {
        self.schemas.get(route)
    }

    /// The parsed form that clients are sent: per route
    /// `{"<field>":{"option","type","tag"},…,"__messages":{…},"__tags":{"<tag>":"<field>"}}`, in the original's order.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Whether there are no schemas.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }

    /// The routes that have a schema, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.schemas.keys().map(String::as_str)
    }
}

/// How the bodies of a route are written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Schema {
    /// All messages of the file.
    pub(super) messages: Arc<[Message]>,
    /// Which of them this is.
    pub(super) root: usize,
}

/// One message's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) fields: Vec<Field>,
    /// Tags in order, with the place of their field.
    tags: Vec<(u32, usize)>,
    /// The places of the required fields.
    pub(super) required: Vec<usize>,
}

/// One field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) repeated: bool,
    pub(super) ty: Type,
    /// Tag and wire type.
    pub(super) key: u32,
}

/// What a field, or each element of a repeated one, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Unsigned,
    Signed,
    Float,
    Double,
    Text,
    /// The place of a message in the file.
    Message(usize),
    /// A type that does not exist.
    Unsupported,
}

impl Type {
    /// Whether a repeated field is one key, a count, and bare elements.
    pub(super) fn is_packed(self) -> bool {
        matches!(self, Self::Unsigned | Self::Signed | Self::Float | Self::Double)
    }

    fn wire(self) -> u32 {
        match self {
            Self::Unsigned | Self::Signed => 0,
            Self::Double => 1,
            Self::Text | Self::Message(_) | Self::Unsupported => 2,
            Self::Float => 5,
        }
    }
}

impl Message {
    /// The place of a field by name. `hint` is where it probably is: a value's fields mostly stand as the schema's do.
    pub(super) fn by_name(&self, name: &str, hint: usize) -> Option<usize> {
        match self.fields.get(hint) {
            Some(field) if *field.name == *name => Some(hint),
            _ => self.fields.iter().position(|field| *field.name == *name),
        }
    }

    /// The place of a field by tag. `hint` is where it probably is, as with names.
    pub(super) fn by_tag(&self, tag: u64, hint: usize) -> Option<usize> {
        let tag = u32::try_from(tag).ok()?;
        if self.fields.get(hint).is_some_and(|field| field.key >> 3 == tag) {
            return Some(hint);
        }
        let found = self.tags.binary_search_by_key(&tag, |&(tag, _)| tag).ok()?;
        self.tags.get(found).map(|&(_, place)| place)
    }
}
