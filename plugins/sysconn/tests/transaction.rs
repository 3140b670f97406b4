//! Pushes that go out together, or not at all.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod common;

use bevy_ecs::{prelude::*, system::RunSystemOnce};
use common::{client, message, world, written};
use portcullis_core::ForwardedTo;
use portcullis_sysconn::wire::messages::Kicked;
use portcullis_sysconn::{Pushes, Transaction, TransactionFull};
use std::{
    io,
    sync::{Arc, Mutex},
};

#[test]
fn what_is_collected_waits_for_the_flush_and_keeps_its_order() {
    let mut world = world();
    let connection = client(&mut world);
    let mut telling = Transaction::begin(connection);
    telling.push_raw(1101, b"one").unwrap();
    telling.push(1099, &Kicked { error_code: 11 }).unwrap();
    telling.push_raw(1102, b"").unwrap();
    assert_eq!(telling.len(), 3);
    assert!(written(&world, connection).is_empty());
    // What is not collected overtakes it.
    world.run_system_once(move |mut pushes: Pushes| pushes.push_raw(connection, 1100, b"now")).unwrap();
    assert_eq!(telling.flush_in(&mut world), 1);
    let all = [message(1100, b"now"), message(1101, b"one"), message(1099, &[8, 11]), message(1102, b"")];
    assert_eq!(written(&world, connection), all.concat());
}

#[test]
fn it_goes_to_the_connections_there_are_at_the_flush() {
    let mut world = world();
    let agent = world.spawn_empty().id();
    let (old, new) = (client(&mut world), client(&mut world));
    world.entity_mut(old).insert(ForwardedTo(agent));
    let mut telling = Transaction::begin(agent);
    telling.push_raw(1101, b"abc").unwrap();
    world.entity_mut(old).remove::<ForwardedTo>();
    world.entity_mut(new).insert(ForwardedTo(agent));
    // A system has the parameter for it.
    let told = world.run_system_once_with(
        |In(telling): In<Transaction>, mut pushes: Pushes| telling.flush(&mut pushes),
        telling,
    );
    assert_eq!(told.unwrap(), 1);
    assert!(written(&world, old).is_empty());
    assert_eq!(written(&world, new), message(1101, b"abc"));
}

#[test]
fn a_transaction_is_bounded_and_keeps_what_fitted() {
    let mut world = world();
    let connection = client(&mut world);
    let mut telling = Transaction::begin(connection).with_limit(30);
    telling.push_raw(1101, b"four").unwrap();
    assert_eq!(telling.push_raw(1102, b"fives"), Err(TransactionFull { limit: 30 }));
    assert_eq!(telling.push(1099, &Kicked { error_code: 70_000 }), Ok(()));
    assert_eq!(telling.push_raw(1103, b""), Err(TransactionFull { limit: 30 }));
    assert_eq!(telling.flush_in(&mut world), 1);
    let kick = message(1099, &[8, 0xf0, 0xa2, 4]);
    assert_eq!(written(&world, connection), [message(1101, b"four"), kick].concat());
    let mut large = Transaction::begin(connection);
    assert!(large.push_raw(1101, &[0; 64 * 1024]).is_err());
    assert!(large.push_raw(1101, &[0; 64 * 1024 - 11]).is_ok());
    large.discard();
}

#[test]
fn one_that_is_discarded_or_forgotten_sends_nothing_and_the_forgotten_one_is_warned_of() {
    let mut world = world();
    let connection = client(&mut world);
    let log = logged(|| {
        let mut told = Transaction::begin(connection);
        told.push_raw(1101, b"a").unwrap();
        told.discard();
        let mut flushed = Transaction::begin(connection);
        flushed.push_raw(1102, b"").unwrap();
        flushed.flush_in(&mut world);
        drop(Transaction::begin(connection));
    });
    assert_eq!(log, "");
    let half_way = |connection| {
        let mut telling = Transaction::begin(connection).with_limit(40);
        telling.push_raw(1101, b"secret")?;
        telling.push_raw(1101, b"secret")?;
        telling.push_raw(1101, &[0; 40])?;
        telling.discard();
        Ok::<_, TransactionFull>(())
    };
    let log = logged(|| assert!(half_way(connection).is_err()));
    assert!(log.contains("WARN") && log.contains("messages=2"), "{log}");
    assert!(!log.contains("secret"), "{log}");
    assert_eq!(written(&world, connection), message(1102, b""));
}

#[test]
fn nobody_there_is_no_error() {
    let mut world = world();
    let gone = client(&mut world);
    world.despawn(gone);
    let mut telling = Transaction::begin(gone);
    telling.push_raw(1101, b"abc").unwrap();
    assert_eq!(telling.flush_in(&mut world), 0);
    assert_eq!(Transaction::begin(gone).flush_in(&mut world), 0);
}

/// All that was logged in this thread while `run` ran, at whatever level.
fn logged(run: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // As long as there is but one, tracing asks that of whichever thread comes first, and other tests have none.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    tracing::subscriber::with_default(subscriber, run);
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
