//! One model in the layouts of several libraries: fused or split, stacked or apart, turned,
//! re-ordered. Every layout is a re-encoding of every other, noise on top is none, and another
//! model is no relative in any of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wcmp::Options;
use wcmp::Silent;
use wcmp::open_checkpoint;
use wcmp::results::compare::Via;
use wcmp::results::terms::Label;
use wcmp::results::terms::State;
use wcmp::results::terms::{NotRead, Warning};
use wcmp::schema::Compare;

// The parts for other architectures are for other tests.

use crate::support::draws;
use crate::support::file::safetensors;
use crate::support::rows::compare;
use crate::support::weights::{Decoder, Model, Values};

const HEADS: usize = 4;
const HEAD: usize = 16;
const DENSE: Decoder = Decoder {
    hidden: 64,
    ffn: 96,
    layers: 3,
    heads: HEADS,
    kv_heads: 2,
    vocab: 128,
    experts: 0,
};
const EXPERTS: Decoder = Decoder {
    experts: 8,
    ffn: 32,
    ..DENSE
};

/// Writes a model where a test alone looks.
fn written(test: &str, name: &str, model: &Model, config: Option<&Value>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("layouts")
        .join(test)
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("model.safetensors"),
        safetensors(&model.stored(|_| "BF16")),
    )
    .unwrap();
    if let Some(config) = config {
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }
    folder
}

type Side<'a> = (&'a Model, Option<&'a Value>);

fn compared(test: &str, base: Side<'_>, target: Side<'_>) -> Compare {
    let options = Options::default();
    let open = |name, (model, config)| {
        open_checkpoint(&written(test, name, model, config), options.io).unwrap()
    };
    compare(
        open("base", base),
        open("target", target),
        &options,
        &Silent,
    )
    .unwrap()
}

/// That `other` holds the values of `model`, each way, that noise is told from it, and that a
/// stranger is.
#[track_caller]
fn assert_one_model(
    test: &str,
    model: Side<'_>,
    layout: impl Fn(&Model) -> Model,
    config: Option<&Value>,
) {
    let other = layout(model.0);
    for (way, base, target) in [
        ("there", model, (&other, config)),
        ("back", (&other, config), model),
    ] {
        let report = compared(&format!("{test}, {way}"), base, target);
        let left: Vec<&str> = [&report.unmatched.base, &report.unmatched.target]
            .into_iter()
            .flatten()
            .map(|row| row.name.as_str())
            .collect();
        assert!(left.is_empty(), "{test}, {way}: {left:?}");
        assert_eq!(
            report.verdict.label,
            Label::ReEncoded,
            "{test}, {way}: {:?}",
            report.verdict.reasons
        );
        let least = report
            .tensors
            .iter()
            .filter_map(|row| row.figures.cosine)
            .fold(1.0, f64::min);
        assert_eq!(least, 1.0, "{test}, {way}");
        assert!(
            report.parts.iter().all(|part| part.state == State::Reused),
            "{test}, {way}"
        );
    }
    let noised = layout(&model.0.trained("noise", |_| 0.1));
    let report = compared(&format!("{test}, noised"), model, (&noised, config));
    assert_eq!(
        report.verdict.label,
        Label::Derived,
        "{test}, noised: {:?}",
        report.verdict.reasons
    );
    assert!(
        report.similarity.matrix_excess.unwrap() > 0.98,
        "{test}, noised"
    );
    let size = |name: &str| model.0.0[name].shape[0];
    let kinds = Decoder {
        vocab: size("model.embed_tokens.weight"),
        ..of(model.0)
    };
    let stranger = with_biases("stranger", &Model::decoder("stranger", kinds), model.0);
    let report = compared(
        &format!("{test}, stranger"),
        model,
        (&layout(&stranger), config),
    );
    assert_eq!(report.verdict.label, Label::FromScratch, "{test}, stranger");
    assert!(
        report.similarity.matrix_excess.unwrap().abs() < 0.1,
        "{test}, stranger"
    );
    let codes: Vec<&str> = report
        .warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect();
    assert!(
        !codes.contains(&"fused_order") && !codes.contains(&"rotary_order"),
        "{test}: {codes:?}"
    );
}

