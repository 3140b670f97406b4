//! A client for programs with tokio: many requests at once, signs of life by itself.

use super::{
    ClientSettings, LAST_WORDS, codec, logged_out,
    shared::{Forget, Shared},
    task,
};
use crate::{Body, ClientCodec, ClientError, Credentials, Manifest, Push, login};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    net::{ToSocketAddrs, lookup_host},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// A connection to a server, and after a [login](Self::log_in) the session behind it, which outlives connections. Inside a
/// tokio runtime with I/O and time. All calls may be made at once, by many tasks.
///
/// A task of its own shows the server that it is alive, and comes back when the connection is lost. Dropped, it ends the
/// connection at once; [`close`](Self::close) sends what is queued.
pub struct Client {
    shared: Arc<Shared>,
    task: Task,
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
        let shared = Shared::new(codec(manifest, &settings), settings.push_capacity);
        let greeting = async {
            let addresses = lookup_host(address).await;
            let addresses: Vec<_> =
                addresses.map_err(|error| ClientError::Connect(Arc::new(error)))?.collect();
            let stream = task::greet(&addresses, &shared).await?;
            Ok::<_, ClientError>((addresses, stream))
        };
        let (addresses, stream) =
            timeout(settings.connect_timeout, greeting).await.map_err(|_| ClientError::Timeout)??;
        let task = tokio::spawn(task::run(stream, Arc::clone(&shared), addresses, settings));
        Ok(Self { shared, task: Task(task), settings })
    }

    /// Logs in with a name and a password, on a server with `AccountLoginPlugin`: see [`login`]. From then on the client
    /// outlives its connection. Requests that wait at that moment do not.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) with 401 for a wrong name or password; its table is with the plugin. Others as
    /// of [`request`](Self::request).
    pub async fn log_in(&self, credentials: &Credentials) -> Result<(), ClientError> {
        self.ask(|codec, out| codec.log_in(out, credentials)).await.map(drop)
    }

    /// As [`log_in`](Self::log_in), and makes the account first.
    ///
    /// # Errors
    /// As of [`log_in`](Self::log_in); 409 when there is such an account, 403 when the server makes none for strangers.
    pub async fn register(&self, credentials: &Credentials) -> Result<(), ClientError> {
        self.ask(|codec, out| codec.register(out, credentials)).await.map(drop)
    }

    /// Ends the session, and closes. Dropping or [closing](Self::close) the client leaves the session waiting for it.
    ///
    /// # Errors
    /// When nobody is logged in, or the server cannot be told.
    pub async fn log_out(self) -> Result<(), ClientError> {
        let answer = logged_out(self.request(login::LOGOUT, &()).await);
        self.close().await;
        answer
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`Refused`](ClientError::Refused) when the server answers with an error; others when the manifest has no such
    /// request, no answer comes in time, too many wait for one, or the connection ends for good.
    pub async fn request<Req, Rep>(&self, route: &str, body: &Req) -> Result<Rep, ClientError>
    where
        Req: Serialize + ?Sized,
        Rep: DeserializeOwned,
    {
        let body = self.ask(|codec, out| {
            codec.check_reply::<Rep>(route)?;
            codec.request(out, route, body)
        });
        Ok(body.await?.decode()?)
    }

    /// Says something that wants no answer. Waits only while the connection takes no more. It is lost if the connection is
    /// lost just then, or while there is none.
    ///
    /// # Errors
    /// When the manifest has no such message, or the connection has ended.
    pub async fn notify<T: Serialize + ?Sized>(&self, route: &str, body: &T) -> Result<(), ClientError> {
        self.shared.say(|state| state.codec.notify(&mut state.out, route, body)).await
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

    /// Sends what is queued, then closes. While there is no connection nothing is.
    pub async fn close(self) {
        let Self { shared, mut task, .. } = self;
        let connected = {
            let mut state = shared.state();
            state.closing = true;
            state.is_welcome()
        };
        shared.unsent.notify_one();
        if connected {
            let _ = timeout(LAST_WORDS, &mut task.0).await;
        }
    }

    /// Asks, and waits for the answer; a login's is empty.
    async fn ask(
        &self,
        ask: impl FnOnce(&mut ClientCodec, &mut Vec<u8>) -> Result<u32, ClientError>,
    ) -> Result<Body, ClientError> {
        let deadline = Instant::now() + self.settings.request_timeout;
        let (answer, answered) = oneshot::channel();
        let asking = self.shared.say(|state| {
            let id = ask(&mut state.codec, &mut state.out)?;
            state.pending.insert(id, answer);
            Ok(id)
        });
        let id = timeout_at(deadline, asking).await.map_err(|_| ClientError::Timeout)??;
        let _forgotten = Forget { shared: &self.shared, id };
        let answer = timeout_at(deadline, answered).await.map_err(|_| ClientError::Timeout)?;
        answer.map_err(|_| self.shared.why())?
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
