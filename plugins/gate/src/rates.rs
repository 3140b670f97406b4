//! How fast connections of one address, and of one network, are let in.

use crate::neighbourhood;
use bevy_ecs::prelude::*;
use ipnet::IpNet;
use portcullis_core::DeadlineQueue;
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    net::IpAddr,
    time::Duration,
};

/// So many connections in the long run, and so many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcceptRate {
    /// Connections a second. Less than one a day, which is no rate at all, counts as that.
    pub per_second: f64,
    /// Connections at once, after a time without any. At least 1.
    pub burst: u32,
}

/// How fast connections are let in; `None` is as fast as they come. Loopback addresses are not limited: proxies, bots and
/// tests come from there. A change holds from the next connection on.
///
/// Only those are counted whom nothing else keeps out, so whoever is refused for another reason loses nothing by it.
/// 10,000 addresses and as many networks are known; of more, those are forgotten who would soonest have been free again.
#[derive(Resource, Clone, Copy, Debug, PartialEq)]
pub struct AcceptRates {
    /// For one address, or one IPv6 /64, which is what one subscriber has. Default 10 a second, 50 at once: a school whose
    /// network was gone for a moment comes back within seconds, up to what
    /// [`PerAddressLimit`](crate::PerAddressLimit) allows; one machine that only connects cannot keep the server busy.
    pub address: Option<AcceptRate>,
    /// For one [network](Self::ipv4_prefix). Default 50 a second, 250 at once: of five such addresses. It is for those who
    /// have many addresses side by side, as rented machines do.
    pub network: Option<AcceptRate>,
    /// Bits of an IPv4 address that tell its network, at most 32. Default 24: the smallest network that is routed.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that tell its network, at most 128. Default 48: what a site is given.
    pub ipv6_prefix: u8,
}

impl Default for AcceptRates {
    fn default() -> Self {
        Self {
            address: Some(AcceptRate { per_second: 10.0, burst: 50 }),
            network: Some(AcceptRate { per_second: 50.0, burst: 250 }),
            ipv4_prefix: 24,
            ipv6_prefix: 48,
        }
    }
}

impl AcceptRates {
    /// No limit.
    pub const UNLIMITED: Self = Self { address: None, network: None, ipv4_prefix: 24, ipv6_prefix: 48 };

    /// The network an address counts with.
    fn network_of(&self, address: IpAddr) -> IpNet {
        let address = address.to_canonical();
        let prefix = if address.is_ipv4() { self.ipv4_prefix.min(32) } else { self.ipv6_prefix.min(128) };
        IpNet::new(address, prefix).unwrap_or_else(|_| address.into()).trunc()
    }
}

/// Forgiven, for moments are rounded.
const ROUNDED: Duration = Duration::from_micros(1);
/// The longest time from one to the next.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// Addresses, and networks, that are known at once.
const MAX_KNOWN: usize = 10_000;

/// Who has come of late.
#[derive(Resource, Debug, Default)]
pub(crate) struct Newcomers {
    addresses: Buckets<IpAddr>,
    networks: Buckets<IpNet>,
}

impl Newcomers {
    /// Counts a newcomer, unless its address or its network has had as many as it may.
    pub(crate) fn admit(&mut self, rates: &AcceptRates, address: IpAddr, now: Duration) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return true;
        }
        let (neighbourhood, network) = (neighbourhood(address), rates.network_of(address));
        let has_room = rates.address.is_none_or(|rate| self.addresses.has_room(rate, &neighbourhood, now))
            && rates.network.is_none_or(|rate| self.networks.has_room(rate, &network, now));
        if has_room {
            if let Some(rate) = rates.address {
                self.addresses.take(rate, neighbourhood, now);
            }
            if let Some(rate) = rates.network {
                self.networks.take(rate, network, now);
            }
        }
        has_room
    }
}

/// A bucket for each key, by the moment it will be full. What is full is not held.
#[derive(Debug)]
struct Buckets<K> {
    full_at: HashMap<K, Duration>,
    /// Each key once, due when its bucket was to be full as it was put here.
    order: DeadlineQueue<K>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { full_at: HashMap::new(), order: DeadlineQueue::default() }
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn has_room(&self, rate: AcceptRate, key: &K, now: Duration) -> bool {
        let missing = self.full_at.get(key).map_or(Duration::ZERO, |full| full.saturating_sub(now));
        missing <= interval(rate).saturating_mul(rate.burst.max(1) - 1).saturating_add(ROUNDED)
    }

    fn take(&mut self, rate: AcceptRate, key: K, now: Duration) {
        while let Some(due) = self.order.pop_due(now) {
            self.drop_or_put_back(due, now);
        }
        let next = |full: Duration| full.max(now).saturating_add(interval(rate));
        match self.full_at.entry(key) {
            Entry::Occupied(mut full) => *full.get_mut() = next(*full.get()),
            Entry::Vacant(place) => {
                let full = *place.insert(next(Duration::ZERO));
                self.order.push(full, key);
            }
        }
        while self.full_at.len() > MAX_KNOWN
            && let Some(moment) = self.order.next_due()
            && let Some(stalest) = self.order.pop_due(moment)
        {
            self.drop_or_put_back(stalest, moment);
        }
    }

