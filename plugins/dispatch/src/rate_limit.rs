//! How often a connection may ask.

use crate::{FilterSystems, PacketKind, Packets, Refusal, RouteId, RouteSet, Routes, packets::Verdict};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{AcceptedBy, Connection, Ingress};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Limits how often each connection may use routes: a surplus request is answered with [`Refusal::TOO_MANY`], a surplus
/// notify is dropped; [`RateLimited`] counts them.
///
/// Each connection has buckets of its own, as its [`RateLimit`] says, or else its listener's, or else this plugin's. They
/// take memory from its first packet to a limited route on: some 24 bytes a bucket. What protocols answer themselves,
/// heartbeats and handshakes, never comes here. What they, or filters before, have refused is counted with the rest, for
/// it is answered: a surplus of it may cost its sender the connection.
#[derive(Clone, Debug, Default)]
pub struct RateLimitPlugin {
    /// For connections whose listener has none of its own. Default: no limit.
    pub default: Option<RateLimit>,
}

impl Plugin for RateLimitPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Routes>();
        let mut routes = app.world_mut().resource_mut::<Routes>();
        let default = self.default.as_ref().map(|limit| Arc::new(Policy::new(limit, &mut routes)));
        app.insert_resource(DefaultPolicy(default))
            .init_resource::<RateLimited>()
            .register_required_components::<Connection, Buckets>()
            .add_observer(resolve)
            .add_observer(forget)
            .add_systems(Ingress, limit.in_set(FilterSystems::GlobalBefore));
    }
}

/// What a connection may use, as a component beside a listener, or on a connection; [`RateLimitPlugin`] enforces it. Whose
/// limit changes begins with full buckets.
///
/// ```
/// use portcullis_dispatch::{OnExcess, RateLimit};
///
/// RateLimit::default()
///     .bucket("chat.*", 2.0, 5) // five lines at once, then two a second
///     .bucket("*", 50.0, 100)
///     .on_excess(OnExcess::Kick { after: 20 });
/// ```
#[derive(Component, Clone, Debug, Default)]
#[component(immutable)]
pub struct RateLimit {
    buckets: Vec<(Cow<'static, str>, Duration, u32)>,
    on_excess: OnExcess,
}

impl RateLimit {
    /// Adds a token bucket for these routes (see [`Routes::set`] for patterns): it holds `burst` tokens, at least one,
    /// and gets `per_second` back. A packet needs a token of each bucket that names its route.
    ///
    /// # Panics
    /// When `per_second` is not a positive number.
    #[must_use]
    pub fn bucket(mut self, routes: impl Into<Cow<'static, str>>, per_second: f64, burst: u32) -> Self {
        self.buckets.push((routes.into(), Duration::from_secs_f64(1.0 / per_second), burst.max(1)));
        self
    }

    /// What happens to a connection that asks too often. Default [`OnExcess::Refuse`].
    #[must_use]
    pub fn on_excess(mut self, on_excess: OnExcess) -> Self {
        self.on_excess = on_excess;
        self
    }
}

/// What happens to a connection that asks too often, besides that its packets are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExcess {
    /// Nothing.
    #[default]
    Refuse,
    /// It is [kicked](portcullis_core::Kick) when so many packets were refused since the bucket was last full.
    Kick {
        /// How many it takes.
        after: u32,
    },
    /// It is [kicked](portcullis_core::Kick) at once.
    Close,
}

impl OnExcess {
    fn closes_at(self, refused: u32) -> bool {
        match self {
            Self::Refuse => false,
            Self::Kick { after } => refused >= after,
            Self::Close => true,
        }
    }
}

/// What rate limits have turned away since the start.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimited {
    /// Requests beyond the limit: those that had not been refused before were answered with [`Refusal::TOO_MANY`].
    pub requests: u64,
    /// Notifies that were dropped.
    pub notifies: u64,
    /// Connections that were closed for it.
    pub closed: u64,
}

/// A [`RateLimit`] whose routes are known.
#[derive(Debug)]
struct Policy {
    buckets: Vec<Bucket>,
    on_excess: OnExcess,
}

#[derive(Debug)]
struct Bucket {
    routes: RouteSet,
    /// In which one token comes back.
    interval: Duration,
    /// In which all but one come back: how far ahead of time a connection may be.
    slack: Duration,
}

impl Policy {
    fn new(limit: &RateLimit, routes: &mut Routes) -> Self {
        let bucket = |(patterns, interval, burst): &(Cow<'static, str>, Duration, u32)| Bucket {
            routes: routes.set(patterns),
            interval: *interval,
            slack: interval.checked_mul(burst - 1).unwrap_or(Duration::MAX),
        };
        Self { buckets: limit.buckets.iter().map(bucket).collect(), on_excess: limit.on_excess }
    }

    fn names(&self, routes: &Routes, route: RouteId) -> bool {
        self.buckets.iter().any(|bucket| routes.contains(bucket.routes, route))
    }
}

#[derive(Resource)]
struct DefaultPolicy(Option<Arc<Policy>>);

/// Beside each [`RateLimit`]: what it means in this app.
#[derive(Component)]
#[component(immutable)]
struct Limited(Arc<Policy>);

