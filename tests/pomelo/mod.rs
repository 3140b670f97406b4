//! What the tests of Pomelo's connector have in common: servers as they were when the conversations were recorded, and
//! clients that speak in packages.

#![allow(dead_code, reason = "each test file uses its part of it")]

mod client;
pub mod flow;
mod server;

#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use client::{Client, data, package, request};
#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use server::{listener, serve, with_handlers};

pub const HANDSHAKE: &[u8] = br#"{"sys":{"type":"test-client","version":"1.0.0"},"user":{}}"#;
pub const ACK: &[u8] = &[2, 0, 0, 0];
pub const HEARTBEAT: &[u8] = &[3, 0, 0, 0];

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
