//! The handle: what can be done with accounts.

use crate::{
    Account, AccountError, AccountStore, MAX_PASSWORD, Password, database::Database, name::Name,
    prove::prove, reply::Reply, store::Keeper, worker::Places,
};
use bevy_ecs::prelude::*;
use portcullis_core::Funnel;

/// The accounts, as a resource. Clones are cheap and share them.
///
/// Each operation returns at once. Its outcome comes to `done`, which runs in the world, in the turn of what comes from
/// outside; exactly once, unless the world is gone. Operations of one name take effect in some order, and none of them
/// by half.
///
/// **Names** have 1 to [`MAX_NAME`](crate::MAX_NAME) bytes of UTF-8, no control characters, and no white space before or
/// after. They keep their spelling, and are the same whatever the case of their ASCII letters. Other letters are compared
/// as they are: who does not want look-alikes refuses them before.
///
/// **Passwords** have [`AccountSettings::password`](crate::AccountSettings::password) bytes when they are set, and
/// at most [`MAX_PASSWORD`] when they are checked.
///
/// # Errors
/// All operations: [`BadName`](AccountError::BadName) for what cannot be a name, [`Busy`](AccountError::Busy) when too
/// much waits, and [`Store`](AccountError::Store) when the database fails.
#[derive(Resource, Clone, Debug)]
pub struct Accounts {
    store: AccountStore,
    funnel: Funnel,
}

impl Accounts {
    /// The accounts of this store, whose outcomes go to the world of this funnel.
    pub fn new(store: AccountStore, funnel: Funnel) -> Self {
        Self { store, funnel }
    }

    /// Makes an account. Costs a hash.
    ///
    /// # Errors
    /// [`Taken`](AccountError::Taken), [`BadPassword`](AccountError::BadPassword).
    pub fn register(
        &self,
        name: &str,
        password: impl Into<Password>,
        done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
    ) {
        let password = password.into();
        let fits = self.check_new(&password);
        self.begin(name, &self.store.0.hashing_places, fits, done, move |keeper, name, reply| {
            // Before the hash: a name that is taken costs none. After it once more, by the table.
            match keeper.database.find(&name) {
                Ok(None) => {}
                Ok(Some(_)) => return reply.answer(Err(AccountError::Taken)),
                Err(error) => return reply.answer(Err(error)),
            }
            keeper.hashing.send(move |thread| match thread.hasher.hash(&password) {
                Ok(hash) => thread.keeping.send(move |keeper| {
                    let made = keeper.database.insert(&name, &hash);
                    reply.answer(made.and_then(|account| account.ok_or(AccountError::Taken)));
                }),
                Err(error) => reply.answer(Err(error)),
            });
        });
    }

    /// Checks a password: a login. Costs a hash, or two when the stored one was made with lower costs.
    ///
    /// # Errors
    /// [`Wrong`](AccountError::Wrong) for a wrong password and for an unknown name alike, after the same time;
    /// [`Locked`](AccountError::Locked) after too many of them; [`Disabled`](AccountError::Disabled) only with the right
    /// password; [`BadPassword`](AccountError::BadPassword) for one too long to be looked at.
    pub fn verify(
        &self,
        name: &str,
        password: impl Into<Password>,
        done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
    ) {
        let password = password.into();
        let fits = check_old(&password);
        self.begin(name, &self.store.0.hashing_places, fits, done, move |keeper, name, reply| {
            prove(
                keeper,
                name,
                password,
                reply,
                |_, renewed| Ok(renewed),
                |database, stored, account, renewed| {
                    if let Some(hash) = renewed {
                        // The database has logged why, if this fails; the password was right all the same.
                        let _ = database.renew(stored, &hash);
                    }
                    Ok(account)
                },
            );
        });
    }

