//! What is said on one screen.

use super::super::{
    Apart, Caveat, Chance, InPlace, Meanings, Pairs, PlainScale, Screens, Sure, Typed, files_aside,
};
use super::{Korean, merges};
use crate::evidence::finding::{NoiseFloor, Statement};
use crate::evidence::part::State;
use crate::evidence::relation::Relation;
use crate::evidence::tests_of_units::UnitKind;
use crate::model::architecture::Comparability;
use crate::report::document::Line;
use crate::report::number::{self, count};
use crate::report::schema::{LibraryRow, Rank};
use crate::verdict::decide::Label;

/// Two names with words around them.
fn between(first: &str, between: &str, second: &str, after: &str) -> Line {
    Line::name(first)
        .text(between)
        .then(Line::name(second))
        .text(after)
}

/// What two models are that are related so.
fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::FineTuned => "모델과 그 fine-tuning 모델",
        Relation::ContinuedPretraining => "모델과 그 continued pre-training 모델",
        Relation::VocabularyExtended => "모델과 어휘를 늘린 모델",
        Relation::Pruned => "모델과 유닛을 덜어낸 모델",
        Relation::DepthUpscaled => "모델과 레이어를 반복해 깊게 만든 모델",
        Relation::DepthPruned => "모델과 레이어를 덜어낸 모델",
        Relation::LayersReordered => "모델과 레이어 순서를 바꾼 모델",
        Relation::WidthPruned => "모델과 폭을 줄인 모델",
        Relation::Widened => "모델과 폭을 넓힌 모델",
        Relation::Upcycled => "dense 모델과 이를 복제해 만든 MoE 모델",
        Relation::Permuted => "모델과 유닛 순서를 바꾼 모델",
        Relation::Rotated => "모델과 residual stream을 회전한 모델",
        Relation::QuantizedFineTune => "모델과 양자화된 fine-tuning 모델",
        Relation::Adapter => "모델과 그 어댑터",
        Relation::Renamed => "모델과 텐서 이름을 바꾼 모델",
        Relation::Merged => "모델과 이를 섞은 병합 모델",
        Relation::SharedInitializationPossible => "같은 초기값에서 시작한 두 학습",
    }
}

impl Screens for Korean {
    fn compared(&self, label: Label, base: &str, target: &str) -> Line {
        match label {
            Label::Identical => between(target, " = ", base, ": 모든 바이트가 같음"),
            Label::ReEncoded => between(target, " — ", base, "의 값을 다른 형식으로 저장한 것"),
            Label::Derived => between(target, " — ", base, "와(과) 가중치를 공유함"),
            Label::PartialReuse => between(target, " — ", base, "와(과) 가중치의 일부만 공유함"),
            Label::FromScratch => between(target, " — ", base, "와(과) 독립임"),
            Label::Inconclusive => between(
                target,
                " — ",
                base,
                "와(과) 가중치를 공유하는지 판단할 수 없음",
            ),
        }
    }

    fn concluded(&self, report: &Rank) -> Line {
        let conclusion = &report.conclusion;
        let target = &report.target.name;
        let bases = report.ranking.len() as u64;
        let others = bases.saturating_sub(conclusion.related.max(1));
        let others = match (bases, conclusion.related, others) {
            (1, ..) | (_, _, 0) => String::new(),
            (_, 0 | 1, n) => format!(". 나머지 기준 모델 {}개와는 공유하지 않음", count(n)),
            (_, related, _) => {
                format!(
                    ". 기준 모델 {}개 가운데 {}개가 관련됨",
                    count(bases),
                    count(related)
                )
            }
        };
        if let (Some(merge), Label::Derived | Label::PartialReuse) =
            (&conclusion.merge, conclusion.label)
        {
            return Line::name(target)
                .text(" — 여러 기준 모델의 병합: ")
                .then(Line::name(merges::merge(merge)));
        }
        if let Some(nearest) = report.nearest() {
            return between(target, " — ", nearest, "의 친척 모델. ")
                .text("주어진 기준 모델 가운데 가장 가까우나 부모인지는 알 수 없음");
        }
        match (conclusion.candidates.as_slice(), conclusion.label) {
            ([], _) => {}
            ([only], _) => {
                return between(target, " — ", only, "의 친척 모델").text(others);
            }
            (several, Label::PartialReuse) => {
                let several = listed(several);
                return between(
                    target,
                    " — ",
                    &several,
                    "와(과) 각각 가중치 일부를 공유함. ",
                )
                .text("그중 어느 것이 가장 가까운지는 알 수 없음");
            }
            (several, _) => {
                return between(target, " — ", &listed(several), "의 친척 모델. ")
                    .text("그중 어느 것이 가장 가까운지는 알 수 없음");
            }
        }
        let base = conclusion.base.as_deref().unwrap_or_default();
        match (conclusion.label, bases) {
            (Label::FromScratch, 1) => {
                let only = report
                    .ranking
                    .first()
                    .map_or("", |row| row.base.name.as_str());
                self.compared(Label::FromScratch, only, target)
            }
            (Label::FromScratch, n) => {
                Line::name(target).text(format!(" — 주어진 기준 모델 {}개 모두와 독립임", count(n)))
            }
            (Label::Inconclusive, _) => {
                Line::name(target).text(" — 주어진 기준 모델과 가중치를 공유하는지 판단할 수 없음")
            }
            (label, _) => self.compared(label, base, target).text(others),
        }
    }

