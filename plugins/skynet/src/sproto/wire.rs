//! Encoded structs as they stand in memory: header words, data items, array elements. Nothing is copied.

use super::schema::{Field, Kind, Repeat, Schema, Type};
use super::{DecodeError, TypeId};

/// The value of one field before its type is looked at.
#[derive(Clone, Copy)]
pub(super) enum Raw<'de> {
    /// A number in the header word.
    Inline(u16),
    /// A data item, without its size.
    Item(&'de [u8]),
}

/// Walks over the fields of one encoded struct, ascending by tag.
pub(super) struct Walk<'de> {
    words: &'de [[u8; 2]],
    /// Data items not yet read, and whatever follows the struct.
    rest: &'de [u8],
    tag: u32,
}

impl<'de> Walk<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Result<Self, DecodeError> {
        let (count, rest) = bytes.split_first_chunk().ok_or(DecodeError::Short)?;
        let length = usize::from(u16::from_le_bytes(*count)) * 2;
        let (words, rest) = rest.split_at_checked(length).ok_or(DecodeError::Short)?;
        Ok(Self { words: words.as_chunks().0, rest, tag: 0 })
    }

    /// The next field that is set. At most 65535 words move the tag by at most 32768 each, so it stays within 32 bits.
    pub(super) fn step(&mut self) -> Result<Option<(u32, Raw<'de>)>, DecodeError> {
        while let Some((word, words)) = self.words.split_first() {
            self.words = words;
            let word = u16::from_le_bytes(*word);
            let tag = self.tag;
            if word & 1 == 1 {
                self.tag += u32::from(word / 2) + 1;
                continue;
            }
            self.tag += 1;
            let raw = match (word / 2).checked_sub(1) {
                Some(number) => Raw::Inline(number),
                None => Raw::Item(take_item(&mut self.rest)?),
            };
            return Ok(Some((tag, raw)));
        }
        Ok(None)
    }

    /// What follows the data items read so far.
    pub(super) fn rest(&self) -> &'de [u8] {
        self.rest
    }
}

/// Bytes the struct at the start of `bytes` takes, whatever its type. What follows it is not looked at.
///
/// # Errors
/// [`DecodeError::Short`] when the bytes end inside the struct.
pub fn measure(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut walk = Walk::new(bytes)?;
    while walk.step()?.is_some() {}
    Ok(bytes.len() - walk.rest().len())
}

/// Splits `u32 size` and as many bytes off the front.
fn take_item<'de>(bytes: &mut &'de [u8]) -> Result<&'de [u8], DecodeError> {
    let (size, rest) = bytes.split_first_chunk().ok_or(DecodeError::Short)?;
    let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| DecodeError::Short)?;
    let (item, rest) = rest.split_at_checked(size).ok_or(DecodeError::Short)?;
    *bytes = rest;
    Ok(item)
}

/// A value whose type has been looked at, not yet decoded deeper.
#[derive(Clone, Copy)]
pub(super) enum Item<'a, 'de> {
    /// The body of a protocol that has none.
    Nothing,
    Integer(i64),
    Boolean(bool),
    /// A double or a fixed-point number.
    Double(f64),
    String(&'de [u8]),
    Binary(&'de [u8]),
    /// The outermost struct (`whole` is false, more may follow it) or a nested one, which must use its bytes exactly.
    Struct {
        ty: &'a Type,
        bytes: &'de [u8],
        whole: bool,
    },
    /// An array or map.
    Many {
        kind: Kind,
        repeat: Repeat,
        bytes: &'de [u8],
    },
}

/// Where a value stands, for messages.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) ty: &'a str,
    /// Empty for the struct as a whole.
    pub(super) field: &'a str,
}

impl At<'_> {
    pub(super) fn name(self) -> Box<str> {
        if self.field.is_empty() { self.ty.into() } else { format!("{}.{}", self.ty, self.field).into() }
    }
}

/// Looks at the value of `field` with the eyes of the schema.
pub(super) fn item<'a, 'de>(
    schema: &'a Schema,
    at: At<'_>,
    field: &Field,
    raw: Raw<'de>,
) -> Result<Item<'a, 'de>, DecodeError> {
    match (raw, field.repeat, field.kind) {
        (Raw::Inline(number), Repeat::One, Kind::Boolean) => Ok(Item::Boolean(number != 0)),
        (Raw::Inline(number), Repeat::One, Kind::Integer | Kind::Fixed(_)) => {
            Ok(number_item(field.kind, number.into()))
        }
        (Raw::Inline(_), ..) => Err(DecodeError::Inline { field: at.name() }),
        (Raw::Item(bytes), Repeat::One, kind) => single(schema, at, kind, bytes),
        (Raw::Item(bytes), repeat, kind) => Ok(Item::Many { kind, repeat, bytes }),
    }
}

/// A data item that is one value.
fn single<'a, 'de>(
    schema: &'a Schema,
    at: At<'_>,
    kind: Kind,
    bytes: &'de [u8],
) -> Result<Item<'a, 'de>, DecodeError> {
    match kind {
        Kind::Integer | Kind::Fixed(_) | Kind::Double => match (number(bytes), kind) {
            (Some(bits), Kind::Double) => Ok(Item::Double(f64::from_bits(bits.cast_unsigned()))),
            (Some(value), kind) => Ok(number_item(kind, value)),
            (None, _) => Err(DecodeError::ItemSize { field: at.name(), size: bytes.len() }),
        },
        Kind::Boolean => Err(DecodeError::ItemSize { field: at.name(), size: bytes.len() }),
        Kind::String => Ok(Item::String(bytes)),
        Kind::Binary => Ok(Item::Binary(bytes)),
        Kind::Struct(id) => Ok(Item::Struct { ty: resolve(schema, id)?, bytes, whole: true }),
    }
}

