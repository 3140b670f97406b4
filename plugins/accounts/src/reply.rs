//! Exactly one answer to whoever asked.

use crate::{AccountError, worker::Place};
use bevy_ecs::prelude::*;
use portcullis_core::Funnel;
use std::time::Duration;

type Done<T> = Box<dyn FnOnce(&mut World, Result<T, AccountError>) + Send>;

/// Answers in the world, once. Dropped without an answer, it answers that the store has failed.
pub(crate) struct Reply<T: Send + 'static> {
    funnel: Funnel,
    done: Option<Done<T>>,
    place: Option<Place>,
}

impl<T: Send + 'static> Reply<T> {
    pub(crate) fn new(
        funnel: &Funnel,
        done: impl FnOnce(&mut World, Result<T, AccountError>) + Send + 'static,
    ) -> Self {
        Self { funnel: funnel.clone(), done: Some(Box::new(done)), place: None }
    }

    /// Keeps a place in the queue until it has answered.
    pub(crate) fn hold(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Time of the clock.
    pub(crate) fn now(&self) -> Duration {
        self.funnel.now()
    }

    pub(crate) fn answer(mut self, answer: Result<T, AccountError>) {
        self.post(answer);
    }

    fn post(&mut self, answer: Result<T, AccountError>) {
        // Before the answer, so that whoever hears it finds room.
        self.place = None;
        if let Some(done) = self.done.take() {
            self.funnel.post(move |world| done(world, answer));
        }
    }
}

impl<T: Send + 'static> Drop for Reply<T> {
    fn drop(&mut self) {
        self.post(Err(AccountError::Store));
    }
}
