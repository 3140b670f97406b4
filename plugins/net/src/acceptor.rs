//! The task that accepts a listener's sockets.

use crate::{IoRuntime, driver::pause, listener::Control, serve::serve};
use portcullis_core::Funnel;
use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// How long to wait before accepting again when there are no descriptors or no memory for another socket.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Acceptor {
    socket: TcpListener,
    control: Arc<Control>,
    funnel: Funnel,
    io: IoRuntime,
}

impl Acceptor {
    pub(crate) fn new(socket: TcpListener, control: &Arc<Control>, funnel: &Funnel, io: &IoRuntime) -> Self {
        Self { socket, control: Arc::clone(control), funnel: funnel.clone(), io: io.clone() }
    }

    pub(crate) async fn run(self) {
        // How often, and whether this time is told already.
        let (mut shortages, mut exhausted) = (0_u64, false);
        while self.control.switch.opened().await {
            poll_fn(|context| self.funnel.poll_room(context)).await;
            let mut changed = pin!(self.control.switch.changed());
            let accepted = poll_fn(|context| match changed.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(None),
                // Looked at here, for a newcomer may come long after it was looked at last.
                Poll::Pending => match self.funnel.budget().poll_newcomers(context) {
                    Poll::Ready(()) => self.socket.poll_accept(context).map(Some),
                    Poll::Pending => Poll::Pending,
                },
            });
            let Some(accepted) = accepted.await else { continue };
            match accepted {
                Ok((socket, peer)) => {
                    exhausted = false;
                    let terms = self.control.terms();
                    if let Err(error) = prepare(&socket, terms.nodelay) {
                        tracing::debug!(%peer, %error, "an accepted socket was gone at once");
                        continue;
                    }
                    serve(socket, peer, &terms, &self.funnel, &self.io.lanes);
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
                Err(error) => {
                    shortages += u64::from(!exhausted);
                    // Peers who come and go at the limit must not flood the log: the first, the second, the fourth time.
                    if !std::mem::replace(&mut exhausted, true) && shortages.is_power_of_two() {
                        tracing::warn!(%error, times = shortages, "cannot accept: raise the limit of open files, or lower max_clients");
                    }
                    pause(self.control.switch.changed(), EXHAUSTED_PAUSE).await;
                }
            }
        }
    }
}

fn prepare(socket: &TcpStream, nodelay: bool) -> io::Result<()> {
    socket.set_nodelay(nodelay)?;
    socket2::SockRef::from(socket).set_keepalive(true)
}

/// Errors that say something about the connection that was to be accepted, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
