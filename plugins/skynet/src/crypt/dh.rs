//! Diffie-Hellman over 64 bits: 5^x modulo the largest prime below 2⁶⁴.

use super::CryptError;

const PRIME: u64 = 0u64.wrapping_sub(59);
const GENERATOR: u64 = 5;

/// The public key of a private one.
///
/// # Errors
/// [`CryptError::ZeroKey`] when `private` is eight zeros. None of the original's is: it makes them so.
pub fn dh_public(private: &[u8; 8]) -> Result<[u8; 8], CryptError> {
    power(GENERATOR, u64::from_le_bytes(*private))
}

/// The secret that both ends compute, each from the other's public key and its own private one.
///
/// A public key above the prime is reduced. The prime itself is not, as in the original: it gives eight zeros, or
/// itself for the private key 1.
///
/// # Errors
/// [`CryptError::ZeroKey`] when either key is eight zeros.
pub fn dh_secret(public: &[u8; 8], private: &[u8; 8]) -> Result<[u8; 8], CryptError> {
    power(u64::from_le_bytes(*public), u64::from_le_bytes(*private))
}

/// A private key that is none of eight zeros: those become the key 1, as the original's random keys do.
pub(crate) fn nonzero(private: [u8; 8]) -> [u8; 8] {
    if private == [0; 8] { 1u64.to_le_bytes() } else { private }
}

fn power(base: u64, exponent: u64) -> Result<[u8; 8], CryptError> {
    if base == 0 || exponent == 0 {
        return Err(CryptError::ZeroKey);
    }
    let base = if base > PRIME { base - PRIME } else { base };
    if exponent == 1 {
        return Ok(base.to_le_bytes());
    }
    let mut result = 1;
    for bit in (0..u64::BITS).rev() {
        result = product(result, result);
        if exponent >> bit & 1 == 1 {
            result = product(result, base);
        }
    }
    Ok(result.to_le_bytes())
}

fn product(a: u64, b: u64) -> u64 {
    // The remainder is below the prime, and so fits.
    (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64
}
