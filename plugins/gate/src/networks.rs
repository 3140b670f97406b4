//! Sets of addresses and networks.

use ipnet::{IpNet, Ipv4Net};
use std::{collections::HashSet, net::IpAddr, str::FromStr};
use thiserror::Error;

/// A set of addresses and networks.
///
/// IPv4 addresses that were mapped into IPv6 (`::ffff:192.0.2.1`) are compared as IPv4, on both sides. Looking an
/// address up costs one hash for each possible prefix length, however many networks there are.
///
/// ```
/// use portcullis_gate::Networks;
///
/// let networks: Networks = "
///     192.0.2.7         # a single address
///     203.0.113.0/24    # a network
///     2001:db8::/32
/// ".parse()?;
/// assert!(networks.contains("203.0.113.200".parse()?));
/// assert!(networks.contains("::ffff:192.0.2.7".parse()?));
/// assert!(!networks.contains("192.0.2.8".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(HashSet<IpNet>);

impl Networks {
    /// Adds a network, and tells whether it was not there yet. Bits beyond its prefix do not matter.
    pub fn add(&mut self, network: IpNet) -> bool {
        self.0.insert(normal(network))
    }

    /// Takes a network out, and tells whether it was there. Networks inside or around it stay.
    pub fn remove(&mut self, network: IpNet) -> bool {
        self.0.remove(&normal(network))
    }

    /// Whether the address lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let host = IpNet::from(address.to_canonical());
        std::iter::successors(Some(host), IpNet::supernet).any(|network| self.0.contains(&network))
    }

    /// The networks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> {
        self.0.iter().copied()
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        Self(networks.into_iter().map(normal).collect())
    }
}

/// One network or address a line; what follows a `#` is a remark.
impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        text.lines()
            .filter_map(|line| line.split('#').next())
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(parse_network)
            .collect()
    }
}

/// A text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no address and no network: write 192.0.2.7, 203.0.113.0/24, or the same in IPv6")]
pub struct InvalidNetwork(pub String);

/// Reads a network, or an address as the network that holds it alone.
///
/// # Errors
/// When it is neither.
pub fn parse_network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(normal).map_err(|_| InvalidNetwork(text.to_owned()))
}

/// Without the bits beyond the prefix, and as IPv4 where it is IPv4 mapped into IPv6.
pub(crate) fn normal(network: IpNet) -> IpNet {
    if let IpNet::V6(mapped) = network
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Some(prefix) = mapped.prefix_len().checked_sub(96)
        && let Ok(network) = Ipv4Net::new(address, prefix)
    {
        return IpNet::V4(network.trunc());
    }
    network.trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn mapped_networks_are_ipv4_networks() {
        let mut networks = Networks::default();
        assert!(networks.add("::ffff:10.0.0.0/104".parse().unwrap()));
        assert!(!networks.add("10.1.2.3/8".parse().unwrap()), "the same network");
        assert!(networks.contains(ip("10.255.0.1")) && networks.contains(ip("::ffff:10.9.9.9")));
        assert!(!networks.contains(ip("11.0.0.1")));
        assert!(networks.remove("10.0.0.0/8".parse().unwrap()));
        assert!(networks.is_empty());
    }

    #[test]
    fn the_widest_and_the_narrowest_networks_hold() {
        let networks: Networks = "0.0.0.0/0\n2001:db8::1".parse().unwrap();
        assert!(networks.contains(ip("255.1.2.3")));
        assert!(networks.contains(ip("2001:db8::1")) && !networks.contains(ip("2001:db8::2")));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let result = "10.0.0.0/8\n10.0.0.0/33".parse::<Networks>();
        assert_eq!(result, Err(InvalidNetwork("10.0.0.0/33".to_owned())));
    }
}
