//! Everything a stranger can send, sent to everything that reads it.
//!
//! Each of the [`TARGETS`] takes any bytes at all and returns, or finds a fault by panicking. Two things call them: the
//! programs in `fuzz_targets`, where libFuzzer looks for bytes that reach code which none have reached (nightly;
//! `cargo xtask fuzz`), and `tests/smoke.rs`, which feeds them the [seeds] and damaged seeds on any toolchain.
//!
//! **What is asserted.** Nothing panics, not even where the server would survive it; nothing grows beyond what came or
//! what it was limited to; what was read can be written, and reads the same; and a stream means the same however it is
//! cut.

#![expect(clippy::unwrap_used, reason = "a target stops where what must hold does not")]

pub mod bytes;
pub mod seeds;
pub mod targets;

pub use targets::{TARGETS, Target, target};
