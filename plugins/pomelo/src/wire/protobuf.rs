//! Pomelo's protobuf dialect: schemas of routes, read from JSON, and bodies in their form.
//!
//! It is not Google's. A schema is a JSON object with keys `"<required|optional|repeated> <type> <name>"`, whose value is
//! the tag, and `"message <Name>"`, whose value is a schema; types for a whole file stand under `"message <Name>"` at its
//! root. Keys of other forms, and fields with a tag already taken, are skipped, as the original does.
//!
//! | type                | on the wire                                                         | wire type |
//! | ------------------- | ------------------------------------------------------------------- | --------: |
//! | `uInt32`            | base 128, up to 2⁵³: the original counts in doubles                  |         0 |
//! | `sInt32`, `int32`   | zigzag, then as above                                               |         0 |
//! | `float`, `double`   | 4 or 8 bytes, little-endian                                         |      5, 1 |
//! | `string`, a message | length in base 128, content                                         |         2 |
//!
//! A field is its key (tag and wire type, which nobody looks at when reading) and its value. A repeated number is one key,
//! the **count of elements**, and the bare elements; a repeated text or message is key and element each time.
//!
//! Other types (`bool`, `uInt64`) are listed in the original and write a key without value: here a field of such a type is
//! an error when it is used. Nothing has a default: what is absent stays absent.

mod de;
mod error;
mod number;
mod schema;
mod ser;

pub use de::Decoder;
pub use error::{ProtobufError, SchemaError};
pub use schema::{Protos, Schema};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

/// How deep messages may stand in each other, in both directions: types may contain themselves, and each level costs stack.
pub const MAX_DEPTH: usize = 64;

/// A text that changes with the schemas of either direction: base64 of the MD5 of both, parsed, as Pomelo computes it.
/// Empty if there are none.
pub fn version(client: &Protos, server: &Protos) -> String {
    if client.is_empty() && server.is_empty() {
        return String::new();
    }
    STANDARD.encode(Md5::new().chain_update(client.json()).chain_update(server.json()).finalize())
}
