//! `serde::Serializer` over a schema: a Rust value straight into a body.

mod compound;
mod key;

use self::compound::{ElementsEncoder, FieldsEncoder};
use super::number;
use super::schema::{Field, Message, Type};
use super::{MAX_DEPTH, ProtobufError, Schema};
use serde::Serialize;
use serde::ser::{self, Impossible};

impl Schema {
    /// Appends a value: a struct or a map with text keys, its fields in the value's own order.
    ///
    /// Fields that the schema does not have are dropped; `None` and `()` leave a field absent. Sequences are for repeated
    /// fields, and an empty one writes nothing. A number that is not whole loses its fraction in an integer field, and a
    /// text of digits becomes a number there, as in the original. A variant of an enum without data becomes its name in a
    /// text field, its index in an integer field. A value that says nothing appends nothing: the body is empty.
    ///
    /// # Errors
    /// When a required field is missing, in any of the messages inside too; when a value does not fit its field; and above
    /// [`MAX_DEPTH`]. `out` is then as before.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), ProtobufError> {
        let start = out.len();
        let mut writer = Writer { messages: &self.messages, out, depth: 0 };
        let place = Place::Root(self.root);
        let written = value.serialize(ValueEncoder { writer: &mut writer, place }).and_then(|written| {
            match (written, self.messages.get(self.root)) {
                // Nothing at all is a message without fields.
                (Written::Nothing, Some(message)) => message.check(|_| false),
                _ => Ok(()),
            }
        });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

/// Where bytes go, and what is known on the way.
struct Writer<'a> {
    messages: &'a [Message],
    out: &'a mut Vec<u8>,
    /// Open messages inside of the first.
    depth: usize,
}

impl Writer<'_> {
    fn number(&mut self, number: u64) {
        number::write(self.out, number);
    }

    /// Leaves room for a number that is known later.
    fn reserve(&mut self) -> usize {
        self.out.push(0);
        self.out.len()
    }

    /// Writes that number. Mostly it fits the byte that was left.
    fn fill(&mut self, after: usize, number: usize) {
        let at = after.saturating_sub(1);
        match self.out.get_mut(at) {
            Some(byte) if number < 0x80 => *byte = number as u8,
            _ => {
                let mut bytes = Vec::new();
                number::write(&mut bytes, number as u64);
                drop(self.out.splice(at..after, bytes));
            }
        }
    }
}

impl Message {
    /// Whether all required fields are set.
    fn check(&self, is_set: impl Fn(usize) -> bool) -> Result<(), ProtobufError> {
        let missing = self.required.iter().find(|&&place| !is_set(place));
        match missing.and_then(|&place| self.fields.get(place)) {
            Some(field) => Err(ProtobufError::Missing(field.name.clone())),
            None => Ok(()),
        }
    }
}

/// Whether a value left something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    Something,
}

