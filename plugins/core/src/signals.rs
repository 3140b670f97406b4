//! What the operator says by signals.

use crate::{Funnel, Shutdown};
use bevy_app::{App, Plugin};
use std::{io, sync::atomic::AtomicBool, sync::atomic::Ordering};

/// Turns SIGINT and SIGTERM into [`Shutdown`], and SIGHUP, where there is such a thing, into
/// [`Reload`](crate::Reload). A second SIGINT or SIGTERM ends the process at once, with exit code 130.
///
/// It installs a handler for the whole process: for a program whose main job is the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalPlugin;

impl Plugin for SignalPlugin {
    fn build(&self, app: &mut App) {
        let funnel = app.world().resource::<Funnel>().clone();
        if let Err(error) = handle(funnel) {
            tracing::warn!(%error, "signals are not handled: the process will end without draining");
        }
    }
}

/// Asks for the end; the second time there is no more asking.
fn end(funnel: &Funnel, asked: &AtomicBool) {
    if asked.swap(true, Ordering::SeqCst) {
        std::process::exit(130);
    }
    funnel.post(|world| world.trigger(Shutdown));
}

#[cfg(unix)]
fn handle(funnel: Funnel) -> io::Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let listen = move || {
        let asked = AtomicBool::new(false);
        for signal in signals.forever() {
            if signal == SIGHUP {
                funnel.post(|world| world.trigger(crate::Reload));
            } else {
                end(&funnel, &asked);
            }
        }
    };
    std::thread::Builder::new().name("portcullis-signals".into()).spawn(listen)?;
    Ok(())
}

#[cfg(not(unix))]
fn handle(funnel: Funnel) -> io::Result<()> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || end(&funnel, &asked)).map_err(io::Error::other)
}
