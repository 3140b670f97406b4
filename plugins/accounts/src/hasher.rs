//! Passwords under Argon2id.

use crate::{AccountError, AccountsError, Hashing, Password};
use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::Error,
};

/// Hashes and checks passwords, tens of milliseconds each. Each thread that does has one.
#[derive(Clone)]
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    params: Params,
    /// Whether the last hash failed: the log tells of the first failure, for peers cause the next ones.
    failing: bool,
}

/// What a password is to an account.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the account's; with a new PHC string where the stored one was made with lower costs.
    Right { renewed: Option<String> },
    /// It is not, or there is no account.
    Wrong,
    /// What is stored is no hash that can be checked.
    Damaged,
}

impl Hasher {
    pub(crate) fn new(hashing: &Hashing) -> Result<Self, AccountsError> {
        let Hashing { memory, passes, lanes, .. } = *hashing;
        // Of lanes too many for any memory the crate would overflow: see that it does not come to that.
        let params = if u64::from(memory) < u64::from(lanes) * 8 {
            Err(argon2::Error::MemoryTooLittle)
        } else {
            Params::new(memory, passes, lanes, None)
        };
        let params = params.map_err(|error| AccountsError::Hashing { memory, passes, lanes, error })?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()),
            params,
            failing: false,
        })
    }

    /// The PHC string to store. Its salt is the system's randomness, which no replay needs: nothing in the world depends
    /// on it.
    pub(crate) fn hash(&mut self, password: &Password) -> Result<String, AccountError> {
        let hashed: Result<PasswordHash, Error> = self.argon2.hash_password(password.as_bytes());
        if let Err(error) = &hashed
            && !self.failing
        {
            tracing::error!("passwords cannot be hashed, for want of memory perhaps: {error}");
        }
        self.failing = hashed.is_err();
        hashed.map(|hash| hash.to_string()).map_err(|_| AccountError::Store)
    }

    /// Whether this is the password stored. Where none is, it takes the time it would with one.
    pub(crate) fn check(
        &mut self,
        password: &Password,
        stored: Option<&str>,
    ) -> Result<Verdict, AccountError> {
        let Some(stored) = stored else {
            return self.hash(password).map(|_| Verdict::Wrong);
        };
        let Ok(hash) = PasswordHash::new(stored) else { return Ok(Verdict::Damaged) };
        match self.argon2.verify_password(password.as_bytes(), &hash) {
            // That a new hash fails is no reason to turn somebody away.
            Ok(()) if self.is_weaker(&hash) => Ok(Verdict::Right { renewed: self.hash(password).ok() }),
            Ok(()) => Ok(Verdict::Right { renewed: None }),
            Err(Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(Error::OutOfMemory) => Err(AccountError::Store),
            Err(_) => Ok(Verdict::Damaged),
        }
    }

    /// Whether it costs a guesser less than a hash made now.
    fn is_weaker(&self, hash: &PasswordHash) -> bool {
        Params::try_from(hash).map_or(true, |params| {
            hash.algorithm != ARGON2ID_IDENT
                || hash.version.is_none_or(|version| version < Version::V0x13.into())
                || params.m_cost() < self.params.m_cost()
                || params.t_cost() < self.params.t_cost()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(memory: u32, passes: u32) -> Hasher {
        Hasher::new(&Hashing { memory, passes, ..Hashing::default() }).unwrap()
    }

    #[test]
    fn a_hash_is_a_phc_string_with_its_costs_and_a_salt_of_its_own() {
        let mut hasher = hasher(64, 2);
        let [one, two] = [(); 2].map(|()| hasher.hash(&"secret".into()).unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
    }

    #[test]
    fn only_the_password_itself_is_right() {
        let mut hasher = hasher(64, 1);
        let stored = hasher.hash(&"secret".into()).unwrap();
        assert_eq!(hasher.check(&"secret".into(), Some(&stored)), Ok(Verdict::Right { renewed: None }));
        for other in ["Secret", "secret ", "", "secret\0"] {
            assert_eq!(hasher.check(&other.into(), Some(&stored)), Ok(Verdict::Wrong));
        }
        assert_eq!(hasher.check(&"secret".into(), None), Ok(Verdict::Wrong));
    }

    #[test]
    fn a_hash_of_lower_costs_is_renewed_and_one_of_higher_costs_is_not() {
        let (mut low, mut high) = (hasher(64, 1), hasher(64, 2));
        let stored = low.hash(&"secret".into()).unwrap();
        let Ok(Verdict::Right { renewed: Some(renewed) }) = high.check(&"secret".into(), Some(&stored))
        else {
            panic!("not renewed")
        };
        assert_eq!(high.check(&"secret".into(), Some(&renewed)), Ok(Verdict::Right { renewed: None }));
        assert_eq!(low.check(&"secret".into(), Some(&renewed)), Ok(Verdict::Right { renewed: None }));
        assert_eq!(high.check(&"other".into(), Some(&stored)), Ok(Verdict::Wrong));
    }

    #[test]
    fn what_is_no_hash_of_ours_is_never_right() {
        for stored in ["", "plain", "$2b$10$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64,t=1,p=1"] {
            let checked = hasher(64, 1).check(&"secret".into(), Some(stored));
            assert!(matches!(checked, Ok(Verdict::Damaged | Verdict::Wrong)), "{stored}: {checked:?}");
        }
    }

    #[test]
    fn costs_that_argon2_does_not_know_are_the_operators_mistake() {
        for (memory, passes, lanes) in [(7, 1, 1), (64, 0, 1), (64, 1, 0), (64, 1, 9), (64, 1, u32::MAX)] {
            let error = Hasher::new(&Hashing { memory, passes, lanes, ..Hashing::default() })
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(&format!("memory = {memory} KiB")), "{error}");
        }
    }
}
