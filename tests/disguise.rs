//! Copies in disguise are found with what was done to them named, and strangers are not.

use std::path::{Path, PathBuf};

use crate::support::draws::Draws;
use crate::support::file;
use crate::support::rows::compare;
use crate::support::weights::{Decoder, Model, Values};
use wcmp::Io;
use wcmp::Options;
use wcmp::Silent;
use wcmp::open_checkpoint;
use wcmp::results::settings::Deep;
use wcmp::results::terms::Label;
use wcmp::results::terms::PartKind;
use wcmp::results::terms::State;
use wcmp::schema::Compare;

pub(crate) const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 120,
    layers: 6,
    heads: 8,
    kv_heads: 4,
    vocab: 300,
    experts: 0,
};
const HEAD: usize = SIZE.hidden / SIZE.heads;

/// A random order of 0..n.
pub(crate) fn order(n: usize, draws: &mut Draws) -> Vec<usize> {
    let mut keyed: Vec<(f64, usize)> = (0..n).map(|i| (draws.unit(), i)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, i)| i).collect()
}

fn rows(tensor: &Values, order: &[usize]) -> Values {
    let width = tensor.shape[1];
    let values = order
        .iter()
        .flat_map(|&row| tensor.values[row * width..(row + 1) * width].to_vec())
        .collect();
    Values {
        shape: vec![order.len(), width],
        values,
    }
}

fn transposed(tensor: &Values) -> Values {
    let (height, width) = (tensor.shape[0], tensor.shape[1]);
    let values = (0..width * height)
        .map(|at| tensor.values[at % height * width + at / height])
        .collect();
    Values {
        shape: vec![width, height],
        values,
    }
}

fn columns(tensor: &Values, order: &[usize]) -> Values {
    transposed(&rows(&transposed(tensor), order))
}

/// `tensor` · `other`.
fn product(tensor: &Values, other: &Values) -> Values {
    let (inner, width) = (other.shape[0], other.shape[1]);
    let mut values = Vec::new();
    for row in tensor.values.chunks_exact(inner) {
        values.extend((0..width).map(|j| {
            (0..inner)
                .map(|k| row[k] * other.values[k * width + j])
                .sum::<f64>()
        }));
    }
    Values {
        shape: vec![tensor.shape[0], width],
        values,
    }
}

