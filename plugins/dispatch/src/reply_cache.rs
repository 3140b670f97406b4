//! The answers a session keeps, so that a client that lost its connection gets those it has not seen.

mod answers;

use crate::Speaks;
use answers::Answers;
use bevy_ecs::{entity::EntityHash, lifecycle::HookContext, prelude::*, world::DeferredWorld};
use bevy_platform::collections::{HashMap, hash_map::Entry};
use portcullis_core::{BoundTo, Budget, Charge, Holding, Shortage};
use std::fmt;

/// How many answers a session keeps, and how many requests of it may be on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// When twice as many answers are kept, the older half goes: so between this and twice as many of the latest are
    /// there. Default 128, as skynet's `expired_number`. 0 keeps none.
    pub expired_number: usize,
    /// Bytes of answers, frames whole. Beyond it the oldest go, whatever their number; the latest always stays, as far as the
    /// server's budget allows. One that is
    /// sent again lies there twice, until the older copy goes. Default 256 KiB: 128 answers of 2 KiB.
    pub max_bytes: usize,
    /// Requests that are not answered yet, over whatever connections they came; more are refused with
    /// [`Refusal::TOO_MANY`](crate::Refusal::TOO_MANY). Default 256: four connections' worth of deferred answers.
    pub running: usize,
    /// Whether ids only go up, as a client counts them. Then a request that may have been answered, and whose answer is
    /// not kept any more, is refused with [`Refusal::GONE`](crate::Refusal::GONE) when it comes again over a later
    /// connection, and never handled twice. Default false: as in skynet it is handled anew.
    pub ascending: bool,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { expired_number: 128, max_bytes: 256 * 1024, running: 256, ascending: false }
    }
}

/// Beside a session: its requests, over whatever connection they come, are handled once, and their answers kept for a
/// while. Insert it when the session begins, before a connection is bound to it.
///
/// A request is known by the id its client gave it. When one comes again *over a later connection*, its answer is sent
/// again; while it is still being handled, its answer will go to that connection. An id that comes again over the
/// *same* connection is another request when the first has been answered; while it has not, once is overlooked, and
/// twice is [`Bad::IdInUse`](crate::Bad::IdInUse) (skynet's msgserver does so). What counts is when a request came,
/// and not when it was done: so one that was being handled when its connection was lost is not handled again.
///
/// Refusals are answers, and kept, also those of [`add_filter`](crate::AppDispatchExt::add_filter). What systems before
/// the dispatcher turn away is not: such a request has not been let in, and may be tried again. One that had been let in
/// before gets its answer, though they refuse it when it comes again; where they drop it, nothing comes of that.
///
/// What is kept is charged to the server's [`Budget`](portcullis_core::Budget), of which answers may have half, and nothing
/// more while newcomers have to wait. Then a cache grows no more: an answer takes the place of its own oldest, and is not
/// kept at all where it is longer than all of them. It is [counted](portcullis_core::Shortage::Unkept), and what was
/// dropped is as if it were too old.
///
/// Notifies are not kept. A client that comes back over another protocol begins anew, for it could not read what was
/// written for the first. Connections that are bound to a session at the same time share its ids.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_dispatch::{ReplyCache, ReplyLimits};
/// # use portcullis_core::{BoundTo, CorePlugin};
/// # let mut app = bevy_app::App::new();
/// # app.add_plugins((CorePlugin::default(), portcullis_dispatch::DispatchPlugin));
/// # let world = app.world_mut();
///
/// let session = world.spawn(ReplyCache::new(ReplyLimits::default())).id();
/// let connection = world.spawn(BoundTo(session)).id();
/// assert_eq!(world.get::<ReplyCache>(session).unwrap().version(), 1);
/// ```
#[derive(Component)]
#[component(on_insert = charge)]
pub struct ReplyCache {
    limits: ReplyLimits,
    answers: Answers,
    /// How many more are kept before the older half goes.
    room: usize,
    /// The request whose turn it is. Most are answered at once.
    current: Option<(u64, Running)>,
    /// Those that are answered later, by id. A peer that makes its ids collide slows its own requests down.
    running: HashMap<u64, Running, EntityHash>,
    /// The highest id there has been: what is above is new.
    highest: Option<u64>,
    /// How many requests have been handled: the number of the next.
    runs: u64,
    /// How many connections have been bound to the session.
    version: u32,
    speaks: Option<Speaks>,
    forgotten: Forgotten,
    /// For the answers; none where there is no budget.
    charge: Option<Charge>,
}

/// The highest ids whose answers were dropped.
#[derive(Clone, Copy, Default)]
struct Forgotten {
    /// Of all.
    ever: Option<u64>,
    /// Of those that earlier connections asked for.
    before: Option<u64>,
}

impl Forgotten {
    fn add(&mut self, id: u64, is_recent: bool) {
        self.ever = self.ever.max(Some(id));
        if !is_recent {
            self.before = self.before.max(Some(id));
        }
    }
}

