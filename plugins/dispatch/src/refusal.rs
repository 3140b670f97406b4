//! Why a request was not answered as asked.

use bevy_ecs::error::BevyError;
use std::{borrow::Cow, fmt};

/// An error reply: a code for programs and a text for people. What it says reaches the peer, so it holds no secrets.
///
/// Codes follow HTTP, whose meanings everybody knows. Any error of Bevy's that a handler returns by `?` becomes
/// [`Refusal::INTERNAL`], and its text goes to the log, not to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of error it is.
    pub code: u16,
    /// What happened, in a sentence.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// The body could not be understood.
    pub const BAD_REQUEST: u16 = 400;
    /// Log in first.
    pub const UNAUTHORIZED: u16 = 401;
    /// This one may not.
    pub const FORBIDDEN: u16 = 403;
    /// There is no such route, or no such thing.
    pub const NOT_FOUND: u16 = 404;
    /// The state of things does not allow it.
    pub const CONFLICT: u16 = 409;
    /// It was answered before, and the answer is not kept any more.
    pub const GONE: u16 = 410;
    /// Too many requests.
    pub const TOO_MANY: u16 = 429;
    /// The handler failed.
    pub const INTERNAL: u16 = 500;
    /// The server has no time for it now.
    pub const TOO_BUSY: u16 = 503;
    /// The answer did not come in time.
    pub const TIMEOUT: u16 = 504;

    /// A refusal with this code and text.
    pub fn new(code: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn internal() -> Self {
        Self::new(Self::INTERNAL, "the server failed to handle this request")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

/// A text alone is a refusal with [`Refusal::BAD_REQUEST`].
impl From<&'static str> for Refusal {
    fn from(message: &'static str) -> Self {
        Self::new(Self::BAD_REQUEST, message)
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::new(Self::BAD_REQUEST, message)
    }
}

impl From<BevyError> for Refusal {
    fn from(error: BevyError) -> Self {
        tracing::error!("a handler failed: {error}");
        Self::internal()
    }
}

/// So that `?` works on a query in a handler.
impl From<bevy_ecs::query::QueryEntityError> for Refusal {
    fn from(error: bevy_ecs::query::QueryEntityError) -> Self {
        BevyError::from(error).into()
    }
}

/// So that `?` works on a query for a single entity.
impl From<bevy_ecs::query::QuerySingleError> for Refusal {
    fn from(error: bevy_ecs::query::QuerySingleError) -> Self {
        BevyError::from(error).into()
    }
}
