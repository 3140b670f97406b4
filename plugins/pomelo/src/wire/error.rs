//! What packages, messages and compressed bodies can have wrong.

use super::message::{MAX_ID, MAX_ROUTE};
use super::package::MAX_BODY;
use thiserror::Error;

/// What bytes have wrong, or why there cannot be any.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// A package without its four head bytes.
    #[error("a package of {0} bytes, which is less than its head")]
    Head(usize),
    /// A package type outside 1 to 5. No connection goes on after it.
    #[error("a package of the unknown type {0}")]
    UnknownPackage(u8),
    /// A package announces another length than it has: cut, or followed by more in one WebSocket message.
    #[error("a package that announces {declared} bytes and has {len}")]
    PackageLength {
        /// The announced length of the body, in bytes.
        declared: usize,
        /// The bytes there are.
        len: usize,
    },
    /// A body that 24 bits cannot measure.
    #[error("a body of {0} bytes, {MAX_BODY} are possible")]
    TooLarge(usize),
    /// A message type from 4 to 7.
    #[error("a message of the unknown type {0}")]
    UnknownMessage(u8),
    /// A message ends inside its head.
    #[error("a message that ends inside its head")]
    Short,
    /// A message id of more than five bytes, or above [`MAX_ID`].
    #[error("a message id above {MAX_ID}")]
    Id,
    /// A route that is no UTF-8.
    #[error("a route that is no UTF-8")]
    Text,
    /// A route to be written that one byte cannot measure.
    #[error("a route of {0} bytes, {MAX_ROUTE} are possible")]
    RouteTooLong(usize),
    /// A request, notify or push to be written without a route.
    #[error("a message that needs a route and has none")]
    NoRoute,
    /// A compressed body that is neither whole zlib nor whole gzip.
    #[error("a compressed body that cannot be read")]
    Compressed,
    /// A compressed body that is too large when inflated.
    #[error("a compressed body of more than {limit} bytes")]
    Inflated {
        /// What was allowed, in bytes.
        limit: usize,
    },
}
