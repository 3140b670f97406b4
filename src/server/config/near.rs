//! What somebody meant who mistyped.

/// The candidate that looks most like `text`, if one does: one slip in three letters is forgiven.
pub fn of<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let slips = |candidate: &str| strsim::osa_distance(&text, &candidate.to_lowercase());
    candidates
        .into_iter()
        .map(|candidate| (slips(candidate), candidate))
        .filter(|(slips, candidate)| slips * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(slips, _)| *slips)
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
        assert_eq!(of("rwa", ["skynet", "raw", "native"]), Some("raw"));
    }

    #[test]
    fn another_word_is_not() {
        assert_eq!(of("colour", ["driver", "threads"]), None);
        assert_eq!(of("fast", ["auto", "inline", "thread"]), None);
    }
}
