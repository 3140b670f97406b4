//! What the server says of itself, line by line, on its standard output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Serialize, Deserialize)]
pub enum Line {
    /// The first: the port of each listener.
    Ports(BTreeMap<String, u16>),
    /// Each later one.
    Sample(Sample),
}

/// What the world holds at a moment, and has counted until then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Entities of any kind, those of resources, observers and listeners too.
    pub entities: u64,
    /// Indices of entities that were ever in use at once.
    pub entity_slots: u64,
    pub archetypes: u64,
    pub connections: u64,
    pub sessions: u64,
    /// Sessions that wait for their user.
    pub lingering: u64,
    pub agents: u64,
    pub rooms: u64,
    /// Places in rooms that are taken.
    pub members: u64,
    /// Users of skynet's login server who are logged in, and logins under way.
    pub users: u64,
    pub logins: u64,
    /// Requests whose answers come later.
    pub waiting_answers: u64,
    /// Reads that no protocol has taken, and packets that nobody has handled, at the end of a tick.
    pub arrivals: u64,
    pub packets: u64,
    /// The budget: bytes, by what they are held for.
    pub held: BTreeMap<String, u64>,
    /// How often it came short, by what came of it.
    pub shortages: BTreeMap<String, u64>,
    /// Connections that were let in.
    pub opened: u64,
    /// Connections that ended, by cause. Causes that have not come are left out.
    pub closed: BTreeMap<String, u64>,
    /// Connections that were not let in, by reason.
    pub refused: BTreeMap<String, u64>,
    /// How late a tick has been since the line before, at most, in milliseconds.
    pub late_ms: u64,
}

impl Sample {
    /// All that is held for peers, in bytes.
    pub fn budget(&self) -> u64 {
        self.held.values().sum()
    }
}
