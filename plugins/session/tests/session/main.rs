//! Who someone is: told over the transport in memory, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod binding;
mod handlers;
mod kick;
mod linger;
mod login;
mod logout;
mod multi_login;
mod races;
mod server;
mod truth;
