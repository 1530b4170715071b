//! Findings, grounds, checks and what could not be tested.

use crate::error::{escape_controls, quoted};
use crate::evidence::adaptation::{AdapterFact, NoChange};
use crate::evidence::finding::{NoiseFloor, PcaSummary, Statement};
use crate::evidence::grounds::{PairedByContent, SharedAreEqual};
use crate::evidence::part::{PartKind, State};
use crate::evidence::transformation::{Check, StreamWitness, TransformationKind};
use crate::evidence::untested::{Obstacle, Subject, UnitsOf};
use crate::measure::record::Undefined;
use crate::model::sides::Side;
use crate::model::words::Component;
use crate::report::number;
use crate::stats::formula::Formula;
use crate::stats::units::{LEAST_UNITS, Untestable};
use crate::verdict::decide::Label;
use crate::verdict::origin::{Disagreement, DisagreementCause};
use crate::verdict::reasons::{ComponentVerdict, PartGroup, Reason};

/// A side of a comparison.
pub(super) const fn side(side: Side) -> &'static str {
    match side {
        Side::Base => "기준",
        Side::Target => "대상",
    }
}

/// What an analysis says.
pub(super) fn statement(statement: &Statement) -> String {
    match statement {
        Statement::EqualBytes { tensors, matrices } => {
            format!("정보가 있는 텐서 {tensors}개(그중 행렬 {matrices}개)의 바이트가 동일함")
        }
        Statement::AlikeMatrices {
            excess,
            cosine,
            noise_floor,
        } => {
            let alike = format!(
                "행렬이 차원 순서의 우연을 넘어 {excess:.4}만큼 비슷함 (유사도 {:.4})",
                cosine.unwrap_or(0.0)
            );
            match noise_floor {
                Some(floor) => format!("{alike}; {}", encoding(floor)),
                None => alike,
            }
        }
        Statement::AlikeNorms { cosine, expected } => format!(
            "norm gain {cosine:.4}; 이 형상의 무관한 모델 {expected:.4}: 그 자체로는 증거가 아님"
        ),
        Statement::UnitsInPlace { probed, log10_p } => {
            let hits = probed.map_or(String::new(), |hits| {
                format!(
                    "표본 유닛 {}개 중 {}개가 제자리의 유닛과 가장 비슷함; ",
                    hits.probes, hits.hits
                )
            });
            if *log10_p <= -3.0 {
                format!(
                    "{hits}초기화와 학습이 서로 무관한 모델이 이만큼 일치할 확률은 10^{:.0} 미만",
                    log10_p.ceil()
                )
            } else {
                format!("{hits}따로 학습된 모델도 이만큼 일치함")
            }
        }
        Statement::Disguised { changes } => {
            let undone: Vec<&str> = changes.iter().copied().map(change).collect();
            format!(
                "{} 아래에서 기준의 가중치를 찾음. 매칭에 쓰지 않은 것으로 확인함",
                undone.join(", ")
            )
        }
        Statement::FoundTwice {
            layers: 0, tried, ..
        } => format!(
            "레이어 {tried}개에서 유닛이 어디에 있든 찾아봄: 따로 학습된 모델도 이만큼 일치함"
        ),
        Statement::FoundTwice {
            hits,
            layers,
            without_tokens: true,
            ..
        } => format!(
            "레이어 {layers}개에서 뉴런 {}개 중 {}개가 순서, 기저, 토큰과 무관하게 기준의 뉴런들과 같은 \
             각도로 서 있음",
            hits.probes, hits.hits
        ),
        Statement::FoundTwice {
            hits,
            control,
            layers,
            ..
        } => {
            let control = match control {
                Some(control) => format!("; 무관한 레이어에서는 64개 중 {control:.1}개"),
                None => String::new(),
            };
            format!(
                "표본 뉴런 {}개 중 {}개가 가중치의 두 부분으로 따로 찾아도 같은 짝을 찾고, 레이어 \
                 {layers}개에서 짝들 사이의 각도가 원래 뉴런들 사이의 각도와 일치함{control}",
                hits.probes, hits.hits
            )
        }
        Statement::SharedMagnitudes { share, matrices } => format!(
            "어댑터의 크기 벡터가 큰 절반에 둔 행의 {:.1} %가 기준의 행 norm에서도 큰 절반에 있음 (행렬 \
             {matrices}개; 무관하면 50 %)",
            100.0 * share
        ),
        Statement::PlacedLayers {
            component,
            placed,
            layers,
            moved,
            exact: _,
        } => format!(
            "{}레이어 {layers}개 중 {placed}개가 기준의 레이어에서 왔고, 그중 {moved}개는 다른 번호에서 옴",
            prefix(*component)
        ),
        Statement::RoutedExperts { found, all, moved } => {
            format!(
                "routed expert {all}개 중 {found}개가 기준의 것이며, 그중 {moved}개는 번호가 다름"
            )
        }
        Statement::DenseAndExperts {
            found,
            experts,
            layers_found,
            layers,
        } => format!(
            "expert {experts}개 중 {found}개가 상대 쪽 dense feed-forward의 유닛을 공유함 (레이어 \
             {layers}개 중 {layers_found}개)"
        ),
        Statement::Subspaces {
            summary,
            median_excess,
            matrices,
        } => {
            let meaning = match summary {
                PcaSummary::ClusteredWithBase => "기준 모델 근처에 모여 있음",
                PcaSummary::Between => "밀집과 직교의 중간",
                PcaSummary::Orthogonal => "독립인 모델처럼 직교",
            };
            format!(
                "주부분공간: {meaning} (행렬 {matrices}개에서 우연을 넘는 겹침의 중앙값 {median_excess:.4})"
            )
        }
        Statement::Tokenizers(overlap) => {
            let [base, target] = overlap.sizes.map(number::count);
            format!(
                "토크나이저의 공통 토큰 {}개, id가 같은 것 {}개 (기준 {base}, 대상 {target}): 정황일 뿐이며, \
                 토크나이저는 가중치 없이도 가져올 수 있음",
                number::count(overlap.shared_tokens),
                number::count(overlap.same_id)
            )
        }
    }
}

