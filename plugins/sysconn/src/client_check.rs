//! The original's second look at who is silent: `client_check`.

use bevy_app::prelude::*;
use bevy_ecs::prelude::*;
use portcullis_core::{
    AcceptedBy, Cause, Clock, Close, Closing, Connection, DeadlineQueue, Opened, TickSystems, Traffic,
};
use std::time::Duration;

/// How often a connection is looked at: one from which nothing came between two looks is closed with [`Cause::Idle`]. What
/// counts is what moves [`Traffic::last_received`]. Default 60 seconds, as in the original.
///
/// The first look is one interval after the opening and always passes, so that a connection that never says a word is
/// closed after two. The [idle limit](portcullis_watchdog::IdleLimit) acts before that where it is not longer than this;
/// this one is for those who have set it longer, or off.
///
/// Put it beside a listener for its connections, or insert it on one connection at any time; what is changed or removed
/// holds at once. Zero and [`Duration::MAX`] are off.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
#[require(Looks)]
pub struct ClientCheck(pub Duration);

impl Default for ClientCheck {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

/// When a connection was looked at, and will be.
#[derive(Component, Debug, Default)]
pub(crate) struct Looks {
    /// When its entry is due. Entries due at any other time are left over, and dropped.
    armed: Option<Duration>,
    last: Option<Duration>,
}

/// Connections by the moment they have to be looked at.
///
/// As in the watchdog, an entry is pushed only when the moment comes nearer; one that has moved away is found out when it
/// is popped.
#[derive(Resource, Debug, Default)]
pub(crate) struct Due(DeadlineQueue<Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    connection: Entity,
    due: Duration,
}

pub(crate) fn build(app: &mut App) {
    app.init_resource::<Due>()
        .add_observer(set)
        .add_observer(arm)
        .add_systems(PreUpdate, look.in_set(TickSystems::Watch));
}

/// Gives a new connection what its listener has. What another observer of [`Opened`] has inserted stays.
fn set(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<&ClientCheck>,
    mut commands: Commands,
) {
    if let Ok(check) = connections.get(event.entity).and_then(|accepted| listeners.get(accepted.0)) {
        commands.entity(event.entity).try_insert_if_new(*check);
    }
}

fn arm(
    event: On<Insert<ClientCheck>>,
    mut connections: Query<(&mut Looks, &ClientCheck, &Connection)>,
    clock: Res<Clock>,
    mut queue: ResMut<Due>,
) {
    // A listener's is none: it is not looked at.
    if let Ok((mut looks, check, connection)) = connections.get_mut(event.entity) {
        looks.arm(event.entity, *check, connection, clock.now(), &mut queue);
    }
}

impl Looks {
    /// When the next look is, which may be past.
    fn next(&self, check: ClientCheck, connection: &Connection) -> Option<Duration> {
        let from = self.last.unwrap_or(connection.opened_at);
        Some(check.0).filter(|interval| !interval.is_zero()).and_then(|interval| from.checked_add(interval))
    }

