//! What training libraries wrap around a module, in its name or around its weights.

use serde_json::Value;

use crate::support::draws::Draws;
use crate::support::encoded::{Folder, compare, expect_covered, expect_label, model};
use crate::support::weights::{Model, Values};

/// The model with every name changed.
fn renamed(model: &Model, rename: impl Fn(&str) -> String) -> Model {
    let tensors = model.0.iter();
    Model(tensors.map(|(name, v)| (rename(name), v.clone())).collect())
}

/// The report on `base` and a `target` whose matrices in layers are stored in parts.
fn in_parts(seed: &str, parts: impl Fn(&str, &Values) -> Vec<(String, Values)>) -> Value {
    let folder = Folder::new();
    let base = model("base");
    let source = model(seed);
    let stored = source.0.iter().flat_map(|(name, values)| {
        if name.contains("layers") && values.shape.len() == 2 {
            parts(name, values)
        } else {
            vec![(name.clone(), values.clone())]
        }
    });
    let target = Model(stored.collect());
    let target = folder.safetensors("target", &target.stored(|_| "F32"), None);
    compare(
        &folder.safetensors("base", &base.stored(|_| "F32"), None),
        &target,
    )
}

#[test]
fn wrapper_words_hide_nothing_wherever_they_stand() {
    for word in [
        "_orig_mod",
        "module._fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
    ] {
        for (seed, label) in [("base", "derived"), ("stranger", "from_scratch")] {
            let folder = Folder::new();
            let target = model(seed).trained("tuned", |_| 0.02);
            let wrapped = renamed(&target, |name| {
                let at = name.find(".mlp.").or(name.find(".self_attn."));
                at.map_or(name.to_owned(), |at| {
                    format!("{}.{word}{}", &name[..at], &name[at..])
                })
            });
            let report = compare(
                &folder.bf16("base", &model("base")),
                &folder.bf16("target", &wrapped),
            );
            expect_label(&report, label);
            assert_eq!(report["coverage"]["parameters"]["target"], 1.0, "{word}");
            let mapping = report["name_mapping"].as_str().unwrap();
            assert!(
                mapping.contains(word.split('.').next().unwrap()),
                "{mapping}"
            );
        }
    }
}

#[test]
fn an_adapter_that_was_not_merged_stands_beside_its_base() {
    let factor = |rows: usize, columns: usize| Values {
        shape: vec![rows, columns],
        values: (0..rows * columns).map(|i| (i as f64).sin()).collect(),
    };
    let report = in_parts("base", |name, values| {
        let stem = name.strip_suffix(".weight").unwrap();
        vec![
            (format!("{stem}.base_layer.weight"), values.clone()),
            (
                format!("{stem}.lora_A.default.weight"),
                factor(4, values.shape[1]),
            ),
            (
                format!("{stem}.lora_B.default.weight"),
                factor(values.shape[0], 4),
            ),
        ]
    });
    expect_label(&report, "derived");
    assert_eq!(report["verdict"]["relation"], "adapter");
    assert_eq!(report["coverage"]["matrices"]["base"], 1.0);
    assert_eq!(report["warnings"][0]["code"], "unmerged_adapter");
}

#[test]
fn a_mask_prunes_the_weight_beside_it() {
    let report = in_parts("base", |name, values| {
        let ones = values.values.iter().enumerate();
        let mask = ones.map(|(i, _)| f64::from(i % 5 != 0)).collect();
        let shape = values.shape.clone();
        vec![
            (format!("{name}_orig"), values.clone()),
            (
                format!("{name}_mask"),
                Values {
                    shape,
                    values: mask,
                },
            ),
        ]
    });
    expect_label(&report, "derived");
    let relations = report["verdict"]["relations"].as_array().unwrap();
    assert!(relations.contains(&"pruned".into()), "{relations:?}");
    assert_eq!(report["coverage"]["parameters"]["target"], 1.0);
    let rows = report["tensors"].as_array().unwrap();
    let up = rows.iter().find(|row| row["role"] == "up").unwrap();
    let cosine = up["figures"]["cosine"].as_f64().unwrap();
    assert!((cosine - 0.8f64.sqrt()).abs() < 0.03, "{cosine}");
}

