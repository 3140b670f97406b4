//! A client for programs without tokio: one thread, one call at a time.

use super::{
    ClientSettings, Greeted, LAST_WORDS, READ_SIZE, backoff::Backoff, codec, gone, greeted, io_error,
    is_worth_another, logged_out, pushes::Pushes, renewal,
};
use crate::{Body, ClientCodec, ClientError, ClientEvent, Credentials, Manifest, Push, login};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A connection to a server, and after a [login](Self::log_in) the session behind it, which outlives connections.
///
/// It shows the server that it is alive while it waits for something. A program that does something else for longer
/// than the server's idle limit calls [`ping`](Self::ping) now and then, or is closed; logged in, it comes back with
/// its next call, if the session is still there.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    addresses: Vec<SocketAddr>,
    codec: ClientCodec,
    out: Vec<u8>,
    buffer: Box<[u8]>,
    pushes: Pushes,
    heartbeat: Duration,
    last_sent: Instant,
    /// When the ticket is getting old.
    renew_at: Option<Instant>,
    settings: ClientSettings,
    /// There is no connection, and there will be another.
    lost: Option<Lost>,
    /// Why it is over.
    over: Option<ClientError>,
}

#[derive(Debug)]
struct Lost {
    why: ClientError,
    backoff: Backoff,
    next: Instant,
    give_up: Instant,
}

impl Client {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not want to speak with us.
    pub fn connect(address: impl ToSocketAddrs, manifest: &Manifest) -> Result<Self, ClientError> {
        Self::connect_with(address, manifest, ClientSettings::default())
    }

