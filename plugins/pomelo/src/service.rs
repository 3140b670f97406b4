//! What one listener serves: its routes, their codes and schemas, and the answers to handshakes.

use crate::{
    PomeloClient,
    wire::{
        dictionary::Dictionary,
        handshake::{Cache, Family, Kept, Request},
        protobuf::{Protos, Schema},
    },
};
use bevy_ecs::prelude::*;
use bevy_platform::collections::HashMap;
use portcullis_dispatch::{RouteId, RouteInfo, Routes, Speaks};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// The schemas of both directions.
#[derive(Clone, Debug)]
pub(crate) struct ProtoFiles {
    pub(crate) client: Arc<Protos>,
    pub(crate) server: Arc<Protos>,
}

/// How a listener's clients show that they are alive, and what they are told when the server refuses.
#[derive(Clone)]
pub(crate) struct Manners {
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) error_texts: bool,
    pub(crate) compress: bool,
    pub(crate) check_client: Option<Arc<dyn Fn(&PomeloClient) -> bool + Send + Sync>>,
}

impl Manners {
    /// Whether a client of this kind and version may come in. A check that panics over what this one says of itself lets
    /// it not, and is there for the next.
    pub(crate) fn wants(&self, client: &PomeloClient) -> bool {
        let wants = |check: &Arc<dyn Fn(&PomeloClient) -> bool + Send + Sync>| {
            catch_unwind(AssertUnwindSafe(|| check(client))).unwrap_or(false)
        };
        self.check_client.as_ref().is_none_or(wants)
    }
}

/// A rhythm of heartbeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) strict: bool,
    pub(crate) style: HeartbeatStyle,
}

/// Who sets the rhythm of heartbeats. All known clients live with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeartbeatStyle {
    /// Each heartbeat of a client is answered with one at once, and the server sends none of its own but the first: as
    /// Pomelo does.
    #[default]
    Answer,
    /// The server sends one every interval and answers none: as Pitaya and nano do.
    Ticker,
}

/// What one listener serves.
pub(crate) struct Service {
    pub(crate) manners: Manners,
    pub(crate) handshake_route: RouteId,
    pub(crate) unknown_route: RouteId,
    welcomes: Cache,
    /// By route.
    known: Vec<Known>,
    by_name: HashMap<Arc<str>, Asked>,
    /// Those only that clients may ask for.
    by_code: Vec<Option<RouteId>>,
}

/// What is known of a route on the wire.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    code: Option<u16>,
    /// What clients send on it.
    request: Option<Schema>,
    /// What the server answers and pushes on it.
    reply: Option<Schema>,
}

/// A route that clients may ask for by name.
#[derive(Clone, Copy, Debug)]
struct Asked {
    route: RouteId,
    /// Whether those may that are not of Pitaya's kind: it has three parts.
    by_all: bool,
}

/// How many parts the routes have that a family of clients may ask for.
fn parts(route: &str) -> usize {
    if route.split('.').any(str::is_empty) { 0 } else { route.split('.').count() }
}

