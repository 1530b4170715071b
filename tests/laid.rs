//! Copies whose tensors lie in long vectors and fused ones: disguised, or by half of another model.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::disguise::{SIZE, ffn_re_ordered, order, rotation, turned, written};
use crate::support::draws::Draws;
use crate::support::encoded::compare;
use crate::support::weights::{Model, Values};

type Layout = fn(&Model) -> Model;

fn vector(values: Vec<f64>) -> Values {
    Values {
        shape: vec![values.len()],
        values,
    }
}

/// The layer of a name, and the name without it.
fn layer_of(name: &str) -> Option<(usize, String)> {
    let (layer, leaf) = name.strip_prefix("model.layers.")?.split_once('.')?;
    Some((layer.parse().ok()?, format!("model.layers.{leaf}")))
}

/// All of a layer in one vector, in the order of the names.
fn layers_flat(model: &Model) -> Model {
    let mut out = Model::default();
    let mut layers: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (name, values) in &model.0 {
        match layer_of(name) {
            Some((layer, _)) => layers.entry(layer).or_default().extend(&values.values),
            None => _ = out.0.insert(name.clone(), values.clone()),
        }
    }
    for (layer, values) in layers {
        let name = format!("model.layers.{layer}._flat_param");
        out.0.insert(name, vector(values));
    }
    out
}

/// All of a model in one vector.
fn model_flat(model: &Model) -> Model {
    let values = model.0.values().flat_map(|v| v.values.clone()).collect();
    Model(BTreeMap::from([("_flat_param".to_owned(), vector(values))]))
}

fn by_kind(model: &Model) -> (Model, BTreeMap<String, Vec<Values>>) {
    let (mut rest, mut kinds) = (Model::default(), BTreeMap::<String, Vec<Values>>::new());
    for (name, values) in &model.0 {
        match layer_of(name) {
            Some((_, kind)) => kinds.entry(kind).or_default().push(values.clone()),
            None => _ = rest.0.insert(name.clone(), values.clone()),
        }
    }
    (rest, kinds)
}

/// The matrices of one kind on top of one another.
fn on_top(model: &Model) -> Model {
    let (mut out, kinds) = by_kind(model);
    for (name, layers) in kinds {
        let mut shape = layers[0].shape.clone();
        shape[0] *= layers.len();
        let values = layers.into_iter().flat_map(|v| v.values).collect();
        out.0.insert(name, Values { shape, values });
    }
    out
}

/// The matrices of one kind stored (in, layer, out), as a scan over layers leaves them.
fn scanned(model: &Model) -> Model {
    let (mut out, kinds) = by_kind(model);
    for (name, layers) in kinds {
        let count = layers.len();
        let [rows, ref columns @ ..] = layers[0].shape[..] else {
            continue;
        };
        let columns = columns.first().copied().unwrap_or(1);
        let at = |at: usize| {
            let (column, layer, row) = (at / rows / count, at / rows % count, at % rows);
            layers[layer].values[row * columns + column]
        };
        let values = (0..rows * columns * count).map(at).collect();
        let shape = match columns {
            1 => vec![count, rows],
            _ => vec![columns, count, rows],
        };
        out.0.insert(name, Values { shape, values });
    }
    out
}

/// The matrices of one kind stored (out, in, layer).
fn layers_last(model: &Model) -> Model {
    let (mut out, kinds) = by_kind(model);
    for (name, layers) in kinds {
        let count = layers.len();
        let elements = layers[0].values.len();
        let at = |at: usize| layers[at % count].values[at / count];
        let values = (0..elements * count).map(at).collect();
        let shape = [&layers[0].shape[..], &[count]].concat();
        out.0.insert(name, Values { shape, values });
    }
    out
}

/// Query, key, value, gate and up of a layer as one.
fn parallel(model: &Model) -> Model {
    let mut out = model.clone();
    for layer in 0..SIZE.layers {
        let parts = [
            "self_attn.q",
            "self_attn.k",
            "self_attn.v",
            "mlp.gate",
            "mlp.up",
        ];
        let name = |part: &str| format!("model.layers.{layer}.{part}_proj.weight");
        let parts: Vec<Values> = parts
            .iter()
            .map(|part| out.0.remove(&name(part)).unwrap())
            .collect();
        let rows = parts.iter().map(|part| part.shape[0]).sum();
        let whole = Values {
            shape: vec![rows, SIZE.hidden],
            values: parts.into_iter().flat_map(|part| part.values).collect(),
        };
        out.0.insert(name("in"), whole);
    }
    out
}

const LAYOUTS: [(&str, Layout); 6] = [
    ("layers-flat", layers_flat),
    ("model-flat", model_flat),
    ("on-top", on_top),
    ("scanned", scanned),
    ("layers-last", layers_last),
    ("parallel", parallel),
];

fn report(base: &Model, target: &Model) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let base = written(folder.path(), "base", base, SIZE.ffn);
    let target = written(folder.path(), "target", target, SIZE.ffn);
    std::fs::remove_file(target.join("config.json")).unwrap();
    compare(&base, &target)
}

fn label(report: &Value) -> &str {
    report["verdict"]["label"].as_str().unwrap()
}

#[test]
fn disguised_copies_are_found_in_long_vectors_and_fused_tensors() {
    let base = Model::decoder("base", SIZE);
    let turn = rotation(SIZE.hidden, &mut Draws::new(&["turn"]));
    let disguised = [
        ("re-ordered", ffn_re_ordered(&base, SIZE.ffn)),
        ("rotated", turned(&base, &turn)),
    ];
    for (layout, laid_out) in LAYOUTS {
        for (disguise, copy) in &disguised {
            let report = report(&base, &laid_out(copy));
            assert_eq!(label(&report), "derived", "{layout}, {disguise}");
        }
        let stranger = laid_out(&Model::decoder("stranger", SIZE));
        let report = report(&base, &stranger);
        let label = label(&report);
        assert!(!["derived", "partial_reuse"].contains(&label), "{layout}");
    }
}

#[test]
fn half_of_a_model_is_partial_reuse_in_whatever_its_tensors_are_fused() {
    let base = Model::decoder("base", SIZE);
    let is_taken = |name: &str| layer_of(name).is_some_and(|(layer, _)| 2 * layer < SIZE.layers);
    let half = Model::decoder("stranger", SIZE).taking(&base.trained("half", |_| 0.1), is_taken);
    for (layout, laid_out) in LAYOUTS {
        let report = report(&base, &laid_out(&half));
        assert_eq!(label(&report), "partial_reuse", "{layout}");
    }
}

#[test]
fn nothing_is_concluded_while_most_lies_in_vectors_in_which_nothing_was_found() {
    let base = Model::decoder("base", SIZE);
    let mut mixed = layers_flat(&Model::decoder("stranger", SIZE));
    let vectors = mixed.0.iter_mut();
    for (name, vector) in vectors.filter(|(name, _)| name.contains("_flat_param")) {
        let values = &vector.values;
        let order = order(values.len(), &mut Draws::new(&[name]));
        vector.values = order.into_iter().map(|at| values[at]).collect();
    }
    for (base, target, side) in [(&base, &mixed, "target"), (&mixed, &base, "base")] {
        let report = report(base, target);
        assert_eq!(label(&report), "inconclusive", "{}", report["verdict"]);
        let covered = report["coverage"]["matrices"][side].as_f64();
        assert!(covered < Some(0.5), "{covered:?}");
    }
}
