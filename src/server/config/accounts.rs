//! What `[accounts]` says, and the listeners whose clients log in by them.

use super::{
    Config, Fault, Listener, LogIn, Serve, Source, Speaks,
    values::{SecondsOrNever, Whole, WholeSeconds},
};
use serde::{Deserialize, Serialize};

/// Accounts, for listeners with `login = "accounts"`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    pub file: String,
    pub registration: bool,
    pub ticket_seconds: WholeSeconds,
    pub linger_seconds: SecondsOrNever,
    pub hashing_threads: Whole<0, 64>,
}

impl Accounts {
    /// Whether a listener's clients log in by them. If none's do, they are not opened.
    pub fn are_used(config: &Config) -> bool {
        config.listener.values().any(|listener| listener.login == LogIn::Accounts)
    }

    /// Whether their roles play at some connector.
    pub fn have_roles(config: &Config) -> bool {
        let mut listeners = config.listener.values();
        listeners.any(|listener| listener.login == LogIn::Accounts && listener.protocol == Speaks::Sysconn)
    }
}

/// Checks whether the accounts that a configuration describes are of use.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(config: &Config, source: &Source) -> Result<(), Fault> {
    let Accounts { file, registration, .. } = &config.accounts;
    let used = Accounts::are_used(config);
    for (key, said, value) in [
        ("accounts.file", !file.is_empty(), format!("{file:?}")),
        ("accounts.registration", *registration, registration.to_string()),
    ] {
        if said && !used {
            let problem = "says nothing alone: set login = \"accounts\" at a listener, or take it out";
            return Err(source.fault(key, &value, problem));
        }
    }
    if used && file.is_empty() && !registration {
        let problem = "will not do: accounts in memory begin with none, and none could be made; set it to true, or name \
                       a file that has some by accounts.file";
        return Err(source.fault("accounts.registration", "false", problem));
    }
    if used && file.is_empty() && !config.listener.values().any(registers) {
        let problem = "will not do: accounts in memory begin with none, and clients of sysconn cannot make any; name a \
                       file that has some, or add a listener with another protocol and login = \"accounts\"";
        return Err(source.fault("accounts.file", "\"\"", problem));
    }
    Ok(())
}

/// Whether accounts can be made at a listener.
fn registers(listener: &Listener) -> bool {
    listener.login == LogIn::Accounts && listener.protocol != Speaks::Sysconn
}

/// Checks what a listener says of them.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_listener(
    config: &Config,
    listener: &Listener,
    fault: &dyn Fn(&str, &str, String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // Its users are whoever they say they are, and sessions are the whole server's.
    let anybody = match listener.serve {
        Serve::Connector => Accounts::are_used(config),
        Serve::Roles => listener.login == LogIn::None && Accounts::have_roles(config),
        _ => false,
    };
    if anybody {
        let mend = match listener.serve {
            Serve::Roles => "say login = \"accounts\" here too",
            _ => "serve \"nothing\" here",
        };
        let problem = format!(
            "will not do beside login = \"accounts\": there everybody logs in under any name, that of an account too; \
             {mend}, or run it in a server of its own"
        );
        return fault("serve", &format!("{:?}", listener.serve.word()), problem);
    }
    if listener.login == LogIn::None {
        return Ok(());
    }
    let said = format!("{:?}", listener.login.word());
    if !matches!(listener.protocol, Speaks::Native | Speaks::Pomelo | Speaks::Sysconn) {
        let problem = format!("means nothing to the protocol {}: take it out", listener.protocol.word());
        return fault("login", &said, problem);
    }
    if cfg!(not(feature = "accounts")) {
        let problem = "will not do: this server was built without accounts; build it with the feature accounts, or \
                       say \"none\"";
        return fault("login", &said, problem.to_owned());
    }
    Ok(())
}
