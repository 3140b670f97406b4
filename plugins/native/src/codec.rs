//! A client without a socket: what to send, and what the bytes that came mean.

use crate::{
    ClientError, KeepLimits, Manifest, body,
    unanswered::{Asked, Unanswered},
    wire::{ClientFrame, ServerFrame, WireError},
};
use bytes::Bytes;
use portcullis_core::{Assembler, Framing};
use portcullis_dispatch::{BodyError, Inbound, short_type_name};
use portcullis_session::Ticket;
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// The client's side of a connection, and of those that [take its place](crate::login): bytes in, events out; values in,
/// bytes out. No socket, no clock, no threads.
///
/// Both clients are skins around it; a test can drive it over memory.
///
/// ```
/// use portcullis_native::{ClientCodec, ClientEvent, Manifest, wire::ServerFrame};
/// use std::time::Duration;
///
/// let mut codec = ClientCodec::new(Manifest::new("sums", 1).request::<(i64, i64), i64>("add"));
/// let mut out = Vec::new();
/// codec.hello(&mut out)?;
/// let id = codec.request(&mut out, "add", &(2i64, 2i64))?;
/// // … `out` goes to the server, which answers:
/// let mut answer = Vec::new();
/// ServerFrame::Welcome { heartbeat: Duration::from_secs(20) }.write(&mut answer)?;
/// ServerFrame::Reply { id, body: &[8] }.write(&mut answer)?; // 4, as bincode writes it
/// codec.feed(&answer);
/// assert!(matches!(codec.next_event()?, Some(ClientEvent::Welcome { .. })));
/// let Some(ClientEvent::Reply { body, .. }) = codec.next_event()? else { panic!() };
/// assert_eq!(body.decode::<i64>()?, 4);
/// # Ok::<_, portcullis_native::ClientError>(())
/// ```
#[derive(Debug)]
pub struct ClientCodec {
    manifest: Arc<Manifest>,
    assembler: Assembler,
    incoming: VecDeque<Bytes>,
    broken: Option<WireError>,
    welcomed: bool,
    /// Zero when the highest was used.
    next_id: u32,
    max_frame: usize,
    pub(crate) unanswered: Unanswered,
    pub(crate) keep: Option<KeepLimits>,
    pub(crate) ticket: Option<Ticket>,
    /// The connection was lost, and what was not answered has not been sent again yet.
    pub(crate) held: bool,
}

/// What a server said.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// The handshake is done.
    Welcome {
        /// How often to [ping](ClientCodec::ping).
        heartbeat: Duration,
    },
    /// The handshake was refused.
    Rejected {
        /// Why.
        message: String,
    },
    /// The answer to a request.
    Reply {
        /// Its id.
        id: u32,
        /// The answer.
        body: Body,
    },
    /// The error answer to a request.
    Refused {
        /// Its id.
        id: u32,
        /// Why, for programs.
        code: u16,
        /// Why, for people.
        message: String,
    },
    /// A login has succeeded. From here on requests that are not answered are kept, for the next connection.
    LoggedIn {
        /// Its id.
        id: u32,
    },
    /// We are back in our session: now [send again](ClientCodec::resend) what has not been answered.
    Resumed,
    /// We are not. [`Refusal::UNAUTHORIZED`](portcullis_dispatch::Refusal::UNAUTHORIZED) is for ever: log in anew.
    NotResumed {
        /// Why, for programs.
        code: u16,
        /// Why, for people.
        message: String,
    },
    /// A message nobody asked for.
    Pushed(Push),
    /// The answer to a ping.
    Pong,
    /// The server closes.
    Bye {
        /// The label of the cause.
        cause: String,
        /// What the server said about it.
        reason: Option<String>,
    },
}

/// A body that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(pub Bytes);

impl Body {
    /// Reads the value.
    ///
    /// # Errors
    /// When it does not hold such a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, BodyError> {
        body::decode(&self.0)
    }
}

/// A message nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Its route.
    pub route: Arc<str>,
    /// The type the manifest gives for it.
    pub type_name: &'static str,
    /// What it says.
    pub body: Body,
}