fn encoding(floor: &NoiseFloor) -> String {
    if let Some(name) = &floor.beyond {
        return format!(
            "{}의 차이는 두 수 형식이 만드는 것보다 크거나 다름",
            quoted(name)
        );
    }
    let mut out = format!(
        "정보가 있는 텐서 {}개 각각에서 원소의 {:.2} % 이상이 두 수 형식의 반 눈금 안에 있음{}",
        floor.tensors,
        100.0 * floor.least_within,
        if floor.calibrated {
            " (보정 양자화)"
        } else {
            ""
        }
    );
    if floor.rescaled > 0 {
        out.push_str(&format!("; 그중 {}개는 채널 배율만 다름", floor.rescaled));
    }
    if floor.padded > 0 {
        out.push_str(&format!(
            "; 토큰 표 {}개에서 한쪽에만 있는 행은 채움값",
            floor.padded
        ));
    }
    if floor.hidden_change >= 0.001 {
        out.push_str(&format!(
            "; 가장 거친 텐서에서는 크기의 {:.1} % 변화가 드러나지 않음",
            100.0 * floor.hidden_change
        ));
    }
    out
}

fn change(kind: TransformationKind) -> &'static str {
    match kind {
        TransformationKind::FfnPermuted => "feed-forward 유닛의 순서 변경",
        TransformationKind::HeadsPermuted => "head의 순서 변경",
        TransformationKind::ResidualPermuted => "residual stream의 순서 변경",
        TransformationKind::ResidualRotated => "residual stream의 회전",
        TransformationKind::ExpertsPermuted => "expert의 순서 변경",
        TransformationKind::Pruned => "유닛 제거",
        TransformationKind::ExpertsPruned => "expert 제거",
        TransformationKind::ChannelsRescaled => "채널 배율 변경",
    }
}

const fn bound(exact: bool) -> &'static str {
    if exact {
        "정확한 상한"
    } else {
        "근사 상한"
    }
}

/// What a transformation was checked on.
pub(super) fn check(check: &Check) -> String {
    let (what, as_stored) = match check {
        Check::Geometry => ("유닛 사이의 각도와 짝 사이의 각도", None),
        Check::Queries { as_stored } => ("찾은 순서로 놓은 query", *as_stored),
        Check::Stream { witness, as_stored } => {
            let what = match witness {
                StreamWitness::AttentionMatrices => "attention 행렬",
                StreamWitness::OutputHead => "출력 head",
            };
            (what, *as_stored)
        }
        Check::Routers => ("매칭에 쓰지 않은 router의 행", None),
        Check::NormReaders => ("norm을 읽는 행렬에 gain의 비를 곱한 것", None),
        Check::Order {
            fewer,
            in_order,
            probes,
        } => {
            return format!(
                "유닛의 순서({} 쪽이 더 적음): {probes}개 중 {in_order}개가 그 순서에 있음",
                side(*fewer)
            );
        }
    };
    match as_stored {
        Some(cosine) => format!("{what} (저장된 그대로: {cosine:.4})"),
        None => what.to_owned(),
    }
}