    /// As [`connect`](Self::connect), with settings.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(
        address: impl ToSocketAddrs,
        manifest: &Manifest,
        settings: ClientSettings,
    ) -> Result<Self, ClientError> {
        let deadline = Instant::now() + settings.connect_timeout;
        let unreachable = |error| ClientError::Connect(Arc::new(error));
        let addresses: Vec<_> = address.to_socket_addrs().map_err(unreachable)?.collect();
        let mut client = Self {
            stream: reach(&addresses, deadline)?,
            addresses,
            codec: codec(manifest, &settings),
            out: Vec::new(),
            buffer: vec![0; READ_SIZE].into(),
            pushes: Pushes::new(settings.push_capacity),
            heartbeat: Duration::MAX,
            last_sent: Instant::now(),
            renew_at: None,
            settings,
            lost: None,
            over: None,
        };
        client.greet(deadline)?;
        Ok(client)
    }

    /// Logs in with a name and a password, on a server with `AccountLoginPlugin`: see [`login`]. From then on the client
    /// outlives its connection.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) with 401 for a wrong name or password; its table is with the plugin. Others as
    /// of [`request`](Self::request).
    pub fn log_in(&mut self, credentials: &Credentials) -> Result<(), ClientError> {
        self.enter(|codec, out| codec.log_in(out, credentials))
    }

    /// As [`log_in`](Self::log_in), and makes the account first.
    ///
    /// # Errors
    /// As of [`log_in`](Self::log_in); 409 when there is such an account, 403 when the server makes none for strangers.
    pub fn register(&mut self, credentials: &Credentials) -> Result<(), ClientError> {
        self.enter(|codec, out| codec.register(out, credentials))
    }

    /// Ends the session, and closes. Dropping or [closing](Self::close) the client leaves the session waiting for it.
    ///
    /// # Errors
    /// When nobody is logged in, or the server cannot be told.
    pub fn log_out(mut self) -> Result<(), ClientError> {
        let answer = logged_out(self.request(login::LOGOUT, &()));
        self.close();
        answer
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) when the server answers with an error; others when the manifest has no such
    /// request, no answer comes in time, or the connection ends for good.
    pub fn request<Req, Rep>(&mut self, route: &str, body: &Req) -> Result<Rep, ClientError>
    where
        Req: Serialize + ?Sized,
        Rep: DeserializeOwned,
    {
        self.codec.check_reply::<Rep>(route)?;
        let body = self.ask(|codec, out| codec.request(out, route, body))?;
        Ok(body.decode()?)
    }

    /// Says something that wants no answer. It is lost if the connection is lost just then.
    ///
    /// # Errors
    /// When the manifest has no such message, or the connection has ended.
    pub fn notify<T: Serialize + ?Sized>(&mut self, route: &str, body: &T) -> Result<(), ClientError> {
        self.ready(Instant::now() + self.settings.request_timeout)?;
        self.codec.notify(&mut self.out, route, body)?;
        self.send()
    }

    /// Waits this long for a message that nobody asked for. Gives none when none came. An attempt to come back that has
    /// begun may take longer.
    ///
    /// # Errors
    /// When the connection has ended, after all pushes that came before were given.
    pub fn next_push(&mut self, timeout: Duration) -> Result<Option<Push>, ClientError> {
        let deadline = Instant::now() + timeout;
        loop {
            while self.over.is_none()
                && let Some(event) = self.event()?
            {
                self.keep(event);
            }
            if let Some(push) = self.pushes.take() {
                return Ok(Some(push));
            }
            self.alive()?;
            match self.read(deadline) {
                Err(ClientError::Timeout) => return Ok(None),
                other => other?,
            }
        }
    }

    /// Shows that we are alive, and gives how long the server took to see it.
    ///
    /// # Errors
    /// When no answer comes in time, or the connection ends.
    pub fn ping(&mut self) -> Result<Duration, ClientError> {
        let start = Instant::now();
        let deadline = start + self.settings.request_timeout;
        self.ready(deadline)?;
        self.codec.ping(&mut self.out);
        self.send()?;
        self.wait(deadline, None, |event| matches!(event, ClientEvent::Pong).then_some(()))?;
        Ok(start.elapsed())
    }

    /// Pushes that were dropped because nobody asked for them.
    pub fn dropped_pushes(&self) -> u64 {
        self.pushes.dropped()
    }

    /// Closes. What was sent before still arrives.
    pub fn close(mut self) {
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            let deadline = Instant::now() + LAST_WORDS;
            // Unread answers would make it a reset.
            while self.pull(deadline).is_ok() {}
        }
    }

    fn enter(
        &mut self,
        ask: impl FnOnce(&mut ClientCodec, &mut Vec<u8>) -> Result<u32, ClientError>,
    ) -> Result<(), ClientError> {
        self.ask(ask)?;
        self.renew_at = renewal(&self.codec).map(|pause| Instant::now() + pause);
        Ok(())
    }

    /// Asks, and waits for the answer; a login's is empty.
    fn ask(
        &mut self,
        ask: impl FnOnce(&mut ClientCodec, &mut Vec<u8>) -> Result<u32, ClientError>,
    ) -> Result<Body, ClientError> {
        let deadline = Instant::now() + self.settings.request_timeout;
        self.ready(deadline)?;
        let asked = ask(&mut self.codec, &mut self.out)?;
        // The answer to a request that was given up before may still come; nobody waits for it.
        let answer = self.send().and_then(|()| {
            self.wait(deadline, Some(asked), |event| match event {
                ClientEvent::Reply { id, body } if id == asked => Some(Ok(body)),
                ClientEvent::LoggedIn { id } if id == asked => Some(Ok(Body::default())),
                ClientEvent::Refused { id, code, message } if id == asked => {
                    Some(Err(ClientError::Refused { code, message }))
                }
                _ => None,
            })
        });
        self.codec.forget(asked);
        answer?
    }

    fn alive(&self) -> Result<(), ClientError> {
        self.over.clone().map_or(Ok(()), Err)
    }

    /// There is a connection to say something over.
    fn ready(&mut self, deadline: Instant) -> Result<(), ClientError> {
        self.alive()?;
        self.come_back(deadline)?;
        self.renew_if_due()
    }

    /// Waits for an event, keeping the pushes that come before it. What was asked may turn out to be lost.
    fn wait<T>(
        &mut self,
        deadline: Instant,
        asked: Option<u32>,
        mut wanted: impl FnMut(ClientEvent) -> Option<T>,
    ) -> Result<T, ClientError> {
        loop {
            while let Some(event) = self.event()? {
                match self.keep(event).map(&mut wanted) {
                    Some(Some(found)) => return Ok(found),
                    _ => self.alive()?,
                }
            }
            if let (Some(lost), Some(asked)) = (&self.lost, asked)
                && !self.codec.is_unanswered(asked)
            {
                return Err(lost.why.clone());
            }
            self.read(deadline)?;
        }
    }

    fn event(&mut self) -> Result<Option<ClientEvent>, ClientError> {
        self.codec.next_event().map_err(|error| self.end(error.into()))
    }

    /// Keeps pushes and farewells, and gives the others back.
    fn keep(&mut self, event: ClientEvent) -> Option<ClientEvent> {
        match event {
            ClientEvent::Pushed(push) => self.pushes.add(push),
            ClientEvent::Bye { cause, reason } => {
                // Either is found by who looks next.
                let _ = self.fail(ClientError::Closed { cause, reason });
            }
            other => return Some(other),
        }
        None
    }

    /// Reads once, from another connection where this one is lost.
    fn read(&mut self, deadline: Instant) -> Result<(), ClientError> {
        self.come_back(deadline)?;
        match self.pull(deadline) {
            Err(error) if !matches!(error, ClientError::Timeout) => self.fail(error),
            other => other,
        }
    }

    /// Writes what is encoded.
    fn send(&mut self) -> Result<(), ClientError> {
        self.put().or_else(|error| self.last_words(error))
    }

    /// A server that closed has said why, before what could not be written.
    fn last_words(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.heartbeat = Duration::MAX;
        let deadline = Instant::now() + LAST_WORDS;
        loop {
            while let Some(event) = self.event()? {
                self.keep(event);
                self.alive()?;
                if self.lost.is_some() {
                    return Ok(());
                }
            }
            if self.pull(deadline).is_err() {
                return self.fail(error);
            }
        }
    }

    /// The connection has ended. Not an error when there will be another.
    fn fail(&mut self, error: ClientError) -> Result<(), ClientError> {
        let Some(policy) = self.settings.resume.filter(|_| error.is_loss() && self.codec.can_resume()) else {
            return Err(self.end(error));
        };
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.codec.restart();
        self.out.clear();
        let (now, mut backoff) = (Instant::now(), Backoff::new(&policy));
        let next = now + backoff.pause();
        self.lost = Some(Lost { why: error, backoff, next, give_up: now + policy.within });
        Ok(())
    }

    /// Remembers why it is over. What was known first stays.
    fn end(&mut self, error: ClientError) -> ClientError {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.lost = None;
        self.over.get_or_insert(error).clone()
    }

    /// While there is no connection, tries to get one.
    fn come_back(&mut self, deadline: Instant) -> Result<(), ClientError> {
        while let Some(lost) = &mut self.lost {
            let now = Instant::now();
            if now >= lost.give_up {
                let why = lost.why.clone();
                return Err(self.end(why));
            }
            if now >= deadline {
                return Err(ClientError::Timeout);
            }
            let next = lost.next.min(lost.give_up);
            if next > now {
                thread::sleep(next.min(deadline) - now);
                continue;
            }
            let within = lost.give_up.min(now + self.settings.connect_timeout);
            match self.attempt(within) {
                Ok(()) => self.lost = None,
                Err(error) if is_worth_another(&error) => {
                    tracing::debug!(%error, "a client has not come back yet");
                    self.codec.restart();
                    self.out.clear();
                    if let Some(lost) = &mut self.lost {
                        lost.next = Instant::now() + lost.backoff.pause();
                    }
                }
                Err(error) => return Err(self.end(error)),
            }
        }
        Ok(())
    }

    fn attempt(&mut self, deadline: Instant) -> Result<(), ClientError> {
        self.stream = reach(&self.addresses, deadline)?;
        self.greet(deadline)?;
        self.codec.resume(&mut self.out)?;
        self.put()?;
        while !matches!(self.next_greeting(deadline)?, Greeted::Resumed) {}
        self.codec.resend(&mut self.out);
        self.renew_at = renewal(&self.codec).map(|pause| Instant::now() + pause);
        // Who waits for a pong gets one.
        self.codec.ping(&mut self.out);
        self.put()
    }

    /// Shakes hands.
    fn greet(&mut self, deadline: Instant) -> Result<(), ClientError> {
        self.stream.set_nodelay(true).map_err(io_error)?;
        let patience = self.settings.request_timeout.max(Duration::from_millis(1));
        self.stream.set_write_timeout(Some(patience)).map_err(io_error)?;
        self.heartbeat = Duration::MAX;
        self.codec.hello(&mut self.out)?;
        self.put()?;
        loop {
            if let Greeted::Welcome(heartbeat) = self.next_greeting(deadline)? {
                self.heartbeat = heartbeat;
                return Ok(());
            }
        }
    }

    fn next_greeting(&mut self, deadline: Instant) -> Result<Greeted, ClientError> {
        loop {
            if let Some(event) = self.codec.next_event()? {
                match greeted(event)? {
                    Greeted::Other(ClientEvent::Pushed(push)) => self.pushes.add(push),
                    greeting => return Ok(greeting),
                }
            } else {
                self.pull(deadline)?;
            }
        }
    }

    fn renew_if_due(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.renew_at.is_some_and(|due| due <= now) {
            self.renew_at = renewal(&self.codec).map(|pause| now + pause);
            self.codec.renew(&mut self.out)?;
        }
        Ok(())
    }

    /// Reads once from this connection, showing signs of life while there is nothing to read.
    fn pull(&mut self, deadline: Instant) -> Result<(), ClientError> {
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Err(ClientError::Timeout);
            }
            let next_beat = self.heartbeat.saturating_sub(now - self.last_sent);
            if next_beat.is_zero() {
                self.renew_if_due()?;
                self.codec.ping(&mut self.out);
                self.put()?;
                continue;
            }
            // The system's timeouts are coarse, and zero would mean none.
            let pause = next_beat.min(deadline - now).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(pause)).map_err(io_error)?;
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(gone()),
                Ok(count) => {
                    self.codec.feed(self.buffer.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if is_retry(&error) => {}
                Err(error) => return Err(io_error(error)),
            }
        }
    }

    /// Writes what is encoded to this connection.
    fn put(&mut self) -> Result<(), ClientError> {
        let sent = self.stream.write_all(&self.out);
        self.out.clear();
        self.last_sent = Instant::now();
        sent.map_err(io_error)
    }
}

fn reach(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ClientError> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(ClientError::Connect(Arc::new(last)))
}

fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
