//! The handshake: what a client says of itself, and what it is told.
//!
//! The client sends a [`Request`], is answered, and acknowledges; only then may data flow. What it says decides its
//! [`Family`], and with it which features of the protocol it can bear.

mod cache;
mod response;

pub use cache::{Cache, Kept};
pub use response::{Dict, Protobuf, Response, refusal};

use super::text;
use serde_json::{Map, Value};
use thiserror::Error;

/// Everything is well.
pub const OK: u16 = 200;
/// The request cannot be read, or the user's part of it was refused.
pub const FAILED: u16 = 500;
/// This client's type or version is not served.
pub const OLD_CLIENT: u16 = 501;

/// What is wrong with a handshake. It is answered with [`FAILED`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The body is no JSON; an empty one is none either.
    #[error("a handshake that is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// There is no `sys`, or it is nothing in the eyes of JavaScript.
    #[error("a handshake without `sys`")]
    NoSys,
}

/// What a client sends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// What the client's library says.
    pub sys: Sys,
    /// What the game's client says; a JSON null counts as nothing.
    pub user: Option<Value>,
}

/// What the client's library says of itself.
///
/// Everything is optional, even `sys` being an object: the widely copied `{"sys":1}` is a handshake. Numbers and booleans
/// in the place of texts become texts; in the place of a version to compare with, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sys {
    /// `type`: the kind of library, such as `js-websocket`.
    pub kind: Option<String>,
    /// `version` of the library.
    pub version: Option<String>,
    /// `platform` (libpitaya).
    pub platform: Option<String>,
    /// `libVersion` (libpitaya).
    pub lib_version: Option<String>,
    /// `clientBuildNumber` (libpitaya).
    pub client_build_number: Option<String>,
    /// `clientVersion` (libpitaya).
    pub client_version: Option<String>,
    /// `protoVersion`: the schemas the client has kept.
    pub proto_version: Option<String>,
    /// `dictVersion`: the dictionary the client has kept.
    pub dict_version: Option<String>,
    /// Whether there is an `rsa`, a key to check the client's messages with. The official clients always send one, mostly
    /// empty.
    pub rsa: bool,
}

/// What a client can bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Pomelo's own clients and their like: they name a type or a version. Dictionary and schemas, never compression nor
    /// the error bit.
    Pomelo,
    /// A client that says nothing of itself. It is given nothing but the heartbeat: plain routes, JSON bodies.
    Minimal,
    /// libpitaya and its like: they name a `libVersion`. Compression and the error bit, but never a route code, on which
    /// libpitaya crashes, nor schemas.
    Pitaya,
}

impl Request {
    /// Reads the body of a client's handshake package.
    ///
    /// # Errors
    /// When it is no JSON, or has no `sys` that is something in the eyes of JavaScript.
    pub fn read(body: &[u8]) -> Result<Self, HandshakeError> {
        let Value::Object(mut request) = serde_json::from_str(&text::lenient(body))? else {
            return Err(HandshakeError::NoSys);
        };
        let sys = match request.remove("sys").filter(truthy) {
            Some(Value::Object(sys)) => Sys::read(sys),
            Some(_) => Sys::default(),
            None => return Err(HandshakeError::NoSys),
        };
        Ok(Self { sys, user: request.remove("user").filter(|user| !user.is_null()) })
    }

    /// What the client can bear, as far as it tells.
    pub fn family(&self) -> Family {
        if self.sys.lib_version.is_some() {
            Family::Pitaya
        } else if self.sys.kind.is_some() || self.sys.version.is_some() {
            Family::Pomelo
        } else {
            Family::Minimal
        }
    }
}

impl Sys {
    fn read(mut sys: Map<String, Value>) -> Self {
        let rsa = sys.get("rsa").is_some_and(truthy);
        let mut text = |name: &str| match sys.remove(name)? {
            Value::String(text) => Some(text),
            other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let kind = text("type");
        let version = text("version");
        let platform = text("platform");
        let lib_version = text("libVersion");
        let client_build_number = text("clientBuildNumber");
        let client_version = text("clientVersion");
        let mut kept = |name: &str| match sys.remove(name)? {
            Value::String(version) => Some(version),
            _ => None,
        };
        let (proto_version, dict_version) = (kept("protoVersion"), kept("dictVersion"));
        Self {
            kind,
            version,
            platform,
            lib_version,
            client_build_number,
            client_version,
            proto_version,
            dict_version,
            rsa,
        }
    }
}

/// Whether JavaScript takes a value for true.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_f64() != Some(0.0),
        Value::String(value) => !value.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
