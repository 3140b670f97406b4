//! The server's half, as JSON in Pomelo's own order of keys.

use super::OK;
use crate::wire::dictionary::Dictionary;
use crate::wire::protobuf::Protos;
use crate::wire::text;
use serde_json::Value;

/// What a client that is let in is told.
///
/// ```
/// use portcullis_pomelo::wire::handshake::Response;
///
/// let mut body = Vec::new();
/// Response { heartbeat: Some(3), ..Response::default() }.write(&mut body);
/// assert_eq!(body, br#"{"code":200,"sys":{"heartbeat":3}}"#);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Response<'a> {
    /// The interval of heartbeats in seconds. Nothing, and so 0, leaves it out: clients then send none, and Pitaya's Go
    /// client does not work.
    pub heartbeat: Option<u32>,
    /// The dictionary, if routes may be codes.
    pub dictionary: Option<Dict<'a>>,
    /// The schemas, if bodies may be in the protobuf dialect.
    pub protos: Option<Protobuf<'a>>,
    /// How bodies are written, for Pitaya's clients: `json`.
    pub serializer: Option<&'a str>,
    /// What the game tells.
    pub user: Option<&'a Value>,
}

/// The dictionary in a response.
#[derive(Clone, Copy, Debug)]
pub struct Dict<'a> {
    /// All routes.
    pub dictionary: &'a Dictionary,
    /// Whether the client has it already: it is then only told to use it.
    pub known: bool,
}

/// The schemas in a response.
#[derive(Clone, Copy, Debug)]
pub struct Protobuf<'a> {
    /// What clients send.
    pub client: &'a Protos,
    /// What the server sends.
    pub server: &'a Protos,
    /// Of both: see [`version`](crate::wire::protobuf::version).
    pub version: &'a str,
    /// Whether the client has them already: it is then only told to use them.
    pub known: bool,
}

impl Response<'_> {
    /// Appends the response.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut sys = Vec::new();
        self.write_sys(&mut sys);
        write(&sys, self.user, out);
    }

    /// Appends what stands under `sys`.
    ///
    /// libpomelo2 wants the parts of the dictionary, and those of the schemas, all or none.
    pub(super) fn write_sys(&self, out: &mut Vec<u8>) {
        let mut sys = Object::open(out);
        if let Some(seconds) = self.heartbeat.filter(|&seconds| seconds > 0) {
            sys.key("heartbeat").extend_from_slice(seconds.to_string().as_bytes());
        }
        if let Some(Dict { dictionary, known }) = self.dictionary {
            if !known {
                dictionary.write_routes(sys.key("dict"));
                dictionary.write_routes(sys.key("routeToCode"));
                dictionary.write_codes(sys.key("codeToRoute"));
                text::quote(dictionary.version(), sys.key("dictVersion"));
            }
            sys.key("useDict").extend_from_slice(b"true");
        }
        if let Some(Protobuf { client, server, version, known }) = self.protos {
            if !known {
                let mut protos = Object::open(sys.key("protos"));
                protos.key("server").extend_from_slice(server.json().as_bytes());
                protos.key("client").extend_from_slice(client.json().as_bytes());
                text::quote(version, protos.key("version"));
                protos.close();
            }
            sys.key("useProto").extend_from_slice(b"true");
        }
        if let Some(serializer) = self.serializer {
            text::quote(serializer, sys.key("serializer"));
        }
        sys.close();
    }
}

/// Appends a whole response, given what stands under `sys`.
pub(super) fn write(sys: &[u8], user: Option<&Value>, out: &mut Vec<u8>) {
    let mut response = Object::open(out);
    response.key("code").extend_from_slice(OK.to_string().as_bytes());
    response.key("sys").extend_from_slice(sys);
    if let Some(user) = user {
        let out = response.key("user");
        // A JSON value always has a JSON form.
        if text::to_json(user, out).is_err() {
            out.extend_from_slice(b"null");
        }
    }
    response.close();
}

/// Appends what a client that is not let in is told: `{"code":…}`. The connection is closed after it.
pub fn refusal(code: u16, out: &mut Vec<u8>) {
    let mut response = Object::open(out);
    response.key("code").extend_from_slice(code.to_string().as_bytes());
    response.close();
}

/// A JSON object being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    some: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, some: false }
    }

    /// Writes a key, which needs no escapes, and gives where its value goes.
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if self.some {
            self.out.push(b',');
        }
        self.some = true;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn close(self) {
        self.out.push(b'}');
    }
}
