//! What a model type's own code fixes and config.json leaves out: which norms and biases a layer
//! has, which values are the same in every release of the family.
//!
//! A new family is a new row. A model type without a row is read as a decoder of the Llama line
//! without norms and biases, and the report says so.

/// Which projections of attention carry biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Biases {
    /// None.
    None,
    /// q, k, v.
    Qkv,
    /// q, k, v and o.
    All,
    /// q, k, v where `attention_bias` is true.
    QkvByKey,
    /// q, k, v and o where `attention_bias` is true.
    AllByKey,
}

/// Facts of one family.
#[derive(Debug)]
pub(super) struct Family {
    /// Values of `model_type`.
    pub(super) types: &'static [&'static str],
    /// Norms of a layer, by place.
    pub(super) norms: &'static [&'static str],
    /// Norms have a bias beside the gain.
    pub(super) norm_bias: bool,
    /// Biases of attention.
    pub(super) biases: Biases,
    /// q_norm and k_norm over the head's dimension.
    pub(super) qk_norm: bool,
    /// Correction bias of the router.
    pub(super) router_bias: bool,
    /// Bias of the router's projection.
    pub(super) router_linear_bias: bool,
    /// Biases of the experts.
    pub(super) expert_bias: bool,
    /// A gate over the shared expert, [1, hidden].
    pub(super) shared_gate: bool,
    /// Attention sinks, one a head.
    pub(super) sinks: bool,
    /// Feed-forward of two matrices with biases.
    pub(super) plain_mlp: bool,
    /// Learned positions.
    pub(super) positions: bool,
    /// The head is tied where config.json does not say.
    pub(super) tied: bool,
    /// A Linear behind the vision tower's merger.
    pub(super) projector: bool,
    /// Values every release of the family has, used for shapes where config.json lacks the key.
    pub(super) values: &'static [(&'static str, u64)],
}

const PRE: &[&str] = &["pre_attn", "pre_mlp"];
const POST: &[&str] = &["post_attn", "post_mlp"];
const BOTH: &[&str] = &["pre_attn", "post_attn", "pre_mlp", "post_mlp"];

const LLAMA: Family = Family {
    types: &[
        "llama",
        "mistral",
        "mixtral",
        "hyperclovax",
        "ministral",
        "granite",
        "smollm3",
    ],
    norms: PRE,
    norm_bias: false,
    biases: Biases::AllByKey,
    qk_norm: false,
    router_bias: false,
    router_linear_bias: false,
    expert_bias: false,
    shared_gate: false,
    sinks: false,
    plain_mlp: false,
    positions: false,
    tied: false,
    projector: false,
    values: &[],
};

/// Read where no row fits.
pub(super) const UNKNOWN: Family = Family {
    types: &[],
    norms: &[],
    biases: Biases::None,
    ..LLAMA
};

const FAMILIES: &[Family] = &[
    LLAMA,
    Family {
        types: &["solar_open"],
        router_bias: true,
        biases: Biases::QkvByKey,
        ..LLAMA
    },
    Family {
        types: &["glm4_moe"],
        router_bias: true,
        biases: Biases::QkvByKey,
        ..LLAMA
    },
    Family {
        types: &["qwen2"],
        biases: Biases::Qkv,
        ..LLAMA
    },
    Family {
        types: &["qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text"],
        biases: Biases::Qkv,
        values: &[("spatial_merge_size", 2)],
        ..LLAMA
    },
    Family {
        types: &["qwen2_moe"],
        biases: Biases::Qkv,
        shared_gate: true,
        ..LLAMA
    },
    Family {
        types: &["qwen3", "qwen3_moe", "qwen3_vl_text", "qwen3_vl_moe_text"],
        qk_norm: true,
        ..LLAMA
    },
    Family {
        types: &["deepseek_v2"],
        biases: Biases::None,
        ..LLAMA
    },
    Family {
        types: &["deepseek_v3", "kimi_k2"],
        biases: Biases::None,
        router_bias: true,
        ..LLAMA
    },
    Family {
        types: &["AXK1", "axk1"],
        norms: &["pre_attn", "pre_mlp", "post_mlp"],
        biases: Biases::None,
        values: &[
            ("qk_nope_head_dim", 128),
            ("qk_rope_head_dim", 64),
            ("v_head_dim", 128),
        ],
        ..LLAMA
    },
    Family {
        types: &["vaetki"],
        norms: BOTH,
        biases: Biases::None,
        ..LLAMA
    },
    Family {
        types: &["exaone_moe"],
        biases: Biases::None,
        qk_norm: true,
        router_bias: true,
        ..LLAMA
    },
    Family {
        types: &["exaone4"],
        norms: POST,
        biases: Biases::None,
        qk_norm: true,
        ..LLAMA
    },
    Family {
        types: &["phimoe"],
        norm_bias: true,
        biases: Biases::All,
        ..LLAMA
    },
    Family {
        types: &["gpt_oss"],
        biases: Biases::All,
        sinks: true,
        router_linear_bias: true,
        expert_bias: true,
        ..LLAMA
    },
    Family {
        types: &["gemma"],
        tied: true,
        ..LLAMA
    },
    Family {
        types: &["gemma2"],
        norms: BOTH,
        tied: true,
        ..LLAMA
    },
    Family {
        types: &["gemma3", "gemma3_text"],
        norms: BOTH,
        qk_norm: true,
        tied: true,
        ..LLAMA
    },
    Family {
        types: &["glm4"],
        norms: BOTH,
        biases: Biases::QkvByKey,
        ..LLAMA
    },
    Family {
        types: &["phi3"],
        biases: Biases::None,
        ..LLAMA
    },
    Family {
        types: &["gpt2"],
        norm_bias: true,
        biases: Biases::All,
        plain_mlp: true,
        positions: true,
        tied: true,
        ..LLAMA
    },
    Family {
        types: &["gpt_neox"],
        norm_bias: true,
        biases: Biases::All,
        plain_mlp: true,
        ..LLAMA
    },
    Family {
        types: &["vlm"],
        projector: true,
        ..LLAMA
    },
];

/// The row of a model type.
pub(super) fn family(model_type: &str) -> Option<&'static Family> {
    FAMILIES
        .iter()
        .find(|family| family.types.contains(&model_type))
}

impl Family {
    /// A value that every release of the family has.
    pub(super) fn value(&self, key: &str) -> Option<u64> {
        self.values
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    /// Where norms stand, in a word: `pre`, `post`, `pre+post`, or the places.
    pub(super) fn norm_placement(&self) -> Option<String> {
        norm_placement(self.norms)
    }
}

/// Where norms stand: `pre`, `post` or `pre+post`, else the places joined.
pub(super) fn norm_placement(places: &[&str]) -> Option<String> {
    let has =
        |set: &[&str]| set.len() == places.len() && set.iter().all(|place| places.contains(place));
    match places {
        [] => None,
        _ if has(PRE) => Some("pre".into()),
        _ if has(POST) => Some("post".into()),
        _ if has(BOTH) => Some("pre+post".into()),
        _ => Some(places.join("+")),
    }
}
