//! Values made of values: arrays, structs, maps.

use serde::ser::{self, Serialize};

use super::super::EncodeError;
use super::super::schema::{Kind, Repeat};
use super::super::write::{Array, Frame, Outcome, Writer};
use super::place::Place;
use super::{ValueSerializer, set_field};

/// Serializes the elements of an array, or the bytes of a string.
pub(super) struct SeqSerializer<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    pub(super) place: Place<'w>,
    pub(super) state: SeqState,
}

pub(super) enum SeqState {
    Array(Array),
    /// A string given byte by byte, as `Vec<u8>` does; where its data item starts.
    Bytes(usize),
}

impl SeqSerializer<'_, '_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let (mark, depth) = (self.writer.out.len(), self.writer.depth);
        let done = self.try_push(value);
        if done.is_err() {
            self.writer.out.truncate(mark);
            self.writer.depth = depth;
        }
        done
    }

    fn try_push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let place = match self.state {
            SeqState::Array(_) => self.place.element(),
            SeqState::Bytes(_) => Place { kind: Kind::Integer, ..self.place },
        };
        let outcome = value.serialize(ValueSerializer { writer: &mut *self.writer, place })?;
        match (&mut self.state, outcome) {
            (SeqState::Array(array), outcome) => {
                if array.push(self.writer, outcome)? {
                    Ok(())
                } else {
                    Err(EncodeError::Nil { field: place.name() })
                }
            }
            (SeqState::Bytes(_), Outcome::Integer(byte)) => match u8::try_from(byte) {
                Ok(byte) => self.writer.put(&[byte]),
                Err(_) => Err(EncodeError::Range { field: place.name() }),
            },
            (SeqState::Bytes(_), _) => Err(EncodeError::Nil { field: place.name() }),
        }
    }

    fn finish(self) -> Outcome {
        match self.state {
            SeqState::Array(array) => array.close(self.writer),
            SeqState::Bytes(mark) => self.writer.close(mark),
        }
        Outcome::Written
    }
}

impl ser::SerializeSeq for SeqSerializer<'_, '_> {
    type Ok = Outcome;
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.push(value)
    }

    fn end(self) -> Result<Outcome, EncodeError> {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for SeqSerializer<'_, '_> {
    type Ok = Outcome;
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.push(value)
    }

    fn end(self) -> Result<Outcome, EncodeError> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for SeqSerializer<'_, '_> {
    type Ok = Outcome;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.push(value)
    }

    fn end(self) -> Result<Outcome, EncodeError> {
        Ok(self.finish())
    }
}

/// Serializes the fields of a struct, in any order.
pub(super) struct FieldsSerializer<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    pub(super) frame: Frame<'w>,
    /// Where the data item around the struct starts; none around the outermost.
    pub(super) item: Option<usize>,
    pub(super) entry_of: Repeat,
    /// Where the next field probably is.
    pub(super) hint: usize,
    /// Field of the map key serialized last.
    pub(super) key: Option<usize>,
}

impl FieldsSerializer<'_, '_> {
    fn find(&self, name: &str) -> Result<usize, EncodeError> {
        let ty = self.frame.ty;
        ty.find(name, self.hint)
            .ok_or_else(|| EncodeError::UnknownField { ty: ty.name.clone(), field: name.into() })
    }

    fn set<T: Serialize + ?Sized>(&mut self, index: usize, value: &T) -> Result<(), EncodeError> {
        self.hint = index + 1;
        set_field(self.writer, &mut self.frame, index, value)
    }
}

impl ser::SerializeStruct for FieldsSerializer<'_, '_> {
    type Ok = Outcome;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let index = self.find(key)?;
        self.set(index, value)
    }

    fn skip_field(&mut self, _key: &'static str) -> Result<(), EncodeError> {
        self.hint += 1;
        Ok(())
    }

    fn end(self) -> Result<Outcome, EncodeError> {
        if !self.frame.is_entry_of(self.writer, self.entry_of) {
            return Err(EncodeError::MissingKey { field: self.frame.ty.name.clone() });
        }
        self.frame.close(self.writer);
        if let Some(mark) = self.item {
            self.writer.close(mark);
        }
        Ok(Outcome::Written)
    }
}

