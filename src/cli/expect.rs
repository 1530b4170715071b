//! `--expect`: which verdicts are the expected ones.

use crate::verdict::decide::Label;

/// The words of `--expect`: the verdict labels, then the two groups.
pub const WORDS: [&str; 8] = [
    "identical",
    "re_encoded",
    "derived",
    "partial_reuse",
    "from_scratch",
    "inconclusive",
    INDEPENDENT,
    RELATED,
];

/// From scratch, by another word.
const INDEPENDENT: &str = "independent";
/// Every label that says that weights are shared.
const RELATED: &str = "related";

/// The verdict labels that `--expect` names, groups resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    labels: Vec<Label>,
}

impl Expect {
    /// From the words of the option; `None` where it was not given.
    pub fn from_words(words: &[String]) -> Option<Self> {
        if words.is_empty() {
            return None;
        }
        let named = |label: &Label| words.iter().any(|word| names(word, *label));
        Some(Self {
            labels: Label::ALL.iter().copied().filter(named).collect(),
        })
    }

    /// Whether the verdict `label` is an expected one.
    pub fn names(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }
}

/// Whether one of [`WORDS`] stands for a label.
fn names(word: &str, label: Label) -> bool {
    match word {
        INDEPENDENT => label == Label::FromScratch,
        RELATED => label.is_related(),
        word => label.word() == word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(words: &[&str]) -> Expect {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Expect::from_words(&words).unwrap()
    }

    #[test]
    fn every_word_names_a_verdict_and_every_verdict_has_a_word() {
        for word in WORDS {
            assert!(!expect(&[word]).labels.is_empty(), "{word}");
        }
        for label in Label::ALL {
            assert!(WORDS.contains(&label.word()), "{label}");
        }
        assert_eq!(Expect::from_words(&[]), None);
    }

    #[test]
    fn groups_name_their_members_and_never_inconclusive() {
        assert!(expect(&["independent"]).names(Label::FromScratch));
        let related = [
            Label::Identical,
            Label::ReEncoded,
            Label::Derived,
            Label::PartialReuse,
        ];
        for label in related {
            assert!(expect(&["related"]).names(label));
            assert!(!expect(&["independent"]).names(label));
        }
        assert!(!expect(&["related", "independent"]).names(Label::Inconclusive));
        assert!(expect(&["derived", "inconclusive"]).names(Label::Inconclusive));
    }
}
