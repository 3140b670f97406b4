//! What is spoken between client and server.

use std::fmt;

use clap::ValueEnum;

/// A protocol on a transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Wire {
    /// Frames with a two-byte length, over TCP: what a server costs without a codec.
    Be16,
    /// skynet's msgserver: requests of users who are logged in, whose answers are kept.
    #[value(name = "msgserver")]
    MsgServer,
    /// Pomelo's packages over TCP: typed requests, JSON bodies.
    PomeloTcp,
    /// The same in WebSocket messages.
    PomeloWs,
    /// Pomelo's packages over TLS.
    PomeloTls,
    /// Commands of the Erlang connector in WebSocket messages: typed requests, protobuf bodies.
    Sysconn,
}

impl Wire {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Be16 => "be16",
            Self::MsgServer => "msgserver",
            Self::PomeloTcp => "pomelo-tcp",
            Self::PomeloWs => "pomelo-ws",
            Self::PomeloTls => "pomelo-tls",
            Self::Sysconn => "sysconn",
        }
    }

    /// What goes before a scenario's name; nothing for the plain frames.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Be16 => "",
            Self::MsgServer => "msgserver-",
            Self::PomeloTcp => "pomelo-tcp-",
            Self::PomeloWs => "pomelo-ws-",
            Self::PomeloTls => "pomelo-tls-",
            Self::Sysconn => "sysconn-",
        }
    }

    /// Whether frames are WebSocket messages.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::PomeloWs | Self::Sysconn)
    }

    /// Whether there is a raw server to compare with.
    pub fn has_raw(self) -> bool {
        self != Self::PomeloTls
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