#[test]
fn a_direction_with_its_norms_is_the_weight() {
    let spellings: [fn(&str) -> [String; 2]; 2] = [
        |name| [format!("{name}_g"), format!("{name}_v")],
        |name| {
            let stem = name.strip_suffix("weight").unwrap();
            [0, 1].map(|at| format!("{stem}parametrizations.weight.original{at}"))
        },
    ];
    for names in spellings {
        let report = in_parts("base", |name, values| {
            let rows = values.values.chunks(values.shape[1]);
            let norms: Vec<f64> = rows
                .map(|row| row.iter().map(|value| value * value).sum::<f64>().sqrt())
                .collect();
            let scaled = values.values.iter().enumerate();
            let direction = scaled.map(|(at, value)| value * (1 + at / values.shape[1] % 7) as f64);
            let g = Values {
                shape: vec![norms.len(), 1],
                values: norms.clone(),
            };
            let v = Values {
                shape: values.shape.clone(),
                values: direction.collect(),
            };
            let [name_g, name_v] = names(name);
            vec![(name_g, g), (name_v, v)]
        });
        expect_covered(&report);
        let rows = report["tensors"].as_array().unwrap();
        let up = rows.iter().find(|row| row["role"] == "up").unwrap();
        let change = up["figures"]["relative_change"].as_f64().unwrap();
        assert!(change < 1e-5, "{change}");
    }
}

/// A codec of convolutions with weight norm, some of four channels.
fn codec(seed: &str) -> Model {
    let mut out = Model::default();
    for (at, [rows, inputs, width]) in [[64, 16, 7], [64, 64, 3], [4, 4, 1], [4, 4, 1]]
        .into_iter()
        .enumerate()
    {
        let module = format!("blocks.{at}.conv.parametrizations.weight");
        let direction = format!("{module}.original1");
        out.shaped(seed, &direction, &[rows, inputs, width]);
        let values = &out.0[&direction].values;
        let lengths = values.chunks(inputs * width).map(|row| {
            let square: f64 = row.iter().map(|value| value * value).sum();
            1.3 * square.sqrt()
        });
        let norms = Values {
            shape: vec![rows, 1, 1],
            values: lengths.collect(),
        };
        out.0.insert(format!("{module}.original0"), norms);
    }
    out
}

#[test]
fn rounding_a_direction_and_its_norms_is_a_re_encoding_and_a_change_is_none() {
    let folder = Folder::new();
    let base = folder.safetensors("base", &codec("base").stored(|_| "F32"), None);
    for dtype in ["BF16", "F16"] {
        let copy = codec("base").stored(|_| dtype);
        let copy = folder.safetensors(dtype, &copy, None);
        expect_label(&compare(&base, &copy), "re_encoded");
    }
    let mut tuned = codec("base");
    for (name, values) in &mut tuned.0 {
        let mut draws = Draws::new(&["tuned", name]);
        let noise = draws.many(values.values.len(), Draws::normal);
        let changed = values.values.iter_mut().zip(noise);
        changed.for_each(|(value, noise)| *value *= 1.0 + 0.01 * noise);
    }
    let tuned = folder.safetensors("tuned", &tuned.stored(|_| "BF16"), None);
    expect_label(&compare(&base, &tuned), "derived");
}

