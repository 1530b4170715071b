//! Embeddings and heads of unequal numbers of rows are compared in the rows of the tokens that both
//! sides have.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use wcmp::Options;
use wcmp::Silent;
use wcmp::open_checkpoint;
use wcmp::results::compare::Via;
use wcmp::results::terms::Label;
use wcmp::results::terms::PartKind;
use wcmp::results::terms::Relation;
use wcmp::results::terms::Supports;
use wcmp::schema::Compare;

// The parts for other architectures are for other tests.

use crate::support::file::safetensors;
use crate::support::rows::compare;
use crate::support::weights::{Decoder, Model};

const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 128,
    layers: 3,
    heads: 4,
    kv_heads: 2,
    vocab: 192,
    experts: 0,
};
const TABLES: [&str; 2] = ["model.embed_tokens.weight", "lm_head.weight"];

/// The model with the rows `rows` of its embedding and head; a row beyond the last is one of zeros.
fn with_rows(model: &Model, rows: &[usize]) -> Model {
    let mut out = model.clone();
    for name in TABLES {
        let table = out.0.get_mut(name).unwrap();
        let width = table.shape[1];
        let row = |row: &usize| match table.values.get(row * width..(row + 1) * width) {
            Some(values) => values.to_vec(),
            None => vec![0.0; width],
        };
        table.values = rows.iter().flat_map(row).collect();
        table.shape[0] = rows.len();
    }
    out
}

/// Writes a model where a test alone looks, with a tokenizer whose token `token i` has the id where
/// `i` stands.
fn written(test: &str, name: &str, model: &Model, tokens: Option<&[usize]>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("vocabulary")
        .join(test)
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("model.safetensors"),
        safetensors(&model.stored(|_| "BF16")),
    )
    .unwrap();
    if let Some(tokens) = tokens {
        let ids = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (format!("token {token}"), json!(id)));
        let vocabulary = Value::Object(ids.collect::<Map<_, _>>());
        let document = json!({"model": {"type": "WordLevel", "vocab": vocabulary}});
        fs::write(folder.join("tokenizer.json"), document.to_string()).unwrap();
    }
    folder
}

fn compared(test: &str, sides: [(&Model, Option<&[usize]>); 2]) -> Compare {
    let options = Options::default();
    let open = |name, (model, tokens)| {
        open_checkpoint(&written(test, name, model, tokens), options.io).unwrap()
    };
    compare(
        open("base", sides[0]),
        open("target", sides[1]),
        &options,
        &Silent,
    )
    .unwrap()
}

/// Rows compared and cosine of embedding and head, of a report that compares both in part.
#[track_caller]
fn tables(report: &Compare) -> [(u64, f64); 2] {
    TABLES.map(|name| {
        let row = report
            .tensors
            .iter()
            .find(|row| row.name.target == name)
            .expect("a row for the table");
        assert_eq!((row.compared_via, row.identical), (Via::Split, false));
        assert_eq!(row.logical_shape[1], 64);
        (row.logical_shape[0], row.figures.cosine.unwrap())
    })
}

/// State and parameters of the parts of embedding and head.
fn states(report: &Compare) -> Vec<(&'static str, &'static str, u64)> {
    let of_tokens = report
        .parts
        .iter()
        .filter(|part| [PartKind::Embedding, PartKind::Head].contains(&part.kind));
    of_tokens
        .map(|part| (part.kind.word(), part.state.word(), part.parameters))
        .collect()
}

#[test]
fn an_extended_or_padded_vocabulary_is_compared_in_its_leading_rows() {
    let base = Model::decoder("base", SIZE);
    let all: Vec<usize> = (0..SIZE.vocab + 64).collect();
    for (test, target, cosine) in [
        ("padded", base.clone(), 1.0),
        ("extended", base.trained("extended", |_| 0.2), 0.97),
    ] {
        let target = with_rows(&target, &all);
        let report = compared(test, [(&base, None), (&target, None)]);
        let label = if test == "padded" {
            Label::ReEncoded
        } else {
            Label::Derived
        };
        assert_eq!(report.verdict.label, label);
        assert!(
            report
                .verdict
                .relations
                .contains(&Relation::VocabularyExtended),
            "{test}"
        );
        for (rows, found) in tables(&report) {
            assert_eq!(rows, 192, "{test}");
            assert!(found >= cosine, "{test}: {found}");
        }
        let reused = |kind| (kind, "reused", 192 * 64);
        let new = |kind| (kind, "new", 64 * 64);
        assert_eq!(
            states(&report),
            [
                reused("embedding"),
                new("embedding"),
                reused("head"),
                new("head")
            ],
            "{test}"
        );
        assert_eq!(report.coverage.parameters.base, Some(1.0), "{test}");
        let stored: u64 = report.target.parameters;
        let share = 1.0 - 2.0 * 64.0 * 64.0 / stored as f64;
        assert!(
            (report.coverage.parameters.target.unwrap() - share).abs() < 1e-12,
            "{test}"
        );

        let back = compared(&format!("{test}, back"), [(&target, None), (&base, None)]);
        assert_eq!(tables(&back).map(|(rows, _)| rows), [192, 192]);
        assert_eq!(
            states(&back),
            [reused("embedding"), reused("head")],
            "{test}"
        );
        assert_eq!(back.verdict.label, label);
    }
}