/// A connection's buckets, once it needs some.
#[derive(Component, Default)]
struct Buckets(Option<Box<Levels>>);

struct Levels {
    policy: Arc<Policy>,
    levels: Box<[Level]>,
    /// The connection is shown out for what it did.
    closing: bool,
}

/// How full a bucket is, as the moment at which it will be full again: no need to fill it meanwhile.
#[derive(Clone, Copy, Default)]
struct Level {
    full_at: Duration,
    /// Packets refused since it was last full.
    refused: u32,
}

impl Levels {
    fn new(policy: Arc<Policy>) -> Self {
        let levels = vec![Level::default(); policy.buckets.len()].into();
        Self { policy, levels, closing: false }
    }

    /// Takes a token of each bucket that names the route, or of none, and gives whose was missing.
    fn take(&mut self, routes: &Routes, route: RouteId, now: Duration) -> Result<(), u32> {
        let named = |bucket: &Bucket| routes.contains(bucket.routes, route);
        for (bucket, level) in self.policy.buckets.iter().zip(&mut self.levels) {
            if named(bucket) && level.full_at.saturating_sub(now) > bucket.slack {
                level.refused = level.refused.saturating_add(1);
                return Err(level.refused);
            }
        }
        for (bucket, level) in self.policy.buckets.iter().zip(&mut self.levels) {
            if named(bucket) {
                if level.full_at <= now {
                    *level = Level { full_at: now, refused: 0 };
                }
                level.full_at = level.full_at.saturating_add(bucket.interval);
            }
        }
        Ok(())
    }
}

fn resolve(
    event: On<Insert<RateLimit>>,
    limits: Query<&RateLimit>,
    mut routes: ResMut<Routes>,
    mut commands: Commands,
) {
    if let Ok(limit) = limits.get(event.entity) {
        let policy = Policy::new(limit, &mut routes);
        commands.entity(event.entity).try_insert(Limited(Arc::new(policy)));
    }
}

fn forget(event: On<Remove<RateLimit>>, mut commands: Commands) {
    commands.entity(event.entity).try_remove::<Limited>();
}

fn limit(
    routes: Res<Routes>,
    default: Res<DefaultPolicy>,
    listeners: Query<&Limited, Without<Connection>>,
    mut connections: Query<(&mut Buckets, Option<&Limited>, Option<&AcceptedBy>), With<Connection>>,
    mut limited: ResMut<RateLimited>,
    mut packets: ResMut<Packets>,
) {
    if packets.list.is_empty() {
        return;
    }
    packets.judge_answered(|packet, received| {
        let (mut buckets, own, accepted) = connections.get_mut(packet.connection).ok()?;
        let of_listener = || accepted.and_then(|accepted| listeners.get(accepted.0).ok());
        let policy = own.or_else(of_listener).map(|limited| &limited.0).or(default.0.as_ref())?;
        if !policy.names(&routes, packet.route) {
            return None;
        }
        let levels = match &mut buckets.0 {
            Some(levels) if Arc::ptr_eq(&levels.policy, policy) => levels,
            other => other.insert(Box::new(Levels::new(Arc::clone(policy)))),
        };
        if levels.closing {
            // What follows in the same run.
            return Some(Verdict::Drop);
        }
        let refused = levels.take(&routes, packet.route, received).err()?;
        match packet.kind {
            PacketKind::Request(_) => limited.requests += 1,
            PacketKind::Notify => limited.notifies += 1,
        }
        let route = routes.name(packet.route);
        tracing::debug!(connection = %packet.connection, route, refused, "asked too often");
        let refusal = Refusal::new(Refusal::TOO_MANY, "too many requests");
        if !policy.on_excess.closes_at(refused) {
            return Some(Verdict::Refuse(refusal));
        }
        levels.closing = true;
        limited.closed += 1;
        Some(Verdict::Kick { refusal, reason: "too many requests".into() })
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DispatchPlugin;
    use portcullis_core::CorePlugin;

    #[test]
    fn a_connection_takes_no_memory_before_its_first_packet_on_a_limited_route() {
        let default = Some(RateLimit::default().bucket("chat.*", 1.0, 1));
        let mut app = App::new();
        app.add_plugins((CorePlugin::default(), DispatchPlugin, RateLimitPlugin { default }));
        let address = ([127, 0, 0, 1], 7).into();
        let connection =
            Connection { peer: address, local: address, transport: "none", opened_at: Duration::ZERO };
        let connection = app.world_mut().spawn(connection).id();
        for (route, limited) in [("move", false), ("chat.say", true)] {
            let route = app.world_mut().resource_mut::<Routes>().intern(route);
            let mut packets = app.world_mut().resource_mut::<Packets>();
            let buffer = packets.buffer(Vec::new(), Duration::ZERO);
            packets.push(connection, route, PacketKind::Notify, buffer, (0, 0));
            app.world_mut().run_schedule(Ingress);
            let buckets = app.world().get::<Buckets>(connection);
            assert_eq!(buckets.is_some_and(|buckets| buckets.0.is_some()), limited);
        }
    }
}
