//! The task of one TCP socket. It is polled when the socket is ready, and when the world has changed something.

use crate::{
    driver::Lanes,
    greeting::{Greeting, Terms, Untold},
    inlet::{End, Greeted, Inlet, Kind, proxy::ProxyHeader},
    proxies::canonical,
    tcp::TcpLine,
};
use bevy_ecs::prelude::*;
use portcullis_core::{
    Cause, Charge, FIRST_WARNING, FLUSH_BEFORE_CLOSE, Funnel, Holding, Inbound, Line, Link, Opening,
};
use std::{
    cell::RefCell,
    future::Future,
    io,
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::{Instant, Sleep, sleep, sleep_until},
};

/// How long a peer may take nothing of what it is sent.
const WRITE_STALL: Duration = Duration::from_secs(10);
/// What one read takes at most.
const READ_SIZE: usize = 64 * 1024;
/// What one read takes while the world knows nothing of the socket: more than a greeting has no use yet.
const UNTOLD_READ_SIZE: usize = 4 * 1024;
/// What a TLS session is taken to hold, in bytes: a record that is not complete, and its own state. It does not say.
const TLS_SESSION: usize = 16 * 1024;
/// Reads in one turn, so that what never becomes a frame starves nobody: fragments, pings, a slow frame.
const READS_PER_TURN: usize = 8;

