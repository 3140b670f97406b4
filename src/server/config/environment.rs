//! Environment variables over a configuration: `PORTCULLIS_<SECTION>_<KEY>`, `PORTCULLIS_LISTENER_<NAME>_<KEY>`.
//!
//! `RUST_LOG` says what is logged where none of ours does: everybody's fingers know it.

use super::{Config, Level, Source, fault::Fault, near, reading};
use std::ffi::OsString;
use toml::{Table, Value};

const PREFIX: &str = "PORTCULLIS_";
const RUST_LOG: &str = "RUST_LOG";
/// Ours that say what is logged.
const OF_LOG: [&str; 2] = ["PORTCULLIS_LOG_FILTER", "PORTCULLIS_LOG_LEVEL"];

/// Sets what the variables say, and notes in `source` that they said it. Variables of others are left alone.
pub fn apply(
    mut config: Config,
    source: &mut Source,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Config, Fault> {
    let mut ours: Vec<(String, String)> = variables
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, text)| name.starts_with(PREFIX) || (name == RUST_LOG && !text.is_empty()))
        .collect();
    let logs_as_we_say = ours.iter().any(|(name, _)| OF_LOG.contains(&name.as_str()));
    // So that the same one of several errors is told each time.
    ours.sort();
    for (variable, text) in ours {
        if variable == RUST_LOG {
            if !logs_as_we_say {
                source.set_by(RUST_LOG, "log.filter", &text);
                (config.log.level, config.log.filter) = (Level::Off, text);
            }
            continue;
        }
        // All keys are written out, so all of them have a name here.
        let mut table = Table::try_from(&config).unwrap_or_default();
        let mut keys = Vec::new();
        collect("", &table, &mut keys);
        let Some(key) = keys.iter().find(|key| name_of(key) == variable) else {
            return Err(unknown(variable, text, &keys));
        };
        set(&mut table, key, &text);
        source.set_by(&variable, key, &text);
        config = reading::read(&table).map_err(|misfit| source.fault(key, &text, misfit.problem))?;
    }
    Ok(config)
}

fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace(['.', '-'], "_").to_uppercase())
}

fn unknown(variable: String, value: String, keys: &[String]) -> Fault {
    let names: Vec<String> = keys.iter().map(|key| name_of(key)).collect();
    let tails = names.iter().filter_map(|name| name.strip_prefix(PREFIX));
    let problem = match near::of(&variable[PREFIX.len()..], tails) {
        Some(meant) => format!("names no key: did you mean {PREFIX}{meant}?"),
        None => format!("names no key: unset it, or choose one as {PREFIX}LOG_LEVEL"),
    };
    Fault::UnknownVariable { variable, value, problem }
}

fn collect(above: &str, table: &Table, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Table(table) => collect(&key, table, keys),
            _ => keys.push(key),
        }
    }
}

/// Sets a key that is there already; what it holds says how to read the text.
fn set(table: &mut Table, key: &str, text: &str) {
    let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
    let section = path
        .split('.')
        .try_fold(table, |table, section| table.get_mut(section).and_then(Value::as_table_mut));
    if let Some(value) = section.and_then(|section| section.get_mut(name)) {
        *value = like(value, text);
    }
}

fn like(old: &Value, text: &str) -> Value {
    let verbatim = || Value::String(text.to_owned());
    match old {
        Value::String(_) => verbatim(),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| Value::String(item.to_owned())).collect::<Vec<_>>().into()
        }
        _ => text.trim().parse().unwrap_or_else(|_| verbatim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::config::load;

    fn with(variables: &[(&str, &str)]) -> Result<Config, Fault> {
        let variables = variables.iter().map(|&(name, value)| (name.into(), value.into()));
        load(None, variables).map(|(config, _)| config)
    }

    #[test]
    fn variables_are_read_as_what_they_set() {
        let config = with(&[
            ("PORTCULLIS_LOG_FILTER", "true"),
            ("PORTCULLIS_SERVER_TICK_RATE", " 30 "),
            ("PORTCULLIS_GATE_DENY", "10.0.0.0/8, 192.0.2.7"),
            ("PORTCULLIS_LISTENER_SKYNET_NODELAY", "false"),
            ("PATH", "/bin"),
        ]);
        let config = config.unwrap();
        assert_eq!(config.log.filter, "true");
        assert_eq!(config.server.tick_rate.get(), 30.0);
        assert_eq!(config.gate.deny.len(), 2);
        assert!(!config.listener["skynet"].nodelay);
    }

    #[test]
    fn rust_log_is_heard_where_none_of_ours_speaks_of_logs() {
        let config =
            with(&[("RUST_LOG", "portcullis_net=debug"), ("PORTCULLIS_LOG_FORMAT", "json")]).unwrap();
        assert_eq!((config.log.level, &*config.log.filter), (Level::Off, "portcullis_net=debug"));
        let config = with(&[("RUST_LOG", "debug"), ("PORTCULLIS_LOG_LEVEL", "warn")]).unwrap();
        assert_eq!((config.log.level, &*config.log.filter), (Level::Warn, ""));
        assert_eq!(with(&[("RUST_LOG", "")]).unwrap().log.level, Level::Info);
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_nearest_known() {
        let error = with(&[("PORTCULLIS_LOG_FORMATT", "json")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the environment variable PORTCULLIS_LOG_FORMATT = \"json\" names no key: did you mean PORTCULLIS_LOG_FORMAT?"
        );
    }

    #[test]
    fn a_bad_value_names_the_variable_and_the_key() {
        let error = with(&[("PORTCULLIS_SERVER_TICK_RATE", "often")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the environment variable PORTCULLIS_SERVER_TICK_RATE = \"often\", which sets server.tick_rate, will not \
             do: it must be a number from 1 to 1000"
        );
    }
}
