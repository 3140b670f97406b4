//! Why a connection ended.

use bevy_ecs::prelude::*;
use std::fmt;

/// Every way a connection can end. [`Cause::label`] is a stable word to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The peer closed, or half closed, its side.
    PeerClosed,
    /// The connection was reset, or the network failed.
    Reset,
    /// Game code asked for the close.
    Requested,
    /// Somebody kicked the connection; the reason was flushed before the close.
    Kicked,
    /// Another login of the same user took its place.
    Replaced,
    /// Nothing was received for longer than the idle limit.
    Idle,
    /// The protocol's or the transport's handshake did not finish in time.
    HandshakeTimeout,
    /// No heartbeat came in time.
    HeartbeatTimeout,
    /// Nobody logged in, or nobody forwarded the connection, in time.
    LoginTimeout,
    /// The peer did not read: its unsent bytes grew past the outbox limit.
    SlowConsumer,
    /// The peer did not read: a write did not finish in time.
    WriteStalled,
    /// The server holds as many bytes as it may ([`Budget`](crate::Budget)), and this connection made it hold the most.
    Shed,
    /// A frame longer than allowed was announced.
    FrameTooLarge,
    /// The peer sent what its protocol does not allow.
    Malformed,
    /// A plain HTTP request was answered: a health check, or somebody lost.
    Http,
    /// The TLS handshake failed, or a TLS record was broken.
    TlsFailed,
    /// The handshake was refused: another protocol, version or set of messages.
    Incompatible,
    /// The gate had no room, or did not want this peer.
    Refused,
    /// The agent it was forwarded to was despawned.
    AgentLost,
    /// The body of a message could not be understood, though the protocol around it could.
    Undecodable,
    /// The peer sent more bad requests than it may.
    Abuse,
    /// The server is shutting down.
    Shutdown,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 22] = [
        Self::PeerClosed,
        Self::Reset,
        Self::Requested,
        Self::Kicked,
        Self::Replaced,
        Self::Idle,
        Self::HandshakeTimeout,
        Self::HeartbeatTimeout,
        Self::LoginTimeout,
        Self::SlowConsumer,
        Self::WriteStalled,
        Self::Shed,
        Self::FrameTooLarge,
        Self::Malformed,
        Self::Http,
        Self::TlsFailed,
        Self::Incompatible,
        Self::Refused,
        Self::AgentLost,
        Self::Undecodable,
        Self::Abuse,
        Self::Shutdown,
    ];

    /// A stable label: lower case, words joined by `_`.
    pub fn label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::Reset => "reset",
            Self::Requested => "requested",
            Self::Kicked => "kicked",
            Self::Replaced => "replaced",
            Self::Idle => "idle",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::LoginTimeout => "login_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::WriteStalled => "write_stalled",
            Self::Shed => "shed",
            Self::FrameTooLarge => "frame_too_large",
            Self::Malformed => "malformed",
            Self::Http => "http",
            Self::TlsFailed => "tls_failed",
            Self::Incompatible => "incompatible",
            Self::Refused => "refused",
            Self::AgentLost => "agent_lost",
            Self::Undecodable => "undecodable",
            Self::Abuse => "abuse",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether what is still queued is worth sending before the socket closes.
    ///
    /// It is not when the peer is gone, or when what is queued is what it is closed for.
    pub fn flushes(self) -> bool {
        !matches!(self, Self::Reset | Self::SlowConsumer | Self::WriteStalled | Self::Shed)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// How many connections that were let in have ended since the server started.
#[derive(Resource, Clone, Debug, Default)]
pub struct Causes([u64; Cause::ALL.len()]);

impl Causes {
    /// How many for this cause.
    pub fn count(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_cause_has_a_counter_of_its_own() {
        let mut causes = Causes::default();
        for cause in Cause::ALL {
            causes.add(cause);
            assert_eq!(causes.count(cause), 1);
        }
        assert_eq!(causes.total(), Cause::ALL.len() as u64);
    }

    #[test]
    fn each_cause_has_a_label_of_its_own() {
        let labels: HashSet<_> = Cause::ALL.iter().map(|cause| cause.label()).collect();
        assert_eq!(labels.len(), Cause::ALL.len());
        let is_word = |label: &&str| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(labels.iter().all(is_word), "{labels:?}");
    }
}