fn units_of(units: &UnitsOf) -> String {
    match units {
        UnitsOf::Tensor(name) => name.clone(),
        UnitsOf::Layer { kind, layer } => format!("레이어 {layer}의 {kind}"),
        UnitsOf::Experts { layer } => format!("레이어 {layer}의 expert"),
    }
}

/// A component before what it has; nothing for text.
fn prefix(component: Component) -> String {
    match component {
        Component::Text => String::new(),
        other => format!("{other} "),
    }
}

/// What could not be tested.
pub(super) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::FeedForwards => "feed-forward 유닛".to_owned(),
        Subject::Block {
            component,
            layer,
            expert,
        } => {
            let component = prefix(*component);
            match expert {
                Some(expert) => format!("{component}레이어 {layer}의 expert {expert}"),
                None => format!("{component}레이어 {layer}의 feed-forward"),
            }
        }
        Subject::ResidualDimensions => "residual 차원".to_owned(),
        Subject::ResidualOf(units) => format!("residual 차원, {}", units_of(units)),
        Subject::Rows(name) => format!("{name}의 행"),
        Subject::TokenDisguises => "공통 토큰으로만 볼 수 있는 위장".to_owned(),
        Subject::ReorderedUnits => "순서가 바뀐 유닛".to_owned(),
        Subject::Disguises => "순서가 바뀌거나 회전된 차원".to_owned(),
        Subject::Tensor(name) => name.clone(),
    }
}

/// Why something could not be tested.
pub(super) fn obstacle(obstacle: &Obstacle) -> String {
    let said = match obstacle {
        Obstacle::NoCommonBlock => "양쪽에 레이어와 종류가 같은 feed-forward가 없음",
        Obstacle::NoCommonRole => "양쪽에 역할이 같은 행렬이 없음",
        Obstacle::NoCommonStream => "양쪽에 너비가 같은 attention, embedding, 출력 head가 없음",
        Obstacle::NoCommonWidth => "행렬의 너비가 서로 다름",
        Obstacle::NoCommonToken => "두 토크나이저에 공통 토큰이 없음",
        Obstacle::IdenticalAlone => {
            "다른 것은 닮지 않았는데 바이트가 동일함: 그 자체로는 증거가 아님"
        }
        Obstacle::Formula(formula) => {
            let named = match formula {
                Formula::Identity => "한 대각선 위의 한 값",
                Formula::Diagonals => "대각선마다 한 값",
                Formula::Sines => "행이나 열마다 한 주파수의 사인",
                Formula::Hadamard => "Hadamard 행렬의 블록",
                Formula::Smooth => "이웃의 평균인 행이나 열",
            };
            return format!("유사성이 공식으로 설명됨: {named}");
        }
        Obstacle::NamedPlaces => {
            "축의 자리마다 고유한 뜻이 있어 (위치, 클래스, 주파수) 순서가 아무것도 말해 주지 않음"
        }
        Obstacle::OwnOrder => "양쪽 모두 각 행이 다음 행과 비슷함: 행이 스스로의 순서를 지님",
        Obstacle::PermutationOff => "순열 검정을 끔",
        Obstacle::NotInSketch => "스케치에 없음",
        Obstacle::DeepOff => "위장을 살펴보지 않음 (--deep off)",
        Obstacle::Unreadable(why) => why,
        Obstacle::Units(why) => return untestable(why),
        Obstacle::FewCommonTokens { shared, needed } => {
            return format!("양쪽의 공통 토큰 {shared}개로, {needed}개에 못 미침");
        }
        Obstacle::UnequalDimensions { base, target } => {
            return format!("기준 {base}차원, 대상 {target}차원");
        }
        Obstacle::PartialUnits { rows } => {
            return format!("행 {rows}개가 유닛으로 나누어떨어지지 않음");
        }
    };
    said.to_owned()
}

