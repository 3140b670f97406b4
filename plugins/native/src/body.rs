//! Bodies: serde values as bincode writes them.

use crate::{
    guard::{Budget, Guarded},
    wire::WireError,
};
use bincode::{
    config::{Configuration, Limit, LittleEndian, Varint},
    serde::{encode_into_std_write, seed_decode_from_slice},
};
use portcullis_dispatch::BodyError;
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer},
};

/// The largest value that is decoded, in bytes. Frames are held to far less: see
/// [`MaxFrame`](portcullis_core::MaxFrame).
const LIMIT: usize = 16 * 1024 * 1024;
const CONFIG: Configuration<LittleEndian, Varint, Limit<LIMIT>> =
    bincode::config::standard().with_limit::<LIMIT>();

/// Appends a value.
///
/// # Errors
/// When it cannot be encoded, as a sequence of unknown length; what was appended by then stays.
pub fn encode(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), BodyError> {
    encode_into_std_write(value, out, CONFIG).map(|_| ()).map_err(BodyError::new)
}

/// Reads a value that takes the whole body.
///
/// Texts and byte strings are bounded by the bytes that are there, sequences and maps by as many elements, and values
/// within values by 64 levels.
///
/// # Errors
/// When the body does not hold such a value, or more than it.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, BodyError> {
    let mut value = None;
    read(body, &mut |deserializer| {
        value = Some(erased_serde::deserialize(deserializer)?);
        Ok(())
    })?;
    value.ok_or_else(|| BodyError::new("an empty body"))
}

/// Gives `read` a deserializer over the whole body.
pub(crate) fn read(body: &[u8], read: &mut Read<'_>) -> Result<(), BodyError> {
    let budget = Budget::of(body);
    let ((), used) = seed_decode_from_slice(Reading { read, budget: &budget }, body, CONFIG)
        .map_err(|error| BodyError::new(budget.back(error)))?;
    match body.len() - used {
        0 => Ok(()),
        more => Err(BodyError::new(format_args!("{more} bytes too many"))),
    }
}

type Read<'a> = dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> + 'a;

struct Reading<'r, 'f> {
    read: &'r mut Read<'f>,
    budget: &'r Budget,
}

impl<'de> DeserializeSeed<'de> for Reading<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let guarded = Guarded::new(deserializer, self.budget);
        (self.read)(&mut <dyn erased_serde::Deserializer<'_>>::erase(guarded))
            .map_err(|error| self.budget.aside(error))
    }
}

impl From<WireError> for BodyError {
    fn from(error: WireError) -> Self {
        Self::new(error)
    }
}