    /// Sets another password, for whoever knows the old one. Costs two hashes, or three like a login.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify), and [`BadPassword`](AccountError::BadPassword) for the new one.
    pub fn set_password(
        &self,
        name: &str,
        old: impl Into<Password>,
        new: impl Into<Password>,
        done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
    ) {
        let (old, new) = (old.into(), new.into());
        let fits = check_old(&old).and_then(|()| self.check_new(&new));
        self.begin(name, &self.store.0.hashing_places, fits, done, move |keeper, name, reply| {
            prove(
                keeper,
                name,
                old,
                reply,
                move |hasher, _| hasher.hash(&new),
                |database, stored, _, hash| database.replace(stored, &hash)?.ok_or(AccountError::Wrong),
            );
        });
    }

    /// The account of this name, if there is one.
    pub fn find(
        &self,
        name: &str,
        done: impl FnOnce(&mut World, Result<Option<Account>, AccountError>) + Send + 'static,
    ) {
        self.ask(name, done, Database::find);
    }

    /// Keeps an account from logging in. Once `done` has run no [`verify`](Self::verify) that was under way succeeds any
    /// more; who is in already is in, until somebody kicks him.
    ///
    /// # Errors
    /// [`Unknown`](AccountError::Unknown).
    pub fn disable(
        &self,
        name: &str,
        done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
    ) {
        self.ask(name, done, |database, name| known(database.set_disabled(name, true)));
    }

    /// Lets an account log in again.
    ///
    /// # Errors
    /// [`Unknown`](AccountError::Unknown).
    pub fn enable(
        &self,
        name: &str,
        done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
    ) {
        self.ask(name, done, |database, name| known(database.set_disabled(name, false)));
    }

    /// Removes an account and tells what it was. The name is free again, the id is not.
    ///
    /// # Errors
    /// [`Unknown`](AccountError::Unknown).
    pub fn remove(
        &self,
        name: &str,
        done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
    ) {
        self.ask(name, done, |database, name| known(database.remove(name)));
    }

    /// An operation without a password.
    fn ask<T: Send + 'static>(
        &self,
        name: &str,
        done: impl FnOnce(&mut World, Result<T, AccountError>) + Send + 'static,
        work: impl FnOnce(&mut Database, &Name) -> Result<T, AccountError> + Send + 'static,
    ) {
        self.begin(name, &self.store.0.places, Ok(()), done, |keeper, name, reply| {
            reply.answer(work(&mut keeper.database, &name));
        });
    }

    /// Begins an operation in the database's thread, if the name can be one, the passwords fit and there is a place.
    fn begin<T: Send + 'static>(
        &self,
        name: &str,
        places: &Places,
        fits: Result<(), AccountError>,
        done: impl FnOnce(&mut World, Result<T, AccountError>) + Send + 'static,
        work: impl FnOnce(&mut Keeper, Name, Reply<T>) + Send + 'static,
    ) {
        let mut reply = Reply::new(&self.funnel, done);
        let admitted = || {
            let name = Name::new(name)?;
            fits?;
            Ok((name, places.take().ok_or(AccountError::Busy)?))
        };
        match admitted() {
            Ok((name, place)) => {
                reply.hold(place);
                self.store.0.keeping.send(move |keeper| work(keeper, name, reply));
            }
            Err(error) => reply.answer(Err(error)),
        }
    }

    fn check_new(&self, password: &Password) -> Result<(), AccountError> {
        let fitting = &self.store.0.password;
        if fitting.contains(&password.len()) {
            return Ok(());
        }
        Err(AccountError::BadPassword { least: *fitting.start(), most: *fitting.end() })
    }
}

fn check_old(password: &Password) -> Result<(), AccountError> {
    if password.len() <= MAX_PASSWORD {
        return Ok(());
    }
    Err(AccountError::BadPassword { least: 0, most: MAX_PASSWORD })
}

