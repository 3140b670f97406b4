//! What Lua reads as a number, as far as it is one to count with.

/// The index of a handshake, when its text is what Lua's `tonumber` takes and its value a whole number of 64 bits
/// with sign.
///
/// Decimal (`42`), hexadecimal (`0x65`; of more than 64 bits the lowest count, as in Lua) and floats (`1.5e2` is
/// 150), with a sign before them and Lua's blanks round them.
///
/// **Not as in skynet:** there an index may be any number, so `1.5` or `1e300`. Here these, and hexadecimal floats
/// (`0x1p4`), are `None`, which is 400 as for text that is no number: an index counts handshakes, and all known
/// clients count in whole numbers.
pub fn index(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let value = hexadecimal(digits)?;
        return Some(if negative { value.wrapping_neg() } else { value });
    }
    // Rust also reads a second sign, `inf` and `nan`; Lua does not.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

fn hexadecimal(digits: &str) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0i64, |value, digit| {
        let digit = i64::from(digit.to_digit(16)?);
        Some(value.wrapping_mul(16).wrapping_add(digit))
    })
}

fn whole(value: f64) -> Option<i64> {
    // 2⁶³, the first above; its negative is the lowest that fits.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let fits = value.fract() == 0.0 && (-END..END).contains(&value);
    fits.then_some(value as i64)
}
