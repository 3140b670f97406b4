//! Reading a table as a [`Config`], with errors that people can act upon.

use super::{Config, near};
use toml::Table;

/// What is wrong with which key.
#[derive(Debug)]
pub struct Misfit {
    /// The key, with its sections.
    pub key: String,
    /// The value, where it is one.
    pub value: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// Reads a whole configuration.
pub fn read(table: &Table) -> Result<Config, Misfit> {
    let reader = toml::Value::Table(table.clone());
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let key = error.path().to_string();
        misfit(table, &key, error.inner().message())
    })
}

/// Makes our sentence of serde's, which always ends with what was expected.
fn misfit(table: &Table, key: &str, message: &str) -> Misfit {
    let value = find(table, key).filter(|value| !value.is_table());
    let problem = if let Some(unknown) = message.strip_prefix("unknown field ") {
        return unknown_key(key, unknown);
    } else if let Some(missing) = message.strip_prefix("missing field ") {
        format!("lacks the key {}: add it", missing.replace('`', ""))
    } else if let Some((_, expected)) = message.split_once(", expected ") {
        // Other quotes hold examples, which nobody meant.
        let words = expected.strip_prefix("one of ").unwrap_or_default().split('"').skip(1).step_by(2);
        let meant = value.and_then(toml::Value::as_str).and_then(|text| near::of(text, words));
        let meant = meant.map(|meant| format!(": did you mean \"{meant}\"?")).unwrap_or_default();
        format!("will not do: it must be {}{meant}", plainly(expected))
    } else {
        format!("will not do: {}", message.lines().collect::<Vec<_>>().join(", "))
    };
    Misfit { key: key.to_owned(), value: value.map(ToString::to_string).unwrap_or_default(), problem }
}

fn unknown_key(key: &str, message: &str) -> Misfit {
    let mut names = message.split('`').skip(1).step_by(2);
    let name = names.next().unwrap_or_default();
    let section = match key.strip_suffix(name).map(|section| section.trim_end_matches('.')) {
        Some(section) => section,
        None => key,
    };
    let of = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let known: Vec<&str> = names.collect();
    let mend = match near::of(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {}?", of(meant)),
        None => format!("known here are {}", known.join(", ")),
    };
    Misfit { key: of(name), value: String::new(), problem: format!("is no key: {mend}") }
}

fn plainly(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list in brackets",
        "a map" => "a section of its own, as [listener.NAME]",
        _ if expected.starts_with("struct ") => "a section, in brackets above its keys",
        _ => expected,
    }
}

/// What a key holds: `gate.deny` the list, `gate.deny[1]` its second item.
fn find<'a>(table: &'a Table, key: &str) -> Option<&'a toml::Value> {
    if let Some((list, place)) = key.strip_suffix(']').and_then(|key| key.rsplit_once('[')) {
        return find(table, list)?.get(place.parse::<usize>().ok()?);
    }
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    match rest {
        Some(rest) => find(value.as_table()?, rest),
        None => Some(value),
    }
}
