//! Connections that say nothing: what they weigh, and what the server does all day. Each has exchanged a request.

use std::{
    io,
    net::Ipv4Addr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::ClientConfig;

use crate::{
    child::Server,
    frames::Frames,
    peer::{self, Stream},
};

/// Connections from one source address: far fewer than it has ports. The next ones come from the address after it.
const PER_SOURCE: usize = 2_000;

/// Descriptors a process needs for everything else.
const OTHER_FILES: u64 = 100;

/// Time for the server to come to rest before it is weighed.
const REST: Duration = Duration::from_secs(1);

/// We promise this much of one core at rest.
pub const MOST_SHARE: f64 = 0.01;

/// The figures of one run.
pub struct Idle {
    /// Connections that were open.
    pub connections: usize,
    /// Growth of the server's resident memory by one connection, in KiB. The kernel's part is not in it.
    pub kib: f64,
    /// CPU time of the server as a part of one core's.
    pub share: f64,
}

/// Raises the limit of open files of this process, and so of its later children, as far as it may go, and
/// returns how many of `connections` it allows.
pub fn allow(connections: u32) -> io::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit })?;
    let most = limit.maximum.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES));
    Ok(u64::from(connections).min(most) as usize)
}

/// Opens `connections`, encrypted if there is a configuration for that, lets each exchange one frame, and watches
/// `server` for `window` of silence.
pub fn run(
    server: &Server,
    connections: usize,
    payload: u16,
    window: Duration,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Idle> {
    let mut frames = Frames::new(server.wire(), server.subject(), payload, 1);
    // The first connection brings what a server allocates once.
    let first = greet(server, 0, &mut frames, tls)?;
    thread::sleep(REST);
    let kib_before = server.resident_kib()?;

    let mut silent = vec![first];
    for index in 1..=connections {
        silent.push(greet(server, index, &mut frames, tls)?);
    }
    thread::sleep(REST);
    let kib_after = server.resident_kib()?;

    let (began, cpu_before) = (Instant::now(), server.cpu_time()?);
    thread::sleep(window);
    let (elapsed, cpu_after) = (began.elapsed(), server.cpu_time()?);
    still_there(&mut silent, &mut frames)?;

    Ok(Idle {
        connections,
        kib: kib_after.saturating_sub(kib_before) as f64 / connections as f64,
        share: cpu_after.saturating_sub(cpu_before).as_secs_f64() / elapsed.as_secs_f64(),
    })
}

/// Opens one connection and exchanges one frame.
fn greet(
    server: &Server,
    index: usize,
    frames: &mut Frames,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Box<dyn Stream>> {
    let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + (index / PER_SOURCE) as u32);
    let mut stream = peer::connect_any(server, Some(source), tls)?;
    exchange(&mut stream, frames, index as u64)?;
    Ok(stream)
}

/// A server that dropped them would look very thrifty: every connection must still echo.
fn still_there(silent: &mut [Box<dyn Stream>], frames: &mut Frames) -> io::Result<()> {
    silent.iter_mut().zip(0..).try_for_each(|(stream, number)| exchange(stream, frames, number))
}

fn exchange(stream: &mut Box<dyn Stream>, frames: &mut Frames, number: u64) -> io::Result<()> {
    stream.write_all(frames.stamp(number, 1))?;
    let mut reply = vec![0; frames.reply_size()];
    stream.read_exact(&mut reply)?;
    frames.check(&reply, number, true).map(|_| ())
}
