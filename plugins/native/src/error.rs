//! What can go wrong for a client.

use crate::wire::WireError;
use portcullis_core::Cause;
use portcullis_dispatch::BodyError;
use std::{io, sync::Arc};
use thiserror::Error;

/// What can go wrong for a client.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server could not be reached.
    #[error("the server cannot be reached: {0}")]
    Connect(Arc<io::Error>),
    /// The server did not want to speak with us; it said why.
    #[error("the server refused the handshake: {0}")]
    Rejected(String),
    /// The server answered the request with an error.
    #[error("refused: {code} {message}")]
    Refused {
        /// What kind of error: see [`Refusal`](portcullis_dispatch::Refusal).
        code: u16,
        /// What happened, in a sentence.
        message: String,
    },
    /// The connection is over.
    #[error("the connection is closed: {cause}{}{}", if reason.is_some() { ", " } else { "" }, reason.as_deref().unwrap_or(""))]
    Closed {
        /// The label of the cause; `peer_closed` when the server went without a word. See [`ClientError::cause`].
        cause: String,
        /// What the server said about it.
        reason: Option<String>,
    },
    /// The network failed.
    #[error("the connection failed: {0}")]
    Io(Arc<io::Error>),
    /// The answer did not come in time.
    #[error("no answer came in time")]
    Timeout,
    /// The manifest has no such message.
    #[error("the manifest has no such {what} on `{route}`")]
    NotInManifest {
        /// `request`, `notify` or `push`.
        what: &'static str,
        /// The route.
        route: String,
    },
    /// The manifest has another type for this message.
    #[error("`{route}` takes a {expected}, not a {given}")]
    WrongType {
        /// The route.
        route: String,
        /// The type of the manifest.
        expected: &'static str,
        /// The type that was asked for.
        given: &'static str,
    },
    /// More requests wait for an answer than are kept for another connection: this one was not sent.
    #[error("too many requests wait for an answer: {requests} of {bytes} bytes are kept")]
    TooManyUnanswered {
        /// How many are kept.
        requests: usize,
        /// Their frames, in bytes.
        bytes: usize,
    },
    /// All ids of the session are used up, after four billion requests: log in over a new connection.
    #[error("the session has no more ids for requests: log in anew")]
    IdsUsedUp,
    /// The session is over, or the server does not know us any more. Connect and log in anew; what was asked and not
    /// answered may have happened or not.
    #[error("the session is over: log in anew")]
    LogInAnew,
    /// A value could not be encoded, or what came could not be decoded.
    #[error("a body that does not fit: {0}")]
    Body(#[from] BodyError),
    /// The server does not keep to the protocol.
    #[error("the server sent what the protocol does not allow: {0}")]
    Malformed(#[from] WireError),
}

impl ClientError {
    /// The cause of a close, unless a newer server has one that is not known here.
    pub fn cause(&self) -> Option<Cause> {
        let Self::Closed { cause: label, .. } = self else { return None };
        Cause::ALL.into_iter().find(|cause| cause.label() == label)
    }

    /// Whether the connection was lost, so that another may take its place. Not where the server has said that it wants
    /// no more of us: `requested`, `kicked`, `replaced`, `malformed`, `frame_too_large`, `incompatible`, `http`,
    /// `shutdown`, and whatever is not known here.
    ///
    /// ```
    /// use portcullis_native::ClientError;
    ///
    /// let closed = |cause: &str| ClientError::Closed { cause: cause.to_owned(), reason: None };
    /// assert!(closed("peer_closed").is_loss());
    /// assert!(closed("idle").is_loss());
    /// assert!(!closed("kicked").is_loss());
    /// ```
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Io(_) => true,
            Self::Closed { .. } => matches!(
                self.cause(),
                Some(
                    Cause::PeerClosed
                        | Cause::Reset
                        | Cause::Idle
                        | Cause::HandshakeTimeout
                        | Cause::HeartbeatTimeout
                        | Cause::LoginTimeout
                        | Cause::SlowConsumer
                        | Cause::Shed
                        | Cause::WriteStalled
                        | Cause::TlsFailed
                        | Cause::Refused
                )
            ),
            _ => false,
        }
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}
