//! Manifest and app, brought together: which number on the wire is which route.

use crate::{Manifest, Messages};
use portcullis_dispatch::{Inbound, RouteId, Routes};
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// What a server's manifest promises and its app does not keep.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestFault {
    /// Nobody handles a route.
    #[error(
        "the manifest promises `{route}` to clients, but nothing handles it: add a handler or stream for it"
    )]
    NotHandled {
        /// The route.
        route: String,
    },
    /// The route is handled with other types than promised. It is not served.
    #[error("the manifest promises `{route}` as {promised}, but the app has {served}: make them the same")]
    Types {
        /// The route.
        route: String,
        /// The types of the manifest.
        promised: String,
        /// The types of the app.
        served: String,
    },
}

impl Manifest {
    /// What this manifest promises and these routes do not keep, by route.
    ///
    /// A handler or push of [`Raw`](portcullis_dispatch::Raw) keeps every promise: it sees to the bytes itself. A push
    /// that the app has not declared is taken at the manifest's word.
    pub fn faults(&self, routes: &Routes) -> Vec<ManifestFault> {
        self.iter().flat_map(|messages| faults(messages, routes)).collect()
    }
}

fn faults(messages: &Messages, routes: &Routes) -> impl Iterator<Item = ManifestFault> {
    let info = routes.get(&messages.route).and_then(|id| routes.info(id));
    let inbound = messages.inbound.and_then(|promised| match info.and_then(|info| info.inbound) {
        None => Some(ManifestFault::NotHandled { route: messages.route.to_string() }),
        Some(served) if keeps(promised, served) => None,
        Some(served) => Some(types(messages, describe(promised), describe(served))),
    });
    let push = messages.push.zip(info.and_then(|info| info.push)).and_then(|(promised, served)| {
        (!fits(promised, served))
            .then(|| types(messages, format!("push of {promised}"), format!("push of {served}")))
    });
    inbound.into_iter().chain(push)
}

fn types(messages: &Messages, promised: String, served: String) -> ManifestFault {
    ManifestFault::Types { route: messages.route.to_string(), promised, served }
}

fn keeps(promised: Inbound, served: Inbound) -> bool {
    match (promised, served) {
        (Inbound::Handler { request, reply }, Inbound::Handler { request: takes, reply: gives }) => {
            fits(request, takes) && fits(reply, gives)
        }
        // The answer to a notify is dropped, so a handler will do.
        (
            Inbound::Stream { body },
            Inbound::Stream { body: takes } | Inbound::Handler { request: takes, .. },
        ) => fits(body, takes),
        (Inbound::Handler { .. }, Inbound::Stream { .. }) => false,
    }
}

fn fits(promised: &str, served: &str) -> bool {
    promised == served || served == "Raw"
}

fn describe(inbound: Inbound) -> String {
    match inbound {
        Inbound::Handler { request, reply } => format!("request of {request} for {reply}"),
        Inbound::Stream { body } => format!("notify of {body}"),
    }
}

/// The route that numbers without a meaning lead to: nobody handles it, so that dispatch answers in its turn.
const UNKNOWN_ROUTE: &str = "?";

/// Numbers on the wire to routes of the app, and back.
#[derive(Debug)]
pub(crate) struct Tables {
    inbound: Vec<RouteId>,
    unknown: RouteId,
    /// By route of the app.
    pushes: Vec<Option<u16>>,
    /// Routes whose pushes have nowhere to go, and of which the log has been told.
    told: Vec<AtomicBool>,
}

impl Tables {
    pub(crate) fn new(manifest: &Manifest, routes: &mut Routes) -> Self {
        let unknown = routes.intern(UNKNOWN_ROUTE);
        let ids: Vec<RouteId> = manifest.iter().map(|messages| routes.intern(&messages.route)).collect();
        let count = routes.iter().count();
        let mut pushes = vec![None; count];
        for (messages, id) in manifest.iter().zip(&ids) {
            if messages.push.is_some() {
                pushes[id.index()] = manifest.number(&messages.route);
            }
        }
        let served = |(messages, id): (&Messages, RouteId)| {
            let promised = messages.inbound?;
            let differs = routes.info(id)?.inbound.is_some_and(|served| !keeps(promised, served));
            (!differs).then_some(id)
        };
        let inbound = manifest.iter().zip(ids).map(|entry| served(entry).unwrap_or(unknown)).collect();
        Self { inbound, unknown, pushes, told: (0..count).map(|_| AtomicBool::new(false)).collect() }
    }

    /// The route of a number.
    pub(crate) fn route(&self, number: u16) -> RouteId {
        self.inbound.get(usize::from(number)).copied().unwrap_or(self.unknown)
    }

    /// The number on which this route is pushed.
    pub(crate) fn push(&self, route: RouteId) -> Option<u16> {
        self.pushes.get(route.index()).copied().flatten()
    }

    /// True once for each route.
    pub(crate) fn tell(&self, route: RouteId) -> bool {
        self.told.get(route.index()).is_none_or(|told| !told.swap(true, Ordering::Relaxed))
    }
}
