//! What clients of the house may speak.

use portcullis_testkit::Carrier;

/// A listener, and what carries its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Ours, with a login by account.
    Native,
    /// skynet's example gate.
    Sproto,
    /// skynet's gate, any bytes.
    Raw,
    /// The same, behind proxies that say for whom they speak.
    Proxied,
    /// skynet's login server, line by line.
    Login,
    /// skynet's msgserver.
    MsgServer,
    /// Pomelo's hybrid connector.
    Pomelo(Carrier),
    /// The Erlang connector, over WebSocket.
    Sysconn,
}

use Protocol::{Login, MsgServer, Native, Pomelo, Proxied, Raw, Sproto, Sysconn};

/// All of them.
pub const ALL: [Protocol; 11] = [
    Native,
    Sproto,
    Raw,
    Proxied,
    Login,
    MsgServer,
    Pomelo(Carrier::Tcp),
    Pomelo(Carrier::WebSocket),
    Pomelo(Carrier::Tls),
    Pomelo(Carrier::WebSocketTls),
    Sysconn,
];

impl Protocol {
    /// What is there before the protocol's own bytes.
    pub fn carrier(self) -> Carrier {
        match self {
            Pomelo(carrier) => carrier,
            Sysconn => Carrier::WebSocket,
            _ => Carrier::Tcp,
        }
    }

    /// A frame with this payload; of Pomelo's connector a data package.
    pub fn frame(self, payload: &[u8]) -> Vec<u8> {
        match self {
            Native => [&(payload.len() as u32).to_le_bytes(), payload].concat(),
            Sproto | Raw | Proxied | MsgServer => be16(payload),
            Login => [payload, b"\n"].concat(),
            Pomelo(_) => package(4, payload),
            Sysconn => payload.to_vec(),
        }
    }

    /// The beginning of the longest frame that can be declared, without what it declares.
    pub fn bomb(self) -> &'static [u8] {
        match self {
            Native => &[0xff; 4],
            Sproto | Raw | Proxied | MsgServer => &[0xff; 2],
            Login => b"",
            Pomelo(_) => &[4, 0xff, 0xff, 0xff],
            Sysconn => &[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4],
        }
    }
}

pub fn be16(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16).to_be_bytes(), payload].concat()
}

/// A package of Pomelo's.
pub fn package(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

/// A request of Pomelo's, with an id of at most 127.
pub fn pomelo_request(id: u8, route: &str, body: &[u8]) -> Vec<u8> {
    package(4, &[&[0, id, route.len() as u8], route.as_bytes(), body].concat())
}

/// A package of sproto's rpc without a body: what is asked, and the number of the question.
pub fn sproto_request(tag: u8, session: u8) -> Vec<u8> {
    be16(&[0x15, 2, (tag + 1) * 2, (session + 1) * 2])
}
