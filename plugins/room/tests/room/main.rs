//! Who is in a room, and who is told: in virtual time, over memory.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod chat;
mod leaving;
mod limits;
mod members;
mod protocols;
mod telling;
