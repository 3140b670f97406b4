//! Stories of roles: who has one, who takes it over, how long it waits, and who is kept out.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "sysconn/roles/bans.rs"]
mod bans;
#[path = "sysconn/roles/late_logins.rs"]
mod late_logins;
#[path = "sysconn/roles/lingers.rs"]
mod lingers;
#[path = "sysconn/roles/logins.rs"]
mod logins;
#[path = "sysconn/roles/model.rs"]
mod model;
#[cfg(feature = "accounts")]
#[path = "sysconn/roles/phones.rs"]
mod phones;
#[path = "sysconn/roles/readiness.rs"]
mod readiness;
mod sysconn;
