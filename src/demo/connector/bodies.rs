//! What is asked, answered and pushed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An answer that says no more than that all is well.
#[derive(Serialize)]
pub(super) struct Fine {
    code: u16,
}

pub(super) const FINE: Fine = Fine { code: 200 };

#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) code: u16,
    pub(super) msg: &'static str,
}

#[derive(Deserialize)]
pub(super) struct Enter {
    pub(super) uid: String,
    pub(super) room: String,
}

/// What became of a login.
#[derive(Serialize)]
pub(super) struct Entered {
    pub(super) code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// An error with a text, and a code of the game's own, or Pomelo's.
#[derive(Serialize)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) text: &'static str,
}

#[derive(Deserialize)]
pub(super) struct Slow {
    pub(super) ms: u32,
    #[serde(default)]
    pub(super) n: Value,
}

#[derive(Serialize)]
pub(super) struct Waited {
    pub(super) code: u16,
    pub(super) n: Value,
}

#[derive(Deserialize)]
pub(super) struct Note {
    pub(super) n: Value,
}

#[derive(Serialize)]
pub(super) struct Got {
    pub(super) got: Value,
}

#[derive(Deserialize)]
pub(super) struct PushMe {
    pub(super) route: String,
    pub(super) body: Value,
}

#[derive(Deserialize)]
pub(super) struct PushMany {
    pub(super) n: usize,
}

#[derive(Serialize)]
pub(super) struct Number {
    pub(super) n: usize,
}

#[derive(Deserialize)]
pub(super) struct Text {
    pub(super) text: String,
}

#[derive(Serialize)]
pub(super) struct Chat<'a> {
    pub(super) from: &'a str,
    pub(super) msg: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Broadcast {
    pub(super) text: String,
    #[serde(default)]
    pub(super) bound: bool,
}

#[derive(Serialize)]
pub(super) struct All {
    pub(super) text: String,
}

#[derive(Deserialize)]
pub(super) struct PushUids {
    pub(super) uids: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Pushed {
    pub(super) code: u16,
    pub(super) err: Option<&'static str>,
    pub(super) fails: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct KickMe {
    #[serde(default)]
    pub(super) reason: Value,
}

#[derive(Deserialize)]
pub(super) struct KickUid {
    pub(super) uid: String,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// Pomelo's connection statistics.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statistics {
    pub(super) server_id: String,
    pub(super) total_conn_count: usize,
    pub(super) logined_count: usize,
    pub(super) logined_list: Vec<Online>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Online {
    pub(super) uid: String,
    /// Milliseconds since the server started.
    pub(super) login_time: u128,
    pub(super) address: String,
}

#[derive(Serialize)]
pub(super) struct Where {
    pub(super) code: u16,
    pub(super) room: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Sent {
    pub(super) code: u16,
    pub(super) frontend: String,
    pub(super) room: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recalled {
    pub(super) code: u16,
    pub(super) last_text: Option<String>,
}
