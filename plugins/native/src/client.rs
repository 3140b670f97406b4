//! Clients, typed by a [`Manifest`](crate::Manifest): [`Client`] over tokio, [`blocking::Client`] over std alone.
//!
//! Both shake hands when they connect, match answers to requests, keep pushes until they are asked for, and tell why a
//! connection ended. What they say and understand is the [`ClientCodec`]'s doing.
//!
//! Both can log in, and then outlive their connection: when it is lost they come back to their session by themselves,
//! and a request that was waiting gets its answer. See [`login`](crate::login), and [`ResumePolicy`].
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
mod backoff;
pub mod blocking;
mod pushes;
mod shared;
mod task;

pub use asynchronous::Client;

use crate::{ClientCodec, ClientError, ClientEvent, KeepLimits};
use portcullis_core::Cause;
use portcullis_dispatch::Refusal;
use std::{io, sync::Arc, time::Duration};

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings {
    /// How long connecting and the handshake may take. Default 10 seconds.
    pub connect_timeout: Duration,
    /// How long an answer may take, connections that take the place of a lost one included. Default 15 seconds: longer
    /// than a server takes to answer that it had no answer.
    pub request_timeout: Duration,
    /// Pushes that are kept until they are asked for; beyond that the oldest are dropped and counted. Default 1024.
    pub push_capacity: usize,
    /// What happens when the connection is lost after a login. Default: as [`ResumePolicy`]. None ends the client, as
    /// every end of the connection does before a login.
    pub resume: Option<ResumePolicy>,
}

/// How a client that has logged in comes back when its connection is lost.
///
/// Pauses between attempts double, and each is shortened by chance by up to a half, so that the clients of a server that
/// was away do not come all at once.
#[derive(Clone, Copy, Debug)]
pub struct ResumePolicy {
    /// How long it is tried, from the loss on. Default 30 seconds: half of the time a session waits.
    pub within: Duration,
    /// The pause before the first attempt. Default 50 ms.
    pub first_delay: Duration,
    /// The longest pause. Default 5 seconds.
    pub max_delay: Duration,
    /// What is kept to be sent again.
    pub keep: KeepLimits,
}

impl Default for ResumePolicy {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(30),
            first_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(5),
            keep: KeepLimits::default(),
        }
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(15),
            push_capacity: 1024,
            resume: Some(ResumePolicy::default()),
        }
    }
}

/// How long the last words of a connection are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What one read takes at most.
const READ_SIZE: usize = 16 * 1024;
/// A server cannot make a client busier than this.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(10);

/// How often a ticket is renewed, at most.
const SHORTEST_RENEWAL: Duration = Duration::from_secs(1);

fn codec(manifest: &crate::Manifest, settings: &ClientSettings) -> ClientCodec {
    let mut codec = ClientCodec::new(manifest.clone());
    codec.set_keep(settings.resume.map(|resume| resume.keep));
    codec
}

/// When to renew a ticket that was given just now.
fn renewal(codec: &ClientCodec) -> Option<Duration> {
    codec.ticket_life().map(|life| (life / 2).max(SHORTEST_RENEWAL))
}

/// A logout that nobody can answer any more has succeeded.
fn logged_out(answer: Result<(), ClientError>) -> Result<(), ClientError> {
    match answer {
        Err(ClientError::LogInAnew) => Ok(()),
        Err(error) if error.cause() == Some(Cause::Requested) => Ok(()),
        other => other,
    }
}

/// Whether another attempt to come back may end otherwise. While our old connection counts as open, or the server is
/// busy, it refuses us for now.
fn is_worth_another(error: &ClientError) -> bool {
    let passing = match error {
        ClientError::Timeout => true,
        ClientError::Refused { code, .. } => matches!(
            *code,
            Refusal::CONFLICT | Refusal::TOO_MANY | Refusal::INTERNAL | Refusal::TOO_BUSY | Refusal::TIMEOUT
        ),
        _ => false,
    };
    passing || error.is_loss()
}

/// What an event means to somebody who is connecting.
fn greeted(event: ClientEvent) -> Result<Greeted, ClientError> {
    match event {
        ClientEvent::Welcome { heartbeat } => Ok(Greeted::Welcome(heartbeat.max(SHORTEST_HEARTBEAT))),
        ClientEvent::Resumed => Ok(Greeted::Resumed),
        ClientEvent::NotResumed { code: Refusal::UNAUTHORIZED, .. } => Err(ClientError::LogInAnew),
        ClientEvent::NotResumed { code, message } => Err(ClientError::Refused { code, message }),
        ClientEvent::Rejected { message } => Err(ClientError::Rejected(message)),
        ClientEvent::Bye { cause, reason } => Err(ClientError::Closed { cause, reason }),
        other => Ok(Greeted::Other(other)),
    }
}

enum Greeted {
    Welcome(Duration),
    Resumed,
    Other(ClientEvent),
}

/// The server went without a word.
fn gone() -> ClientError {
    ClientError::Closed { cause: Cause::PeerClosed.label().to_owned(), reason: None }
}

fn io_error(error: io::Error) -> ClientError {
    ClientError::Io(Arc::new(error))
}
