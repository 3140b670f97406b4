//! What a field holds: a sequence, or one element.

use super::{Decoder, Entry};
use crate::wire::protobuf::ProtobufError;
use crate::wire::protobuf::number::{self, Reader};
use crate::wire::protobuf::schema::{Field, Type};
use crate::wire::text;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;

/// All occurrences of one field.
pub(super) struct FieldDecoder<'de, 'e> {
    /// The message around it.
    pub(super) decoder: Decoder<'de>,
    pub(super) field: &'de Field,
    /// One at least.
    pub(super) entries: &'e [Entry],
}

impl<'de, 'e> FieldDecoder<'de, 'e> {
    /// The elements if the field is repeated, otherwise the last occurrence.
    fn split(self) -> Result<ElementDecoder<'de>, ElementsDecoder<'de, 'e>> {
        let Self { decoder, field, entries } = self;
        let elements = ElementsDecoder { decoder, field, entries, packed: Reader { rest: &[] }, left: 0 };
        if field.repeated {
            return Err(elements);
        }
        let bytes = entries.last().map(|entry| entry.bytes(decoder.body)).unwrap_or_default();
        Ok(elements.element(bytes))
    }
}

/// Hands a call on to the element; a repeated field is a sequence to all of them.
macro_rules! of_one_element {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, ProtobufError> {
            match self.split() {
                Ok(element) => element.$method($($argument,)* visitor),
                Err(elements) => visitor.visit_seq(elements),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for FieldDecoder<'de, '_> {
    type Error = ProtobufError;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProtobufError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        visitor.visit_unit()
    }

    of_one_element! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_unit() deserialize_unit_struct(name: &'static str) deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

/// The elements of a repeated field, over all its occurrences.
struct ElementsDecoder<'de, 'e> {
    decoder: Decoder<'de>,
    field: &'de Field,
    entries: &'e [Entry],
    /// The packed elements of the occurrence that is being read.
    packed: Reader<'de>,
    left: u64,
}

impl<'de> ElementsDecoder<'de, '_> {
    fn element(&self, bytes: &'de [u8]) -> ElementDecoder<'de> {
        ElementDecoder { decoder: self.decoder, field: self.field, bytes }
    }

    fn next_bytes(&mut self) -> Result<Option<&'de [u8]>, ProtobufError> {
        loop {
            if self.left > 0 {
                self.left -= 1;
                let before = self.packed.rest;
                match self.field.ty {
                    Type::Float => drop(self.packed.take(4)?),
                    Type::Double => drop(self.packed.take(8)?),
                    _ => drop(self.packed.number()?),
                }
                return Ok(before.get(..before.len() - self.packed.rest.len()));
            }
            let Some((entry, after)) = self.entries.split_first() else { return Ok(None) };
            self.entries = after;
            let bytes = entry.bytes(self.decoder.body);
            if !self.field.ty.is_packed() {
                return Ok(Some(bytes));
            }
            self.packed = Reader { rest: bytes };
            self.left = self.packed.number()?;
        }
    }
}

impl<'de> SeqAccess<'de> for ElementsDecoder<'de, '_> {
    type Error = ProtobufError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ProtobufError> {
        match self.next_bytes()? {
            Some(bytes) => seed.deserialize(self.element(bytes)).map(Some),
            None => Ok(None),
        }
    }
}

/// One number, text or message.
struct ElementDecoder<'de> {
    /// The message around it.
    decoder: Decoder<'de>,
    field: &'de Field,
    bytes: &'de [u8],
}

enum Element<'de> {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'de, str>),
    Message(Decoder<'de>),
}

impl<'de> ElementDecoder<'de> {
    fn read(&self) -> Result<Element<'de>, ProtobufError> {
        let mut reader = Reader { rest: self.bytes };
        Ok(match self.field.ty {
            Type::Unsigned => Element::Unsigned(reader.number()?),
            Type::Signed => Element::Signed(number::unzigzag(reader.number()?)),
            Type::Float => Element::Float(f32::from_le_bytes(reader.array()?).into()),
            Type::Double => Element::Float(f64::from_le_bytes(reader.array()?)),
            Type::Text => Element::Text(text::lenient(self.bytes)),
            Type::Message(message) => {
                let Decoder { messages, depth, .. } = self.decoder;
                Element::Message(Decoder { messages, message, body: self.bytes, depth: depth + 1 })
            }
            Type::Unsupported => return Err(ProtobufError::Unsupported(self.field.name.clone())),
        })
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        match self.read()? {
            // Whole numbers within 53 bits lose nothing.
            Element::Float(value) if value.fract() == 0.0 && value.abs() <= number::MAX as f64 => {
                visitor.visit_i64(value as i64)
            }
            _ => self.deserialize_any(visitor),
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
            self.integer(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for ElementDecoder<'de> {
    type Error = ProtobufError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        match self.read()? {
            Element::Unsigned(value) => visitor.visit_u64(value),
            Element::Signed(value) => visitor.visit_i64(value),
            Element::Float(value) => visitor.visit_f64(value),
            Element::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Element::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Element::Message(decoder) => decoder.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProtobufError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        match self.read()? {
            Element::Message(decoder) => decoder.deserialize_unit(visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProtobufError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProtobufError> {
        match self.read()? {
            Element::Text(name) => visitor.visit_enum(name.into_deserializer()),
            Element::Unsigned(index) => variant(index, visitor),
            Element::Signed(index) => variant(index, visitor),
            Element::Float(_) | Element::Message(_) => self.deserialize_any(visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf seq tuple tuple_struct map struct identifier
    }
}

fn variant<'de, V: Visitor<'de>>(index: impl TryInto<u32>, visitor: V) -> Result<V::Value, ProtobufError> {
    // No enum has so many variants; the visitor says that this is none.
    visitor.visit_enum(index.try_into().unwrap_or(u32::MAX).into_deserializer())
}