impl Push {
    /// Reads the value.
    ///
    /// # Errors
    /// When the manifest has another type for it, or it does not hold such a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        check::<T>(&self.route, self.type_name)?;
        Ok(self.body.decode()?)
    }
}

impl ClientCodec {
    /// A codec at the beginning of a connection.
    pub fn new(manifest: impl Into<Arc<Manifest>>) -> Self {
        Self {
            manifest: manifest.into(),
            assembler: Assembler::new(Framing::LE32),
            incoming: VecDeque::new(),
            broken: None,
            welcomed: false,
            next_id: 1,
            max_frame: 16 * 1024 * 1024,
            unanswered: Unanswered::default(),
            keep: Some(KeepLimits::default()),
            ticket: None,
            held: false,
        }
    }

    /// The largest payload the server may send, in bytes. Default 16 MiB; no memory is taken before it has come.
    pub fn set_max_frame(&mut self, bytes: usize) {
        self.max_frame = bytes;
    }

    /// What may be said.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the server has welcomed us, and not said goodbye.
    pub fn is_welcome(&self) -> bool {
        self.welcomed
    }

    /// Appends the first frame of a connection.
    ///
    /// # Errors
    /// When the manifest's name is empty or longer than 255 bytes.
    pub fn hello(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        ClientFrame::Hello(self.manifest.identity()).write(out)
    }

