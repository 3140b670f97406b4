//! Messages and repeated fields.

use super::key::KeyEncoder;
use super::{MAX_DEPTH, Place, ProtobufError, ValueEncoder, Writer, Written};
use crate::wire::protobuf::schema::{Field, Message};
use serde::Serialize;
use serde::ser;

/// Writes the fields of one message.
pub(super) struct FieldsEncoder<'w, 'a> {
    writer: &'w mut Writer<'a>,
    message: &'a Message,
    /// Where the content starts, after the byte for its length; nothing for the whole body.
    content: Option<usize>,
    set: Set,
    /// Where the next field probably is in the schema.
    hint: usize,
    /// The field of the key that was written last; of a map.
    key: Option<usize>,
}

impl<'w, 'a> FieldsEncoder<'w, 'a> {
    pub(super) fn open(
        writer: &'w mut Writer<'a>,
        message: &'a Message,
        key: Option<u32>,
    ) -> Result<Self, ProtobufError> {
        let content = match key {
            Some(_) if writer.depth == MAX_DEPTH => return Err(ProtobufError::Depth),
            Some(key) => {
                writer.depth += 1;
                writer.number(key.into());
                Some(writer.reserve())
            }
            None => None,
        };
        Ok(Self { writer, message, content, set: Set::default(), hint: 0, key: None })
    }

    fn field<T: Serialize + ?Sized>(&mut self, place: usize, value: &T) -> Result<(), ProtobufError> {
        let message: &'a Message = self.message;
        let Some(field) = message.fields.get(place) else { return Ok(()) };
        let (mark, depth) = (self.writer.out.len(), self.writer.depth);
        let written = value.serialize(ValueEncoder { writer: &mut *self.writer, place: Place::Field(field) });
        match written {
            Ok(Written::Something) => self.set.insert(place),
            Ok(Written::Nothing) => {}
            Err(error) => {
                // A `Serialize` may go on after an error; what it left must not.
                self.writer.out.truncate(mark);
                self.writer.depth = depth;
                return Err(error);
            }
        }
        Ok(())
    }

    fn close(self) -> Result<Written, ProtobufError> {
        self.message.check(|place| self.set.contains(place))?;
        if let Some(content) = self.content {
            self.writer.depth -= 1;
            let len = self.writer.out.len().saturating_sub(content);
            self.writer.fill(content, len);
        }
        Ok(Written::Something)
    }
}

impl ser::SerializeStruct for FieldsEncoder<'_, '_> {
    type Ok = Written;
    type Error = ProtobufError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ProtobufError> {
        let Some(place) = self.message.by_name(name, self.hint) else { return Ok(()) };
        self.hint = place + 1;
        self.field(place, value)
    }

    fn end(self) -> Result<Written, ProtobufError> {
        self.close()
    }
}

impl ser::SerializeMap for FieldsEncoder<'_, '_> {
    type Ok = Written;
    type Error = ProtobufError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ProtobufError> {
        self.key = key.serialize(KeyEncoder { message: self.message, hint: self.hint })?;
        self.hint = self.key.map_or(self.hint, |found| found + 1);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ProtobufError> {
        match self.key.take() {
            Some(place) => self.field(place, value),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<Written, ProtobufError> {
        self.close()
    }
}

/// Which fields are set. Messages of more than 64 fields are rare.
#[derive(Default)]
struct Set {
    first: u64,
    more: Vec<u64>,
}

impl Set {
    fn insert(&mut self, place: usize) {
        let bit = 1 << (place % 64);
        match (place / 64).checked_sub(1) {
            None => self.first |= bit,
            Some(word) => {
                if self.more.len() <= word {
                    self.more.resize(word + 1, 0);
                }
                if let Some(word) = self.more.get_mut(word) {
                    *word |= bit;
                }
            }
        }
    }

    fn contains(&self, place: usize) -> bool {
        let word = match (place / 64).checked_sub(1) {
            None => self.first,
            Some(word) => self.more.get(word).copied().unwrap_or(0),
        };
        word >> (place % 64) & 1 == 1
    }
}

/// Writes the elements of a repeated field.
pub(super) struct ElementsEncoder<'w, 'a> {
    writer: &'w mut Writer<'a>,
    field: &'a Field,
    /// Where packed elements start, after the byte for their count.
    elements: Option<usize>,
    count: usize,
}

impl<'w, 'a> ElementsEncoder<'w, 'a> {
    pub(super) fn open(writer: &'w mut Writer<'a>, field: &'a Field) -> Self {
        Self { writer, field, elements: None, count: 0 }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ProtobufError> {
        if self.field.ty.is_packed() && self.elements.is_none() {
            self.writer.number(self.field.key.into());
            self.elements = Some(self.writer.reserve());
        }
        value.serialize(ValueEncoder { writer: &mut *self.writer, place: Place::Element(self.field) })?;
        self.count += 1;
        Ok(())
    }

    fn close(self) -> Result<Written, ProtobufError> {
        if let Some(elements) = self.elements {
            self.writer.fill(elements, self.count);
        }
        Ok(Written::Something)
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident),*) => {
        $(impl ser::$trait for ElementsEncoder<'_, '_> {
            type Ok = Written;
            type Error = ProtobufError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ProtobufError> {
                self.element(value)
            }

            fn end(self) -> Result<Written, ProtobufError> {
                self.close()
            }
        })*
    };
}

elements! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field
}
