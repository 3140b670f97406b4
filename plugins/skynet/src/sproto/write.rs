//! The buffer an object is encoded into: structs with their header, data items, arrays. All in place, without memory of its own.

use super::schema::{Kind, Repeat, Schema, Type};
use super::{EncodeError, MAX_DEPTH, MAX_INLINE, MAX_OBJECT};

/// What became of one value.
pub(super) enum Outcome {
    /// Nothing: the field stays absent.
    Absent,
    /// A number, to be put inline, into a data item or into an array.
    Integer(i64),
    Boolean(bool),
    Double(f64),
    /// A data item, size included, already stands at the end of the buffer.
    Written,
}

/// Where encoded bytes go: the end of a buffer of the caller's.
pub(super) struct Writer<'a> {
    pub(super) schema: &'a Schema,
    pub(super) out: &'a mut Vec<u8>,
    /// Where the object starts.
    base: usize,
    /// Structs that are open.
    pub(super) depth: usize,
    /// The object has become too large, even if who wrote it did not mind.
    full: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(schema: &'a Schema, out: &'a mut Vec<u8>) -> Self {
        let base = out.len();
        Self { schema, out, base, depth: 0, full: false }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.room(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes sure that the object may grow by so many bytes.
    fn room(&mut self, more: usize) -> Result<(), EncodeError> {
        self.full |= self.out.len() - self.base + more > MAX_OBJECT;
        self.finish()
    }

    /// Whether all of the object found room.
    pub(super) fn finish(&self) -> Result<(), EncodeError> {
        if self.full { Err(EncodeError::TooLarge) } else { Ok(()) }
    }

    /// Writes a whole data item.
    pub(super) fn item(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.room(4 + bytes.len())?;
        // At most 16 MiB now, so the size always fits.
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.put(&size.to_le_bytes())?;
        self.put(bytes)
    }

    /// Opens a data item; the answer closes it with [`Writer::close`].
    pub(super) fn open(&mut self) -> Result<usize, EncodeError> {
        let mark = self.out.len();
        self.put(&[0; 4])?;
        Ok(mark)
    }

    /// Writes the size of the data item opened at `mark`, which ends here.
    pub(super) fn close(&mut self, mark: usize) {
        // The object is at most 16 MiB, so the size always fits.
        let size = u32::try_from(self.out.len() - mark - 4).unwrap_or(u32::MAX);
        if let Some(to) = self.out.get_mut(mark..mark + 4) {
            to.copy_from_slice(&size.to_le_bytes());
        }
    }

    fn word(&self, at: usize) -> u16 {
        match self.out.get(at..at + 2) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => ABSENT,
        }
    }

    fn set_word(&mut self, at: usize, word: u16) {
        if let Some(to) = self.out.get_mut(at..at + 2) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }
}

/// Marks a field not given yet. Odd, so no field's header word is equal.
const ABSENT: u16 = u16::MAX;
/// Header word of a field whose value is a data item.
const IN_ITEM: u16 = 0;

/// A struct that is being written.
///
/// Room for the longest possible header is made first; its last part serves as one slot a field, so that fields can come in any
/// order. Data items follow in order of tags: one that comes late is rotated into its place. [`Frame::close`] turns the slots
/// into header words and moves the data up.
pub(super) struct Frame<'a> {
    pub(super) ty: &'a Type,
    start: usize,
    /// Fields from here on have no data item yet.
    next: usize,
}

impl<'a> Frame<'a> {
    pub(super) fn open(writer: &mut Writer<'_>, ty: &'a Type) -> Result<Self, EncodeError> {
        if writer.depth >= MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        writer.depth += 1;
        let start = writer.out.len();
        let end = start + 2 + 2 * ty.words;
        writer.room(end - start)?;
        writer.out.resize(end, 0xff);
        Ok(Self { ty, start, next: 0 })
    }

    fn slot(&self, index: usize) -> usize {
        self.start + 2 + 2 * (self.ty.words - self.ty.fields.len() + index)
    }

    fn data(&self) -> usize {
        self.start + 2 + 2 * self.ty.words
    }

    pub(super) fn is_set(&self, writer: &Writer<'_>, index: usize) -> bool {
        writer.word(self.slot(index)) != ABSENT
    }

    /// Sets a field that is not set. A data item, if the value is one, was written from `mark` on.
    pub(super) fn set(
        &mut self,
        writer: &mut Writer<'_>,
        index: usize,
        mark: usize,
        outcome: Outcome,
    ) -> Result<(), EncodeError> {
        let inline = match outcome {
            Outcome::Absent => return Ok(()),
            Outcome::Boolean(value) => Some(u16::from(value)),
            Outcome::Integer(value) => match u16::try_from(value) {
                Ok(small) if small <= MAX_INLINE => Some(small),
                _ => {
                    match i32::try_from(value) {
                        Ok(value) => writer.item(&value.to_le_bytes())?,
                        Err(_) => writer.item(&value.to_le_bytes())?,
                    }
                    None
                }
            },
            Outcome::Double(value) => {
                writer.item(&value.to_bits().to_le_bytes())?;
                None
            }
            Outcome::Written => None,
        };
        let slot = self.slot(index);
        if let Some(number) = inline {
            writer.set_word(slot, (number + 1) * 2);
            return Ok(());
        }
        writer.set_word(slot, IN_ITEM);
        if index >= self.next {
            self.next = index + 1;
        } else {
            let place = self.place(writer, index);
            let length = writer.out.len() - mark;
            if let Some(moved) = writer.out.get_mut(place..) {
                moved.rotate_right(length);
            }
        }
        Ok(())
    }