    fn comparable_with(
        &self,
        comparability: Comparability,
        target: &str,
        base: &str,
        bases: u64,
        share: Option<&str>,
    ) -> Line {
        match (comparability, share) {
            (Comparability::None, _) if bases > 1 => Line::name(target).text(format!(
                " — 기준 모델 {}개 어디에도 형상이 같은 행렬이 없음",
                count(bases)
            )),
            (Comparability::None, _) => between(target, " — ", base, "에 형상이 같은 행렬이 없음"),
            (_, Some(share)) => {
                let best = if bases > 1 { "가장 많게는 " } else { "" };
                between(
                    target,
                    " — ",
                    base,
                    &format!("와(과) {best}값의 {share}가 같은 형상의 텐서에 있음"),
                )
            }
            (_, None) => between(target, " — ", base, "와(과) 형상이 같은 텐서가 있음"),
        }
    }

    fn inspected(&self, name: &str, tensors: u64, parameters: &str) -> Line {
        Line::name(name).text(format!(
            " — 텐서 {}개, 파라미터 {parameters}",
            count(tensors)
        ))
    }

    fn caveat(&self, caveat: &Caveat<'_>) -> String {
        match caveat {
            Caveat::NoOtherModel => {
                "다른 모델에 대해서는 아무것도 말하지 않으며, distillation은 가중치에 흔적을 남기지 않습니다."
                    .to_owned()
            }
            Caveat::Adapter => {
                "어댑터에 대한 판정: 모델이 아니라, 모양이 같은 어떤 base에도 더할 수 있는 행렬의 변화만 들어 있습니다."
                    .to_owned()
            }
            Caveat::LeftAside(files) => {
                let (shown, more) = files_aside(self, files);
                let more = match more {
                    0 => String::new(),
                    more => format!(" 외 {}개", count(more)),
                };
                format!("읽지 않은 파일: {shown}{more}.")
            }
            Caveat::Direction(relations) => {
                let shared = relations.contains(&Relation::SharedInitializationPossible);
                let told: Vec<&str> = relations
                    .iter()
                    .filter(|relation| **relation != Relation::SharedInitializationPossible)
                    .map(|one| relation(*one))
                    .collect();
                let told = match told.as_slice() {
                    [] => String::new(),
                    told => format!("관계: {}. ", told.join("; ")),
                };
                if shared {
                    return format!(
                        "{told}하나가 다른 하나에서 왔거나, 둘 다 제3의 모델에서 왔거나, 같은 초기값에서 \
                         학습되었습니다. 어느 쪽인지 가중치로는 알 수 없습니다."
                    );
                }
                format!(
                    "{told}하나가 다른 하나에서 왔거나 둘 다 제3의 모델에서 왔습니다. 어느 쪽이 먼저인지 \
                     가중치로는 알 수 없습니다."
                )
            }
        }
    }

    fn other_warnings(&self, n: u64) -> String {
        format!("참고 사항 {}건은 --full로 볼 수 있습니다.", count(n))
    }

