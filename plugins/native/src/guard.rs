//! A deserializer around bincode's that trusts no length it is told.
//!
//! Bincode as it stands, driven by serde, does three things a peer could use: it allocates a text's declared length
//! before it looks whether the text is there; it repeats a sequence of values that take no bytes as often as a peer
//! declares; and it follows recursive types as deep as a peer likes, until the stack ends and the process with it.
//! And its errors quote each other: one that passes through twenty levels is a million characters long. So errors here
//! are [`Failed`], and what they say steps aside while they pass through bincode.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::{cell::Cell, fmt};
use thiserror::Error;

/// Levels of sequences, maps, enums, options and newtypes within each other.
const MAX_DEPTH: u8 = 64;
/// Elements for which room is made before they have come.
const MAX_AHEAD: usize = 32;
/// Elements that take no bytes which one body may hold.
const EMPTY_ELEMENTS: usize = 1024;

/// What may still come.
pub(crate) struct Budget {
    elements: Cell<usize>,
    /// What the error says that passes through bincode.
    said: Cell<Option<String>>,
}

/// A body does not hold what is wanted.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Failed(String);

impl Error for Failed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl Budget {
    /// Each element that takes bytes has at least one of its own, so there are never more of them than bytes.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { elements: Cell::new(body.len() + EMPTY_ELEMENTS), said: Cell::new(None) }
    }

    fn spend(&self) -> Result<(), Failed> {
        let left = self.elements.get().checked_sub(1);
        self.elements.set(left.ok_or_else(|| Failed::custom("more elements than there are bytes"))?);
        Ok(())
    }

    /// An error on its way into bincode.
    pub(crate) fn aside<E: Error>(&self, failed: impl fmt::Display) -> E {
        self.said.set(Some(failed.to_string()));
        E::custom("")
    }

    /// An error that comes out of bincode.
    pub(crate) fn back(&self, error: impl fmt::Display) -> Failed {
        Failed(self.said.take().unwrap_or_else(|| error.to_string()))
    }
}

/// Something of serde's, guarded.
pub(crate) struct Guarded<'g, T> {
    inner: T,
    place: Place<'g>,
}

#[derive(Clone, Copy)]
struct Place<'g> {
    budget: &'g Budget,
    depth: u8,
    /// Whether a peer said how many elements follow.
    declared: bool,
}

impl<'g, T> Guarded<'g, T> {
    pub(crate) fn new(inner: T, budget: &'g Budget) -> Self {
        Self { inner, place: Place { budget, depth: 0, declared: false } }
    }
}

impl<'g> Place<'g> {
    fn wrap<T>(self, inner: T) -> Guarded<'g, T> {
        Guarded { inner, place: self }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.budget.aside("values within values too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn spend(self) -> Result<(), Failed> {
        if self.declared { self.budget.spend() } else { Ok(()) }
    }
}

/// Calls that hand no deserializer on.
macro_rules! plain {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
            self.inner.$method(visitor).map_err(|error| self.place.budget.back(error))
        }
    )*};
}

/// Calls that do.
macro_rules! nested {
    ($($method:ident($($name:ident: $kind:ty),*) $declared:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, Failed> {
            let place = Place { declared: $declared, ..self.place };
            self.inner.$method($($name,)* place.wrap(visitor)).map_err(|error| place.budget.back(error))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = Failed;

    plain! {
        deserialize_any deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_bytes
        deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    nested! {
        deserialize_option() false
        deserialize_newtype_struct(name: &'static str) false
        deserialize_seq() true
        deserialize_map() true
        deserialize_tuple(len: usize) false
        deserialize_tuple_struct(name: &'static str, len: usize) false
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) false
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) false
    }

    /// Borrowed first, copied when it is there.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        self.inner.deserialize_str(visitor).map_err(|error| self.place.budget.back(error))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        self.inner.deserialize_bytes(visitor).map_err(|error| self.place.budget.back(error))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.inner.deserialize_unit_struct(name, visitor).map_err(|error| self.place.budget.back(error))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guarded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let place = self.place.deeper::<D::Error>()?;
        self.inner.visit_some(place.wrap(inner)).map_err(|failed| place.budget.aside(failed))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let place = self.place.deeper::<D::Error>()?;
        self.inner.visit_newtype_struct(place.wrap(inner)).map_err(|failed| place.budget.aside(failed))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let place = self.place.deeper::<A::Error>()?;
        self.inner.visit_seq(place.wrap(inner)).map_err(|failed| place.budget.aside(failed))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let place = self.place.deeper::<A::Error>()?;
        self.inner.visit_map(place.wrap(inner)).map_err(|failed| place.budget.aside(failed))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let place = self.place.deeper::<A::Error>()?;
        self.inner.visit_enum(place.wrap(inner)).map_err(|failed| place.budget.aside(failed))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(self.place.wrap(inner)).map_err(|failed| self.place.budget.aside(failed))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Guarded<'_, A> {
    type Error = Failed;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failed> {
        if self.inner.size_hint() != Some(0) {
            self.place.spend()?;
        }
        self.inner.next_element_seed(self.place.wrap(seed)).map_err(|error| self.place.budget.back(error))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|declared| declared.min(MAX_AHEAD))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Guarded<'_, A> {
    type Error = Failed;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failed> {
        if self.inner.size_hint() != Some(0) {
            self.place.spend()?;
        }
        self.inner.next_key_seed(self.place.wrap(seed)).map_err(|error| self.place.budget.back(error))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failed> {
        self.inner.next_value_seed(self.place.wrap(seed)).map_err(|error| self.place.budget.back(error))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint().map(|declared| declared.min(MAX_AHEAD))
    }
}

impl<'de, 'g, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'g, A> {
    type Error = Failed;
    type Variant = Guarded<'g, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Failed> {
        let (value, variant) =
            self.inner.variant_seed(seed).map_err(|error| self.place.budget.back(error))?;
        Ok((value, self.place.wrap(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = Failed;

    fn unit_variant(self) -> Result<(), Failed> {
        self.inner.unit_variant().map_err(|error| self.place.budget.back(error))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failed> {
        self.inner.newtype_variant_seed(self.place.wrap(seed)).map_err(|error| self.place.budget.back(error))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failed> {
        self.inner.tuple_variant(len, self.place.wrap(visitor)).map_err(|error| self.place.budget.back(error))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.inner
            .struct_variant(fields, self.place.wrap(visitor))
            .map_err(|error| self.place.budget.back(error))
    }
}
