//! Bodies: how requests become values, and values become answers.

use crate::{BodyError, Content, Protocol, RouteId};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, ops::Deref};

/// A body as it came, or an answer as it is to go: no codec touches it. It derefs to its bytes.
///
/// Up to [`Raw::INLINE`] bytes are copied; a longer body shares the read it came with, and keeps it alive.
#[derive(Clone)]
pub struct Raw(Repr);

#[derive(Clone)]
enum Repr {
    /// A short copy is cheaper than counting references.
    Inline {
        bytes: Words,
        len: u8,
    },
    Shared(Bytes),
}

/// Aligned, so that moving it takes whole words.
#[derive(Clone)]
#[repr(align(16))]
struct Words([u8; Raw::INLINE]);

impl Raw {
    /// Bodies up to this many bytes are held without a reference to anything.
    pub const INLINE: usize = 80;

    fn copy(body: &[u8]) -> Option<Self> {
        let mut bytes = Words([0; Self::INLINE]);
        bytes.0.get_mut(..body.len())?.copy_from_slice(body);
        Some(Self(Repr::Inline { bytes, len: body.len() as u8 }))
    }

    /// The bytes, to keep or to send on.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline { .. } => Bytes::copy_from_slice(&self),
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl Deref for Raw {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { bytes, len } => &bytes.0[..usize::from(*len)],
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Raw {
    fn from(bytes: T) -> Self {
        Self(Repr::Shared(bytes.into()))
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.len())
    }
}

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
        let mut value = None;
        protocol.read(route, &buffer[start..end], &mut |deserializer| {
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
        Ok(Self::copy(&buffer[start..end]).unwrap_or_else(|| Self(Repr::Shared(buffer.slice(start..end)))))
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
        Content::Raw(self)
    }
}
