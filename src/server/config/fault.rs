//! What is wrong with a configuration, in one sentence that says how to mend it.

use std::{io, path::PathBuf};
use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("{}: cannot be read ({error}): give --config a file of TOML that exists and that this user may read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The text is not TOML.
    #[error("{place}: `{text}` is not TOML: {problem}")]
    NotToml {
        /// File and line.
        place: String,
        /// The line.
        text: String,
        /// What the parser says.
        problem: String,
    },
    /// A setting has a name or a value that will not do.
    #[error("{place}: {key}{}{value} {problem}", if value.is_empty() { "" } else { " = " })]
    Setting {
        /// The file, and the line where there is one.
        place: String,
        /// The key, with its sections.
        key: String,
        /// Its value, as it is written; empty for a section.
        value: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// An environment variable has a value that will not do.
    #[error("the environment variable {variable} = {value:?}, which sets {key}, {problem}")]
    Variable {
        /// Its name.
        variable: String,
        /// Its value.
        value: String,
        /// The key it overrides.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// An environment variable of ours that means nothing.
    #[error("the environment variable {variable} = {value:?} {problem}")]
    UnknownVariable {
        /// Its name.
        variable: String,
        /// Its value.
        value: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}
