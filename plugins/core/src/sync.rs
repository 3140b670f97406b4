//! What threads meet by. A module of its own, so that the models in `tests/models.rs` can put loom's in its place.

pub(crate) use atomic_waker::AtomicWaker;
pub(crate) use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
