//! Logging in by account, dropping out and coming back, as stories.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod common;
mod cuts;
mod passwords;
mod proxy;
mod tickets;
