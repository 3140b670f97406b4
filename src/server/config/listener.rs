//! What a `[listener.NAME]` says.

use super::values::{Address, SecondsOrNever, Whole, words};
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
}

/// What holds where a listener does not say it. `assets/portcullis.toml` tells of these too.
impl Listener {
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
    Speaks { Skynet = "skynet", Raw = "raw", Native = "native" }
}

words! {
    /// The demo that a listener's connections are served by.
    Serve { Nothing = "nothing", SimpleDb = "simpledb", Echo = "echo", Chat = "chat" }
}

impl Serve {
    /// The protocol a demo speaks.
    pub fn speaks(self) -> Option<Speaks> {
        match self {
            Self::Nothing => None,
            Self::SimpleDb => Some(Speaks::Skynet),
            Self::Echo => Some(Speaks::Raw),
            Self::Chat => Some(Speaks::Native),
        }
    }
}