/// A random orthogonal matrix (Gram and Schmidt).
pub(crate) fn rotation(size: usize, draws: &mut Draws) -> Values {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for _ in 0..size {
        let mut vector = draws.many(size, Draws::normal);
        for _ in 0..2 {
            for other in &basis {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector
                    .iter_mut()
                    .zip(other)
                    .for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        basis.push(vector.iter().map(|x| x / length).collect());
    }
    Values {
        shape: vec![size, size],
        values: basis.concat(),
    }
}

fn re_ordering(order: &[usize]) -> Values {
    let size = order.len();
    let values = (0..size * size)
        .map(|at| f64::from(u8::from(order[at % size] == at / size)))
        .collect();
    Values {
        shape: vec![size, size],
        values,
    }
}

fn change(model: &mut Model, name: &str, to: impl Fn(&Values) -> Values) {
    let tensor = model.0.get_mut(name).unwrap();
    *tensor = to(tensor);
}

/// `kept` hidden units of each feed-forward in an order of their own.
pub(crate) fn ffn_re_ordered(model: &Model, kept: usize) -> Model {
    let mut out = model.clone();
    for layer in 0..SIZE.layers {
        let mut order = order(SIZE.ffn, &mut Draws::new(&["units", &layer.to_string()]));
        order.truncate(kept);
        let name = |module: &str| format!("model.layers.{layer}.mlp.{module}_proj.weight");
        change(&mut out, &name("gate"), |w| rows(w, &order));
        change(&mut out, &name("up"), |w| rows(w, &order));
        change(&mut out, &name("down"), |w| columns(w, &order));
    }
    out
}

/// Key/value groups in another order, and the heads in them.
fn heads_re_ordered(model: &Model) -> Model {
    let mut out = model.clone();
    let each = SIZE.heads / SIZE.kv_heads;
    let expanded = |units: &[usize]| -> Vec<usize> {
        units
            .iter()
            .flat_map(|u| u * HEAD..(u + 1) * HEAD)
            .collect()
    };
    for layer in 0..SIZE.layers {
        let mut draws = Draws::new(&["heads", &layer.to_string()]);
        let groups = order(SIZE.kv_heads, &mut draws);
        let heads: Vec<usize> = groups
            .iter()
            .flat_map(|g| {
                order(each, &mut draws)
                    .into_iter()
                    .map(move |h| g * each + h)
            })
            .collect();
        let (groups, heads) = (expanded(&groups), expanded(&heads));
        let name = |module: &str| format!("model.layers.{layer}.self_attn.{module}_proj.weight");
        change(&mut out, &name("q"), |w| rows(w, &heads));
        change(&mut out, &name("k"), |w| rows(w, &groups));
        change(&mut out, &name("v"), |w| rows(w, &groups));
        change(&mut out, &name("o"), |w| columns(w, &heads));
    }
    out
}

/// The residual stream in the basis `turn`, gains folded into the matrices that read it.
pub(crate) fn turned(model: &Model, turn: &Values) -> Model {
    let mut out = model.clone();
    let gain_of = |name: &str| match name {
        "lm_head.weight" => Some("model.norm.weight".to_owned()),
        _ => {
            let (layer, module) = (
                name.split('.').take(3).collect::<Vec<_>>().join("."),
                name.split('.').nth(3)?,
            );
            let norm = if module == "self_attn" {
                "input_layernorm"
            } else {
                "post_attention_layernorm"
            };
            name.starts_with("model.layers")
                .then(|| format!("{layer}.{norm}.weight"))
        }
    };
    let names: Vec<String> = model.0.keys().cloned().collect();
    for name in names {
        let tensor = &model.0[&name];
        let new = if tensor.shape.len() == 1 {
            Values {
                shape: tensor.shape.clone(),
                values: vec![1.0; tensor.values.len()],
            }
        } else if ["o_proj", "down_proj", ".w2."]
            .iter()
            .any(|writer| name.contains(writer))
        {
            product(&transposed(turn), tensor)
        } else {
            let mut gained = tensor.clone();
            if let Some(gain) = gain_of(&name).map(|gain| &model.0[&gain].values) {
                gained.values.chunks_exact_mut(gain.len()).for_each(|row| {
                    row.iter_mut().zip(gain).for_each(|(x, g)| *x *= g);
                });
            }
            product(&gained, turn)
        };
        out.0.insert(name, new);
    }
    out
}

/// Writes a model of `ffn` hidden units.
pub(crate) fn written(folder: &Path, name: &str, model: &Model, ffn: usize) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir(&path).unwrap();
    std::fs::write(
        path.join("model.safetensors"),
        file::safetensors(&model.stored(|_| "BF16")),
    )
    .unwrap();
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": SIZE.hidden,
        "intermediate_size": ffn, "num_hidden_layers": SIZE.layers, "num_attention_heads": SIZE.heads,
        "num_key_value_heads": SIZE.kv_heads, "vocab_size": SIZE.vocab,
    });
    std::fs::write(path.join("config.json"), config.to_string()).unwrap();
    path
}

/// Query, key and value of each layer in one matrix.
fn fused(model: &Model) -> Model {
    let mut out = model.clone();
    for layer in 0..SIZE.layers {
        let attention = format!("model.layers.{layer}.self_attn");
        let parts = ["q", "k", "v"].map(|part| {
            let name = format!("{attention}.{part}_proj.weight");
            out.0.remove(&name).unwrap()
        });
        let values = parts.iter().flat_map(|part| part.values.clone()).collect();
        let rows = parts.iter().map(|part| part.shape[0]).sum();
        let whole = Values {
            shape: vec![rows, SIZE.hidden],
            values,
        };
        out.0.insert(format!("{attention}.qkv_proj.weight"), whole);
    }
    out
}

