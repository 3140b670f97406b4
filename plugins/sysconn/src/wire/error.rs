//! What messages can have wrong.

use thiserror::Error;

/// What bytes have wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// A message without its whole header.
    #[error("a message of {0} bytes, which is less than its header")]
    Short(usize),
    /// A `DataStatus` from 3 on, of a request that has a body, or one from 1 on of a response.
    #[error("a body of the unknown status {0}")]
    Status(u8),
    /// A response whose `DataSize` is not that of its body. Of a request it is no error.
    #[error("a response that announces {declared} bytes, modulo 65,536, and has {len}")]
    Size {
        /// The `DataSize`.
        declared: u16,
        /// The bytes there are.
        len: usize,
    },
    /// A compressed body that is no whole zlib stream.
    #[error("a compressed body that cannot be read")]
    Compressed,
    /// A compressed body that is too large when inflated.
    #[error("a compressed body of more than {limit} bytes")]
    Inflated {
        /// What was allowed, in bytes.
        limit: usize,
    },
}
