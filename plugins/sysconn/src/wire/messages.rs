//! The protobuf bodies of the connection's own commands.
//!
//! They are proto2 in the original. Fields a client should send are `Option` here though they are `required` there, since
//! it decodes without them too: who handles a request asks for what it needs. As in the original, unknown fields are
//! skipped and the last of several values wins.
//!
//! Not as in the original, text that is no UTF-8 is an error (it cuts the text at the first bad byte, and would let such a
//! client in as somebody else), and so is a number where text belongs (it takes the number).

use bevy_ecs::prelude::*;
use prost::Message;
use std::fmt;

/// A body without fields: of a [heartbeat](super::commands::HEARTBEAT) and its answer.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Empty {}

/// [`LOGIN`](super::commands::LOGIN), from the client.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LoginAccount {
    /// The account's name.
    #[prost(string, optional, tag = "1")]
    pub account: Option<String>,
}

/// [`RECONNECT`](super::commands::RECONNECT), from the client.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct Reconnect {
    /// The role.
    #[prost(uint32, optional, tag = "1")]
    pub role_id: Option<u32>,
    /// The secret, from the [`LoginAnswer`]. It is not shown by `Debug`.
    #[prost(uint32, optional, tag = "2")]
    pub id: Option<u32>,
}

/// [`PHONE_LOGIN`](super::commands::PHONE_LOGIN), from the client.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct PhoneLogin {
    /// The phone's number.
    #[prost(string, optional, tag = "1")]
    pub phone: Option<String>,
    /// Its password. It is not shown by `Debug`.
    #[prost(string, optional, tag = "2")]
    pub password: Option<String>,
}

/// The answer to a login or reconnect that succeeded.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct LoginAnswer {
    /// The role.
    #[prost(message, required, tag = "1")]
    pub info: RoleInfo,
    /// The secret to reconnect with: the same for as long as the role lasts. It is not shown by `Debug`.
    #[prost(uint32, required, tag = "2")]
    pub id: u32,
}

/// What a client is told of its role when it logs in: `p_role_info` of the original. All but
/// [`regist`](Self::regist) is always written, zeros and empty texts too.
///
/// It is a component, to stand beside what else a game knows of the role.
#[derive(Component, Clone, PartialEq, Eq, Message)]
pub struct RoleInfo {
    /// The role's number, which is the user's. Never 0.
    #[prost(uint32, required, tag = "1")]
    pub role_id: u32,
    /// The name others see.
    #[prost(string, required, tag = "2")]
    pub nick_name: String,
    /// The address of a picture.
    #[prost(string, required, tag = "3")]
    pub icon: String,
    /// The VIP level.
    #[prost(uint32, required, tag = "4")]
    pub vip: u32,
    /// The money that is bought.
    #[prost(uint32, required, tag = "5")]
    pub gold: u32,
    /// The money that is won. A new role of the original has 100.
    #[prost(uint32, required, tag = "6")]
    pub coin: u32,
    /// Where the role is; 0 in the lobby, the rest is the game's.
    #[prost(uint32, required, tag = "7")]
    pub status: u32,
    /// The most the role may stake. A new role of the original has 1.
    #[prost(uint32, required, tag = "8")]
    pub use_coin: u32,
    /// Whether the first gift was bought, 0 or 1.
    #[prost(uint32, required, tag = "9")]
    pub first_gift: u32,
    /// Whether an identity card was shown, 0 or 1.
    #[prost(uint32, required, tag = "10")]
    pub id_card: u32,
    /// What the player says of themselves.
    #[prost(string, required, tag = "11")]
    pub sign: String,
    /// The phone's number, or nothing.
    #[prost(string, required, tag = "12")]
    pub phone: String,
    /// The partner who brought the player.
    #[prost(uint32, required, tag = "13")]
    pub channel: u32,
    /// The name at who vouches for the player; of a login by account the account.
    #[prost(string, required, tag = "14")]
    pub openid: String,
    /// 1 in the answer to the login that created the role, and only there.
    #[prost(uint32, optional, tag = "15")]
    pub regist: Option<u32>,
    /// The VIP effect that is shown.
    #[prost(uint32, required, tag = "16")]
    pub vip_effect: u32,
    /// Whether the player follows the game's channel: 0 no, 1 yes, 2 and was rewarded.
    #[prost(uint32, required, tag = "17")]
    pub subscribe: u32,
}

/// [`KICK`](super::commands::KICK), from the server.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Kicked {
    /// Why, one of the [`errors`](super::errors).
    #[prost(uint32, required, tag = "1")]
    pub error_code: u32,
}

/// [`BLACKLIST_NOTICE`](super::commands::BLACKLIST_NOTICE), from the server: the role may not log in.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Blacklisted {
    /// Since when, in seconds since the Unix epoch.
    #[prost(uint32, required, tag = "1")]
    pub start: u32,
    /// Until when, in seconds since the Unix epoch.
    #[prost(uint32, required, tag = "2")]
    pub end: u32,
}

/// [`SYSTEM_NOTICE`](super::commands::SYSTEM_NOTICE), from the server.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SystemNotice {
    /// What to show.
    #[prost(string, required, tag = "1")]
    pub text: String,
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect").field("role_id", &self.role_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for PhoneLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneLogin").field("phone", &self.phone).finish_non_exhaustive()
    }
}

impl fmt::Debug for LoginAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAnswer").field("info", &self.info).finish_non_exhaustive()
    }
}