fn known(found: Result<Option<Account>, AccountError>) -> Result<Account, AccountError> {
    found.and_then(|account| account.ok_or(AccountError::Unknown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountSettings, Hashing};
    use bevy_app::App;
    use crossbeam_channel::{Receiver, Sender, unbounded};
    use portcullis_core::{CorePlugin, Ingress, Intake};

    type Outcome<T = Account> = Result<T, AccountError>;

    fn open(settings: AccountSettings) -> (App, Accounts) {
        let mut app = App::new();
        app.add_plugins(CorePlugin::default());
        let funnel = app.world().resource::<Funnel>().clone();
        (app, Accounts::new(AccountStore::open(settings).unwrap(), funnel))
    }

    fn settings(queue: usize) -> AccountSettings {
        let hashing = Hashing { memory: 64, passes: 1, lanes: 1, threads: 1, queue };
        AccountSettings { hashing, queue, ..AccountSettings::default() }
    }

    /// Runs the world until as many outcomes have come.
    fn take<T>(app: &mut App, outcomes: &Receiver<T>, count: usize) -> Vec<T> {
        let intake = app.world().resource::<Intake>().clone();
        while outcomes.len() < count {
            intake.wait(None);
            app.world_mut().run_schedule(Ingress);
        }
        outcomes.try_iter().collect()
    }

    /// Keeps the only thread that hashes until the sender is dropped.
    fn block_hashing(accounts: &Accounts) -> Sender<()> {
        let (gate, closed) = unbounded::<()>();
        accounts.store.0.hashing.send(move |_| assert!(closed.recv().is_err()));
        gate
    }

    #[test]
    fn a_flood_of_logins_is_answered_busy_at_once_and_keeps_nobody_from_other_operations() {
        let (mut app, accounts) = open(settings(16));
        let gate = block_hashing(&accounts);
        let (sender, logins) = unbounded::<Outcome>();
        let flood = |count: usize| {
            for index in 0..count {
                let sender = sender.clone();
                let done = move |_: &mut World, outcome| sender.send(outcome).unwrap();
                accounts.verify(&format!("name {index}"), "correct horse", done);
            }
        };
        flood(1000);
        assert_eq!(take(&mut app, &logins, 984), vec![Err(AccountError::Busy); 984]);

        let (sender, found) = unbounded::<Outcome<Option<Account>>>();
        accounts.find("ann", move |_, outcome| sender.send(outcome).unwrap());
        assert_eq!(take(&mut app, &found, 1), [Ok(None)]);

        drop(gate);
        assert_eq!(take(&mut app, &logins, 16), vec![Err(AccountError::Wrong); 16]);
        flood(16);
        assert_eq!(take(&mut app, &logins, 16), vec![Err(AccountError::Wrong); 16]);
    }

    #[test]
    fn an_unknown_name_costs_a_hash_too() {
        let (mut app, accounts) = open(settings(16));
        let gate = block_hashing(&accounts);
        let (sender, outcomes) = unbounded();
        let login = sender.clone();
        accounts.verify("nobody", "correct horse", move |_, outcome| login.send(outcome.err()).unwrap());
        accounts.remove("nobody", move |_, outcome| sender.send(outcome.err()).unwrap());
        assert_eq!(take(&mut app, &outcomes, 1), [Some(AccountError::Unknown)]);
        drop(gate);
        assert_eq!(take(&mut app, &outcomes, 1), [Some(AccountError::Wrong)]);
    }

    #[test]
    fn an_operation_that_panics_is_answered_and_the_next_one_works() {
        let (mut app, accounts) = open(settings(16));
        let (sender, outcomes) = unbounded::<Outcome<()>>();
        let done = move |_: &mut World, outcome| sender.send(outcome).unwrap();
        accounts.ask("ann", done.clone(), |_, _| panic!("as it should"));
        assert_eq!(take(&mut app, &outcomes, 1), [Err(AccountError::Store)]);
        accounts.ask("ann", done, |_, _| Ok(()));
        assert_eq!(take(&mut app, &outcomes, 1), [Ok(())]);
    }
}
