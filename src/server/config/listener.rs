//! What a `[listener.NAME]` says.

use super::{
    Size,
    values::{Address, Network, Seconds, SecondsOrNever, Whole, words},
};
use serde::{Deserialize, Serialize};

/// A listener. Which protocol, and where, is always said; the rest may be left out.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    pub protocol: Speaks,
    pub address: Address,
    #[serde(default = "Listener::serve")]
    pub serve: Serve,
    #[serde(default = "Listener::login")]
    pub login: LogIn,
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
    #[serde(default = "Listener::relogin")]
    pub relogin: Relogin,
    #[serde(default = "Listener::relogin_seconds")]
    pub relogin_seconds: Seconds,
    #[serde(default = "Listener::server")]
    pub server: String,
    #[serde(default)]
    pub session_linger_seconds: SecondsOrNever,
    #[serde(default = "Listener::expired_number")]
    pub expired_number: Whole<0, 1_000_000>,
    #[serde(default = "Listener::kept_bytes")]
    pub kept_bytes: Size,
    #[serde(default = "Listener::client_check_seconds")]
    pub client_check_seconds: SecondsOrNever,
    #[serde(default = "Listener::login_deadline_seconds")]
    pub login_deadline_seconds: SecondsOrNever,
    #[serde(default = "Listener::max_message")]
    pub max_message: Size,
    #[serde(default = "Listener::bad_requests")]
    pub bad_requests: Whole<0, 1_000_000>,
    #[serde(default = "Listener::game_ready")]
    pub game_ready: bool,
    #[serde(default)]
    pub trusted: Vec<Network>,
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

    fn login() -> LogIn {
        LogIn::None
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

    pub fn relogin() -> Relogin {
        Relogin::Kick
    }

    pub fn relogin_seconds() -> Seconds {
        const { Seconds::of(5) }
    }

    pub fn server() -> String {
        "sample".to_owned()
    }

    pub fn expired_number() -> Whole<0, 1_000_000> {
        const { Whole::of(128) }
    }

    pub fn kept_bytes() -> Size {
        const { Size::of(262_144) }
    }

    pub fn client_check_seconds() -> SecondsOrNever {
        const { SecondsOrNever::of(60) }
    }

    pub fn login_deadline_seconds() -> SecondsOrNever {
        const { SecondsOrNever::of(300) }
    }

    pub fn max_message() -> Size {
        const { Size::of(524_288) }
    }

    pub fn bad_requests() -> Whole<0, 1_000_000> {
        const { Whole::of(10) }
    }

    pub fn game_ready() -> bool {
        true
    }
}

words! {
    /// The protocol of a listener.
    Speaks {
        Skynet = "skynet",
        SkynetLogin = "skynet-login",
        MsgServer = "msgserver",
        Raw = "raw",
        Native = "native",
        Pomelo = "pomelo",
        Sysconn = "sysconn",
    }
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
    /// What a listener's clients log in by.
    LogIn { None = "none", Accounts = "accounts" }
}

words! {
    /// What happens when a user who is logged in logs in again.
    Relogin { Kick = "kick", Refuse = "refuse" }
}

words! {
    /// The demo that a listener's connections are served by.
    Serve {
        Nothing = "nothing",
        SimpleDb = "simpledb",
        Login = "login",
        MsgAgent = "msgagent",
        Echo = "echo",
        Chat = "chat",
        Connector = "connector",
        Roles = "roles",
    }
}

impl Serve {
    /// The protocol a demo speaks.
    pub fn speaks(self) -> Option<Speaks> {
        match self {
            Self::Nothing => None,
            Self::SimpleDb => Some(Speaks::Skynet),
            Self::Login => Some(Speaks::SkynetLogin),
            Self::MsgAgent => Some(Speaks::MsgServer),
            Self::Echo => Some(Speaks::Raw),
            Self::Chat => Some(Speaks::Native),
            Self::Connector => Some(Speaks::Pomelo),
            Self::Roles => Some(Speaks::Sysconn),
        }
    }
}
