//! A request that was sent, and its answer.

use crate::{
    hub::{Hub, Shared},
    report::fail,
    talk::{Goodbye, Talk},
};
use portcullis_core::Cause;
use portcullis_dispatch::Refusal;
use portcullis_native::{Body, ClientError};
use serde::de::DeserializeOwned;

/// A request whose answer nobody has looked at. Dropping it leaves the answer unread.
pub struct PendingReply {
    hub: Shared,
    client: usize,
    id: u32,
    route: String,
}

impl PendingReply {
    pub(crate) fn new(hub: Shared, client: usize, id: u32, route: &str) -> Self {
        Self { hub, client, id, route: route.to_owned() }
    }

    /// Whether the answer has come by now. It does not wait for other threads.
    pub fn is_answered(&self) -> bool {
        let mut hub = self.hub.get_mut();
        hub.settle();
        hub.peer(self.client).talk.as_ref().is_some_and(|talk| talk.answers.contains_key(&self.id))
    }

    /// The answer, as a real client would have it.
    ///
    /// # Errors
    /// When it was refused, did not come, or is of another type; or when the connection closed before.
    pub fn reply<R: DeserializeOwned>(self) -> Result<R, ClientError> {
        let mut hub = self.hub.get_mut();
        self.wait(&mut hub)?.map_err(refused).and_then(|body| {
            let talk = hub.peer(self.client).talk.as_ref();
            talk.map_or(Ok(()), |talk| talk.codec.check_reply::<R>(&self.route))?;
            Ok(body.decode()?)
        })
    }

    /// The reply.
    ///
    /// # Panics
    /// When there is none of this type.
    #[track_caller]
    pub fn expect_reply<R: DeserializeOwned>(self) -> R {
        let (hub, client, route) = (self.hub.clone(), self.client, self.route.clone());
        match self.reply() {
            Ok(reply) => reply,
            Err(error) => {
                let name = std::any::type_name::<R>();
                fail(
                    hub.get_mut()
                        .report(client, format_args!("a {name} as reply to `{route}`, but: {error}")),
                )
            }
        }
    }

    /// The error reply.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn expect_refusal(self) -> Refusal {
        let mut hub = self.hub.get_mut();
        let but = match self.wait(&mut hub) {
            Ok(Err(refusal)) => return refusal,
            Ok(Ok(Body(bytes))) => format!("it was answered: \"{}\"", bytes.escape_ascii()),
            Err(error) => error.to_string(),
        };
        fail(
            hub.report(self.client, format_args!("a refusal of the request to `{}`, but: {but}", self.route)),
        )
    }

    /// The reply as it came, for a handler that writes its own bytes.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn expect_body(self) -> Body {
        let mut hub = self.hub.get_mut();
        let but = match self.wait(&mut hub) {
            Ok(Ok(body)) => return body,
            Ok(Err(refusal)) => refused(refusal),
            Err(error) => error,
        };
        fail(hub.report(self.client, format_args!("a reply to `{}`, but: {but}", self.route)))
    }

    /// Waits for the answer, or for what makes it impossible.
    fn wait(&self, hub: &mut Hub) -> Result<Result<Body, Refusal>, ClientError> {
        let found = hub.wait_for(|hub| {
            let peer = hub.peer(self.client);
            // What came before the end was taken in already.
            let over = peer.pipe.is_over();
            let talk = peer.talk.as_mut()?;
            match talk.answers.remove(&self.id) {
                Some(answer) => Some(Ok(answer)),
                None if talk.broken.is_some() || over => Some(Err(ended(talk))),
                None => None,
            }
        });
        found.unwrap_or(Err(ClientError::Timeout))
    }
}

fn refused(Refusal { code, message }: Refusal) -> ClientError {
    ClientError::Refused { code, message: message.into_owned() }
}

/// Why no answer can come any more.
fn ended(talk: &Talk) -> ClientError {
    if let Some(error) = &talk.broken {
        return error.clone();
    }
    let Goodbye { cause, reason } =
        talk.goodbye.clone().unwrap_or(Goodbye { cause: Some(Cause::PeerClosed), reason: None });
    ClientError::Closed { cause: cause.map_or("?", Cause::label).to_owned(), reason }
}

impl std::fmt::Debug for PendingReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingReply")
            .field("route", &self.route)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