/// A request that is not answered yet.
#[derive(Clone, Copy)]
struct Running {
    /// The connection that is to be answered: the one that asked last.
    connection: Entity,
    /// The version it was asked under, or was last asked again under.
    version: u32,
    /// Whether it came again.
    repeated: bool,
    /// Which of all requests it is: an answer that comes late may be that of another with this id.
    run: u64,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Handle it, and answer as this run.
    New(u64),
    /// [Send](ReplyCache::resend) its answer again.
    Again,
    /// Nothing: its answer is on the way.
    OnItsWay,
    /// The peer cannot tell its own requests apart.
    Conflict,
    /// Too many are on their way.
    TooMany,
    /// It may have been answered, and nobody knows what.
    Forgotten,
}

impl ReplyCache {
    /// A cache that keeps nothing yet.
    pub fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            answers: Answers::default(),
            room: limits.expired_number.saturating_mul(2),
            current: None,
            running: HashMap::default(),
            highest: None,
            runs: 0,
            version: 0,
            speaks: None,
            forgotten: Forgotten::default(),
            charge: None,
        }
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of answers that are held, some of which may be left over: of an answer that was sent again, the older copy.
    pub fn bytes(&self) -> usize {
        self.answers.bytes()
    }

    /// Bytes of memory that the answers take, as they are charged to the server's [`Budget`](portcullis_core::Budget).
    pub fn held(&self) -> usize {
        self.charge.as_ref().map_or(0, Charge::bytes)
    }

    /// Requests that are not answered yet.
    pub fn running(&self) -> usize {
        self.running.len() + usize::from(self.current.is_some())
    }

    /// How many connections have been bound to the session so far.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Forgets all: the session goes on with another client, which counts its requests from the beginning. The answers to
    /// what is running go to the connections that asked, as far as they are open.
    pub fn clear(&mut self) {
        self.reset(None);
    }

    /// A connection was bound.
    pub(crate) fn next_version(&mut self) {
        self.version = self.version.wrapping_add(1);
        self.forgotten.before = self.forgotten.ever;
    }

    /// Gives back the memory that is not needed while nobody is there.
    pub(crate) fn shrink(&mut self) {
        self.answers.shrink();
        self.running.shrink_to_fit();
        self.account();
    }

    /// A request's turn has come.
    pub(crate) fn ask(&mut self, id: u64, connection: Entity, speaks: Speaks) -> Asked {
        if self.speaks != Some(speaks) {
            self.begin_anew(speaks);
        }
        self.set_aside();
        if self.highest.is_some_and(|highest| id <= highest)
            && let Some(asked) = self.ask_again(id, connection)
        {
            return asked;
        }
        if self.limits.ascending && self.forgotten.before.is_some_and(|forgotten| id <= forgotten) {
            return Asked::Forgotten;
        }
        if self.running.len() >= self.limits.running {
            return Asked::TooMany;
        }
        let run = self.runs;
        self.runs += 1;
        self.highest = self.highest.max(Some(id));
        self.current = Some((id, Running { connection, version: self.version, repeated: false, run }));
        Asked::New(run)
    }

    /// None for what is new in spite of its id.
    #[inline(never)]
    fn ask_again(&mut self, id: u64, connection: Entity) -> Option<Asked> {
        let version = self.version;
        if let Some(running) = self.running.get_mut(&id) {
            if running.repeated && running.version == version {
                return Some(Asked::Conflict);
            }
            *running = Running { connection, version, repeated: true, ..*running };
            return Some(Asked::OnItsWay);
        }
        let place = self.answers.find(id)?;
        if self.answers.version(place) == Some(version) {
            self.answers.remove(place);
            return None;
        }
        self.answers.set_version(place, version);
        Some(Asked::Again)
    }

    /// The request whose turn it was is answered later.
    fn set_aside(&mut self) {
        if let Some((id, running)) = self.current.take() {
            self.running.insert(id, running);
        }
    }

    /// Whether this one, which somebody turns away, had been let in before: then it is to be asked all the same. If it
    /// had not, what was answered under its id was another.
    pub(crate) fn was_let_in(&mut self, id: u64, speaks: Speaks) -> bool {
        if self.speaks != Some(speaks) {
            return false;
        }
        if self.run(id).is_some() {
            return true;
        }
        let Some(place) = self.answers.find(id) else { return false };
        let is_other = self.answers.version(place) == Some(self.version);
        if is_other {
            self.answers.remove(place);
        }
        !is_other
    }

    /// Keeps the answer to a request, and gives the connection it is to be sent to: the one that asked last. None when it
    /// has been answered before.
    pub(crate) fn answer(&mut self, id: u64, run: u64, asker: Entity, frame: &[u8]) -> Option<Entity> {
        let Some(Running { connection, version, .. }) = self.finish(id, run) else {
            let known = self.run(id).is_some() || self.answers.find(id).is_some();
            // A client that has come back over another protocol has let it go; the connection that asked may still wait.
            return (!known).then_some(asker);
        };
        self.keep(id, version, frame);
        Some(connection)
    }

    /// Gives the answer to a request that came [again](Asked::Again). It counts as the latest now; not where ids ascend, for
    /// a client that is cut off again and again while it asks for the first of what it has missed must not thereby make
    /// the last too old.
    pub(crate) fn resend(&mut self, id: u64, out: &mut Vec<u8>) {
        let Some(place) = self.answers.find(id) else { return };
        let start = out.len();
        self.answers.read(place, out);
        if !self.limits.ascending {
            self.answers.remove(place);
            self.keep(id, self.version, &out[start..]);
        }
    }

    /// Which of all requests the one that is running under this id is.
    pub(crate) fn run(&self, id: u64) -> Option<u64> {
        match &self.current {
            Some((current, running)) if *current == id => Some(running.run),
            _ => self.running.get(&id).map(|running| running.run),
        }
    }

    /// The request whose turn it was, or one that was deferred, has no answer so far. If none will come it is forgotten, and
    /// may come again.
    pub(crate) fn settle(&mut self, id: u64, run: u64, is_deferred: bool) {
        if is_deferred {
            self.set_aside();
        } else {
            self.finish(id, run);
        }
    }

    /// A request is not running any more.
    fn finish(&mut self, id: u64, run: u64) -> Option<Running> {
        if let Some((current, running)) = self.current
            && current == id
            && running.run == run
        {
            self.current = None;
            return Some(running);
        }
        match self.running.entry(id) {
            Entry::Occupied(running) if running.get().run == run => Some(running.remove()),
            _ => None,
        }
    }

    /// Keeps an answer, when what is too old has made room for it.
    fn keep(&mut self, id: u64, version: u32, frame: &[u8]) {
        let ReplyLimits { expired_number, max_bytes, .. } = self.limits;
        if expired_number == 0 {
            return self.forgotten.add(id, version == self.version);
        }
        let mut places = usize::MAX;
        self.room = self.room.saturating_sub(1);
        if self.room == 0 {
            self.room = expired_number;
            places = expired_number - 1;
        }
        let bytes = max_bytes.saturating_sub(frame.len());
        self.trim(places, bytes);
        let growth = self.answers.growth(frame.len());
        if growth > 0
            && let Some(charge) = &self.charge
            && !charge.budget().may_keep(growth)
        {
            charge.budget().add(Shortage::Unkept);
            let Some((places, bytes)) = self.answers.room_for(frame.len()) else {
                return self.forgotten.add(id, version == self.version);
            };
            self.trim(places, bytes);
        }
        self.answers.push(id, version, frame);
        self.account();
    }

    /// Drops the oldest until there are so many places, and bytes, at most.
    fn trim(&mut self, places: usize, bytes: usize) {
        if self.answers.places() > places || self.answers.bytes() > bytes {
            let (now, forgotten) = (self.version, &mut self.forgotten);
            self.answers.trim(places, bytes, |id, version| forgotten.add(id, version == now));
        }
    }

    /// Charges what the answers take now.
    fn account(&mut self) {
        if let Some(charge) = &mut self.charge {
            charge.set(self.answers.allocated());
        }
    }

    /// What is running goes on, and is not known any more.
    fn begin_anew(&mut self, speaks: Speaks) {
        self.reset(Some(speaks));
    }

    fn reset(&mut self, speaks: Option<Speaks>) {
        let (version, runs, charge) = (self.version, self.runs, self.charge.take());
        *self = Self { version, runs, speaks, charge, ..Self::new(self.limits) };
        self.account();
    }
}

