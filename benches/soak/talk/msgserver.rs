//! skynet's login server, and the msgserver behind it: sessions that outlive connections, and answers that are kept.

use std::collections::BTreeMap;

use portcullis::{
    core::Framing,
    demo::login::PASSWORD,
    skynet::{
        login::wire::{Client, Status, Token},
        msgserver::wire::{Answer, Handshake, Reply, Request, Response, Username},
    },
};

use super::{Asked, ComesBack, Heard, Talk};
use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::{SAMPLE, Shell, door},
    trouble::Trouble,
};

pub struct MsgServer {
    name: String,
    dice: Dice,
    user: Option<User>,
    next: u32,
    asked: BTreeMap<u32, Vec<u8>>,
    /// The latest that was answered: it is asked again after a reconnect, for the answer that was kept.
    latest: Option<(u32, Vec<u8>)>,
    again: Option<(u32, Vec<u8>)>,
}

/// A login.
struct User {
    username: Vec<u8>,
    secret: [u8; 8],
    /// Of the next handshake.
    index: i64,
}

impl MsgServer {
    pub fn new(shell: &Shell, slot: usize) -> Self {
        let dice = Dice::new(!shell.seed, slot as u64);
        let (asked, latest, again) = (BTreeMap::new(), None, None);
        Self { name: format!("bot{slot}"), dice, user: None, next: 0, asked, latest, again }
    }

    async fn log_in(&mut self, shell: &Shell) -> Result<User, Trouble> {
        let mut link = shell.open(door::LOGIN, Carrier::Tcp, Framing::LINE).await?;
        let mut out = Vec::new();
        let private = self.dice.roll().to_be_bytes();
        let challenged = Client::new(private).challenge(&line(&mut link).await?, &mut out).map_err(wrong)?;
        link.raw(&out);
        link.flush().await?;
        out.clear();
        let token = Token {
            user: self.name.clone().into(),
            server: SAMPLE.into(),
            password: PASSWORD.to_vec().into(),
        };
        let key = line(&mut link).await?;
        let secret = *challenged.prove(&key, &token.encode(), &mut out).map_err(wrong)?;
        link.raw(&out);
        link.flush().await?;
        let status = line(&mut link).await?;
        let Some(Status::Ok(subid)) = Status::parse(&status) else {
            return Err(Trouble::wrong(format!("a login is answered {}", status.escape_ascii())));
        };
        let subid = String::from_utf8_lossy(&subid).parse().map_err(wrong)?;
        let username = Username { uid: self.name.clone(), server: SAMPLE.into(), subid }.encode();
        Ok(User { username, secret, index: 1 })
    }

    /// A connection that has proved whose it is.
    async fn greet(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        let user = self.user.as_mut().ok_or_else(|| Trouble::wrong("nobody is logged in"))?;
        let mut link = shell.open(door::MSGSERVER, Carrier::Tcp, Framing::BE16).await?;
        let mut out = Vec::new();
        Handshake::write(&user.username, user.index, &user.secret, &mut out).map_err(wrong)?;
        user.index += 1;
        link.frame(&out);
        link.flush().await?;
        let reply = link.next().await?;
        match Reply::parse(&reply) {
            Some(Reply::Ok) => Ok(link),
            _ => Err(Trouble::wrong(format!("a handshake is answered {}", reply.escape_ascii()))),
        }
    }
}

impl Talk for MsgServer {
    const NAME: &'static str = "msgserver";
    const COMES_BACK: ComesBack = ComesBack::WithAnswers;

    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        (self.latest, self.again) = (None, None);
        self.user = Some(self.log_in(shell).await?);
        self.greet(shell).await
    }

    async fn come_back(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        let mut link = self.greet(shell).await?;
        self.again = self.latest.take();
        for (&session, content) in self.asked.iter().chain(self.again.iter().map(|(s, c)| (s, c))) {
            write(&mut link, session, content)?;
        }
        link.flush().await?;
        Ok(link)
    }

    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble> {
        self.next = self.next.wrapping_add(1);
        let bytes = dice.below(200);
        let content = dice.bytes(bytes);
        write(link, self.next, &content)?;
        self.asked.insert(self.next, content);
        // Its demo answers after a tenth of a second.
        Ok(Asked { number: self.next.into(), at_once: false })
    }

    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble> {
        let frame = link.next().await?;
        let response = Response::parse(&frame).map_err(wrong)?;
        let session = response.session;
        if let Some((_, content)) = self.again.take_if(|again| again.0 == session) {
            return match response.answer {
                Answer::Done(answer) if answer == content => Ok(None),
                answer => Err(Trouble::wrong(format!("the kept answer to {session} is {answer:?}"))),
            };
        }
        match (self.asked.remove(&session), response.answer) {
            (Some(content), Answer::Done(answer)) if answer == content => {
                self.latest = Some((session, content));
                Ok(Some(Heard::Right(session.into())))
            }
            (Some(_), answer) => Err(Trouble::wrong(format!("the answer to {session} is {answer:?}"))),
            (None, _) => Err(Trouble::wrong(format!("an answer to {session}, which was not asked"))),
        }
    }
}

fn write(link: &mut Link, session: u32, content: &[u8]) -> Result<(), Trouble> {
    let mut out = Vec::new();
    Request { content, session }.write(&mut out).map_err(wrong)?;
    link.frame(&out);
    Ok(())
}

/// The next line, without its LF.
async fn line(link: &mut Link) -> Result<Vec<u8>, Trouble> {
    let mut line = link.next().await?;
    line.pop();
    Ok(line)
}

fn wrong(error: impl std::fmt::Display) -> Trouble {
    Trouble::wrong(error.to_string())
}
