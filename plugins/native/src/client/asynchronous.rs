//! A client for programs with tokio: many requests at once, signs of life by itself.

use super::{
    ClientSettings, LAST_WORDS, READ_SIZE, gone, handshake, io_error,
    shared::{Forget, Shared},
};
use crate::{Body, ClientCodec, ClientError, Manifest, Push};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream, ToSocketAddrs,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout, timeout_at},
};

/// Frames that may wait to be written before those who send more have to wait.
const UNSENT_FRAMES: usize = 256;
/// Bytes that are put together to one write.
const WRITE_SIZE: usize = 64 * 1024;

/// A connection to a server, inside a tokio runtime with I/O and time. All calls may be made at once, by many tasks.
///
/// A task of its own shows the server that it is alive. Dropped, it ends the connection at once; [`close`](Self::close)
/// sends what is queued.
pub struct Client {
    shared: Arc<Shared>,
    frames: mpsc::Sender<Vec<u8>>,
    tasks: Tasks,
    settings: ClientSettings,
}

impl Client {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not want to speak with us.
    pub async fn connect(address: impl ToSocketAddrs, manifest: &Manifest) -> Result<Self, ClientError> {
        Self::connect_with(address, manifest, ClientSettings::default()).await
    }

    /// As [`connect`](Self::connect), with settings.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        address: impl ToSocketAddrs,
        manifest: &Manifest,
        settings: ClientSettings,
    ) -> Result<Self, ClientError> {
        let mut codec = ClientCodec::new(manifest.clone());
        let greeting = greet(address, &mut codec);
        let (stream, heartbeat) =
            timeout(settings.connect_timeout, greeting).await.map_err(|_| ClientError::Timeout)??;
        let (reader, writer) = stream.into_split();
        let (frames, queue) = mpsc::channel(UNSENT_FRAMES);
        let shared = Shared::new(codec, settings.push_capacity);
        let writer = tokio::spawn(write(writer, queue, heartbeat));
        let reader = tokio::spawn(read(reader, Arc::clone(&shared), writer.abort_handle()));
        Ok(Self { shared, frames, tasks: Tasks { reader, writer }, settings })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) when the server answers with an error; others when the manifest has no such
    /// request, no answer comes in time, or the connection ends.
    pub async fn request<Req, Rep>(&self, route: &str, body: &Req) -> Result<Rep, ClientError>
    where
        Req: Serialize + ?Sized,
        Rep: DeserializeOwned,
    {
        let (answer, answered) = oneshot::channel();
        let mut frame = Vec::new();
        let id = {
            let mut state = self.shared.alive()?;
            state.codec.check_reply::<Rep>(route)?;
            let id = state.codec.request(&mut frame, route, body)?;
            state.pending.insert(id, answer);
            id
        };
        let _forgotten = Forget { shared: &self.shared, id };
        let exchange = async {
            self.send(frame).await?;
            answered.await.map_err(|_| self.shared.why())?
        };
        let body: Body =
            timeout(self.settings.request_timeout, exchange).await.map_err(|_| ClientError::Timeout)??;
        Ok(body.decode()?)
    }

    /// Says something that wants no answer. Waits only while the connection takes no more.
    ///
    /// # Errors
    /// When the manifest has no such message, or the connection has ended.
    pub async fn notify<T: Serialize + ?Sized>(&self, route: &str, body: &T) -> Result<(), ClientError> {
        let mut frame = Vec::new();
        self.shared.alive()?.codec.notify(&mut frame, route, body)?;
        self.send(frame).await
    }

    /// Waits this long for a message that nobody asked for. Gives none when none came.
    ///
    /// # Errors
    /// When the connection has ended, after all pushes that came before were given.
    pub async fn next_push(&self, within: Duration) -> Result<Option<Push>, ClientError> {
        let deadline = Instant::now() + within;
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.shared.state();
                if let Some(push) = state.pushes.take() {
                    return Ok(Some(push));
                }
                if let Some(error) = &state.over {
                    return Err(error.clone());
                }
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> ClientError {
        loop {
            let changed = self.shared.changed.notified();
            if let Some(error) = self.shared.state().over.clone() {
                return error;
            }
            changed.await;
        }
    }

    /// Pushes that were dropped because nobody asked for them.
    pub fn dropped_pushes(&self) -> u64 {
        self.shared.state().pushes.dropped()
    }

    /// Sends what is queued, then closes.
    pub async fn close(self) {
        let Self { frames, mut tasks, .. } = self;
        drop(frames);
        let _ = timeout(LAST_WORDS, &mut tasks.writer).await;
        let _ = timeout(LAST_WORDS, &mut tasks.reader).await;
    }

    async fn send(&self, frame: Vec<u8>) -> Result<(), ClientError> {
        if self.frames.send(frame).await.is_ok() {
            return Ok(());
        }
        // Nothing can be written any more; what was read last says why.
        timeout(LAST_WORDS, self.closed()).await.map_or_else(|_| Err(gone()), Err)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

struct Tasks {
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}

async fn greet(
    address: impl ToSocketAddrs,
    codec: &mut ClientCodec,
) -> Result<(TcpStream, Duration), ClientError> {
    let connected = TcpStream::connect(address).await;
    let mut stream = connected.map_err(|error| ClientError::Connect(Arc::new(error)))?;
    stream.set_nodelay(true).map_err(io_error)?;
    let mut hello = Vec::new();
    codec.hello(&mut hello)?;
    stream.write_all(&hello).await.map_err(io_error)?;
    let mut buffer = [0; 1024];
    loop {
        if let Some(heartbeat) = handshake(codec)? {
            return Ok((stream, heartbeat));
        }
        match stream.read(&mut buffer).await.map_err(io_error)? {
            0 => return Err(gone()),
            count => codec.feed(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Ends with the connection, and takes the writing task with it.
async fn read(mut socket: OwnedReadHalf, shared: Arc<Shared>, writer: AbortHandle) {
    let mut buffer = vec![0; READ_SIZE];
    // What came with the Welcome is there already.
    let mut taken = shared.take(&[]);
    while taken.is_ok() {
        taken = match socket.read(&mut buffer).await {
            Ok(0) => Err(gone()),
            Ok(count) => shared.take(buffer.get(..count).unwrap_or_default()),
            Err(error) => Err(io_error(error)),
        };
    }
    if let Err(error) = taken {
        shared.end(error);
    }
    writer.abort();
}

async fn write(mut socket: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>, heartbeat: Duration) {
    let mut ping = Vec::new();
    // A frame without fields always has a place on the wire.
    let _ = crate::wire::ClientFrame::Ping.write(&mut ping);
    loop {
        let mut bytes = match timeout(heartbeat, frames.recv()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(_) => ping.clone(),
        };
        while bytes.len() < WRITE_SIZE
            && let Ok(more) = frames.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        if socket.write_all(&bytes).await.is_err() {
            // The reader finds out why.
            return;
        }
    }
    let _ = socket.shutdown().await;
}
