//! Alone in its file: signals are the whole process's.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![cfg(unix)]

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{CorePlugin, Ingress, Intake, Reload, Shutdown, SignalPlugin};
use signal_hook::{
    consts::{SIGHUP, SIGTERM},
    low_level::raise,
};
use std::time::{Duration, Instant};

#[derive(Resource, Default)]
struct Said(Vec<&'static str>);

#[test]
fn a_hang_up_asks_for_a_reload_and_a_termination_for_the_end() {
    let mut app = App::new();
    app.add_plugins((CorePlugin::default(), SignalPlugin))
        .init_resource::<Said>()
        .add_observer(|_: On<Reload>, mut said: ResMut<Said>| said.0.push("reload"))
        .add_observer(|_: On<Shutdown>, mut said: ResMut<Said>| said.0.push("shutdown"));
    let intake = app.world().resource::<Intake>().clone();
    for (signal, meaning) in [(SIGHUP, "reload"), (SIGHUP, "reload"), (SIGTERM, "shutdown")] {
        raise(signal).unwrap();
        intake.wait(Some(Instant::now() + Duration::from_secs(20)));
        app.world_mut().run_schedule(Ingress);
        assert_eq!(std::mem::take(&mut app.world_mut().resource_mut::<Said>().0), [meaning]);
    }
}
