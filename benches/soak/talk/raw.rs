//! Frames with a length of two bytes: they come back as they went.

use std::collections::VecDeque;

use portcullis::core::Framing;

use super::{Asked, ComesBack, Heard, Talk};
use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::{Shell, door},
    trouble::Trouble,
};

#[derive(Default)]
pub struct Raw {
    next: u64,
    /// In the order they are answered in.
    asked: VecDeque<(u64, Vec<u8>)>,
}

impl Talk for Raw {
    const NAME: &'static str = "raw";
    const COMES_BACK: ComesBack = ComesBack::Never;

    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.asked.clear();
        shell.open(door::RAW, Carrier::Tcp, Framing::BE16).await
    }

    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble> {
        let longest = if dice.one_in(50) { 20_000 } else { 200 };
        let length = dice.below(longest);
        let payload = dice.bytes(length);
        link.frame(&[&(payload.len() as u16).to_be_bytes(), &payload[..]].concat());
        self.next += 1;
        self.asked.push_back((self.next, payload));
        Ok(Asked { number: self.next, at_once: true })
    }

    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble> {
        let frame = link.next().await?;
        match self.asked.pop_front() {
            Some((number, payload)) if payload == frame => Ok(Some(Heard::Right(number))),
            Some((_, payload)) => Err(Trouble::wrong(format!(
                "a frame of {} bytes came back as another, of {}",
                payload.len(),
                frame.len()
            ))),
            None => Err(Trouble::wrong("a frame that nobody asked for")),
        }
    }
}