fn untestable(why: &Untestable) -> String {
    match why {
        Untestable::TooFewUnits(units) => format!("유닛 {units}개로, {LEAST_UNITS}개에 못 미침"),
        Untestable::UnequalUnits(base, target) => {
            format!("유닛 수가 다름: 기준 {base}, 대상 {target}")
        }
        Untestable::UnequalWidths(base, target) => {
            format!("유닛당 값의 수가 다름: 기준 {base}, 대상 {target}")
        }
        Untestable::TooNarrow(width) => format!("유닛당 값 {width}개로, 2개에 못 미침"),
        Untestable::Alike => "한쪽에 서로 다른 유닛이 2개에 못 미침".to_owned(),
        Untestable::Sorted { rho } => format!(
            "양쪽 모두 유닛이 norm 순으로 정렬됨 (순위 상관 {:.2}, {:.2})",
            rho[0], rho[1]
        ),
    }
}

/// Why a cosine is not defined.
pub(super) fn undefined(why: &Undefined) -> String {
    match why {
        Undefined::NoElements => "원소 없음".to_owned(),
        Undefined::Zero { base, target } => match (base, target) {
            (true, true) => "양쪽 모두 0".to_owned(),
            (true, false) => "기준이 모두 0".to_owned(),
            (false, _) => "대상이 모두 0".to_owned(),
        },
        Undefined::NotFinite { base, target } => {
            format!("NaN 또는 무한대: 기준 {base}개, 대상 {target}개")
        }
        Undefined::Unreadable(why) => why.clone(),
    }
}

/// Why the size of a change is not known.
pub(super) fn no_change(why: &NoChange) -> String {
    match why {
        NoChange::Undefined(why) => undefined(why),
        NoChange::Unfit(why) => why.clone(),
    }
}

/// How tensors came together whose names say nothing.
fn paired_by_content(paired: &PairedByContent) -> String {
    let PairedByContent {
        equal,
        alike,
        followed,
        left,
        pairs,
    } = paired;
    let ways = [
        (equal, "값이 같아서"),
        (alike, "같은 shape 중 가장 닮아서(그 자체는 증거가 아님)"),
        (followed, "짝지은 텐서 곁에 있어서"),
    ];
    let ways: Vec<String> = ways
        .into_iter()
        .filter(|(count, _)| **count > 0)
        .map(|(count, how)| format!("{how} {count}쌍"))
        .collect();
    let rest = match left {
        0 => String::new(),
        _ => format!(". 다른 {left}쌍은 양쪽에 같은 shape로 남은 것끼리 맞대었습니다"),
    };
    format!(
        "이름이 바뀌었습니다: {pairs}쌍 중 {}쌍은 텐서의 내용으로 짝지었습니다({}){rest}",
        equal + alike + followed,
        ways.join(", ")
    )
}

