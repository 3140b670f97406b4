//! Who someone is: told over the transport in memory, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod linger;
mod login;
mod logout;
mod server;
