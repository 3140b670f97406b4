//! What accounts do, as stories.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod logins;
mod names;
mod opening;
mod server;
mod shutdown;