/// A tokenizer whose ids are those of `order` in another one.
fn tokenizer(path: &Path, order: &[usize]) {
    let vocab: serde_json::Map<String, serde_json::Value> = order
        .iter()
        .enumerate()
        .map(|(id, token)| (format!("token {token}"), id.into()))
        .collect();
    let file = serde_json::json!({ "model": { "vocab": vocab } });
    std::fs::write(path.join("tokenizer.json"), file.to_string()).unwrap();
}

/// The rows of embedding and output head in another order.
fn vocabulary_re_ordered(model: &Model, order: &[usize]) -> Model {
    let mut out = model.clone();
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
        change(&mut out, name, |w| rows(w, order));
    }
    out
}

fn compared(base: &Model, target: &Model, ffn: usize, deep: Deep) -> Compare {
    compared_with(base, target, ffn, deep, None)
}

/// With tokenizers, where their ids are given.
fn compared_with(
    base: &Model,
    target: &Model,
    ffn: usize,
    deep: Deep,
    tokens: Option<[&[usize]; 2]>,
) -> Compare {
    let folder = tempfile::tempdir().unwrap();
    let sides = [
        written(folder.path(), "base", base, SIZE.ffn),
        written(folder.path(), "target", target, ffn),
    ];
    tokens
        .into_iter()
        .flat_map(|tokens| sides.iter().zip(tokens))
        .for_each(|(path, order)| tokenizer(path, order));
    let options = Options {
        deep,
        ..Options::default()
    };
    let [base, target] = sides.map(|path| open_checkpoint(&path, Io::Mmap).unwrap());
    compare(base, target, &options, &Silent).unwrap()
}

/// The changes that are named, by kind.
fn kinds(report: &Compare) -> Vec<&'static str> {
    report
        .transformations
        .iter()
        .map(|t| t.kind.word())
        .collect()
}

#[track_caller]
fn assert_found(base: &Model, target: &Model, ffn: usize, expected: &[&str], relation: &str) {
    let report = compared(base, target, ffn, Deep::Auto);
    assert_eq!(report.verdict.label, Label::Derived, "{:?}", report.verdict);
    assert_eq!(kinds(&report), expected, "{:?}", report.transformations);
    assert!(
        report
            .verdict
            .relations
            .iter()
            .any(|r| r.word() == relation),
        "{:?}",
        report.verdict.relations
    );
    assert!(
        report
            .transformations
            .iter()
            .all(|t| t.check_cosine.is_some_and(|cosine| cosine > 0.7))
    );
    assert!(
        report
            .parts
            .iter()
            .all(|part| part.state != State::Independent),
        "{:?}",
        report.parts
    );
}

#[test]
fn copies_in_disguise_are_derived_and_the_disguise_is_named() {
    let base = Model::decoder("base", SIZE);
    let tuned = base.trained("tuned", |_| 0.3);
    let turn = rotation(SIZE.hidden, &mut Draws::new(&["turn"]));
    let moved = re_ordering(&order(SIZE.hidden, &mut Draws::new(&["stream"])));
    for from in [&base, &tuned] {
        assert_found(
            &base,
            &ffn_re_ordered(from, SIZE.ffn),
            SIZE.ffn,
            &["ffn_permuted"],
            "permuted",
        );
        assert_found(
            &base,
            &heads_re_ordered(from),
            SIZE.ffn,
            &["heads_permuted"],
            "permuted",
        );
        assert_found(
            &base,
            &turned(from, &turn),
            SIZE.ffn,
            &["residual_rotated"],
            "rotated",
        );
        assert_found(
            &base,
            &turned(from, &moved),
            SIZE.ffn,
            &["residual_permuted"],
            "permuted",
        );
    }
    let all = turned(&heads_re_ordered(&ffn_re_ordered(&tuned, SIZE.ffn)), &turn);
    assert_found(
        &base,
        &all,
        SIZE.ffn,
        &["ffn_permuted", "heads_permuted", "residual_rotated"],
        "rotated",
    );
    let pruned = ffn_re_ordered(&tuned, 90);
    assert_found(&base, &pruned, 90, &["ffn_permuted"], "permuted");
}

