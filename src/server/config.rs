//! The server's configuration: the built-in text, or a file, with environment variables over it.
//!
//! `assets/portcullis.toml` is the one place where defaults are written down, and says what each key means. A file of
//! one's own states what differs; its listeners are all there are.

mod accounts;
mod check;
mod environment;
mod fault;
mod listener;
mod logins;
mod near;
mod reading;
mod source;
mod sysconn;
mod values;

pub use accounts::Accounts;
pub use check::check;
pub use fault::Fault;
pub use listener::{Accepts, DEMO, Listener, LogIn, Multi, Relogin, Serve, Speaks};
pub use source::Source;

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};
use toml::{Table, Value};
use values::{Hertz, Network, Seconds, SecondsOrNever, Whole, words};

/// What the server does when nobody says otherwise.
pub const BUILT_IN: &str = include_str!("../../assets/portcullis.toml");

/// All settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub log: Log,
    pub net: Net,
    pub gate: Gate,
    pub limits: Limits,
    pub accounts: Accounts,
    pub demo: Demo,
    #[serde(default)]
    pub listener: BTreeMap<String, Listener>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub tick_rate: Hertz,
    pub drain_seconds: Seconds,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: Level,
    pub filter: String,
    pub format: Format,
    pub report_seconds: SecondsOrNever,
}

words! {
    /// The least severe level that is logged.
    Level { Off = "off", Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace" }
}

words! {
    /// How log lines look.
    Format { Human = "human", Json = "json" }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    pub driver: Driver,
    pub threads: Whole<0, 64>,
}

words! {
    /// Who runs the sockets.
    Driver { Auto = "auto", Inline = "inline", Thread = "thread" }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub max_connections: Whole<1, 1_000_000>,
    pub per_address: Whole<0, 1_000_000>,
    pub per_loopback_address: Whole<0, 1_000_000>,
    pub accept_per_second: Whole<0, 1_000_000>,
    pub accept_per_network_second: Whole<0, 1_000_000>,
    pub budget: Whole<0x10_0000, 0x100_0000_0000>,
    pub deny: Vec<Network>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub max_frame: Size,
    pub held: Size,
    pub max_frame_before_login: Size,
    pub held_before_login: Size,
    pub outbox: Size,
    pub handshake_seconds: SecondsOrNever,
    pub login_seconds: SecondsOrNever,
}

/// Bytes, up to 1 GiB.
pub type Size = Whole<1, 0x4000_0000>;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    pub simpledb_keys: Whole<0, 100_000_000>,
    pub simpledb_bytes: Size,
    pub login_users: Whole<0, 1_000_000>,
    pub roles: Whole<0, 1_000_000>,
}

impl Config {
    /// All settings as TOML: what `--print-config` prints, and `--config` reads.
    pub fn to_toml(&self) -> Result<String, super::Failure> {
        toml::to_string(self).map_err(|error| super::Failure::Internal(error.to_string()))
    }
}

/// Reads the configuration, with the variables over it.
pub fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Config, Source), Fault> {
    let text = match file {
        Some(file) => {
            fs::read_to_string(file).map_err(|error| Fault::Unreadable { file: file.to_path_buf(), error })?
        }
        None => BUILT_IN.to_owned(),
    };
    let mut source = Source::new(file, &text);
    let said: Table = text.parse().map_err(|error| source.not_toml(&text, &error))?;
    let table = match file {
        Some(_) => over_built_in(said, &source)?,
        None => said,
    };
    let config =
        reading::read(&table).map_err(|misfit| source.fault(&misfit.key, &misfit.value, misfit.problem))?;
    let config = environment::apply(config, &mut source, variables)?;
    Ok((config, source))
}

/// What a file says, and what it does not say as the built-in configuration has it. Listeners are not taken over.
fn over_built_in(said: Table, source: &Source) -> Result<Table, Fault> {
    let mut table: Table = BUILT_IN.parse().unwrap_or_default();
    table.remove("listener");
    for (name, value) in said {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(section)), Value::Table(keys)) => section.extend(keys),
            (Some(_), value) => {
                let problem = format!("will not do: it must be a section, [{name}]");
                return Err(source.fault(&name, &value.to_string(), problem));
            }
            (None, value) => {
                table.insert(name, value);
            }
        }
    }
    Ok(table)
}
