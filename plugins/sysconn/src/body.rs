//! Bodies of protobuf.

use bytes::Bytes;
use portcullis_dispatch::{BodyError, FromBody, Protocol, RouteId};
use prost::Message;
use serde::{Serialize, Serializer};
use std::ops::{Deref, DerefMut};

/// A body that is a message of protobuf, in and out. It derefs to the message.
///
/// Fields that the message does not know are skipped, and of a field that comes twice the last holds, as in proto2. A
/// `required` field that is missing is no error: it has its default. What a handler must have it declares `optional`, and
/// looks.
///
/// ```
/// use portcullis_dispatch::Request;
/// use portcullis_sysconn::{ErrorId, Pb, prost};
///
/// #[derive(prost::Message)]
/// struct Buy {
///     #[prost(uint32, optional, tag = "1")]
///     item: Option<u32>,
/// }
///
/// #[derive(prost::Message)]
/// struct Bought {
///     #[prost(uint32, required, tag = "1")]
///     coins: u32,
/// }
///
/// fn buy(request: Request<Pb<Buy>>) -> Result<Pb<Bought>, ErrorId> {
///     let item = request.item.ok_or(ErrorId(5))?;
///     Ok(Pb(Bought { coins: 100 - item }))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pb<T>(pub T);

impl<T> Deref for Pb<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Pb<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Message + Default + 'static> FromBody for Pb<T> {
    fn from_body(
        _: &dyn Protocol,
        _: RouteId,
        buffer: &Bytes,
        (start, end): (usize, usize),
    ) -> Result<Self, BodyError> {
        let body = buffer.get(start..end).unwrap_or_default();
        T::decode(body).map(Self).map_err(BodyError::new)
    }
}

/// As bytes, so that it passes through whatever codec a connection has.
impl<T: Message> Serialize for Pb<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.encode_to_vec())
    }
}
