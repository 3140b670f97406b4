//! DES in ECB mode, padded always.

use des::{
    Des,
    cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};

use super::CryptError;

const BLOCK: usize = 8;
/// What is put after the text, and zeros up to the end of the block (ISO 7816-4).
const MARK: u8 = 0x80;

/// Enciphers `text`, after which come 1 to 8 bytes of padding: `80` and zeros. The key's parity bits do not count.
pub fn des_encode(key: &[u8; 8], text: &[u8]) -> Vec<u8> {
    let length = (text.len() / BLOCK + 1) * BLOCK;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(text);
    out.push(MARK);
    out.resize(length, 0);
    let (blocks, _) = Array::slice_as_chunks_mut(&mut out);
    Des::new(&(*key).into()).encrypt_blocks(blocks);
    out
}

/// Deciphers what [`des_encode`] made, and cuts the padding off.
///
/// # Errors
/// [`CryptError::CipherLength`] when `cipher` is empty or not whole blocks, [`CryptError::Padding`] when the text does
/// not end in `80` and at most seven zeros. About one wrong key in 255 passes: this proves nothing.
pub fn des_decode(key: &[u8; 8], cipher: &[u8]) -> Result<Vec<u8>, CryptError> {
    if cipher.is_empty() || !cipher.len().is_multiple_of(BLOCK) {
        return Err(CryptError::CipherLength(cipher.len()));
    }
    let mut text = cipher.to_vec();
    let (blocks, _) = Array::slice_as_chunks_mut(&mut text);
    Des::new(&(*key).into()).decrypt_blocks(blocks);
    let end = text.iter().rposition(|&byte| byte != 0).ok_or(CryptError::Padding)?;
    if text.len() - end > BLOCK || text.get(end) != Some(&MARK) {
        return Err(CryptError::Padding);
    }
    text.truncate(end);
    Ok(text)
}
