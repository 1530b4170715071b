//! Verdicts on a zoo of really trained models of known lineage, where one lies beside the project.
//!
//! Ignored by default, as not everyone has one: `cargo test --test suite -- --ignored zoo` runs it
//! together with what `encodings.rs` reads there. `TRUTH.tsv` has a pair a line: base, target,
//! relation, the verdicts that count as right.

use std::path::Path;

use rayon::prelude::*;

use crate::support::command::wcmp;
use crate::support::compared::Compare;
use crate::support::zoo::zoo;

struct Row {
    base: String,
    target: String,
    relation: String,
    right: Vec<String>,
}

fn truth(zoo: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(zoo.join("TRUTH.tsv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        Row {
            base: fields[0].into(),
            target: fields[1].into(),
            relation: fields[2].into(),
            right: fields[3].split('|').map(str::to_owned).collect(),
        }
    };
    text.lines().skip(1).map(row).collect()
}

fn compare(zoo: &Path, row: &Row) -> Compare {
    let output = wcmp()
        .args(["compare", "--format", "json", "--threads", "1"])
        .args([zoo.join(&row.base), zoo.join(&row.target)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{} {}", row.base, row.target);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs a zoo of trained models beside the project"]
fn every_pair_gets_a_verdict_that_its_lineage_allows() {
    let zoo = zoo();
    let wrong: Vec<String> = truth(&zoo)
        .par_iter()
        .filter_map(|row| {
            let compared = compare(&zoo, row);
            let verdict = &compared.verdict;
            (!row.right.contains(&verdict.label)).then(|| {
                format!(
                    "{} / {} ({}): {}, not {:?}",
                    row.base, row.target, row.relation, verdict.label, row.right
                )
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
