//! `--expect`: which verdicts are the expected ones.

use std::collections::BTreeSet;

/// The words of `--expect`: the verdict labels, then the two groups.
pub const WORDS: [&str; 8] = [
    "identical",
    "re_encoded",
    "derived",
    "partial_reuse",
    "from_scratch",
    "inconclusive",
    "independent",
    "related",
];

/// The verdict labels that `--expect` names, groups resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    labels: BTreeSet<&'static str>,
}

impl Expect {
    /// From the words of the option; `None` where it was not given.
    pub fn from_words(words: &[String]) -> Option<Self> {
        if words.is_empty() {
            return None;
        }
        let labels = words
            .iter()
            .flat_map(|word| named_by(word))
            .copied()
            .collect();
        Some(Self { labels })
    }

    /// Whether the verdict `label` is an expected one.
    pub fn names(&self, label: &str) -> bool {
        self.labels.contains(label)
    }
}

/// The labels that one of [`WORDS`] stands for; none for any other word.
fn named_by(word: &str) -> &'static [&'static str] {
    match word {
        "identical" => &["identical"],
        "re_encoded" => &["re_encoded"],
        "derived" => &["derived"],
        "partial_reuse" => &["partial_reuse"],
        "from_scratch" | "independent" => &["from_scratch"],
        "inconclusive" => &["inconclusive"],
        "related" => &["identical", "re_encoded", "derived", "partial_reuse"],
        _ => &[],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn expect(words: &[&str]) -> Expect {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Expect::from_words(&words).unwrap()
    }

    #[test]
    fn every_word_names_a_verdict() {
        for word in WORDS {
            assert!(!named_by(word).is_empty(), "{word}");
        }
        assert_eq!(Expect::from_words(&[]), None);
    }

    #[test]
    fn groups_name_their_members_and_never_inconclusive() {
        assert!(expect(&["independent"]).names("from_scratch"));
        for label in ["identical", "re_encoded", "derived", "partial_reuse"] {
            assert!(expect(&["related"]).names(label));
            assert!(!expect(&["independent"]).names(label));
        }
        assert!(!expect(&["related", "independent"]).names("inconclusive"));
        assert!(expect(&["derived", "inconclusive"]).names("inconclusive"));
    }
}
