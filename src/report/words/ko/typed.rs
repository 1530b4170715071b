//! What stands typed in the results, in sentences.

use super::super::Typed;
use super::{Korean, arch, findings, warnings};
use crate::error::escape_controls;
use crate::evidence::adaptation::NoChange;
use crate::evidence::finding::Statement;
use crate::evidence::transformation::Check;
use crate::evidence::untested::{Obstacle, Subject};
use crate::measure::record::Undefined;
use crate::model::architecture::{ArchReason, PossibleChange};
use crate::model::checkpoint::{WeightFiles, WeightSet, WhyAside};
use crate::model::tokenizer::Overlap;
use crate::model::warning::{About, Warning};
use crate::report::document::Line;
use crate::report::schema::{Rank, TokenizerRow};
use crate::report::text::plain;
use crate::report::words::Screens;
use crate::verdict::decide::Label;
use crate::verdict::origin::{Disagreement, Pattern};
use crate::verdict::ranking::CriterionId;
use crate::verdict::reasons::Reason;

impl Typed for Korean {
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
        match pattern {
            Pattern::NotApplicable => "비교할 레이어가 둘이 안 됨",
            Pattern::UniformlyLow => "전체적으로 낮음 (from scratch 증거)",
            Pattern::SomeLayersHigh => "일부 레이어만 높음 (부분적 가중치 초기화)",
            Pattern::EarlyHighLateLow => "초기는 높고 후기는 낮음 (전형적인 fine-tuning)",
            Pattern::UniformlyHigh => "모든 깊이에서 비슷함",
            Pattern::Mixed => "원 문서에 없는 패턴",
        }
    }

    fn criterion(&self, id: CriterionId) -> &'static str {
        match id {
            CriterionId::AllMeansBelowHalf => "모든 기준 모델과 평균 유사도 0.5 미만",
            CriterionId::NoIdentical => "기준 모델과 동일한 텐서 없음",
            CriterionId::IndependentInPca => "주부분공간이 모든 기준 모델과 직교",
            CriterionId::ABaseAt09 => "평균 유사도 0.9 이상인 기준 모델이 있음",
            CriterionId::ManyIdentical => "정보가 있는 텐서의 4분의 1 이상이 한 기준 모델과 동일",
            CriterionId::EarlyLayersHigh => "초기 레이어가 후기보다 기준 모델에 가깝거나 0.9 이상",
        }
    }

    fn warning(&self, about: &About, warning: &Warning) -> String {
        warnings::noted(about, warning)
    }

    fn arch_reason(&self, reason: &ArchReason) -> String {
        arch::reason(reason)
    }

    fn possible_change(&self, change: &PossibleChange) -> String {
        arch::change(change)
    }

    fn shared_tokens(&self, tokenizer: &TokenizerRow) -> String {
        findings::statement(&Statement::Tokenizers(Overlap {
            shared_tokens: tokenizer.shared_tokens,
            same_id: tokenizer.same_id,
            merges_common: tokenizer.merges_common,
            merges_in_order: tokenizer.merges_in_order,
            sizes: [tokenizer.vocab.base, tokenizer.vocab.target],
        }))
    }

    fn why_aside(&self, why: WhyAside) -> &'static str {
        match why {
            WhyAside::Adapter => "어댑터",
            WhyAside::AnotherFormat => "다른 형식",
            WhyAside::UnreadFormat => "읽지 않는 형식",
            WhyAside::AnotherCopy => "다른 사본",
            WhyAside::NotInIndex => "index에 없음",
            WhyAside::AnotherModel => "다른 모델",
        }
    }

    fn weight_sets(&self, sets: &[WeightSet]) -> String {
        let one = |set: &WeightSet| {
            let files = match &set.files {
                WeightFiles::Indexed { index, shards } => format!("{index}, 조각 {shards}개"),
                WeightFiles::One(name) => name.clone(),
                WeightFiles::Several(count) => format!("index 없는 파일 {count}개"),
                WeightFiles::ConfigAlone(name) => format!("{name}, 가중치 없음"),
            };
            escape_controls(&format!("{}{files}", set.prefix))
        };
        let sets: Vec<String> = sets.iter().map(one).collect();
        sets.join("; ")
    }

    fn conclusion(&self, report: &Rank) -> String {
        let said: Line = self.concluded(report);
        let direction = match report.conclusion.label {
            Label::Derived | Label::PartialReuse => {
                " 유사도에는 시간의 방향이 없어 어느 모델이 먼저인지는 알 수 없습니다."
            }
            _ => "",
        };
        format!("{}.{direction}", plain(&said))
    }
}