    /// Appends a request, and gives the id that comes back with its answer. When we have logged in it is kept too.
    ///
    /// # Errors
    /// When the manifest has no such request, the body cannot be encoded, or too many are kept; nothing is appended
    /// then.
    pub fn request<Req: Serialize + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        route: &str,
        body: &Req,
    ) -> Result<u32, ClientError> {
        self.ask(out, route, body, None)
    }

    /// A request that is not kept if it says what it is.
    pub(crate) fn ask<Req: Serialize + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        route: &str,
        body: &Req,
        asked: Option<Asked>,
    ) -> Result<u32, ClientError> {
        let (number, Inbound::Handler { request, .. }) = self.inbound("request", route)? else {
            return Err(not_in_manifest("request", route));
        };
        check::<Req>(route, request)?;
        let (id, start) = (self.free_id()?, out.len());
        let frame = ClientFrame::Request { id, route: number, body: &[] };
        frame.write_with(out, |out| body::encode(out, body))?;
        match (asked, self.keep) {
            (None, Some(limits)) if self.ticket.is_some() => {
                let frame = out.get(start..).unwrap_or_default();
                let kept = self.unanswered.keep(id, frame, limits);
                if kept.is_err() || self.held {
                    out.truncate(start);
                }
                kept?;
            }
            (asked, _) => self.unanswered.note(id, asked.unwrap_or(Asked::Once)),
        }
        self.next_id = id.wrapping_add(1);
        Ok(id)
    }

    /// An id that is not in use. A session's ids only go up, for it knows its requests by them; without one they begin
    /// again, after four billion requests.
    fn free_id(&self) -> Result<u32, ClientError> {
        if self.next_id == 0 && self.ticket.is_some() {
            return Err(ClientError::IdsUsedUp);
        }
        let mut free = (self.next_id.max(1)..=u32::MAX).chain(1..=u32::MAX);
        free.find(|&id| !self.unanswered.contains(id)).ok_or(ClientError::IdsUsedUp)
    }

    /// Makes sure that this type is what the manifest says a request is answered with.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_reply<Rep: ?Sized>(&self, route: &str) -> Result<(), ClientError> {
        match self.inbound("request", route)? {
            (_, Inbound::Handler { reply, .. }) => check::<Rep>(route, reply),
            _ => Err(not_in_manifest("request", route)),
        }
    }

    /// Appends a message that wants no answer: a notify of the manifest, or a request whose answer nobody needs. One that
    /// is lost with a connection is lost, as is what is said before we [are back](Self::resend).
    ///
    /// # Errors
    /// When the manifest has no such message, or the body cannot be encoded; nothing is appended then.
    pub fn notify<T: Serialize + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        route: &str,
        body: &T,
    ) -> Result<(), ClientError> {
        let (number, Inbound::Stream { body: taken } | Inbound::Handler { request: taken, .. }) =
            self.inbound("notify", route)?;
        check::<T>(route, taken)?;
        let (frame, start) = (ClientFrame::Notify { route: number, body: &[] }, out.len());
        frame.write_with(out, |out| body::encode(out, body))?;
        if self.held {
            out.truncate(start);
        }
        Ok(())
    }

    /// Appends a sign of life.
    pub fn ping(&self, out: &mut Vec<u8>) {
        // A frame without fields always has a place on the wire.
        let _ = ClientFrame::Ping.write(out);
    }

    fn inbound(&self, what: &'static str, route: &str) -> Result<(u16, Inbound), ClientError> {
        let number = self.manifest.number(route);
        let inbound = number.and_then(|number| self.manifest.get_number(number)?.inbound);
        number.zip(inbound).ok_or_else(|| not_in_manifest(what, route))
    }

    /// Takes what came, cut anyhow.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        let (frames, result) = self.assembler.feed(bytes, self.max_frame);
        let (data, spans) = frames.into_parts();
        let data = Bytes::from(data);
        self.incoming.extend(spans.map(|(start, end)| data.slice(start as usize..end as usize)));
        self.broken = result.err().map(|error| WireError::TooLarge(error.declared));
    }

    /// What came next, or nothing yet.
    ///
    /// # Errors
    /// When the server does not keep to the protocol. Nothing more can be read then.
    pub fn next_event(&mut self) -> Result<Option<ClientEvent>, WireError> {
        while let Some(payload) = self.incoming.pop_front() {
            match self.event(&payload) {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => {
                    self.incoming.clear();
                    self.broken = Some(error.clone());
                    return Err(error);
                }
            }
        }
        self.broken.clone().map_or(Ok(None), Err)
    }

    /// Forgets what came over the connection before.
    pub(crate) fn begin_anew(&mut self) {
        self.assembler = Assembler::new(Framing::LE32);
        self.incoming.clear();
        self.broken = None;
        self.welcomed = false;
    }

    fn event(&mut self, payload: &Bytes) -> Result<Option<ClientEvent>, WireError> {
        let frame = ServerFrame::read(payload)?;
        let of_handshake = matches!(frame, ServerFrame::Welcome { .. } | ServerFrame::Reject { .. });
        if of_handshake == self.welcomed && !matches!(frame, ServerFrame::Bye { .. }) {
            return Err(WireError::OutOfTurn(frame.kind()));
        }
        Ok(Some(match frame {
            ServerFrame::Welcome { heartbeat } => {
                self.welcomed = true;
                ClientEvent::Welcome { heartbeat }
            }
            ServerFrame::Reject { message } => ClientEvent::Rejected { message: message.to_owned() },
            ServerFrame::Reply { id, body } => return self.replied(id, Body(payload.slice_ref(body))),
            ServerFrame::Refusal { id, code, message } => return Ok(self.refused(id, code, message)),
            ServerFrame::Push { route: number, body } => {
                let messages = self.manifest.get_number(number).ok_or(WireError::Route(number))?;
                let type_name = messages.push.ok_or(WireError::Route(number))?;
                let body = Body(payload.slice_ref(body));
                ClientEvent::Pushed(Push { route: Arc::clone(&messages.route), type_name, body })
            }
            ServerFrame::Pong => ClientEvent::Pong,
            ServerFrame::Bye { cause, reason } => {
                self.welcomed = false;
                let reason = (!reason.is_empty()).then(|| reason.to_owned());
                ClientEvent::Bye { cause: cause.to_owned(), reason }
            }
        }))
    }
}

fn not_in_manifest(what: &'static str, route: &str) -> ClientError {
    ClientError::NotInManifest { what, route: route.to_owned() }
}

fn check<T: ?Sized>(route: &str, expected: &'static str) -> Result<(), ClientError> {
    let given = short_type_name::<T>();
    // The one borrowed type that everybody has at hand.
    let is_text = expected == "String" && matches!(given, "str" | "&str");
    if given == expected || is_text {
        return Ok(());
    }
    Err(ClientError::WrongType { route: route.to_owned(), expected, given })
}
