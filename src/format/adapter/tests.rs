//! Adapters as PEFT names them.

use serde_json::json;

use super::*;
use crate::model::dtype::Dtype;

fn tensor(name: &str, shape: &[u64]) -> TensorInfo {
    let bytes = 4 * shape.iter().product::<u64>();
    TensorInfo {
        name: name.to_owned(),
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        file: 0,
        offset: 0,
        bytes,
    }
}

fn parse(config: Value, tensors: &[TensorInfo]) -> Result<Adapter> {
    parse_adapter(
        (Path::new("config"), config.as_object().unwrap()),
        (Path::new("weights"), tensors),
    )
}

/// A and B of the module `path` with that rank, (out, in) = (8, 6).
fn pair(path: &str, rank: u64) -> [TensorInfo; 2] {
    [
        tensor(
            &format!("base_model.model.{path}.lora_A.weight"),
            &[rank, 6],
        ),
        tensor(
            &format!("base_model.model.{path}.lora_B.weight"),
            &[8, rank],
        ),
    ]
}

#[test]
fn rank_comes_from_the_tensors_and_scale_from_the_config() {
    let tensors = [
        pair("model.layers.0.self_attn.q_proj", 4),
        pair("model.layers.0.self_attn.v_proj", 16),
    ]
    .concat();
    let config = json!({
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "org/base", "task_type": "CAUSAL_LM",
        "rank_pattern": { "v_proj": 16 }, "alpha_pattern": { "self_attn.v_proj": 32 },
    });
    let adapter = parse(config, &tensors).unwrap();
    let facts: Vec<_> = adapter
        .modules
        .iter()
        .map(|m| (m.module.as_str(), m.form, m.rank, m.alpha, m.scale))
        .collect();
    assert_eq!(
        facts,
        [
            ("model.layers.0.self_attn.q_proj", Form::Linear, 4, 8.0, 2.0),
            (
                "model.layers.0.self_attn.v_proj",
                Form::Linear,
                16,
                32.0,
                2.0
            ),
        ]
    );
    assert_eq!((adapter.modules[1].a, adapter.modules[1].b), (2, 3));
    assert_eq!(adapter.declared_base.as_deref(), Some("org/base"));
    assert_eq!((adapter.warnings, adapter.replaced), (vec![], vec![]));
}

#[test]
fn rslora_divides_by_the_root_and_a_pattern_fits_whole_names() {
    let config = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": true, "alpha_pattern": { "proj": 1 } });
    assert_eq!(
        parse(config, &pair("a.q_proj", 4)).unwrap().modules[0].scale,
        4.0
    );
}

#[test]
fn patterns_are_regular_expressions_of_the_end_of_a_path() {
    let tensors = [0, 1, 11]
        .map(|layer| pair(&format!("model.layers.{layer}.mlp.up_proj"), 4))
        .concat();
    let alphas = |pattern: &str| {
        let config = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "alpha_pattern": { pattern: 2 } });
        let adapter = parse(config, &tensors).unwrap();
        let alphas: Vec<f64> = adapter.modules.iter().map(|module| module.alpha).collect();
        (alphas, adapter.warnings.len())
    };
    assert_eq!(
        alphas(r"layers\.(0|11)\.mlp\.up_proj"),
        (vec![2.0, 8.0, 2.0], 0)
    );
    assert_eq!(alphas(r"layers\.\d\..*"), (vec![2.0, 2.0, 8.0], 0));
    assert_eq!(
        alphas("^model.layers.1.mlp.up_proj"),
        (vec![8.0, 2.0, 8.0], 0)
    );
    assert_eq!(alphas("^layers.1.mlp.up_proj"), (vec![8.0, 8.0, 8.0], 0));
    assert_eq!(alphas("p_proj|q_proj"), (vec![8.0, 8.0, 8.0], 0));
    // Python has more than finite automata.
    for unread in [r"(?<=up)_proj", "(", &"(a{1,99}){1,99}".repeat(9)] {
        assert_eq!(alphas(unread), (vec![8.0, 8.0, 8.0], 1), "{unread}");
    }
}

