//! Who may come in: told over the transport in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod budgets;
mod caps;
mod deny;
mod listeners;
mod rates;
mod ready;
mod refusals;
mod server;
