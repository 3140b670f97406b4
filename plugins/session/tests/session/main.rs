//! Who someone is: told over the transport in memory, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod begin;
mod binding;
mod handlers;
mod kick;
mod linger;
mod login;
mod logout;
mod model;
mod multi_login;
mod races;
mod resume;
mod server;
mod tickets;
mod truth;
