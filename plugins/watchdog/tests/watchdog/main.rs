//! Who may stay: told over the transport in memory, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod agents;
mod deadlines;
mod ends;
mod heartbeats;
mod kicks;
mod server;
