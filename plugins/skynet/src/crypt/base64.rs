//! Base64 as skynet has it: usual on the way out, lenient on the way in.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::CryptError;

/// The standard alphabet, padded with `=`, without line breaks.
pub fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends what [`base64_encode`] gives, without a copy elsewhere.
pub(crate) fn base64_write(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    if let Some(place) = out.get_mut(start..) {
        let written = STANDARD.encode_slice(bytes, place);
        debug_assert_eq!(written.ok(), Some(out.len() - start));
    }
}

/// What skynet's decoder makes of a text: bytes outside the alphabet are skipped, the last group may lack its `=`,
/// and padded groups may follow each other.
///
/// # Errors
/// [`CryptError::Base64`] for a group of one symbol or of none (skipped bytes after the last group count as a group,
/// so a trailing CR is an error), for `=` in another place than the end of a group, and for leftover bits that are not zero.
pub fn base64_decode(text: &[u8]) -> Result<Vec<u8>, CryptError> {
    const EMPTY: [u8; 4] = *b"====";
    let mut out = Vec::with_capacity(text.len().div_ceil(4) * 3);
    let (mut group, mut used, mut open) = (EMPTY, 0, false);
    for &byte in text {
        open = true;
        if !matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=') {
            continue;
        }
        if let Some(symbol) = group.get_mut(used) {
            *symbol = byte;
            used += 1;
        }
        if used == group.len() {
            decode_group(group, &mut out)?;
            (group, used, open) = (EMPTY, 0, false);
        }
    }
    if open {
        decode_group(group, &mut out)?;
    }
    Ok(out)
}

fn decode_group(group: [u8; 4], out: &mut Vec<u8>) -> Result<(), CryptError> {
    let mut bytes = [0; 3];
    let length = STANDARD.decode_slice(group, &mut bytes).map_err(|_| CryptError::Base64)?;
    out.extend(bytes.iter().take(length));
    Ok(())
}
