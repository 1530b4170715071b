use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::model::dtype::Dtype;
use crate::model::name::Namer;
use crate::model::sides::Sides;

fn fixture(path: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/configs");
    serde_json::from_str(&std::fs::read_to_string(root.join(path)).unwrap()).unwrap()
}

fn config(value: Value) -> Config {
    Config {
        raw: value.as_object().unwrap().clone(),
    }
}

/// A model by a unique part of its folder's name.
fn model(name: &str) -> Architecture {
    let shapes = fixture("shapes.json");
    let known: Vec<_> = shapes
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| key.contains(name))
        .cloned()
        .collect();
    assert_eq!(known.len(), 1, "{name}: {known:?}");
    describe(
        Some(&config(fixture(&format!("{}/config.json", known[0])))),
        &[],
    )
}

#[test]
fn every_shape_of_the_published_configurations_is_computed() {
    let shapes = fixture("shapes.json");
    for (name, roles) in shapes.as_object().unwrap() {
        let architecture = model(name);
        let found: serde_json::Map<String, Value> = architecture
            .roles
            .iter()
            .map(|role| {
                assert_eq!(role.shapes.len(), 1);
                let Shape { axes, copies } = role.main().unwrap();
                (role.name.clone(), json!({"shape": axes, "copies": copies}))
            })
            .collect();
        let mut expected = roles.as_object().unwrap().clone();
        let mut assumed = 0;
        for role in expected.values_mut() {
            assumed += usize::from(
                role.as_object_mut()
                    .unwrap()
                    .remove("from_class_default")
                    .is_some(),
            );
        }
        assert_eq!(Value::Object(found), Value::Object(expected), "{name}");
        if assumed > 0 {
            assert!(
                !architecture.assumptions.is_empty(),
                "{name} rests on class defaults and does not say so"
            );
        }
    }
}

/// target, base, roles equal, roles of the target, share in per cent as printed, names of the equal
/// roles where few.
const COMPARABLE: &[(&str, &str, usize, usize, &str, &str)] = &[
    (
        "Solar-Open",
        "Mixtral",
        5,
        17,
        "0.26",
        "k, norm:final, norm:pre_attn, norm:pre_mlp, v",
    ),
    ("Solar-Open", "DeepSeek-V2", 0, 17, "0", ""),
    ("Solar-Open", "Qwen2-57B", 0, 17, "0", ""),
    (
        "Solar-Open",
        "GLM-4.5-Air",
        7,
        17,
        "0.40",
        "k, norm:final, norm:pre_attn, norm:pre_mlp, router, router_bias, v",
    ),
    (
        "Solar-Open",
        "Phi-3.5-MoE",
        5,
        17,
        "0.26",
        "k, norm:final, norm:pre_attn, norm:pre_mlp, v",
    ),
    (
        "Solar-Open",
        "Qwen3-235B",
        6,
        17,
        "3.16",
        "norm:final, norm:pre_attn, norm:pre_mlp, o, q, router",
    ),
    (
        "Solar-Open",
        "Llama-3.1-8B",
        5,
        17,
        "0.26",
        "k, norm:final, norm:pre_attn, norm:pre_mlp, v",
    ),
    (
        "Solar-Open",
        "SOLAR-10.7B",
        5,
        17,
        "0.39",
        "k, norm:final, norm:pre_attn, norm:pre_mlp, v",
    ),
    ("HyperCLOVAX", "Llama-3.1-70B", 0, 32, "0", ""),
    ("HyperCLOVAX", "Qwen2.5-72B", 0, 32, "0", ""),
    (
        "HyperCLOVAX",
        "EXAONE-4.0-32B",
        5,
        32,
        "12.09",
        "k, norm:final, o, q, v",
    ),
    ("HyperCLOVAX", "VL-7B", 11, 32, "0.71", ""),
    ("HyperCLOVAX", "VL-32B", 25, 32, "14.16", ""),
    ("HyperCLOVAX", "VL-72B", 15, 32, "1.98", ""),
    ("A.X-K1", "Solar-Open", 0, 23, "0", ""),
    (
        "A.X-K1",
        "DeepSeek-V2",
        2,
        23,
        "<0.01",
        "norm:kv_a, norm:q_a",
    ),
    ("A.X-K1", "Qwen2-57B", 0, 23, "0", ""),
    ("A.X-K1", "DeepSeek-V3", 16, 23, "98.50", ""),
    ("A.X-K1", "Kimi-K2", 21, 23, "99.98", ""),
    ("A.X-K1", "Moonlight", 1, 23, "<0.01", "norm:kv_a"),
    ("VAETKI", "Solar-Open", 0, 24, "0", ""),
    ("VAETKI", "A.X-K1", 2, 24, "<0.01", "norm:kv_a, norm:q_a"),
    (
        "VAETKI",
        "DeepSeek-V2",
        2,
        24,
        "<0.01",
        "norm:kv_a, norm:q_a",
    ),
    (
        "VAETKI",
        "DeepSeek-V3",
        2,
        24,
        "<0.01",
        "norm:kv_a, norm:q_a",
    ),
    ("K-EXAONE", "Solar-Open", 1, 22, "<0.01", "router_bias"),
    ("K-EXAONE", "A.X-K1", 0, 22, "0", ""),
    ("K-EXAONE", "VAETKI", 0, 22, "0", ""),
    ("K-EXAONE", "DeepSeek-V2", 0, 22, "0", ""),
    (
        "K-EXAONE",
        "EXAONE-4.0-32B",
        2,
        22,
        "<0.01",
        "k_norm, q_norm",
    ),
    ("K-EXAONE", "Qwen3-235B", 2, 22, "<0.01", "k_norm, q_norm"),
    ("SOLAR-10.7B", "Mistral-7B", 12, 12, "67.48", ""),
    (
        "SOLAR-10.7B",
        "Llama-3.1-8B",
        10,
        12,
        "65.04",
        "dense.down, dense.gate, dense.up, k, norm:final, norm:pre_attn, norm:pre_mlp, o, q, v",
    ),
    (
        "SOLAR-10.7B",
        "Mixtral",
        9,
        12,
        "14.95",
        "embed, k, lm_head, norm:final, norm:pre_attn, norm:pre_mlp, o, q, v",
    ),
];

