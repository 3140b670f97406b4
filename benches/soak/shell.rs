//! What all bots share: where the server listens, what time it is for them, and what they count. One thread, no locks.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use portcullis::{
    core::Framing,
    demo::chat,
    native::Manifest,
    skynet::sproto::{Host, Schema},
};
use rustls::ClientConfig;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    bad,
    link::{Carrier, Link},
    tally::Tally,
    trouble::Trouble,
};

/// The listeners, as the configuration names them.
pub mod door {
    pub const NATIVE: &str = "native";
    pub const MEMBERS: &str = "members";
    pub const SPROTO: &str = "sproto";
    pub const RAW: &str = "raw";
    pub const LOGIN: &str = "login";
    pub const MSGSERVER: &str = "msgserver";
    pub const POMELO: &str = "pomelo";
    pub const POMELO_TLS: &str = "pomelo_tls";
    pub const SYSCONN: &str = "sysconn";
}

/// The name of the msgserver, as its configuration has it by default.
pub const SAMPLE: &str = "sample";

/// Who pauses looks so often whether it is over.
const GLANCE: Duration = Duration::from_secs(1);

/// What all bots share.
pub struct Shell {
    ports: BTreeMap<String, u16>,
    pub tls: Arc<ClientConfig>,
    pub tally: RefCell<Tally>,
    pub kit: Kit,
    pub seed: u64,
    over: Cell<bool>,
}

/// What bots would else each have of their own.
pub struct Kit {
    pub chat: Arc<Manifest>,
    pub members: Arc<Manifest>,
    pub simpledb: Host,
    /// A body that inflates to far more than it may.
    pub bomb: Vec<u8>,
}

impl Kit {
    fn new() -> io::Result<Self> {
        use portcullis::demo::simpledb::{CLIENT_TO_SERVER, SERVER_TO_CLIENT};
        let schema = |text| Schema::parse(text).map_err(io::Error::other);
        let simpledb =
            Host::new(schema(SERVER_TO_CLIENT)?, schema(CLIENT_TO_SERVER)?).map_err(io::Error::other)?;
        Ok(Self {
            chat: Arc::new(chat::manifest()),
            members: Arc::new(chat::manifest().with_login()),
            simpledb,
            bomb: bad::bomb()?,
        })
    }
}

impl Shell {
    /// For a server that listens there.
    pub fn new(
        ports: BTreeMap<String, u16>,
        tls: Arc<ClientConfig>,
        tally: Tally,
        seed: u64,
    ) -> io::Result<Self> {
        let (over, tally) = (Cell::new(false), RefCell::new(tally));
        Ok(Self { ports, tls, tally, kit: Kit::new()?, seed, over })
    }

    /// Where this listener is.
    pub fn address(&self, door: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.get(door).copied().unwrap_or_default()).into()
    }

    /// A connection to this listener.
    pub async fn open(&self, door: &str, carrier: Carrier, framing: Framing) -> Result<Link, Trouble> {
        Link::open(self.address(door), carrier, framing, &self.tls).await
    }

    /// Everybody is to leave.
    pub fn end(&self) {
        self.over.set(true);
    }

    /// Whether everybody is to leave.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Waits so long, or until everybody is to leave.
    pub async fn pause(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            sleep(left.min(GLANCE)).await;
        }
    }

    /// What comes of this in so long, if anything does before everybody is to leave.
    pub async fn within<T>(&self, duration: Duration, work: impl Future<Output = T>) -> Option<T> {
        let until = Instant::now() + duration;
        let mut work = std::pin::pin!(work);
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if let Ok(done) = timeout(left.min(GLANCE), work.as_mut()).await {
                return Some(done);
            }
        }
        None
    }
}
