//! `--expect`: which verdicts are the expected ones.

use crate::error::{Error, Result};
use crate::report::schema::ExpectRow;
use crate::verdict::decide::{Confidence, Label};

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

/// What `--expect` and `--min-confidence` ask for, groups resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    words: Vec<String>,
    labels: Vec<Label>,
    least: Option<Confidence>,
}

impl Expect {
    /// From the words of the options; `None` where nothing is expected.
    ///
    /// # Errors
    /// A confidence without a word that it belongs to.
    pub fn new(words: &[String], least: Option<Confidence>) -> Result<Option<Self>> {
        if words.is_empty() {
            return match least {
                None => Ok(None),
                Some(_) => Err(Error::Usage(
                    "--min-confidence needs --expect, the verdict that must be so sure".into(),
                )),
            };
        }
        let named = |label: &Label| words.iter().any(|word| names(word, *label));
        Ok(Some(Self {
            words: words.to_vec(),
            labels: Label::ALL.iter().copied().filter(named).collect(),
            least,
        }))
    }

    /// Whether the verdict `label` is an expected one.
    pub fn names(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    /// A verdict held against what was expected.
    pub fn held(&self, label: Label, sure: Option<Confidence>) -> ExpectRow {
        let sure_enough = self.least.is_none_or(|least| sure >= Some(least));
        ExpectRow {
            words: self.words.clone(),
            min_confidence: self.least,
            met: self.names(label) && sure_enough,
            got: match sure {
                Some(sure) => format!("{label} ({sure})"),
                None => label.to_string(),
            },
        }
    }
}

/// The line that says that an expectation was not met.
pub fn not_met(row: &ExpectRow) -> String {
    let sure = row.min_confidence.map(|sure| format!(" (at least {sure})"));
    format!(
        "wcmp: expected {}{}; the verdict is {}",
        row.words.join(" or "),
        sure.unwrap_or_default(),
        row.got
    )
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
        Expect::new(&words, None).unwrap().unwrap()
    }

    #[test]
    fn every_word_names_a_verdict_and_every_verdict_has_a_word() {
        for word in WORDS {
            assert!(!expect(&[word]).labels.is_empty(), "{word}");
        }
        for label in Label::ALL {
            assert!(WORDS.contains(&label.word()), "{label}");
        }
        assert_eq!(Expect::new(&[], None).unwrap(), None);
        assert!(Expect::new(&[], Some(Confidence::Weak)).is_err());
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