#[test]
fn heads_of_a_fused_matrix_are_told_under_any_spelling_of_their_number() {
    let base = Model::decoder("base", SIZE);
    let target = heads_re_ordered(&base);
    let folder = tempfile::tempdir().unwrap();
    let sides = [("base", &base), ("target", &target)]
        .map(|(name, model)| written(folder.path(), name, &fused(model), SIZE.ffn));
    let told = |spelling: &str| {
        for path in &sides {
            let path = path.join("config.json");
            let config = std::fs::read_to_string(&path).unwrap();
            let config = config.replace("num_key_value_heads", spelling);
            std::fs::write(&path, config).unwrap();
        }
        let [base, target] = [&sides[0], &sides[1]].map(|path| open_checkpoint(path, Io::Mmap));
        compare(base.unwrap(), target.unwrap(), &Options::default(), &Silent).unwrap()
    };
    let usual = told("num_key_value_heads");
    assert_eq!(kinds(&usual), ["heads_permuted"]);
    let other = told("multi_query_group_num");
    assert_eq!(
        serde_json::to_value(&other).unwrap(),
        serde_json::to_value(&usual).unwrap()
    );
}

#[test]
fn a_turned_stream_is_found_under_a_re_ordered_vocabulary() {
    let base = Model::decoder("base", SIZE);
    let tuned = base.trained("tuned", |_| 0.3);
    let own: Vec<usize> = (0..SIZE.vocab).collect();
    let other = order(SIZE.vocab, &mut Draws::new(&["vocabulary"]));
    let turn = rotation(SIZE.hidden, &mut Draws::new(&["turn"]));
    let moved = re_ordering(&order(SIZE.hidden, &mut Draws::new(&["stream"])));
    for (turn, kind) in [(&turn, "residual_rotated"), (&moved, "residual_permuted")] {
        let target =
            vocabulary_re_ordered(&turned(&ffn_re_ordered(&tuned, SIZE.ffn), turn), &other);
        let report = compared_with(&base, &target, SIZE.ffn, Deep::Auto, Some([&own, &other]));
        assert_eq!(report.verdict.label, Label::Derived, "{:?}", report.verdict);
        assert_eq!(
            kinds(&report),
            ["ffn_permuted", kind],
            "{:?}",
            report.transformations
        );
        assert!(
            report
                .parts
                .iter()
                .all(|part| part.state != State::Independent),
            "{:?}",
            report.parts
        );
        // By their ids no token is the same: the look that needs none finds it.
        let by_id = compared(&base, &target, SIZE.ffn, Deep::Auto);
        assert_eq!(by_id.verdict.label, Label::Derived);
    }
}

/// The layers found without tokens give a basis in which all others are looked for: a copy is found
/// whole however far it was trained, and a graft keeps the layers that are not the base's.
#[test]
fn a_graft_in_full_disguise_keeps_its_own_layers() {
    let base = Model::decoder("base", SIZE);
    let stranger = Model::decoder("stranger", SIZE);
    let other = order(SIZE.vocab, &mut Draws::new(&["vocabulary"]));
    let turn = rotation(SIZE.hidden, &mut Draws::new(&["turn"]));
    for (grafted, label) in [
        (vec![], Label::Derived),
        (vec![1, 3], Label::PartialReuse),
        (vec![0, 1], Label::PartialReuse),
    ] {
        let tuned = base.trained("tuned", |_| 0.5);
        let graft = tuned.taking(&stranger, |name| {
            let is_of = |layer: &u32| name.contains(&format!("layers.{layer}."));
            grafted.iter().any(is_of)
        });
        let hidden = turned(&ffn_re_ordered(&graft, SIZE.ffn), &turn);
        let target = vocabulary_re_ordered(&hidden, &other);
        let report = compared(&base, &target, SIZE.ffn, Deep::Auto);
        assert_eq!(
            report.verdict.label, label,
            "{grafted:?}: {:?}",
            report.verdict
        );
        let feed_forwards = report
            .parts
            .iter()
            .filter(|part| part.kind == PartKind::Ffn);
        for part in feed_forwards {
            let layer = part.layer.unwrap();
            let expected = match grafted.contains(&layer) {
                true => State::Independent,
                false => State::Reused,
            };
            assert_eq!(part.state, expected, "{grafted:?}: layer {layer}");
        }
    }
}