    /// Where the data item of field `index` belongs: after those of all fields before it.
    fn place(&self, writer: &Writer<'_>, index: usize) -> usize {
        let mut place = self.data();
        for before in 0..index {
            if writer.word(self.slot(before)) == IN_ITEM
                && let Some(&size) = writer.out.get(place..).and_then(<[u8]>::first_chunk)
            {
                place += 4 + u32::from_le_bytes(size) as usize;
            }
        }
        place
    }

    /// Whether the entry has what a map in the place of `repeat` needs of it.
    pub(super) fn is_entry_of(&self, writer: &Writer<'_>, repeat: Repeat) -> bool {
        match repeat {
            Repeat::One | Repeat::Array => true,
            Repeat::Keyed(key) => self.is_set(writer, usize::from(key)),
            Repeat::Pairs => self.is_set(writer, 0) && self.is_set(writer, 1),
        }
    }

    /// Turns slots into the header. A word is never written past the slot it comes from.
    pub(super) fn close(self, writer: &mut Writer<'_>) {
        writer.depth -= 1;
        let first = self.start + 2;
        let mut at = first;
        let mut expected = 0;
        for (index, field) in self.ty.fields.iter().enumerate() {
            let word = writer.word(self.slot(index));
            if word == ABSENT {
                continue;
            }
            if let Some(gap) = field.tag.checked_sub(expected)
                && gap > 0
            {
                writer.set_word(at, 2 * (gap - 1) + 1);
                at += 2;
            }
            writer.set_word(at, word);
            at += 2;
            expected = field.tag + 1;
        }
        // At most one word a tag, so the count always fits.
        writer.set_word(self.start, u16::try_from((at - first) / 2).unwrap_or(u16::MAX));
        let data = self.data();
        if at < data {
            let end = writer.out.len();
            writer.out.copy_within(data..end, at);
            writer.out.truncate(end - (data - at));
        }
    }
}

/// An array that is being written, as a data item.
pub(super) struct Array {
    mark: usize,
    kind: Kind,
    /// Numbers so far are eight bytes wide, not four.
    wide: bool,
}

impl Array {
    pub(super) fn open(writer: &mut Writer<'_>, kind: Kind) -> Result<Self, EncodeError> {
        let mark = writer.open()?;
        let wide = kind == Kind::Double;
        if is_number(kind) {
            writer.put(&[if wide { 8 } else { 4 }])?;
        }
        Ok(Self { mark, kind, wide })
    }

    /// Adds an element; the answer is false if it is nothing.
    pub(super) fn push(&mut self, writer: &mut Writer<'_>, outcome: Outcome) -> Result<bool, EncodeError> {
        match outcome {
            Outcome::Absent => return Ok(false),
            Outcome::Boolean(value) => writer.put(&[u8::from(value)])?,
            Outcome::Double(value) => writer.put(&value.to_bits().to_le_bytes())?,
            Outcome::Written => {}
            Outcome::Integer(value) => {
                let narrow = if self.wide { None } else { i32::try_from(value).ok() };
                if let Some(value) = narrow {
                    writer.put(&value.to_le_bytes())?;
                } else {
                    self.widen(writer)?;
                    writer.put(&value.to_le_bytes())?;
                }
            }
        }
        Ok(true)
    }

    /// Makes all numbers so far eight bytes wide, from the last to the first.
    fn widen(&mut self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.wide {
            return Ok(());
        }
        self.wide = true;
        let first = self.mark + 5;
        let length = writer.out.len() - first;
        writer.room(length)?;
        writer.out.resize(first + 2 * length, 0);
        for index in (0..length / 4).rev() {
            let narrow = writer
                .out
                .get(first + 4 * index..)
                .and_then(<[u8]>::first_chunk)
                .copied()
                .unwrap_or_default();
            let wide = i64::from(i32::from_le_bytes(narrow));
            if let Some(to) = writer.out.get_mut(first + 8 * index..first + 8 * index + 8) {
                to.copy_from_slice(&wide.to_le_bytes());
            }
        }
        if let Some(size) = writer.out.get_mut(self.mark + 4) {
            *size = 8;
        }
        Ok(())
    }

    pub(super) fn close(self, writer: &mut Writer<'_>) {
        // An empty array has no size byte either.
        if is_number(self.kind) && writer.out.len() == self.mark + 5 {
            writer.out.truncate(self.mark + 4);
        }
        writer.close(self.mark);
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Integer | Kind::Fixed(_) | Kind::Double)
}
