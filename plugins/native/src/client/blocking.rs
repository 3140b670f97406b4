//! A client for programs without tokio: one thread, one connection, one call at a time.

use super::{ClientSettings, LAST_WORDS, READ_SIZE, gone, handshake, io_error, pushes::Pushes};
use crate::{ClientCodec, ClientError, ClientEvent, Manifest, Push};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

/// A connection to a server.
///
/// It shows the server that it is alive while it waits for something. A program that does something else for longer
/// than the server's idle limit calls [`ping`](Self::ping) now and then, or is closed.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    codec: ClientCodec,
    out: Vec<u8>,
    buffer: Box<[u8]>,
    pushes: Pushes,
    heartbeat: Duration,
    last_sent: Instant,
    settings: ClientSettings,
    /// Why the connection is over.
    over: Option<ClientError>,
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
        let stream = reach(address, deadline).map_err(|error| ClientError::Connect(Arc::new(error)))?;
        stream.set_nodelay(true).map_err(io_error)?;
        stream
            .set_write_timeout(Some(settings.request_timeout.max(Duration::from_millis(1))))
            .map_err(io_error)?;
        let mut client = Self {
            stream,
            codec: ClientCodec::new(manifest.clone()),
            out: Vec::new(),
            buffer: vec![0; READ_SIZE].into(),
            pushes: Pushes::new(settings.push_capacity),
            heartbeat: Duration::MAX,
            last_sent: Instant::now(),
            settings,
            over: None,
        };
        client.codec.hello(&mut client.out)?;
        client.send()?;
        client.heartbeat = loop {
            if let Some(heartbeat) = handshake(&mut client.codec)? {
                break heartbeat;
            }
            client.read(deadline)?;
        };
        Ok(client)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) when the server answers with an error; others when the manifest has no such
    /// request, no answer comes in time, or the connection ends.
    pub fn request<Req, Rep>(&mut self, route: &str, body: &Req) -> Result<Rep, ClientError>
    where
        Req: Serialize + ?Sized,
        Rep: DeserializeOwned,
    {
        self.alive()?;
        self.codec.check_reply::<Rep>(route)?;
        let asked = self.codec.request(&mut self.out, route, body)?;
        self.send()?;
        let deadline = Instant::now() + self.settings.request_timeout;
        // The answer to a request that was given up before may still come; nobody waits for it.
        let answer = self.wait(deadline, |event| match event {
            ClientEvent::Reply { id, body } if id == asked => Some(Ok(body)),
            ClientEvent::Refused { id, code, message } if id == asked => {
                Some(Err(ClientError::Refused { code, message }))
            }
            _ => None,
        })?;
        Ok(answer?.decode()?)
    }

    /// Says something that wants no answer.
    ///
    /// # Errors
    /// When the manifest has no such message, or the connection ends.
    pub fn notify<T: Serialize + ?Sized>(&mut self, route: &str, body: &T) -> Result<(), ClientError> {
        self.alive()?;
        self.codec.notify(&mut self.out, route, body)?;
        self.send()
    }

    /// Waits this long for a message that nobody asked for. Gives none when none came.
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
        self.alive()?;
        let start = Instant::now();
        self.codec.ping(&mut self.out);
        self.send()?;
        let deadline = start + self.settings.request_timeout;
        self.wait(deadline, |event| matches!(event, ClientEvent::Pong).then_some(()))?;
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
            while self.read(deadline).is_ok() {}
        }
    }

    fn alive(&self) -> Result<(), ClientError> {
        self.over.clone().map_or(Ok(()), Err)
    }

    /// Waits for an event, keeping the pushes that come before it.
    fn wait<T>(
        &mut self,
        deadline: Instant,
        mut wanted: impl FnMut(ClientEvent) -> Option<T>,
    ) -> Result<T, ClientError> {
        loop {
            while let Some(event) = self.event()? {
                match self.keep(event).map(&mut wanted) {
                    Some(Some(found)) => return Ok(found),
                    _ => self.alive()?,
                }
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
                self.end(ClientError::Closed { cause, reason });
            }
            other => return Some(other),
        }
        None
    }

    /// Reads once, showing signs of life while there is nothing to read.
    fn read(&mut self, deadline: Instant) -> Result<(), ClientError> {
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Err(ClientError::Timeout);
            }
            let next_beat = self.heartbeat.saturating_sub(now - self.last_sent);
            if next_beat.is_zero() {
                self.codec.ping(&mut self.out);
                self.send()?;
                continue;
            }
            // The system's timeouts are coarse, and zero would mean none.
            let pause = next_beat.min(deadline - now).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(pause)).map_err(io_error)?;
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(self.end(gone())),
                Ok(count) => {
                    self.codec.feed(self.buffer.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if is_retry(&error) => {}
                Err(error) => return Err(self.end(io_error(error))),
            }
        }
    }

    /// Writes what is encoded.
    fn send(&mut self) -> Result<(), ClientError> {
        let sent = self.stream.write_all(&self.out);
        self.out.clear();
        self.last_sent = Instant::now();
        sent.map_err(|error| self.last_words(io_error(error)))
    }

    /// A server that closed has said why, before what could not be written.
    fn last_words(&mut self, error: ClientError) -> ClientError {
        self.heartbeat = Duration::MAX;
        let deadline = Instant::now() + LAST_WORDS;
        let _: Result<(), _> = self.wait(deadline, |_| None);
        match &self.over {
            Some(said @ ClientError::Closed { .. }) => said.clone(),
            _ => self.end(error),
        }
    }

    /// Remembers why it is over. What was known first stays.
    fn end(&mut self, error: ClientError) -> ClientError {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.over.get_or_insert(error).clone()
    }
}

fn reach(address: impl ToSocketAddrs, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in address.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
