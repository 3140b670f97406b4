//! `serde::Deserializer` over a schema: wire bytes straight into a Rust value, strings and bytes borrowed.

use std::fmt;

use serde::de::value::SeqDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::schema::{Kind, Repeat, Schema, Type, TypeId};
use super::wire::{At, Elements, Entry, Item, Raw, Walk, item, resolve};
use super::{DecodeError, MAX_DEPTH};

impl Schema {
    /// Decodes the struct of type `ty` at the start of `bytes`. What follows it is ignored: 0-pack pads with zeros.
    ///
    /// Fields go by name. Tags unknown to the schema, and fields unknown to the Rust type, are ignored (the contents of ignored
    /// fields are not checked). An absent field is `None` in an `Option`, else serde's rules hold: an error, unless
    /// `#[serde(default)]`. A string must be UTF-8 to become text, but can always become bytes: `&[u8]`, `Vec<u8>`.
    ///
    /// # Errors
    /// When the bytes end early or do not fit the schema, are nested deeper than 64, or do not fit the Rust type.
    pub fn decode<'de, T: Deserialize<'de>>(&self, ty: TypeId, bytes: &'de [u8]) -> Result<T, DecodeError> {
        T::deserialize(self.decode_with(ty, bytes)?)
    }

    /// A `serde::Deserializer` for the struct of type `ty` at the start of `bytes`, for `erased_serde` and its like.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`] if the id is of another schema. The bytes are not looked at yet.
    pub fn decode_with<'a, 'de>(
        &'a self,
        ty: TypeId,
        bytes: &'de [u8],
    ) -> Result<Decoder<'a, 'de>, DecodeError> {
        let ty = resolve(self, ty)?;
        let at = At { ty: &ty.name, field: "" };
        Ok(Decoder { schema: self, depth: 0, at, item: Item::Struct { ty, bytes, whole: false } })
    }
}

/// A value on the wire that can be deserialized: a struct, or the `ud` of an RPC header.
///
/// Made by [`Schema::decode_with`] and by the RPC [`Host`](super::Host). Copying it copies no data.
#[derive(Clone, Copy)]
pub struct Decoder<'a, 'de> {
    pub(super) schema: &'a Schema,
    /// Structs around this value.
    pub(super) depth: usize,
    pub(super) at: At<'a>,
    pub(super) item: Item<'a, 'de>,
}

impl fmt::Debug for Decoder<'_, '_> {
    /// Says where the value stands, not what it is: a payload has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decoder").field(&self.at.name()).finish()
    }
}

impl<'a, 'de> Decoder<'a, 'de> {
    /// The body of a protocol without one: `()` or `None`.
    pub(super) fn nothing(schema: &'a Schema, protocol: &'a str) -> Self {
        Self { schema, depth: 0, at: At { ty: protocol, field: "" }, item: Item::Nothing }
    }

    fn beside(&self, at: At<'a>, item: Item<'a, 'de>) -> Self {
        Self { schema: self.schema, depth: self.depth, at, item }
    }

    /// The fields of a struct.
    pub(super) fn fields(
        self,
        ty: &'a Type,
        bytes: &'de [u8],
        whole: bool,
    ) -> Result<Fields<'a, 'de>, DecodeError> {
        if self.depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let walk = Walk::new(bytes)?;
        Ok(Fields { schema: self.schema, depth: self.depth + 1, ty, walk, next: 0, whole, value: None })
    }

    /// The elements of an array or map.
    pub(super) fn elements(
        self,
        kind: Kind,
        repeat: Repeat,
        bytes: &'de [u8],
    ) -> Result<Many<'a, 'de>, DecodeError> {
        let elements = Elements::new(self.schema, self.at, kind, repeat, bytes)?;
        Ok(Many {
            decoder: self,
            keyed: matches!(repeat, Repeat::Keyed(_) | Repeat::Pairs),
            elements,
            value: None,
        })
    }

    fn visit_fields<V: Visitor<'de>>(
        self,
        ty: &'a Type,
        bytes: &'de [u8],
        whole: bool,
        visit: impl FnOnce(&mut Fields<'a, 'de>) -> Result<V::Value, DecodeError>,
    ) -> Result<V::Value, DecodeError> {
        let mut fields = self.fields(ty, bytes, whole)?;
        let value = visit(&mut fields)?;
        // A visitor may stop before the end; the bytes are judged all the same.
        while fields.step()?.is_some() {}
        Ok(value)
    }

    fn text(&self, bytes: &'de [u8]) -> Result<&'de str, DecodeError> {
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { field: self.at.name() })
    }
}

