//! skynet's msgserver: its frames.

pub mod wire;
