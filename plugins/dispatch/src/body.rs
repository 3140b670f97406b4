//! Bodies: how requests become values, and values become answers.

use crate::{BodyError, Content, Protocol, RouteId};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// A body as it came, or an answer as it is to go: no codec touches it.
///
/// Taking one from a request copies nothing; it keeps the read it came with alive. A handler that needs the bytes only
/// while it runs takes a [`RawRequest`](crate::RawRequest).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Bytes);

/// What a request's body can become: anything that implements serde's `Deserialize`, or [`Raw`].
pub trait FromBody: Sized + Send + 'static {
    /// Reads the value from `body[start..end]`.
    ///
    /// # Errors
    /// When the body does not hold such a value.
    fn from_body(
        protocol: &dyn Protocol,
        route: RouteId,
        buffer: &Bytes,
        span: (usize, usize),
    ) -> Result<Self, BodyError>;
}

impl<T: DeserializeOwned + Send + 'static> FromBody for T {
    fn from_body(
        protocol: &dyn Protocol,
        route: RouteId,
        buffer: &Bytes,
        (start, end): (usize, usize),
    ) -> Result<Self, BodyError> {
        let body = &buffer[start..end];
        // A type without content takes what it gets from `read`: of JSON, anything.
        if size_of::<T>() > 0
            && protocol.is_json(route, body)
            // Looked at once as a whole, instead of again for each text in it.
            && let Ok(json) = str::from_utf8(body)
            && let Ok(value) = serde_json::from_str(json)
        {
            return Ok(value);
        }
        let mut value = None;
        protocol.read(route, body, &mut |deserializer| {
            value = Some(erased_serde::deserialize(deserializer)?);
            Ok(())
        })?;
        value.ok_or_else(|| BodyError::new("the protocol gave no body"))
    }
}

impl FromBody for Raw {
    fn from_body(
        _: &dyn Protocol,
        _: RouteId,
        buffer: &Bytes,
        (start, end): (usize, usize),
    ) -> Result<Self, BodyError> {
        Ok(Self(buffer.slice(start..end)))
    }
}

/// What can be sent: anything that implements serde's `Serialize`, or [`Raw`].
pub trait IntoBody {
    /// The value as a protocol takes it.
    fn content(&self) -> Content<'_>;
}

impl<T: Serialize> IntoBody for T {
    fn content(&self) -> Content<'_> {
        Content::Value(self)
    }
}

impl IntoBody for Raw {
    fn content(&self) -> Content<'_> {
        Content::Raw(&self.0)
    }
}
