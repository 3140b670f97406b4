//! The keys of skynet's login server and msgserver: whose they are, and which of them listeners have in common.

use super::{Accepts, Config, Fault, Listener, Multi, Speaks};

/// Makes a fault of a key, its value and what is wrong.
type Report<'a> = &'a dyn Fn(&str, &str, String) -> Result<(), Fault>;

/// Checks what this listener says of logins.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(config: &Config, name: &str, listener: &Listener, fault: Report<'_>) -> Result<(), Fault> {
    of_others(listener, fault)?;
    let mut before = config.listener.iter().take_while(|(other, _)| *other != name);
    match listener.protocol {
        Speaks::SkynetLogin => {
            let first = before.find(|(_, other)| other.protocol == Speaks::SkynetLogin);
            login_server(listener, first, fault)
        }
        Speaks::MsgServer => {
            let same =
                |other: &Listener| other.protocol == Speaks::MsgServer && other.server == listener.server;
            msgserver(listener, before.find(|(_, other)| same(other)).map(|(name, _)| name), fault)
        }
        Speaks::Skynet | Speaks::Raw | Speaks::Native | Speaks::Pomelo | Speaks::Sysconn => Ok(()),
    }
}

/// Keys that were set, but are those of another protocol.
fn of_others(listener: &Listener, fault: Report<'_>) -> Result<(), Fault> {
    let speaks = listener.protocol;
    let (relogin, linger) = (listener.relogin, listener.session_linger_seconds);
    let (within, expired, kept) = (listener.relogin_seconds, listener.expired_number, listener.kept_bytes);
    let (login, game) = (&[Speaks::SkynetLogin][..], &[Speaks::MsgServer][..]);
    let lingers = &[Speaks::MsgServer, Speaks::Sysconn][..];
    for (key, of, differs, value) in [
        ("relogin", login, relogin != Listener::relogin(), quoted(relogin.word())),
        ("relogin_seconds", login, within != Listener::relogin_seconds(), within.get().to_string()),
        ("server", game, listener.server != Listener::server(), quoted(&listener.server)),
        ("session_linger_seconds", lingers, linger.limit().is_some(), linger.get().to_string()),
        ("expired_number", game, expired != Listener::expired_number(), expired.size().to_string()),
        ("kept_bytes", game, kept != Listener::kept_bytes(), kept.size().to_string()),
    ] {
        if differs && !of.contains(&speaks) {
            return fault(
                key,
                &value,
                format!("means nothing to the protocol {}: take it out", speaks.word()),
            );
        }
    }
    Ok(())
}

/// Users are the same at all login servers, so the policy is one too.
fn login_server(
    listener: &Listener,
    first: Option<(&String, &Listener)>,
    fault: Report<'_>,
) -> Result<(), Fault> {
    let (relogin, within, multi) = (listener.relogin, listener.relogin_seconds, listener.multi_login);
    if multi == Multi::Replace {
        let problem = "will not do: here it is for logins that overlap, and must be \"auto\", \"refuse\" or \"allow\"; \
                       whether an older session is replaced, says relogin";
        return fault("multi_login", &quoted(multi.word()), problem.to_owned());
    }
    if listener.accepts == Accepts::Both {
        let problem = "will not do: a login server speaks first, so it cannot wait for what its client is; say \"tcp\" or \
                       \"websocket\", and add a listener for the other";
        return fault("accepts", &quoted(listener.accepts.word()), problem.to_owned());
    }
    let Some((name, first)) = first else { return Ok(()) };
    for (key, same, value) in [
        ("relogin", first.relogin == relogin, quoted(relogin.word())),
        ("relogin_seconds", first.relogin_seconds == within, within.get().to_string()),
        ("multi_login", waits(first.multi_login) == waits(multi), quoted(multi.word())),
    ] {
        if !same {
            let problem =
                format!("will not do: it is one for all login servers: say what listener.{name} says");
            return fault(key, &value, problem);
        }
    }
    Ok(())
}

/// Users come to a game server by its name.
fn msgserver(listener: &Listener, other: Option<&String>, fault: Report<'_>) -> Result<(), Fault> {
    let server = quoted(&listener.server);
    if listener.server.is_empty() {
        return fault(
            "server",
            &server,
            "will not do: give it a name, by which users log in at it".to_owned(),
        );
    }
    match other {
        Some(name) => {
            fault("server", &server, format!("is that of listener.{name} too: choose another name"))
        }
        None => Ok(()),
    }
}

/// Whether logins that overlap wait for each other.
fn waits(multi: Multi) -> bool {
    multi == Multi::Allow
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
