//! The task of the asynchronous client: one connection after the other.

use super::{
    ClientSettings, LAST_WORDS, READ_SIZE, backoff::Backoff, gone, io_error, is_worth_another, shared::Shared,
};
use crate::{ClientError, wire::ClientFrame};
use std::{
    future::{pending, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep, timeout, timeout_at},
};

/// Serves the connection, and those that take its place, until it is over.
pub(super) async fn run(
    mut stream: TcpStream,
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    settings: ClientSettings,
) {
    loop {
        let error = converse(stream, &shared).await;
        stream = match come_back(error, &shared, &addresses, &settings).await {
            Ok(stream) => stream,
            Err(error) => return shared.end(error),
        };
    }
}

/// Reads and writes until the connection ends, and gives why.
async fn converse(stream: TcpStream, shared: &Shared) -> ClientError {
    let (reader, writer) = stream.into_split();
    let mut reading = pin!(read(reader, shared));
    let mut writing = pin!(write(writer, shared));
    poll_fn(|context| match (reading.as_mut().poll(context), writing.as_mut().poll(context)) {
        (Poll::Ready(error), _) | (_, Poll::Ready(error)) => Poll::Ready(error),
        _ => Poll::Pending,
    })
    .await
}

async fn read(mut socket: OwnedReadHalf, shared: &Shared) -> ClientError {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let taken = match socket.read(&mut buffer).await {
            Ok(0) => Err(gone()),
            Ok(count) => shared.take(buffer.get(..count).unwrap_or_default()),
            Err(error) => Err(io_error(error)),
        };
        if let Err(error) = taken {
            return error;
        }
    }
}

/// Ends only where what was read last cannot say why.
async fn write(mut socket: OwnedWriteHalf, shared: &Shared) -> ClientError {
    loop {
        // The manifest had logins when there was a ticket first.
        let _ = shared.state().renew_if_due();
        let bytes = shared.take_unsent();
        if !bytes.is_empty() {
            if let Err(error) = socket.write_all(&bytes).await {
                // What came before may say why.
                sleep(LAST_WORDS).await;
                return io_error(error);
            }
            continue;
        }
        let heartbeat = {
            let state = shared.state();
            if state.closing {
                break;
            }
            state.heartbeat
        };
        if timeout(heartbeat, shared.unsent.notified()).await.is_err() {
            // A frame without fields always has a place on the wire.
            let _ = ClientFrame::Ping.write(&mut shared.state().out);
        }
    }
    let _ = socket.shutdown().await;
    pending().await
}

/// Another connection in the place of one that is lost, with our session behind it; or why there is none.
async fn come_back(
    lost: ClientError,
    shared: &Shared,
    addresses: &[SocketAddr],
    settings: &ClientSettings,
) -> Result<TcpStream, ClientError> {
    let Some(policy) = &settings.resume else { return Err(lost) };
    {
        let state = shared.state();
        if state.closing || !lost.is_loss() || !state.codec.can_resume() {
            return Err(lost);
        }
    }
    shared.lose(&lost);
    let give_up = Instant::now() + policy.within;
    let mut backoff = Backoff::new(policy);
    loop {
        if timeout_at(give_up, sleep(backoff.pause())).await.is_err() {
            return Err(lost);
        }
        let attempt_until = give_up.min(Instant::now() + settings.connect_timeout);
        let attempt = timeout_at(attempt_until, resume(addresses, shared)).await;
        match attempt.unwrap_or(Err(ClientError::Timeout)) {
            Ok(stream) => return Ok(stream),
            Err(error) if is_worth_another(&error) => {
                tracing::debug!(%error, "a client has not come back yet");
                shared.lose(&lost);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn resume(addresses: &[SocketAddr], shared: &Shared) -> Result<TcpStream, ClientError> {
    let mut stream = greet(addresses, shared).await?;
    let mut ticket = Vec::new();
    shared.state().codec.resume(&mut ticket)?;
    stream.write_all(&ticket).await.map_err(io_error)?;
    let mut buffer = [0; 1024];
    while !shared.state().is_resumed() {
        pull(&mut stream, shared, &mut buffer).await?;
    }
    Ok(stream)
}

/// Connects and shakes hands.
pub(super) async fn greet(addresses: &[SocketAddr], shared: &Shared) -> Result<TcpStream, ClientError> {
    let connected = TcpStream::connect(addresses).await;
    let mut stream = connected.map_err(|error| ClientError::Connect(Arc::new(error)))?;
    stream.set_nodelay(true).map_err(io_error)?;
    let mut hello = Vec::new();
    shared.state().codec.hello(&mut hello)?;
    stream.write_all(&hello).await.map_err(io_error)?;
    let mut buffer = [0; 1024];
    while !shared.state().is_welcome() {
        pull(&mut stream, shared, &mut buffer).await?;
    }
    Ok(stream)
}

async fn pull(stream: &mut TcpStream, shared: &Shared, buffer: &mut [u8]) -> Result<(), ClientError> {
    match stream.read(buffer).await.map_err(io_error)? {
        0 => Err(gone()),
        count => shared.take(buffer.get(..count).unwrap_or_default()),
    }
}
