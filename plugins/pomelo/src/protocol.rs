//! What dispatch needs of this protocol: bodies read, answers and pushes written, one codec for each family of clients.

use crate::{
    body,
    service::Service,
    wire::{
        WireError,
        handshake::{self, Family},
        kick_body,
        message::{self, Route},
        package::{self, Kind},
        protobuf::Schema,
        text, zip,
    },
};
use portcullis_dispatch::{Bad, BodyError, Content, OnBad, Outgoing, Protocol, Refusal, RouteId};
use serde::Serialize;
use std::{cell::RefCell, sync::Arc};

/// The codec of one family of a service's clients.
pub(crate) struct PomeloProtocol {
    pub(crate) service: Arc<Service>,
    pub(crate) family: Family,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A scratch buffer larger than this is given back.
const SCRATCH_CAPACITY: usize = 64 * 1024;

impl Protocol for PomeloProtocol {
    fn name(&self) -> &'static str {
        match self.family {
            Family::Pomelo | Family::Minimal => "pomelo",
            Family::Pitaya => "pitaya",
        }
    }

    fn read(
        &self,
        route: RouteId,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        if route == self.service.handshake_route {
            return body::read_any(body, read);
        }
        match self.service.request_schema(route).filter(|_| self.family == Family::Pomelo) {
            Some(schema) => read(&mut <dyn erased_serde::Deserializer>::erase(schema.decoder(body)))
                .map_err(BodyError::new),
            None => body::read(body, read),
        }
    }

    fn is_json(&self, route: RouteId, body: &[u8]) -> bool {
        let has_schema = self.family == Family::Pomelo && self.service.request_schema(route).is_some();
        !has_schema && route != self.service.handshake_route && body::is_object(body)
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        match message {
            Outgoing::Reply { route, id, body } if route == self.service.handshake_route => {
                write_welcome(out, &self.service, self.family, id, body)
            }
            Outgoing::Refusal { route, refusal, .. } if route == self.service.handshake_route => {
                write_refusal(out, self.family, refusal.code)
            }
            Outgoing::Reply { route, id, body } => {
                self.data(out, message::Kind::Response, wire_id(id)?, route, body)
            }
            Outgoing::Refusal { route, id, refusal } => self.refuse(out, route, wire_id(id)?, refusal),
            Outgoing::Push { route, body } => self.push(out, route, body),
        }
    }

    /// What Pomelo says of a route that nobody handles.
    fn on_bad(&self, bad: Bad) -> OnBad {
        match (bad, self.family) {
            (Bad::UnknownRoute, Family::Pomelo | Family::Minimal) => OnBad::Refuse(Refusal::INTERNAL),
            _ => OnBad::Answer,
        }
    }
}

impl PomeloProtocol {
    fn push(&self, out: &mut Vec<u8>, route: RouteId, body: Content<'_>) -> Result<(), BodyError> {
        let start = out.len();
        match self.data(out, message::Kind::Push, 0, route, body) {
            Err(error) if self.schema(route).is_some() => {
                // As in Pomelo: a push that its schema cannot take is told without what it says.
                tracing::debug!(%error, "a push does not fit its schema");
                out.truncate(start);
                self.data(out, message::Kind::Push, 0, route, Content::Raw(&[]))
            }
            written => written,
        }
    }

    fn refuse(&self, out: &mut Vec<u8>, route: RouteId, id: u32, refusal: &Refusal) -> Result<(), BodyError> {
        let text = Some(&*refusal.message).filter(|_| self.service.manners.error_texts);
        if self.family == Family::Pitaya {
            let code = format!("PIT-{:03}", refusal.code);
            let body = PitayaError { code: &code, msg: &refusal.message };
            return write_data(out, message::Kind::Response, id, Route::None, true, None, |out| {
                text::to_json(&body, out).map_err(BodyError::new)
            });
        }
        let body = PomeloError { code: refusal.code, msg: text };
        let start = out.len();
        match self.data(out, message::Kind::Response, id, route, Content::Value(&body)) {
            // A schema that has no place for an error, and needs what an error has not: an answer all the same.
            Err(_) if self.schema(route).is_some() => {
                out.truncate(start);
                self.data(out, message::Kind::Response, id, route, Content::Raw(&[]))
            }
            written => written,
        }
    }

    /// What bodies of this route are to look like, for clients that know schemas at all.
    fn schema(&self, route: RouteId) -> Option<&Schema> {
        self.service.reply_schema(route).filter(|_| self.family == Family::Pomelo)
    }

    fn data(
        &self,
        out: &mut Vec<u8>,
        kind: message::Kind,
        id: u32,
        route: RouteId,
        body: Content<'_>,
    ) -> Result<(), BodyError> {
        let named = match (kind, self.service.code(route)) {
            (message::Kind::Response, _) => Route::None,
            (_, Some(code)) if self.family == Family::Pomelo => Route::Code(code),
            _ => Route::Name(
                self.service
                    .name(route)
                    .ok_or_else(|| BodyError::new("the route was added after the app was finished"))?,
            ),
        };
        let compress = (self.family == Family::Pitaya && self.service.manners.compress).then_some(());
        let schema = self.schema(route);
        write_data(out, kind, id, named, false, compress, |out| write_body(out, body, schema))
    }
}

