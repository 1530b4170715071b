//! Metadata of a GGUF file in the words of config.json (guide/formats.md, section 1.4, "Metadata ↔
//! config").

use serde_json::{Map, Value};

use super::{GgufFile, MetaValue, Metadata, TextList};

/// `general.architecture`.
pub(crate) fn architecture(metadata: &Metadata) -> Option<&str> {
    metadata
        .get("general.architecture")
        .and_then(MetaValue::as_text)
}

/// Tokens of the vocabulary in order of their numbers.
pub fn tokens(metadata: &Metadata) -> Option<&TextList> {
    match metadata.get("tokenizer.ggml.tokens") {
        Some(MetaValue::Texts(tokens)) => Some(tokens),
        _ => None,
    }
}

/// Models that the file names as its ancestors (`general.base_model.N`): claims, as
/// "organization/name".
pub fn declared_base(metadata: &Metadata) -> Vec<String> {
    let text = |key: String| {
        metadata
            .get(&key)
            .and_then(MetaValue::as_text)
            .filter(|text| !text.is_empty())
    };
    // A model merged from more than 64 others is not known; the count is the file's word.
    let count = metadata
        .get("general.base_model.count")
        .and_then(MetaValue::as_u64)
        .unwrap_or(0)
        .min(64);
    let one = |at: u64| {
        let key = |part: &str| format!("general.base_model.{at}.{part}");
        if let Some(path) =
            text(key("repo_url")).and_then(|url| url.strip_prefix("https://huggingface.co/"))
        {
            return Some(path.trim_end_matches('/').to_owned());
        }
        let name = text(key("name"))?;
        Some(match text(key("organization")) {
            Some(organization) => format!("{organization}/{name}"),
            None => name.to_owned(),
        })
    };
    (0..count).filter_map(one).collect()
}

/// Counts of one architecture, keyed `ARCH.KEY`.
pub(super) struct Counts<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl<'a> Counts<'a> {
    pub(super) fn new(metadata: &'a Metadata) -> Option<Self> {
        Some(Self {
            metadata,
            architecture: architecture(metadata)?,
        })
    }

    fn value(&self, key: &str) -> Option<&'a MetaValue> {
        self.metadata.get(&format!("{}.{key}", self.architecture))
    }

    /// Whether the key is there.
    pub(super) fn states(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The count; of a count for each layer the one that all layers share, layers of 0 (of another
    /// kind) left out.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            MetaValue::Numbers(list) => {
                let mut counts = list
                    .iter()
                    .filter_map(|number| number.as_u64())
                    .filter(|&count| count > 0);
                let first = counts.next()?;
                counts.all(|count| count == first).then_some(first)
            }
            value => value.as_u64(),
        }
    }

    /// The count that holds for one layer.
    pub(super) fn of_layer(&self, key: &str, layer: usize) -> Option<u64> {
        match self.value(key)? {
            MetaValue::Numbers(list) => list.get(layer)?.as_u64(),
            value => value.as_u64(),
        }
    }

    /// Heads of linear attention (Qwen3-Next), which the keys of state-space models state.
    pub(super) fn linear_heads(&self) -> Option<LinearHeads> {
        let is_linear = matches!(self.architecture, "qwen3next" | "qwen35" | "qwen35moe");
        let positive = |key| self.count(key).filter(|&count| count > 0 && is_linear);
        let values = positive("ssm.time_step_rank")?;
        Some(LinearHeads {
            keys: positive("ssm.group_count")?,
            values,
            key_dim: positive("ssm.state_size")?,
            value_dim: positive("ssm.inner_size")?.checked_div(values)?,
        })
    }

    fn float(&self, key: &str) -> Option<f64> {
        match self.value(key)? {
            // Written as f32: the shortest decimal of it is what config.json said.
            MetaValue::Float(value) => (*value as f32).to_string().parse().ok(),
            _ => None,
        }
    }
}

/// Heads of linear attention.
pub(super) struct LinearHeads {
    /// Key heads, and as many query heads.
    pub(super) keys: u64,
    /// Value heads.
    pub(super) values: u64,
    /// Size of a key head.
    pub(super) key_dim: u64,
    /// Size of a value head.
    pub(super) value_dim: u64,
}

/// Counts that config.json knows under another name.
const COUNTS: [(&str, &str); 24] = [
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("context_length", "max_position_embeddings"),
    ("attention.sliding_window", "sliding_window"),
    ("expert_count", "n_routed_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_count", "n_shared_experts"),
    (
        "expert_shared_feed_forward_length",
        "shared_expert_intermediate_size",
    ),
    ("leading_dense_block_count", "first_k_dense_replace"),
    ("nextn_predict_layers", "num_nextn_predict_layers"),
    ("attention.kv_lora_rank", "kv_lora_rank"),
    ("attention.q_lora_rank", "q_lora_rank"),
    ("ssm.conv_kernel", "conv_kernel"),
    ("ssm.state_size", "state_size"),
    ("ssm.inner_size", "ssm_inner_size"),
    ("ssm.time_step_rank", "time_step_rank"),
    ("ssm.group_count", "n_groups"),
    ("decoder_block_count", "num_decoder_layers"),
    ("full_attention_interval", "full_attention_interval"),
    ("interleave_moe_layer_step", "interleave_moe_layer_step"),
    ("attention.indexer.head_count", "index_n_heads"),
    ("attention.indexer.key_length", "index_head_dim"),
];

