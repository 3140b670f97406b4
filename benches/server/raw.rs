//! The yardstick: an echo server straight on tokio, as good as one can be written.
//!
//! One current-thread runtime, one task a connection. A read goes into a buffer all tasks share, complete frames
//! leave it by one write without being copied, and only what a read cut in two is kept by its connection. So an
//! idle connection owns no buffer, and a busy one costs one read and one write however many frames come at once.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime,
};

/// Bytes of the shared buffer: room for the longest frame (2 + 65,535) cut in two, and as much again to read into.
const SCRATCH: usize = 128 * 1024;

thread_local! {
    static READ_INTO: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Tells where the frame ends that these bytes begin with; none while its head is incomplete.
pub trait Measure: Fn(&[u8]) -> Option<usize> + Copy + Send + Sync + 'static {}

impl<F: Fn(&[u8]) -> Option<usize> + Copy + Send + Sync + 'static> Measure for F {}

/// A `u16` and that many bytes.
pub fn be16(bytes: &[u8]) -> Option<usize> {
    let [high, low] = bytes.first_chunk()?;
    Some(2 + usize::from(u16::from_be_bytes([*high, *low])))
}

/// A package of Pomelo: its kind, a length of three bytes, and that many bytes.
pub fn package(bytes: &[u8]) -> Option<usize> {
    let [_, high, middle, low] = bytes.first_chunk()?;
    Some(4 + u32::from_be_bytes([0, *high, *middle, *low]) as usize)
}

/// Serves frames of this kind on a free port of 127.0.0.1, for ever.
pub fn serve(measure: impl Measure, report_port: impl FnOnce(u16) -> io::Result<()>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        report_port(listener.local_addr()?.port())?;
        // Spawned, as the block_on future itself is polled on every wake-up of the runtime.
        tokio::spawn(accept(listener, measure)).await?
    })
}

async fn accept(listener: TcpListener, measure: impl Measure) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream, measure));
    }
}

/// Echoes until the peer ends the connection, in whichever way.
async fn echo(mut stream: TcpStream, measure: impl Measure) -> io::Result<()> {
    let mut cut = Vec::new();
    loop {
        match poll_fn(|cx| poll_echo(&mut stream, measure, &mut cut, cx)).await? {
            Echoed::Everything => {}
            Echoed::AllBut(unsent) => stream.write_all(&unsent).await?,
            Echoed::End => return Ok(()),
        }
    }
}

/// What one read came to.
enum Echoed {
    Everything,
    /// The peer reads slowly: these bytes did not fit the socket.
    AllBut(Vec<u8>),
    End,
}

/// One read and one write. `cut` is the beginning of a frame whose end has not come yet.
fn poll_echo(
    stream: &mut TcpStream,
    measure: impl Measure,
    cut: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Echoed>> {
    READ_INTO.with_borrow_mut(|bytes| {
        let (kept, room) = bytes.split_at_mut(cut.len());
        let mut room = ReadBuf::new(room);
        // `poll_read` rather than `try_read`: it takes a short read for an empty socket and saves the read that would
        // only say so.
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            return Poll::Ready(Ok(Echoed::End));
        }
        kept.copy_from_slice(cut);
        let received = &bytes[..cut.len() + read];
        let (frames, rest) = received.split_at(complete(received, measure));
        cut.clear();
        cut.extend_from_slice(rest);
        let sent = match Pin::new(stream).poll_write(cx, frames) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        Poll::Ready(Ok(match &frames[sent..] {
            [] => Echoed::Everything,
            unsent => Echoed::AllBut(unsent.to_vec()),
        }))
    })
}

/// How many of `bytes` are complete frames.
fn complete(bytes: &[u8], measure: impl Measure) -> usize {
    let mut end = 0;
    while let Some(size) = measure(&bytes[end..]) {
        if end + size > bytes.len() {
            break;
        }
        end += size;
    }
    end
}
