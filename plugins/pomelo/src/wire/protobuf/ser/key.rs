//! Keys of maps: texts, which name fields.

use crate::wire::protobuf::ProtobufError;
use crate::wire::protobuf::schema::Message;
use serde::Serialize;
use serde::ser::{Impossible, Serializer};

/// Finds the field of a key.
pub(super) struct KeyEncoder<'a> {
    pub(super) message: &'a Message,
    pub(super) hint: usize,
}

type Place = Option<usize>;

fn no_text<T>() -> Result<T, ProtobufError> {
    Err(ProtobufError::WrongType { field: "a map's key".into(), found: "what is no text" })
}

macro_rules! no_text {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$ok, ProtobufError> {
            no_text()
        })*
    };
}

impl Serializer for KeyEncoder<'_> {
    type Ok = Place;
    type Error = ProtobufError;
    type SerializeSeq = Impossible<Place, ProtobufError>;
    type SerializeTuple = Impossible<Place, ProtobufError>;
    type SerializeTupleStruct = Impossible<Place, ProtobufError>;
    type SerializeTupleVariant = Impossible<Place, ProtobufError>;
    type SerializeMap = Impossible<Place, ProtobufError>;
    type SerializeStruct = Impossible<Place, ProtobufError>;
    type SerializeStructVariant = Impossible<Place, ProtobufError>;

    fn serialize_str(self, key: &str) -> Result<Place, ProtobufError> {
        Ok(self.message.by_name(key, self.hint))
    }

    fn serialize_char(self, key: char) -> Result<Place, ProtobufError> {
        self.serialize_str(key.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Place, ProtobufError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        key: &T,
    ) -> Result<Place, ProtobufError> {
        key.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<Place, ProtobufError> {
        key.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Place, ProtobufError> {
        no_text()
    }

    no_text! {
        serialize_bool(bool) -> Place;
        serialize_i8(i8) -> Place;
        serialize_i16(i16) -> Place;
        serialize_i32(i32) -> Place;
        serialize_i64(i64) -> Place;
        serialize_u8(u8) -> Place;
        serialize_u16(u16) -> Place;
        serialize_u32(u32) -> Place;
        serialize_u64(u64) -> Place;
        serialize_f32(f32) -> Place;
        serialize_f64(f64) -> Place;
        serialize_bytes(&[u8]) -> Place;
        serialize_none() -> Place;
        serialize_unit() -> Place;
        serialize_unit_struct(&'static str) -> Place;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
