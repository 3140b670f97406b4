//! Whom we believe when they speak for somebody else.

use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// The proxies before a listener: what they say about a client's address is believed, and only from them.
///
/// A socket from one of these networks becomes a connection once its true address is known, so that all the gate does
/// by address is right. Default: none.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their networks. IPv4 addresses mapped into IPv6 count as IPv4.
    pub networks: Arc<[IpNet]>,
    /// They begin each socket with a header of the PROXY protocol, version 1 or 2; one without it is closed.
    pub proxy_protocol: bool,
    /// They tell the client in `X-Forwarded-For`: the rightmost address there that is not a proxy itself.
    pub forwarded_for: bool,
}

impl Proxies {
    /// Whether this is the address of a proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a socket from there may turn out to speak for somebody else.
    pub(crate) fn may_speak_for_others(&self, address: IpAddr) -> bool {
        (self.proxy_protocol || self.forwarded_for) && self.trusts(address)
    }

    /// Who a request came from, that this peer sent on with such an `X-Forwarded-For`.
    pub(crate) fn client(&self, peer: SocketAddr, forwarded: &str) -> SocketAddr {
        let mut client = peer;
        if !self.forwarded_for {
            return client;
        }
        for part in forwarded.rsplit(',') {
            if !self.trusts(client.ip()) {
                break;
            }
            // What cannot be read hides all that stands before it.
            let Some(address) = address(part.trim()) else { break };
            client = address;
        }
        client
    }
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 0),
        Err(_) => text.parse().ok()?,
    };
    Some(canonical(address))
}

/// An IPv4 address that was mapped into IPv6 as what it is.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(forwarded: &str) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let proxies = Proxies { networks: networks.into(), proxy_protocol: false, forwarded_for: true };
        proxies.client(([10, 0, 0, 1], 7).into(), forwarded).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        assert_eq!(client("192.0.2.1"), "192.0.2.1:0");
        assert_eq!(client("6.6.6.6, 192.0.2.1, 10.2.0.1,fd00::1"), "192.0.2.1:0");
        assert_eq!(client("192.0.2.1:443"), "192.0.2.1:443");
        assert_eq!(client("[2001:db8::1]:443, 10.0.0.2"), "[2001:db8::1]:443");
        assert_eq!(client("[2001:db8::1]"), "[2001:db8::1]:0");
        assert_eq!(client("::ffff:192.0.2.1"), "192.0.2.1:0");
    }

    #[test]
    fn what_cannot_be_read_is_not_looked_behind() {
        assert_eq!(client(""), "10.0.0.1:7");
        assert_eq!(client("6.6.6.6, unknown"), "10.0.0.1:7");
        assert_eq!(client("6.6.6.6, _hidden, 10.0.0.9"), "10.0.0.9:0");
    }

    #[test]
    fn an_untrusted_sender_is_the_client_whatever_it_says() {
        let proxies = Proxies { forwarded_for: true, ..Proxies::default() };
        assert_eq!(proxies.client(([6, 6, 6, 6], 1).into(), "1.2.3.4").to_string(), "6.6.6.6:1");
    }
}
