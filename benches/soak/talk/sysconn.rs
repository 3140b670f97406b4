//! The Erlang connector: roles that outlive their connections, and come back by a secret.

use std::collections::BTreeMap;

use portcullis::{
    core::Framing,
    demo::roles::{Action, Echo},
    sysconn::{
        prost::Message,
        wire::{
            Request, Response, Size, Status, commands,
            messages::{LoginAccount, LoginAnswer, Reconnect},
        },
    },
};

use super::{Asked, ComesBack, Heard, Talk};
use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::{Shell, door},
    trouble::Trouble,
};

const ECHO: u16 = 1190;
const ACT: u16 = 1191;

pub struct Sysconn {
    account: String,
    /// Role and secret.
    role: Option<(u32, u32)>,
    next: u32,
    /// The command, and what is answered.
    asked: BTreeMap<u32, (u16, Vec<u8>)>,
}

impl Sysconn {
    pub fn new(slot: usize) -> Self {
        Self { account: format!("bot{slot}"), role: None, next: 0, asked: BTreeMap::new() }
    }

    async fn log_in(&mut self, shell: &Shell, command: u16, body: &[u8]) -> Result<Link, Trouble> {
        let mut link = shell.open(door::SYSCONN, Carrier::WebSocket, Framing::WHOLE).await?;
        link.frame(&request(1, command, body));
        link.flush().await?;
        let message = link.next().await?;
        let response = Response::read(&message).map_err(wrong)?;
        if (response.error, response.flag) != (0, 1) {
            return Err(Trouble::wrong(format!("{command} is answered {response:?}")));
        }
        let LoginAnswer { info, id } = LoginAnswer::decode(response.body).map_err(wrong)?;
        if info.openid != self.account {
            return Err(Trouble::wrong(format!("{} got the role of {}", self.account, info.openid)));
        }
        self.role = Some((info.role_id, id));
        Ok(link)
    }
}

impl Talk for Sysconn {
    const NAME: &'static str = "sysconn";
    const COMES_BACK: ComesBack = ComesBack::Alone;

    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        let body = LoginAccount { account: Some(self.account.clone()) }.encode_to_vec();
        self.log_in(shell, commands::LOGIN, &body).await
    }

    async fn come_back(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        let (role_id, id) = self.role.ok_or_else(|| Trouble::wrong("there is no role"))?;
        let body = Reconnect { role_id: Some(role_id), id: Some(id) }.encode_to_vec();
        self.log_in(shell, commands::RECONNECT, &body).await
    }

    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble> {
        // 0 is that of pushes, 1 that of logins.
        self.next = self.next.wrapping_add(1).max(2);
        let (command, body, answer) = match dice.below(10) {
            0 => (commands::HEARTBEAT, Vec::new(), Vec::new()),
            1 => {
                let action = |text: &str| Action { text: Some(text.to_owned()) }.encode_to_vec();
                (ACT, action("push:7"), action("pushed"))
            }
            _ => {
                let bytes = dice.below(200);
                let echo = Echo { bytes: Some(dice.bytes(bytes)) }.encode_to_vec();
                (ECHO, echo.clone(), echo)
            }
        };
        link.frame(&request(self.next, command, &body));
        self.asked.insert(self.next, (command, answer));
        Ok(Asked { number: self.next.into(), at_once: true })
    }

    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble> {
        let message = link.next().await?;
        let response = Response::read(&message).map_err(wrong)?;
        let Response { error, flag, command, body } = response;
        if flag == 0 && command == commands::SYSTEM_NOTICE {
            return Ok(None);
        }
        match self.asked.remove(&flag) {
            Some((asked, answer)) if (error, asked, &answer[..]) == (0, command, body) => {
                Ok(Some(Heard::Right(flag.into())))
            }
            _ => Err(Trouble::wrong(format!("{response:?}"))),
        }
    }
}

/// A request's message.
pub fn request(flag: u32, command: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Request { status: Status::Raw, flag, command, body, size: Size::Exact }.write(&mut out);
    out
}

fn wrong(error: impl std::fmt::Display) -> Trouble {
    Trouble::wrong(error.to_string())
}
