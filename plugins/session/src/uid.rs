//! Whom a session is of, and where.

use std::{borrow::Borrow, fmt, sync::Arc};

/// Declares a text that is shared by its clones.
macro_rules! shared_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

shared_text! {
    /// A user's id, as the protocol or the account service calls it. Clones share the text.
    ///
    /// Its length is not bounded here: it came in a frame, which is.
    Uid
}

shared_text! {
    /// The name of a game server: users of different ones are different, though their ids may be the same. An app that
    /// is one server needs none, and has the unnamed one. Clones share the text.
    ServerName
}

impl Default for ServerName {
    /// The unnamed one.
    fn default() -> Self {
        Self("".into())
    }
}
