//! The format on the wire. Pure: bytes in, values out; no socket and no clock.
//!
//! One binary WebSocket message is one [`Request`], of a 9-byte header and a body, or one [`Response`], whose header has 11
//! bytes: the error number stands before all else. Bodies are protobuf; the [`messages`] of the connection itself are here,
//! a game brings its own. All numbers are big endian.
//!
//! The facts come from the Erlang server whose connections are processes of `sys_conn`, as it was seen running; what was
//! recorded of it is in `tests/vectors/sysconn`.

pub mod commands;
mod error;
pub mod errors;
pub mod messages;
mod request;
mod response;
mod zip;

pub use error::WireError;
pub use request::{Request, Size, Status};
pub use response::{Response, write_error, write_response};
pub use zip::inflate;
