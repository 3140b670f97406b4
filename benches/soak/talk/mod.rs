//! How a good bot speaks each protocol. What it asks it knows the answer to.

mod msgserver;
mod native;
pub mod pomelo;
mod raw;
mod sproto;
pub mod sysconn;

pub use msgserver::MsgServer;
pub use native::Native;
pub use pomelo::Pomelo;
pub use raw::Raw;
pub use sproto::Sproto;
pub use sysconn::Sysconn;

use crate::{dice::Dice, link::Link, shell::Shell, trouble::Trouble};

/// One protocol, from its client's side, for all lives of one bot.
pub trait Talk {
    /// What it is called where troubles are told.
    const NAME: &'static str;
    /// How it can come back to its session over another connection.
    const COMES_BACK: ComesBack;

    /// Connects, and shakes hands or logs in.
    async fn enter(&mut self, shell: &Shell) -> Result<Link, Trouble>;

    /// Connects anew, comes back to the session, and asks again what has not been answered.
    async fn come_back(&mut self, shell: &Shell) -> Result<Link, Trouble> {
        self.enter(shell).await
    }

    /// Queues something to ask.
    fn ask(&mut self, link: &mut Link, dice: &mut Dice) -> Result<Asked, Trouble>;

    /// Takes the next that comes: what is answered by it, rightly, or nothing for what nobody asked for.
    async fn hear(&mut self, link: &mut Link) -> Result<Option<Heard>, Trouble>;

    /// Queues its words of farewell, if it has some.
    fn leave(&mut self, _link: &mut Link) {}
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its number: no other of this bot that waits for its answer has it.
    pub number: u64,
    /// Whether it is answered as soon as can be; some is answered later on purpose.
    pub at_once: bool,
}

/// What was answered, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Rightly.
    Right(u64),
    /// It was done, but its answer was lost with a connection, and the server had no room to keep it.
    Unkept(u64),
}

/// Whether a session outlives its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ComesBack {
    /// It does not.
    Never,
    /// It does, but what was not answered is lost.
    Alone,
    /// It does, and what was not answered is answered over the next connection.
    WithAnswers,
}