thread_local! {
    /// Where reads land. Only what belongs to an incomplete frame is kept per connection.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into_boxed_slice());
    /// What a read was before it was encrypted.
    static PLAIN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Serves an accepted socket in a task of its own, and tells the world of it: at once, unless it has yet to say whom it
/// speaks for.
pub(crate) fn serve(socket: TcpStream, peer: SocketAddr, terms: &Arc<Terms>, funnel: &Funnel, lanes: &Lanes) {
    let Ok(local) = socket.local_addr() else { return };
    let peer = canonical(peer);
    let defers = terms.defers(peer.ip());
    let room = if defers { terms.room() } else { None };
    if defers && room.is_none() {
        return tracing::debug!(%peer, "too many sockets from proxies have not said whom they speak for");
    }
    let session = match terms.tls.as_ref().map(crate::Tls::session).transpose() {
        Ok(session) => session,
        Err(error) => return tracing::debug!(%peer, %error, "a TLS session could not begin"),
    };
    let (reader, writer) = socket.into_split();
    let mut task = Serve {
        reader,
        line: TcpLine::new(funnel.budget(), writer, lanes.next(), session, terms.reads_http()),
        connection: Entity::PLACEHOLDER,
        funnel: funnel.clone(),
        inlet: terms.inlet(),
        encrypted: terms.tls.is_some(),
        reading: Reading::Frames,
        greeting: None,
        early: None,
        incomplete: Charge::new(funnel.budget(), Holding::Incomplete),
        timer: None,
    };
    task.account();
    let untold = Untold { peer, local, opened_at: funnel.now(), _room: room };
    let mut greeting =
        Box::new(Greeting { terms: Arc::clone(terms), deadline: None, proxy: None, untold: None });
    if defers {
        greeting.proxy = terms.proxies.proxy_protocol.then(ProxyHeader::default);
        greeting.untold = Some(untold);
        task.greeting = Some(greeting);
    } else {
        task.tell(terms, untold, peer);
        task.greeting = (terms.tls.is_some() || terms.reads_http()).then_some(greeting);
    }
    tokio::spawn(task);
}

struct Serve {
    reader: OwnedReadHalf,
    line: Arc<TcpLine>,
    /// Reserved when the world is told.
    connection: Entity,
    funnel: Funnel,
    inlet: Inlet,
    encrypted: bool,
    reading: Reading,
    /// None once it is over, and where there is none.
    greeting: Option<Box<Greeting>>,
    /// What was read together with a greeting that told whom the socket speaks for, until the world starts it.
    early: Option<Early>,
    /// For what is held of the peer's words until there is more of them.
    incomplete: Charge,
    /// Runs only while the peer owes us something.
    timer: Option<Timer>,
}

enum Early {
    AsReceived(Vec<u8>),
    Decrypted(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Frames go to the world.
    Frames,
    /// The peer broke the framing; the world was told and will close.
    Stopped,
    /// The peer has ended its side; the world was told and will close.
    AtEnd,
    /// All is sent and our side is shut down. What still comes is thrown away, so that the peer gets our last words
    /// and not a reset.
    Lingering,
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    awaited: Awaited,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// That the peer takes more than these bytes, however many are queued meanwhile.
    Write(u64),
    /// That all is sent and the peer closes too.
    Close,
}

impl Future for Serve {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.line.bell.listen(context.waker());
        let cause = ready!(self.advance(context));
        if self.is_untold() {
            tracing::debug!(%cause, "a socket from a proxy has not said whom it speaks for");
        } else {
            self.funnel.send(Inbound::Closed { connection: self.connection, cause });
        }
        Poll::Ready(())
    }
}

impl Serve {
    /// Ready when the socket is to be dropped.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        if let Poll::Ready(cause) = self.read(context) {
            return Poll::Ready(cause);
        }
        if self.greeting.is_some() && self.is_late(context) {
            self.line.timed_out();
            self.stop(Reading::Stopped, Cause::HandshakeTimeout);
        }
        // Most polls are for reading alone.
        if self.timer.is_none() && !self.line.bell.is_rung() {
            return Poll::Pending;
        }
        self.line.bell.answer();
        self.line.part(self.owes_answer());
        let (queued, taken, close) = match self.write(context) {
            Poll::Ready(cause) => return Poll::Ready(cause),
            Poll::Pending => {
                let sending = self.line.sending();
                (sending.queued(), sending.taken(), sending.close)
            }
        };
        if let Some(within) = close {
            if within.is_zero() || (queued == 0 && self.reading == Reading::AtEnd) {
                return Poll::Ready(Cause::Requested);
            }
            if queued == 0 && self.reading != Reading::Lingering {
                self.reading = Reading::Lingering;
                if socket2::SockRef::from(self.line.writer.as_ref()).shutdown(Shutdown::Write).is_err() {
                    return Poll::Ready(Cause::Reset);
                }
                if let Poll::Ready(cause) = self.read(context) {
                    return Poll::Ready(cause);
                }
            }
        }
        self.watch(context, (queued > 0).then_some(taken), close)
    }

    /// Ready when the socket failed, or has nothing more to say after we have not either.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        for _ in 0..READS_PER_TURN {
            match self.reading {
                Reading::Stopped | Reading::AtEnd => return Poll::Pending,
                Reading::Frames => {
                    // What the world does not know of cannot be started, nor overrun it.
                    let may_read = self.is_untold()
                        || (self.line.bell.is_started() && !self.line.undelivered.must_wait());
                    if !may_read || self.funnel.poll_room(context).is_pending() {
                        return Poll::Pending;
                    }
                    if let Some(early) = self.early.take() {
                        match early {
                            Early::AsReceived(bytes) => self.take(&bytes),
                            Early::Decrypted(bytes) => self.deliver(&bytes),
                        }
                        self.account();
                        continue;
                    }
                }
                Reading::Lingering => {}
            }
            match ready!(self.read_once(context)) {
                Err(_) => return Poll::Ready(Cause::Reset),
                Ok(0) if self.reading == Reading::Lingering => return Poll::Ready(Cause::Requested),
                Ok(0) => self.stop(Reading::AtEnd, Cause::PeerClosed),
                Ok(_) => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// One read from the socket, one item in the queue.
    fn read_once(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = match self.is_untold() {
                true => UNTOLD_READ_SIZE,
                false => self.line.undelivered.max_bytes().clamp(1, READ_SIZE),
            };
            let mut buffer = ReadBuf::new(&mut scratch[..room]);
            ready!(Pin::new(&mut self.reader).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if self.reading == Reading::Frames && !read.is_empty() {
                self.take(read);
                self.account();
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Takes what came from the socket.
    fn take(&mut self, bytes: &[u8]) {
        if self.greeting.as_ref().is_some_and(|greeting| greeting.proxy.is_some()) {
            self.take_proxy_header(bytes);
        } else if self.encrypted {
            self.decrypt(bytes);
        } else {
            self.deliver(bytes);
        }
    }

    /// Charges what is held of something incomplete.
    fn account(&mut self) {
        let early = match &self.early {
            Some(Early::AsReceived(bytes) | Early::Decrypted(bytes)) => bytes.capacity(),
            None => 0,
        };
        let proxy = self.greeting.as_ref().and_then(|greeting| greeting.proxy.as_ref());
        let proxy = proxy.map_or(0, ProxyHeader::allocated);
        let session = if self.encrypted { TLS_SESSION } else { 0 };
        let held = self.inlet.allocated() + early + proxy + session;
        if held != self.incomplete.bytes() {
            self.incomplete.set(held);
            self.line.incomplete.store(held, Ordering::Relaxed);
        }
    }

    fn take_proxy_header(&mut self, bytes: &[u8]) {
        let Some(greeting) = &mut self.greeting else { return };
        let proxied = match greeting.proxy.get_or_insert_default().feed(bytes) {
            Ok(None) => return,
            Ok(Some(proxied)) => proxied,
            Err(end) => return self.end(end),
        };
        greeting.proxy = None;
        if let (Some(client), Some(untold)) = (proxied.client, &mut greeting.untold) {
            untold.peer = canonical(client);
        }
        let terms = Arc::clone(&greeting.terms);
        if let Some(untold) = greeting.untold.take_if(|untold| !terms.asks_on(untold.peer.ip())) {
            // The rest of the greeting is the world's to begin.
            greeting.deadline = None;
            let peer = untold.peer;
            self.tell(&terms, untold, peer);
            if !self.encrypted && !terms.reads_http() {
                self.greeting = None;
            }
        }
        let rest = bytes.get(proxied.used..).unwrap_or_default();
        if !rest.is_empty() && self.is_untold() {
            self.take(rest);
        } else if !rest.is_empty() {
            self.early = Some(Early::AsReceived(rest.to_vec()));
        }
    }

    fn decrypt(&mut self, bytes: &[u8]) {
        PLAIN.with_borrow_mut(|plain| {
            plain.clear();
            let opened = self.line.open(bytes, plain);
            let ends_greeting = opened.as_ref().is_ok_and(|opened| opened.greeted)
                && self.greeting.as_ref().is_some_and(|greeting| !greeting.terms.reads_http());
            if ends_greeting {
                self.greet(Greeted { kind: Kind::Stream, forwarded: String::new() });
            }
            if !plain.is_empty() {
                self.deliver(plain);
            }
            match opened {
                _ if self.reading != Reading::Frames => {}
                Ok(opened) if opened.ended => self.stop(Reading::Stopped, Cause::PeerClosed),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(connection = %self.connection, %error, "TLS failed");
                    self.stop(Reading::Stopped, Cause::TlsFailed);
                }
            }
        });
    }

    /// Takes what the peer has said, and makes frames of it.
    fn deliver(&mut self, mut bytes: &[u8]) {
        loop {
            let fed = self.inlet.feed(bytes, self.line.max_frame.load(Ordering::Relaxed));
            if !fed.answer.is_empty() {
                // A peer that takes nothing has no use for more pongs.
                if self.greeting.is_some() || self.line.sending().queued() < FIRST_WARNING {
                    self.line.say(fed.answer);
                }
            }
            if let Some(greeted) = fed.greeted {
                self.greet(greeted);
            }
            if !fed.frames.is_empty() {
                self.line.undelivered.add(fed.frames.len(), fed.frames.byte_len());
                let (received, frames) = (self.funnel.now(), fed.frames);
                self.funnel.send(Inbound::Frames { connection: self.connection, received, frames });
            } else if fed.heard {
                self.line.undelivered.add(1, 0);
                let received = self.funnel.now();
                self.funnel.send(Inbound::Heard { connection: self.connection, received });
            }
            if let Some(end) = fed.end {
                return self.end(end);
            }
            bytes = bytes.get(fed.used..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            if !self.line.bell.is_started() {
                self.early = Some(Early::Decrypted(bytes.to_vec()));
                return;
            }
        }
    }

    /// The greeting is over: the world learns what it did not know.
    fn greet(&mut self, greeted: Greeted) {
        let Some(greeting) = self.greeting.take() else { return };
        let Greeting { terms, untold, .. } = *greeting;
        if let Some(untold) = untold {
            let peer = terms.proxies.client(untold.peer, &greeted.forwarded);
            self.tell(&terms, untold, peer);
        }
        if greeted.kind == Kind::Answered {
            return;
        }
        if greeted.kind == Kind::Messages {
            self.line.has_messages();
        }
        let (transport, envelope) = terms.established(greeted.kind);
        self.funnel.send(Inbound::Established { connection: self.connection, transport, envelope });
    }

    /// Tells the world of the socket.
    fn tell(&mut self, terms: &Terms, untold: Untold, peer: SocketAddr) {
        self.connection = self.funnel.reserve();
        self.funnel.send(Inbound::Opened(Box::new(Opening {
            connection: self.connection,
            listener: terms.listener,
            peer,
            local: untold.local,
            transport: terms.first_name(),
            link: Link(Arc::<TcpLine>::clone(&self.line)),
            opened_at: untold.opened_at,
        })));
    }

    fn is_untold(&self) -> bool {
        self.greeting.as_ref().is_some_and(|greeting| greeting.untold.is_some())
    }

    /// Whether the greeting takes too long.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let begun = self.is_untold() || self.line.bell.is_started();
        let Some(greeting) = &mut self.greeting else { return false };
        if !begun || self.reading != Reading::Frames {
            return false;
        }
        let limit = greeting.terms.limit;
        greeting.deadline.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(context).is_ready()
    }

    fn end(&mut self, end: End) {
        tracing::debug!(connection = %self.connection, cause = %end.cause, "nothing more is read");
        if let Some(code) = end.code {
            self.line.close_with(code);
        }
        self.stop(Reading::Stopped, end.cause);
    }

    fn stop(&mut self, reading: Reading, cause: Cause) {
        self.reading = reading;
        if self.is_untold() {
            // Nobody else will.
            self.line.close(FLUSH_BEFORE_CLOSE, cause.close_code());
        } else {
            self.funnel.send(Inbound::Ended { connection: self.connection, cause });
        }
    }

    /// Whether the peer waits for an answer of HTTP, which a close would leave it without.
    fn owes_answer(&self) -> bool {
        // Whoever has ended its side, or broken a proxy's header, waits for nothing.
        let waits = |greeting: &Greeting| greeting.terms.expects_http() && greeting.proxy.is_none();
        self.reading != Reading::AtEnd && self.greeting.as_deref().is_some_and(waits)
    }

    /// Ready when the socket failed.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        loop {
            let mut sending = self.line.sending();
            self.line.write_some(&mut sending);
            sending.tidy();
            if let Some(cause) = sending.failed {
                return Poll::Ready(cause);
            }
            if sending.queued() == 0 {
                if std::mem::take(&mut sending.warned) {
                    drop(sending);
                    self.funnel.send(Inbound::Drained { connection: self.connection });
                }
                return Poll::Pending;
            }
            drop(sending);
            if ready!(self.line.writer.as_ref().poll_write_ready(context)).is_err() {
                return Poll::Ready(Cause::Reset);
            }
        }
    }

    /// Keeps the one timer that fits the state. Ready when its time is up.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        behind: Option<u64>,
        close: Option<Duration>,
    ) -> Poll<Cause> {
        let (awaited, within) = match (close, behind) {
            (Some(within), _) => (Awaited::Close, within),
            (None, Some(taken)) => (Awaited::Write(taken), WRITE_STALL),
            (None, None) => {
                self.timer = None;
                return Poll::Pending;
            }
        };
        let timer = match &mut self.timer {
            Some(timer) if timer.awaited == awaited => timer,
            slot => slot.insert(Timer { sleep: Box::pin(sleep_until(Instant::now() + within)), awaited }),
        };
        ready!(timer.sleep.as_mut().poll(context));
        Poll::Ready(if awaited == Awaited::Close { Cause::Requested } else { Cause::WriteStalled })
    }
}
