//! skynet's login server: its recorded conversations, and what we promise beyond them.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "skynet/login/carriers.rs"]
mod carriers;
#[path = "skynet/login/flows.rs"]
mod flows;
#[path = "skynet/login/game_servers.rs"]
mod game_servers;
#[path = "skynet/login/kicks.rs"]
mod kicks;
#[path = "skynet/login/limits.rs"]
mod limits;
mod skynet;
#[path = "skynet/login/tokens.rs"]
mod tokens;