    fn arm(
        &mut self,
        entity: Entity,
        check: ClientCheck,
        connection: &Connection,
        now: Duration,
        queue: &mut Due,
    ) {
        let Some(due) = self.next(check, connection).map(|due| due.max(now)) else { return };
        if self.armed.is_none_or(|armed| due < armed) {
            self.armed = Some(due);
            queue.0.push(due, Entry { connection: entity, due });
        }
    }
}

/// Looks at the connections whose moment has come.
fn look(
    clock: Res<Clock>,
    mut queue: ResMut<Due>,
    mut connections: Query<(&mut Looks, Option<&ClientCheck>, &Connection, &Traffic), Without<Closing>>,
    mut commands: Commands,
) {
    let now = clock.now();
    while let Some(Entry { connection: entity, due }) = queue.0.pop_due(now) {
        let Ok((mut looks, check, connection, traffic)) = connections.get_mut(entity) else { continue };
        if looks.armed != Some(due) {
            continue;
        }
        looks.armed = None;
        let Some(&check) = check else { continue };
        if looks.next(check, connection).is_some_and(|next| next <= now) {
            // What came in the very moment of the last look may have come after it.
            if looks.last.is_some_and(|last| traffic.last_received < last) {
                commands.trigger(Close::new(entity, Cause::Idle));
                continue;
            }
            looks.last = Some(now);
        }
        looks.arm(entity, check, connection, now, &mut queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::TimeSource;
    use std::net::SocketAddr;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A world without sockets, and who was closed in it.
    struct Check {
        app: App,
        time: TimeSource,
    }

    #[derive(Resource, Default)]
    struct Ended(Vec<(Entity, Cause, Duration)>);

    impl Check {
        fn new() -> Self {
            let time = TimeSource::manual();
            let mut app = App::new();
            app.insert_resource(Clock::new(time.clone())).init_resource::<Ended>();
            build(&mut app);
            app.add_observer(
                |close: On<Close>, clock: Res<Clock>, mut ended: ResMut<Ended>, mut commands: Commands| {
                    ended.0.push((close.entity, close.cause, clock.now()));
                    let closing = Closing { cause: close.cause, reason: None };
                    commands.entity(close.entity).insert(closing);
                },
            );
            Self { app, time }
        }

        fn open(&mut self, check: impl Bundle) -> Entity {
            let (peer, local) =
                (SocketAddr::from(([127, 0, 0, 1], 7)), SocketAddr::from(([127, 0, 0, 1], 8)));
            let opened_at = self.time.now();
            let connection = Connection { peer, local, transport: "ws", opened_at };
            let entity = self.app.world_mut().spawn((connection, check)).id();
            self.app.world_mut().trigger(Opened { entity });
            self.app.world_mut().flush();
            entity
        }

        fn hear(&mut self, entity: Entity) {
            let now = self.time.now();
            if let Some(mut traffic) = self.app.world_mut().get_mut::<Traffic>(entity) {
                traffic.last_received = now;
            }
        }

        /// Lets time pass, a second a tick.
        fn pass(&mut self, time: Duration) {
            for _ in 0..time.as_secs() {
                self.time.advance(SECOND);
                self.app.world_mut().resource_mut::<Clock>().update();
                self.app.update();
            }
        }

        fn ended(&self) -> &[(Entity, Cause, Duration)] {
            &self.app.world().resource::<Ended>().0
        }

        fn entries(&self) -> usize {
            self.app.world().resource::<Due>().0.len()
        }
    }

    #[test]
    fn who_never_says_a_word_is_closed_at_the_second_look() {
        let mut check = Check::new();
        check.pass(5 * SECOND);
        let silent = check.open(ClientCheck::default());
        check.pass(10 * MINUTE);
        assert_eq!(check.ended(), [(silent, Cause::Idle, 125 * SECOND)]);
    }

    #[test]
    fn who_says_something_between_any_two_looks_stays() {
        let mut check = Check::new();
        let talker = check.open(ClientCheck::default());
        for _ in 0..10 {
            check.pass(59 * SECOND);
            check.hear(talker);
        }
        // The last word was at 9:50; the looks are at whole minutes.
        check.pass(MINUTE);
        assert_eq!(check.ended(), []);
        check.pass(MINUTE);
        assert_eq!(check.ended(), [(talker, Cause::Idle, 11 * MINUTE)]);
    }

    #[test]
    fn a_connection_has_the_check_of_its_listener_unless_it_has_one() {
        let mut check = Check::new();
        let listener = check.app.world_mut().spawn(ClientCheck(10 * SECOND)).id();
        let silent = check.open(AcceptedBy(listener));
        check.open((AcceptedBy(listener), ClientCheck(Duration::MAX)));
        check.open(());
        check.pass(MINUTE);
        assert_eq!(check.ended(), [(silent, Cause::Idle, 20 * SECOND)]);
    }

    #[test]
    fn a_check_that_is_changed_or_removed_holds_at_once() {
        let mut check = Check::new();
        let (shorter, longer) = (check.open(ClientCheck::default()), check.open(ClientCheck(10 * SECOND)));
        let (without, late) = (check.open(ClientCheck::default()), check.open(()));
        check.pass(15 * SECOND);
        check.app.world_mut().entity_mut(shorter).insert(ClientCheck(5 * SECOND));
        check.app.world_mut().entity_mut(longer).insert(ClientCheck(30 * SECOND));
        check.app.world_mut().entity_mut(without).remove::<ClientCheck>();
        check.pass(45 * SECOND);
        // The first looks at once, for ten seconds are over, and has to pass once more; the other had its first at 10.
        assert_eq!(check.ended(), [(shorter, Cause::Idle, 21 * SECOND), (longer, Cause::Idle, 40 * SECOND)]);
        check.app.world_mut().entity_mut(without).insert(ClientCheck(5 * SECOND));
        check.app.world_mut().entity_mut(late).insert(ClientCheck(Duration::ZERO));
        check.pass(MINUTE);
        assert_eq!(check.ended().len(), 3);
        assert_eq!(check.ended()[2].0, without);
        assert_eq!(check.entries(), 0);
    }

    #[test]
    fn a_connection_has_one_entry_however_often_its_check_changes() {
        let mut check = Check::new();
        let entity = check.open(ClientCheck::default());
        for round in 0..100 {
            check.app.world_mut().entity_mut(entity).insert(ClientCheck(100 * SECOND + round * SECOND));
        }
        assert_eq!(check.entries(), 1);
        check.app.world_mut().despawn(entity);
        check.pass(MINUTE);
        assert_eq!((check.entries(), check.ended().len()), (0, 0));
    }
}
