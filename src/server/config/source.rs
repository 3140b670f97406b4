//! Where each setting comes from, so that an error can say it.

use super::fault::Fault;
use std::{collections::BTreeMap, path::Path};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The origin of a configuration: a file or the built-in text, and the environment variables over it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    file: Option<String>,
    /// By key: what the file says.
    said: BTreeMap<String, Said>,
    /// By key: the variable that set it last, and its text.
    variables: BTreeMap<String, (String, String)>,
}

#[derive(Clone, Debug)]
struct Said {
    line: usize,
    text: String,
}

impl Source {
    /// A configuration's text, and its file if it is not the built-in one.
    pub fn new(file: Option<&Path>, text: &str) -> Self {
        let mut source = Self { file: file.map(|file| file.display().to_string()), ..Self::default() };
        if let Ok(table) = DeTable::parse(text) {
            source.read(text, "", table.get_ref());
        }
        source
    }

    fn read(&mut self, text: &str, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{name}") };
            self.said.insert(key.clone(), Said::new(text, name.span().start, value));
            if let DeValue::Table(table) = value.get_ref() {
                self.read(text, &key, table);
            }
        }
    }

    /// Notes that this variable has set a key.
    pub fn set_by(&mut self, variable: &str, key: &str, text: &str) {
        self.variables.insert(key.to_owned(), (variable.to_owned(), text.to_owned()));
    }

    /// The name of the file, or what stands for it.
    pub fn name(&self) -> &str {
        self.file.as_deref().unwrap_or("the built-in configuration")
    }

    /// A fault of this key, as its origin names it. `default` is its value where the origin does not say one.
    pub fn fault(&self, key: &str, default: &str, problem: impl Into<String>) -> Fault {
        let problem = problem.into();
        if let Some((variable, text)) = self.variables.get(key) {
            return Fault::Variable {
                variable: variable.clone(),
                value: text.clone(),
                key: key.to_owned(),
                problem,
            };
        }
        let said = self.said.get(key);
        // An item of a list is where the list is.
        let there = said.or_else(|| self.said.get(key.split('[').next()?));
        let line = there.filter(|_| self.file.is_some()).map(|said| said.line);
        let value = said.map_or_else(|| excerpt(default), |said| said.text.clone());
        Fault::Setting { place: self.place(line), key: key.to_owned(), value, problem }
    }

    /// The text does not parse.
    pub fn not_toml(&self, text: &str, error: &toml::de::Error) -> Fault {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.lines().nth(line_of(text, start) - 1).unwrap_or("").trim();
        Fault::NotToml {
            place: self.place(Some(line_of(text, start))),
            text: excerpt(line),
            problem: error.message().lines().collect::<Vec<_>>().join(", "),
        }
    }

    fn place(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}, line {line}", self.name()),
            None => self.name().to_owned(),
        }
    }
}

impl Said {
    fn new(text: &str, start: usize, value: &Spanned<DeValue<'_>>) -> Self {
        let value_text = match value.get_ref() {
            DeValue::Table(_) => String::new(),
            _ => excerpt(text.get(value.span()).unwrap_or("")),
        };
        Self { line: line_of(text, start), text: value_text }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// Errors are one line, whatever a file holds.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
