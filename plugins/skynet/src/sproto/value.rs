//! Values without a Rust type of their own, for tools, tests and whatever only passes data on.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::schema::{Repeat, Schema, TypeId};
use super::wire::Item;
use super::{DecodeError, Decoder};

/// Any value a schema can describe.
///
/// Encoded like any `Serialize`, with [`Schema::encode_into`]; decoded with [`Schema::decode_value`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `boolean`.
    Boolean(bool),
    /// `integer`.
    Integer(i64),
    /// `double` and `integer(n)`.
    Double(f64),
    /// `string` and `binary`.
    String(Vec<u8>),
    /// `*Type`.
    Array(Vec<Self>),
    /// `*Type(field)` and `*Type()`, in the order of the wire; a key may come again.
    Map(Vec<(Self, Self)>),
    /// A struct: the fields that are set, by name.
    Struct(BTreeMap<String, Self>),
}

impl Schema {
    /// Decodes the struct of type `ty` at the start of `bytes`; what follows it is ignored (see [`measure`](super::measure)).
    ///
    /// Fields whose tags the schema does not know are left out.
    ///
    /// # Errors
    /// As [`Schema::decode`]; every field is looked at.
    pub fn decode_value(&self, ty: TypeId, bytes: &[u8]) -> Result<Value, DecodeError> {
        Ok(self.decode_with(ty, bytes)?.value()?.unwrap_or(Value::Struct(BTreeMap::new())))
    }
}

impl Decoder<'_, '_> {
    /// Decodes whatever stands here; `None` for the body of a protocol that has none.
    ///
    /// # Errors
    /// As [`Schema::decode_value`].
    pub fn value(self) -> Result<Option<Value>, DecodeError> {
        // Recursion goes through `fields`, which counts the depth.
        Ok(Some(match self.item {
            Item::Nothing => return Ok(None),
            Item::Integer(value) => Value::Integer(value),
            Item::Boolean(value) => Value::Boolean(value),
            Item::Double(value) => Value::Double(value),
            Item::String(bytes) | Item::Binary(bytes) => Value::String(bytes.to_vec()),
            Item::Struct { ty, bytes, whole } => {
                let mut found = BTreeMap::new();
                let mut fields = self.fields(ty, bytes, whole)?;
                while let Some((name, field)) = fields.next_field()? {
                    if let Some(value) = field.value()? {
                        found.insert(name.to_owned(), value);
                    }
                }
                Value::Struct(found)
            }
            Item::Many { kind, repeat: repeat @ (Repeat::One | Repeat::Array), bytes } => {
                let mut found = Vec::new();
                let mut elements = self.elements(kind, repeat, bytes)?;
                while let Some(element) = elements.next_element()? {
                    found.extend(element.value()?);
                }
                Value::Array(found)
            }
            Item::Many { kind, repeat, bytes } => {
                let mut found = Vec::new();
                let mut entries = self.elements(kind, repeat, bytes)?;
                while let Some((key, value)) = entries.next_entry()? {
                    found.extend(key.value()?.zip(value.value()?));
                }
                Value::Map(found)
            }
        }))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::String(bytes) => serializer.serialize_bytes(bytes),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Struct(fields) => serializer.collect_map(fields),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::String(value.into())
    }
}

impl From<Vec<Self>> for Value {
    fn from(values: Vec<Self>) -> Self {
        Self::Array(values)
    }
}

impl<K: Into<String>, V: Into<Self>> FromIterator<(K, V)> for Value {
    /// A struct of these fields.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Self {
        Self::Struct(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
