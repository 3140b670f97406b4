//! skynet's login crypto, pure: for skynet's own unmodified clients, and for nothing else.
//!
//! **It is obsolete.** The key exchange is Diffie-Hellman over 64 bits, which a desktop computer undoes; the cipher
//! is single DES in ECB mode; the hash is home-made; and the server never proves who it is. It keeps a password from
//! somebody who glances at the traffic, not from somebody who wants it, and nothing sent after the login is encrypted
//! at all. Listen behind TLS, and never use any of this for something new: Portcullis's own protocol has a modern
//! login.
//!
//! Numbers are little-endian, except in DES, whose blocks are as its standard has them (FIPS 46-3). Keys, secrets,
//! challenges and proofs are eight bytes. DES is from the crate `des`, and MD5's steps inside [`hmac64`] are from
//! `md-5`. The functions of skynet's `crypt` that neither its login server nor its msgserver calls are not here.
//!
//! What each function does is recorded from the original in `tests/vectors/skynet/crypt.json`.
//!
//! ```
//! use portcullis_skynet::crypt::{dh_public, dh_secret, hmac64, verify};
//!
//! let (ours, theirs) = ([1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1]);
//! let secret = dh_secret(&dh_public(&theirs)?, &ours)?;
//! assert_eq!(secret, dh_secret(&dh_public(&ours)?, &theirs)?);
//!
//! let challenge = *b"a secret";
//! assert!(verify(&hmac64(&challenge, &secret), &hmac64(&challenge, &secret)));
//! # Ok::<(), portcullis_skynet::crypt::CryptError>(())
//! ```

mod base64;
mod des;
mod dh;
mod hash;

use std::fmt::Write;

use subtle::ConstantTimeEq;
use thiserror::Error;

pub(crate) use self::{base64::base64_write, dh::nonzero};
pub use self::{
    base64::{base64_decode, base64_encode},
    des::{des_decode, des_encode},
    dh::{dh_public, dh_secret},
    hash::{hashkey, hmac_hash, hmac64},
};

/// What a peer's bytes can be wrong in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CryptError {
    /// Text that the original's decoder refuses.
    #[error("not base64")]
    Base64,
    /// A key, or a challenge, of another size. The number is its bytes.
    #[error("a key has 8 bytes, not {0}")]
    KeyLength(usize),
    /// A Diffie-Hellman key of eight zeros.
    #[error("a key is zero")]
    ZeroKey,
    /// A DES cipher that is empty or not whole blocks of eight bytes. The number is its bytes.
    #[error("a cipher is whole blocks of 8 bytes, not {0} bytes")]
    CipherLength(usize),
    /// The deciphered text does not end as one that was enciphered does: another key, or no cipher at all.
    #[error("the cipher is of another key")]
    Padding,
    /// A proof that is not the expected one: its sender has another secret.
    #[error("the proof is wrong")]
    Proof,
}

/// Whether `proof` is the `expected` one, in a time that does not tell how much of it is. One of another length is
/// not.
pub fn verify(expected: &[u8; 8], proof: &[u8]) -> bool {
    expected.as_slice().ct_eq(proof).into()
}

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The eight bytes that a line or field holds in base64.
pub(crate) fn base64_key(text: &[u8]) -> Result<[u8; 8], CryptError> {
    let bytes = base64_decode(text)?;
    bytes.as_slice().try_into().map_err(|_| CryptError::KeyLength(bytes.len()))
}