/// What a value is to become.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// The whole body.
    Root(usize),
    /// A field.
    Field(&'a Field),
    /// One element of a repeated field.
    Element(&'a Field),
}

/// Writes one value into its place.
struct ValueEncoder<'w, 'a> {
    writer: &'w mut Writer<'a>,
    place: Place<'a>,
}

impl<'w, 'a> ValueEncoder<'w, 'a> {
    fn wrong(&self, found: &'static str) -> ProtobufError {
        match self.place {
            Place::Root(_) => ProtobufError::WrongType { field: "the body".into(), found },
            Place::Field(field) | Place::Element(field) if field.ty == Type::Unsupported => {
                ProtobufError::Unsupported(field.name.clone())
            }
            Place::Field(field) | Place::Element(field) => {
                ProtobufError::WrongType { field: field.name.clone(), found }
            }
        }
    }

    /// The field for one number or text. Its key is written, unless it stands before all elements.
    fn one(&mut self, found: &'static str, fits: impl Fn(Type) -> bool) -> Result<Type, ProtobufError> {
        match self.place {
            Place::Field(field) if !field.repeated && fits(field.ty) => {
                self.writer.number(field.key.into());
                Ok(field.ty)
            }
            Place::Element(field) if fits(field.ty) => {
                if !field.ty.is_packed() {
                    self.writer.number(field.key.into());
                }
                Ok(field.ty)
            }
            _ => Err(self.wrong(found)),
        }
    }

    fn out_of_range(&self) -> ProtobufError {
        match self.place {
            Place::Root(_) => self.wrong("a number"),
            Place::Field(field) | Place::Element(field) => ProtobufError::Range(field.name.clone()),
        }
    }

    fn integer(mut self, value: i128) -> Result<Written, ProtobufError> {
        let ty = self.one("an integer", Type::is_packed)?;
        let unsigned = match ty {
            Type::Unsigned => u64::try_from(value).ok(),
            Type::Signed => i64::try_from(value)
                .ok()
                .filter(|value| value.unsigned_abs() <= number::MAX)
                .map(number::zigzag),
            _ => return self.put_float(ty, value as f64),
        };
        let Some(unsigned) = unsigned.filter(|&value| value <= number::MAX) else {
            return Err(self.out_of_range());
        };
        self.writer.number(unsigned);
        Ok(Written::Something)
    }

    fn float(mut self, value: f64) -> Result<Written, ProtobufError> {
        match self.place {
            Place::Field(Field { ty: Type::Unsigned | Type::Signed, .. })
            | Place::Element(Field { ty: Type::Unsigned | Type::Signed, .. }) => {
                // What is no number, or out of `i128`, is out of the field's range too.
                if value.is_finite() { self.integer(value as i128) } else { Err(self.out_of_range()) }
            }
            _ => {
                let ty = self.one("a floating-point number", Type::is_packed)?;
                self.put_float(ty, value)
            }
        }
    }

    fn put_float(self, ty: Type, value: f64) -> Result<Written, ProtobufError> {
        match ty {
            Type::Float => self.writer.out.extend_from_slice(&(value as f32).to_le_bytes()),
            _ => self.writer.out.extend_from_slice(&value.to_le_bytes()),
        }
        Ok(Written::Something)
    }

    fn text(mut self, text: &str, found: &'static str) -> Result<Written, ProtobufError> {
        let is_integer = match self.place {
            Place::Root(_) => false,
            Place::Field(field) | Place::Element(field) => {
                matches!(field.ty, Type::Unsigned | Type::Signed)
            }
        };
        if is_integer {
            return match text.trim().parse::<i64>() {
                Ok(number) => self.integer(number.into()),
                Err(_) => Err(self.wrong(found)),
            };
        }
        self.one(found, |ty| ty == Type::Text)?;
        self.writer.number(text.len() as u64);
        self.writer.out.extend_from_slice(text.as_bytes());
        Ok(Written::Something)
    }

    /// Nothing: fine for a field, but a hole in a repeated one.
    fn nothing(self) -> Result<Written, ProtobufError> {
        match self.place {
            Place::Root(_) | Place::Field(_) => Ok(Written::Nothing),
            Place::Element(_) => Err(self.wrong("nothing")),
        }
    }

    fn message(self, found: &'static str) -> Result<FieldsEncoder<'w, 'a>, ProtobufError> {
        let (message, key) = match self.place {
            Place::Root(message) => (message, None),
            Place::Field(&Field { ty: Type::Message(message), repeated: false, key, .. })
            | Place::Element(&Field { ty: Type::Message(message), key, .. }) => (message, Some(key)),
            _ => return Err(self.wrong(found)),
        };
        let messages: &'a [Message] = self.writer.messages;
        // Places of messages come from the parser of schemas.
        let message = messages.get(message).ok_or(ProtobufError::Depth)?;
        FieldsEncoder::open(self.writer, message, key)
    }

    fn elements(self, found: &'static str) -> Result<ElementsEncoder<'w, 'a>, ProtobufError> {
        match self.place {
            Place::Field(field) if field.repeated => Ok(ElementsEncoder::open(self.writer, field)),
            _ => Err(self.wrong(found)),
        }
    }
}

const WITH_DATA: &str = "an enum variant with data";

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<Written, ProtobufError> {
            self.integer(value.into())
        })*
    };
}

impl<'w, 'a> ser::Serializer for ValueEncoder<'w, 'a> {
    type Ok = Written;
    type Error = ProtobufError;
    type SerializeSeq = ElementsEncoder<'w, 'a>;
    type SerializeTuple = ElementsEncoder<'w, 'a>;
    type SerializeTupleStruct = ElementsEncoder<'w, 'a>;
    type SerializeTupleVariant = Impossible<Written, ProtobufError>;
    type SerializeMap = FieldsEncoder<'w, 'a>;
    type SerializeStruct = FieldsEncoder<'w, 'a>;
    type SerializeStructVariant = Impossible<Written, ProtobufError>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_u128(self, value: u128) -> Result<Written, ProtobufError> {
        self.integer(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_bool(self, _value: bool) -> Result<Written, ProtobufError> {
        Err(self.wrong("a boolean"))
    }

    fn serialize_f32(self, value: f32) -> Result<Written, ProtobufError> {
        self.float(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Written, ProtobufError> {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Result<Written, ProtobufError> {
        self.text(value.encode_utf8(&mut [0; 4]), "a character")
    }

    fn serialize_str(self, value: &str) -> Result<Written, ProtobufError> {
        self.text(value, "a text")
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<Written, ProtobufError> {
        Err(self.wrong("bytes"))
    }

    fn serialize_none(self) -> Result<Written, ProtobufError> {
        self.nothing()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Written, ProtobufError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Written, ProtobufError> {
        self.nothing()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Written, ProtobufError> {
        ser::SerializeStruct::end(self.message("a unit struct")?)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<Written, ProtobufError> {
        match self.place {
            Place::Field(Field { ty: Type::Unsigned | Type::Signed, .. })
            | Place::Element(Field { ty: Type::Unsigned | Type::Signed, .. }) => self.integer(index.into()),
            _ => self.text(variant, "an enum variant"),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Written, ProtobufError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Written, ProtobufError> {
        Err(self.wrong(WITH_DATA))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, ProtobufError> {
        self.elements("a sequence")
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, ProtobufError> {
        self.elements("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, ProtobufError> {
        self.elements("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, ProtobufError> {
        Err(self.wrong(WITH_DATA))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, ProtobufError> {
        self.message("a map")
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, ProtobufError> {
        self.message("a struct")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, ProtobufError> {
        Err(self.wrong(WITH_DATA))
    }
}