/// Experts under other numbers, and the units of each in another order.
fn experts_re_ordered(model: &Model, size: Decoder) -> Model {
    let mut out = model.clone();
    for layer in 0..size.layers {
        let prefix = format!("model.layers.{layer}.block_sparse_moe");
        let numbers = order(size.experts, &mut Draws::new(&["experts", &prefix]));
        change(&mut out, &format!("{prefix}.gate.weight"), |w| {
            rows(w, &numbers)
        });
        for (number, from) in numbers.into_iter().enumerate() {
            let units = order(
                size.ffn,
                &mut Draws::new(&["units", &prefix, &from.to_string()]),
            );
            for (matrix, by_row) in [("w1", true), ("w3", true), ("w2", false)] {
                let name = |expert| format!("{prefix}.experts.{expert}.{matrix}.weight");
                let tensor = &model.0[&name(from)];
                let moved = match by_row {
                    true => rows(tensor, &units),
                    false => columns(tensor, &units),
                };
                out.0.insert(name(number), moved);
            }
        }
    }
    out
}

#[test]
fn experts_in_full_disguise_are_found() {
    let size = Decoder {
        ffn: 80,
        layers: 5,
        experts: 6,
        ..SIZE
    };
    let base = Model::decoder("base", size);
    let other = order(SIZE.vocab, &mut Draws::new(&["vocabulary"]));
    let turn = rotation(SIZE.hidden, &mut Draws::new(&["turn"]));
    let hidden = |model: &Model| {
        vocabulary_re_ordered(&turned(&experts_re_ordered(model, size), &turn), &other)
    };
    let target = hidden(&base.trained("tuned", |_| 0.3));
    let report = compared(&base, &target, size.ffn, Deep::Auto);
    assert_eq!(report.verdict.label, Label::Derived, "{:?}", report.verdict);
    let experts = report.parts.iter().filter(|part| part.expert.is_some());
    assert!(experts.clone().count() == 30);
    assert!(
        experts.clone().all(|part| part.state == State::Reused),
        "{:?}",
        report.parts
    );
    let target = hidden(&Model::decoder("stranger", size));
    let report = compared(&base, &target, size.ffn, Deep::Auto);
    assert_eq!(report.verdict.label, Label::FromScratch);
}

#[test]
fn tables_under_the_tokenizer_of_another_model_are_found_by_their_rows() {
    let base = Model::decoder("base", SIZE);
    let own: Vec<usize> = (0..SIZE.vocab).collect();
    let other = order(SIZE.vocab, &mut Draws::new(&["vocabulary"]));
    let target = vocabulary_re_ordered(&base.trained("tuned", |_| 0.3), &other);
    let report = compared_with(&base, &target, SIZE.ffn, Deep::Auto, Some([&own, &own]));
    assert_eq!(report.verdict.label, Label::Derived, "{:?}", report.verdict);
    let state = |kind| {
        let part = report.parts.iter().find(|part| part.kind == kind);
        part.map(|part| part.state)
    };
    assert_eq!(state(PartKind::Embedding), Some(State::Reused));
    // Tables that are really another model's stay so.
    let stranger = Model::decoder("stranger", SIZE);
    let tables = ["model.embed_tokens.weight", "lm_head.weight"];
    let target = base
        .trained("tuned", |_| 0.3)
        .taking(&stranger, |name| tables.contains(&name));
    let report = compared_with(&base, &target, SIZE.ffn, Deep::Auto, Some([&own, &own]));
    assert_eq!(report.verdict.label, Label::PartialReuse);
}