/// Sizes that a model was made with.
fn of(model: &Model) -> Decoder {
    if model.0.keys().any(|name| name.contains(".experts.")) {
        EXPERTS
    } else {
        DENSE
    }
}

/// The model with a bias for each matrix that has one in `like`.
fn with_biases(seed: &str, model: &Model, like: &Model) -> Model {
    let mut out = model.clone();
    for (name, bias) in like.0.iter().filter(|(name, _)| name.ends_with(".bias")) {
        let values =
            draws::Draws::new(&[seed, name]).many(bias.values.len(), |draws| 0.02 * draws.heavy());
        out.0.insert(
            name.clone(),
            Values {
                shape: bias.shape.clone(),
                values,
            },
        );
    }
    out
}

/// A dense model with biases of query, key and value.
fn biased(seed: &str) -> Model {
    let mut model = Model::decoder(seed, DENSE);
    let names: Vec<String> = model
        .0
        .keys()
        .filter(|name| name.contains("self_attn") && !name.contains("o_proj"))
        .cloned()
        .collect();
    for name in names {
        let rows = model.0[&name].shape[0];
        let bias = name.replace(".weight", ".bias");
        let values = draws::Draws::new(&[seed, &bias]).many(rows, |draws| 0.02 * draws.heavy());
        model.0.insert(
            bias,
            Values {
                shape: vec![rows],
                values,
            },
        );
    }
    model
}

fn config(model_type: &str, kv_heads: usize) -> Value {
    json!({"model_type": model_type, "hidden_size": 64, "num_attention_heads": HEADS, "num_key_value_heads": kv_heads})
}

/// Rows of a matrix, elements of a vector.
fn rows(tensor: &Values) -> Vec<&[f64]> {
    tensor
        .values
        .chunks_exact(tensor.shape[1..].iter().product())
        .collect()
}

fn of_rows(rows: &[&[f64]], like: &Values) -> Values {
    let mut shape = like.shape.clone();
    shape[0] = rows.len();
    Values {
        shape,
        values: rows.concat(),
    }
}

/// The rows of `order` of a tensor.
fn taking_rows(tensor: &Values, order: &[usize]) -> Values {
    let rows = rows(tensor);
    of_rows(
        &order.iter().map(|row| rows[*row]).collect::<Vec<_>>(),
        tensor,
    )
}

/// The model with the tensors `parts` of each module in one, named `whole`, its rows `order` of
/// those of the parts one after another.
fn fused(model: &Model, parts: &[&str], whole: &str, order: impl Fn(usize) -> Vec<usize>) -> Model {
    let mut out = model.clone();
    let names: Vec<String> = model
        .0
        .keys()
        .filter(|name| name.contains(&format!(".{}.", parts[0])))
        .cloned()
        .collect();
    for name in names {
        let tensors: Vec<Values> = parts
            .iter()
            .map(|part| out.0.remove(&name.replace(parts[0], part)).unwrap())
            .collect();
        let all: Vec<&[f64]> = tensors.iter().flat_map(rows).collect();
        let joined = of_rows(&all, &tensors[0]);
        let order = order(all.len());
        out.0
            .insert(name.replace(parts[0], whole), taking_rows(&joined, &order));
    }
    out
}

const QKV: [&str; 3] = ["q_proj", "k_proj", "v_proj"];

fn in_blocks(rows: usize) -> Vec<usize> {
    (0..rows).collect()
}

/// For each key head its queries, its key, its value.
fn in_groups(rows: usize, kv_heads: usize) -> Vec<usize> {
    let key = kv_heads * HEAD;
    let query = rows - 2 * key;
    let each = query / kv_heads;
    (0..kv_heads)
        .flat_map(|group| {
            let at =
                |first: usize, count: usize| first + group * count..first + (group + 1) * count;
            at(0, each)
                .chain(at(query, HEAD))
                .chain(at(query + key, HEAD))
        })
        .collect()
}