#[test]
fn pairs_of_the_origin_document_compare_as_far_as_their_shapes_do() {
    for &(target, base, equal, of, share, names) in COMPARABLE {
        let comparison = compare(&model(target), &model(base));
        let pair = format!("{target} / {base}");
        let rows: Vec<_> = comparison
            .roles
            .iter()
            .filter(|row| row.target.is_some())
            .collect();
        let alike: Vec<_> = rows
            .iter()
            .filter(|row| row.equal)
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!((alike.len(), rows.len()), (equal, of), "{pair}: {alike:?}");
        if !names.is_empty() {
            assert_eq!(alike.join(", "), names, "{pair}");
        }
        let percent = 100.0 * comparison.share.unwrap();
        let printed = match percent {
            0.0 => "0".to_owned(),
            small if small < 0.005 => "<0.01".to_owned(),
            percent => format!("{percent:.2}"),
        };
        assert_eq!(printed, share, "{pair}");
        assert_ne!(comparison.comparability, Comparability::Full, "{pair}");
        let any_matrix = rows.iter().any(|row| {
            row.equal
                && row
                    .target
                    .as_ref()
                    .is_some_and(|shape| shape.axes.len() > 1)
        });
        assert_eq!(
            comparison.comparability == Comparability::Partial,
            any_matrix,
            "{pair}"
        );
    }
}

#[test]
fn a_model_is_fully_comparable_with_itself_alone() {
    let shapes = fixture("shapes.json");
    for name in shapes.as_object().unwrap().keys() {
        let architecture = model(name);
        let itself = compare(&architecture, &architecture);
        // Of Qwen2.5-VL-72B some keys are not known.
        let whole = architecture.unknown.is_empty();
        assert_eq!(itself.comparability == Comparability::Full, whole, "{name}");
        assert_eq!(itself.share, Some(1.0), "{name}");
        assert!(itself.could_be.is_empty(), "{name}");
    }
    let unknown: Vec<_> = model("VL-72B")
        .unknown
        .into_iter()
        .map(|role| role.name)
        .collect();
    assert_eq!(
        unknown,
        ["dense.down", "dense.gate", "dense.up", "vision.patch_embed"]
    );
}

