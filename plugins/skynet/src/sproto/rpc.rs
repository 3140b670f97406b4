//! RPC messages: a header struct, a body, both 0-packed together (skynet, sproto wire protocol).

use std::sync::Arc;

use serde::Serialize;

use super::schema::{Kind, ProtocolId, Repeat, Schema, TypeId};
use super::ser::{is_nothing, set_field};
use super::wire::{At, Item, Walk, item};
use super::write::{Frame, Outcome, Writer};
use super::{DecodeError, Decoder, DispatchError, EncodeError, HostError, RpcError, pack, unpack};

/// One end of a connection: it reads the messages of one schema and writes those of another.
///
/// A server's incoming schema is a client's outgoing one and the other way round, so both ends are made of this. A host keeps no
/// state: which session waits for which answer is the caller's to remember. Payloads are without the frame's length prefix.
///
/// The header type is looked up in the incoming schema, as in skynet: integers `type` and `session`, and, if there is one, `ud` of
/// any type. A field's presence decides, not its value: type 0 and session 0 are as good as others.
#[derive(Debug, Clone)]
pub struct Host {
    incoming: Arc<Schema>,
    outgoing: Arc<Schema>,
    package: TypeId,
    /// Positions of the fields in the header type.
    type_at: usize,
    session_at: usize,
    ud_at: Option<usize>,
    unpack_limit: usize,
}

/// A message as it came in. Nothing of the body has been looked at.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'h, 'm> {
    /// The peer asks (with a session) or tells (without one).
    Request {
        /// Which protocol of the incoming schema.
        protocol: ProtocolId,
        /// Number for the answer; none if no answer is wanted. The peer chooses it, and may choose one twice.
        session: Option<i64>,
        /// The user datum of the header, if there is one.
        ud: Option<Decoder<'h, 'm>>,
        /// The body for [`Host::request_body`], and whatever padding follows it.
        body: &'m [u8],
    },
    /// The peer answers.
    Response {
        /// Session of the request. Whether there was such a request is for the caller to know.
        session: i64,
        /// The user datum of the header, if there is one.
        ud: Option<Decoder<'h, 'm>>,
        /// The body for [`Host::response_body`], and whatever padding follows it.
        body: &'m [u8],
    },
}

/// Default for [`Host::with_unpack_limit`]: what the largest skynet frame, 65535 bytes, can unpack to.
pub const UNPACK_LIMIT: usize = 65535 * 8;

impl Host {
    /// A host with the header type `package`.
    ///
    /// # Errors
    /// [`HostError`] when the incoming schema has no such type or it lacks `type` or `session`.
    pub fn new(
        incoming: impl Into<Arc<Schema>>,
        outgoing: impl Into<Arc<Schema>>,
    ) -> Result<Self, HostError> {
        Self::with_package(incoming, outgoing, "package")
    }

