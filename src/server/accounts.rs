//! The accounts that clients log in by.

use super::{
    config::{Accounts, Config, Fault, Listener, LogIn, Source},
    sysconn::PhonesPlugin,
};
use portcullis::{
    accounts::{
        AccountLoginPlugin, AccountSettings, AccountStore, AccountsError, AccountsPlugin, Hashing, Store,
    },
    demo::members::MembersPlugin,
    prelude::*,
    session::TicketLife,
};

/// Opens the accounts, and lets clients log in by them; where no listener's do, there are none.
///
/// # Errors
/// When they cannot be opened: the operator is told which key to mend.
pub fn add(app: &mut App, config: &Config, source: &Source) -> Result<(), Fault> {
    if !Accounts::are_used(config) {
        return Ok(());
    }
    let accounts = &config.accounts;
    let store = AccountStore::open(settings(accounts)).map_err(|error| fault(accounts, source, &error))?;
    let logins = AccountLoginPlugin {
        registration: accounts.registration,
        linger: accounts.linger_seconds.duration(),
        ..AccountLoginPlugin::default()
    };
    app.add_plugins((AccountsPlugin::from(store), logins, MembersPlugin))
        .insert_resource(TicketLife(accounts.ticket_seconds.duration()));
    if Accounts::have_roles(config) {
        app.add_plugins(PhonesPlugin);
    }
    if accounts.file.is_empty() {
        tracing::warn!("accounts are in memory, and gone when the server stops: accounts.file keeps them");
    }
    for (name, listener) in &config.listener {
        if in_the_clear(listener) {
            tracing::warn!(
                listener = %name,
                "passwords come to it in the clear: set tls_certificate and tls_key, or put a proxy with TLS before it"
            );
        }
    }
    Ok(())
}

fn settings(accounts: &Accounts) -> AccountSettings {
    let store = match accounts.file.as_str() {
        "" => Store::Memory,
        file => Store::File(file.into()),
    };
    let mut hashing = Hashing::default();
    if let Some(threads) = accounts.hashing_threads.limit() {
        hashing.threads = threads;
    }
    AccountSettings { store, hashing, ..AccountSettings::default() }
}

fn fault(accounts: &Accounts, source: &Source, error: &AccountsError) -> Fault {
    let problem = format!("will not do: {error}");
    match error {
        AccountsError::Threads(_) => {
            source.fault("accounts.hashing_threads", &accounts.hashing_threads.size().to_string(), problem)
        }
        _ => source.fault("accounts.file", &format!("{:?}", accounts.file), problem),
    }
}

/// What this machine says to itself, nobody hears; what comes from a proxy may have been encrypted before.
fn in_the_clear(listener: &Listener) -> bool {
    listener.login == LogIn::Accounts
        && listener.tls_certificate.is_empty()
        && listener.proxies.is_empty()
        && !listener.address.0.ip().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(text: &str) -> Accounts {
        let head = "registration = true\nticket_seconds = 600\nlinger_seconds = 60\n";
        toml::from_str(&format!("{head}{text}")).unwrap()
    }

    #[test]
    fn no_file_is_memory_and_no_number_of_threads_is_half_of_the_cores() {
        let settings = settings(&accounts("file = \"\"\nhashing_threads = 0"));
        assert_eq!((settings.store, settings.hashing), (Store::Memory, Hashing::default()));
    }

    #[test]
    fn a_file_and_a_number_of_threads_are_taken_at_their_word() {
        let settings = settings(&accounts("file = \"a.db\"\nhashing_threads = 3"));
        assert_eq!((settings.store, settings.hashing.threads), (Store::File("a.db".into()), 3));
    }

    #[test]
    fn passwords_in_the_clear_are_told_of_where_somebody_could_read_them() {
        let listener = |text: &str| -> Listener {
            toml::from_str(&format!("protocol = \"native\"\nlogin = \"accounts\"\n{text}")).unwrap()
        };
        assert!(in_the_clear(&listener("address = \"0.0.0.0:4000\"")));
        assert!(!in_the_clear(&listener("address = \"127.0.0.1:4000\"")));
        assert!(!in_the_clear(&listener(
            "address = \"0.0.0.0:4000\"\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\""
        )));
        assert!(!in_the_clear(&listener("address = \"0.0.0.0:4000\"\nproxies = [\"10.0.0.0/8\"]")));
    }
}
