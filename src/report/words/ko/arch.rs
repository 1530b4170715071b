//! What `arch` says: reasons, assumptions, possible changes.

use super::findings::side;
use crate::model::architecture::{
    ArchReason, Assumption, ComponentShapes, FromTo, PossibleChange, UnequalRole, Width,
};
use crate::report::number::{count, shape};

/// Longest list of roles in a reason.
const LISTED: usize = 12;

/// A reason as a sentence.
pub(super) fn reason(reason: &ArchReason) -> String {
    match reason {
        ArchReason::Component { component, shapes } => {
            let sentence = component_shapes(shapes);
            match component {
                Some(component) => format!("{component}: {sentence}"),
                None => sentence,
            }
        }
        ArchReason::OnlyInBase(component) => format!("{component}: 기준에만 있는 구성 요소"),
        ArchReason::CountDiffers { field, values } => format!(
            "{field}: 대상 {}, 기준 {}",
            count(values.target),
            count(values.base)
        ),
        ArchReason::WordDiffers { field, values } => {
            format!("{field}: 대상 {}, 기준 {}", values.target, values.base)
        }
        ArchReason::EqualEmbeddingWidths => {
            "embedding의 너비가 같음: 양쪽 토크나이저가 있으면 토큰별로 행을 짝지을 수 있음".to_owned()
        }
        ArchReason::EqualVocabularySizes { rows } => format!(
            "두 어휘의 행 수가 {}개로 같음: 수가 같을 뿐이며, 그 이상은 토크나이저만 알려 줌",
            count(*rows)
        ),
        ArchReason::UnknownShapes {
            side: whose,
            roles,
            missing,
        } => format!(
            "{}의 {} 형상을 알 수 없음: {} 항목이 없음",
            side(*whose),
            listed(roles),
            missing.join(", ")
        ),
        ArchReason::Assumed {
            side: whose,
            assumption,
        } => format!("{}: {}", side(*whose), self::assumption(assumption)),
        ArchReason::SaysNothingAboutOrigin => {
            "형상이 다르면 원소별 비교는 할 수 없지만, 가중치의 출처에 대해서는 아무것도 말해 주지 않음"
                .to_owned()
        }
    }
}

fn component_shapes(shapes: &ComponentShapes) -> String {
    match shapes {
        ComponentShapes::NotInBase => "기준에 없는 구성 요소".to_owned(),
        ComponentShapes::Equal => "모든 행렬의 형상과 개수가 양쪽에서 같음".to_owned(),
        ComponentShapes::OtherCopies { roles, differing } => format!(
            "역할 {roles}개의 형상이 모두 같고, 텐서 수가 다른 역할: {}",
            listed(differing)
        ),
        ComponentShapes::PartlyEqual {
            roles,
            equal,
            unequal,
        } => {
            let unequal: Vec<String> = unequal.iter().map(unequal_role).collect();
            format!(
                "역할 {roles}개 중 {}개의 형상이 같음: {}. 다른 것: {}",
                equal.len(),
                listed(equal),
                listed(&unequal)
            )
        }
        ComponentShapes::NoneEqual => "형상이 같은 역할이 없음".to_owned(),
        ComponentShapes::NoMatrixEqual { equal } => format!(
            "형상이 같은 행렬이 없음. {}만 같으며, 그 자체로는 아무것도 말해 주지 않음",
            listed(equal)
        ),
    }
}

fn unequal_role(role: &UnequalRole) -> String {
    let name = &role.name;
    match (&role.shapes.target, &role.shapes.base) {
        (Some(target), Some(base)) => {
            format!("{name} (대상 {}, 기준 {})", shape(target), shape(base))
        }
        (Some(_), None) => format!("{name} (대상에만)"),
        _ => format!("{name} (기준에만)"),
    }
}

fn assumption(assumption: &Assumption) -> String {
    match assumption {
        Assumption::ClassDefaults {
            component,
            values,
            model_type,
        } => {
            let values: Vec<String> = values
                .iter()
                .map(|(field, value)| format!("{field} {value}"))
                .collect();
            format!(
                "{component} 부분의 형상은 config.json에 없는 {}에 근거함 ({model_type} 제작자 코드의 기본값)",
                values.join(", ")
            )
        }
        Assumption::UnknownLayout { model_type } => format!(
            "model_type {model_type}의 배치를 알 수 없음: 행렬은 Llama 계열로 보고 norm과 bias는 뺌"
        ),
        Assumption::UnknownTower { model_type } => {
            format!("vision tower {model_type}의 배치를 알 수 없음: 형상을 알려면 가중치가 필요함")
        }
    }
}

/// A possible change in words.
pub(super) fn change(change: &PossibleChange) -> String {
    match change {
        PossibleChange::Depth(layers) => format!("깊이: 레이어 {}", from_to(*layers)),
        PossibleChange::Width(widths) => {
            let width = |width: &crate::model::architecture::WidthChange| {
                let named = match &width.width {
                    Width::Field(field) => field.as_str(),
                    Width::OfExperts => "expert의 너비",
                };
                format!("{named} {}", from_to(width.values))
            };
            let widths: Vec<String> = widths.iter().map(width).collect();
            format!("너비: {}", widths.join(", "))
        }
        PossibleChange::Vocabulary(tokens) => {
            let word = if tokens.to > tokens.from {
                "확장"
            } else {
                "축소"
            };
            format!("어휘 {word}: 토큰 {}", from_to(*tokens))
        }
        PossibleChange::DenseToExperts { experts } => {
            format!("dense에서 MoE로: expert {}개", count(*experts))
        }
        PossibleChange::ExpertsToDense { experts } => {
            format!("MoE에서 dense로: expert {}개", count(*experts))
        }
        PossibleChange::ExpertCount(experts) => format!("expert 수: {}", from_to(*experts)),
        PossibleChange::Attention { from, to } => format!("attention 변환: {from} → {to}"),
    }
}

fn from_to(numbers: FromTo) -> String {
    format!("{} → {}", count(numbers.from), count(numbers.to))
}

fn listed(names: &[String]) -> String {
    match names.len().checked_sub(LISTED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} 외 {more}개", names[..LISTED].join(", ")),
    }
}