fn renamed(model: &Model, words: &[(&str, &str)]) -> Model {
    let rename = |name: &String| {
        words
            .iter()
            .fold(name.clone(), |name, (from, to)| name.replace(from, to))
    };
    Model(
        model
            .0
            .iter()
            .map(|(name, tensor)| (rename(name), tensor.clone()))
            .collect(),
    )
}

/// The model with as many key heads as query heads.
fn multi_head(seed: &str) -> Model {
    let mut model = biased(seed);
    let full = Model::decoder(
        &format!("{seed}, all heads"),
        Decoder {
            kv_heads: HEADS,
            ..DENSE
        },
    );
    for name in full
        .0
        .keys()
        .filter(|name| name.contains("k_proj") || name.contains("v_proj"))
    {
        model.0.insert(name.clone(), full.0[name].clone());
        let bias = name.replace(".weight", ".bias");
        let values = draws::Draws::new(&[seed, &bias]).many(64, |draws| 0.02 * draws.heavy());
        model.0.insert(
            bias,
            Values {
                shape: vec![64],
                values,
            },
        );
    }
    model
}

#[test]
fn query_key_and_value_in_one_tensor_are_found_with_their_biases() {
    let (model, llama) = (biased("model"), config("llama", 2));
    let side = (&model, Some(&llama));
    let phi = |model: &Model| {
        let model = fused(model, &QKV, "qkv_proj", in_blocks);
        fused(&model, &["gate_proj", "up_proj"], "gate_up_proj", in_blocks)
    };
    assert_one_model("blocks", side, phi, Some(&llama));
    assert_one_model("blocks, no config", side, phi, None);
    let groups = |model: &Model| fused(model, &QKV, "query_key_value", |rows| in_groups(rows, 2));
    assert_one_model("groups", side, groups, Some(&llama));
    assert_one_model("groups, no config", side, groups, None);
}

#[test]
fn an_order_that_the_name_does_not_stand_for_is_tried() {
    let (model, llama) = (biased("model"), config("llama", 2));
    let side = (&model, Some(&llama));
    let glm = |model: &Model| fused(model, &QKV, "query_key_value", in_blocks);
    assert_one_model("blocks under the name of groups", side, glm, Some(&llama));
    let other = |model: &Model| fused(model, &QKV, "qkv_proj", |rows| in_groups(rows, 2));
    assert_one_model("groups under the name of blocks", side, other, Some(&llama));
    let (one, two) = (
        glm(&model),
        fused(&model, &QKV, "query_key_value", |rows| in_groups(rows, 2)),
    );
    for (test, base, target) in [("blocks", &one, &two), ("groups", &two, &one)] {
        let report = compared(
            &format!("{test} under one name"),
            (base, Some(&llama)),
            (target, Some(&llama)),
        );
        assert_eq!(
            report.verdict.label,
            Label::ReEncoded,
            "{test}: {:?}",
            report.verdict.reasons
        );
        assert!(
            report
                .warnings
                .iter()
                .any(|warning| warning.code == "fused_order"),
            "{test}"
        );
        assert!(
            report
                .tensors
                .iter()
                .filter(|row| row.compared_via == Via::Split)
                .count()
                == 18,
            "{test}"
        );
    }
}

#[test]
fn gate_and_up_in_one_tensor_are_found_whatever_comes_first() {
    let (model, llama) = (biased("model"), config("llama", 2));
    let gates = ["gate_proj", "up_proj"];
    let in_turn = |rows: usize| -> Vec<usize> {
        (0..rows)
            .map(|row| row / 2 + row % 2 * (rows / 2))
            .collect()
    };
    let swapped =
        |rows: usize| -> Vec<usize> { (0..rows).map(|row| (row + rows / 2) % rows).collect() };
    let side = (&model, Some(&llama));
    assert_one_model(
        "gate and up in turn",
        side,
        |model| fused(model, &gates, "gate_up_proj", in_turn),
        None,
    );
    assert_one_model(
        "up before gate",
        side,
        |model| fused(model, &gates, "gate_up_proj", swapped),
        None,
    );
}