/// A Rust map: the fields of a struct by name, or a map of the schema.
pub(super) enum MapSerializer<'w, 'a> {
    Fields(FieldsSerializer<'w, 'a>),
    Entries(EntriesSerializer<'w, 'a>),
}

pub(super) struct EntriesSerializer<'w, 'a> {
    pub(super) writer: &'w mut Writer<'a>,
    pub(super) place: Place<'w>,
    pub(super) array: Array,
    /// Of `*Type()`: the entry whose key is written, and where its data item starts.
    pub(super) entry: Option<(Frame<'a>, usize)>,
}

impl EntriesSerializer<'_, '_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        // The structs of `*Type(field)` hold their key themselves.
        let (Repeat::Pairs, Kind::Struct(id)) = (self.place.repeat, self.place.kind) else { return Ok(()) };
        let ty = self.writer.schema.type_at(id).ok_or(EncodeError::UnknownType(id.0))?;
        let mark = self.writer.open()?;
        let mut frame = Frame::open(self.writer, ty)?;
        set_field(self.writer, &mut frame, 0, key)?;
        self.entry = Some((frame, mark));
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let outcome = if let Some((mut frame, mark)) = self.entry.take() {
            set_field(self.writer, &mut frame, 1, value)?;
            if !frame.is_entry_of(self.writer, Repeat::Pairs) {
                return Err(EncodeError::MissingKey { field: frame.ty.name.clone() });
            }
            frame.close(self.writer);
            self.writer.close(mark);
            Outcome::Written
        } else {
            value.serialize(ValueSerializer { writer: &mut *self.writer, place: self.place.element() })?
        };
        if self.array.push(self.writer, outcome)? {
            Ok(())
        } else {
            Err(EncodeError::Nil { field: self.place.name() })
        }
    }

    /// Runs one step; after an error nothing of it stays in the buffer.
    fn guarded(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mark = self.entry.as_ref().map_or(self.writer.out.len(), |&(_, mark)| mark);
        let depth = self.writer.depth - usize::from(self.entry.is_some());
        let done = step(self);
        if done.is_err() {
            self.entry = None;
            self.writer.out.truncate(mark);
            self.writer.depth = depth;
        }
        done
    }
}

impl ser::SerializeMap for MapSerializer<'_, '_> {
    type Ok = Outcome;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        let fields = match self {
            Self::Entries(entries) => return entries.guarded(|entries| entries.key(key)),
            Self::Fields(fields) => fields,
        };
        // The name is written as a string, read, and taken back: whatever the key is made of, nothing is allocated.
        let mark = fields.writer.out.len();
        let place = Place {
            ty: fields.frame.ty,
            field: "(a field's name)",
            kind: Kind::String,
            repeat: Repeat::One,
            root: false,
            entry_of: Repeat::One,
        };
        let written = key.serialize(ValueSerializer { writer: &mut *fields.writer, place });
        let found = match written {
            Ok(Outcome::Written) => {
                let name = fields.writer.out.get(mark + 4..).unwrap_or_default();
                match std::str::from_utf8(name) {
                    Ok(name) => fields.find(name),
                    Err(_) => Err(place.wrong("bytes")),
                }
            }
            Ok(_) => Err(EncodeError::Nil { field: place.name() }),
            Err(error) => Err(error),
        };
        fields.writer.out.truncate(mark);
        fields.key = Some(found?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self {
            Self::Entries(entries) => entries.guarded(|entries| entries.value(value)),
            Self::Fields(fields) => match fields.key.take() {
                Some(index) => fields.set(index, value),
                None => Err(ser::Error::custom("a map's value came before its key")),
            },
        }
    }

    fn end(self) -> Result<Outcome, EncodeError> {
        match self {
            Self::Fields(fields) => ser::SerializeStruct::end(fields),
            Self::Entries(entries) => {
                entries.array.close(entries.writer);
                Ok(Outcome::Written)
            }
        }
    }
}
