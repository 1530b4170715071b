//! The words of the contract for tensors: component, block, role, class (guide/contract.md, section
//! 2).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares an enum whose variants have one fixed lower-case word each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The word of the contract.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.word()) }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> { s.serialize_str(self.word()) }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let words: Vec<&str> = Self::ALL.iter().map(|value| value.word()).collect();
                schemars::json_schema!({ "type": "string", "enum": words })
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
                let word = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(d)?;
                let found = Self::ALL.iter().find(|value| value.word() == word);
                found.copied().ok_or_else(|| {
                    serde::de::Error::custom(format_args!(
                        "{} is not a word of {}",
                        $crate::error::quoted(&word),
                        stringify!($name)
                    ))
                })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The part of a model that has an architecture of its own.
    Component {
        /// Text decoder or encoder.
        Text = "text",
        /// Vision tower, its own merger included.
        Vision = "vision",
        /// Audio tower.
        Audio = "audio",
        /// What joins a tower to the text part.
        Projector = "projector",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What a tensor does in its block.
    Role {
        /// Token embedding.
        Embed = "embed",
        /// Position embedding.
        PosEmbed = "pos_embed",
        /// Query projection.
        Q = "q",
        /// Key projection.
        K = "k",
        /// Value projection.
        V = "v",
        /// Attention output projection.
        O = "o",
        /// Fused query, key and value.
        Qkv = "qkv",
        /// Low-rank query, down.
        QA = "q_a",
        /// Low-rank query, up.
        QB = "q_b",
        /// Low-rank key and value, down.
        KvA = "kv_a",
        /// Low-rank key and value, up.
        KvB = "kv_b",
        /// Gate of a gated feed-forward.
        Gate = "gate",
        /// Up projection of a gated feed-forward.
        Up = "up",
        /// Down projection of a gated feed-forward.
        Down = "down",
        /// Fused gate and up.
        GateUp = "gate_up",
        /// First matrix of a plain feed-forward.
        Fc1 = "fc1",
        /// Second matrix of a plain feed-forward.
        Fc2 = "fc2",
        /// Router of a mixture of experts.
        Router = "router",
        /// Correction bias of a router.
        RouterBias = "router_bias",
        /// Patch embedding of a vision tower.
        PatchEmbed = "patch_embed",
        /// Convolution.
        Conv = "conv",
        /// Linear layer of no narrower role.
        Linear = "linear",
        /// Gain or bias of a normalisation.
        Norm = "norm",
        /// Gain of the query normalisation.
        QNorm = "q_norm",
        /// Gain of the key normalisation.
        KNorm = "k_norm",
        /// Bias of a projection.
        Bias = "bias",
        /// Output head.
        LmHead = "lm_head",
        /// State-space or linear-attention tensor.
        Ssm = "ssm",
        /// Projector between components.
        Projector = "projector",
        /// Buffer: computed, counted or averaged, not trained by gradient.
        Buffer = "buffer",
        /// Unknown.
        Other = "other",
    }
}

words! {
    /// How a tensor counts as evidence.
    Class {
        /// At least two axes longer than 1.
        Matrix = "matrix",
        /// Gain or bias of a normalisation.
        Norm = "norm",
        /// Every other one-axis tensor and scalars.
        Vector = "vector",
        /// Constants, deterministic buffers, index tables.
        Uninformative = "uninformative",
    }
}

/// Place of a tensor in the depth of its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// Before the first layer.
    Embedding,
    /// Layer of this index.
    Layer(u32),
    /// Last norm and output head.
    Final,
    /// Multi-token-prediction layers after the last.
    Mtp,
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedding => f.write_str("embedding"),
            Self::Layer(layer) => write!(f, "layer {layer}"),
            Self::Final => f.write_str("final"),
            Self::Mtp => f.write_str("mtp"),
        }
    }
}

impl schemars::JsonSchema for Block {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Block".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = "^(embedding|layer [0-9]+|final|mtp)$";
        schemars::json_schema!({ "type": "string", "pattern": pattern })
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let word = String::deserialize(reader)?;
        let layer = word.strip_prefix("layer ").and_then(|n| n.parse().ok());
        let known = [Self::Embedding, Self::Final, Self::Mtp];
        let mut all = known.into_iter().chain(layer.map(Self::Layer));
        all.find(|block| block.to_string() == word).ok_or_else(|| {
            let shown = crate::error::quoted(&word);
            serde::de::Error::custom(format_args!("{shown} is not a word of Block"))
        })
    }
}