#[test]
fn components_are_compared_with_their_like() {
    let of = |base: &str| {
        let comparison = compare(&model("HyperCLOVAX"), &model(base));
        comparison
            .components
            .iter()
            .map(|row| format!("{} {}", row.component, row.comparability))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("VL-32B"),
        ["projector none", "text partial", "vision full"]
    );
    assert_eq!(
        of("VL-7B"),
        ["projector none", "text none", "vision partial"]
    );
    assert_eq!(
        of("Llama-3.1-70B"),
        ["projector none", "text none", "vision none"]
    );
}

#[test]
fn reasons_and_possibilities_carry_their_numbers() {
    let change = |from, to| FromTo { from, to };
    let shapes = |comparison: &ShapeComparison| match &comparison.reasons[0] {
        ArchReason::Component { shapes, .. } => shapes.clone(),
        other => panic!("{other:?}"),
    };

    let depth = compare(&model("SOLAR-10.7B"), &model("Mistral-7B"));
    assert_eq!(depth.could_be, [PossibleChange::Depth(change(32, 48))]);
    assert!(
        matches!(
            shapes(&depth),
            ComponentShapes::OtherCopies { roles: 12, .. }
        ),
        "{depth:?}"
    );
    assert!(depth.reasons.contains(&ArchReason::CountDiffers {
        field: "num_hidden_layers".to_owned(),
        values: Sides {
            base: 32,
            target: 48
        },
    }));

    let experts = compare(&model("A.X-K1"), &model("Kimi-K2"));
    assert_eq!(
        experts.could_be,
        [PossibleChange::ExpertCount(change(384, 192))]
    );
    let ComponentShapes::PartlyEqual { unequal, .. } = shapes(&experts) else {
        panic!("{experts:?}");
    };
    let (norm, router) = (&unequal[0], &unequal[1]);
    assert_eq!(norm.name, "norm:post_mlp");
    assert!(norm.shapes.target.is_some() && norm.shapes.base.is_none());
    let of_router = Sides {
        base: Some(vec![384, 7168]),
        target: Some(vec![192, 7168]),
    };
    assert_eq!(
        (router.name.as_str(), &router.shapes),
        ("router", &of_router)
    );

    let mixture = compare(&model("Mixtral"), &model("Mistral-7B"));
    assert_eq!(
        mixture.could_be,
        [PossibleChange::DenseToExperts { experts: 8 }]
    );

    let none = compare(&model("HyperCLOVAX"), &model("Llama-3.1-70B"));
    assert_eq!(
        none.reasons.last(),
        Some(&ArchReason::SaysNothingAboutOrigin)
    );
    let hidden = WidthChange {
        width: Width::Field("hidden_size".to_owned()),
        values: change(8192, 5120),
    };
    assert!(
        none.could_be.iter().any(|change| matches!(
            change,
            PossibleChange::Width(widths) if widths[0] == hidden
        )),
        "{none:?}"
    );

    let norms = compare(&model("VAETKI"), &model("DeepSeek-V3"));
    assert_eq!(
        shapes(&norms),
        ComponentShapes::NoMatrixEqual {
            equal: vec!["norm:kv_a".to_owned(), "norm:q_a".to_owned()]
        }
    );
}

