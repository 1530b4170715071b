//! Tensors whose names say nothing are paired by what they hold; strangers are not.

use std::path::Path;

use serde_json::Value;

use crate::support::draws::Draws;
use crate::support::encoded::{Folder, SIZE, compare, expect_label, model};
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

/// Two kinds of matrix of a layer as one, in rows taken in turn.
fn interleaved(model: &Model) -> Model {
    let mut out = Model::default();
    for (name, values) in &model.0 {
        if name.contains("up_proj") {
            continue;
        }
        let mut values = values.clone();
        if name.contains("gate_proj") {
            let up = &model.0[&name.replace("gate_proj", "up_proj")].values;
            let width = values.shape[1];
            let rows = values.values.chunks(width).zip(up.chunks(width));
            values.values = rows.flat_map(|(a, b)| [a, b].concat()).collect();
            values.shape[0] *= 2;
        }
        out.0.insert(hashed(name), values);
    }
    out
}

/// Each kind of tensor of all layers as one, the layers on the last axis.
fn stacked_behind(model: &Model) -> Model {
    let mut out = Model::default();
    for (name, values) in stacked(model).0 {
        let [layers, ref rest @ ..] = values.shape[..] else {
            continue;
        };
        let elements: usize = rest.iter().product();
        if layers != SIZE.layers {
            out.0.insert(name, values);
            continue;
        }
        let at = |i: usize| values.values[i % layers * elements + i / layers];
        let moved = Values {
            shape: [rest, &[layers]].concat(),
            values: (0..layers * elements).map(at).collect(),
        };
        out.0.insert(name, moved);
    }
    out
}

/// Query and output side by side in one matrix, under a name without meaning.
fn side_by_side(model: &Model) -> Model {
    let mut out = Model::default();
    for (name, values) in &model.0 {
        if name.contains("down_proj") {
            continue;
        }
        let mut values = values.clone();
        if name.contains("o_proj") {
            let down = &model.0[&name.replace("self_attn.o_proj", "mlp.down_proj")];
            let widths = [values.shape[1], down.shape[1]];
            let rows = values
                .values
                .chunks(widths[0])
                .zip(down.values.chunks(widths[1]));
            values.values = rows.flat_map(|(a, b)| [a, b].concat()).collect();
            values.shape[1] += widths[1];
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
    let layouts: [(&str, fn(&Model) -> Model); 7] = [
        ("interleaved", interleaved),
        ("stacked-behind", stacked_behind),
        ("side-by-side", side_by_side),
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

#[test]
fn rows_in_another_order_are_found_under_names_that_say_nothing() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let mut shuffled = model("base");
    for layer in 0..SIZE.layers {
        let of = |kind: &str| format!("model.layers.{layer}.mlp.{kind}_proj.weight");
        let keys = Draws::new(&["order", &layer.to_string()]).many(SIZE.ffn, Draws::unit);
        let mut order: Vec<usize> = (0..SIZE.ffn).collect();
        order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]));
        for kind in ["gate", "up"] {
            let matrix = shuffled.0.get_mut(&of(kind)).unwrap();
            let rows: Vec<Vec<f64>> = matrix
                .values
                .chunks(SIZE.hidden)
                .map(<[f64]>::to_vec)
                .collect();
            matrix.values = order.iter().flat_map(|row| rows[*row].clone()).collect();
        }
        let down = shuffled.0.get_mut(&of("down")).unwrap();
        let rows = down.values.chunks(SIZE.ffn);
        let moved: Vec<f64> = rows
            .flat_map(|row| order.iter().map(|column| row[*column]).collect::<Vec<_>>())
            .collect();
        down.values = moved;
    }
    // Stored (in, out) its units are the columns, and units they must stay.
    let tables = ["embed_tokens", "lm_head"];
    let tensors = shuffled.0.iter().map(|(name, v)| {
        let is_table = tables.iter().any(|table| name.contains(table));
        let v = if is_table { v.clone() } else { transposed(v) };
        (hashed(name), v)
    });
    let turned = Model(tensors.collect());
    for (name, target) in [("shuffled", renamed(&shuffled)), ("turned", turned)] {
        let relative = report(&folder, &base, name, &target);
        expect_label(&relative, "derived");
        assert_eq!(
            relative["coverage"]["matrices"]["target"].as_f64(),
            Some(1.0)
        );
        let parts = relative["parts"].as_array().unwrap();
        let feed_forwards = parts.iter().filter(|part| part["kind"] == "ffn");
        assert!(
            feed_forwards.clone().all(|part| part["state"] == "reused"),
            "{name}: {parts:?}"
        );
    }
}

#[test]
fn codes_without_a_scale_are_values_up_to_one() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let codes = |name: &str, seed: &str| {
        let mut tensors = model(seed).stored(|_| "BF16");
        for tensor in &mut tensors {
            if tensor.name.contains("proj") {
                let values = &model(seed).0[&tensor.name].values;
                let most = values
                    .iter()
                    .fold(0.0, |most: f64, value| most.max(value.abs()));
                let code = |value: &f64| ((value / most * 127.0).round() as i8).cast_unsigned();
                tensor.bytes = values.iter().map(code).collect();
                tensor.dtype = "I8";
            }
        }
        folder.safetensors(name, &tensors, None)
    };
    let copy = compare(&base, &codes("copy", "base"));
    expect_label(&copy, "derived");
    let stranger = codes("stranger", "stranger");
    let first = compare(&base, &stranger);
    let label = first["verdict"]["label"].as_str();
    assert!(
        label == Some("from_scratch") || label == Some("inconclusive"),
        "{label:?}"
    );
    expect_label(
        &compare(&stranger, &codes("again", "stranger")),
        "identical",
    );
}