    /// Forgets a key, unless its bucket will be full only after this moment.
    fn drop_or_put_back(&mut self, key: K, moment: Duration) {
        match self.full_at.get(&key) {
            Some(&full) if full > moment => self.order.push(full, key),
            _ => drop(self.full_at.remove(&key)),
        }
    }
}

/// From one to the next.
fn interval(rate: AcceptRate) -> Duration {
    Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(MAX_INTERVAL).min(MAX_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    const RATE: AcceptRate = AcceptRate { per_second: 4.0, burst: 3 };

    fn admitted(newcomers: &mut Newcomers, rates: &AcceptRates, address: &str, now: u64) -> usize {
        let address: IpAddr = address.parse().unwrap();
        (0..20).filter(|_| newcomers.admit(rates, address, Duration::from_millis(now))).count()
    }

    #[test]
    fn a_burst_at_once_then_so_many_a_second() {
        let rates = AcceptRates { address: Some(RATE), ..AcceptRates::UNLIMITED };
        let mut newcomers = Newcomers::default();
        let mut come = |address: &str, now| admitted(&mut newcomers, &rates, address, now);
        assert_eq!(come("192.0.2.1", 0), 3);
        assert_eq!(come("::ffff:192.0.2.1", 0), 0);
        assert_eq!(come("192.0.2.2", 0), 3);
        assert_eq!(come("192.0.2.1", 249), 0);
        assert_eq!(come("192.0.2.1", 250), 1);
        assert_eq!(come("192.0.2.1", 600), 1);
        assert_eq!(come("192.0.2.1", 60_000), 3);
        assert_eq!(come("2001:db8::1", 0), 3);
        assert_eq!(come("2001:db8::2", 0), 0, "it is the same subscriber");
        assert_eq!(come("127.0.0.1", 0) + come("::1", 0), 40);
    }

    #[test]
    fn a_network_counts_what_its_addresses_do_together() {
        let rates = AcceptRates { network: Some(RATE), ..AcceptRates::UNLIMITED };
        let mut newcomers = Newcomers::default();
        let mut come =
            |address: &str| usize::from(newcomers.admit(&rates, address.parse().unwrap(), Duration::ZERO));
        let of_v4: usize = (0..=255).map(|last| come(&format!("192.0.2.{last}"))).sum();
        let of_v6: usize = (0..=255).map(|subnet| come(&format!("2001:db8:1:{subnet:x}::1"))).sum();
        assert_eq!((of_v4, of_v6), (3, 3));
        assert_eq!((come("192.0.3.1"), come("2001:db8:2::1")), (1, 1));
    }

    #[test]
    fn whom_the_network_keeps_out_the_address_does_not_count() {
        let rates = AcceptRates { address: Some(RATE), network: Some(RATE), ..AcceptRates::UNLIMITED };
        let mut newcomers = Newcomers::default();
        assert_eq!(admitted(&mut newcomers, &rates, "192.0.2.1", 0), 3);
        assert_eq!(admitted(&mut newcomers, &rates, "192.0.2.2", 0), 0);
        assert_eq!(newcomers.addresses.full_at.len(), 1);
    }

    #[test]
    fn a_rate_of_nothing_lets_in_the_burst_and_then_one_a_day() {
        for per_second in [0.0, -1.0, f64::NAN] {
            let address = Some(AcceptRate { per_second, burst: 2 });
            let rates = AcceptRates { address, ..AcceptRates::UNLIMITED };
            let mut newcomers = Newcomers::default();
            let mut come = |hours: u64| admitted(&mut newcomers, &rates, "192.0.2.1", hours * 3_600_000);
            assert_eq!([come(0), come(23), come(24), come(47), come(48)], [2, 0, 1, 0, 1]);
        }
    }

    #[test]
    fn only_so_many_are_known_and_those_that_are_free_again_are_not() {
        let rates = AcceptRates { address: Some(RATE), network: Some(RATE), ..AcceptRates::UNLIMITED };
        let mut newcomers = Newcomers::default();
        let hog = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            assert!(newcomers.admit(&rates, hog, Duration::ZERO));
        }
        for site in 0..30_000_u128 {
            let address = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | site << 80));
            assert!(newcomers.admit(&rates, address, Duration::ZERO));
        }
        assert!(!newcomers.admit(&rates, hog, Duration::ZERO), "who has come most is known longest");
        let Newcomers { addresses, networks } = &newcomers;
        for (known, ordered) in
            [(addresses.full_at.len(), addresses.order.len()), (networks.full_at.len(), networks.order.len())]
        {
            assert_eq!((known, ordered), (MAX_KNOWN, MAX_KNOWN));
        }
        assert!(newcomers.admit(&rates, hog, Duration::from_secs(60)));
        assert_eq!((newcomers.addresses.full_at.len(), newcomers.networks.order.len()), (1, 1));
    }
}
