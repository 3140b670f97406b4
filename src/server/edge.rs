//! The edge of a listener: what its connections may be, its certificate, and the proxies before it.

use super::config::{Accepts, Listener as Settings, Speaks};
use portcullis::{
    core::Framing,
    gate::parse_network,
    net::{Accepts as Transports, Listener, MessageKind, Proxies, Tls},
};

/// A setting of the edge that cannot be used.
#[derive(Debug)]
pub struct EdgeFault {
    /// The key.
    pub key: &'static str,
    /// What it was set to.
    pub value: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The listener that these settings describe.
pub fn listener(settings: &Settings, framing: Framing) -> Result<Listener, EdgeFault> {
    let listener = Listener {
        nodelay: settings.nodelay,
        backlog: settings.backlog.small(),
        accepts: match (settings.accepts, settings.protocol) {
            (Accepts::WebSocket, _) | (_, Speaks::Sysconn) => Transports::WebSocket,
            (Accepts::Both, _) | (Accepts::Auto, Speaks::Pomelo) => Transports::Both,
            (Accepts::Tcp | Accepts::Auto, _) => Transports::Tcp,
        },
        messages: match settings.protocol {
            Speaks::Sysconn => MessageKind::Binary,
            _ => MessageKind::Either,
        },
        tls: tls(settings)?,
        ..Listener::new(settings.address.0, framing)
    };
    Ok(match proxies(settings)? {
        Some(proxies) => listener.proxies(proxies),
        None => listener,
    })
}

fn tls(settings: &Settings) -> Result<Option<Tls>, EdgeFault> {
    let (certificate, key) = (&settings.tls_certificate, &settings.tls_key);
    for (this, other, names) in [
        (certificate, key, ("tls_certificate", "tls_key")),
        (key, certificate, ("tls_key", "tls_certificate")),
    ] {
        if this.is_empty() && !other.is_empty() {
            return Err(EdgeFault {
                key: names.0,
                value: String::new(),
                problem: format!("is missing beside {}: name the other file too, or neither", names.1),
            });
        }
    }
    if certificate.is_empty() {
        return Ok(None);
    }
    Tls::from_pem_files(certificate, key).map(Some).map_err(|error| EdgeFault {
        key: "tls_certificate",
        value: certificate.clone(),
        problem: format!("will not do: {error}"),
    })
}

fn proxies(settings: &Settings) -> Result<Option<Proxies>, EdgeFault> {
    let (proxy_protocol, forwarded_for) = (settings.proxy_protocol, settings.forwarded_for);
    let fault =
        |problem: &str| EdgeFault { key: "proxies", value: String::new(), problem: problem.to_owned() };
    match (proxy_protocol || forwarded_for, settings.proxies.is_empty()) {
        (false, true) => Ok(None),
        (true, true) => {
            Err(fault("is missing: name the networks whose word is taken for whom a connection is from"))
        }
        (false, false) => {
            Err(fault("says nothing alone: set proxy_protocol or forwarded_for too, or take it out"))
        }
        (true, false) => {
            let networks = settings.proxies.iter().filter_map(|network| parse_network(&network.0).ok());
            Ok(Some(Proxies { networks: networks.collect(), proxy_protocol, forwarded_for }))
        }
    }
}
