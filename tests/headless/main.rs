//! The headless server as its operator runs it: the real binary, real sockets, exit codes.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod accounts;
mod configuration;
mod edge;
mod login;
mod running;
mod serving;
mod stopping;
mod sysconn;
