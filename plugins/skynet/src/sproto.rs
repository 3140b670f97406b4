//! sproto, skynet's wire format: schemas, structs, 0-pack, RPC messages.
//!
//! Bytes in, values out: no socket, no clock, no state between messages. The facts come from skynet's sproto wire protocol and are
//! held to bytes the original has written (`tests/vectors/skynet/sproto.json`).
//!
//! | piece | does |
//! | --- | --- |
//! | [`Schema`] | types and protocols, from text or from the binary form of `sprotoparser` |
//! | [`Schema::encode_into`], [`Schema::decode`] | a Rust value, by serde, to wire bytes and back, without a copy in between |
//! | [`Schema::decode_with`] | the same as a `serde::Deserializer`, for `erased_serde` |
//! | [`Value`] | any value without a Rust type: tools and tests |
//! | [`pack`], [`unpack`] | zeros away and back |
//! | [`Host`] | requests, responses and pushes of a pair of schemas |
//!
//! Limits, all of them errors and never panics: structs nested [`MAX_DEPTH`] deep, an encoded object of [`MAX_OBJECT`] bytes, tags
//! up to [`MAX_TAG`]. A length a peer declares never makes an allocation.
//!
//! A server answers the request of the original's example client:
//!
//! ```
//! use portcullis_skynet::sproto::{Host, Incoming, Schema};
//! use serde::{Deserialize, Serialize};
//!
//! let c2s = Schema::parse("
//!     .package { type 0 : integer  session 1 : integer }
//!     get 2 { request { what 0 : string }  response { result 0 : string } }
//! ")?;
//! let s2c = Schema::parse("heartbeat 1 {}")?;
//! let host = Host::new(c2s, s2c)?;
//!
//! #[derive(Deserialize)]
//! struct Get<'a> {
//!     what: &'a str,
//! }
//! #[derive(Serialize)]
//! struct Found<'a> {
//!     result: &'a str,
//! }
//!
//! // The payload of a frame: "get hello", session 3.
//! let frame = [0x55, 2, 6, 8, 1, 0xc4, 5, 0x68, 0x65, 7, 0x6c, 0x6c, 0x6f];
//! let (mut scratch, mut answer) = (Vec::new(), Vec::new());
//! let Incoming::Request { protocol, session: Some(session), body, .. } = host.dispatch(&frame, &mut scratch)? else {
//!     panic!("it is a request");
//! };
//! let get = Get::deserialize(host.request_body(protocol, body)?)?;
//! assert_eq!(get.what, "hello");
//! host.encode_response(protocol, session, &(), &Found { result: "world" }, &mut Vec::new(), &mut answer)?;
//! assert_eq!(answer, [0x55, 2, 1, 8, 1, 0xc4, 5, 0x77, 0x6f, 7, 0x72, 0x6c, 0x64]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundle;
mod de;
mod error;
mod pack;
mod parse;
mod resolve;
mod rpc;
mod schema;
mod ser;
mod value;
mod wire;
mod write;

pub use de::Decoder;
pub use error::{
    BundleProblem, DecodeError, DispatchError, EncodeError, HostError, RpcError, SchemaError, TextProblem,
    UnpackError,
};
pub use pack::{pack, unpack};
pub use rpc::{Host, Incoming, UNPACK_LIMIT};
pub use schema::{Field, Kind, Protocol, ProtocolId, Repeat, Schema, Type, TypeId};
pub use value::Value;
pub use wire::measure;

/// Most structs inside each other, the outermost included (skynet, sproto wire protocol).
pub const MAX_DEPTH: usize = 64;

/// Most bytes of one encoded struct: 16 MiB (skynet, sproto wire protocol).
pub const MAX_OBJECT: usize = 1 << 24;

/// Largest tag of a field or protocol (skynet, sproto wire protocol).
pub const MAX_TAG: u16 = 0x7ffe;

/// Largest number that stands in a header word.
const MAX_INLINE: u16 = 0x7ffe;

/// Most types of a schema: their indices must fit an inline number.
const MAX_TYPES: usize = 0x7fff;

/// Most decimal digits of a fixed-point number: the original computes 10ⁿ in 32 bits.
const MAX_DIGITS: u8 = 9;
