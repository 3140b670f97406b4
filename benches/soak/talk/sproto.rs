//! skynet's example gate: keys and values, in sproto.

use std::collections::BTreeMap;

use portcullis::{
    core::Framing,
    skynet::sproto::{Decoder, Incoming},
};
use serde::{Deserialize, Serialize};

use super::{Asked, ComesBack, Heard, Talk};
use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::{Shell, door},
    trouble::Trouble,
};

pub struct Sproto {
    /// Nobody else sets it.
    key: String,
    value: String,
    next: i64,
    asked: BTreeMap<i64, Expected>,
    host: portcullis::skynet::sproto::Host,
}

enum Expected {
    Welcome,
    Value(String),
    Set,
}

#[derive(Serialize)]
struct Get<'a> {
    what: &'a str,
}

#[derive(Serialize)]
struct Set<'a> {
    what: &'a str,
    value: &'a str,
}

#[derive(Deserialize)]
struct Got {
    result: Option<String>,
}

#[derive(Deserialize)]
struct Welcome {
    msg: String,
}

impl Sproto {
    pub fn new(shell: &Shell, slot: usize) -> Self {
        let host = shell.kit.simpledb.clone();
        let (key, value) = (format!("bot{slot}"), String::new());
        Self { key, value, next: 0, asked: BTreeMap::new(), host }
    }

    fn request(
        &mut self,
        link: &mut Link,
        name: &str,
        body: &(impl Serialize + ?Sized),
        session: Option<i64>,
    ) -> Result<(), Trouble> {
        let protocol =
            self.host.outgoing().protocol_named(name).ok_or_else(|| Trouble::wrong("no such protocol"))?;
        let (mut scratch, mut payload) = (Vec::new(), Vec::new());
        self.host
            .encode_request(protocol, session, &(), body, &mut scratch, &mut payload)
            .map_err(|error| Trouble::wrong(error.to_string()))?;
        link.frame(&[&(payload.len() as u16).to_be_bytes(), &payload[..]].concat());
        Ok(())
    }

    fn expect(&mut self, expected: Expected) -> Asked {
        self.asked.insert(self.next, expected);
        Asked { number: self.next as u64, at_once: true }
    }

    fn body<'a>(&'a self, name: &str, body: &'a [u8]) -> Result<Decoder<'a, 'a>, Trouble> {
        let protocol =
            self.host.outgoing().protocol_named(name).ok_or_else(|| Trouble::wrong("no such protocol"))?;
        self.host.response_body(protocol, body).map_err(|error| Trouble::wrong(error.to_string()))
    }
}

impl Talk for Sproto {
    const NAME: &'static str = "sproto";
    const COMES_BACK: ComesBack = ComesBack::Never;

    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        let mut link = shell.open(door::SPROTO, Carrier::Tcp, Framing::BE16).await?;
        self.next += 1;
        self.request(&mut link, "handshake", &(), Some(self.next))?;
        let number = self.expect(Expected::Welcome).number;
        link.flush().await?;
        while self.hear(&mut link).await? != Some(Heard::Right(number)) {}
        // What it was is as the life before left it, or nothing.
        self.next += 1;
        self.value = self.next.to_string();
        let number = self.set(&mut link)?.number;
        link.flush().await?;
        while self.hear(&mut link).await? != Some(Heard::Right(number)) {}
        Ok(link)
    }

    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble> {
        self.next += 1;
        if dice.one_in(4) {
            let letters = dice.below(200);
            self.value = dice.text(letters);
            return self.set(link);
        }
        let key = self.key.clone();
        self.request(link, "get", &Get { what: &key }, Some(self.next))?;
        Ok(self.expect(Expected::Value(self.value.clone())))
    }

    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble> {
        let frame = link.next().await?;
        let mut scratch = Vec::new();
        let wrong = |error: &dyn std::error::Error| Trouble::wrong(error.to_string());
        let host = self.host.clone();
        let Incoming::Response { session, body, .. } =
            host.dispatch(&frame, &mut scratch).map_err(|error| wrong(&error))?
        else {
            // A heartbeat.
            return Ok(None);
        };
        match self.asked.remove(&session) {
            Some(Expected::Welcome) => {
                let welcome = Welcome::deserialize(self.body("handshake", body)?).map_err(|e| wrong(&e))?;
                if !welcome.msg.starts_with("Welcome") {
                    return Err(Trouble::wrong(welcome.msg));
                }
            }
            Some(Expected::Value(value)) => {
                let got = Got::deserialize(self.body("get", body)?).map_err(|error| wrong(&error))?;
                if got.result.as_deref() != Some(&*value) {
                    return Err(Trouble::wrong(format!("{:?} where {value:?} was set", got.result)));
                }
            }
            Some(Expected::Set) => {}
            None => return Err(Trouble::wrong(format!("an answer to {session}, which was not asked"))),
        }
        Ok(Some(Heard::Right(session as u64)))
    }

    fn leave(&mut self, link: &mut Link) {
        let _ = self.request(link, "quit", &(), None);
    }
}

impl Sproto {
    fn set(&mut self, link: &mut Link) -> Result<Asked, Trouble> {
        let (key, value) = (self.key.clone(), self.value.clone());
        self.request(link, "set", &Set { what: &key, value: &value }, Some(self.next))?;
        Ok(self.expect(Expected::Set))
    }
}
