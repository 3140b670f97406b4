//! What a key alone cannot tell: whether the settings go together, and whether the files they name can be used.

use super::{Config, Fault, Listener, Source, Speaks, accounts, logins, sysconn};
use crate::server::{connector, edge, schemas::Schemas};
use portcullis::core::Framing;
use std::collections::HashMap;
use tracing_subscriber::EnvFilter;

/// Checks a configuration that could be read.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(config: &Config, source: &Source) -> Result<(), Fault> {
    if let Err(error) = EnvFilter::builder().parse(&config.log.filter) {
        let problem =
            format!("will not do ({error}): write it as \"portcullis_net=debug,portcullis_gate=warn\"");
        return Err(source.fault("log.filter", &format!("{:?}", config.log.filter), problem));
    }
    let limits = &config.limits;
    for (less, more, small, large) in [
        (limits.max_frame, limits.held, "max_frame", "held"),
        (
            limits.max_frame_before_login,
            limits.held_before_login,
            "max_frame_before_login",
            "held_before_login",
        ),
    ] {
        if less.size() > more.size() {
            let problem = format!(
                "will not do: limits.{large} must hold at least one frame of it: raise that, or lower this"
            );
            return Err(source.fault(&format!("limits.{small}"), &less.size().to_string(), problem));
        }
    }
    accounts::check(config, source)?;
    if config.listener.is_empty() {
        let problem = "is missing: nothing would listen; add [listener.NAME] with a protocol and an address";
        return Err(source.fault("listener", "", problem));
    }
    // Port 0 is another one each time.
    let mut taken = HashMap::new();
    for (name, listener) in &config.listener {
        let fault = |key: &str, value: &str, problem: String| {
            Err(source.fault(&format!("listener.{name}.{key}"), value, problem))
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            let problem =
                "will not do as a name: use lower case letters, digits and _, so that variables can name it";
            return Err(source.fault(&format!("listener.{name}"), "", problem));
        }
        if let Some(other) = taken.insert(listener.address.0, name)
            && listener.address.0.port() != 0
        {
            let address = format!("{:?}", listener.address.0.to_string());
            return fault(
                "address",
                &address,
                format!("is the address of listener.{other} too: choose another port"),
            );
        }
        served_by_its_own(listener, &fault)?;
        logins::check(config, name, listener, &fault)?;
        sysconn::check(listener, &fault)?;
        accounts::check_listener(config, listener, &fault)?;
        Schemas::of(listener)
            .map(drop)
            .or_else(|error| fault(error.key, &format!("{:?}", error.file), error.problem))?;
        connector::plugin(listener)
            .map(drop)
            .or_else(|error| fault(error.key, &format!("{:?}", error.file), error.problem))?;
        edge::listener(listener, Framing::BE16)
            .map(drop)
            .or_else(|error| fault(error.key, &format!("{:?}", error.value), error.problem))?;
    }
    Ok(())
}

/// Each demo speaks one protocol, and each protocol has keys of its own.
fn served_by_its_own(
    listener: &Listener,
    fault: &dyn Fn(&str, &str, String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (speaks, serve) = (listener.protocol, listener.serve);
    if let Some(needed) = serve.speaks().filter(|needed| *needed != speaks) {
        let problem = format!(
            "will not do: that demo speaks {}, and the listener {}: change one of them, or serve \"nothing\"",
            needed.word(),
            speaks.word()
        );
        return fault("serve", &format!("{:?}", serve.word()), problem);
    }
    for (key, file, of) in [
        ("schema_c2s", &listener.schema_c2s, Speaks::Skynet),
        ("schema_s2c", &listener.schema_s2c, Speaks::Skynet),
        ("dictionary", &listener.dictionary, Speaks::Pomelo),
        ("client_protos", &listener.client_protos, Speaks::Pomelo),
        ("server_protos", &listener.server_protos, Speaks::Pomelo),
    ] {
        if speaks != of && !file.is_empty() {
            let problem = format!("means nothing to the protocol {}: take it out", speaks.word());
            return fault(key, &format!("{file:?}"), problem);
        }
    }
    let beats = matches!(speaks, Speaks::Skynet | Speaks::Native | Speaks::Pomelo);
    if !beats && listener.heartbeat_seconds.limit().is_some() {
        let value = listener.heartbeat_seconds.get().to_string();
        let problem = format!("means nothing to the protocol {}: set it to 0", speaks.word());
        return fault("heartbeat_seconds", &value, problem);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn the_built_in_configuration_is_sound() {
        let (config, source) = crate::server::config::load(None, std::iter::empty()).unwrap();
        check(&config, &source).unwrap();
        let addresses: Vec<SocketAddr> =
            config.listener.values().map(|listener| listener.address.0).collect();
        assert_eq!(addresses.len(), 5);
    }
}
