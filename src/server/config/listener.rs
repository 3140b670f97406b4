//! What a `[listener.NAME]` says.

use super::values::{Address, Network, SecondsOrNever, Whole, words};
use serde::{Deserialize, Serialize};

/// A listener. Which protocol, and where, is always said; the rest may be left out.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub protocol: Speaks,
    pub address: Address,
    #[serde(default = "Listener::serve")]
    pub serve: Serve,
    #[serde(default = "Listener::nodelay")]
    pub nodelay: bool,
    #[serde(default = "Listener::backlog")]
    pub backlog: Whole<1, 65_535>,
    #[serde(default = "Listener::max_clients")]
    pub max_clients: Whole<0, 1_000_000>,
    #[serde(default = "Listener::idle_seconds")]
    pub idle_seconds: SecondsOrNever,
    #[serde(default = "Listener::heartbeat_seconds")]
    pub heartbeat_seconds: SecondsOrNever,
    #[serde(default)]
    pub schema_c2s: String,
    #[serde(default)]
    pub schema_s2c: String,
    #[serde(default = "Listener::accepts")]
    pub accepts: Accepts,
    #[serde(default)]
    pub tls_certificate: String,
    #[serde(default)]
    pub tls_key: String,
    #[serde(default)]
    pub proxies: Vec<Network>,
    #[serde(default)]
    pub proxy_protocol: bool,
    #[serde(default)]
    pub forwarded_for: bool,
    #[serde(default = "Listener::multi_login")]
    pub multi_login: Multi,
    #[serde(default)]
    pub heartbeat_timeout_seconds: SecondsOrNever,
    #[serde(default)]
    pub strict_heartbeats: bool,
    #[serde(default)]
    pub error_texts: bool,
    #[serde(default)]
    pub dictionary: String,
    #[serde(default)]
    pub client_protos: String,
    #[serde(default)]
    pub server_protos: String,
}

/// What stands for the files that come with the server.
pub const DEMO: &str = "demo";

/// What holds where a listener does not say it. `assets/portcullis.toml` tells of these too.
impl Listener {
    fn accepts() -> Accepts {
        Accepts::Auto
    }

    fn multi_login() -> Multi {
        Multi::Auto
    }

    fn serve() -> Serve {
        Serve::Nothing
    }

    fn nodelay() -> bool {
        true
    }

    fn backlog() -> Whole<1, 65_535> {
        const { Whole::of(1024) }
    }

    fn max_clients() -> Whole<0, 1_000_000> {
        const { Whole::of(0) }
    }

    fn idle_seconds() -> SecondsOrNever {
        const { SecondsOrNever::of(60) }
    }

    fn heartbeat_seconds() -> SecondsOrNever {
        const { SecondsOrNever::of(0) }
    }
}

words! {
    /// The protocol of a listener.
    Speaks { Skynet = "skynet", Raw = "raw", Native = "native", Pomelo = "pomelo" }
}

words! {
    /// What a listener's connections may be: `auto` is what the clients of its protocol use.
    Accepts { Auto = "auto", Tcp = "tcp", WebSocket = "websocket", Both = "both" }
}

words! {
    /// What happens when a user logs in over another connection: `auto` is what its protocol's servers do.
    Multi { Auto = "auto", Replace = "replace", Refuse = "refuse", Allow = "allow" }
}

words! {
    /// The demo that a listener's connections are served by.
    Serve { Nothing = "nothing", SimpleDb = "simpledb", Echo = "echo", Chat = "chat", Connector = "connector" }
}

impl Serve {
    /// The protocol a demo speaks.
    pub fn speaks(self) -> Option<Speaks> {
        match self {
            Self::Nothing => None,
            Self::SimpleDb => Some(Speaks::Skynet),
            Self::Echo => Some(Speaks::Raw),
            Self::Chat => Some(Speaks::Native),
            Self::Connector => Some(Speaks::Pomelo),
        }
    }
}
