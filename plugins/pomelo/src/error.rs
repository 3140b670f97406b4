//! What can be wrong with a listener's files.

use crate::wire::{dictionary::DictionaryError, protobuf::SchemaError};
use thiserror::Error;

/// A listener cannot be made of these files.
#[derive(Debug, Error)]
pub enum PomeloError {
    /// The dictionary.
    #[error("the dictionary: {0}")]
    Dictionary(#[from] DictionaryError),
    /// A file of schemas.
    #[error("the protos: {0}")]
    Protos(#[from] SchemaError),
}
