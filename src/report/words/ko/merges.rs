//! Merges of several bases, in words.

use crate::report::number;
use crate::report::schema::{MergeRow, RunRow, TakenLayers, WeightRow};
use crate::report::words::en::merges::sum as in_english;

/// Runs of layers that are told one by one.
const RUNS: usize = 4;

/// Of what the target is a merge.
pub(super) fn merge(merge: &MergeRow) -> String {
    match merge {
        MergeRow::Sum {
            weights,
            rule,
            at: _,
            unexplained: _,
        } => format!("{}{}", sum(weights, "x"), rule_of(weights, rule)),
        MergeRow::Runs(runs) => {
            let told: Vec<String> = runs.iter().take(RUNS).map(run).collect();
            let more = match runs.len().saturating_sub(RUNS) {
                0 => String::new(),
                n => format!("; 그 밖의 레이어 구간 {n}개"),
            };
            format!("{}{more}", told.join("; "))
        }
        MergeRow::Layers(taken) => {
            let told: Vec<String> = taken.iter().map(layers).collect();
            told.join(", 이어서 ")
        }
        MergeRow::Sparse {
            base,
            of,
            changed,
            agreement,
        } => format!(
            "{base}의 값 가운데 {}를 {}의 부호대로 바꿈 (부호 일치 {})",
            number::percent(Some(*changed)),
            of.join(", "),
            number::percent(Some(*agreement))
        ),
    }
}

pub(super) fn sum(weights: &[WeightRow], times: &str) -> String {
    in_english(weights, times).replace("(each ± ", "(각각 ± ")
}

/// What a sum is called.
fn rule_of(weights: &[WeightRow], rule: &str) -> String {
    let is_taken = |row: &&WeightRow| row.weight.is_some_and(|weight| weight < 0.0);
    let (taken, given): (Vec<&WeightRow>, Vec<&WeightRow>) = weights.iter().partition(is_taken);
    match (taken.as_slice(), given.as_slice()) {
        _ if rule == "spherical" => ", 구면을 따라 보간".to_owned(),
        ([taken], [one, other]) => format!(
            ": {}에 대한 {}와(과) {}의 변화를 더함 (태스크 벡터)",
            taken.base, one.base, other.base
        ),
        ([taken], [one]) => format!(
            ": {}에서 멀어지는 쪽으로 {}을(를) 늘림",
            taken.base, one.base
        ),
        _ => String::new(),
    }
}

fn run(run: &RunRow) -> String {
    let layers = if run.first == run.last {
        format!("레이어 {}", run.first)
    } else {
        format!("레이어 {}-{}", run.first, run.last)
    };
    format!("{layers}: {}", sum(&run.weights, "x"))
}

fn layers(taken: &TakenLayers) -> String {
    let own = match taken.base_layers.as_slice() {
        // Saved by a version that did not keep them.
        [] => &taken.layers,
        _ => &taken.base_layers,
    };
    let layers = number::ranges(own.iter().copied());
    match taken.weights.as_slice() {
        [] => format!("{}의 레이어 {layers}", taken.base),
        weights => format!("레이어 {layers}: {}", sum(weights, "x")),
    }
}
