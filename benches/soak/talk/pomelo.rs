//! Pomelo's connector, over all that carries it: users in rooms.

use std::collections::BTreeMap;

use portcullis::pomelo::wire::{
    WireError,
    message::{self, Kind as Message, Route},
    package::{self, FRAMING, Kind as Package},
};
use serde_json::{Value, json};

use super::{Asked, ComesBack, Heard, Talk};
use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::{Shell, door},
    trouble::Trouble,
};

const HANDSHAKE: &[u8] = br#"{"sys":{"type":"soak","version":"1.0.0"},"user":{}}"#;
/// So many rooms there are.
const ROOMS: usize = 64;

pub struct Pomelo {
    uid: String,
    room: String,
    carrier: Carrier,
    next: u32,
    asked: BTreeMap<u32, Value>,
}

impl Pomelo {
    pub fn new(slot: usize, carrier: Carrier) -> Self {
        let (uid, room) = (format!("pomelo{slot}"), format!("room{}", slot % ROOMS));
        Self { uid, room, carrier, next: 0, asked: BTreeMap::new() }
    }

    fn request(&mut self, link: &mut Link, name: &str, body: &Value, answer: Value) -> Result<u64, Trouble> {
        self.next = self.next % message::MAX_ID + 1;
        let frame = data(self.next, &format!("connector.entryHandler.{name}"), body.to_string().as_bytes());
        link.frame(&frame.map_err(wrong)?);
        self.asked.insert(self.next, answer);
        Ok(self.next.into())
    }
}

impl Talk for Pomelo {
    const NAME: &'static str = "pomelo";
    const COMES_BACK: ComesBack = ComesBack::Never;

    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        let encrypted = matches!(self.carrier, Carrier::Tls | Carrier::TlsWebSocket);
        let door = if encrypted { door::POMELO_TLS } else { door::POMELO };
        let mut link = shell.open(door, self.carrier, FRAMING).await?;
        link.frame(&package(Package::Handshake, HANDSHAKE).map_err(wrong)?);
        link.flush().await?;
        let answer = link.next().await?;
        let (_, body) = package::read(&answer).map_err(wrong)?;
        let said: Value = serde_json::from_slice(body).map_err(wrong)?;
        if said["code"] != 200 {
            return Err(Trouble::wrong(format!("a handshake is answered {said}")));
        }
        link.frame(&package(Package::HandshakeAck, b"").map_err(wrong)?);
        let (uid, room) = (self.uid.clone(), self.room.clone());
        let enter = self.request(
            &mut link,
            "enter",
            &json!({"uid": uid, "room": room}),
            json!({"code": 200, "uid": uid}),
        )?;
        link.flush().await?;
        while self.hear(&mut link).await? != Some(Heard::Right(enter)) {}
        Ok(link)
    }

    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble> {
        let letters = dice.below(200);
        let (name, body, answer) = match dice.below(20) {
            // Everybody in the room hears it.
            0 => ("say", json!({"text": dice.text(letters)}), json!({"code": 200})),
            1 => {
                let n = dice.below(1000);
                ("slow", json!({"ms": dice.below(200), "n": n}), json!({"code": 200, "n": n}))
            }
            2 | 3 => ("getRoom", json!({}), json!({"code": 200, "room": self.room})),
            4 => ("note", json!({"n": dice.below(1000)}), json!({"code": 200})),
            _ => {
                let body =
                    json!({"text": dice.text(letters), "n": dice.below(1000), "nested": {"list": [1, 2, 3]}});
                ("echo", body.clone(), body)
            }
        };
        let number = self.request(link, name, &body, answer)?;
        Ok(Asked { number, at_once: name != "slow" })
    }

    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble> {
        let frame = link.next().await?;
        let message = match package::read(&frame).map_err(wrong)? {
            (Package::Data, body) => message::read(body).map_err(wrong)?,
            (Package::Heartbeat, _) => {
                link.frame(&package::HEARTBEAT);
                return Ok(None);
            }
            (kind, body) => return Err(Trouble::wrong(format!("{kind:?}: {}", body.escape_ascii()))),
        };
        match message.kind {
            Message::Push => return Ok(None),
            Message::Response => {}
            kind => return Err(Trouble::wrong(format!("a message of kind {kind:?}"))),
        }
        let said: Value = serde_json::from_slice(message.body).map_err(wrong)?;
        match self.asked.remove(&message.id) {
            Some(expected) if expected == said => Ok(Some(Heard::Right(message.id.into()))),
            Some(expected) => Err(Trouble::wrong(format!("{said} where {expected} was to come"))),
            None => Err(Trouble::wrong(format!("an answer to {}, which was not asked", message.id))),
        }
    }
}

/// A request, as a package.
pub fn data(id: u32, route: &str, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    package::write(&mut out, Package::Data, |out| {
        message::write_head(out, Message::Request, id, Route::Name(route), false, false)?;
        out.extend_from_slice(body);
        Ok::<_, WireError>(())
    })?;
    Ok(out)
}

/// A package with this body.
pub fn package(kind: Package, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    package::write(&mut out, kind, |out| {
        out.extend_from_slice(body);
        Ok::<_, WireError>(())
    })?;
    Ok(out)
}

fn wrong(error: impl std::fmt::Display) -> Trouble {
    Trouble::wrong(error.to_string())
}