#[test]
fn facts_have_one_spelling_and_absent_keys_stay_absent() {
    let rows: &[(&str, &[(&str, Value)])] = &[
        (
            "Solar-Open",
            &[
                ("hidden_size", json!(4096)),
                ("num_hidden_layers", json!(48)),
                ("num_attention_heads", json!(64)),
                ("num_key_value_heads", json!(8)),
                ("head_dim", json!(128)),
                ("intermediate_size", json!(10240)),
                ("moe_intermediate_size", json!(1280)),
                ("n_routed_experts", json!(128)),
                ("n_shared_experts", json!(1)),
                ("num_experts_per_tok", json!(8)),
                ("vocab_size", json!(196608)),
                ("first_k_dense_replace", json!(0)),
                ("tie_word_embeddings", json!(false)),
                ("attention", json!("GQA")),
                ("norm_placement", json!("pre")),
                ("hidden_act", Value::Null),
                ("dtype", json!("bfloat16")),
            ],
        ),
        (
            "A.X-K1",
            &[
                ("hidden_size", json!(7168)),
                ("attention", json!("MLA")),
                ("q_lora_rank", json!(1536)),
                ("kv_lora_rank", json!(512)),
                ("qk_nope_head_dim", Value::Null),
                ("qk_rope_head_dim", Value::Null),
                ("v_head_dim", Value::Null),
                ("tie_word_embeddings", Value::Null),
                ("norm_placement", json!("pre_attn+pre_mlp+post_mlp")),
                ("n_routed_experts", json!(192)),
            ],
        ),
        (
            "VAETKI",
            &[
                ("attention", json!("MLA")),
                ("num_key_value_heads", Value::Null),
                ("head_dim", Value::Null),
                ("attention_pattern", json!("sliding:full 5:1")),
                ("norm_placement", json!("pre+post")),
                ("first_k_dense_replace", json!(3)),
            ],
        ),
        (
            "K-EXAONE",
            &[
                ("n_routed_experts", json!(128)),
                ("n_shared_experts", json!(1)),
                ("first_k_dense_replace", json!(1)),
                ("attention_pattern", json!("sliding:full 3:1")),
                ("attention", json!("GQA")),
                ("max_position_embeddings", json!(262144)),
                ("num_nextn_predict_layers", Value::Null),
            ],
        ),
        (
            "HyperCLOVAX",
            &[
                ("hidden_size", json!(5120)),
                ("intermediate_size", json!(24192)),
                ("vocab_size", json!(128256)),
                // The tower's own flag says nothing about the text part.
                ("tie_word_embeddings", Value::Null),
                ("vision.depth", json!(32)),
                ("vision.hidden_size", json!(1280)),
                ("vision.intermediate_size", json!(3456)),
                ("vision.in_channels", json!(3)),
                ("architecture", json!("HCXVisionV2ForCausalLM")),
            ],
        ),
        (
            "gpt-oss",
            &[
                ("quantization", json!("mxfp4")),
                ("attention_pattern", json!("sliding:full 1:1")),
            ],
        ),
        (
            "Moonlight",
            &[
                ("q_lora_rank", Value::Null),
                ("kv_lora_rank", json!(512)),
                ("attention", json!("MLA")),
            ],
        ),
        (
            "Qwen2.5-72B",
            &[
                ("hidden_size", json!(8192)),
                ("num_attention_heads", json!(64)),
            ],
        ),
        (
            "Mistral-7B",
            &[
                ("attention_pattern", json!("sliding")),
                ("sliding_window", json!(4096)),
            ],
        ),
        (
            "EXAONE-4.0",
            &[
                ("norm_placement", json!("post")),
                (
                    "rope_scaling",
                    json!({"rope_type": "llama3", "factor": 16.0, "original_max_position_embeddings": 8192}),
                ),
            ],
        ),
    ];
    for (name, facts) in rows {
        let architecture = model(name);
        for (field, value) in *facts {
            let found = architecture
                .fact(field)
                .map_or(Value::Null, |fact| fact.value.clone());
            assert_eq!(&found, value, "{name} {field}");
        }
    }
    assert!(
        model("Solar-Open")
            .fact("intermediate_size")
            .unwrap()
            .unused
    );
    assert!(!model("A.X-K1").fact("intermediate_size").unwrap().unused);
}

/// Tensors of a small Llama-like mixture, by the names that Hugging Face files have.
fn tensors(config: Option<&Config>) -> Vec<(Meaning, Vec<u64>)> {
    let mut named: Vec<(String, Vec<u64>)> = vec![
        ("model.embed_tokens.weight".into(), vec![100, 16]),
        ("model.norm.weight".into(), vec![16]),
        ("lm_head.weight".into(), vec![100, 16]),
    ];
    for layer in 0..3 {
        let mut add = |name: &str, shape: &[u64]| {
            named.push((
                format!("model.layers.{layer}.{name}.weight"),
                shape.to_vec(),
            ))
        };
        add("input_layernorm", &[16]);
        add("post_attention_layernorm", &[16]);
        add("self_attn.q_proj", &[32, 16]);
        add("self_attn.k_proj", &[16, 16]);
        add("self_attn.v_proj", &[16, 16]);
        add("self_attn.o_proj", &[16, 32]);
        if layer == 0 {
            add("mlp.gate_proj", &[40, 16]);
            add("mlp.up_proj", &[40, 16]);
            add("mlp.down_proj", &[16, 40]);
            continue;
        }
        add("mlp.gate", &[4, 16]);
        for expert in 0..4 {
            add(&format!("mlp.experts.{expert}.gate_proj"), &[12, 16]);
            add(&format!("mlp.experts.{expert}.up_proj"), &[12, 16]);
            add(&format!("mlp.experts.{expert}.down_proj"), &[16, 12]);
        }
        add("mlp.shared_experts.gate_proj", &[24, 16]);
        add("mlp.shared_experts.up_proj", &[24, 16]);
        add("mlp.shared_experts.down_proj", &[16, 24]);
    }
    let namer = Namer::new(named.iter().map(|(name, _)| name.as_str()), config);
    named
        .iter()
        .map(|(name, shape)| (namer.meaning(name, shape, Dtype::Bf16), shape.clone()))
        .collect()
}

