//! Numbers: base 128 in the 53 bits of a double, and zigzag.

use super::ProtobufError;

/// The largest number: up to here doubles count every one.
pub(super) const MAX: u64 = 1 << 53;

/// Appends a number in base 128.
pub(super) fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A signed number, folded so that small ones of either sign stay small. Twice the number must fit.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The way back.
pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Takes what is asked for from the front of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A number in base 128; zeros at its end are accepted within eight bytes.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, ProtobufError> {
        match *self.rest {
            [byte @ ..0x80, ref rest @ ..] => {
                self.rest = rest;
                Ok(byte.into())
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, ProtobufError> {
        let mut number = 0;
        for shift in (0..56).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(ProtobufError::Cut)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if number <= MAX { Ok(number) } else { Err(ProtobufError::Number) };
            }
        }
        Err(ProtobufError::Number)
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], ProtobufError> {
        let len = usize::try_from(len).map_err(|_| ProtobufError::Cut)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ProtobufError::Cut)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ProtobufError::Cut)?;
        self.rest = rest;
        Ok(*taken)
    }
}