/// The object that config.json would be: what the metadata states, and nothing filled in.
///
/// `architectures` is absent, for several classes share one architecture of GGUF; `model_type` is
/// the one that the architecture is usually written from.
pub fn to_config(file: &GgufFile) -> Map<String, Value> {
    let metadata = &file.metadata;
    let mut config = Map::new();
    let Some(counts) = Counts::new(metadata) else {
        return config;
    };
    config.insert("model_type".into(), model_type(&counts).into());
    if let Some(name) = metadata.get("general.name").and_then(MetaValue::as_text) {
        // Whoever wrote the file chose it, and it often names a model that it was made from: a fact
        // to look at, and no name to report under.
        config.insert("name".into(), name.into());
    }
    for (key, name) in COUNTS {
        if let Some(count) = counts.count(key).filter(|&count| count > 0) {
            config.insert(name.into(), count.into());
        }
    }
    if let Some(layers) = counts.count("block_count") {
        let mtp = counts.count("nextn_predict_layers").unwrap_or(0);
        config.insert(
            "num_hidden_layers".into(),
            layers.saturating_sub(mtp).into(),
        );
    }
    insert_head_sizes(&counts, &mut config);
    if let Some(heads) = counts.linear_heads() {
        for (key, value) in [
            ("linear_num_key_heads", heads.keys),
            ("linear_num_value_heads", heads.values),
            ("linear_key_head_dim", heads.key_dim),
            ("linear_value_head_dim", heads.value_dim),
        ] {
            config.insert(key.into(), value.into());
        }
    }
    for (key, name) in [
        ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
        ("attention.layer_norm_epsilon", "layer_norm_eps"),
        ("rope.freq_base", "rope_theta"),
    ] {
        if let Some(value) = counts.float(key) {
            config.insert(name.into(), value.into());
        }
    }
    let rows = |name: &str| {
        file.tensors
            .iter()
            .find(|t| t.name == name)
            .and_then(|t| t.shape.first().copied())
    };
    let embedding = rows("token_embd.weight");
    let listed = tokens(metadata).map(|tokens| tokens.len() as u64);
    if let Some(size) = embedding.or_else(|| counts.count("vocab_size")).or(listed) {
        config.insert("vocab_size".into(), size.into());
    }
    if embedding.is_some() {
        config.insert(
            "tie_word_embeddings".into(),
            rows("output.weight").is_none().into(),
        );
    }
    config
}

/// Head sizes: plain attention has one; with low-rank keys and values, GGUF states those of its
/// merged form.
fn insert_head_sizes(counts: &Counts<'_>, config: &mut Map<String, Value>) {
    let mut insert = |name: &str, value: Option<u64>| {
        if let Some(value) = value {
            config.insert(name.into(), value.into());
        }
    };
    let (keys, values) = (
        counts.count("attention.key_length"),
        counts.count("attention.value_length"),
    );
    if counts.count("attention.kv_lora_rank").is_none() {
        insert(
            "num_key_value_heads",
            counts.count("attention.head_count_kv"),
        );
        insert("head_dim", keys);
        return;
    }
    let (keys, values) = (
        counts.count("attention.key_length_mla").or(keys),
        counts.count("attention.value_length_mla").or(values),
    );
    let rope = counts.count("rope.dimension_count");
    insert("qk_rope_head_dim", rope);
    insert(
        "qk_nope_head_dim",
        keys.zip(rope)
            .and_then(|(keys, rope)| keys.checked_sub(rope)),
    );
    insert("v_head_dim", values);
}

/// `model_type` that an architecture of GGUF is written from, where the two differ by more than
/// punctuation.
fn model_type(counts: &Counts<'_>) -> String {
    let experts = counts.count("expert_count").is_some_and(|count| count > 0);
    let sigmoid_gate = counts.count("expert_gating_func") == Some(2);
    match counts.architecture {
        "llama" if experts => "mixtral",
        "deepseek2" if sigmoid_gate => "deepseek_v3",
        "deepseek2" => "deepseek_v2",
        "qwen2moe" => "qwen2_moe",
        "qwen3moe" => "qwen3_moe",
        "qwen2vl" => "qwen2_vl",
        "qwen3vl" => "qwen3_vl",
        "qwen3vlmoe" => "qwen3_vl_moe",
        "qwen3next" => "qwen3_next",
        "qwen35" => "qwen3_5",
        "qwen35moe" => "qwen3_5_moe",
        "gemma3" => "gemma3_text",
        "gemma-embedding" => "gemma3_text",
        "gptneox" => "gpt_neox",
        "starcoder" => "gpt_bigcode",
        "command-r" => "cohere",
        "glm4moe" => "glm4_moe",
        "granitemoe" => "granitemoe",
        "granitehybrid" => "granitemoehybrid",
        "nomic-bert" => "nomic_bert",
        "modern-bert" => "modernbert",
        "ernie4_5-moe" => "ernie4_5_moe",
        "hunyuan-moe" => "hunyuan_v1_moe",
        "hunyuan-dense" => "hunyuan_v1_dense",
        "lfm2moe" => "lfm2_moe",
        "minimax-m2" => "minimax_m2",
        other => return other.replace('-', "_"),
    }
    .to_owned()
}