#[test]
fn too_few_tokens_in_common_are_told() {
    let base = Model::decoder("base", SIZE);
    let hidden = turned(
        &ffn_re_ordered(&base, SIZE.ffn),
        &rotation(SIZE.hidden, &mut Draws::new(&["turn"])),
    );
    let own: Vec<usize> = (0..SIZE.vocab).collect();
    let other: Vec<usize> = (SIZE.vocab - 15..2 * SIZE.vocab - 15).collect();
    let report = compared_with(&base, &hidden, SIZE.ffn, Deep::Auto, Some([&own, &other]));
    // The look that needs no tokens finds it all the same.
    assert_eq!(report.verdict.label, Label::Derived);
    let told = report
        .verdict
        .not_testable
        .iter()
        .any(|n| n.why == "the two sides have 15 tokens in common, fewer than 16");
    assert!(told, "{:?}", report.verdict.not_testable);
}

#[test]
fn strangers_are_from_scratch_in_every_basis() {
    let base = Model::decoder("base", SIZE);
    let turn = rotation(SIZE.hidden, &mut Draws::new(&["turn"]));
    for seed in ["one", "two", "three", "four"] {
        let stranger = Model::decoder(seed, SIZE);
        for target in [&stranger, &turned(&stranger, &turn)] {
            let report = compared(&base, target, SIZE.ffn, Deep::Auto);
            assert_eq!(
                (report.verdict.label, kinds(&report).len()),
                (Label::FromScratch, 0),
                "{:?}",
                report.verdict
            );
            let forms: Vec<&str> = report
                .permutation
                .unwrap()
                .tests
                .iter()
                .map(|t| t.form.word())
                .collect();
            assert!(forms.contains(&"found_twice"), "{forms:?}");
        }
    }
}

#[test]
fn without_deep_the_report_says_that_nobody_looked() {
    let base = Model::decoder("base", SIZE);
    let hidden = ffn_re_ordered(&base, SIZE.ffn);
    let report = compared(&base, &hidden, SIZE.ffn, Deep::Off);
    assert!(
        report.transformations.is_empty() && report.verdict.label != Label::Derived,
        "{:?}",
        report.verdict
    );
    assert!(
        report
            .verdict
            .not_testable
            .iter()
            .any(|n| n.why.contains("disguise"))
    );
    let thorough = compared(&base, &hidden, SIZE.ffn, Deep::On);
    assert_eq!(
        (thorough.verdict.label, kinds(&thorough)),
        (Label::Derived, vec!["ffn_permuted"])
    );
}

/// The units of `base` in an order chosen such that each stands where a unit of `victim` stands
/// that it is like: the function of `base` is kept, and `victim` is not touched.
fn ordered_to_fit(base: &Model, victim: &Model) -> Model {
    let mut out = base.clone();
    for layer in 0..SIZE.layers {
        let name = |module: &str| format!("model.layers.{layer}.mlp.{module}_proj.weight");
        let [own, other] = [base, victim].map(|model| unit_rows(&model.0[&name("up")]));
        let likeness = |one: usize, other_row: &[f64]| -> f64 {
            let row = &own.values[one * SIZE.hidden..(one + 1) * SIZE.hidden];
            row.iter().zip(other_row).map(|(a, b)| a * b).sum()
        };
        let mut left: Vec<usize> = (0..SIZE.ffn).collect();
        let mut chosen = Vec::new();
        for row in other.values.chunks_exact(SIZE.hidden) {
            let best = (0..left.len())
                .max_by(|&a, &b| likeness(left[a], row).total_cmp(&likeness(left[b], row)))
                .unwrap();
            chosen.push(left.swap_remove(best));
        }
        change(&mut out, &name("gate"), |w| rows(w, &chosen));
        change(&mut out, &name("up"), |w| rows(w, &chosen));
        change(&mut out, &name("down"), |w| columns(w, &chosen));
    }
    out
}

