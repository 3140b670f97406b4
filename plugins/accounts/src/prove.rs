//! From a name and a password to an account.

use crate::{
    Account, AccountError, Password,
    database::{Database, Stored},
    failures::Outcome,
    hasher::{Hasher, Verdict},
    name::Name,
    reply::Reply,
    store::Keeper,
};

/// Checks a password and answers: `hashed` goes on in the thread that hashes when it was right, with its renewed hash if
/// it needs one; `kept` in the thread of the database, when the account is still there and may log in.
pub(crate) fn prove<X: Send + 'static>(
    keeper: &mut Keeper,
    name: Name,
    password: Password,
    reply: Reply<Account>,
    hashed: impl FnOnce(&mut Hasher, Option<String>) -> Result<X, AccountError> + Send + 'static,
    kept: impl FnOnce(&mut Database, &Stored, Account, X) -> Result<Account, AccountError> + Send + 'static,
) {
    let stored = match keeper.failures.begin(&name, reply.now()).and_then(|()| keeper.database.stored(&name))
    {
        Ok(stored) => stored,
        Err(error) => {
            if error == AccountError::Store {
                keeper.failures.end(&name, Outcome::Untold, reply.now());
            }
            return reply.answer(Err(error));
        }
    };
    keeper.hashing.send(move |thread| {
        let verdict = thread.hasher.check(&password, stored.as_ref().map(|stored| stored.password.as_str()));
        drop(password);
        let damaged = verdict == Ok(Verdict::Damaged);
        let (outcome, proof) = match verdict {
            Ok(Verdict::Right { renewed }) => (Outcome::Right, hashed(&mut thread.hasher, renewed)),
            Ok(Verdict::Wrong) => (Outcome::Wrong, Err(AccountError::Wrong)),
            Ok(Verdict::Damaged) => (Outcome::Untold, Err(AccountError::Store)),
            Err(error) => (Outcome::Untold, Err(error)),
        };
        thread.keeping.send(move |keeper| {
            keeper.failures.end(&name, outcome, reply.now());
            if damaged {
                keeper.tell_of_damage(stored.as_ref());
            }
            let database = &mut keeper.database;
            let answer = proof.and_then(|proof| {
                // Looked at again: meanwhile the account may have been removed, disabled, or given another password.
                let stored = stored.ok_or(AccountError::Wrong)?;
                let account = database.current(&stored)?.ok_or(AccountError::Wrong)?;
                if account.disabled {
                    return Err(AccountError::Disabled);
                }
                kept(database, &stored, account, proof)
            });
            reply.answer(answer);
        });
    });
}
