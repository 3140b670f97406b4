//! What is measured, and what we want to see.

use std::fmt;

/// One kind of traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// A closed loop: every reply is answered by the next request at once.
    Load {
        /// Connections open all the time.
        connections: usize,
        /// Requests in flight on each of them.
        depth: usize,
    },
    /// Connections that live for one request.
    Churn,
    /// Connections that say nothing.
    Idle,
}

impl Scenario {
    /// What runs without a filter.
    pub const ALL: [Self; 5] = [
        Self::Load { connections: 1, depth: 1 },
        Self::Load { connections: 100, depth: 1 },
        Self::Load { connections: 100, depth: 32 },
        Self::Churn,
        Self::Idle,
    ];

    /// Whether `filter` selects this scenario: a `CxD` only itself (`100x3` is not meant to find `100x32`),
    /// anything else every name it is a part of.
    pub fn is_meant_by(self, filter: &str) -> bool {
        match Self::parse_load(filter) {
            Some(load) => load == self,
            None => self.to_string().contains(filter),
        }
    }

    /// Reads `CxD`, with the product bounded to what a client can keep in flight.
    pub fn parse_load(text: &str) -> Option<Self> {
        let (connections, depth) = text.split_once('x')?;
        let (connections, depth) = (connections.parse().ok()?, depth.parse().ok()?);
        let bounded = (1..=20_000).contains(&connections) && (1..=1_000).contains(&depth);
        bounded.then_some(Self::Load { connections, depth })
    }

    /// What Portcullis promises here; none for a scenario made up on the command line, and none for `idle`, whose
    /// promises are not ratios (see [`crate::idle`]).
    pub fn target(self) -> Option<Target> {
        match self {
            Self::Load { connections: 1, depth: 1 } => Some(Target::MedianAtMost(1.15)),
            Self::Load { connections: 100, depth: 1 } => Some(Target::RateAtLeast(0.92)),
            Self::Load { connections: 100, depth: 32 } => Some(Target::RateAtLeast(0.80)),
            Self::Churn => Some(Target::RateAtLeast(0.50)),
            Self::Load { .. } | Self::Idle => None,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { connections, depth } => f.pad(&format!("{connections}x{depth}")),
            Self::Churn => f.pad("churn"),
            Self::Idle => f.pad("idle"),
        }
    }
}

/// A promise about a ratio to raw.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Messages (or connections) a second.
    RateAtLeast(f64),
    /// The median latency.
    MedianAtMost(f64),
}
