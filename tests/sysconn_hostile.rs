//! What attackers, operators and games do to the Erlang connector that its authors did not think of.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "sysconn/hostile/edges.rs"]
mod edges;
#[path = "sysconn/hostile/games.rs"]
mod games;
#[path = "sysconn/hostile/peers.rs"]
mod peers;
mod sysconn;
