//! The wire module against every byte that was recorded of the originals (`tests/vectors/pomelo`), and against bytes that
//! nobody would send.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod dictionary;
mod handshake;
mod message;
mod package;
mod protobuf;
mod random;
mod recorded;
mod robust;
mod text;
mod vectors;
mod zip;
