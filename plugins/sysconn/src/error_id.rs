//! What a handler refuses with.

use portcullis_dispatch::Refusal;

/// The `ErrorID` of a refusal: a handler's `{false, Reason}`. Its text goes nowhere, for the wire has room for a number only.
///
/// ```
/// use portcullis_dispatch::{Raw, Request};
/// use portcullis_sysconn::ErrorId;
///
/// fn shop_is_closed(_: Request<Raw>) -> Result<Raw, ErrorId> {
///     Err(ErrorId(28))
/// }
/// ```
///
/// A [`Refusal`] with a text, as the pipeline and handlers that serve several protocols make it, has the code of an HTTP
/// status, which clients of this protocol do not know. They are told [`BUSY`](crate::wire::errors::BUSY) where it makes
/// sense to try again, and [`WRONG_OPERATION`](crate::wire::errors::WRONG_OPERATION) where it does not; codes that are no
/// such status go out as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorId(pub u16);

impl From<ErrorId> for Refusal {
    fn from(ErrorId(code): ErrorId) -> Self {
        Self::new(code, "")
    }
}

/// The number that goes out.
pub(crate) fn number(refusal: &Refusal) -> u16 {
    use crate::wire::errors::{BUSY, WRONG_OPERATION};
    if refusal.message.is_empty() {
        return refusal.code;
    }
    match refusal.code {
        Refusal::BAD_REQUEST
        | Refusal::UNAUTHORIZED
        | Refusal::FORBIDDEN
        | Refusal::NOT_FOUND
        | Refusal::CONFLICT
        | Refusal::GONE => WRONG_OPERATION,
        Refusal::TOO_MANY | Refusal::INTERNAL | Refusal::TOO_BUSY | Refusal::TIMEOUT => BUSY,
        own => own,
    }
}
