//! The dictionary: route compression by numbers.
//!
//! Handler routes are sorted and numbered from 1; the push routes of `dictionary.json`, a JSON array, follow in the order
//! of the file. Clients learn it in the handshake and keep it by its version.

use super::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use std::collections::HashMap;
use thiserror::Error;

/// The largest code, and so the largest number of routes.
pub const MAX_CODE: usize = u16::MAX as usize;

/// Why there is no dictionary. The operator's trouble, never a peer's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DictionaryError {
    /// More routes than codes.
    #[error("{0} routes, a dictionary can number {MAX_CODE}")]
    TooMany(usize),
    /// The file is no JSON array of texts.
    #[error("the file is no JSON array of routes: {0}")]
    Json(#[from] serde_json::Error),
}

/// Routes and their codes, 1 to 65,535.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    /// The route of code `index + 1`.
    routes: Vec<String>,
    codes: HashMap<String, u16>,
    version: String,
}

impl Dictionary {
    /// Numbers the handlers' routes, sorted as JavaScript sorts (by UTF-16 unit), then `pushes` in their order. What was
    /// numbered already is not numbered again.
    ///
    /// # Errors
    /// When there are more than 65,535 routes.
    pub fn new(
        server_routes: impl IntoIterator<Item = String>,
        pushes: &[String],
    ) -> Result<Self, DictionaryError> {
        let mut routes: Vec<String> = server_routes.into_iter().collect();
        routes.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
        let mut dictionary = Self::default();
        for route in routes.into_iter().chain(pushes.iter().cloned()) {
            if !dictionary.codes.contains_key(&route) {
                dictionary.routes.push(route.clone());
                let code = u16::try_from(dictionary.routes.len())
                    .map_err(|_| DictionaryError::TooMany(dictionary.routes.len()))?;
                dictionary.codes.insert(route, code);
            }
        }
        if !dictionary.is_empty() {
            let mut json = Vec::new();
            dictionary.write_routes(&mut json);
            dictionary.version = STANDARD.encode(Md5::digest(&json));
        }
        Ok(dictionary)
    }

    /// A dictionary of push routes only, from the text of a `dictionary.json`. For handlers as well see [`pushes`].
    ///
    /// # Errors
    /// When the text is no JSON array of texts, or has more than 65,535.
    pub fn from_json(text: &str) -> Result<Self, DictionaryError> {
        Self::new([], &pushes(text)?)
    }

    /// The code of a route.
    pub fn code(&self, route: &str) -> Option<u16> {
        self.codes.get(route).copied()
    }

    /// The route of a code.
    pub fn route(&self, code: u16) -> Option<&str> {
        let index = usize::from(code).checked_sub(1)?;
        self.routes.get(index).map(String::as_str)
    }

    /// A text that changes with the content: base64 of the MD5 of the route-to-code object, as Pomelo computes it. Empty
    /// if the dictionary is.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether there are no routes.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// All routes with their codes, by code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u16)> {
        // Never more routes than codes.
        self.routes.iter().enumerate().map(|(index, route)| (route.as_str(), index as u16 + 1))
    }

    /// Appends the object route → code.
    pub(super) fn write_routes(&self, out: &mut Vec<u8>) {
        self.write_object(out, |route, code, out| {
            text::quote(route, out);
            out.extend_from_slice(format!(":{code}").as_bytes());
        });
    }

    /// Appends the object code → route.
    pub(super) fn write_codes(&self, out: &mut Vec<u8>) {
        self.write_object(out, |route, code, out| {
            out.extend_from_slice(format!("\"{code}\":").as_bytes());
            text::quote(route, out);
        });
    }

    fn write_object(&self, out: &mut Vec<u8>, entry: impl Fn(&str, u16, &mut Vec<u8>)) {
        out.push(b'{');
        for (route, code) in self.iter() {
            if code > 1 {
                out.push(b',');
            }
            entry(route, code, out);
        }
        out.push(b'}');
    }
}

/// The push routes of a `dictionary.json`.
///
/// # Errors
/// When the text is no JSON array of texts.
pub fn pushes(text: &str) -> Result<Vec<String>, DictionaryError> {
    Ok(serde_json::from_str(text)?)
}
