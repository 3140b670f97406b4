//! What somebody meant who mistyped.

/// The candidate that looks most like `text`, if one does.
pub fn of<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let close = |candidate: &str| strsim::jaro_winkler(&text, &candidate.to_lowercase());
    candidates
        .into_iter()
        .map(|candidate| (close(candidate), candidate))
        .filter(|(closeness, _)| *closeness >= 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_slip_is_understood() {
        let known = ["driver", "threads", "max_connections"];
        assert_eq!(of("drivr", known), Some("driver"));
        assert_eq!(of("max_conections", known), Some("max_connections"));
        assert_eq!(of("THREAD", known), Some("threads"));
    }

    #[test]
    fn another_word_is_not() {
        assert_eq!(of("colour", ["driver", "threads"]), None);
    }
}
