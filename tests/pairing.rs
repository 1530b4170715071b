//! Tensors whose names say nothing are paired by what they hold; strangers are not.

use std::path::Path;

use serde_json::Value;

use crate::support::draws::Draws;
use crate::support::encoded::{Folder, compare, expect_label, model};
use crate::support::weights::{Model, Values};

/// A name that says nothing, and in whose order the tensors stand mixed.
fn hashed(name: &str) -> String {
    let number = (Draws::new(&["name", name]).unit() * 1e15) as u64;
    format!("{number:x}.w")
}

fn renamed(model: &Model) -> Model {
    let tensors = model.0.iter();
    Model(tensors.map(|(name, v)| (hashed(name), v.clone())).collect())
}

fn transposed(values: &Values) -> Values {
    let &[rows, columns] = &values.shape[..] else {
        return values.clone();
    };
    let at = |i: usize| values.values[i % rows * columns + i / rows];
    Values {
        shape: vec![columns, rows],
        values: (0..rows * columns).map(at).collect(),
    }
}

/// Each kind of tensor of all layers as one.
fn stacked(model: &Model) -> Model {
    let mut out = Model::default();
    for (name, values) in &model.0 {
        let Some(rest) = name.strip_prefix("model.layers.") else {
            out.0.insert(hashed(name), values.clone());
            continue;
        };
        let (_, leaf) = rest.split_once('.').unwrap();
        let stack = out.0.entry(hashed(leaf)).or_insert_with(|| Values {
            shape: [&[0], &values.shape[..]].concat(),
            values: Vec::new(),
        });
        stack.shape[0] += 1;
        stack.values.extend(&values.values);
    }
    out
}

/// Query, key and value on top of one another.
fn fused(model: &Model) -> Model {
    let mut out = Model::default();
    for (name, values) in &model.0 {
        if name.contains("k_proj") || name.contains("v_proj") {
            continue;
        }
        let mut values = values.clone();
        for other in ["k_proj", "v_proj"]
            .into_iter()
            .filter(|_| name.contains("q_proj"))
        {
            let more = &model.0[&name.replace("q_proj", other)];
            values.shape[0] += more.shape[0];
            values.values.extend(&more.values);
        }
        out.0.insert(hashed(name), values);
    }
    out
}

fn report(folder: &Folder, base: &Path, name: &str, target: &Model) -> Value {
    compare(base, &folder.bf16(name, target))
}

#[test]
fn a_copy_under_hashed_names_is_a_copy() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let copy = report(&folder, &base, "copy", &renamed(&model("base")));
    expect_label(&copy, "identical");
    let reasons = copy["verdict"]["reasons"].to_string();
    assert!(reasons.contains("names changed"), "{reasons}");
}

#[test]
fn layouts_without_names_hide_no_relative_and_accuse_no_stranger() {
    let layouts: [(&str, fn(&Model) -> Model); 4] = [
        ("hashed", renamed),
        ("transposed", |model| {
            let turned = model
                .0
                .iter()
                .map(|(name, v)| (hashed(name), transposed(v)));
            Model(turned.collect())
        }),
        ("stacked", stacked),
        ("fused", fused),
    ];
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    for (name, layout) in layouts {
        let tuned = model("base").trained("tuned", |name| f64::from(name.contains("proj")) * 0.1);
        let relative = report(&folder, &base, name, &layout(&tuned));
        expect_label(&relative, "derived");
        let covered = relative["coverage"]["matrices"]["target"].as_f64();
        assert!(covered > Some(0.95), "{name}: {covered:?}");

        let stranger = layout(&model("stranger"));
        let stranger = report(&folder, &base, &format!("{name}-stranger"), &stranger);
        let label = stranger["verdict"]["label"].as_str().unwrap();
        assert!(
            ["inconclusive", "from_scratch"].contains(&label),
            "{name}: {label}"
        );
    }
}

#[test]
fn kernels_are_found_in_any_order_of_their_axes() {
    let mut base = Model::default();
    for (at, shape) in [[32, 16, 3, 3], [24, 32, 3, 3], [24, 24, 5, 5]]
        .iter()
        .enumerate()
    {
        base.shaped("base", &format!("features.{at}.weight"), shape);
    }
    base.matrix("base", "classifier.weight", 40, 24);
    let shuffled = |v: &Values, order: [usize; 4]| {
        let stride = |axis: usize| v.shape[axis + 1..].iter().product::<usize>();
        let shape: Vec<usize> = order.iter().map(|axis| v.shape[*axis]).collect();
        let at = |mut flat: usize| {
            let mut stored = 0;
            for (axis, length) in order.iter().zip(&shape).rev() {
                stored += flat % length * stride(*axis);
                flat /= length;
            }
            v.values[stored]
        };
        let values = (0..v.values.len()).map(at).collect();
        Values { shape, values }
    };
    for (name, order) in [
        ("tf", [2, 3, 1, 0]),
        ("last", [0, 2, 3, 1]),
        ("caffe", [0, 1, 3, 2]),
    ] {
        let folder = Folder::new();
        let moved = base.0.iter().map(|(name, v)| {
            let values = match v.shape.len() {
                4 => shuffled(v, order),
                _ => v.clone(),
            };
            (hashed(name), values)
        });
        let target = folder.safetensors("x", &Model(moved.collect()).stored(|_| "F32"), None);
        let base = folder.safetensors("base", &base.stored(|_| "F32"), None);
        let report = compare(&base, &target);
        assert_eq!(report["coverage"]["matrices"]["target"], 1.0, "{name}");
        for row in report["tensors"].as_array().unwrap() {
            assert_eq!(row["figures"]["relative_change"], 0.0, "{name}: {row:#}");
        }
    }
}