#[test]
fn the_interleave_of_bloom_and_neox_is_undone_whatever_the_other_side_is_called() {
    let bloom = json!({"model_type": "bloom", "hidden_size": 64, "n_head": HEADS});
    let groups = |model: &Model| {
        fused(model, &QKV, "query_key_value", |rows| {
            in_groups(rows, HEADS)
        })
    };
    let model = multi_head("model");
    for (test, of_model, of_other) in [
        ("both say their heads", Some(&bloom), Some(&bloom)),
        ("the split one does not", None, Some(&bloom)),
        ("the fused one does not", Some(&bloom), None),
    ] {
        let other = groups(&model);
        for (way, base, target) in [
            ("there", (&model, of_model), (&other, of_other)),
            ("back", (&other, of_other), (&model, of_model)),
        ] {
            let report = compared(&format!("bloom, {test}, {way}"), base, target);
            assert_eq!(
                report.verdict.label,
                Label::ReEncoded,
                "{test}, {way}: {:?}",
                report.verdict.reasons
            );
        }
    }
    let fused_otherwise = renamed(&fused(&model, &QKV, "W_pack", in_blocks), &[]);
    let report = compared(
        "bloom and blocks",
        (&groups(&model), Some(&bloom)),
        (&fused_otherwise, None),
    );
    assert_eq!(
        report.verdict.label,
        Label::ReEncoded,
        "{:?}",
        report.verdict.reasons
    );
}