fn charge(mut world: DeferredWorld, context: HookContext) {
    let Some(budget) = world.get_resource::<Budget>().cloned() else { return };
    if let Some(mut cache) = world.get_mut::<ReplyCache>(context.entity) {
        cache.charge = Some(Charge::new(&budget, Holding::Kept));
        cache.account();
    }
}

/// It may hold secrets, so it only says how much.
impl fmt::Debug for ReplyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyCache")
            .field("limits", &self.limits)
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .field("running", &self.running())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// From the binding on, what earlier connections asked is of an earlier version.
pub(crate) fn bound(
    event: On<Insert<BoundTo>>,
    connections: Query<&BoundTo>,
    mut caches: Query<&mut ReplyCache>,
) {
    if let Ok(&BoundTo(session)) = connections.get(event.entity)
        && let Ok(mut cache) = caches.get_mut(session)
    {
        cache.next_version();
    }
}

/// Nobody may come back for a long time.
pub(crate) fn unbound(
    event: On<Remove<BoundTo>>,
    connections: Query<&BoundTo>,
    mut caches: Query<&mut ReplyCache>,
) {
    if let Ok(&BoundTo(session)) = connections.get(event.entity)
        && let Ok(mut cache) = caches.get_mut(session)
    {
        cache.shrink();
    }
}

#[cfg(test)]
mod budget;
#[cfg(test)]
mod original;
#[cfg(test)]
mod tests;
