//! Layouts in which several matrices are one tensor, under names that say one of the things it
//! holds, or nothing: copies and relatives are seen, strangers are not accused.

use std::path::Path;

use serde_json::Value;

use crate::support::encoded::{Folder, SIZE, compare, expect_label, model};
use crate::support::weights::{Model, Values};

/// Rows of several matrices on top of one another.
fn on_top(parts: &[&Values]) -> Values {
    let rows = parts.iter().map(|part| part.shape[0]).sum();
    Values {
        shape: vec![rows, parts[0].shape[1]],
        values: parts.iter().flat_map(|part| part.values.clone()).collect(),
    }
}

/// Columns of several matrices side by side.
fn beside(parts: &[&Values]) -> Values {
    let rows = parts[0].shape[0];
    let row = |row: usize| {
        let parts = parts.iter();
        parts.flat_map(move |part| {
            let width = part.shape[1];
            part.values[row * width..(row + 1) * width].to_vec()
        })
    };
    Values {
        shape: vec![rows, parts.iter().map(|part| part.shape[1]).sum()],
        values: (0..rows).flat_map(row).collect(),
    }
}

/// One matrix in front of attention and feed-forward, one behind.
fn parallel(model: &Model) -> Model {
    let mut out = model.clone();
    for layer in 0..SIZE.layers {
        let mut take = |kind: &str| {
            let name = format!("model.layers.{layer}.{kind}_proj.weight");
            out.0.remove(&name).unwrap()
        };
        let [up, v, gate, q, k] = [
            "mlp.up",
            "self_attn.v",
            "mlp.gate",
            "self_attn.q",
            "self_attn.k",
        ]
        .map(&mut take);
        let [down, o] = ["mlp.down", "self_attn.o"].map(take);
        let into = on_top(&[&up, &v, &gate, &q, &k]);
        let name = |kind: &str| format!("model.layers.{layer}.{kind}_proj.weight");
        out.0.insert(name("in"), into);
        out.0.insert(name("out"), beside(&[&down, &o]));
    }
    out
}

/// The same kind of matrix of all layers on top of one another, under its own name.
fn of_all_layers(model: &Model) -> Model {
    let mut out = Model::default();
    for (name, values) in &model.0 {
        let Some(rest) = name.strip_prefix("model.layers.") else {
            out.0.insert(name.clone(), values.clone());
            continue;
        };
        let (_, leaf) = rest.split_once('.').unwrap();
        let name = format!("model.layers.{leaf}");
        let joined = match out.0.get(&name) {
            Some(before) if values.shape.len() == 2 => on_top(&[before, values]),
            Some(before) => Values {
                shape: vec![before.shape[0] + values.shape[0]],
                values: [&before.values[..], &values.values].concat(),
            },
            None => values.clone(),
        };
        out.0.insert(name, joined);
    }
    out
}

/// All values of what `group` puts together, one behind the other, behind a few of no tensor.
fn flat(model: &Model, group: impl Fn(&str) -> Option<String>) -> Model {
    let mut out = Model::default();
    for (name, values) in &model.0 {
        let Some(group) = group(name) else {
            out.0.insert(name.clone(), values.clone());
            continue;
        };
        let flat = out.0.entry(group).or_insert_with(|| Values {
            shape: vec![0],
            values: vec![0.0; 7],
        });
        flat.values.extend(&values.values);
        flat.shape = vec![flat.values.len()];
    }
    out
}

fn flat_layers(model: &Model) -> Model {
    flat(model, |name| {
        let (layer, _) = name.strip_prefix("model.layers.")?.split_once('.')?;
        Some(format!("model.layers.{layer}._flat_param"))
    })
}

fn flat_model(model: &Model) -> Model {
    flat(model, |_| Some("_flat_param".to_owned()))
}

fn report(folder: &Folder, base: &Path, name: &str, target: &Model) -> Value {
    compare(base, &folder.bf16(name, target))
}

#[test]
fn matrices_inside_a_named_tensor_are_found_and_strangers_are_not() {
    let layouts: [(&str, fn(&Model) -> Model); 4] = [
        ("parallel", parallel),
        ("of-all-layers", of_all_layers),
        ("flat-layers", flat_layers),
        ("flat-model", flat_model),
    ];
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    for (name, layout) in layouts {
        let copy = report(
            &folder,
            &base,
            &format!("{name}-copy"),
            &layout(&model("base")),
        );
        let label = copy["verdict"]["label"].as_str().unwrap();
        assert!(
            ["re_encoded", "identical", "derived"].contains(&label),
            "{name}: {label}"
        );
        let rows = copy["tensors"].as_array().unwrap();
        let matrices = rows.iter().filter(|row| row["shape"]["base"][1].is_u64());
        assert_eq!(matrices.count(), 2 + 7 * SIZE.layers, "{name}");
        for row in rows {
            assert_eq!(row["figures"]["relative_change"], 0.0, "{name}: {row:#}");
        }

        let tuned = model("base").trained("tuned", |name| f64::from(name.contains("proj")) * 0.1);
        let relative = report(&folder, &base, name, &layout(&tuned));
        expect_label(&relative, "derived");

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
fn layers_of_another_model_under_names_that_say_nothing_are_told() {
    let folder = Folder::new();
    let base = folder.bf16("base", &model("base"));
    let (own, other) = (model("base"), model("stranger"));
    let tensors = own.0.iter().map(|(name, values)| {
        let is_other = name.contains("layers.2.");
        let values = if is_other { &other.0[name] } else { values };
        let number: u32 = name.bytes().fold(7, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        (format!("{number:08x}"), values.clone())
    });
    let mixed = report(&folder, &base, "mixed", &Model(tensors.collect()));
    expect_label(&mixed, "partial_reuse");
}
