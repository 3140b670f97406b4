//! Short names of types, made once for each type.

use portcullis_dispatch::short_type_name;
use std::{
    any::type_name,
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Names that had to be put together live as long as the process, so each is put together once.
static NAMES: Mutex<Option<HashMap<&'static str, &'static str>>> = Mutex::new(None);

/// As [`short_type_name`], for code that asks with each message.
pub(crate) fn of<T: ?Sized>() -> &'static str {
    let full = type_name::<T>();
    if !full.contains(['<', '(', '[', '&', ' ']) {
        return short_type_name::<T>();
    }
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().entry(full).or_insert_with(short_type_name::<T>)
}