/// A reason for a label.
pub(super) fn reason(reason: &Reason) -> String {
    let said = match reason {
        Reason::SharedAreEqual(SharedAreEqual { tensors, left }) => {
            return format!(
                "양쪽에 모두 있는 텐서 {tensors}개는 값이 전부 같습니다. 기준에만 {}개, 대상에만 \
                 {}개가 더 있습니다",
                left.base, left.target
            );
        }
        Reason::PairedByContent(paired) => return paired_by_content(paired),
        Reason::Unpaired { parameters, of } => {
            return format!(
                "대상 행렬 파라미터의 {}는 이름으로도 값으로도 짝을 찾지 못했고, 기준에는 같은 \
                 shape의 행렬이 남아 있습니다. 여기서 말하는 것은 나머지에 대한 것입니다",
                number::share(*parameters, *of)
            );
        }
        Reason::NoWeights { side, what } => {
            return format!(
                "{}: {}",
                self::side(*side),
                super::warnings::no_weights(what)
            );
        }
        Reason::AllEqual => "모든 텐서가 짝지어졌고 자료형, 형상, 바이트가 같음",
        Reason::MostLayersInPlace => "레이어 절반 이상에서 유닛이 기준의 자리에 있음",
        Reason::SharedStart => {
            "파생만큼이나, 같은 초기값에서 시작한 두 학습으로도 설명됨: 상수에서 시작하는 값 가운데 일치하는 \
             것이 없고, 똑같은 학습된 행렬도 없음"
        }
        Reason::NoDirection => {
            "유사도에는 시간의 방향이 없음: 하나가 다른 하나에서 왔거나 둘 다 제3의 모델에서 옴. 두 파일을 모두 \
             가진 사람은 대상의 유닛이 든 기준을 만들 수 있으므로, 처음 공개된 기준의 다이제스트가 결정함"
        }
        Reason::PowerOfPartsAlone => {
            "부분별 검정만 수행됨. 각각은 그 유닛의 재사용을 드러냈을 것임"
        }
        Reason::CosinesAlone => "유사도만으로 내린 판정임: 순서가 바뀐 유닛은 살펴보지 않음",
        Reason::NoDistillation => {
            "다른 모델의 출력으로 학습한 모델은 가중치가 독립이므로 wcmp는 distillation을 볼 수 없음"
        }
        Reason::NoTensors => "텐서 없음",
        Reason::NoMatrix => "대상의 행렬 가운데 기준과 비교할 수 있는 것이 없음",
        Reason::TooLittleIndependent => {
            "from scratch 판정에는 대상 행렬 파라미터의 절반 이상이 독립으로 확인되고 불분명한 것이 5분의 1 \
             이하여야 함"
        }
        Reason::TooLittleShared => {
            "derived 판정에는 비교할 수 있는 행렬 파라미터의 3분의 2 이상이 공유되어야 함"
        }
        Reason::Filtered => "필터가 남긴 텐서만 살펴봄",
        Reason::NoSuchComponent => "기준에는 그런 구성 요소가 없음",
        Reason::WithinFormats { calibrated: true } => {
            "정보가 있는 모든 텐서가 짝지어졌고, 모든 차이가 보정 양자화의 범위 안에 있음"
        }
        Reason::WithinFormats { calibrated: false } => {
            "정보가 있는 모든 텐서가 짝지어졌고, 모든 차이가 두 수 형식의 반올림 범위 안에 있음"
        }
        Reason::Disguised(disguise) => {
            return format!(
                "시험한 레이어 {}개 중 {}개를 순서 변경이나 회전 아래에서 찾음 (최소 log10 p {:.0}, {})",
                disguise.tried,
                disguise.found,
                disguise.log10_p,
                bound(disguise.exact)
            );
        }
        Reason::ExpertsShareUnits { log10_p } => {
            return format!(
                "expert와 dense feed-forward가 유닛을 공유함 (레이어당 log10 p 중앙값 {log10_p:.0})"
            );
        }
        Reason::Power { share_seen_95 } => {
            return format!(
                "제자리 유닛의 {}만 재사용했어도 95 % 확률로 드러났을 것임",
                number::percent(Some(*share_seen_95))
            );
        }
        Reason::Parts {
            state,
            parameters,
            comparable,
            groups,
        } => {
            let what = match state {
                State::Reused => "기준과 공유",
                State::Independent => "독립으로 확인",
                State::Unclear => "공유인지 독립인지 불분명",
                State::New => "기준에 대응 없음",
            };
            return format!(
                "{what}: 비교할 수 있는 행렬 파라미터의 {} ({})",
                number::share(*parameters, (*comparable).max(1)),
                named(groups)
            );
        }
        Reason::Unconfirmed(groups) => {
            return format!(
                "{}에서 유닛이 같은 자리에 있거나 짝을 찾지만, 유닛 사이의 각도가 다름: 순서나 회전은 골라서 \
                 만들 수 있음",
                named(groups)
            );
        }
        Reason::TablesAlone => {
            "토큰 표만 일치함: 가져온 것이거나, 한쪽의 residual stream을 맞추어 회전한 것임. 처음 공개된 \
             기준의 다이제스트가 결정함"
        }
        Reason::NewParts(groups) => {
            return format!("기준에 대응이 없고 증거가 아님: {}", named(groups));
        }
        Reason::Components(verdicts) => {
            let words: Vec<String> = verdicts.iter().map(component).collect();
            return format!("구성 요소별: {}", words.join("; "));
        }
        Reason::Computed {
            matrices,
            parameters,
            name,
        } => {
            return format!(
                "행렬 {}개(파라미터 {}개, 처음은 {})의 공통점은 공식으로 설명됨: 제외했으며 증거가 아님",
                number::count(*matrices as u64),
                number::count(*parameters),
                quoted(name)
            );
        }
        Reason::FactorsAlone => {
            "변화의 인수 행렬만으로는 어느 가중치에서 학습되었는지 알 수 없고, 어댑터에는 다른 것이 없음"
        }
        Reason::HoldsTooLittle => "어댑터가 지닌 기준의 텐서만으로는 판정할 수 없음",
        Reason::HoldsOfBase => "인수 행렬이 아니라 어댑터가 지닌 기준의 텐서에 근거함",
        Reason::Adapter(fact) => return adapter(fact),
    };
    said.to_owned()
}

