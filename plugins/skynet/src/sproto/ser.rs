//! `serde::Serializer` over a schema: a Rust value straight into wire bytes.

mod compound;
mod place;

use serde::ser::{self, Impossible, Serialize};

use self::compound::{EntriesSerializer, FieldsSerializer, MapSerializer, SeqSerializer, SeqState};
use self::place::Place;
use super::EncodeError;
use super::schema::{Kind, Repeat, Schema, Type, TypeId};
use super::write::{Array, Frame, Outcome, Writer};

impl Schema {
    /// Appends `value`, encoded as `ty`, to `out`.
    ///
    /// A Rust struct (or a map with text keys) becomes a struct, field by field by name. `None` and `()` leave a field absent;
    /// a unit struct is a struct without set fields. Sequences become arrays, and bytes where the schema says string or binary.
    /// A map becomes `*Type(field)` (its values are the structs, which hold their key; its own keys are not written) or
    /// `*Type()`; a sequence of the entry structs serves too. Enum variants without data become their number in an integer
    /// field and their name in a string field. Integers are accepted for `double` and `integer(n)`.
    ///
    /// # Errors
    /// When the value does not fit the type, is nested deeper than 64 or larger than 16 MiB encoded. `out` is then as before.
    pub fn encode_into<T>(&self, ty: TypeId, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        encode_as(self, self.type_at(ty).ok_or(EncodeError::UnknownType(ty.0))?, value, out)
    }

    /// [`Schema::encode_into`] with a vector of its own.
    ///
    /// # Errors
    /// As [`Schema::encode_into`].
    pub fn encode<T>(&self, ty: TypeId, value: &T) -> Result<Vec<u8>, EncodeError>
    where
        T: Serialize + ?Sized,
    {
        let mut out = Vec::new();
        self.encode_into(ty, value, &mut out)?;
        Ok(out)
    }
}

