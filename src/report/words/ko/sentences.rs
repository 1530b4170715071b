//! What is said with numbers and names in it.

use super::super::{
    Checked, Component, Cosines, Experts, Meanings, Question, Sentences, Tokenizer, Transformation,
    Unmatched,
};
use super::{Korean, merges};
use crate::model::architecture::Comparability;
use crate::model::checkpoint::Format;
use crate::report::document::Line;
use crate::report::escape;
use crate::report::number::{chance, count, log10};
use crate::report::schema::WeightRow;
use crate::verdict::origin::Band;

/// Items of a list in a sentence.
const LISTED: usize = 8;

fn listed(names: &[String]) -> String {
    let shown = &names[..names.len().min(LISTED)];
    let list = shown.join(", ");
    match names.len() - shown.len() {
        0 => list,
        more => format!("{list} 외 {more}개"),
    }
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

impl Sentences for Korean {
    fn question(&self, version: &str, question: Question) -> Line {
        let command = |command: &str| Line::from(format!("wcmp {version} {command}: "));
        match question {
            Question::Compare { base, target } => command("compare")
                .then(Line::name(target))
                .text(" 모델은 ")
                .then(Line::name(base))
                .text(" 모델에서 만들어졌는가?"),
            Question::Rank(target) => command("rank")
                .then(Line::name(target))
                .text(" 모델은 이 가운데 어느 것에서 만들어졌는가, 아니면 어느 것에서도 아닌가?"),
            Question::Arch(target) => command("arch")
                .then(Line::name(target))
                .text(" 모델의 가중치를 부분별로 비교할 수 있는가?"),
            Question::Inspect(checkpoint) => command("inspect")
                .then(Line::name(checkpoint))
                .text("에는 무엇이 들어 있는가?"),
            Question::Hash(checkpoint) => command("hash")
                .then(Line::name(checkpoint))
                .text("의 매니페스트"),
            Question::Check(checkpoint) => command("hash --check")
                .then(Line::name(checkpoint))
                .text("은(는) 매니페스트와 같은가?"),
            Question::Matrix => {
                command("rank --matrix").text("이 모델들 가운데 어느 것이 서로 관련되는가?")
            }
            Question::Sketch(checkpoint) => command("sketch")
                .then(Line::name(checkpoint))
                .text("에서 남기는 것"),
        }
    }

    fn base_number(&self, at: usize) -> String {
        format!("기준 {at}")
    }

    fn layer(&self, layer: u32) -> String {
        format!("레이어 {layer}")
    }

    fn layers(&self, ranges: &str) -> String {
        format!("레이어 {ranges}")
    }

    fn layers_of(&self, component: &str, layers: u64) -> String {
        format!("레이어: {component}, {}개", count(layers))
    }

    fn tensors(&self, n: u64) -> String {
        format!("텐서: {}개", count(n))
    }

    fn aligned_tensors(&self, n: u64) -> String {
        format!("짝지어진 텐서: {}개", count(n))
    }

    fn coordinate(&self, axis: usize, explained: &str) -> String {
        let axis = if axis == 0 { "첫째" } else { "둘째" };
        format!("{axis} ({explained})")
    }

    fn axes(&self, [first, second]: [&str; 2]) -> String {
        format!("가로: 첫째 좌표, 거리 제곱의 {first}. 세로: 둘째 좌표, {second}. 같은 척도.")
    }

    fn more(&self, n: u64) -> String {
        format!("{}개 더 있음. --tensors로 모두 볼 수 있습니다", count(n))
    }

    fn files(&self, n: u64, format: Format) -> String {
        format!("파일 {}개, {format}", count(n))
    }

    fn sketch_of(&self, format: Format) -> String {
        format!("스케치 (원본 {format})")
    }

    fn config_alone(&self) -> &'static str {
        "config.json만 있음"
    }

    fn filtered(&self, options: &str) -> String {
        format!("필터 {options}: 그 밖의 텐서는 양쪽 모두 없는 것으로 봅니다")
    }

    fn norm_gains(&self, cosine: &str, expected: &str) -> String {
        format!("norm gain {cosine}. 이 형상의 무관한 모델: {expected}")
    }

    fn of_aligned(&self, aligned: u64) -> String {
        format!("짝지어진 텐서 {}개 가운데 바이트가 같은 것", count(aligned))
    }

    fn identical(&self, identical: u64, aligned: u64, informative: u64) -> String {
        format!(
            "짝지어진 텐서 {}개 가운데 {}개의 바이트가 같고, 그중 {}개에 정보가 있습니다.",
            count(aligned),
            count(identical),
            count(informative),
        )
    }

    fn cosines(&self, figures: &Cosines<'_>) -> String {
        let norms = figures
            .norms
            .map(|norms| format!("; {norms}"))
            .unwrap_or_default();
        format!(
            "평균 {}, 행렬 {} (초과분 {}){norms}; 텐서 {}개 중 {}개 동일, 정보 있는 것 {}개",
            figures.mean,
            figures.matrices,
            figures.excess,
            count(figures.aligned),
            count(figures.identical),
            count(figures.informative),
        )
    }

    fn covered(&self, target: &str, base: &str) -> String {
        format!("대상 행렬의 {target}, 기준 행렬의 {base}")
    }

    fn hits(&self, hits: u64, probes: u64, log10_p: Option<f64>) -> String {
        let bound = log10_p
            .map(|log10_p| format!("; 우연 확률 {}", chance(Some(log10_p))))
            .unwrap_or_default();
        format!("표본 {}개 중 {}개 적중{bound}", count(probes), count(hits))
    }

    fn subspaces_in_short(&self, summary: &str, excess: &str) -> String {
        format!("{}, 초과분 중앙값 {excess}", spaced(summary))
    }

    fn power(&self, units: &str, share: Option<&str>, needed: u64, probes: u64) -> String {
        let (units, needed, probes) = (spaced(units), count(needed), count(probes));
        match share {
            Some(share) => format!(
                "{units} 유닛의 {share}만 제자리에서 재사용했어도 95 % 확률로 드러났을 것입니다 (표본 \
                 {probes}개 중 {needed}개 필요)"
            ),
            None => format!("{units}: 표본이 너무 적어 ({probes}) 어떤 재사용도 드러나지 않습니다"),
        }
    }

    fn not_run(&self, what: &str, why: &str) -> String {
        format!("수행하지 않음: {what}: {why}")
    }

    fn permutation(&self, hits: u64, probes: u64, groups: u64, log10_p: Option<f64>) -> String {
        let hits = format!(
            "{}개 묶음에서 표본 유닛 {}개 중 {}개가 제자리에 있습니다.",
            count(groups),
            count(probes),
            count(hits),
        );
        match log10_p {
            None => format!("{hits} 우연 확률의 상한은 구할 수 없었습니다."),
            Some(bound) if bound > -2.0 => format!(
                "{hits} 따로 학습된 모델도 우연히 이만큼 일치합니다 (확률 {}, log10 p {}).",
                chance(log10_p),
                log10(log10_p)
            ),
            Some(_) => format!(
                "{hits} 초기화와 학습이 서로 무관한 모델이 이만큼 일치할 확률은 {} (log10 p {}).",
                chance(log10_p),
                log10(log10_p)
            ),
        }
    }

    fn principal_subspaces(&self, summary: &str, excess: &str, n: u64, mode: &str) -> String {
        format!(
            "{summary}: 부분공간 {}개의 초과분 중앙값 {excess} ({mode}).",
            count(n)
        )
    }

    fn weakest_layer(&self, log10_p: &str) -> String {
        format!("대응된 레이어 가운데 가장 약한 것: log10 p {log10_p}.")
    }

    fn transformation(&self, found: &Transformation<'_>) -> String {
        let place = match found.n_layers {
            0 => String::new(),
            _ => format!(" 레이어 {}", found.layers),
        };
        let done = if found.pruned {
            "유지"
        } else {
            "다시 찾음"
        };
        let units = match found.kept {
            Some((kept, Some(whole))) => {
                format!(", 유닛 {}개 중 {}개 {done}", count(whole), count(kept))
            }
            Some((kept, None)) => format!(", 유닛 {}개 {done}", count(kept)),
            None => String::new(),
        };
        let cosine = found
            .cosine
            .map(|cosine| format!(": 유사도 {cosine}"))
            .unwrap_or_default();
        format!(
            "{}{place}{units}; 확인에 쓴 것: {}{cosine}",
            found.kind, found.check
        )
    }

    fn component(&self, component: &Component<'_>) -> String {
        let mut out = format!("{}: 패턴 {}", component.name, spaced(component.pattern));
        if let Some(relation) = component.relation {
            out.push_str(&format!("; 관계 {relation}"));
        }
        if let Some(reason) = component.reason {
            out.push_str(&format!("; {reason}"));
        }
        out
    }

    fn parts(&self, n: usize) -> String {
        format!("({n}개)")
    }

    fn experts(&self, experts: &Experts<'_>) -> String {
        let matched = format!(
            "레이어 {}: expert {}개 중 {}개를 기준의 {}개와 짝지음",
            experts.layers,
            count(experts.target),
            count(experts.matched),
            count(experts.base),
        );
        match experts.moved {
            Some(moved) => format!("{matched}; 순서 변경: {}", listed(moved)),
            None if experts.matched > 0 => format!("{matched}, 모두 제자리"),
            None => matched,
        }
    }

    fn tokenizer(&self, tokenizer: &Tokenizer) -> String {
        let merges = tokenizer
            .merges
            .map(|n| format!("; 공통 merge {}개", count(n)))
            .unwrap_or_default();
        format!(
            "공통 토큰 {}개, 그중 id가 같은 것 {}개 (어휘: 기준 {}, 대상 {}){merges}. 정황일 뿐이며, \
             토크나이저를 공유한다고 가중치를 공유한 것은 아닙니다.",
            count(tokenizer.shared),
            count(tokenizer.same_id),
            count(tokenizer.base),
            count(tokenizer.target),
        )
    }

    fn dora(&self, n: u64) -> String {
        format!(
            "이 가운데 {}개는 방향과 저장된 크기로 나타냄 (DoRA)",
            count(n)
        )
    }

    fn replaced(&self, names: &[String]) -> String {
        format!("통째로 교체: {}", listed(names))
    }

    fn not_measured(&self, names: &[String]) -> String {
        format!("측정하지 못함: {}", listed(names))
    }

    fn span(&self, least: &str, most: &str) -> String {
        format!("{least} ~ {most}")
    }

    fn unmatched(&self, unmatched: &Unmatched<'_>) -> String {
        let side = if unmatched.target { "대상" } else { "기준" };
        match unmatched.tensors {
            0 => format!("{side}: 모든 텐서에 대응이 있음"),
            n => format!(
                "{side}: 대응이 없는 텐서 {}개, 파라미터 {}, {side}의 {}",
                count(n),
                unmatched.parameters,
                unmatched.share,
            ),
        }
    }

    fn no_cosine(&self, name: &str, reason: &str) -> String {
        format!("{name}: 유사도 없음, {reason}")
    }

    fn agreement(&self, agrees: Option<bool>, why: Option<&str>) -> String {
        let disagree = "원 문서의 해석과 판정이 어긋남";
        match (agrees, why) {
            (Some(true), _) => "원 문서의 해석과 판정이 일치함".to_owned(),
            (Some(false), Some(why)) => format!("{disagree}: {why}"),
            (Some(false), None) => disagree.to_owned(),
            (None, Some(why)) => why.to_owned(),
            (None, None) => "판단하지 않음".to_owned(),
        }
    }

    fn document(&self, band: Option<Band>, pattern: &str, agreement: &str) -> String {
        let band = band.map_or("평균 유사도 없음", |band| self.band(band));
        format!("{band}; {pattern}; {agreement}")
    }

    fn comparable(&self, comparability: Comparability, share: Option<&str>) -> String {
        match share {
            Some(share) => format!("{comparability}: 대상 값의 {share}가 같은 형상에 있음"),
            None => comparability.to_string(),
        }
    }

    fn mixture(&self, terms: &[WeightRow], residual: &str) -> String {
        let sum = escape::name(&merges::sum(terms, "×"));
        format!("{sum}, 설명되지 않은 부분 {residual}")
    }

    fn checked(&self, check: &Checked<'_>) -> Line {
        let (matching, tensors) = (count(check.matching), count(check.tensors));
        let answer = if check.equal {
            format!(" — 매니페스트와 같음: 텐서 {tensors}개 중 {matching}개 일치")
        } else {
            format!(
                " — 매니페스트와 다름: 텐서 {tensors}개 중 {matching}개 일치, {}개 다름, {}개 없음, {}개 \
                 추가",
                count(check.different),
                count(check.missing),
                count(check.new),
            )
        };
        Line::name(check.name).text(answer)
    }
}
