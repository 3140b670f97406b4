//! What the suite found, and whether it is what it has to be.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
};

use serde::Deserialize;

use super::Error;

/// The cases that send an empty message, and the code they are closed with. What writes nothing says nothing: with us no
/// message is empty, for every protocol has a header, or a byte at least. So they are refused, and have to be.
const EMPTY: &[&str] = &["1.1.1", "1.2.1", "6.1.1", "6.1.2", "9.7.1", "9.8.1"];
const REFUSED_WITH: u16 = 1002;

/// The suite's sections, by the first number of their cases.
const SECTIONS: &[(&str, &str)] = &[
    ("1", "frames"),
    ("2", "pings and pongs"),
    ("3", "reserved bits"),
    ("4", "reserved opcodes"),
    ("5", "fragments"),
    ("6", "UTF-8"),
    ("7", "closes"),
    ("9", "long and many messages"),
    ("10", "others"),
];

/// One case.
#[derive(Debug, PartialEq)]
pub struct Judged {
    case: String,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Good,
    /// Right, but not as soon or as strictly as might be.
    NotStrict,
    /// The RFC leaves it open.
    Informational,
    /// One of [`EMPTY`].
    Refused,
    Wrong,
}

/// How the suite writes it.
#[derive(Deserialize)]
struct Written {
    behavior: String,
    #[serde(rename = "behaviorClose")]
    at_close: String,
    #[serde(rename = "remoteCloseCode")]
    code: Option<u16>,
}

/// Reads the suite's `index.json`, which has one agent.
pub fn read(report: &[u8]) -> Result<Vec<Judged>, String> {
    let agents: HashMap<String, HashMap<String, Written>> =
        serde_json::from_slice(report).map_err(|error| error.to_string())?;
    let cases = agents.into_values().flatten();
    Ok(cases
        .map(|(case, written)| {
            let outcome = outcome(&case, &written);
            Judged { case, outcome }
        })
        .collect())
}

fn outcome(case: &str, written: &Written) -> Outcome {
    let closed_well = ["OK", "INFORMATIONAL"].contains(&written.at_close.as_str());
    match written.behavior.as_str() {
        "FAILED" if EMPTY.contains(&case) && written.code == Some(REFUSED_WITH) => Outcome::Refused,
        // Whoever changes that has to say so here.
        _ if EMPTY.contains(&case) => Outcome::Wrong,
        "OK" if closed_well => Outcome::Good,
        "NON-STRICT" if closed_well => Outcome::NotStrict,
        "INFORMATIONAL" if closed_well => Outcome::Informational,
        _ => Outcome::Wrong,
    }
}

/// All cases of one server.
#[derive(Debug, Default)]
pub struct Report(Vec<Judged>);

impl Report {
    pub fn add(&mut self, judged: Vec<Judged>) {
        self.0.extend(judged);
    }

    /// Whether as many were played as there are, and none went wrong.
    pub fn verdict(&self, expected: usize, reports: PathBuf) -> Result<(), Error> {
        let played = self.0.len();
        let wrong = self.0.iter().filter(|judged| judged.outcome == Outcome::Wrong).count();
        match () {
            () if wrong > 0 => Err(Error::Wrong { wrong, reports }),
            () if played != expected => Err(Error::OtherCases { played, expected }),
            () => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    /// A table by section, and the cases below it that are not simply good.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sections: BTreeMap<usize, BTreeMap<Outcome, usize>> = BTreeMap::new();
        let mut others: BTreeMap<Outcome, Vec<&str>> = BTreeMap::new();
        for Judged { case, outcome } in &self.0 {
            let number = case.split('.').next().unwrap_or_default();
            // What we have no name for goes last.
            let place = SECTIONS.iter().position(|(known, _)| *known == number).unwrap_or(SECTIONS.len());
            *sections.entry(place).or_default().entry(*outcome).or_default() += 1;
            if *outcome != Outcome::Good {
                others.entry(*outcome).or_default().push(case);
            }
        }
        let [section, good, not_strict, informational, refused, wrong] =
            ["section", "good", "not strict", "informational", "refused", "wrong"];
        writeln!(f, "{section:<26} {good:>5} {not_strict:>11} {informational:>14} {refused:>8} {wrong:>6}")?;
        for (place, counts) in sections {
            let (number, name) = SECTIONS.get(place).copied().unwrap_or(("?", "unknown"));
            let [good, not_strict, informational, refused, wrong] =
                [Outcome::Good, Outcome::NotStrict, Outcome::Informational, Outcome::Refused, Outcome::Wrong]
                    .map(|outcome| counts.get(&outcome).copied().unwrap_or(0));
            writeln!(
                f,
                "{number:>2} {name:<23} {good:>5} {not_strict:>11} {informational:>14} {refused:>8} {wrong:>6}"
            )?;
        }
        for (outcome, mut cases) in others {
            cases.sort_unstable();
            writeln!(f, "{}: {}", outcome.meaning(), cases.join(", "))?;
        }
        Ok(())
    }
}

impl Outcome {
    fn meaning(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NotStrict => "not strict, which the RFC allows",
            Self::Informational => "informational, where the RFC leaves it open",
            Self::Refused => "refused, as no message of ours is empty",
            Self::Wrong => "WRONG",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(case: &str, behavior: &str, at_close: &str, code: Option<u16>) -> Outcome {
        outcome(case, &Written { behavior: behavior.into(), at_close: at_close.into(), code })
    }

    #[test]
    fn only_a_good_answer_with_a_good_close_passes() {
        assert_eq!(judged("2.1", "OK", "OK", Some(1000)), Outcome::Good);
        assert_eq!(judged("2.1", "OK", "UNCLEAN", None), Outcome::Wrong);
        assert_eq!(judged("2.1", "OK", "WRONG CODE", Some(1002)), Outcome::Wrong);
        assert_eq!(judged("6.4.3", "NON-STRICT", "OK", Some(1007)), Outcome::NotStrict);
        assert_eq!(judged("7.1.6", "INFORMATIONAL", "INFORMATIONAL", Some(1000)), Outcome::Informational);
        for other in ["FAILED", "UNCLEAN", "UNIMPLEMENTED", "FAILED BY CLIENT", "as never before"] {
            assert_eq!(judged("2.1", other, "OK", Some(1000)), Outcome::Wrong, "{other}");
        }
    }

    #[test]
    fn an_empty_message_is_to_be_refused_with_the_right_code() {
        assert_eq!(judged("1.1.1", "FAILED", "FAILED", Some(1002)), Outcome::Refused);
        assert_eq!(judged("1.1.1", "FAILED", "FAILED", None), Outcome::Wrong);
        assert_eq!(judged("1.1.1", "OK", "OK", Some(1000)), Outcome::Wrong, "the list above is out of date");
        assert_eq!(judged("1.1.2", "FAILED", "FAILED", Some(1002)), Outcome::Wrong);
    }

    #[test]
    fn fewer_cases_than_there_are_do_not_pass() {
        let report = r#"{"text": {"2.1": {"behavior": "OK", "behaviorClose": "OK", "remoteCloseCode": null,
            "duration": 1, "reportfile": "x.json"}}}"#;
        let mut all = Report::default();
        all.add(read(report.as_bytes()).unwrap());
        assert!(all.verdict(1, PathBuf::new()).is_ok());
        assert!(matches!(all.verdict(2, PathBuf::new()), Err(Error::OtherCases { played: 1, expected: 2 })));
        assert!(all.to_string().contains("pings and pongs"));
        assert!(read(b"{").is_err());
    }
}
