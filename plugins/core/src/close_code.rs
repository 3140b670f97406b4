//! The words in which a WebSocket says why it closes.

use crate::{Cause, Closing};
use bevy_ecs::prelude::*;

/// The close code (RFC 6455, 7.4) of one connection, where its protocol has a better word than the
/// [`Cause`]'s [own](Cause::close_code). Insert it any time before the flush that closes the connection: with the
/// farewell, when [`Closing`] is added. Transports without close codes do not say it.
///
/// What the transport itself has found, a broken frame or the close of the peer, is answered with the transport's code.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// Whether an endpoint may send it: 1000 to 1003, 1007 to 1014, or 3000 to 4999, of which 4000 and above are the
    /// application's own (RFC 6455, 7.4, and IANA's registry). One that may not is not sent: the cause's is.
    pub fn is_allowed(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// What a closing connection is closed with.
pub(crate) fn closes_with(closing: &Closing, own: Option<&CloseCode>) -> u16 {
    match own {
        Some(code) if code.is_allowed() => code.0,
        Some(code) => {
            tracing::warn!(code = code.0, "this code cannot be sent: take one from 4000 to 4999");
            closing.cause.close_code()
        }
        None => closing.cause.close_code(),
    }
}

impl Cause {
    /// The close code of WebSocket (RFC 6455, 7.4.1) that says best why.
    ///
    /// | code | causes |
    /// | --- | --- |
    /// | 1000, it is over | `PeerClosed`, `Reset`, `Requested`, `Kicked`, `Replaced`, `Http` |
    /// | 1001, going away | `Shutdown` |
    /// | 1002, protocol error | `Malformed`, `TlsFailed`, `Incompatible` |
    /// | 1007, inconsistent data | `Undecodable` |
    /// | 1008, policy | `Refused`, `Abuse`, `Idle`, `SlowConsumer`, `WriteStalled`, and what took too long |
    /// | 1009, too big | `FrameTooLarge` |
    /// | 1011, a failure of ours | `AgentLost` |
    /// | 1013, try again later | `Shed` |
    ///
    /// Client libraries take 1000 for the end of it and anything else for a reason to come again. So whoever was shown
    /// out is told 1000, and why in the protocol's own words; and whoever missed a deadline, as after a lost network,
    /// is told 1008.
    pub fn close_code(self) -> u16 {
        match self {
            Self::PeerClosed | Self::Reset | Self::Requested | Self::Kicked | Self::Replaced | Self::Http => {
                1000
            }
            Self::Shutdown => 1001,
            Self::Malformed | Self::TlsFailed | Self::Incompatible => 1002,
            Self::Undecodable => 1007,
            Self::Refused
            | Self::Abuse
            | Self::Idle
            | Self::HandshakeTimeout
            | Self::HeartbeatTimeout
            | Self::LoginTimeout
            | Self::SlowConsumer
            | Self::WriteStalled => 1008,
            Self::FrameTooLarge => 1009,
            Self::AgentLost => 1011,
            Self::Shed => 1013,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_code_that_may_be_sent() {
        for cause in Cause::ALL {
            assert!(CloseCode(cause.close_code()).is_allowed(), "{cause}");
        }
    }

    #[test]
    fn codes_that_are_for_no_wire_are_not_sent() {
        let closing = Closing { cause: Cause::Shutdown, reason: None };
        let sent = |code| closes_with(&closing, Some(&CloseCode(code)));
        for code in [1000, 1003, 1007, 1014, 3000, 4011, 4999] {
            assert_eq!(sent(code), code);
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(sent(code), 1001, "{code}");
        }
        assert_eq!(closes_with(&closing, None), 1001);
    }
}