/// A data package. Where it may be compressed and gets shorter by that, it is.
fn write_data(
    out: &mut Vec<u8>,
    kind: message::Kind,
    id: u32,
    route: Route<'_>,
    error: bool,
    compress: Option<()>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    let Some(()) = compress else {
        return package::write(out, Kind::Data, |out| {
            message::write_head(out, kind, id, route, false, error).map_err(Failed::Wire)?;
            body(out).map_err(Failed::Body)
        })
        .map_err(BodyError::from);
    };
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        body(scratch)?;
        let plain = scratch.len();
        let mut packed = Vec::new();
        let compressed = zip::deflate_if_shorter(&scratch[..plain], &mut packed);
        let written = package::write(out, Kind::Data, |out| {
            message::write_head(out, kind, id, route, compressed, error)?;
            out.extend_from_slice(if compressed { &packed } else { scratch });
            Ok::<(), WireError>(())
        });
        if scratch.capacity() > SCRATCH_CAPACITY {
            *scratch = Vec::new();
        }
        written.map_err(BodyError::new)
    })
}

/// Why a message could not be written.
enum Failed {
    Wire(WireError),
    Body(BodyError),
}

impl From<WireError> for Failed {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<BodyError> for Failed {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<Failed> for BodyError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Wire(error) => Self::new(error),
            Failed::Body(error) => error,
        }
    }
}

/// A body by its schema, or as JSON, which is an object at least: clients choke on nothing.
fn write_body(out: &mut Vec<u8>, body: Content<'_>, schema: Option<&Schema>) -> Result<(), BodyError> {
    let start = out.len();
    match (body, schema) {
        (Content::Value(value), Some(schema)) => schema.encode(value, out).map_err(BodyError::new)?,
        (Content::Value(value), None) => {
            value.write_json(out)?;
            text::escape(out, start);
            if out.len() == start + 4 && out.ends_with(b"null") {
                out.truncate(start);
                out.extend_from_slice(b"{}");
            }
        }
        (Content::Raw([]), None) => out.extend_from_slice(b"{}"),
        (Content::Raw(bytes), _) => out.extend_from_slice(bytes),
    }
    Ok(())
}

/// The answer to a handshake, with what the game's own handler has to say as `user`.
pub(crate) fn write_welcome(
    out: &mut Vec<u8>,
    service: &Service,
    family: Family,
    id: u64,
    user: Content<'_>,
) -> Result<(), BodyError> {
    let compress = family == Family::Pitaya && service.manners.compress;
    package::write(out, Kind::Handshake, |out| {
        let start = out.len();
        out.extend_from_slice(br#"{"code":200,"sys":"#);
        out.extend_from_slice(service.sys(family, id));
        write_user(out, user)?;
        out.push(b'}');
        let mut packed = Vec::new();
        if compress && zip::deflate_if_shorter(&out[start..], &mut packed) {
            out.truncate(start);
            out.append(&mut packed);
        }
        Ok::<(), Failed>(())
    })
    .map_err(BodyError::from)
}

/// Nothing, where there is nothing to say.
fn write_user(out: &mut Vec<u8>, user: Content<'_>) -> Result<(), BodyError> {
    let without = out.len();
    out.extend_from_slice(br#","user":"#);
    let start = out.len();
    match user {
        Content::Value(value) => text::to_json(value, out).map_err(BodyError::new)?,
        Content::Raw(json) => out.extend_from_slice(json),
    }
    if matches!(&out[start..], b"" | b"null") {
        out.truncate(without);
    }
    Ok(())
}

/// Tells a client that its handshake came to nothing: 501 where its version will not do, else 500; of Pitaya's kind 400.
pub(crate) fn write_refusal(out: &mut Vec<u8>, family: Family, code: u16) -> Result<(), BodyError> {
    let code = match (family, code) {
        (Family::Pitaya, _) => 400,
        (_, handshake::OLD_CLIENT) => handshake::OLD_CLIENT,
        _ => handshake::FAILED,
    };
    package::write(out, Kind::Handshake, |out| {
        handshake::refusal(code, out);
        Ok::<(), WireError>(())
    })
    .map_err(BodyError::new)
}

/// Tells a client that it is shown out, and why.
pub(crate) fn write_kick(out: &mut Vec<u8>, reason: &str) -> Result<(), WireError> {
    package::write(out, Kind::Kick, |out| {
        kick_body(reason, out);
        Ok(())
    })
}

#[derive(Serialize)]
struct PomeloError<'a> {
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<&'a str>,
}

#[derive(Serialize)]
struct PitayaError<'a> {
    code: &'a str,
    msg: &'a str,
}

/// Ids came from the wire, so they fit.
fn wire_id(id: u64) -> Result<u32, BodyError> {
    u32::try_from(id).map_err(BodyError::new)
}
