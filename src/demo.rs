//! Small services to try a server with: what the headless server runs when nobody tells it what else, and what the
//! examples begin from. A game does without them.
//!
//! - [`simpledb`]: skynet's example server, a key-value store over sproto.
//! - [`login`] and [`msgagent`]: skynet's login example, whose users outlive their connections.
//! - [`chat`]: typed messages over the native protocol, and pushes to everyone.
//! - [`connector`]: the handlers Pomelo's recorded conversations were made with: logins, rooms, pushes, kicks.
//! - [`roles`]: the commands that conversations of the Erlang connector were recorded with: logins, echoes, pushes, bans.
//! - [`echo`]: frames come back as they came.
//! - [`members`]: keeps listeners whose clients log in apart from those where nobody does.
//!
//! Strangers can reach a demo, so each of them is bounded.

pub mod chat;
pub mod connector;
pub mod echo;
pub mod login;
pub mod members;
pub mod msgagent;
pub mod roles;
pub mod simpledb;
