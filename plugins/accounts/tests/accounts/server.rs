//! A world with accounts, cheap hashes and virtual time.

use bevy_app::App;
use bevy_ecs::prelude::*;
use crossbeam_channel::unbounded;
use portcullis_accounts::{
    Account, AccountError, AccountSettings, AccountStore, Accounts, AccountsPlugin, Hashing, Store,
};
use portcullis_core::{Clock, CorePlugin, Ingress, Intake, TimeSource};
use std::{
    fs,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

pub const CHEAP: Hashing = Hashing { memory: 64, passes: 1, lanes: 1, threads: 2, queue: 128 };

pub fn cheap() -> AccountSettings {
    AccountSettings { hashing: CHEAP, ..AccountSettings::default() }
}

pub fn in_file(path: &Path) -> AccountSettings {
    AccountSettings { store: Store::File(path.to_owned()), ..cheap() }
}

/// What each operation may come to.
pub type Outcome<T = Account> = Result<T, AccountError>;

pub struct Server(pub App);

impl Server {
    pub fn new(settings: AccountSettings) -> Self {
        Self::over(AccountStore::open(settings).unwrap())
    }

    pub fn over(store: AccountStore) -> Self {
        let mut app = App::new();
        let time = TimeSource::manual();
        app.add_plugins((CorePlugin { time, ..CorePlugin::default() }, AccountsPlugin::from(store)));
        Self(app)
    }

    pub fn advance(&mut self, by: Duration) {
        self.0.world().resource::<Clock>().source().advance(by);
    }

    pub fn accounts(&self) -> Accounts {
        self.0.world().resource::<Accounts>().clone()
    }

    /// Starts operations all at once, each with a closure that takes the outcome in the world; the outcomes in the order
    /// they came.
    pub fn all<T: Send + 'static>(
        &mut self,
        count: usize,
        start: impl Fn(&Accounts, usize, Box<dyn FnOnce(&mut World, Outcome<T>) + Send>),
    ) -> Vec<Outcome<T>> {
        let (sender, receiver) = unbounded();
        let (accounts, intake) = (self.accounts(), self.0.world().resource::<Intake>().clone());
        for index in 0..count {
            let sender = sender.clone();
            let done = move |_: &mut World, outcome| sender.send(outcome).unwrap();
            start(&accounts, index, Box::new(done));
        }
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            intake.wait(None);
            self.0.world_mut().run_schedule(Ingress);
            outcomes.extend(receiver.try_iter());
        }
        outcomes
    }

    /// Runs one to its end.
    pub fn one<T: Send + 'static>(
        &mut self,
        start: impl Fn(&Accounts, Box<dyn FnOnce(&mut World, Outcome<T>) + Send>),
    ) -> Outcome<T> {
        self.all(1, |accounts, _, done| start(accounts, done)).remove(0)
    }

    pub fn register(&mut self, name: &str, password: &str) -> Outcome {
        self.one(|accounts, done| accounts.register(name, password, done))
    }

    pub fn verify(&mut self, name: &str, password: &str) -> Outcome {
        self.one(|accounts, done| accounts.verify(name, password, done))
    }

    pub fn set_password(&mut self, name: &str, old: &str, new: &str) -> Outcome {
        self.one(|accounts, done| accounts.set_password(name, old, new, done))
    }

    pub fn find(&mut self, name: &str) -> Outcome<Option<Account>> {
        self.one(|accounts, done| accounts.find(name, done))
    }

    pub fn disable(&mut self, name: &str) -> Outcome {
        self.one(|accounts, done| accounts.disable(name, done))
    }

    pub fn enable(&mut self, name: &str) -> Outcome {
        self.one(|accounts, done| accounts.enable(name, done))
    }

    pub fn remove(&mut self, name: &str) -> Outcome {
        self.one(|accounts, done| accounts.remove(name, done))
    }
}

/// A folder of a test, removed with all that is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-accounts-{}-{test}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
