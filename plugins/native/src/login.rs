//! Logging in, dropping out and coming back, from the client's side.
//!
//! The routes are those of `AccountLoginPlugin` in `portcullis_accounts`; [`Manifest::with_login`](crate::Manifest::with_login) has them. A client
//! that has logged in has a [`Ticket`](crate::Ticket), and shows it to no one. When its connection is lost it begins another, says the
//! ticket there before anything else, and sends again what has not been answered, under the ids it had. The server
//! answers what it has done already with the answer that it kept: so each request is handled once, and answered once.
//!
//! ```text
//!  ClientCodec                                    server
//!    log_in(credentials) ───────── Request ─────────►  a session, a ticket
//!    LoggedIn ◄──────────────────── Reply ───────────
//!    request() … request() ────── Requests ─────────►  handled, the answers kept
//!                                     ✂
//!    restart(), hello() ─────────── Hello ──────────►
//!    Welcome ◄───────────────────────────────────────
//!    resume() ──────────────────── Request ─────────►  the same session, another ticket
//!    Resumed ◄───────────────────── Reply ───────────
//!    resend() ──────────────────── Requests ────────►  answered from what was kept, or handled now
//! ```
//!
//! **What is lost.** Notifies and pushes that were on their way. Requests that were asked before the login was answered:
//! they fail when the connection does, for they were of no session. **What ends it.** A close that the server means: see
//! [`ClientError::is_loss`]. A ticket that is no good any more, for whatever reason: [`ClientError::LogInAnew`].

use crate::{
    ClientCodec, ClientError, ClientEvent,
    codec::Body,
    unanswered::{Asked, KeepLimits},
    wire::WireError,
};
use portcullis_dispatch::Refusal;
use portcullis_session::Credentials;
use std::time::Duration;

/// Makes an account, and logs in: [`Credentials`] for a [`Ticket`](crate::Ticket).
pub const REGISTER: &str = "login.register";
/// Logs in: [`Credentials`] for a [`Ticket`](crate::Ticket).
pub const LOGIN: &str = "login.enter";
/// Comes back over another connection, or renews a ticket over the same: the latest [`Ticket`](crate::Ticket) for the next.
pub const RESUME: &str = "login.resume";
/// Ends the session, and with it the connection: nothing for nothing.
pub const LOGOUT: &str = "login.leave";

/// Logging in. The [module](self) tells the whole story; [`Manifest::with_login`](crate::Manifest::with_login) is needed for it.
impl ClientCodec {
    /// Appends a login. Its answer is [`ClientEvent::LoggedIn`] or [`ClientEvent::Refused`] with the id that this gives.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn log_in(&mut self, out: &mut Vec<u8>, credentials: &Credentials) -> Result<u32, ClientError> {
        self.ask(out, LOGIN, credentials, Some(Asked::LogIn))
    }

    /// As [`log_in`](Self::log_in), and makes the account first.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn register(&mut self, out: &mut Vec<u8>, credentials: &Credentials) -> Result<u32, ClientError> {
        self.ask(out, REGISTER, credentials, Some(Asked::LogIn))
    }

    /// What is kept to be sent again; none keeps nothing, and never comes back. Default [`KeepLimits::default`].
    pub fn set_keep(&mut self, limits: Option<KeepLimits>) {
        self.keep = limits;
    }

    /// Whether another connection may take the place of this one.
    pub fn can_resume(&self) -> bool {
        self.ticket.is_some() && self.keep.is_some()
    }

    /// How long the latest ticket was good for when it was given: after half of that, [`renew`](Self::renew) it.
    pub fn ticket_life(&self) -> Option<Duration> {
        self.ticket.as_ref().map(|ticket| Duration::from_secs(ticket.seconds.into()))
    }

    /// Whether this request is waiting for its answer.
    pub fn is_unanswered(&self, id: u32) -> bool {
        self.unanswered.contains(id)
    }

    /// Nobody waits for this answer any more: the request is not sent again.
    pub fn forget(&mut self, id: u32) {
        self.unanswered.take(id);
    }

    /// Asks for the next ticket while this one is good. The answer is no event.
    ///
    /// # Errors
    /// When the manifest has no logins. Without a ticket, or a connection to ask over, nothing is appended.
    pub fn renew(&mut self, out: &mut Vec<u8>) -> Result<(), ClientError> {
        if self.held || !self.is_welcome() {
            return Ok(());
        }
        self.show_ticket(out, Asked::Renew)
    }

    /// The connection is lost: begins another, with [`hello`](Self::hello). Gives the ids of the requests that will never
    /// be answered: those that are not kept, or all when it [cannot resume](Self::can_resume).
    ///
    /// Ids go on. Until the next [`resend`](Self::resend) requests are kept and not appended, and notifies are dropped.
    pub fn restart(&mut self) -> Vec<u32> {
        self.begin_anew();
        self.held = self.can_resume();
        if self.held { self.unanswered.lose() } else { self.unanswered.lose_all() }
    }

    /// Appends the ticket, which must come first once the server has welcomed us again. It is answered with
    /// [`ClientEvent::Resumed`] or [`ClientEvent::NotResumed`].
    ///
    /// # Errors
    /// When the manifest has no logins; [`LogInAnew`](ClientError::LogInAnew) when there is no ticket.
    pub fn resume(&mut self, out: &mut Vec<u8>) -> Result<(), ClientError> {
        if self.ticket.is_none() {
            return Err(ClientError::LogInAnew);
        }
        self.show_ticket(out, Asked::Resume)
    }

    /// Appends all requests that were kept, in their order: after [`ClientEvent::Resumed`].
    pub fn resend(&mut self, out: &mut Vec<u8>) {
        self.held = false;
        for frame in self.unanswered.frames() {
            out.extend_from_slice(frame);
        }
    }

    fn show_ticket(&mut self, out: &mut Vec<u8>, asked: Asked) -> Result<(), ClientError> {
        let Some(ticket) = self.ticket.clone() else { return Ok(()) };
        self.ask(out, RESUME, &ticket, Some(asked)).map(drop)
    }

    /// An answer; none where nobody has to know.
    pub(crate) fn replied(&mut self, id: u32, body: Body) -> Result<Option<ClientEvent>, WireError> {
        let asked = self.unanswered.take(id);
        if let Some(Asked::LogIn | Asked::Resume | Asked::Renew) = asked {
            self.ticket = Some(body.decode().map_err(|_| WireError::Ticket)?);
        }
        Ok(match asked {
            Some(Asked::LogIn) => Some(ClientEvent::LoggedIn { id }),
            Some(Asked::Resume) => Some(ClientEvent::Resumed),
            Some(Asked::Renew) => None,
            Some(Asked::Once | Asked::Kept(_)) | None => Some(ClientEvent::Reply { id, body }),
        })
    }

    /// An error answer; none where nobody has to know.
    pub(crate) fn refused(&mut self, id: u32, code: u16, message: &str) -> Option<ClientEvent> {
        let message = message.to_owned();
        match self.unanswered.take(id) {
            Some(Asked::Resume) => {
                if code == Refusal::UNAUTHORIZED {
                    self.ticket = None;
                }
                Some(ClientEvent::NotResumed { code, message })
            }
            // The old one may still be good; if it is not, we shall be told when we need it.
            Some(Asked::Renew) => None,
            _ => Some(ClientEvent::Refused { id, code, message }),
        }
    }
}