    /// A host with a header type of another name.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn with_package(
        incoming: impl Into<Arc<Schema>>,
        outgoing: impl Into<Arc<Schema>>,
        package: &str,
    ) -> Result<Self, HostError> {
        let (incoming, outgoing) = (incoming.into(), outgoing.into());
        let no_package = || HostError::NoPackage(package.to_owned());
        let id = incoming.type_(package).ok_or_else(no_package)?;
        let ty = incoming.type_at(id).ok_or_else(no_package)?;
        let integer = |field: &'static str| {
            let is_integer = |at: &usize| {
                ty.fields.get(*at).is_some_and(|f| f.kind == Kind::Integer && f.repeat == Repeat::One)
            };
            let problem = HostError::Header { package: package.to_owned(), field };
            ty.find(field, 0).filter(is_integer).ok_or(problem)
        };
        let (type_at, session_at) = (integer("type")?, integer("session")?);
        let ud_at = ty.find("ud", 2);
        Ok(Self { incoming, outgoing, package: id, type_at, session_at, ud_at, unpack_limit: UNPACK_LIMIT })
    }

    /// Sets how many bytes a payload may unpack to; [`UNPACK_LIMIT`] by default.
    #[must_use]
    pub fn with_unpack_limit(mut self, bytes: usize) -> Self {
        self.unpack_limit = bytes;
        self
    }

    /// The schema of what comes in.
    #[must_use]
    pub fn incoming(&self) -> &Arc<Schema> {
        &self.incoming
    }

    /// The schema of what goes out.
    #[must_use]
    pub fn outgoing(&self) -> &Arc<Schema> {
        &self.outgoing
    }

    /// Unpacks a frame's payload into `scratch`, which is cleared first, and reads its header.
    ///
    /// # Errors
    /// As [`Host::read`], and [`DispatchError::Unpack`].
    pub fn dispatch<'m>(
        &self,
        payload: &[u8],
        scratch: &'m mut Vec<u8>,
    ) -> Result<Incoming<'_, 'm>, DispatchError> {
        scratch.clear();
        unpack(payload, scratch, self.unpack_limit)?;
        self.read(scratch)
    }

    /// Reads the header of an unpacked message.
    ///
    /// # Errors
    /// [`DispatchError`] when the header is malformed, names no protocol of the schema, or has neither type nor session.
    pub fn read<'m>(&self, message: &'m [u8]) -> Result<Incoming<'_, 'm>, DispatchError> {
        let (header, body) = self.header(message).map_err(DispatchError::Header)?;
        let Header { tag, session, ud } = header;
        match (tag, session) {
            (Some(tag), session) => match self.incoming.protocol_tagged(tag) {
                Some(protocol) => Ok(Incoming::Request { protocol, session, ud, body }),
                None => Err(DispatchError::UnknownProtocol { tag, session }),
            },
            (None, Some(session)) => Ok(Incoming::Response { session, ud, body }),
            (None, None) => Err(DispatchError::NoSession),
        }
    }

    /// The body of an incoming request, to be deserialized; `()` or `None` if the protocol has none.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`] if the id is of another schema. The bytes are not looked at yet.
    pub fn request_body<'m>(
        &self,
        protocol: ProtocolId,
        body: &'m [u8],
    ) -> Result<Decoder<'_, 'm>, DecodeError> {
        let known = self.incoming.protocol_at(protocol).ok_or(DecodeError::UnknownType(protocol.0.into()))?;
        match known.request {
            Some(ty) => self.incoming.decode_with(ty, body),
            None => Ok(Decoder::nothing(&self.incoming, &known.name)),
        }
    }

    /// The body of the answer to an outgoing request, to be deserialized; `()` or `None` if the protocol has none.
    ///
    /// # Errors
    /// As [`Host::request_body`].
    pub fn response_body<'m>(
        &self,
        protocol: ProtocolId,
        body: &'m [u8],
    ) -> Result<Decoder<'_, 'm>, DecodeError> {
        let known = self.outgoing.protocol_at(protocol).ok_or(DecodeError::UnknownType(protocol.0.into()))?;
        match known.response {
            Some(ty) => self.outgoing.decode_with(ty, body),
            None => Ok(Decoder::nothing(&self.outgoing, &known.name)),
        }
    }

    /// Appends the payload of a request, or of a push if there is no session, to `payload`.
    ///
    /// `protocol` is of the outgoing schema. `ud` and `body` are `&()` where there is none. `scratch` is working memory; its
    /// contents are lost.
    ///
    /// # Errors
    /// [`RpcError`] when `ud` or `body` do not fit the schema. `payload` is then as before.
    pub fn encode_request<U, B>(
        &self,
        protocol: ProtocolId,
        session: Option<i64>,
        ud: &U,
        body: &B,
        scratch: &mut Vec<u8>,
        payload: &mut Vec<u8>,
    ) -> Result<(), RpcError>
    where
        U: Serialize + ?Sized,
        B: Serialize + ?Sized,
    {
        let known = self.outgoing.protocol_at(protocol).ok_or(RpcError::UnknownProtocol(protocol.0))?;
        scratch.clear();
        self.write_header(Some(known.tag), session, ud, scratch)?;
        write_body(&self.outgoing, known.request, body, scratch, || RpcError::NoBody {
            protocol: known.name.clone(),
            part: "request",
        })?;
        pack(scratch, payload);
        Ok(())
    }

    /// Appends the payload of the answer to a request that came with `session` to `payload`.
    ///
    /// `protocol` is of the incoming schema. `ud` and `body` are `&()` where there is none: a protocol without a response type
    /// is answered by a header alone. `scratch` is working memory; its contents are lost.
    ///
    /// # Errors
    /// As [`Host::encode_request`].
    pub fn encode_response<U, B>(
        &self,
        protocol: ProtocolId,
        session: i64,
        ud: &U,
        body: &B,
        scratch: &mut Vec<u8>,
        payload: &mut Vec<u8>,
    ) -> Result<(), RpcError>
    where
        U: Serialize + ?Sized,
        B: Serialize + ?Sized,
    {
        let known = self.incoming.protocol_at(protocol).ok_or(RpcError::UnknownProtocol(protocol.0))?;
        scratch.clear();
        self.write_header(None, Some(session), ud, scratch)?;
        write_body(&self.incoming, known.response, body, scratch, || RpcError::NoBody {
            protocol: known.name.clone(),
            part: "response",
        })?;
        pack(scratch, payload);
        Ok(())
    }

    fn header<'m>(&self, message: &'m [u8]) -> Result<(Header<'_, 'm>, &'m [u8]), DecodeError> {
        let ty = self.incoming.type_at(self.package).ok_or(DecodeError::UnknownType(self.package.0))?;
        let mut header = Header { tag: None, session: None, ud: None };
        let mut walk = Walk::new(message)?;
        let mut next = 0;
        while let Some((tag, raw)) = walk.step()? {
            let Some(found) = ty.find_tag(tag, next) else { continue };
            next = found + 1;
            let Some(field) = ty.fields.get(found) else { continue };
            let at = At { ty: &ty.name, field: &field.name };
            let item = item(&self.incoming, at, field, raw)?;
            match item {
                Item::Integer(value) if found == self.type_at => header.tag = Some(value),
                Item::Integer(value) if found == self.session_at => header.session = Some(value),
                item if Some(found) == self.ud_at => {
                    header.ud = Some(Decoder { schema: &self.incoming, depth: 1, at, item });
                }
                _ => {}
            }
        }
        Ok((header, walk.rest()))
    }

    fn write_header<U>(
        &self,
        tag: Option<u16>,
        session: Option<i64>,
        ud: &U,
        out: &mut Vec<u8>,
    ) -> Result<(), RpcError>
    where
        U: Serialize + ?Sized,
    {
        if self.ud_at.is_none() && !is_nothing(&self.incoming, ud, out) {
            return Err(RpcError::NoUd);
        }
        let ty = self.incoming.type_at(self.package).ok_or(EncodeError::UnknownType(self.package.0))?;
        let mut writer = Writer::new(&self.incoming, out);
        let mut frame = Frame::open(&mut writer, ty)?;
        for (at, value) in [(self.type_at, tag.map(i64::from)), (self.session_at, session)] {
            let mark = writer.out.len();
            let outcome = value.map_or(Outcome::Absent, Outcome::Integer);
            frame.set(&mut writer, at, mark, outcome)?;
        }
        if let Some(at) = self.ud_at {
            set_field(&mut writer, &mut frame, at, ud)?;
        }
        frame.close(&mut writer);
        Ok(writer.finish()?)
    }
}

struct Header<'h, 'm> {
    tag: Option<i64>,
    session: Option<i64>,
    ud: Option<Decoder<'h, 'm>>,
}

fn write_body<B>(
    schema: &Schema,
    ty: Option<TypeId>,
    body: &B,
    out: &mut Vec<u8>,
    no_body: impl FnOnce() -> RpcError,
) -> Result<(), RpcError>
where
    B: Serialize + ?Sized,
{
    match ty {
        Some(ty) => Ok(schema.encode_into(ty, body, out)?),
        None if is_nothing(schema, body, out) => Ok(()),
        None => Err(no_body()),
    }
}
