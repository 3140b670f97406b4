//! Filters, limits and pushes: in virtual time, without a socket.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod broadcasts;
mod busy;
mod filters;
mod json;
mod panics;
mod plain;
mod rate_limits;
mod refusals;
mod replies;
mod time_log;
mod timeouts;
