//! The words of a failed expectation.

use crate::{errors, hub::Hub};
use portcullis_core::{Closing, Connection};
use std::fmt::{Display, Write};

/// Events that a report shows.
const LAST_EVENTS: usize = 12;

/// Ends the test.
#[track_caller]
pub(crate) fn fail(report: String) -> ! {
    panic!("{report}")
}

impl Hub {
    /// What was expected of a client's connection, and what there is instead.
    pub(crate) fn report(&mut self, id: usize, expected: impl Display) -> String {
        let state = self.describe(id);
        self.report_with(expected, state)
    }

    pub(crate) fn report_with(&self, expected: impl Display, found: impl Display) -> String {
        let mut report = format!("expected {expected}\n   found {found}");
        let now = self.time.now().as_secs_f64();
        // Writing to a string does not fail.
        let _ = write!(report, "\n   clock {now:.3} s; {} connections are open", self.open_connections());
        let entries = self.history().iter();
        let earlier = entries.len().saturating_sub(LAST_EVENTS);
        report.push_str("\nlast events:");
        if entries.len() == 0 {
            report.push_str(" none");
        } else if earlier > 0 {
            let _ = write!(report, " (after {earlier} others)");
        }
        for entry in entries.skip(earlier) {
            let _ = write!(report, "\n  {entry}");
        }
        for error in errors::all() {
            let _ = write!(report, "\n  error: {error}");
        }
        report
    }

    fn open_connections(&self) -> usize {
        let query = self.app.world().try_query_filtered::<(), bevy_ecs::prelude::With<Connection>>();
        query.map_or(0, |query| query.iter_manual(self.app.world()).len())
    }

    /// How it stands with a client.
    fn describe(&mut self, id: usize) -> String {
        let mut words = match self.entity(id) {
            None => "a connection that the server has not accepted".to_owned(),
            Some(entity) => {
                let (history, world) = (self.history(), self.app.world());
                let closing = world.get::<Closing>(entity).map(|closing| closing.cause);
                match (history.closed(entity), history.refused(entity), closing) {
                    (Some(cause), ..) => format!("{entity}, which is closed: {cause}"),
                    (_, Some(why), _) => format!("{entity}, which the gate refused: {why}"),
                    (_, _, Some(cause)) => format!("{entity}, which is closing: {cause}"),
                    _ if world.get_entity(entity).is_err() => format!("{entity}, which is not there"),
                    _ => format!("{entity}, which is open"),
                }
            }
        };
        let peer = self.peer(id);
        if peer.pipe.closed {
            words.push_str("; the client has closed it");
        }
        match &peer.talk {
            Some(talk) => {
                let described = talk.describe();
                if !described.is_empty() {
                    words.push_str("; ");
                    words.push_str(&described);
                }
            }
            None if peer.pipe.received.is_empty() => words.push_str("; nothing has come that was not taken"),
            None => {
                let bytes = peer.pipe.received.get(..64).unwrap_or(&peer.pipe.received);
                let count = peer.pipe.received.len();
                let _ = write!(words, "; {count} bytes have come: \"{}\"", bytes.escape_ascii());
            }
        }
        words
    }
}