/// Four bytes, sign-extended, or eight.
fn number(bytes: &[u8]) -> Option<i64> {
    if let Ok(bytes) = bytes.try_into() {
        return Some(i64::from_le_bytes(bytes));
    }
    bytes.try_into().ok().map(|bytes| i32::from_le_bytes(bytes).into())
}

fn number_item<'a, 'de>(kind: Kind, value: i64) -> Item<'a, 'de> {
    match kind {
        Kind::Fixed(_) => Item::Double(value as f64 / kind.scale() as f64),
        _ => Item::Integer(value),
    }
}

pub(super) fn resolve(schema: &Schema, id: TypeId) -> Result<&Type, DecodeError> {
    schema.type_at(id).ok_or(DecodeError::UnknownType(id.0))
}

/// The elements of an array, or the entry structs of a map.
pub(super) struct Elements<'a, 'de> {
    schema: &'a Schema,
    at: At<'a>,
    kind: Kind,
    repeat: Repeat,
    /// Bytes of each number; 0 for what is no number.
    width: usize,
    rest: &'de [u8],
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn new(
        schema: &'a Schema,
        at: At<'a>,
        kind: Kind,
        repeat: Repeat,
        bytes: &'de [u8],
    ) -> Result<Self, DecodeError> {
        let (width, rest) = match (kind, bytes.split_first()) {
            (Kind::Integer | Kind::Fixed(_) | Kind::Double, Some((&width, rest))) => {
                let width = usize::from(width);
                // A lone size byte is an empty array, whatever it says.
                let even = matches!(width, 4 | 8) && rest.len().is_multiple_of(width);
                if !(rest.is_empty() || even) {
                    return Err(DecodeError::Array { field: at.name() });
                }
                (width, rest)
            }
            _ => (0, bytes),
        };
        Ok(Self { schema, at, kind, repeat, width, rest })
    }

    /// How many elements follow, where the bytes tell without a walk.
    pub(super) fn known_length(&self) -> Option<usize> {
        match self.kind {
            Kind::Integer | Kind::Fixed(_) | Kind::Double => {
                Some(self.rest.len().checked_div(self.width).unwrap_or(0))
            }
            Kind::Boolean => Some(self.rest.len()),
            _ => None,
        }
    }

    pub(super) fn step(&mut self) -> Result<Option<Item<'a, 'de>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let item = match self.kind {
            Kind::Boolean => {
                let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
                self.rest = rest;
                Item::Boolean(byte != 0)
            }
            Kind::Integer | Kind::Fixed(_) | Kind::Double => {
                let (bytes, rest) = self.rest.split_at_checked(self.width).ok_or(DecodeError::Short)?;
                self.rest = rest;
                single(self.schema, self.at, self.kind, bytes)?
            }
            Kind::String | Kind::Binary | Kind::Struct(_) => {
                single(self.schema, self.at, self.kind, take_item(&mut self.rest)?)?
            }
        };
        Ok(Some(item))
    }

    /// The next entry of a map, with its key, and its value where that is a field of its own (`*Type()`).
    pub(super) fn step_entry(&mut self) -> Result<Option<Entry<'a, 'de>>, DecodeError> {
        let Some(whole) = self.step()? else { return Ok(None) };
        let Item::Struct { ty, bytes, .. } = whole else {
            return Err(DecodeError::Array { field: self.at.name() });
        };
        let (key_at, value_at) = match self.repeat {
            Repeat::Keyed(key) => (usize::from(key), None),
            _ => (0, Some(1)),
        };
        let (mut key, mut value) = (None, None);
        let mut walk = Walk::new(bytes)?;
        let mut next = 0;
        while let Some((tag, raw)) = walk.step()? {
            let Some(found) = ty.find_tag(tag, next) else { continue };
            next = found + 1;
            let Some(field) = ty.fields.get(found) else { continue };
            let at = At { ty: &ty.name, field: &field.name };
            if found == key_at {
                key = Some((at, item(self.schema, at, field, raw)?));
            } else if value_at == Some(found) {
                value = Some((at, item(self.schema, at, field, raw)?));
            }
        }
        if !walk.rest().is_empty() {
            return Err(DecodeError::Trailing { field: ty.name.clone() });
        }
        let missing = || DecodeError::MissingKey { field: ty.name.clone() };
        let key = key.ok_or_else(missing)?;
        let value = match value_at {
            Some(_) => value.ok_or_else(missing)?,
            None => (At { ty: &ty.name, field: "" }, whole),
        };
        Ok(Some(Entry { key, value, whole }))
    }
}

/// An entry of a map. For `*Type(field)` the value is the whole struct.
pub(super) struct Entry<'a, 'de> {
    pub(super) key: (At<'a>, Item<'a, 'de>),
    pub(super) value: (At<'a>, Item<'a, 'de>),
    pub(super) whole: Item<'a, 'de>,
}