#[test]
fn rotating_pairs_side_by_side_are_found_with_their_biases() {
    let (model, llama) = (biased("model"), config("llama", 2));
    let meta = |model: &Model| {
        let mut out = model.clone();
        for (name, tensor) in &mut out.0 {
            if name.contains("q_proj") || name.contains("k_proj") {
                // Row p·d/2 + j of a head of size d goes to 2j + p.
                let order: Vec<usize> = (0..tensor.shape[0])
                    .map(|row| row / HEAD * HEAD + row % 2 * (HEAD / 2) + row % HEAD / 2)
                    .collect();
                *tensor = taking_rows(tensor, &order);
            }
        }
        let names = [
            ("self_attn", "attention"),
            ("q_proj", "wq"),
            ("k_proj", "wk"),
            ("v_proj", "wv"),
            ("o_proj", "wo"),
            ("mlp.gate_proj", "feed_forward.w1"),
            ("mlp.up_proj", "feed_forward.w3"),
            ("mlp.down_proj", "feed_forward.w2"),
            ("input_layernorm", "attention_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("model.embed_tokens", "tok_embeddings"),
            ("lm_head", "output"),
            ("model.", ""),
        ];
        renamed(&out, &names)
    };
    assert_one_model("rotary", (&model, Some(&llama)), meta, None);
}

/// OpenAI's CLIP keeps its projections as parameters (in, out); a square one does not show it.
#[test]
fn a_square_projection_under_another_name_may_be_turned() {
    let mut model = Model::decoder("model", DENSE);
    let square = model.0["model.layers.0.self_attn.q_proj.weight"]
        .values
        .iter()
        .rev()
        .copied()
        .collect();
    model.0.insert(
        "text_projection.weight".to_owned(),
        Values {
            shape: vec![64, 64],
            values: square,
        },
    );
    let mut other = model.clone();
    let projection = other.0.remove("text_projection.weight").unwrap();
    let values = (0..64 * 64)
        .map(|at| projection.values[at % 64 * 64 + at / 64])
        .collect();
    other.0.insert(
        "text_projection".to_owned(),
        Values {
            shape: vec![64, 64],
            values,
        },
    );
    let report = compared("square projection", (&model, None), (&other, None));
    assert_eq!(
        report.verdict.label,
        Label::ReEncoded,
        "{:?}",
        report.verdict.reasons
    );
    let row = report
        .tensors
        .iter()
        .find(|row| row.name.target == "text_projection")
        .unwrap();
    assert_eq!(row.compared_via, Via::Transposed);
}

/// The experts of each layer in two tensors under `mlp.experts`, gate and up interleaved or in
/// halves, each matrix turned or not.
fn stacked(model: &Model, interleaved: bool, turned: bool) -> Model {
    let mut out = model.clone();
    out.0.retain(|name, _| !name.contains(".experts."));
    let of = |layer: usize, expert: usize, matrix: &str| {
        &model.0[&format!("model.layers.{layer}.block_sparse_moe.experts.{expert}.{matrix}.weight")]
    };
    let turn = |tensor: Values| {
        if !turned {
            return tensor;
        }
        let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
        let at = |at: usize| tensor.values[at % rows * columns + at / rows];
        Values {
            shape: vec![columns, rows],
            values: (0..rows * columns).map(at).collect(),
        }
    };
    for layer in 0..EXPERTS.layers {
        let gate_up = |expert: usize| {
            let [gate, up] = ["w1", "w3"].map(|matrix| of(layer, expert, matrix));
            let both = of_rows(&[rows(gate), rows(up)].concat(), gate);
            let half = gate.shape[0];
            let order: Vec<usize> = (0..2 * half)
                .map(|row| {
                    if interleaved {
                        row / 2 + row % 2 * half
                    } else {
                        row
                    }
                })
                .collect();
            turn(taking_rows(&both, &order))
        };
        let down = |expert: usize| turn(of(layer, expert, "w2").clone());
        let stacks: [(&str, Vec<Values>); 2] = [
            ("gate_up_proj", (0..EXPERTS.experts).map(gate_up).collect()),
            ("down_proj", (0..EXPERTS.experts).map(down).collect()),
        ];
        for (name, matrices) in stacks {
            let shape = [&[EXPERTS.experts], matrices[0].shape.as_slice()].concat();
            let values = matrices
                .into_iter()
                .flat_map(|matrix| matrix.values)
                .collect();
            out.0.insert(
                format!("model.layers.{layer}.mlp.experts.{name}"),
                Values { shape, values },
            );
        }
    }
    renamed(&out, &[("block_sparse_moe.gate", "mlp.gate")])
}

#[test]
fn stacked_experts_are_those_stored_apart() {
    let (model, mixtral) = (Model::decoder("model", EXPERTS), config("mixtral", 2));
    let side = (&model, Some(&mixtral));
    assert_one_model("stacked", side, |model| stacked(model, false, false), None);
    assert_one_model(
        "stacked and turned",
        side,
        |model| stacked(model, false, true),
        None,
    );
    let oss = config("gpt_oss", 2);
    assert_one_model(
        "interleaved",
        side,
        |model| stacked(model, true, true),
        Some(&oss),
    );
    assert_one_model(
        "interleaved, no config",
        side,
        |model| stacked(model, true, true),
        None,
    );
}

/// Stacks of unequal length are compared expert by expert.
#[test]
fn all_of_an_expert_is_compared_where_both_sides_store_it_turned() {
    const KEPT: usize = 6;
    let (model, oss) = (Model::decoder("model", EXPERTS), config("gpt_oss", 2));
    let whole = stacked(&model, true, true);
    let mut pruned = whole.clone();
    for stack in pruned
        .0
        .iter_mut()
        .filter(|(name, _)| name.contains("experts"))
        .map(|(_, stack)| stack)
    {
        stack
            .values
            .truncate(stack.values.len() / EXPERTS.experts * KEPT);
        stack.shape[0] = KEPT;
    }
    let mut changed = pruned.clone();
    *changed
        .0
        .get_mut("model.layers.1.mlp.experts.down_proj")
        .unwrap()
        .values
        .last_mut()
        .unwrap() = 64.0;
    for (name, target, unlike) in [("pruned", &pruned, 0), ("changed", &changed, 1)] {
        let report = compared(name, (&whole, Some(&oss)), (target, Some(&oss)));
        let experts: Vec<_> = report
            .tensors
            .iter()
            .filter(|row| row.expert.is_some())
            .collect();
        assert_eq!(experts.len(), 3 * KEPT * EXPERTS.layers, "{name}");
        let other = experts.iter().filter(|row| row.figures.cosine != Some(1.0));
        assert_eq!(other.count(), unlike, "{name}");
    }
}

/// Hidden size and hidden units of the experts are equal, so `down_proj` does not show how it is
/// stored; `gate_up_proj` does.
#[test]
fn square_experts_are_stored_as_the_others_are() {
    let size = Decoder { ffn: 64, ..EXPERTS };
    let (model, mixtral) = (Model::decoder("square", size), config("mixtral", 2));
    for turned in [false, true] {
        let other = stacked(&model, false, turned);
        let report = compared(
            &format!("square {turned}"),
            (&model, Some(&mixtral)),
            (&other, None),
        );
        assert_eq!(
            report.verdict.label,
            Label::ReEncoded,
            "{turned}: {:?}",
            report.verdict.reasons
        );
    }
}

#[test]
fn biases_of_stacked_experts_are_cut_with_them() {
    let mut apart = Model::decoder("model", EXPERTS);
    let mut together = stacked(&apart, true, true);
    for layer in 0..EXPERTS.layers {
        let mut stacks = [Vec::new(), Vec::new()];
        for expert in 0..EXPERTS.experts {
            let mut bias = |matrix: &str, len: usize| {
                let name =
                    format!("model.layers.{layer}.block_sparse_moe.experts.{expert}.{matrix}.bias");
                let values =
                    draws::Draws::new(&["biases", &name]).many(len, |draws| 0.02 * draws.heavy());
                apart.0.insert(
                    name,
                    Values {
                        shape: vec![len],
                        values: values.clone(),
                    },
                );
                values
            };
            let [gate, up, down] = [bias("w1", 32), bias("w3", 32), bias("w2", 64)];
            stacks[0].extend(gate.iter().zip(&up).flat_map(|(gate, up)| [*gate, *up]));
            stacks[1].extend(down);
        }
        for (name, values) in ["gate_up_proj_bias", "down_proj_bias"]
            .into_iter()
            .zip(stacks)
        {
            let shape = vec![EXPERTS.experts, 64];
            together.0.insert(
                format!("model.layers.{layer}.mlp.experts.{name}"),
                Values { shape, values },
            );
        }
    }
    let (mixtral, oss) = (config("mixtral", 2), config("gpt_oss", 2));
    let report = compared(
        "expert biases",
        (&apart, Some(&mixtral)),
        (&together, Some(&oss)),
    );
    assert_eq!(
        report.unmatched.base.len() + report.unmatched.target.len(),
        0
    );
    assert_eq!(
        report.verdict.label,
        Label::ReEncoded,
        "{:?}",
        report.verdict.reasons
    );
}

/// Qwen3-Next keeps what belongs to a key head together, Qwen3.5 what is of one kind.
#[test]
fn projections_of_linear_attention_are_cut_by_key_heads() {
    const KEYS: usize = 2;
    const EACH: usize = 2;
    const DIM: usize = 8;
    let with_linear = |seed: &str| {
        let mut model = Model::decoder(seed, DENSE);
        for layer in 0..DENSE.layers {
            for (name, rows) in [
                ("in_proj_qkv", 2 * KEYS * DIM + KEYS * EACH * DIM),
                ("in_proj_z", KEYS * EACH * DIM),
                ("in_proj_b", KEYS * EACH),
                ("in_proj_a", KEYS * EACH),
            ] {
                let name = format!("model.layers.{layer}.linear_attn.{name}.weight");
                let values =
                    draws::Draws::new(&[seed, &name]).many(rows * 64, |draws| 0.1 * draws.normal());
                model.0.insert(
                    name,
                    Values {
                        shape: vec![rows, 64],
                        values,
                    },
                );
            }
        }
        model
    };
    let by_key_heads = |model: &Model| {
        let value = EACH * DIM;
        let order = |_: usize| -> Vec<usize> {
            (0..KEYS)
                .flat_map(|head| {
                    let starts = [
                        (0, DIM),
                        (KEYS * DIM, DIM),
                        (2 * KEYS * DIM, value),
                        (KEYS * (2 * DIM + value), value),
                    ];
                    starts.into_iter().flat_map(move |(first, count)| {
                        first + head * count..first + (head + 1) * count
                    })
                })
                .collect()
        };
        let scalars = |_: usize| -> Vec<usize> {
            let of = |head: usize, first: usize| first + head * EACH..first + (head + 1) * EACH;
            (0..KEYS)
                .flat_map(|head| of(head, 0).chain(of(head, KEYS * EACH)))
                .collect()
        };
        let model = fused(model, &["in_proj_qkv", "in_proj_z"], "in_proj_qkvz", order);
        fused(&model, &["in_proj_b", "in_proj_a"], "in_proj_ba", scalars)
    };
    let mut qwen = config("qwen3_5_text", 2);
    for (key, value) in [
        ("num_key_heads", KEYS),
        ("num_value_heads", KEYS * EACH),
        ("key_head_dim", DIM),
        ("value_head_dim", DIM),
    ] {
        qwen[format!("linear_{key}")] = json!(value);
    }
    let model = with_linear("model");
    let other = by_key_heads(&model);
    for (way, base, target) in [("there", &model, &other), ("back", &other, &model)] {
        let report = compared(
            &format!("linear attention, {way}"),
            (base, Some(&qwen)),
            (target, Some(&qwen)),
        );
        assert_eq!(
            report.unmatched.base.len() + report.unmatched.target.len(),
            0,
            "{way}"
        );
        assert_eq!(
            report.verdict.label,
            Label::ReEncoded,
            "{way}: {:?}",
            report.verdict.reasons
        );
    }
    let stranger = by_key_heads(&with_linear("stranger"));
    let report = compared(
        "linear attention, stranger",
        (&model, Some(&qwen)),
        (&stranger, Some(&qwen)),
    );
    assert_eq!(report.verdict.label, Label::FromScratch);
}

/// A tied matrix may be stored under the name of either of its two uses.
#[test]
fn a_tied_matrix_is_the_same_under_either_of_its_names() {
    let tied = |seed: &str| {
        let mut model = Model::decoder(seed, DENSE);
        model.0.remove("lm_head.weight");
        model
    };
    let as_head = |model: &Model| renamed(model, &[("model.embed_tokens", "lm_head")]);
    let (model, stranger) = (tied("tied"), tied("stranger"));
    let head = as_head(&model);
    for (way, base, target) in [("there", &model, &head), ("back", &head, &model)] {
        let report = compared(&format!("tied, {way}"), (base, None), (target, None));
        assert_eq!(
            report.verdict.label,
            Label::Identical,
            "{way}: {:?}",
            report.verdict.reasons
        );
        assert!(
            report.unmatched.base.is_empty() && report.unmatched.target.is_empty(),
            "{way}"
        );
    }
    let report = compared(
        "tied, stranger",
        (&model, None),
        (&as_head(&stranger), None),
    );
    assert_eq!(
        report.verdict.label,
        Label::FromScratch,
        "{:?}",
        report.verdict.reasons
    );
}

#[test]
fn a_copy_beside_a_tensor_that_was_not_read_is_not_called_identical() {
    let model = Model::decoder("model", DENSE);
    let open = |name| {
        open_checkpoint(
            &written("not read", name, &model, None),
            Options::default().io,
        )
        .unwrap()
    };
    let label = |target| {
        compare(open("base"), target, &Options::default(), &Silent)
            .unwrap()
            .verdict
            .label
    };
    assert_eq!(label(open("target")), Label::Identical);
    let mut partly_read = open("target");
    partly_read
        .checkpoint
        .warnings
        .push(Warning::TensorNotRead {
            name: "x".to_owned(),
            what: NotRead::ForeignDtype,
        });
    assert_eq!(label(partly_read), Label::Derived);
}
