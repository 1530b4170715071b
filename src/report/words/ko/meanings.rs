//! What the words of the contract mean.

use super::super::Meanings;
use super::Korean;
use crate::evidence::finding::PcaSummary;
use crate::results::compare::Why;
use crate::verdict::decide::{Confidence, Label};
use crate::verdict::origin::Band;
use crate::verdict::ranking::CriterionId;

impl Meanings for Korean {
    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Identical => "모든 텐서가 짝지어졌고 자료형, 형상, 바이트가 같음",
            Label::ReEncoded => {
                "같은 값을 다른 형식으로 저장함. 차이는 수 형식이 만드는 범위를 넘지 않음"
            }
            Label::Derived => {
                "대상의 가중치가 기준에서 왔거나, 기준의 가중치가 대상에서 왔거나, 둘 다 한 조상에서 \
                 왔음. 유사도에는 시간의 방향이 없음"
            }
            Label::PartialReuse => "일부는 기준과 공유하고, 나머지는 기준과 독립임이 확인됨",
            Label::FromScratch => {
                "수행한 어떤 검사에서도 기준과의 유사성이 없었고, 유사성이 있었다면 드러났을 검사임. \
                 기준 모델의 출력으로 학습한 것은 가중치에 흔적을 남기지 않음"
            }
            Label::Inconclusive => "비교할 수 있었던 것만으로는 다른 어떤 판정도 내릴 수 없음",
        }
    }

    fn confidence(&self, label: Label, confidence: Confidence) -> &'static str {
        match (label, confidence) {
            (Label::Identical, _) => "바이트가 같으므로 우연의 여지가 없음",
            (Label::ReEncoded, Confidence::Strong) => {
                "정보가 있는 모든 텐서의 차이가 반올림만으로 생기는 차이와 같음"
            }
            (Label::ReEncoded, _) => "보정 양자화가 만드는 범위 안. 정확한 한계값은 아님",
            (Label::Derived, Confidence::Conclusive) => {
                "우연 확률 10^-20 이하이거나 정보가 있는 행렬의 바이트가 동일하고, 대상 행렬의 절반 이상을 비교함"
            }
            (Label::Derived, Confidence::Strong) => {
                "우연 확률 10^-6 이하. 또는 더 강한 수치이나 대상 행렬의 절반 미만을 비교함"
            }
            (Label::Derived, Confidence::Moderate) => {
                "우연 확률 10^-3 이하. 또는 더 강한 수치이나 대상 행렬의 절반 미만을 비교함"
            }
            (Label::Derived, Confidence::Weak) => {
                "대상을 충분히 비교하면서 우연 확률을 10^-3 이하로 두는 검사가 없음"
            }
            (Label::FromScratch, Confidence::Conclusive) => {
                "대상 행렬 파라미터의 90 % 이상을 검사했고, 5 % 재사용도 드러났을 것이며, 위장도 살펴봄"
            }
            (Label::FromScratch, Confidence::Strong) => {
                "대상 행렬 파라미터의 75 % 이상을 검사했고, 10 % 재사용이 드러났을 것임"
            }
            (Label::FromScratch, Confidence::Moderate) => {
                "대상 행렬 파라미터의 50 % 이상을 검사했고, 25 % 재사용이 드러났을 것임"
            }
            (Label::FromScratch, Confidence::Weak) => {
                "검사한 범위가 그보다 좁거나, 더 큰 재사용만 드러났을 것임"
            }
            (Label::PartialReuse, _) => "재사용된 쪽과 독립인 쪽 가운데 약한 쪽을 따름",
            (Label::Inconclusive, _) => "",
        }
    }

    fn band(&self, band: Band) -> &'static str {
        match band {
            Band::AlmostCertainlyFineTuned => "거의 확실히 fine-tuning",
            Band::FineTunedOrContinued => "fine-tuning 또는 continued pre-training",
            Band::PossiblePartialReuse => "부분적 가중치 재사용 가능성",
            Band::LikelyFromScratch => "from scratch 가능성 높음",
        }
    }

    fn band_range(&self, band: Band) -> &'static str {
        match band {
            Band::AlmostCertainlyFineTuned => "0.95 초과",
            Band::FineTunedOrContinued => "0.8-0.95",
            Band::PossiblePartialReuse => "0.5-0.8",
            Band::LikelyFromScratch => "0.5 미만",
        }
    }

    fn unmatched_why(&self, why: Why) -> &'static str {
        match why {
            Why::NoSuchName => "이름 없음",
            Why::Shape => "형상 다름",
            Why::Unsupported => "읽을 수 없음",
            Why::Filtered => "필터로 제외",
        }
    }

    fn subspaces(&self, summary: PcaSummary) -> &'static str {
        match summary {
            PcaSummary::ClusteredWithBase => "기준 모델 근처에 모여 있음",
            PcaSummary::Orthogonal => "독립인 모델처럼 기준 모델과 직교",
            PcaSummary::Between => "직교와 밀집의 중간",
        }
    }

    fn criterion_side(&self, id: CriterionId) -> &'static str {
        match id {
            CriterionId::AllMeansBelowHalf
            | CriterionId::NoIdentical
            | CriterionId::IndependentInPca => "from scratch",
            CriterionId::ABaseAt09 | CriterionId::ManyIdentical | CriterionId::EarlyLayersHigh => {
                "fine-tuning"
            }
        }
    }

    fn yes_or_no(&self, holds: Option<bool>) -> &'static str {
        match holds {
            Some(true) => "예",
            Some(false) => "아니요",
            None => "알 수 없음",
        }
    }
}