    fn state(&self, state: State) -> &'static str {
        match state {
            State::Reused => "재사용",
            State::Independent => "독립",
            State::Unclear => "불분명",
            State::New => "추가",
        }
    }

    fn of_matrix_parameters(&self, parameters: &str) -> String {
        format!("대상 모델의 행렬 파라미터 {parameters} 가운데 (norm은 판정하지 않음)")
    }

    fn roles_in(&self, roles: &str, layers: &str, n: usize) -> String {
        match n {
            0 => roles.to_owned(),
            _ => format!("레이어 {layers}의 {roles}"),
        }
    }

    fn changed(
        &self,
        roles: &str,
        more: bool,
        median: Option<&str>,
        identical: u64,
        aligned: u64,
    ) -> String {
        let more = if more { " 등" } else { "" };
        let median = median.map_or(String::new(), |median| format!(" (변화 중앙값 {median})"));
        format!(
            "변경: {roles}{more}{median}. 텐서 {}개 가운데 {}개는 바이트가 동일",
            count(aligned),
            count(identical)
        )
    }

    fn cosines_from_to(&self, cosines: Option<[String; 2]>) -> String {
        match cosines {
            None => number::ABSENT.to_owned(),
            Some([low, high]) if low == high => low,
            Some([low, high]) => format!("{low} ~ {high}"),
        }
    }

    fn so_many_of(&self, part: u64, whole: u64) -> String {
        format!("{}/{}", count(part), count(whole))
    }

    fn more_runs(&self, n: u64) -> String {
        format!(
            "레이어 구간 {}개 더 있음. --full로 모두 볼 수 있습니다",
            count(n)
        )
    }

    fn more_bases(&self, n: u64) -> String {
        format!(
            "기준 모델 {}개 더 있음. --full로 모두 볼 수 있습니다",
            count(n)
        )
    }

    fn chance(&self, chance: &Chance) -> String {
        match (chance.log10_p, &chance.test) {
            (Some(bound), Some(test)) => {
                let bound = number::chance(Some(bound));
                let bound = bound.trim_start_matches("< ");
                format!("무관한 모델이 이만큼 일치할 확률: {bound} 미만 ({test}).")
            }
            _ if chance.identical > 0 => format!(
                "정보가 있는 텐서 {}개의 바이트가 동일합니다. 그 밖에 우연 확률의 상한을 준 검사는 없습니다.",
                count(chance.identical)
            ),
            _ => match &chance.excess {
                Some(excess) => format!(
                    "우연 확률의 상한을 준 검사는 없습니다. 행렬은 무작위 순서보다 {excess}만큼 더 비슷합니다."
                ),
                None => "우연 확률의 상한을 준 검사는 없습니다.".to_owned(),
            },
        }
    }

    fn seen_by(&self, statement: &Statement) -> String {
        match statement {
            Statement::EqualBytes { tensors, matrices } => {
                format!("바이트가 동일한 텐서 {tensors}개, 그중 행렬 {matrices}개")
            }
            Statement::UnitsInPlace {
                probed: Some(hits), ..
            } => format!("제자리에 있는 유닛 {}개 중 {}개", hits.probes, hits.hits),
            Statement::UnitsInPlace { probed: None, .. } => "제자리에 있는 유닛".to_owned(),
            Statement::FoundTwice { hits, layers, .. } if *layers > 0 => format!(
                "위치와 무관하게 내용으로 찾은 유닛 {}개 중 {}개, 레이어 {layers}개",
                hits.probes, hits.hits
            ),
            Statement::PlacedLayers { placed, layers, .. } => {
                format!("내용으로 찾은 레이어 {layers}개 중 {placed}개")
            }
            Statement::RoutedExperts { found, all, .. } => {
                format!("내용으로 찾은 expert {all}개 중 {found}개")
            }
            Statement::DenseAndExperts { found, experts, .. } => {
                format!("dense feed-forward와 유닛을 공유하는 expert {experts}개 중 {found}개")
            }
            other => self.statement(other),
        }
    }

    fn in_place(&self, units: &InPlace<'_>) -> String {
        let (hits, probes) = (count(units.hits), count(units.probes));
        let what = match (units.kind, units.name) {
            (UnitKind::Ffn, _) => "feed-forward 유닛".to_owned(),
            (UnitKind::Expert, _) => "expert의 유닛".to_owned(),
            (UnitKind::Residual, Some(name)) => format!("{name}의 residual 차원"),
            (UnitKind::Residual, None) => "residual 차원".to_owned(),
            (_, Some(name)) => format!("{name}의 행"),
            (kind, None) => kind.word().replace('_', " "),
        };
        format!("제자리에 있는 {what}: {probes}개 중 {hits}개")
    }

    fn undone(&self, kinds: &[(&str, String, Option<String>)]) -> String {
        let one = |(kind, layers, cosine): &(&str, String, Option<String>)| {
            let layers = match layers.as_str() {
                "" => String::new(),
                layers => format!(" 레이어 {layers}"),
            };
            let cosine = cosine
                .as_deref()
                .map(|cosine| format!(" (유사도 {cosine})"));
            format!("{kind}{layers}{}", cosine.unwrap_or_default())
        };
        let kinds: Vec<String> = kinds.iter().map(one).collect();
        format!("되돌린 변환: {}.", kinds.join("; "))
    }

    fn seen_by_word(&self, word: &str) -> String {
        match word {
            "bytes" => "바이트".to_owned(),
            "cosine" => "유사도".to_owned(),
            "permutation" => "제자리 유닛".to_owned(),
            "layer_map" => "레이어 대응".to_owned(),
            "pca" => "주부분공간".to_owned(),
            "transformation" => "되돌린 위장".to_owned(),
            "ffn_permuted" | "heads_permuted" | "residual_permuted" | "experts_permuted" => {
                "순서 변경".to_owned()
            }
            "residual_rotated" => "회전".to_owned(),
            "channels_rescaled" => "채널 배율".to_owned(),
            other => other.replace('_', " "),
        }
    }

    fn null_result(&self, sure: &Sure<'_>) -> String {
        let covered = format!("대상 행렬의 {}에 대응이 있습니다.", sure.covered);
        match sure.seen {
            Some(seen) => format!(
                "제자리 유닛의 {seen}만 재사용했어도 95 % 확률로 드러났을 것입니다. {covered}"
            ),
            None => format!("재사용을 드러낼 힘이 있는 유닛 검정이 없었습니다. {covered}"),
        }
    }

    fn within_formats(&self, floor: &NoiseFloor) -> String {
        let least = match floor.least_within {
            all if all >= 1.0 => "모든 원소가".to_owned(),
            least => format!("원소의 {} 이상이", number::percent(Some(least))),
        };
        format!(
            "정보가 있는 텐서 {}개 각각에서 {least} 두 수 형식의 반 눈금 안에 있습니다{}.",
            floor.tensors,
            if floor.calibrated {
                " (보정 양자화 포함)"
            } else {
                ""
            }
        )
    }

    fn plain_scale(&self, scale: &PlainScale<'_>) -> String {
        let pattern = self.pattern(scale.pattern);
        let read = match (scale.mean, scale.band) {
            (Some(mean), Some(band)) => format!(
                "단순 평균 유사도 {mean}: \"{}\" ({}). 레이어 패턴: {pattern}.",
                self.band(band),
                self.band_range(band)
            ),
            _ => "단순 평균 유사도가 없습니다.".to_owned(),
        };
        match (scale.agrees, scale.why) {
            (Some(true), _) if scale.pattern_agrees == Some(false) => format!(
                "{read} 평균은 판정과 일치하지만 패턴은 그렇지 않습니다. 패턴은 같은 번호의 레이어를 저장된 \
                 그대로 봅니다."
            ),
            (Some(true), _) if scale.pattern_agrees.is_none() => {
                format!("{read} 평균은 판정과 일치합니다.")
            }
            (Some(true), _) => format!("{read} 둘 다 판정과 일치합니다."),
            (Some(false), why) => {
                let why = match why {
                    Some(Apart::AlikeInUnrelated) => {
                        " 어떤 두 모델에서나 비슷한 norm과 상수까지 세기 때문입니다."
                    }
                    Some(Apart::PulledDown) => " 독립인 부분이 평균을 끌어내리기 때문입니다.",
                    Some(Apart::AsStored) => {
                        " 이름이 같은 텐서를 저장된 그대로 비교하기 때문입니다."
                    }
                    Some(Apart::MovedFar) => {
                        " 행렬은 멀리 움직였지만 유닛은 제자리에 남아 있습니다."
                    }
                    None => "",
                };
                format!("{read} 평균은 판정과 어긋납니다.{why}")
            }
            (None, _) => read,
        }
    }

    fn families(&self, models: u64, families: u64, alone: u64) -> String {
        format!(
            "모델 {}개: 계열 {}개, 친족이 발견되지 않은 모델 {}개. 유닛을 제자리에서 찾았고, \
             한 레이어에서는 순서와 관계없이 찾았다. 기저가 바뀌면 보이지 않으므로, 발견되지 않았다는 것은 아무것도 말하지 않는다.",
            number::count(models),
            number::count(families),
            number::count(alone)
        )
    }

    fn family(&self, models: u64) -> String {
        format!(
            "모델 {}개, 각각 가장 가까운 친족 아래",
            number::count(models)
        )
    }

    fn library(&self, library: &LibraryRow, chance: Option<&str>) -> String {
        let deep = number::count(library.looked_at_deeply);
        let sketches = number::count(library.sketches);
        let beside = match library.checkpoints {
            0 => String::new(),
            more => format!(", 체크포인트 {}개", number::count(more)),
        };
        let looked = format!("스케치 {sketches}개{beside} 가운데 {deep}개를 모든 형식으로 살펴봄");
        match chance {
            Some(chance) => format!("{looked}. 전체에 걸친 우연의 확률 {chance}"),
            None => looked,
        }
    }

    fn controls(&self, highest: &str, lowest: &str, is_control: bool) -> String {
        let range = match lowest == highest {
            true => highest.to_owned(),
            false => format!("{lowest}부터 {highest}까지"),
        };
        let reached = format!("기준 모델끼리의 초과분은 {range}");
        if is_control {
            reached
        } else {
            format!("{reached}. 서로 무관한 것이 없어 척도의 대조군이 없음")
        }
    }

    fn no_control(&self) -> &'static str {
        "기준 모델이 하나뿐이라 척도의 대조군이 없음"
    }

    fn relatives(&self, nearest: &str, others: &[String]) -> String {
        format!(
            "{nearest} 또는 주어지지 않은 그 근처의 모델이 대상과 {} 사이에 있음",
            listed(others)
        )
    }

    fn between(&self, pairs: &Pairs<'_>) -> String {
        let between = match pairs {
            Pairs::All(names) => format!("{} 가운데 어느 둘 사이에나", names.join(", ")),
            Pairs::Some(pairs, more) => {
                let each = pairs.iter().map(|[a, b]| format!("{a}와(과) {b} 사이에"));
                let each: Vec<String> = each.collect();
                let more = match more {
                    0 => String::new(),
                    n => format!(" (그 밖의 쌍 {n}개도)"),
                };
                format!("{}{more}", each.join(", "))
            }
        };
        format!("대상 또는 주어지지 않은 그 근처의 모델이 {between} 있음")
    }

    fn sum_of_target(&self, base: &str, with: &str) -> String {
        format!("{base}은(는) 대상과 {with}의 평균: 대상에서 만들어졌으며 그 반대가 아님")
    }

    fn criteria(&self, scratch: (u64, u64), tuned: (u64, u64)) -> String {
        format!(
            "단순 평균 척도의 기준: from scratch {}/{}, fine-tuning {}/{}. 텐서를 저장된 그대로만 봄",
            scratch.0, scratch.1, tuned.0, tuned.1
        )
    }

    fn criteria_in_short(&self, scratch: (u64, u64), tuned: (u64, u64)) -> String {
        format!(
            "충족된 기준: from scratch {}/{}, fine-tuning {}/{}",
            scratch.0, scratch.1, tuned.0, tuned.1
        )
    }

    fn would_have_had_to_change(&self, changes: &str) -> String {
        format!("파생되었다면 바뀌었어야 할 것: {changes}")
    }

    fn verified(&self, report: &str, differences: u64) -> Line {
        let said = match differences {
            0 => " — 이 파일들에서 같은 결과가 나옵니다".to_owned(),
            n => format!(" — 같은 결과가 나오지 않습니다: 항목 {}개가 다름", count(n)),
        };
        Line::name(report).text(said)
    }

    fn other_version(&self, version: &str) -> String {
        format!("보고서의 버전이 {version}와 다릅니다. 두 버전에 모두 있는 항목만 비교했습니다.")
    }

    fn foot(&self, version: &str) -> String {
        format!("wcmp {version}. 모든 검사와 표:")
    }

    fn foot_of_many(&self, version: &str) -> String {
        format!("wcmp {version}. 모든 검사와 표: 같은 명령에 --full")
    }

    fn inspect_foot(&self, version: &str) -> String {
        format!("wcmp {version}. config.json은 --full, 모든 텐서는 --tensors로 볼 수 있습니다.")
    }
}

/// Names one after the other; of many the first ones.
fn listed(names: &[String]) -> String {
    /// Names that a line has room for.
    const MOST: usize = 5;
    let told = names[..names.len().min(MOST)].join(", ");
    match names.len().saturating_sub(MOST) {
        0 => told,
        more => format!("{told} 외 {more}개"),
    }
}
