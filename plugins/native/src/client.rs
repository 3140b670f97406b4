//! Clients, typed by a [`Manifest`](crate::Manifest): [`Client`] over tokio, [`blocking::Client`] over std alone.
//!
//! Both shake hands when they connect, match answers to requests, keep pushes until they are asked for, and tell why a
//! connection ended. What they say and understand is the [`ClientCodec`]'s doing.
//!
//! ```no_run
//! use portcullis_native::{ClientError, Manifest, client::blocking::Client};
//! use std::time::Duration;
//!
//! let manifest = Manifest::new("texts", 1).request::<String, u64>("text.length").push::<String>("text.news");
//! let mut client = Client::connect("127.0.0.1:4000", &manifest)?;
//! let length: u64 = client.request("text.length", &"portcullis".to_owned())?;
//! assert_eq!(length, 10);
//! while let Some(push) = client.next_push(Duration::from_secs(1))? {
//!     let news: String = push.decode()?;
//!     println!("{news}");
//! }
//! client.close();
//! # Ok::<_, ClientError>(())
//! ```

mod asynchronous;
pub mod blocking;
mod pushes;
mod shared;

pub use asynchronous::Client;

use crate::{ClientCodec, ClientError, ClientEvent};
use portcullis_core::Cause;
use std::{io, sync::Arc, time::Duration};

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings {
    /// How long connecting and the handshake may take. Default 10 seconds.
    pub connect_timeout: Duration,
    /// How long an answer may take. Default 15 seconds: longer than a server takes to answer that it had no answer.
    pub request_timeout: Duration,
    /// Pushes that are kept until they are asked for; beyond that the oldest are dropped and counted. Default 1024.
    pub push_capacity: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(15),
            push_capacity: 1024,
        }
    }
}

/// How long the last words of a connection are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What one read takes at most.
const READ_SIZE: usize = 16 * 1024;
/// A server cannot make a client busier than this.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(10);

/// What a handshake came to, once the server has said something.
fn handshake(codec: &mut ClientCodec) -> Result<Option<Duration>, ClientError> {
    match codec.next_event()? {
        None => Ok(None),
        Some(ClientEvent::Welcome { heartbeat }) => Ok(Some(heartbeat.max(SHORTEST_HEARTBEAT))),
        Some(ClientEvent::Rejected { message }) => Err(ClientError::Rejected(message)),
        Some(ClientEvent::Bye { cause, reason }) => Err(ClientError::Closed { cause, reason }),
        // The codec lets nothing else through before a Welcome.
        Some(_) => Err(ClientError::Timeout),
    }
}

/// The server went without a word.
fn gone() -> ClientError {
    ClientError::Closed { cause: Cause::PeerClosed.label().to_owned(), reason: None }
}

fn io_error(error: io::Error) -> ClientError {
    ClientError::Io(Arc::new(error))
}
