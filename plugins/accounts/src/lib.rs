//! Accounts of Portcullis: names and passwords in `SQLite`, off the ECS thread.
//!
//! **Where it stands in the flow.** Beside the pipeline: whoever lets clients log in asks [`Accounts`], and hears the
//! outcome in the world, in the turn of what comes from outside. One thread owns the database, a few hash passwords; no
//! operation keeps a system waiting.
//!
//! ```text
//!  the world ─ verify ─► the database's thread ─ stored hash ─► a hashing thread
//!      ▲                 (locked? who is it?)                   (Argon2id, tens of ms)
//!      └──── outcome ─── the database's thread ◄─── verdict ──────────┘
//!        by the funnel   (still so? disabled?)
//! ```
//!
//! **What it adds**
//! - [`Accounts`], a resource: register, verify, set a password, find, disable, enable, remove.
//! - [`AccountStore`], which is opened before there is an app, so that what is wrong with a file is one sentence for the
//!   operator instead of a panic.
//! - [`AccountLoginPlugin`]: routes by which clients of any protocol log in with a name and a password, drop, and come back
//!   with a [`Ticket`](portcullis_session::Ticket), to their session and to the answers that they have missed.
//! - Settings: [where](Store), [what a hash costs](Hashing), [when a name is locked](Lockout), and how much may wait.
//!
//! **What is bounded.** Operations with a password wait in a queue of 128, others in one of 1024; one more is
//! [busy](AccountError::Busy) at once. So a flood of logins costs half of the cores, 19 MiB for each of those, and
//! nothing else. The names that have failed are 10,000.
//!
//! **What it keeps.** Passwords as PHC strings of Argon2id, each with its salt and costs; hashes of lower costs than
//! the settings are renewed at the next login. `SQLite` in WAL mode, written through to the disk: what was answered has
//! happened, and a crash undoes nothing by half. A database of a newer version or of another program is left alone.
//!
//! **What it refuses to do.** It never logs a name or a password. It does not limit addresses: that is the gate's. Who
//! watches the time can tell a name whose hash has lower costs than the settings, until it is renewed; all others take as
//! long as one that is not there.
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::prelude::*;
//! use portcullis_accounts::{Account, AccountError, Accounts, AccountsPlugin};
//! use portcullis_core::{CorePlugin, Ingress, Intake};
//!
//! #[derive(Resource)]
//! struct Outcome(Result<Account, AccountError>);
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), AccountsPlugin::default())); // in memory
//! let (accounts, intake) = (app.world().resource::<Accounts>().clone(), app.world().resource::<Intake>().clone());
//!
//! accounts.register("Ann", "correct horse", |world, outcome| world.insert_resource(Outcome(outcome)));
//! intake.wait(None); // the runner does these two
//! app.world_mut().run_schedule(Ingress);
//! assert_eq!(app.world().resource::<Outcome>().0.as_ref().map(|account| account.id), Ok(1));
//!
//! accounts.verify("ann", "battery staple", |world, outcome| world.insert_resource(Outcome(outcome)));
//! intake.wait(None);
//! app.world_mut().run_schedule(Ingress);
//! assert_eq!(app.world().resource::<Outcome>().0, Err(AccountError::Wrong));
//! ```

mod account;
mod accounts;
mod database;
mod error;
mod failures;
mod hasher;
mod login;
mod migrations;
mod name;
mod password;
mod prove;
mod reply;
mod settings;
mod store;
#[cfg(test)]
mod testing;
mod worker;

pub use account::Account;
pub use accounts::Accounts;
pub use error::{AccountError, AccountsError, BadName};
pub use login::{AccountLoginPlugin, LOGIN, LOGOUT, REGISTER, RESUME, shut_out};
pub use password::Password;
pub use settings::{AccountSettings, Hashing, Lockout, MAX_NAME, MAX_PASSWORD, Store};
pub use store::AccountStore;

use bevy_app::{App, Plugin};
use portcullis_core::Funnel;

/// Adds [`Accounts`]. After [`CorePlugin`](portcullis_core::CorePlugin).
#[derive(Clone, Debug)]
pub struct AccountsPlugin {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Settings(AccountSettings),
    Opened(AccountStore),
}

impl AccountsPlugin {
    /// Opens a store with these settings when it is added, **and panics with the sentence of an [`AccountsError`]** if
    /// that fails. A server that wants to say it otherwise [opens](AccountStore::open) the store first, and makes the
    /// plugin [`from`](From) it.
    pub fn new(settings: AccountSettings) -> Self {
        Self { source: Source::Settings(settings) }
    }
}

impl Default for AccountsPlugin {
    fn default() -> Self {
        Self::new(AccountSettings::default())
    }
}

impl From<AccountStore> for AccountsPlugin {
    fn from(store: AccountStore) -> Self {
        Self { source: Source::Opened(store) }
    }
}

impl Plugin for AccountsPlugin {
    fn build(&self, app: &mut App) {
        let store = match &self.source {
            Source::Opened(store) => store.clone(),
            Source::Settings(settings) => {
                AccountStore::open(settings.clone()).unwrap_or_else(|error| panic!("{error}"))
            }
        };
        let funnel = app.world().resource::<Funnel>().clone();
        app.insert_resource(Accounts::new(store, funnel));
    }
}
