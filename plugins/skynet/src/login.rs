//! skynet's login server: its lines.

pub mod wire;
