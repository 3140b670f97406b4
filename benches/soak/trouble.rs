//! What goes wrong for a good bot.

use std::io;

use thiserror::Error;

/// Why a bot's life ends early. All of it is the server's fault, for good bots do nothing wrong.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The network failed, or there was no connection to be had.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server closed the connection, and should not have.
    #[error("the server closed the connection")]
    Closed,
    /// Nothing came in time.
    #[error("nothing came in time while {0}")]
    Late(&'static str),
    /// What came is wrong.
    #[error("wrong: {0}")]
    Wrong(String),
}

impl Trouble {
    /// Something else was to come.
    pub fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}