#[test]
fn padding_of_a_vocabulary_says_nothing_and_one_more_token_does() {
    let base = Model::decoder("base", SIZE);
    let padded = with_rows(&base, &(0..SIZE.vocab + 64).collect::<Vec<_>>());
    // The first row again stands for a row that all new tokens begin with.
    let mean = with_rows(&base, &(0..SIZE.vocab).chain([0; 8]).collect::<Vec<_>>());
    for (name, target) in [("zeros", &padded), ("mean", &mean)] {
        for sides in [[&base, target], [target, &base]] {
            let report = compared(
                &format!("padding of {name}"),
                sides.map(|side| (side, None)),
            );
            assert_eq!(report.verdict.label, Label::ReEncoded, "{name}");
            let cosine = report
                .evidence
                .iter()
                .find(|finding| finding.supports == Supports::ReEncoded)
                .unwrap();
            assert!(
                cosine
                    .statement
                    .contains("2 of their tables of tokens have on one side alone are padding")
            );
        }
    }
    let one_more = with_rows(&base, &(0..SIZE.vocab).chain([7]).collect::<Vec<_>>());
    let trained = with_rows(
        &base.trained("light", |_| 0.01),
        &(0..SIZE.vocab + 64).collect::<Vec<_>>(),
    );
    for (name, target) in [("one more", &one_more), ("light", &trained)] {
        let report = compared(name, [(&base, None), (target, None)]);
        assert_eq!(report.verdict.label, Label::Derived, "{name}");
    }
}

#[test]
fn rows_in_common_never_enter_the_mean_cosine() {
    let base = Model::decoder("base", SIZE);
    let stranger = Model::decoder("stranger", SIZE);
    let target = with_rows(
        &base.taking(&stranger, |name| TABLES.contains(&name)),
        &(0..100).collect::<Vec<_>>(),
    );
    let report = compared("mean", [(&base, None), (&target, None)]);
    assert!(tables(&report).iter().all(|(_, cosine)| cosine.abs() < 0.5));
    assert_eq!(report.similarity.mean_cosine, Some(1.0));
    // Without tokenizers that equal ids are equal tokens is an assumption: the tables stay unclear.
    assert_eq!(report.verdict.label, Label::Derived);
}

#[test]
fn tokens_of_one_string_are_paired_wherever_they_stand() {
    let base = Model::decoder("base", SIZE);
    // Every other token, in reverse, and one row of padding.
    let mut kept: Vec<usize> = (0..SIZE.vocab).rev().step_by(2).collect();
    let of_base: Vec<usize> = (0..SIZE.vocab).collect();
    let tokens = kept.clone();
    kept.push(SIZE.vocab);
    let target = with_rows(&base, &kept);
    for (test, sides) in [
        (
            "tokens",
            [
                (&base, Some(of_base.as_slice())),
                (&target, Some(tokens.as_slice())),
            ],
        ),
        (
            "tokens, back",
            [
                (&target, Some(tokens.as_slice())),
                (&base, Some(of_base.as_slice())),
            ],
        ),
    ] {
        let report = compared(test, sides);
        for (rows, cosine) in tables(&report) {
            assert_eq!(rows, 96, "{test}");
            assert_eq!(cosine, 1.0, "{test}");
        }
        assert!(
            states(&report)
                .iter()
                .all(|(_, state, _)| ["reused", "new"].contains(state)),
            "{test}"
        );
        assert_eq!(
            states(&report)
                .iter()
                .filter(|(_, state, _)| *state == "reused")
                .count(),
            2,
            "{test}"
        );
    }
    // Without the tokenizers nothing tells that row 3 of one is not row 3 of the other.
    let report = compared("no tokens", [(&base, None), (&target, None)]);
    assert!(
        tables(&report)
            .iter()
            .all(|(rows, cosine)| *rows == 97 && *cosine < 0.5)
    );
}

#[test]
fn an_independent_model_of_another_vocabulary_is_from_scratch() {
    let base = Model::decoder("base", SIZE);
    let target = with_rows(
        &Model::decoder("stranger", SIZE),
        &(0..SIZE.vocab + 64).collect::<Vec<_>>(),
    );
    for (test, sides) in [
        ("stranger", [&base, &target]),
        ("stranger, back", [&target, &base]),
    ] {
        let report = compared(test, sides.map(|model| (model, None)));
        assert_eq!(report.verdict.label, Label::FromScratch, "{test}");
        assert!(
            states(&report)
                .iter()
                .all(|(_, state, _)| *state != "reused"),
            "{test}"
        );
    }
}

#[test]
fn a_head_is_held_against_the_rows_of_a_tied_embedding() {
    let base = Model::decoder("base", SIZE);
    let mut tied = with_rows(&base, &(0..150).collect::<Vec<_>>());
    tied.0.remove("lm_head.weight");
    let mut base = base;
    let embedding = base.0["model.embed_tokens.weight"].clone();
    base.0.insert("lm_head.weight".to_owned(), embedding);
    let report = compared("tied", [(&base, None), (&tied, None)]);
    let head = report
        .tensors
        .iter()
        .find(|row| row.name.base == "lm_head.weight")
        .expect("the head");
    assert_eq!(
        (head.compared_via, head.logical_shape.as_slice()),
        (Via::Tied, [150, 64].as_slice())
    );
    assert_eq!(head.figures.cosine, Some(1.0));
    assert_eq!(report.coverage.parameters.target, Some(1.0));
    let left: Vec<&str> = report
        .unmatched
        .base
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(
        left,
        [
            "lm_head.weight[other rows]",
            "model.embed_tokens.weight[other rows]"
        ]
    );
}
