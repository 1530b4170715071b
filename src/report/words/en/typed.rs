//! What stands typed in the results, in sentences.

use super::super::Typed;
use super::{English, arch, findings, inspect, ranking, warnings};
use crate::evidence::adaptation::NoChange;
use crate::evidence::finding::Statement;
use crate::evidence::transformation::Check;
use crate::evidence::untested::{Obstacle, Subject};
use crate::measure::record::Undefined;
use crate::model::architecture::{ArchReason, PossibleChange};
use crate::model::checkpoint::{WeightSet, WhyAside};
use crate::model::tokenizer::Overlap;
use crate::model::warning::{About, Noted, Warning};
use crate::report::schema::{Rank, TokenizerRow};
use crate::verdict::origin::{Disagreement, Pattern};
use crate::verdict::ranking::CriterionId;
use crate::verdict::reasons::Reason;

impl Typed for English {
    fn statement(&self, statement: &Statement) -> String {
        findings::statement(statement)
    }

    fn reason(&self, reason: &Reason) -> String {
        findings::reason(reason)
    }

    fn subject(&self, subject: &Subject) -> String {
        findings::subject(subject)
    }

    fn obstacle(&self, obstacle: &Obstacle) -> String {
        findings::obstacle(obstacle)
    }

    fn check(&self, check: &Check) -> String {
        findings::check(check)
    }

    fn undefined(&self, why: &Undefined) -> String {
        findings::undefined(why)
    }

    fn no_change(&self, why: &NoChange) -> String {
        findings::no_change(why)
    }

    fn disagreement(&self, why: &Disagreement) -> String {
        findings::disagreement(why)
    }

    fn pattern(&self, pattern: Pattern) -> &'static str {
        findings::pattern(pattern)
    }

    fn criterion(&self, id: CriterionId) -> &'static str {
        findings::criterion(id)
    }

    fn warning(&self, about: &About, warning: &Warning) -> String {
        warnings::noted(&Noted {
            about: about.clone(),
            warning: warning.clone(),
        })
    }

    fn arch_reason(&self, reason: &ArchReason) -> String {
        arch::reason(reason)
    }

    fn possible_change(&self, change: &PossibleChange) -> String {
        arch::change(change)
    }

    fn shared_tokens(&self, tokenizer: &TokenizerRow) -> String {
        findings::tokenizers(&Overlap {
            shared_tokens: tokenizer.shared_tokens,
            same_id: tokenizer.same_id,
            merges_common: tokenizer.merges_common,
            merges_in_order: tokenizer.merges_in_order,
            sizes: [tokenizer.vocab.base, tokenizer.vocab.target],
        })
    }

    fn why_aside(&self, why: WhyAside) -> &'static str {
        match why {
            WhyAside::Adapter => "an adapter",
            WhyAside::AnotherFormat => "another format",
            WhyAside::UnreadFormat => "a format that is not read",
            WhyAside::AnotherCopy => "another copy",
            WhyAside::NotInIndex => "not in the index",
            WhyAside::AnotherModel => "another model",
        }
    }

    fn weight_sets(&self, sets: &[WeightSet]) -> String {
        inspect::weight_sets(sets)
    }

    fn conclusion(&self, report: &Rank) -> String {
        ranking::conclusion(report)
    }
}
