//! The yardstick for WebSocket: an echo server on tokio and tungstenite, used as well as it can be.
//!
//! One current-thread runtime, one task a connection. All messages of a read are answered by one write, and a short read
//! is taken for an empty socket, which saves the read that would only say so.

use std::{
    future::poll_fn,
    io::{self, Read, Write},
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime,
};
use tungstenite::{
    Error, Message, WebSocket,
    handshake::derive_accept_key,
    protocol::{Role, WebSocketConfig},
};

/// What a connection reads at once, and keeps for it: more than 32 requests, far less than tungstenite's own 128 KiB.
const READ_BUFFER: usize = 8 * 1024;
/// The longest greeting.
const MAX_HEAD: usize = 4 * 1024;

/// Serves on a free port of 127.0.0.1, for ever.
pub fn serve(report_port: impl FnOnce(u16) -> io::Result<()>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        report_port(listener.local_addr()?.port())?;
        // Spawned, as the block_on future itself is polled on every wake-up of the runtime.
        tokio::spawn(accept(listener)).await?
    })
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
    }
}

/// Echoes until the peer ends the connection, in whichever way.
async fn echo(mut stream: TcpStream) -> io::Result<()> {
    upgrade(&mut stream).await?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let stream = Polled { stream, waker: Waker::noop().clone() };
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    poll_fn(|context| poll_echo(&mut socket, context)).await.map_err(io::Error::other)
}

fn poll_echo(socket: &mut WebSocket<Polled>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
    if !socket.get_ref().waker.will_wake(context.waker()) {
        socket.get_mut().waker = context.waker().clone();
    }
    loop {
        match socket.read() {
            Ok(message @ (Message::Binary(_) | Message::Text(_))) => socket.write(message)?,
            Ok(_) => {}
            Err(error) if is_blocked(&error) => break,
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    match socket.flush() {
        Err(error) if !is_blocked(&error) => Poll::Ready(Err(error)),
        _ => Poll::Pending,
    }
}

fn is_blocked(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn upgrade(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).await
}

/// A stream of tokio's as tungstenite wants it: what would block says so, and wakes its task later.
struct Polled {
    stream: TcpStream,
    waker: Waker,
}

impl Polled {
    fn poll<R>(
        &mut self,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> io::Result<R> {
        match poll(Pin::new(&mut self.stream), &mut Context::from_waker(&self.waker)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for Polled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        self.poll(|stream, context| stream.poll_read(context, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl Write for Polled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.poll(|stream, context| stream.poll_write(context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
