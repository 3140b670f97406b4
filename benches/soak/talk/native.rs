//! The native protocol: the chat, with a name and a password or without.

use std::{collections::BTreeMap, sync::Arc};

use portcullis::{
    core::Framing,
    demo::chat::{self, ECHO, Echo, SAID, SAY, Said, Say},
    dispatch::Refusal,
    native::{ClientCodec, ClientEvent},
    session::Credentials,
};

use super::{Asked, ComesBack, Heard, Talk};
use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::{Shell, door},
    trouble::Trouble,
};

/// A bot of the chat; where `MEMBER`, one that logs in.
pub struct Native<const MEMBER: bool> {
    name: String,
    codec: ClientCodec,
    /// It has an account already.
    registered: bool,
    asked: BTreeMap<u32, Expected>,
}

enum Expected {
    Echo(String),
    Heard,
}

impl<const MEMBER: bool> Native<MEMBER> {
    pub fn new(shell: &Shell, slot: usize) -> Self {
        let codec = ClientCodec::new(Arc::clone(&shell.kit.chat));
        Self { name: format!("bot{slot}"), codec, registered: false, asked: BTreeMap::new() }
    }

    /// Connects, and shakes hands.
    async fn greet(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        let door = if MEMBER { door::MEMBERS } else { door::NATIVE };
        let mut link = shell.open(door, Carrier::Tcp, Framing::LE32).await?;
        let mut hello = Vec::new();
        self.codec.hello(&mut hello).map_err(wrong)?;
        link.raw(&hello);
        link.flush().await?;
        match self.event(&mut link).await? {
            ClientEvent::Welcome { .. } => Ok(link),
            other => Err(Trouble::wrong(format!("{other:?} in the place of a welcome"))),
        }
    }

    /// The next event, waited for.
    async fn event(&mut self, link: &mut Link) -> Result<ClientEvent, Trouble> {
        loop {
            if let Some(event) = self.codec.next_event().map_err(wrong)? {
                return Ok(event);
            }
            let bytes = link.bytes().await?;
            self.codec.feed(&bytes);
        }
    }

    /// The next event that is not a push: others speak whenever they like.
    async fn answer(&mut self, link: &mut Link) -> Result<ClientEvent, Trouble> {
        loop {
            match self.event(link).await? {
                ClientEvent::Pushed(_) => {}
                event => return Ok(event),
            }
        }
    }

    async fn log_in(&mut self, link: &mut Link) -> Result<(), Trouble> {
        let credentials = Credentials::new(&self.name, "correct horse");
        loop {
            let mut out = Vec::new();
            if self.registered {
                self.codec.log_in(&mut out, &credentials).map_err(wrong)?;
            } else {
                self.codec.register(&mut out, &credentials).map_err(wrong)?;
            }
            link.raw(&out);
            link.flush().await?;
            match self.answer(link).await? {
                ClientEvent::LoggedIn { .. } => {
                    self.registered = true;
                    return Ok(());
                }
                // The answer of before was lost.
                ClientEvent::Refused { code: Refusal::CONFLICT, .. } if !self.registered => {
                    self.registered = true;
                }
                other => return Err(Trouble::wrong(format!("{other:?} in the place of a login"))),
            }
        }
    }
}

impl<const MEMBER: bool> Talk for Native<MEMBER> {
    const NAME: &'static str = if MEMBER { "native with accounts" } else { "native" };
    const COMES_BACK: ComesBack = if MEMBER { ComesBack::WithAnswers } else { ComesBack::Never };

    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        let manifest = if MEMBER { &shell.kit.members } else { &shell.kit.chat };
        self.codec = ClientCodec::new(Arc::clone(manifest));
        let mut link = self.greet(shell).await?;
        if MEMBER {
            self.log_in(&mut link).await?;
        }
        Ok(link)
    }

    async fn come_back(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.codec.restart();
        let mut link = self.greet(shell).await?;
        let mut out = Vec::new();
        self.codec.resume(&mut out).map_err(wrong)?;
        link.raw(&out);
        link.flush().await?;
        match self.answer(&mut link).await? {
            ClientEvent::Resumed => {}
            other => return Err(Trouble::wrong(format!("{other:?} when it came back"))),
        }
        out.clear();
        self.codec.resend(&mut out);
        link.raw(&out);
        link.flush().await?;
        Ok(link)
    }

    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble> {
        let (mut out, letters) = (Vec::new(), dice.below(200));
        let text = dice.text(letters);
        // Everybody hears it.
        let (id, expected) = if dice.one_in(40) {
            let say = Say { name: self.name.clone(), text };
            (self.codec.request(&mut out, SAY, &say).map_err(wrong)?, Expected::Heard)
        } else {
            let echo = Echo { text: text.clone() };
            (self.codec.request(&mut out, ECHO, &echo).map_err(wrong)?, Expected::Echo(text))
        };
        link.raw(&out);
        self.asked.insert(id, expected);
        Ok(Asked { number: id.into(), at_once: true })
    }

    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble> {
        let (id, body) = match self.event(link).await? {
            ClientEvent::Reply { id, body } => (id, body),
            ClientEvent::Pushed(push) => {
                let said: Said = push.decode().map_err(wrong)?;
                return if &*push.route == SAID && !said.name.is_empty() {
                    Ok(None)
                } else {
                    Err(Trouble::wrong(format!("{said:?} on {}", push.route)))
                };
            }
            ClientEvent::Pong => return Ok(None),
            ClientEvent::Refused { id, code: Refusal::GONE, .. } if self.asked.remove(&id).is_some() => {
                return Ok(Some(Heard::Unkept(id.into())));
            }
            other => return Err(Trouble::wrong(format!("{other:?}"))),
        };
        match self.asked.remove(&id) {
            Some(Expected::Echo(text)) if body.decode::<Echo>().is_ok_and(|echo| echo.text == text) => {}
            Some(Expected::Heard) if body.decode::<chat::Heard>().is_ok_and(|heard| heard.by > 0) => {}
            Some(_) => return Err(Trouble::wrong(format!("the answer to {id} is {body:?}"))),
            None => return Err(Trouble::wrong(format!("an answer to {id}, which was not asked"))),
        }
        Ok(Some(Heard::Right(id.into())))
    }
}

fn wrong(error: impl std::fmt::Display) -> Trouble {
    Trouble::wrong(error.to_string())
}