impl Service {
    /// All routes of the app by now are served.
    pub(crate) fn new(
        routes: &mut Routes,
        manners: Manners,
        pushes: Option<&[String]>,
        protos: Option<ProtoFiles>,
    ) -> Result<Self, crate::PomeloError> {
        let handshake_route = routes.reserve(crate::HANDSHAKE_ROUTE);
        let unknown_route = routes.reserve(crate::UNKNOWN_ROUTE);
        for route in pushes.unwrap_or_default() {
            routes.intern(route);
        }
        for route in protos.iter().flat_map(|protos| protos.server.routes()) {
            routes.intern(route);
        }
        let served = |info: &RouteInfo| info.inbound.is_some() && !info.reserved;
        let asked = routes.iter().map(|(_, info)| info).filter(|info| served(info) && parts(&info.name) == 3);
        let asked = asked.map(|info| info.name.to_string());
        let dictionary = pushes.map(|pushes| Dictionary::new(asked, pushes)).transpose()?;
        let known = routes.iter().map(|(_, info)| Known {
            code: dictionary.as_ref().and_then(|dictionary| dictionary.code(&info.name)),
            request: protos.as_ref().and_then(|protos| protos.client.get(&info.name).cloned()),
            reply: protos.as_ref().and_then(|protos| protos.server.get(&info.name).cloned()),
            name: Arc::clone(&info.name),
        });
        let known: Vec<Known> = known.collect();
        let by_name: HashMap<_, _> = routes
            .iter()
            .filter(|(_, info)| served(info) && matches!(parts(&info.name), 2 | 3))
            .map(|(route, info)| (Arc::clone(&info.name), Asked { route, by_all: parts(&info.name) == 3 }))
            .collect();
        let mut by_code = Vec::new();
        for (id, known) in routes.iter().map(|(id, _)| id).zip(&known) {
            if let Some(code) = known.code.map(usize::from)
                && by_name.contains_key(&known.name)
            {
                if by_code.len() <= code {
                    by_code.resize(code + 1, None);
                }
                by_code[code] = Some(id);
            }
        }
        let heartbeat = manners.heartbeat.map(|beat| beat.interval.as_secs_f64().ceil() as u32);
        let schemas = protos.as_ref().map(|protos| (&*protos.client, &*protos.server));
        let welcomes = Cache::new(heartbeat, dictionary.as_ref(), schemas, Some("json"));
        Ok(Self { manners, handshake_route, unknown_route, welcomes, known, by_name, by_code })
    }

    /// What of ours a client has kept, as the id of its handshake's request: the answer finds out by it what to leave out.
    pub(crate) fn kept(&self, request: &Request) -> u64 {
        let kept = self.welcomes.kept(request);
        u64::from(kept.dictionary) | u64::from(kept.protos) << 1
    }

    /// The `sys` object of the answer to a handshake of this id.
    pub(crate) fn sys(&self, family: Family, id: u64) -> &[u8] {
        self.welcomes.sys(family, Kept { dictionary: id & 1 != 0, protos: id & 2 != 0 })
    }

    /// The route that a client may ask for by this name.
    pub(crate) fn route(&self, family: Family, name: &str) -> Option<RouteId> {
        let Asked { route, by_all } = *self.by_name.get(name)?;
        (by_all || family == Family::Pitaya).then_some(route)
    }

    /// The route that a client may ask for by this code.
    pub(crate) fn route_of(&self, code: u16) -> Option<RouteId> {
        self.by_code.get(usize::from(code)).copied().flatten()
    }

    fn known(&self, route: RouteId) -> Option<&Known> {
        self.known.get(route.index())
    }

    pub(crate) fn name(&self, route: RouteId) -> Option<&str> {
        self.known(route).map(|known| &*known.name)
    }

    pub(crate) fn code(&self, route: RouteId) -> Option<u16> {
        self.known(route)?.code
    }

    pub(crate) fn request_schema(&self, route: RouteId) -> Option<&Schema> {
        self.known(route)?.request.as_ref()
    }

    pub(crate) fn reply_schema(&self, route: RouteId) -> Option<&Schema> {
        self.known(route)?.reply.as_ref()
    }
}

/// How one family of a listener's clients is spoken to. Each has a number of its own in dispatch, so that what is said
/// to many is encoded once for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) family: Family,
    pub(crate) speaks: Speaks,
}

/// The services of the app, by what their connections speak.
#[derive(Resource, Default)]
pub(crate) struct Services(Vec<(Arc<Service>, [Dialect; 3])>);

impl Services {
    pub(crate) fn add(&mut self, service: Arc<Service>, dialects: [Dialect; 3]) {
        self.0.push((service, dialects));
    }

    /// An app has one or two: there is no faster way to find one.
    pub(crate) fn get(&self, speaks: Speaks) -> Option<(&Service, Family)> {
        self.0.iter().find_map(|(service, dialects)| {
            let dialect = dialects.iter().find(|dialect| dialect.speaks == speaks)?;
            Some((&**service, dialect.family))
        })
    }

    /// The dialect in which the same listener speaks to this family.
    pub(crate) fn dialect(&self, speaks: Speaks, family: Family) -> Option<Dialect> {
        let (_, dialects) =
            self.0.iter().find(|(_, dialects)| dialects.iter().any(|dialect| dialect.speaks == speaks))?;
        dialects.iter().find(|dialect| dialect.family == family).copied()
    }
}