fn unit_rows(tensor: &Values) -> Values {
    let width = tensor.shape[1];
    let rows = tensor.values.chunks_exact(width).flat_map(|row| {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter().map(move |x| x / length).collect::<Vec<_>>()
    });
    Values {
        shape: tensor.shape.clone(),
        values: rows.collect(),
    }
}

#[test]
fn an_order_chosen_by_an_accuser_accuses_nobody() {
    let victim = Model::decoder("victim", SIZE);
    for seed in ["one", "two", "three"] {
        let framed = ordered_to_fit(&Model::decoder(seed, SIZE), &victim);
        let report = compared(&framed, &victim, SIZE.ffn, Deep::Auto);
        assert!(
            !report.verdict.label.is_related(),
            "{seed}: {:?}",
            report.verdict
        );
        // The order is seen, and it is said why it confirms nothing.
        let found = report
            .parts
            .iter()
            .filter(|part| part.found_by.is_some() && part.witness.is_none());
        assert!(found.count() > 0, "{seed}: {:?}", report.parts);
        assert!(
            report
                .verdict
                .reasons
                .iter()
                .any(|why| why.contains("mutual geometry")),
            "{seed}: {:?}",
            report.verdict.reasons
        );
    }
}

#[test]
fn an_accuser_who_really_orders_a_copy_back_is_believed() {
    let base = Model::decoder("base", SIZE);
    let copy = ffn_re_ordered(&base.trained("tuned", |_| 0.3), SIZE.ffn);
    let report = compared(&ordered_to_fit(&copy, &base), &base, SIZE.ffn, Deep::Auto);
    assert_eq!(report.verdict.label, Label::Derived);
    let ffn = report.parts.iter().filter(|part| part.kind.word() == "ffn");
    let geometries: Vec<f64> = ffn.filter_map(|part| part.geometry).collect();
    assert!(
        geometries.len() == SIZE.layers && geometries.iter().all(|g| *g > 0.5),
        "{geometries:?}"
    );
}

#[test]
fn a_narrower_or_wider_copy_is_found_by_content() {
    let base = Model::decoder("base", SIZE);
    let own: Vec<usize> = (0..SIZE.vocab).collect();
    let kept = &order(SIZE.hidden, &mut Draws::new(&["kept"]))[..48];
    let mut narrow = base.trained("narrow", |_| 0.2);
    for (name, values) in &mut narrow.0 {
        let reads = [
            "embed", "lm_head", "gate", "up_proj", "q_proj", "k_proj", "v_proj",
        ];
        if values.shape.len() == 1 {
            values.values = kept.iter().map(|&at| values.values[at]).collect();
            values.shape = vec![kept.len()];
        } else if reads.iter().any(|word| name.contains(word)) {
            *values = columns(values, kept);
        } else {
            *values = rows(values, kept);
        }
    }
    let stranger = Model::decoder("stranger", SIZE);
    for (against, is_copy) in [(&base, true), (&stranger, false)] {
        let report = compared_with(against, &narrow, SIZE.ffn, Deep::Auto, Some([&own, &own]));
        let label = report.verdict.label;
        assert_eq!(label == Label::Derived, is_copy, "{:?}", report.verdict);
        assert_eq!(label.is_related(), is_copy);
        let ffn = report.parts.iter().filter(|part| part.kind.word() == "ffn");
        let expected = match is_copy {
            true => State::Reused,
            false => State::Independent,
        };
        assert!(
            ffn.clone().all(|part| part.state == expected),
            "{:?}",
            report.parts
        );
        let narrower = report
            .verdict
            .relations
            .iter()
            .any(|r| r.word() == "width_pruned");
        assert_eq!(narrower, is_copy);
    }
}