impl<'de> de::Deserializer<'de> for Decoder<'_, 'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::Nothing => visitor.visit_unit(),
            Item::Integer(value) => visitor.visit_i64(value),
            Item::Boolean(value) => visitor.visit_bool(value),
            Item::Double(value) => visitor.visit_f64(value),
            Item::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_borrowed_bytes(bytes),
            },
            Item::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            Item::Struct { ty, bytes, whole } => {
                self.visit_fields::<V>(ty, bytes, whole, |fields| visitor.visit_map(fields))
            }
            Item::Many { kind, repeat: Repeat::Array | Repeat::One, bytes } => {
                visitor.visit_seq(self.elements(kind, Repeat::Array, bytes)?)
            }
            Item::Many { kind, repeat, bytes } => visitor.visit_map(self.elements(kind, repeat, bytes)?),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::String(bytes) | Item::Binary(bytes) => {
                visitor.visit_seq(SeqDeserializer::<_, DecodeError>::new(bytes.iter().copied()))
            }
            Item::Many { kind, repeat, bytes } => visitor.visit_seq(self.elements(kind, repeat, bytes)?),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::String(bytes) | Item::Binary(bytes) => visitor.visit_borrowed_str(self.text(bytes)?),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::String(bytes) | Item::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::Struct { ty, bytes, whole } => {
                self.visit_fields::<V>(ty, bytes, whole, |_| visitor.visit_unit())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.item {
            Item::Integer(value) => match u32::try_from(value) {
                Ok(index) => visitor.visit_enum(index.into_deserializer()),
                Err(_) => Err(DecodeError::Variant { field: self.at.name() }),
            },
            Item::String(bytes) | Item::Binary(bytes) => {
                visitor.visit_enum(self.text(bytes)?.into_deserializer())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 map struct
    }
}

/// The set fields of a struct.
pub(super) struct Fields<'a, 'de> {
    schema: &'a Schema,
    depth: usize,
    ty: &'a Type,
    walk: Walk<'de>,
    /// Fields from here on have not been met.
    next: usize,
    whole: bool,
    /// The field whose key was given out last.
    value: Option<(usize, Raw<'de>)>,
}

impl<'a, 'de> Fields<'a, 'de> {
    /// The next field the schema knows; at the end, whether a nested struct used its bytes exactly.
    fn step(&mut self) -> Result<Option<(usize, Raw<'de>)>, DecodeError> {
        while let Some((tag, raw)) = self.walk.step()? {
            if let Some(index) = self.ty.find_tag(tag, self.next) {
                self.next = index + 1;
                return Ok(Some((index, raw)));
            }
        }
        if self.whole && !self.walk.rest().is_empty() {
            return Err(DecodeError::Trailing { field: self.ty.name.clone() });
        }
        Ok(None)
    }

    /// The next field with its value.
    pub(super) fn next_field(&mut self) -> Result<Option<(&'a str, Decoder<'a, 'de>)>, DecodeError> {
        let Some((index, raw)) = self.step()? else { return Ok(None) };
        let decoder = self.decoder(index, raw)?;
        Ok(Some((decoder.at.field, decoder)))
    }

    fn decoder(&self, index: usize, raw: Raw<'de>) -> Result<Decoder<'a, 'de>, DecodeError> {
        let field = self.ty.fields.get(index).ok_or(DecodeError::Short)?;
        let at = At { ty: &self.ty.name, field: &field.name };
        Ok(Decoder { schema: self.schema, depth: self.depth, at, item: item(self.schema, at, field, raw)? })
    }
}

impl<'de> de::MapAccess<'de> for &mut Fields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.step()?;
        let Some(field) = self.value.and_then(|(index, _)| self.ty.fields.get(index)) else {
            return Ok(None);
        };
        seed.deserialize(de::value::StrDeserializer::new(&field.name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Some((index, raw)) = self.value.take() else {
            return Err(de::Error::custom("a field's value was asked for before its name"));
        };
        seed.deserialize(self.decoder(index, raw)?)
    }
}

/// The elements of an array, or the entries of a map.
pub(super) struct Many<'a, 'de> {
    decoder: Decoder<'a, 'de>,
    /// Elements are entries of a map and must have their key.
    keyed: bool,
    elements: Elements<'a, 'de>,
    /// Value of the map entry whose key was given out last.
    value: Option<Decoder<'a, 'de>>,
}

impl<'a, 'de> Many<'a, 'de> {
    pub(super) fn next_element(&mut self) -> Result<Option<Decoder<'a, 'de>>, DecodeError> {
        let item = if self.keyed {
            self.elements.step_entry()?.map(|entry| entry.whole)
        } else {
            self.elements.step()?
        };
        Ok(item.map(|item| self.decoder.beside(self.decoder.at, item)))
    }

    pub(super) fn next_entry(&mut self) -> Result<Option<(Decoder<'a, 'de>, Decoder<'a, 'de>)>, DecodeError> {
        let Some(Entry { key, value, .. }) = self.elements.step_entry()? else { return Ok(None) };
        // The value of `*Type()` stands one struct deeper than the map.
        let inside =
            Decoder { depth: self.decoder.depth + usize::from(!value.0.field.is_empty()), ..self.decoder };
        Ok(Some((self.decoder.beside(key.0, key.1), inside.beside(value.0, value.1))))
    }
}

impl<'de> de::SeqAccess<'de> for Many<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        self.next_element()?.map(|element| seed.deserialize(element)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        self.elements.known_length()
    }
}

impl<'de> de::MapAccess<'de> for Many<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, value)) = self.next_entry()? else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Some(value) = self.value.take() else {
            return Err(de::Error::custom("a map's value was asked for before its key"));
        };
        seed.deserialize(value)
    }
}
