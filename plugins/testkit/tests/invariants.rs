//! A server that leaks fails the test that made it.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{Agent, BelongsTo, Closed, Opened, Outboxes};
use portcullis_dispatch::{AppDispatchExt, Refusal, Request};
use portcullis_testkit::TestServer;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// What the test would be told, if it fails.
fn complaint(test: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(test)).err()?;
    Some(panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

/// What is wrong here stays wrong: there is nothing to wait for.
fn impatient(plugin: impl Fn(&mut App) + Send + Sync + 'static) -> TestServer {
    TestServer::builder().patience(Duration::ZERO).plugin(plugin).build()
}

#[test]
fn a_server_in_order_passes() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_handler("echo", |text: Request<String>| text.body);
        });
        let mut ann = server.connect();
        ann.request("echo", "hello").expect_reply::<String>();
        server.check_invariants();
    });
    assert_eq!(told, None);
}

#[test]
fn an_agent_that_plays_for_nobody_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|_: On<Opened>, mut commands: Commands| {
                commands.spawn((Agent, Name::new("stray")));
            });
        });
        server.connect();
    });
    assert!(told.is_some_and(|told| told.contains("agent")));
}

#[test]
fn an_agent_may_belong_to_its_connection() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|event: On<Opened>, mut commands: Commands| {
                commands.spawn(BelongsTo(event.entity));
            });
        });
        server.connect();
    });
    assert_eq!(told, None);
}

#[test]
fn a_close_that_was_told_twice_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|event: On<Closed>, mut commands: Commands, mut again: Local<bool>| {
                if !std::mem::replace(&mut *again, true) {
                    commands.trigger(event.event().clone());
                }
            });
        });
        server.connect().close();
    });
    assert!(told.is_some_and(|told| told.to_lowercase().contains("closed")));
}

#[test]
fn a_system_that_fails_is_found() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_observer(|_: On<Opened>, mut outboxes: Outboxes| -> Result {
                outboxes.write(Entity::PLACEHOLDER, |_| ())?;
                Ok(())
            });
        });
        server.connect();
    });
    assert!(told.is_some_and(|told| told.contains("error")));
}

#[test]
fn a_request_that_is_refused_is_no_failure() {
    let told = complaint(|| {
        let mut server = impatient(|app: &mut App| {
            app.add_handler("no", |_: Request<()>| -> Result<(), Refusal> { Err("never".into()) });
        });
        let mut ann = server.connect();
        ann.request("no", &()).expect_refusal();
    });
    assert_eq!(told, None);
}
