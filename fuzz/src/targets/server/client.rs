//! A client that knows how its protocol begins, and says whatever it is told to after that, or before.

use super::house::{Keys, NAMES, SERVER, Speaks};
use portcullis::{
    native::wire::ClientFrame,
    pomelo::wire::{WireError, package},
    skynet::{
        login::wire::{Client as LoginClient, Status, Token},
        msgserver::wire::Handshake,
    },
    sysconn::{
        prost::Message,
        wire::{Request, Size, Status as Written, commands, messages::LoginAccount},
    },
};
use portcullis_testkit::RawClient;

/// The three families of Pomelo's clients.
const HANDSHAKES: [&str; 3] = [
    r#"{"sys":{"type":"js-websocket","version":"0.0.1"}}"#,
    r#"{"sys":{"libVersion":"0.4.0","platform":"linux"}}"#,
    r#"{"sys":1}"#,
];

pub struct Client {
    pub raw: RawClient,
    speaks: Speaks,
}

impl Client {
    pub fn new(raw: RawClient, speaks: Speaks) -> Self {
        Self { raw, speaks }
    }

    /// Sends a payload as a frame.
    pub fn say(&mut self, payload: &[u8]) {
        let framed = match self.speaks {
            Speaks::Native => [&(payload.len() as u32).to_le_bytes(), payload].concat(),
            Speaks::Sproto | Speaks::Raw | Speaks::MsgServer => {
                [&(payload.len() as u16).to_be_bytes(), payload].concat()
            }
            Speaks::Login => [payload, b"\n"].concat(),
            Speaks::Pomelo => package(package::Kind::Data, payload),
            Speaks::Sysconn => payload.to_vec(),
        };
        self.raw.send_bytes(&framed);
    }

    /// Shakes hands, or logs in as this user.
    pub fn greet(&mut self, keys: &mut Keys, name: usize) {
        let mut out = Vec::new();
        match self.speaks {
            Speaks::Native => ClientFrame::Hello(keys.manifest.identity()).write(&mut out).unwrap(),
            Speaks::Sproto | Speaks::Raw => {}
            Speaks::Login => return self.log_in(keys, name),
            Speaks::MsgServer => {
                let Some((username, index, secret)) = keys.handshake(name) else { return };
                Handshake::write(&username, index, &secret, &mut out).unwrap();
            }
            Speaks::Pomelo => {
                let handshake = HANDSHAKES[name % HANDSHAKES.len()];
                self.raw.send_bytes(&package(package::Kind::Handshake, handshake.as_bytes()));
                out = package(package::Kind::HandshakeAck, b"");
            }
            Speaks::Sysconn => {
                let account = Some(NAMES[name % NAMES.len()].to_owned());
                let body = LoginAccount { account }.encode_to_vec();
                let (status, size) = (Written::Raw, Size::Exact);
                Request { status, flag: 7, command: commands::LOGIN, body: &body, size }.write(&mut out);
            }
        }
        self.raw.send_bytes(&out);
    }

    /// All six lines, as far as the server goes along.
    fn log_in(&mut self, keys: &mut Keys, name: usize) {
        let name = NAMES[name % NAMES.len()];
        let token = Token { user: name.into(), server: SERVER.into(), password: b"password".to_vec().into() };
        let mut said = Vec::new();
        let Ok(client) = LoginClient::new(*b"a key of").challenge(&self.line(), &mut said) else { return };
        self.raw.send_bytes(&said);
        said.clear();
        let Ok(secret) = client.prove(&self.line(), &token.encode(), &mut said) else { return };
        self.raw.send_bytes(&said);
        if let Some(Status::Ok(subid)) = Status::parse(&self.line())
            && let Ok(subid) = String::from_utf8_lossy(&subid).parse()
        {
            keys.users.insert(name, (*secret, subid, 1));
        }
    }

    /// The line that has come.
    fn line(&mut self) -> Vec<u8> {
        let mut line = self.raw.read();
        line.pop();
        line
    }
}

fn package(kind: package::Kind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let written = package::write(&mut out, kind, |out| {
        out.extend_from_slice(body);
        Ok::<_, WireError>(())
    });
    written.unwrap();
    out
}