fn encode_as<T>(schema: &Schema, ty: &Type, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError>
where
    T: Serialize + ?Sized,
{
    let start = out.len();
    let mut writer = Writer::new(schema, out);
    let place = Place {
        ty,
        field: "",
        kind: Kind::Struct(TypeId(0)),
        repeat: Repeat::One,
        root: true,
        entry_of: Repeat::One,
    };
    let written = match value.serialize(ValueSerializer { writer: &mut writer, place }) {
        // Nothing at all is a struct only if the struct has nothing to say.
        Ok(Outcome::Absent) if ty.fields.is_empty() => writer.put(&[0, 0]),
        Ok(Outcome::Absent) => Err(EncodeError::Nil { field: ty.name.clone() }),
        Ok(_) => writer.finish(),
        Err(error) => Err(error),
    };
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Whether a value says nothing: `None`, `()`, or a struct without fields. Leaves `out` as it was.
pub(super) fn is_nothing<T>(schema: &Schema, value: &T, out: &mut Vec<u8>) -> bool
where
    T: Serialize + ?Sized,
{
    let start = out.len();
    let nothing = encode_as(schema, &Type::new("", Vec::new()), value, out).is_ok();
    out.truncate(start);
    nothing
}

/// Writes a value as the field `index` of an open struct.
pub(super) fn set_field<T>(
    writer: &mut Writer<'_>,
    frame: &mut Frame<'_>,
    index: usize,
    value: &T,
) -> Result<(), EncodeError>
where
    T: Serialize + ?Sized,
{
    let ty = frame.ty;
    let Some(field) = ty.fields.get(index) else { return Ok(()) };
    let place = Place::of_field(ty, field);
    if frame.is_set(writer, index) {
        return Err(EncodeError::DuplicateField { field: place.name() });
    }
    let (mark, depth) = (writer.out.len(), writer.depth);
    let done = value
        .serialize(ValueSerializer { writer: &mut *writer, place })
        .and_then(|outcome| frame.set(&mut *writer, index, mark, outcome));
    if done.is_err() {
        // A `Serialize` may go on after an error; what it left must not.
        writer.out.truncate(mark);
        writer.depth = depth;
    }
    done
}

/// Serializes one value into its place.
struct ValueSerializer<'w, 'a> {
    writer: &'w mut Writer<'a>,
    place: Place<'w>,
}

impl<'w, 'a> ValueSerializer<'w, 'a> {
    fn integer(self, value: i64) -> Result<Outcome, EncodeError> {
        match (self.place.repeat, self.place.kind) {
            (Repeat::One, Kind::Integer) => Ok(Outcome::Integer(value)),
            (Repeat::One, Kind::Double) => Ok(Outcome::Double(value as f64)),
            (Repeat::One, kind @ Kind::Fixed(_)) => match value.checked_mul(kind.scale()) {
                Some(value) => Ok(Outcome::Integer(value)),
                None => self.out_of_range(),
            },
            _ => Err(self.place.wrong("an integer")),
        }
    }

    fn out_of_range(&self) -> Result<Outcome, EncodeError> {
        Err(EncodeError::Range { field: self.place.name() })
    }

    fn bytes(self, bytes: &[u8], found: &'static str) -> Result<Outcome, EncodeError> {
        if !self.place.is_bytes() {
            return Err(self.place.wrong(found));
        }
        self.writer.item(bytes)?;
        Ok(Outcome::Written)
    }

    fn fields(self, found: &'static str) -> Result<FieldsSerializer<'w, 'a>, EncodeError> {
        let Self { writer, place } = self;
        let schema: &'a Schema = writer.schema;
        let (ty, item): (&'w Type, _) = match (place.repeat, place.kind) {
            _ if place.root => (place.ty, None),
            (Repeat::One, Kind::Struct(id)) => {
                let ty = schema.type_at(id).ok_or(EncodeError::UnknownType(id.0))?;
                (ty, Some(writer.open()?))
            }
            _ => return Err(place.wrong(found)),
        };
        let frame = Frame::open(writer, ty)?;
        Ok(FieldsSerializer { writer, frame, item, entry_of: place.entry_of, hint: 0, key: None })
    }

    fn sequence(self) -> Result<SeqSerializer<'w, 'a>, EncodeError> {
        let Self { writer, place } = self;
        if place.is_bytes() {
            let mark = writer.open()?;
            return Ok(SeqSerializer { writer, place, state: SeqState::Bytes(mark) });
        }
        if place.repeat == Repeat::One {
            return Err(place.wrong("a sequence"));
        }
        let array = Array::open(writer, place.kind)?;
        Ok(SeqSerializer { writer, place, state: SeqState::Array(array) })
    }
}

impl<'w, 'a> ser::Serializer for ValueSerializer<'w, 'a> {
    type Ok = Outcome;
    type Error = EncodeError;
    type SerializeSeq = SeqSerializer<'w, 'a>;
    type SerializeTuple = SeqSerializer<'w, 'a>;
    type SerializeTupleStruct = SeqSerializer<'w, 'a>;
    type SerializeTupleVariant = Impossible<Outcome, EncodeError>;
    type SerializeMap = MapSerializer<'w, 'a>;
    type SerializeStruct = FieldsSerializer<'w, 'a>;
    type SerializeStructVariant = Impossible<Outcome, EncodeError>;

    fn serialize_bool(self, value: bool) -> Result<Outcome, EncodeError> {
        match (self.place.repeat, self.place.kind) {
            (Repeat::One, Kind::Boolean) => Ok(Outcome::Boolean(value)),
            _ => Err(self.place.wrong("a boolean")),
        }
    }

    fn serialize_i8(self, value: i8) -> Result<Outcome, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Outcome, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Outcome, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Outcome, EncodeError> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Outcome, EncodeError> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.out_of_range(),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<Outcome, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Outcome, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Outcome, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Outcome, EncodeError> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.out_of_range(),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<Outcome, EncodeError> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.out_of_range(),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<Outcome, EncodeError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Outcome, EncodeError> {
        match (self.place.repeat, self.place.kind) {
            (Repeat::One, Kind::Double) => Ok(Outcome::Double(value)),
            (Repeat::One, kind @ Kind::Fixed(_)) => {
                // `round` goes half away from zero, as the original's does. 2⁶³ itself does not fit.
                let scaled = (value * kind.scale() as f64).round();
                if scaled >= i64::MIN as f64 && scaled < -(i64::MIN as f64) {
                    Ok(Outcome::Integer(scaled as i64))
                } else {
                    self.out_of_range()
                }
            }
            _ => Err(self.place.wrong("a floating-point number")),
        }
    }

    fn serialize_char(self, value: char) -> Result<Outcome, EncodeError> {
        self.bytes(value.encode_utf8(&mut [0; 4]).as_bytes(), "a character")
    }

    fn serialize_str(self, value: &str) -> Result<Outcome, EncodeError> {
        self.bytes(value.as_bytes(), "a string")
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Outcome, EncodeError> {
        self.bytes(value, "bytes")
    }

    fn serialize_none(self) -> Result<Outcome, EncodeError> {
        Ok(Outcome::Absent)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Outcome, EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Outcome, EncodeError> {
        Ok(Outcome::Absent)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Outcome, EncodeError> {
        ser::SerializeStruct::end(self.fields("a unit struct")?)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<Outcome, EncodeError> {
        match (self.place.repeat, self.place.kind) {
            (Repeat::One, Kind::Integer) => Ok(Outcome::Integer(index.into())),
            _ => self.bytes(variant.as_bytes(), "an enum variant"),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Outcome, EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Outcome, EncodeError> {
        Err(self.place.wrong("an enum variant with data"))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Self::SerializeSeq, EncodeError> {
        self.sequence()
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, EncodeError> {
        self.sequence()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleStruct, EncodeError> {
        self.sequence()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        Err(self.place.wrong("an enum variant with data"))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap, EncodeError> {
        if !matches!(self.place.repeat, Repeat::Keyed(_) | Repeat::Pairs) {
            return self.fields("a map").map(MapSerializer::Fields);
        }
        let Self { writer, place } = self;
        let array = Array::open(writer, place.kind)?;
        Ok(MapSerializer::Entries(EntriesSerializer { writer, place, array, entry: None }))
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStruct, EncodeError> {
        self.fields("a struct")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        Err(self.place.wrong("an enum variant with data"))
    }
}
