//! What schemas and bodies can have wrong.

use super::MAX_DEPTH;
use serde::{de, ser};
use std::fmt;
use thiserror::Error;

/// Why schemas cannot be used. The operator's trouble, never a peer's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The file is no JSON.
    #[error("the schemas are no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A schema, or the file, is no JSON object.
    #[error("`{0}` should be a JSON object")]
    NoObject(String),
    /// A tag is no whole number from 1 to 268,435,455, the largest the original can write.
    #[error("the tag of `{0}` should be a whole number from 1 to 268435455")]
    Tag(String),
}

/// Why a value and a body do not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtobufError {
    /// A required field is not set.
    #[error("the required field `{0}` is missing")]
    Missing(Box<str>),
    /// A value of another type than the field's.
    #[error("{found} does not fit the field `{field}`")]
    WrongType {
        /// The field.
        field: Box<str>,
        /// What was given.
        found: &'static str,
    },
    /// A number outside of what the field's type can write.
    #[error("a number out of range for the field `{0}`")]
    Range(Box<str>),
    /// The type of this field does not exist in the dialect.
    #[error("the field `{0}` has a type that cannot be written or read")]
    Unsupported(Box<str>),
    /// Messages stand in each other deeper than [`MAX_DEPTH`].
    #[error("messages nested deeper than {MAX_DEPTH}")]
    Depth,
    /// A body ends inside a field, or announces more than it has.
    #[error("a body that ends inside a field")]
    Cut,
    /// A number of more than 53 bits in a body.
    #[error("a number of more than 53 bits")]
    Number,
    /// A tag that the schema does not have. The length of such a field is unknown, and so all behind it.
    #[error("a field with the unknown tag {0}")]
    UnknownTag(u64),
    /// What a type says that is read or written.
    #[error("{0}")]
    Other(String),
}

impl ser::Error for ProtobufError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

impl de::Error for ProtobufError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}
