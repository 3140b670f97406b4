//! What a name may be.

use crate::{BadName, MAX_NAME};

/// A name that an account could have, as it was spelled.
#[derive(Clone, Debug)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(name: &str) -> Result<Self, BadName> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(BadName::Length);
        }
        if name.chars().any(char::is_control) {
            return Err(BadName::Control);
        }
        if name.trim() != name {
            return Err(BadName::Padded);
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for all spellings of one account's name: what `SQLite`'s NOCASE compares.
    pub(crate) fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_visible_and_not_padded() {
        for name in ["a", "Ann Lee", "安", &"x".repeat(MAX_NAME)] {
            assert!(Name::new(name).is_ok(), "{name}");
        }
        let bad = [
            ("", BadName::Length),
            (&"x".repeat(MAX_NAME + 1), BadName::Length),
            (" ann", BadName::Padded),
            ("ann\u{3000}", BadName::Padded),
            ("an\nn", BadName::Control),
            ("ann\0", BadName::Control),
            ("ann\u{85}", BadName::Control),
        ];
        for (name, why) in bad {
            assert_eq!(Name::new(name).unwrap_err(), why, "{name:?}");
        }
    }
}