fn small() -> Value {
    json!({
        "model_type": "deepseek_v2", "hidden_size": 16, "num_hidden_layers": 3, "vocab_size": 100,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 40,
        "moe_intermediate_size": 12, "n_routed_experts": 4, "n_shared_experts": 2, "first_k_dense_replace": 1,
        "tie_word_embeddings": false
    })
}

#[test]
fn tensors_and_a_true_config_tell_the_same() {
    let config = config(small());
    let tensors = tensors(Some(&config));
    let (by_config, by_tensors) = (
        describe(Some(&config), &[]),
        describe(Some(&config), &tensors),
    );
    assert_eq!(by_tensors.conflicts, []);
    assert_eq!(by_tensors.roles, by_config.roles);
    assert_eq!(
        compare(&by_config, &by_tensors).comparability,
        Comparability::Full
    );
    let alone = describe(None, &tensors);
    assert_eq!(alone.roles, by_config.roles);
    for field in [
        "hidden_size",
        "num_hidden_layers",
        "vocab_size",
        "intermediate_size",
        "moe_intermediate_size",
    ] {
        assert_eq!(alone.count(field), by_config.count(field), "{field}");
        assert_eq!(alone.fact(field).unwrap().source, Source::Tensors);
    }
    for field in [
        "n_routed_experts",
        "n_shared_experts",
        "first_k_dense_replace",
    ] {
        assert_eq!(alone.count(field), by_config.count(field), "{field}");
    }
    // Without a head's size nothing tells how many heads there are.
    assert_eq!(alone.fact("num_attention_heads"), None);
}

/// Lines of `NAME [SHAPE]` as tensors, described beside `value` and compared with what `value`
/// alone tells.
fn agree(value: Value, lines: &str) {
    let config = config(value);
    let rows: Vec<(&str, Vec<u64>)> = lines
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(name, shape)| (name, serde_json::from_str(shape).unwrap()))
        .collect();
    let namer = Namer::new(rows.iter().map(|row| row.0), Some(&config));
    let meant: Vec<_> = rows
        .into_iter()
        .map(|(n, shape)| (namer.meaning(n, &shape, Dtype::Bf16), shape))
        .collect();
    let (told, shown) = (
        describe(Some(&config), &[]),
        describe(Some(&config), &meant),
    );
    assert_eq!(shown.conflicts, []);
    assert_eq!(told.unknown, []);
    let comparison = compare(&shown, &told);
    let unequal: Vec<_> = comparison.roles.iter().filter(|row| !row.equal).collect();
    assert!(unequal.is_empty(), "{unequal:#?}");
    assert_eq!(comparison.comparability, Comparability::Full);
}