/// Parts in short.
fn named(groups: &[PartGroup]) -> String {
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

fn group(group: &PartGroup) -> String {
    let component = prefix(group.component);
    let kind = group.kind;
    let layers = number::ranges(group.layers.iter().copied());
    match kind {
        PartKind::Embedding | PartKind::Head => format!("{component}{kind}"),
        PartKind::Other if group.count == 1 => {
            escape_controls(group.name.as_deref().unwrap_or("matrix"))
        }
        PartKind::Other => format!("그 밖의 {component}행렬 {}개", group.count),
        PartKind::Experts => format!("{component}레이어 {layers}의 expert {}개", group.count),
        PartKind::Attention | PartKind::Ffn => format!("{component}레이어 {layers}의 {kind}"),
    }
}

fn component(verdict: &ComponentVerdict) -> String {
    let name = match verdict.component {
        Component::Text => "text decoder",
        Component::Vision => "vision encoder",
        Component::Audio => "audio encoder",
        Component::Projector => "projector",
        Component::Other => "그 밖의 텐서",
    };
    let what = match verdict.label {
        _ if !verdict.in_base => "추가됨, 기준에 대응 없음",
        Label::Identical => "바이트까지 그대로 재사용",
        Label::ReEncoded => "다른 형식으로 저장된 재사용",
        Label::Derived => "재사용",
        Label::PartialReuse => "일부 재사용",
        Label::FromScratch => "독립",
        Label::Inconclusive => "판단 보류",
    };
    format!("{name} {what}")
}

fn adapter(fact: &AdapterFact) -> String {
    match fact {
        AdapterFact::Changes {
            matrices,
            ranks,
            scales,
            replaced,
        } => {
            let ranks: Vec<String> = ranks.iter().take(4).map(u64::to_string).collect();
            let scales = scales.iter().take(4);
            let scales: Vec<String> = scales.map(|scale| number::value(Some(*scale))).collect();
            format!(
                "대상은 어댑터임: 행렬 {matrices}개를 저랭크로 바꾸고 (랭크 {}; 배율 {}) 텐서 {replaced}개를 \
                 통째로 교체함",
                ranks.join(", "),
                scales.join(", ")
            )
        }
        AdapterFact::Sizes {
            median,
            largest,
            name,
        } => format!(
            "변화의 크기 ‖W' − W‖ / ‖W‖: 중앙값 {}, 최대 {} ({})",
            number::value(Some(*median)),
            number::value(Some(*largest)),
            quoted(name)
        ),
        AdapterFact::NothingToFit => "형상을 기준과 맞춰 볼 저랭크 변화가 없음".to_owned(),
        AdapterFact::Fits => {
            "모든 변화에 이름과 형상이 맞는 행렬이 기준에 있음. 이 구조의 모델이면 어느 것이나 그러함"
                .to_owned()
        }
        AdapterFact::Unfit {
            unfit,
            of,
            first,
            why,
        } => format!(
            "변화 {of}개 중 {unfit}개는 이름과 형상이 맞는 행렬이 기준에 없어 적용할 수 없음 ({}: {why})",
            quoted(first)
        ),
        AdapterFact::Claim {
            declared,
            revision,
            is_base,
        } => {
            let revision = revision.as_deref().map_or(String::new(), |revision| {
                format!(", 리비전 {}", quoted(revision))
            });
            let which = if *is_base { "이름이 같음" } else { "이름이 다름" };
            format!(
                "스스로 밝힌 기준 모델은 {}{revision}이며 여기의 기준과 {which}: 주장일 뿐 증거가 아님",
                quoted(declared)
            )
        }
    }
}

/// Why the origin document's band and the label disagree.
pub(super) fn disagreement(why: &Disagreement) -> String {
    let matrix = why
        .matrix
        .map_or("없음".to_owned(), |matrix| format!("{matrix:.4}"));
    let norms = why
        .norm
        .map_or(String::new(), |norm| format!(", norm {norm:.4}"));
    let figures = format!("행렬 {matrix}{norms}");
    let mean = why.mean;
    match why.cause {
        DisagreementCause::AlikeInUnrelated => format!(
            "단순 평균 {mean:.4}은 무관한 모델에서도 비슷한 norm과 상수까지 똑같이 셈 ({figures})"
        ),
        DisagreementCause::PulledDown => format!(
            "일부가 공유되지만 나머지가 끌어내려 단순 평균 {mean:.4}이 0.5 미만임 ({figures})"
        ),
        DisagreementCause::ByNameAlone => format!(
            "단순 평균 {mean:.4}은 이름과 번호가 같은 텐서만 비교하므로 0.5 미만임 ({figures}). 검사들은 \
             그래도 기준의 가중치를 찾아냄"
        ),
    }
}
