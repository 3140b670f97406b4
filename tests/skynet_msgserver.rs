//! skynet's msgserver: its recorded conversations, and what we promise beyond them.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "skynet/msgserver/flows.rs"]
mod flows;
#[path = "skynet/msgserver/handshakes.rs"]
mod handshakes;
mod skynet;
#[path = "skynet/msgserver/takeovers.rs"]
mod takeovers;
#[path = "skynet/msgserver/users.rs"]
mod users;