#[test]
fn a_vision_tower_and_its_projector_have_the_roles_that_the_config_tells() {
    agree(
        json!({
            "model_type": "vlm",
            "text_config": {"model_type": "hyperclovax", "hidden_size": 12, "num_hidden_layers": 1, "vocab_size": 30,
                "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 20},
            "vision_config": {"model_type": "qwen2_5_vl", "depth": 1, "hidden_size": 8, "intermediate_size": 10,
                "num_heads": 2, "out_hidden_size": 6, "in_chans": 3, "patch_size": 2, "temporal_patch_size": 2}
        }),
        "
        model.language_model.embed_tokens.weight [30,12]
        lm_head.weight [30,12]
        model.language_model.norm.weight [12]
        model.language_model.layers.0.input_layernorm.weight [12]
        model.language_model.layers.0.post_attention_layernorm.weight [12]
        model.language_model.layers.0.self_attn.q_proj.weight [12,12]
        model.language_model.layers.0.self_attn.k_proj.weight [4,12]
        model.language_model.layers.0.self_attn.v_proj.weight [4,12]
        model.language_model.layers.0.self_attn.o_proj.weight [12,12]
        model.language_model.layers.0.mlp.gate_proj.weight [20,12]
        model.language_model.layers.0.mlp.up_proj.weight [20,12]
        model.language_model.layers.0.mlp.down_proj.weight [12,20]
        model.vision_model.patch_embed.proj.weight [8,3,2,2,2]
        model.vision_model.blocks.0.norm1.weight [8]
        model.vision_model.blocks.0.norm2.weight [8]
        model.vision_model.blocks.0.attn.qkv.weight [24,8]
        model.vision_model.blocks.0.attn.qkv.bias [24]
        model.vision_model.blocks.0.attn.proj.weight [8,8]
        model.vision_model.blocks.0.attn.proj.bias [8]
        model.vision_model.blocks.0.mlp.gate_proj.weight [10,8]
        model.vision_model.blocks.0.mlp.gate_proj.bias [10]
        model.vision_model.blocks.0.mlp.up_proj.weight [10,8]
        model.vision_model.blocks.0.mlp.up_proj.bias [10]
        model.vision_model.blocks.0.mlp.down_proj.weight [8,10]
        model.vision_model.blocks.0.mlp.down_proj.bias [8]
        model.vision_model.merger.ln_q.weight [8]
        model.vision_model.merger.mlp.0.weight [32,32]
        model.vision_model.merger.mlp.0.bias [32]
        model.vision_model.merger.mlp.2.weight [6,32]
        model.vision_model.merger.mlp.2.bias [6]
        model.vision_projector.weight [12,6]
        model.vision_projector.bias [12]
        ",
    );
}

#[test]
fn latent_attention_and_prediction_layers_have_the_roles_that_the_config_tells() {
    agree(
        json!({"model_type": "deepseek_v3", "hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 30,
            "num_attention_heads": 2, "q_lora_rank": 6, "kv_lora_rank": 5, "qk_nope_head_dim": 4, "qk_rope_head_dim": 2,
            "v_head_dim": 3, "intermediate_size": 20, "moe_intermediate_size": 7, "n_routed_experts": 2,
            "n_shared_experts": 1, "first_k_dense_replace": 0, "num_nextn_predict_layers": 1}),
        "
        model.embed_tokens.weight [30,16]
        lm_head.weight [30,16]
        model.norm.weight [16]
        model.layers.0.input_layernorm.weight [16]
        model.layers.0.post_attention_layernorm.weight [16]
        model.layers.0.self_attn.q_a_proj.weight [6,16]
        model.layers.0.self_attn.q_a_layernorm.weight [6]
        model.layers.0.self_attn.q_b_proj.weight [12,6]
        model.layers.0.self_attn.kv_a_proj_with_mqa.weight [7,16]
        model.layers.0.self_attn.kv_a_layernorm.weight [5]
        model.layers.0.self_attn.kv_b_proj.weight [14,5]
        model.layers.0.self_attn.o_proj.weight [16,6]
        model.layers.0.mlp.gate.weight [2,16]
        model.layers.0.mlp.gate.e_score_correction_bias [2]
        model.layers.0.mlp.experts.0.gate_proj.weight [7,16]
        model.layers.0.mlp.experts.0.up_proj.weight [7,16]
        model.layers.0.mlp.experts.0.down_proj.weight [16,7]
        model.layers.0.mlp.experts.1.gate_proj.weight [7,16]
        model.layers.0.mlp.experts.1.up_proj.weight [7,16]
        model.layers.0.mlp.experts.1.down_proj.weight [16,7]
        model.layers.0.mlp.shared_experts.gate_proj.weight [7,16]
        model.layers.0.mlp.shared_experts.up_proj.weight [7,16]
        model.layers.0.mlp.shared_experts.down_proj.weight [16,7]
        model.layers.1.self_attn.o_proj.weight [16,6]
        model.layers.1.enorm.weight [16]
        ",
    );
}

#[test]
fn stacked_experts_and_gpt_2_have_the_roles_that_the_config_tells() {
    agree(
        json!({"model_type": "gpt_oss", "hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 30, "head_dim": 4,
            "num_attention_heads": 4, "num_key_value_heads": 1, "intermediate_size": 6, "num_local_experts": 3}),
        "
        model.embed_tokens.weight [30,8]
        lm_head.weight [30,8]
        model.norm.weight [8]
        model.layers.0.input_layernorm.weight [8]
        model.layers.0.post_attention_layernorm.weight [8]
        model.layers.0.self_attn.q_proj.weight [16,8]
        model.layers.0.self_attn.q_proj.bias [16]
        model.layers.0.self_attn.k_proj.weight [4,8]
        model.layers.0.self_attn.k_proj.bias [4]
        model.layers.0.self_attn.v_proj.weight [4,8]
        model.layers.0.self_attn.v_proj.bias [4]
        model.layers.0.self_attn.o_proj.weight [8,16]
        model.layers.0.self_attn.o_proj.bias [8]
        model.layers.0.self_attn.sinks [4]
        model.layers.0.mlp.router.weight [3,8]
        model.layers.0.mlp.router.bias [3]
        model.layers.0.mlp.experts.gate_up_proj [3,8,12]
        model.layers.0.mlp.experts.gate_up_proj_bias [3,12]
        model.layers.0.mlp.experts.down_proj [3,6,8]
        model.layers.0.mlp.experts.down_proj_bias [3,8]
        ",
    );
    agree(
        json!({"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "vocab_size": 30, "n_head": 2, "n_inner": null,
            "n_positions": 16}),
        "
        wte.weight [30,8]
        wpe.weight [16,8]
        h.0.ln_1.weight [8]
        h.0.ln_1.bias [8]
        h.0.ln_2.weight [8]
        h.0.ln_2.bias [8]
        h.0.attn.bias [1,1,16,16]
        h.0.attn.c_attn.weight [24,8]
        h.0.attn.c_attn.bias [24]
        h.0.attn.c_proj.weight [8,8]
        h.0.attn.c_proj.bias [8]
        h.0.mlp.c_fc.weight [32,8]
        h.0.mlp.c_fc.bias [32]
        h.0.mlp.c_proj.weight [8,32]
        h.0.mlp.c_proj.bias [8]
        ln_f.weight [8]
        ln_f.bias [8]
        ",
    );
}

#[test]
fn a_config_that_lies_is_exposed() {
    let mut lie = small();
    for (field, value) in [
        ("hidden_size", 32),
        ("num_hidden_layers", 7),
        ("n_routed_experts", 64),
        ("num_attention_heads", 8),
    ] {
        lie[field] = json!(value);
    }
    lie["tie_word_embeddings"] = json!(true);
    let config = config(lie);
    let architecture = describe(Some(&config), &tensors(Some(&config)));
    let said: Vec<_> = architecture
        .conflicts
        .iter()
        .map(|conflict| {
            format!(
                "{} {} {}",
                conflict.field, conflict.config, conflict.tensors
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "hidden_size 32 16",
            "n_routed_experts 64 4",
            "num_attention_heads 8 4",
            "num_hidden_layers 7 3"
        ]
    );
    assert_eq!(architecture.count("hidden_size"), Some(16));
}

#[test]
fn fused_projections_compare_with_those_apart() {
    let names = |fused: bool| {
        let mut rows = vec![("model.layers.0.self_attn.o_proj.weight", vec![8, 8])];
        if fused {
            rows.push(("model.layers.0.self_attn.qkv_proj.weight", vec![16, 8]));
            rows.push(("model.layers.0.mlp.gate_up_proj.weight", vec![24, 8]));
        } else {
            rows.push(("model.layers.0.self_attn.q_proj.weight", vec![8, 8]));
            rows.push(("model.layers.0.self_attn.k_proj.weight", vec![4, 8]));
            rows.push(("model.layers.0.self_attn.v_proj.weight", vec![4, 8]));
            rows.push(("model.layers.0.mlp.gate_proj.weight", vec![12, 8]));
            rows.push(("model.layers.0.mlp.up_proj.weight", vec![12, 8]));
        }
        let namer = Namer::new(rows.iter().map(|row| row.0), None);
        let meant: Vec<_> = rows
            .into_iter()
            .map(|(name, shape)| (namer.meaning(name, &shape, Dtype::F16), shape))
            .collect();
        describe(None, &meant)
    };
    for (target, base) in [(names(true), names(false)), (names(false), names(true))] {
        let comparison = compare(&target, &base);
        assert_eq!(
            comparison.comparability,
            Comparability::Full,
            "{comparison:?}"
        );
        let rows: Vec<_> = comparison
            .roles
            .iter()
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!(rows, ["dense.gate_up", "o", "qkv"]);
    }
}

#[test]
fn stacked_experts_count_one_by_one_in_either_orientation() {
    let of = |down: &[u64]| {
        let rows = [
            ("model.embed_tokens.weight", vec![50, 8]),
            ("model.layers.0.mlp.experts.down_proj", down.to_vec()),
            ("model.layers.0.mlp.router.weight", vec![4, 8]),
        ];
        let namer = Namer::new(rows.iter().map(|row| row.0), None);
        let meant: Vec<_> = rows
            .into_iter()
            .map(|(n, shape)| (namer.meaning(n, &shape, Dtype::F16), shape))
            .collect();
        describe(None, &meant)
            .role("expert.down")
            .unwrap()
            .shapes
            .clone()
    };
    let expected = vec![Shape {
        axes: vec![8, 3],
        copies: 4,
    }];
    assert_eq!(of(&[4, 3, 8]), expected);
    assert_eq!(of(&[4, 8, 3]), expected);
}

#[test]
fn a_role_of_several_shapes_has_a_row_for_each() {
    let of = |widths: &[u64]| {
        let names: Vec<_> = (0..widths.len())
            .map(|layer| format!("model.layers.{layer}.mlp.up_proj.weight"))
            .collect();
        let namer = Namer::new(names.iter().map(String::as_str), None);
        let meant: Vec<_> = names
            .iter()
            .zip(widths)
            .map(|(name, &width)| (namer.meaning(name, &[width, 8], Dtype::F16), vec![width, 8]))
            .collect();
        describe(None, &meant)
    };
    let comparison = compare(&of(&[16, 16, 24]), &of(&[24, 24]));
    let rows: Vec<_> = comparison
        .roles
        .iter()
        .map(|row| (row.target.as_ref().unwrap().axes[0], row.equal))
        .collect();
    assert_eq!(rows, [(16, false), (24, true)]);
    assert_eq!(comparison.comparability, Comparability::Partial);
    assert_eq!(comparison.share, Some(24.0 / 56.0));
}

#[test]
fn odd_configs_give_less_and_never_a_guess() {
    let of = |value: Value| describe(Some(&config(value)), &[]);
    assert_eq!(of(json!({})).roles, []);
    assert_eq!(
        of(json!({"hidden_size": "4096", "num_hidden_layers": -3, "vocab_size": null, "a": [1]}))
            .roles,
        []
    );
    let huge = of(
        json!({"model_type": "llama", "hidden_size": u64::MAX, "num_hidden_layers": u64::MAX, "vocab_size": u64::MAX,
        "num_attention_heads": u64::MAX, "head_dim": u64::MAX, "intermediate_size": u64::MAX, "num_local_experts": u64::MAX}),
    );
    assert!(
        huge.unknown
            .iter()
            .any(|role| role.missing == "a size that fits 64 bits")
    );
    assert!(compare(&huge, &huge).share.is_some());
    let zero = of(
        json!({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 0, "num_attention_heads": 0, "vocab_size": 0}),
    );
    assert!(compare(&zero, &zero).share.is_none_or(|share| share <= 1.0));
    let nested = of(
        json!({"thinker_config": {"text_config": {"model_type": "qwen2", "hidden_size": 64}, "audio_config": {"d_model": 32}}}),
    );
    assert_eq!(nested.count("hidden_size"), Some(64));
    assert_eq!(nested.count("audio.hidden_size"), Some(32));
    let mut many = small();
    for key in 0..1000 {
        many[format!("unknown_{key}")] = json!({"deep": {"deeper": [key]}});
    }
    assert_eq!(of(many), of(small()));
}

#[test]
fn an_unknown_model_type_is_said_to_be_one() {
    let mut new = small();
    new["model_type"] = json!("a_model_of_tomorrow");
    let architecture = describe(Some(&config(new)), &[]);
    let unknown = Assumption::UnknownLayout {
        model_type: "a_model_of_tomorrow".to_owned(),
    };
    assert_eq!(architecture.assumptions[0], unknown);
    assert!(architecture.role("expert.gate").is_some());
    assert!(architecture.role("norm:pre_attn").is_none());
}
