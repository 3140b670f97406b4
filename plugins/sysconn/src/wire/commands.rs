//! The commands of the connection itself. A game's begin at 1100, one hundred for each module.

/// Log in by account, [`LoginAccount`](super::messages::LoginAccount). A new account gets a role.
pub const LOGIN: u16 = 1002;
/// Come back to a role that is still there, [`Reconnect`](super::messages::Reconnect).
pub const RECONNECT: u16 = 1003;
/// Log in by phone and password, [`PhoneLogin`](super::messages::PhoneLogin).
pub const PHONE_LOGIN: u16 = 1004;
/// The client is alive; answered with an empty body, before login too.
pub const HEARTBEAT: u16 = 1098;
/// Push: the connection ends, [`Kicked`](super::messages::Kicked).
pub const KICK: u16 = 1099;
/// Push: words for all to see, [`SystemNotice`](super::messages::SystemNotice).
pub const SYSTEM_NOTICE: u16 = 1148;
/// Push: the role is banned, and until when, [`Blacklisted`](super::messages::Blacklisted).
pub const BLACKLIST_NOTICE: u16 = 1149;