/// Convolutions of a sequence, each with a normalisation behind it; or these folded into them.
fn sequence(seed: &str, folded: bool) -> Model {
    let mut out = Model::default();
    for (at, shape) in [
        [48, 16, 3, 3],
        [48, 48, 3, 3],
        [48, 48, 3, 3],
        [48, 48, 3, 3],
    ]
    .iter()
    .enumerate()
    {
        let step = if folded { 2 } else { 3 };
        let name = format!("features.{}", step * at);
        let mut conv = Model::default();
        conv.shaped(seed, &format!("features.{}.weight", 3 * at), shape);
        let mut conv = conv.0.into_values().next().unwrap();
        let mut draws = Draws::new(&[seed, "norm", &at.to_string()]);
        let factors = draws.many(48, |draws| (0.4 * draws.normal()).exp());
        if folded {
            let each = conv.values.len() / 48;
            let rows = conv.values.chunks_mut(each).zip(&factors);
            rows.for_each(|(row, factor)| row.iter_mut().for_each(|value| *value *= factor));
            let bias = Values {
                shape: vec![48],
                values: factors,
            };
            out.0.insert(format!("{name}.bias"), bias);
        } else {
            for (word, values) in [
                ("weight", factors),
                ("bias", draws.many(48, Draws::normal)),
                ("running_mean", draws.many(48, Draws::normal)),
                ("running_var", vec![1.0; 48]),
            ] {
                let values = Values {
                    shape: vec![48],
                    values,
                };
                out.0
                    .insert(format!("features.{}.{word}", 3 * at + 1), values);
            }
        }
        out.0.insert(format!("{name}.weight"), conv);
    }
    out
}

#[test]
fn numbers_that_mean_other_layers_mislead_nobody() {
    let folder = Folder::new();
    let plain =
        |name: &str, model: &Model| folder.safetensors(name, &model.stored(|_| "F32"), None);
    let base = plain("base", &sequence("base", false));
    let folded = compare(&base, &plain("folded", &sequence("base", true)));
    expect_label(&folded, "derived");
    let stranger = compare(&base, &plain("stranger", &sequence("stranger", true)));
    let label = stranger["verdict"]["label"].as_str().unwrap();
    assert!(["inconclusive", "from_scratch"].contains(&label), "{label}");
}

/// Heads of three layers, of which a library names the first and the last for themselves, beside
/// matrices whose names hold.
fn heads(seed: &str, names: [&str; 3]) -> Model {
    let mut out = model(seed);
    for neck in 0..8 {
        out.matrix(seed, &format!("neck_{neck}.weight"), 64, 64);
    }
    for head in 0..4 {
        for (layer, name) in names.iter().enumerate() {
            let mut one = Model::default();
            one.matrix(&format!("{seed} {head} {layer}"), "weight", 64, 64);
            let weight = one.0.remove("weight").unwrap();
            out.0.insert(format!("heads.{head}.{name}.weight"), weight);
        }
    }
    out
}

#[test]
fn a_first_layer_with_a_name_of_its_own_misleads_nobody() {
    let folder = Folder::new();
    let stored =
        |name: &str, model: &Model| folder.safetensors(name, &model.stored(|_| "F32"), None);
    let numbered = ["layers.0", "layers.1", "layers.2"];
    let named = ["proj_in", "layers.0", "proj_out"];
    let base = stored("base", &heads("one", numbered));
    let tuned = heads("one", named).trained("tuned", |_| 0.05);
    let report = compare(&base, &stored("tuned", &tuned));
    expect_label(&report, "derived");
    let parts = report["parts"].as_array().unwrap();
    assert!(parts.iter().all(|part| part["state"] != "independent"));
    let paired = |name: &str| {
        let mut all = report["tensors"].as_array().unwrap().iter();
        let found = all.find(|pair| pair["name"]["target"] == name);
        found.map(|pair| pair["name"]["base"].clone())
    };
    assert_eq!(
        paired("heads.2.layers.0.weight").unwrap(),
        "heads.2.layers.1.weight"
    );
    let stranger = stored("stranger", &heads("other", named));
    let label = compare(&base, &stranger)["verdict"]["label"].clone();
    assert!(
        label == "from_scratch" || label == "inconclusive",
        "{label}"
    );
}
