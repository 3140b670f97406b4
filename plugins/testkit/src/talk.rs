//! What a typed client has said and heard: the native protocol's client codec, and what came of it.

use portcullis_core::Cause;
use portcullis_dispatch::Refusal;
use portcullis_native::{Body, ClientCodec, ClientError, ClientEvent, Manifest, Push};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// What a server says before it closes a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// Why, for programs; none for a cause that is not known here.
    pub cause: Option<Cause>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// A conversation in the native protocol.
pub(crate) struct Talk {
    pub(crate) codec: ClientCodec,
    /// The answers that nobody has taken, by the id of the request.
    pub(crate) answers: HashMap<u32, Result<Body, Refusal>>,
    pub(crate) pushes: VecDeque<Push>,
    pub(crate) pongs: u64,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) rejected: Option<String>,
    pub(crate) goodbye: Option<Goodbye>,
    pub(crate) broken: Option<ClientError>,
}

impl Talk {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        Self {
            codec: ClientCodec::new(manifest),
            answers: HashMap::new(),
            pushes: VecDeque::new(),
            pongs: 0,
            heartbeat: None,
            rejected: None,
            goodbye: None,
            broken: None,
        }
    }

    /// Takes what came.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.codec.feed(bytes);
        loop {
            match self.codec.next_event() {
                Ok(Some(event)) => self.note(event),
                Ok(None) => return,
                Err(error) => {
                    self.broken = Some(error.into());
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Welcome { heartbeat } => self.heartbeat = Some(heartbeat),
            ClientEvent::Rejected { message } => self.rejected = Some(message),
            ClientEvent::Reply { id, body } => self.answer(id, Ok(body)),
            ClientEvent::Refused { id, code, message } => self.answer(id, Err(Refusal::new(code, message))),
            // A test asks for tickets itself, by requests like any other.
            ClientEvent::LoggedIn { .. } | ClientEvent::Resumed | ClientEvent::NotResumed { .. } => {}
            ClientEvent::Pushed(push) => self.pushes.push_back(push),
            ClientEvent::Pong => self.pongs += 1,
            ClientEvent::Bye { cause: label, reason } => {
                let cause = Cause::ALL.into_iter().find(|cause| cause.label() == label);
                self.goodbye = Some(Goodbye { cause, reason });
            }
        }
    }

    fn answer(&mut self, id: u32, answer: Result<Body, Refusal>) {
        if self.answers.insert(id, answer).is_some() {
            self.broken = Some(ClientError::Body(portcullis_dispatch::BodyError::new(format_args!(
                "request {id} was answered twice"
            ))));
        }
    }

    /// Whether the handshake is over, one way or the other.
    pub(crate) fn is_settled(&self) -> bool {
        self.heartbeat.is_some() || self.rejected.is_some() || self.broken.is_some()
    }

    /// What there is to say about it, for the message of a failed expectation.
    pub(crate) fn describe(&self) -> String {
        let mut words = Vec::new();
        if let Some(error) = &self.broken {
            words.push(format!("the server broke the protocol: {error}"));
        }
        if let Some(message) = &self.rejected {
            words.push(format!("the handshake was rejected: {message}"));
        } else if self.heartbeat.is_none() {
            words.push("the handshake is not done".to_owned());
        }
        if let Some(Goodbye { cause, reason }) = &self.goodbye {
            let cause = cause.map_or("?", Cause::label);
            words.push(format!("the server said goodbye: {cause} {}", reason.as_deref().unwrap_or("")));
        }
        if !self.answers.is_empty() {
            let mut ids: Vec<_> = self.answers.keys().collect();
            ids.sort();
            words.push(format!("answers nobody has taken: to requests {ids:?}"));
        }
        if !self.pushes.is_empty() {
            let routes: Vec<_> = self.pushes.iter().map(|push| &*push.route).collect();
            words.push(format!("pushes nobody has taken: {routes:?}"));
        }
        words.join("; ")
    }
}
