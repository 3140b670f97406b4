//! Where a value goes, and what the schema expects there.

use super::super::EncodeError;
use super::super::schema::{Field, Kind, Repeat, Type};

/// Where a value goes.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The type the field stands in; for the outermost struct, its own.
    pub(super) ty: &'a Type,
    pub(super) field: &'a str,
    pub(super) kind: Kind,
    pub(super) repeat: Repeat,
    /// The outermost struct: its type is `ty`, and no size precedes it.
    pub(super) root: bool,
    /// Of a struct in a map: what the map needs of it.
    pub(super) entry_of: Repeat,
}

impl<'a> Place<'a> {
    pub(super) fn of_field(ty: &'a Type, field: &'a Field) -> Self {
        Self {
            ty,
            field: &field.name,
            kind: field.kind,
            repeat: field.repeat,
            root: false,
            entry_of: Repeat::One,
        }
    }

    /// One element of the array or map in this place.
    pub(super) fn element(self) -> Self {
        Self { repeat: Repeat::One, entry_of: self.repeat, ..self }
    }

    pub(super) fn name(&self) -> Box<str> {
        if self.field.is_empty() {
            self.ty.name.clone()
        } else {
            format!("{}.{}", self.ty.name, self.field).into()
        }
    }

    pub(super) fn wrong(&self, found: &'static str) -> EncodeError {
        let expected = match (self.repeat, self.kind) {
            (Repeat::Array, _) => "an array",
            (Repeat::Keyed(_) | Repeat::Pairs, _) => "a map",
            (Repeat::One, Kind::Integer) => "an integer",
            (Repeat::One, Kind::Fixed(_)) => "a fixed-point number",
            (Repeat::One, Kind::Boolean) => "a boolean",
            (Repeat::One, Kind::String) => "a string",
            (Repeat::One, Kind::Binary) => "binary",
            (Repeat::One, Kind::Double) => "a double",
            (Repeat::One, Kind::Struct(_)) => "a struct",
        };
        EncodeError::WrongKind { field: self.name(), expected, found }
    }

    pub(super) fn is_bytes(&self) -> bool {
        self.repeat == Repeat::One && matches!(self.kind, Kind::String | Kind::Binary)
    }
}
