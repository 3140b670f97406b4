//! What is measured, and what we want to see.

use std::fmt;

use crate::wire::Wire;

/// One kind of traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// A closed loop: every reply is answered by the next request at once.
    Load {
        /// What they speak.
        wire: Wire,
        /// Connections open all the time.
        connections: usize,
        /// Requests in flight on each of them.
        depth: usize,
    },
    /// Connections that live for one request.
    Churn,
    /// Connections that say nothing.
    Idle(Wire),
}

impl Scenario {
    /// What runs without a filter.
    pub const ALL: [Self; 15] = [
        Self::Load { wire: Wire::Be16, connections: 1, depth: 1 },
        Self::Load { wire: Wire::Be16, connections: 100, depth: 1 },
        Self::Load { wire: Wire::Be16, connections: 100, depth: 32 },
        Self::Load { wire: Wire::MsgServer, connections: 100, depth: 1 },
        Self::Load { wire: Wire::MsgServer, connections: 100, depth: 32 },
        Self::Load { wire: Wire::PomeloTcp, connections: 100, depth: 1 },
        Self::Load { wire: Wire::PomeloTcp, connections: 100, depth: 32 },
        Self::Load { wire: Wire::PomeloWs, connections: 100, depth: 1 },
        Self::Load { wire: Wire::PomeloWs, connections: 100, depth: 32 },
        Self::Load { wire: Wire::Sysconn, connections: 100, depth: 1 },
        Self::Load { wire: Wire::Sysconn, connections: 100, depth: 8 },
        Self::Churn,
        Self::Idle(Wire::Be16),
        Self::Idle(Wire::PomeloWs),
        Self::Idle(Wire::PomeloTls),
    ];

    /// What is spoken.
    pub fn wire(self) -> Wire {
        match self {
            Self::Load { wire, .. } | Self::Idle(wire) => wire,
            Self::Churn => Wire::Be16,
        }
    }

    /// Whether `filter` selects this scenario: a `CxD` only itself (`100x3` is not meant to find `100x32`),
    /// anything else every name it is a part of.
    pub fn is_meant_by(self, filter: &str) -> bool {
        match Self::parse_load(filter) {
            Some(load) => load == self,
            None => self.to_string().contains(filter),
        }
    }

    /// Reads `CxD`, with what is spoken before it, bounded to what a client can keep in flight.
    pub fn parse_load(text: &str) -> Option<Self> {
        // Nothing that encrypts: the client of these does not.
        let wires = [Wire::MsgServer, Wire::PomeloTcp, Wire::PomeloWs, Wire::Sysconn, Wire::Be16];
        let (wire, text) =
            wires.into_iter().find_map(|wire| Some((wire, text.strip_prefix(wire.prefix())?)))?;
        let (connections, depth) = text.split_once('x')?;
        let (connections, depth) = (connections.parse().ok()?, depth.parse().ok()?);
        let bounded = (1..=20_000).contains(&connections) && (1..=1_000).contains(&depth);
        bounded.then_some(Self::Load { wire, connections, depth })
    }

    /// What Portcullis promises here; none for a scenario made up on the command line, and none for `idle`, whose
    /// promises are not ratios (see [`crate::idle`]).
    pub fn target(self) -> Option<Target> {
        match self {
            Self::Load { wire: Wire::Be16, connections: 1, depth: 1 } => Some(Target::MedianAtMost(1.15)),
            Self::Load { wire: Wire::Be16, connections: 100, depth: 1 } => Some(Target::RateAtLeast(0.92)),
            Self::Load { wire: Wire::Be16, connections: 100, depth: 32 } => Some(Target::RateAtLeast(0.80)),
            Self::Load { wire: Wire::PomeloTcp, connections: 100, depth: 1 | 32 } => {
                Some(Target::RateAtLeast(0.50))
            }
            Self::Load { wire: Wire::MsgServer | Wire::PomeloWs, connections: 100, depth: 1 | 32 } => {
                Some(Target::RateAtLeast(0.60))
            }
            Self::Load { wire: Wire::Sysconn, connections: 100, depth: 1 | 8 } => {
                Some(Target::RateAtLeast(0.75))
            }
            Self::Churn => Some(Target::RateAtLeast(0.50)),
            Self::Load { .. } | Self::Idle(_) => None,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { wire, connections, depth } => {
                f.pad(&format!("{}{connections}x{depth}", wire.prefix()))
            }
            Self::Churn => f.pad("churn"),
            Self::Idle(wire) => f.pad(match wire {
                Wire::Be16 => "idle",
                Wire::MsgServer => "idle-msgserver",
                Wire::PomeloTcp => "idle-pomelo",
                Wire::PomeloWs => "idle-ws",
                Wire::PomeloTls => "idle-tls",
                Wire::Sysconn => "idle-sysconn",
            }),
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