#[test]
fn embeddings_and_conv1d_are_transposed_and_saved_modules_replace() {
    let tensors = [
        tensor("base_model.model.embed.lora_embedding_A", &[2, 100]),
        tensor("base_model.model.embed.lora_embedding_B", &[8, 2]),
        tensor("base_model.model.embed.base_layer.weight", &[100, 8]),
        tensor("base_model.model.lm_head.weight", &[100, 8]),
        tensor("base_model.model.h.0.attn.c_attn.lora_A.weight", &[2, 8]),
        tensor("base_model.model.h.0.attn.c_attn.lora_B.weight", &[24, 2]),
        tensor("base_model.model.h.0.attn.c_attn.lora_B.bias", &[24]),
        tensor(
            "base_model.model.h.0.attn.c_attn.lora_magnitude_vector",
            &[24],
        ),
    ];
    let config = json!({ "peft_type": "LORA", "r": 2, "lora_alpha": 2, "fan_in_fan_out": true, "use_dora": true });
    let adapter = parse(config, &tensors).unwrap();
    let facts: Vec<_> = adapter
        .modules
        .iter()
        .map(|m| (m.module.as_str(), m.form, m.magnitude, m.bias))
        .collect();
    assert_eq!(
        facts,
        [
            ("embed", Form::Embedding, None, None),
            ("h.0.attn.c_attn", Form::Transposed, Some(7), Some(6))
        ]
    );
    assert_eq!(adapter.replaced, [("lm_head.weight".to_owned(), 3)]);
    assert_eq!(adapter.base_layers, [("embed.weight".to_owned(), 2)]);
}

#[test]
fn stacks_of_experts_have_the_rank_of_all_experts() {
    let config = json!({
        "peft_type": "LORA", "r": 4, "lora_alpha": 8,
        "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    });
    let tensors = [
        pair("model.layers.0.mlp.experts", 12),
        pair("model.layers.0.mlp.experts.base_layer", 12),
    ]
    .concat();
    let adapter = parse(config, &tensors).unwrap();
    let facts: Vec<_> = adapter
        .modules
        .iter()
        .map(|m| (m.parameters[0].as_str(), m.form, m.rank, m.experts, m.scale))
        .collect();
    assert_eq!(
        facts,
        [
            (
                "model.layers.0.mlp.experts.down_proj",
                Form::Experts,
                4,
                3,
                2.0
            ),
            (
                "model.layers.0.mlp.experts.gate_up_proj",
                Form::Experts,
                4,
                3,
                2.0
            ),
        ]
    );
}

#[test]
fn rows_of_single_tokens_are_told_and_replace_nothing() {
    let rows = tensor(
        "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta",
        &[3, 8],
    );
    let config = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "trainable_token_indices": [1, 2, 3] });
    for tensors in [
        vec![rows.clone()],
        [pair("q", 4).as_slice(), &[rows]].concat(),
    ] {
        let adapter = parse(config.clone(), &tensors).unwrap();
        assert_eq!(
            (adapter.replaced.len(), adapter.warnings[0].code()),
            (0, "adapter_tokens")
        );
    }
}

#[test]
fn adapters_that_contradict_themselves_are_refused() {
    let lora = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8 });
    let error = |config: &Value, tensors: &[TensorInfo]| {
        parse(config.clone(), tensors).unwrap_err().to_string()
    };
    let sound = pair("q", 4);
    assert!(error(&json!({ "peft_type": "LOKR" }), &sound).contains("\"LOKR\" (expected LORA)"));
    assert!(error(&json!({}), &sound).contains("no peft_type"));
    assert!(error(&json!({ "peft_type": "LORA", "r": 4 }), &sound).contains("no lora_alpha"));
    assert!(
        error(&json!({ "peft_type": "LORA", "lora_alpha": "8" }), &sound).contains("no lora_alpha")
    );
    assert!(error(&lora, &sound[..1]).contains("has an A and no B"));
    assert!(error(&lora, &sound[1..]).contains("has a B and no A"));
    assert!(error(&lora, &[]).contains("without any tensor"));
    let mixed = [sound[0].clone(), pair("q", 5)[1].clone()];
    assert!(error(&lora, &mixed).contains("A of rank 4 and B of rank 5"));
    let magnitude = tensor("base_model.model.q.lora_magnitude_vector", &[6]);
    assert!(
        error(&lora, &[sound.as_slice(), &[magnitude]].concat())
            .contains("magnitudes of shape [6]")
    );
    let flat = [tensor("q.lora_A.weight", &[24]), sound[1].clone()];
    assert!(error(&lora, &flat).contains("expected two axes each"));
    assert_eq!(
        parse(lora, &pair("q", 5)).unwrap().warnings,
        [Warning::AdapterConfig(AdapterSetting::OtherRank {
            declared: 4,
            module: "q".to_owned(),
            rank: 5,
        })]
    );
}
