//! What a login's handler answers: who plays over the connection from now on.

use crate::wire::messages::RoleInfo;
use portcullis_dispatch::{Content, IntoBody};
use prost::Message;

/// The role that plays over a connection from now on: the answer of a handler that was added by
/// [`add_login`](crate::AppSysconnExt::add_login), in place of what its client hears. Its caller has proved who it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Entrance {
    encoded: Vec<u8>,
}

impl Entrance {
    /// A role, by [`RoleInfo::role_id`], and the account it is of. What is told of the role here holds where it is not
    /// online; where it is, that of its agent does.
    pub fn new(account: impl Into<String>, info: RoleInfo) -> Self {
        Self::of(Body { account: account.into(), info, created: false })
    }

    /// The account was made just now: its client is told so, this once (`regist`).
    #[must_use]
    pub fn created(self) -> Self {
        match Self::decode(&self.encoded) {
            Some(body) => Self::of(Body { created: true, ..body }),
            None => self,
        }
    }

    fn of(body: Body) -> Self {
        Self { encoded: body.encode_to_vec() }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Body> {
        Body::decode(bytes).ok()
    }
}

/// Not on the wire: from the handler to us.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Body {
    #[prost(string, tag = "1")]
    pub account: String,
    #[prost(message, required, tag = "2")]
    pub info: RoleInfo,
    #[prost(bool, tag = "3")]
    pub created: bool,
}

impl IntoBody for Entrance {
    fn content(&self) -> Content<'_> {
        Content::Raw(&self.encoded)
    }
}
