//! The keys of a `sysconn` listener, and those that are not for it.

use super::{Accepts, Fault, Listener, Speaks};

/// Checks what a listener says of them.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(
    listener: &Listener,
    fault: &dyn Fn(&str, &str, String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if listener.protocol != Speaks::Sysconn {
        return of_others(listener, fault);
    }
    if matches!(listener.accepts, Accepts::Tcp | Accepts::Both) {
        let problem = "will not do: sysconn is spoken over WebSocket alone; say \"websocket\" or \"auto\"";
        return fault("accepts", &format!("{:?}", listener.accepts.word()), problem.to_owned());
    }
    Ok(())
}

/// Keys that were set where they mean nothing.
fn of_others(
    listener: &Listener,
    fault: &dyn Fn(&str, &str, String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (check, login) = (listener.client_check_seconds, listener.login_deadline_seconds);
    let trusted: Vec<_> = listener.trusted.iter().map(|network| &*network.0).collect();
    for (key, differs, value) in [
        ("client_check_seconds", check != Listener::client_check_seconds(), check.get().to_string()),
        ("login_deadline_seconds", login != Listener::login_deadline_seconds(), login.get().to_string()),
        (
            "max_message",
            listener.max_message != Listener::max_message(),
            listener.max_message.size().to_string(),
        ),
        (
            "bad_requests",
            listener.bad_requests != Listener::bad_requests(),
            listener.bad_requests.size().to_string(),
        ),
        ("game_ready", listener.game_ready != Listener::game_ready(), listener.game_ready.to_string()),
        ("trusted", !trusted.is_empty(), format!("{trusted:?}")),
    ] {
        if differs {
            let problem = format!("means nothing to the protocol {}: take it out", listener.protocol.word());
            return fault(key, &value, problem);
        }
    }
    Ok(())
}
