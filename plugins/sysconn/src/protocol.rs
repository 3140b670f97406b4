//! What dispatch needs of this protocol: answers and pushes written.

use crate::{
    entrance::Entrance,
    error_id, login,
    wire::{self, errors::BUSY},
};
use bevy_ecs::prelude::*;
use portcullis_core::OutboxWriter;
use portcullis_dispatch::{Bad, BodyError, Content, OnBad, Outgoing, Protocol, RouteId};
use serde::{
    de::{IntoDeserializer, value::UnitDeserializer},
    ser::{self, Impossible, Serialize, Serializer},
};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// Messages of a header and a body.
pub(crate) struct SysconnProtocol {
    /// By the number of the route: its command.
    pub(crate) commands: Arc<[Option<u16>]>,
    /// The commands whose handlers answer an entrance.
    pub(crate) logins: BTreeSet<u16>,
}

/// What a request is known by while it is handled: its flag, and its command, which a route that stands for many does not
/// tell.
pub(crate) fn request_id(flag: u32, command: u16) -> u64 {
    u64::from(flag) | u64::from(command) << 32
}

/// The number a client gave its request, by [`Request::id`](portcullis_dispatch::Request::id), which holds the command too.
pub fn flag(id: u64) -> u32 {
    id as u32
}

fn command(id: u64) -> u16 {
    (id >> 32) as u16
}

impl Protocol for SysconnProtocol {
    fn name(&self) -> &'static str {
        "sysconn"
    }

    fn read(
        &self,
        _: RouteId,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        // `()` takes no notice of what came.
        let nothing: UnitDeserializer<erased_serde::Error> = ().into_deserializer();
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(nothing)).map_err(|_| {
            let length = body.len();
            BodyError::new(format_args!("a body is protobuf ({length} bytes): take it as Pb<…> or as Raw"))
        })
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        match message {
            Outgoing::Reply { id, body, .. } => {
                wire::write_response(out, flag(id), command(id), |out| append(out, body))
            }
            Outgoing::Refusal { id, refusal, .. } => {
                refuse(out, id, error_id::number(refusal));
                Ok(())
            }
            Outgoing::Push { route, body } => match self.commands.get(route.index()) {
                Some(&Some(command)) => wire::write_response(out, 0, command, |out| append(out, body)),
                // The protocol has no words for what has no number.
                _ => Ok(()),
            },
        }
    }

    /// What a login's handler answers is for us: whose connection it is.
    fn take_answer(&self, world: &mut World, connection: Entity, answer: &Outgoing<'_>) -> bool {
        let Outgoing::Reply { id, body: Content::Raw(entrance), .. } = *answer else { return false };
        if !self.logins.contains(&command(id)) {
            return false;
        }
        let entered = Entrance::decode(entrance)
            .ok_or(BUSY)
            .and_then(|entrance| login::enter(world, connection, entrance));
        let mut writer = OutboxWriter::from_world(world);
        // Whoever heard of the login may have closed the connection.
        let _ = writer.write_open(world, connection, |out| match entered {
            Ok(answer) => wire::write_response(out, flag(id), command(id), |out| {
                append(out, Content::Value(&crate::Pb(answer)))
            }),
            Err(error) => {
                refuse(out, id, error);
                Ok(())
            }
        });
        true
    }

    /// A body that nobody can read ends its connection, as in the original.
    fn on_bad(&self, bad: Bad) -> OnBad {
        match bad {
            Bad::Undecodable => OnBad::Close(portcullis_core::Cause::Undecodable),
            Bad::UnknownRoute | Bad::IdInUse => OnBad::Answer,
        }
    }
}

fn refuse(out: &mut Vec<u8>, id: u64, error: u16) {
    wire::Response { error, flag: flag(id), command: command(id), body: &[] }.write(out);
}

fn append(out: &mut Vec<u8>, body: Content<'_>) -> Result<(), BodyError> {
    match body {
        Content::Raw(bytes) => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        Content::Value(value) => value.serialize(Bytes(out)).map_err(BodyError::new),
    }
}

/// Takes bytes as they are, and nothing as nothing. Whatever else has no form in this protocol.
struct Bytes<'a>(&'a mut Vec<u8>);

#[derive(Debug)]
struct NoBytes;

impl fmt::Display for NoBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a body is protobuf or bytes: send it as Pb<…> or as Raw")
    }
}

impl std::error::Error for NoBytes {}

impl ser::Error for NoBytes {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Methods for types that have no form here.
macro_rules! no_bytes {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$ok, NoBytes> {
            Err(NoBytes)
        })*
    };
}

impl Serializer for Bytes<'_> {
    type Ok = ();
    type Error = NoBytes;
    type SerializeSeq = Impossible<(), NoBytes>;
    type SerializeTuple = Impossible<(), NoBytes>;
    type SerializeTupleStruct = Impossible<(), NoBytes>;
    type SerializeTupleVariant = Impossible<(), NoBytes>;
    type SerializeMap = Impossible<(), NoBytes>;
    type SerializeStruct = Impossible<(), NoBytes>;
    type SerializeStructVariant = Impossible<(), NoBytes>;

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), NoBytes> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), NoBytes> {
        Ok(())
    }

    fn serialize_none(self) -> Result<(), NoBytes> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoBytes> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NoBytes> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NoBytes> {
        Err(NoBytes)
    }

    no_bytes! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
