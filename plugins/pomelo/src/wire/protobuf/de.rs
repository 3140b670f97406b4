//! `serde::Deserializer` over a schema: a body straight into a Rust value.

mod field;

use self::field::FieldDecoder;
use super::number::Reader;
use super::schema::{Field, Message, Type};
use super::{MAX_DEPTH, ProtobufError, Schema};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use smallvec::SmallVec;

impl Schema {
    /// Reads a body.
    ///
    /// Fields may come in any order; of a single field that comes twice the last one counts, and a repeated one goes on.
    /// A repeated field becomes a sequence, a message a map. What is absent stays absent, `required` or not, as in the
    /// original: that is for the type to say. Texts are read [leniently](crate::wire::text::lenient). A `float` or
    /// `double` that is a whole number also serves as an integer, an integer or a text as a variant of an enum without
    /// data.
    ///
    /// A field that the type ignores is checked for its length only. Beside the value itself, memory is used for at most 12
    /// bytes a field that came.
    ///
    /// # Errors
    /// Reading it fails when the body is cut or announces more elements than it has bytes for, on a tag that the schema does
    /// not have, numbers above 2⁵³ and messages deeper than [`MAX_DEPTH`].
    pub fn decoder<'a>(&'a self, body: &'a [u8]) -> Decoder<'a> {
        Decoder { messages: &self.messages, message: self.root, body, depth: 0 }
    }
}

/// Reads one message. See [`Schema::decoder`].
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    messages: &'a [Message],
    message: usize,
    body: &'a [u8],
    depth: usize,
}

impl<'de> Decoder<'de> {
    fn fields(self) -> Result<FieldsDecoder<'de>, ProtobufError> {
        if self.depth > MAX_DEPTH {
            return Err(ProtobufError::Depth);
        }
        // Places of messages come from the parser of schemas.
        let message = self.messages.get(self.message).ok_or(ProtobufError::Cut)?;
        let entries = scan(message, self.body)?;
        Ok(FieldsDecoder { decoder: self, message, entries, next: 0, value: None })
    }
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = ProtobufError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        visitor.visit_map(self.fields()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        self.fields()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProtobufError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProtobufError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProtobufError> {
        self.deserialize_unit(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq tuple tuple_struct map struct enum identifier
    }
}

/// Where one occurrence of a field lies: of a number or a text its bytes, of a packed field count and elements.
#[derive(Clone, Copy, Debug)]
struct Entry {
    field: u32,
    start: u32,
    end: u32,
}

type Entries = SmallVec<[Entry; 8]>;

impl Entry {
    fn bytes(self, body: &[u8]) -> &[u8] {
        body.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Finds the fields of a message and checks their lengths. All occurrences of a field stand together, as they came.
fn scan(message: &Message, body: &[u8]) -> Result<Entries, ProtobufError> {
    // Packages are shorter than 2²⁴, and so are bodies; places in longer ones could not be kept.
    let at = |rest: &[u8]| u32::try_from(body.len() - rest.len()).map_err(|_| ProtobufError::Cut);
    let mut entries = Entries::new();
    let mut reader = Reader { rest: body };
    let (mut sorted, mut hint) = (true, 0);
    while !reader.rest.is_empty() {
        let tag = reader.number()? >> 3;
        let place = message.by_tag(tag, hint).ok_or(ProtobufError::UnknownTag(tag))?;
        let field = message.fields.get(place).ok_or(ProtobufError::UnknownTag(tag))?;
        let (start, end) = if field.ty.is_packed() {
            let start = at(reader.rest)?;
            let count = if field.repeated { reader.number()? } else { 1 };
            skip(&mut reader, field, count)?;
            (start, at(reader.rest)?)
        } else if field.ty == Type::Unsupported {
            return Err(ProtobufError::Unsupported(field.name.clone()));
        } else {
            let len = reader.number()?;
            let start = at(reader.rest)?;
            reader.take(len)?;
            (start, at(reader.rest)?)
        };
        // Of a repeated text or message there is probably one more.
        hint = if field.repeated && !field.ty.is_packed() { place } else { place + 1 };
        let entry = Entry { field: place as u32, start, end };
        sorted &= entries.last().is_none_or(|last| last.field <= entry.field);
        entries.push(entry);
    }
    if !sorted {
        entries.sort_by_key(|entry| entry.field);
    }
    Ok(entries)
}

/// Passes `count` bare elements.
fn skip(reader: &mut Reader<'_>, field: &Field, count: u64) -> Result<(), ProtobufError> {
    let width = match field.ty {
        Type::Float => 4,
        Type::Double => 8,
        _ => {
            // Each takes a byte at least, so that this ends with the body, whatever was announced.
            for _ in 0..count {
                reader.number()?;
            }
            return Ok(());
        }
    };
    reader.take(count.checked_mul(width).ok_or(ProtobufError::Cut)?).map(drop)
}

/// The fields of one message that came, by their place in the schema.
struct FieldsDecoder<'de> {
    decoder: Decoder<'de>,
    message: &'de Message,
    entries: Entries,
    next: usize,
    value: Option<(&'de Field, usize)>,
}

impl<'de> MapAccess<'de> for FieldsDecoder<'de> {
    type Error = ProtobufError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ProtobufError> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        let Some(field) = self.message.fields.get(entry.field as usize) else { return Ok(None) };
        self.value = Some((field, self.next));
        let same = |other: &&Entry| other.field == entry.field;
        self.next += self.entries.iter().skip(self.next).take_while(same).count();
        seed.deserialize(BorrowedStrDeserializer::new(&field.name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ProtobufError> {
        let Some((field, from)) = self.value.take() else {
            return Err(ProtobufError::Other("a value was asked for before its key".to_owned()));
        };
        let entries = self.entries.get(from..self.next).unwrap_or_default();
        seed.deserialize(FieldDecoder { decoder: self.decoder, field, entries })
    }
}
