//! Bodies: serde values as bincode writes them.

use crate::{
    guard::{Budget, Guarded},
    wire::WireError,
};
use bincode::config::{Configuration, Fixint, Limit, LittleEndian, Varint};
use portcullis_dispatch::BodyError;
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer, Error},
};

/// The largest value that is decoded, in bytes. Frames are held to far less: see
/// [`MaxFrame`](portcullis_core::MaxFrame).
const LIMIT: usize = 16 * 1024 * 1024;
