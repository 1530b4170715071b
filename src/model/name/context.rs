//! What only all names together tell: traits of the naming scheme, stages, prediction layers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::lists::Lists;
use super::path::{Grammar, Half, Path, is_known_word, is_module_word, is_number};
use crate::model::config::Config;
use crate::model::words::Component;

/// Declares the traits, one bit each.
macro_rules! traits {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A property of a naming scheme, seen in one component.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Trait { $($(#[$doc])* $name,)* }
    };
}

traits! {
    /// `post_attention_layernorm` comes after attention, not before the feed-forward.
    OutputNorms,
    /// DeepSeek's own names, low-rank query.
    LowRankQuery,
    /// There are experts.
    Experts,
    /// Qwen-1: `w1` is up, `w2` is the gate.
    SwappedGate,
    /// EXAONE 3: `c_fc_0` is the gate, `c_fc_1` up.
    NumberedGate,
    /// `fc11`, `fc12` and `fc2`.
    Fc12,
    /// Flux: blocks whose projections are two.
    SingleBlocks,
    /// `fc1`, `fc2` and `fc3`.
    Fc13,
    /// Two towers whose outputs are compared.
    Contrastive,
    /// `w12` and `w3`.
    W12,
    /// T5 with `wi_0` and `wi_1`.
    GatedT5,
    /// ChatGLM: `dense_h_to_4h` holds gate and up.
    ChatGlm,
    /// `fc0` and `fc1`.
    FcFromZero,
    /// GGUF: `ffn_up` holds gate and up.
    FusedUp,
    /// GGUF: `ffn_up` is the first matrix of a plain feed-forward.
    PlainUp,
    /// OpenCLIP names.
    OpenClip,
    /// Encoder and decoder.
    TwoHalves,
    /// Layers are numbered within stages.
    Stages,
    /// NomicBERT: a norm behind the embedding.
    EmbeddingNorm,
    /// Falcon in GGUF: `attn_norm` and `attn_norm_2`.
    SecondNorm,
    /// Linear attention in GGUF: `attn_qkv` and `attn_gate` belong to it.
    LinearAttention,
    /// LFM2 in GGUF: `token_embd_norm` is the last norm.
    ShortConvolutions,
    /// Gemma 3n and 4 in GGUF: layers take in an embedding of their own.
    PerLayerInputs,
}

/// Groups of names that share traits: those of a component named by a wrapper word, and those of
/// none.
fn group(hint: Option<Component>) -> usize {
    match hint {
        None => 0,
        Some(Component::Text) => 1,
        Some(Component::Vision) => 2,
        Some(Component::Audio) => 3,
        Some(Component::Projector) => 4,
        Some(Component::Other) => 5,
    }
}
const GROUPS: usize = 6;

/// Words whose presence is asked for.
const MARKS: &[&str] = &[
    "input_layernorm",
    "attn_norm",
    "pre_mlp_layernorm",
    "pre_feedforward_layernorm",
    "ffn_norm",
    "post_feedforward_layernorm",
    "post_ffw_norm",
    "wq_a",
    "experts",
    "w2",
    "w3",
    "c_proj",
    "c_fc_0",
    "fc12",
    "fc3",
    "single_blocks",
    "w12",
    "wi_0",
    "fc0",
    "ffn_up",
    "ffn_gate",
    "resblocks",
    "dense_h_to_4h",
    "self_attention",
    "emb_ln",
    "attn_norm_2",
    "ssm_ba",
    "ssm_beta",
    "shortconv",
    "inp_gate",
];

/// Outside the wrappers, a segment that shows what the unwrapped part is.
const TEXT_MARKS: &[&str] = &[
    "embed_tokens",
    "wte",
    "word_embeddings",
    "embed_in",
    "tok_embeddings",
    "token_embd",
    "token_embedding",
    "shared",
    "lm_head",
    "embed_out",
];
const VISION_MARKS: &[&str] = &[
    "stem",
    "conv_stem",
    "stages",
    "patch_embeds",
    "patch_embed1",
    "patch_embed",
    "patch_embeddings",
    "patch_embedding",
    "patch_conv",
    "cls_token",
    "embeds",
];
const ATTENTION_MARKS: &[&str] = &[
    "self_attn",
    "q_proj",
    "c_attn",
    "query_key_value",
    "attention",
    "wq",
    "attn_q",
    "q_lin",
    "double_blocks",
    "single_blocks",
    "joint_blocks",
];
const AUDIO_MARKS: &[&str] = &[
    "pos_conv_embed",
    "subsampling",
    "subsample",
    "subsampling_conv",
    "pointwise_conv1",
    "feature_projection",
];
const CONVOLUTION_MARKS: &[&str] = &["running_mean", "convolution"];

/// Segments that only multi-token-prediction layers have.
const MTP_MARKS: &[&str] = &["enorm", "hnorm", "eh_proj", "nextn", "shared_head"];

/// What is seen in names that have no wrapper word for their component.
#[derive(Debug, Default)]
struct BareNames {
    /// An embedding of tokens or an output head: only text has these.
    tokens: bool,
    /// An embedding of patches or a class token: only a vision tower has these.
    patches: bool,
    /// Attention, which text and vision have; bare and without patches it is text.
    attention: bool,
    /// Running statistics of a convolutional network; transformers have none.
    convolutions: bool,
    /// A front end for sound: what has it and no embedding of tokens, a head at most, is audio.
    sound: bool,
    /// An embedding of tokens.
    embedding: bool,
    /// A numbered layer, which most likely is one of a language model.
    layers: bool,
    /// Any name.
    any: bool,
}

impl BareNames {
    fn see(&mut self, segment: &str) {
        self.tokens |= TEXT_MARKS.contains(&segment);
        self.embedding |=
            TEXT_MARKS.contains(&segment) && !matches!(segment, "lm_head" | "embed_out");
        self.sound |= AUDIO_MARKS.contains(&segment);
        self.patches |= VISION_MARKS.contains(&segment);
        self.attention |= ATTENTION_MARKS.contains(&segment);
        self.convolutions |= CONVOLUTION_MARKS.contains(&segment);
    }

    /// The component that they are of, by the strongest sign first. `taken_in` is what the
    /// config.json says that a model without tokens takes in.
    fn component(&self, taken_in: Option<Component>) -> Option<Component> {
        if let Some(component) = taken_in
            && !self.tokens
        {
            return Some(component);
        }
        let signs = [
            (self.sound && !self.embedding, Component::Audio),
            (self.tokens, Component::Text),
            (self.patches, Component::Vision),
            (self.attention, Component::Text),
            (self.convolutions, Component::Vision),
            (self.layers, Component::Text),
        ];
        let mut seen = signs.into_iter().filter(|(is_seen, _)| *is_seen);
        seen.next().map(|(_, component)| component)
    }
}

/// What the names of a checkpoint tell together.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) grammar: Grammar,
    pub(super) lists: Lists,
    traits: [u32; GROUPS],
    /// First running layer number of each stage.
    stages: BTreeMap<(usize, u32), Option<u32>>,
    /// First running layer number of each stack of layers, by what its names have in front.
    stacks: BTreeMap<(usize, String), Option<u32>>,
    /// Component of names without a wrapper word that names one.
    pub(super) default: Option<Component>,
    mtp_layers: BTreeSet<u32>,
    /// Layer numbers of prediction layers by config.json.
    mtp_range: std::ops::Range<u32>,
}

impl Context {
    pub(super) fn new(names: &[&str], config: Option<&Config>) -> Self {
        let grammar = grammar(names, config);
        let mut context = Self {
            grammar,
            lists: Lists::new(names, grammar.skip),
            ..Self::default()
        };
        let mut seen = [0u32; GROUPS];
        let mut halves = [0u8; GROUPS];
        let mut swapped = [false; GROUPS];
        let mut bare = BareNames::default();
        let mut hinted = BTreeSet::new();
        let mut last_of_stage: BTreeMap<(usize, u32), u32> = BTreeMap::new();
        let mut last_of_stack: BTreeMap<(usize, String), u32> = BTreeMap::new();
        let mut known = HashSet::new();
        for name in names {
            let path = Path::new(name, context.grammar, &context.lists);
            let at = group(path.hint);
            hinted.extend(path.hint);
            bare.any |= path.hint.is_none();
            // Numbers mark nothing.
            let words = name.split('.').filter(|segment| !is_number(segment));
            for segment in words.filter(|segment| known.insert((at, *segment))) {
                if let Some(mark) = MARKS.iter().position(|word| *word == segment) {
                    seen[at] |= 1 << mark;
                }
                if path.hint.is_none() {
                    bare.see(segment);
                }
            }
            swapped[at] |= path.modules.ends_with(&["mlp", "w2"]);
            halves[at] |= match path.half {
                Some(Half::Encoder) => 1,
                Some(Half::Decoder) => 2,
                None => 0,
            };
            if let Some(depth) = path.depth {
                bare.layers |= path.hint.is_none() && !path.is_loose;
                if let Some(stage) = depth.stage {
                    let last = last_of_stage.entry((at, stage)).or_default();
                    *last = depth.layer.max(*last);
                } else if !path.mtp {
                    let last = last_of_stack.entry((at, path.kept.join("."))).or_default();
                    *last = depth.layer.max(*last);
                }
                let text = matches!(path.hint, None | Some(Component::Text));
                if text && !path.mtp && path.modules.iter().any(|s| MTP_MARKS.contains(s)) {
                    context.mtp_layers.insert(depth.layer);
                }
            }
        }
        // Where every name has a wrapper word, the one component that they name; a projector joins
        // others.
        let has_text = hinted.contains(&Component::Text);
        if hinted.len() == 2 {
            hinted.remove(&Component::Projector);
        }
        let only_hinted = hinted.first().filter(|_| hinted.len() == 1);
        let taken_in = config.and_then(|config| config.taken_in(has_text));
        let taken_in = taken_in.filter(|_| bare.any);
        context.default = bare.component(taken_in).or(only_hinted.copied());
        // Text that some names say a word of and others none is one model: its halves are, too.
        if context.default == Some(Component::Text) {
            let [bare, text] = [None, Some(Component::Text)].map(group);
            let both = halves[bare] | halves[text];
            (halves[bare], halves[text]) = (both, both);
        }
        let is_scale = |name: &&str| name.rsplit('.').next() == Some("logit_scale");
        let contrastive = u32::from(names.iter().any(is_scale)) << Trait::Contrastive as u32;
        let model_type = config.and_then(Config::model_type).unwrap_or("");
        for at in 0..GROUPS {
            context.traits[at] =
                traits(seen[at], halves[at], swapped[at], model_type) | contrastive;
        }
        context.number_stages(&last_of_stage);
        context.number_stacks(&last_of_stack);
        if let Some(config) = config
            && let (Some(layers), Some(extra)) = (config.layer_count(), config.prediction_layers())
        {
            context.mtp_range = layers..layers.saturating_add(extra);
        }
        context
    }

    /// Numbers layers on from stage to stage: the first of a stage follows the last of the one
    /// before.
    fn number_stages(&mut self, last_of_stage: &BTreeMap<(usize, u32), u32>) {
        let (mut component, mut next) = (usize::MAX, Some(0u32));
        for (&(at, stage), &last) in last_of_stage {
            if component != at {
                (component, next) = (at, Some(0));
            }
            self.traits[at] |= 1 << Trait::Stages as u32;
            self.stages.insert((at, stage), next);
            next = next.and_then(|first| first.checked_add(last)?.checked_add(1));
        }
    }

    /// Numbers layers on from stack to stack of a component: the double and the single blocks of a
    /// diffusion transformer, the blocks of each level of a U-Net. The stack with nothing in front
    /// comes first, the others by name.
    fn number_stacks(&mut self, last_of_stack: &BTreeMap<(usize, String), u32>) {
        let (mut component, mut next) = (usize::MAX, Some(0u32));
        for (&(at, ref stack), &last) in last_of_stack {
            if component != at {
                (component, next) = (at, Some(0));
            }
            let is_staged = self.traits[at] & 1 << Trait::Stages as u32 != 0;
            let start = if is_staged { Some(0) } else { next };
            self.stacks.insert((at, stack.clone()), start);
            next = next.and_then(|first| first.checked_add(last)?.checked_add(1));
        }
    }

    /// Running number of the first layer of the stack that a name is in.
    pub(super) fn stack_start(&self, path: &Path<'_>) -> Option<u32> {
        if self.stacks.len() <= 1 || path.mtp {
            return Some(0);
        }
        let stack = (group(path.hint), path.kept.join("."));
        self.stacks.get(&stack).copied().flatten()
    }

    /// Whether the names of that component show the trait.
    pub(super) fn has(&self, hint: Option<Component>, wanted: Trait) -> bool {
        self.traits[group(hint)] & 1 << wanted as u32 != 0
    }

    /// Running number of the first layer of a stage.
    pub(super) fn stage_start(&self, hint: Option<Component>, stage: u32) -> Option<u32> {
        self.stages.get(&(group(hint), stage)).copied().flatten()
    }

    /// Number among the prediction layers, where `layer` is one.
    pub(super) fn prediction_layer(&self, layer: u32) -> Option<u32> {
        let first = self
            .mtp_layers
            .first()
            .copied()
            .or((!self.mtp_range.is_empty()).then_some(self.mtp_range.start))?;
        let is_one = self.mtp_layers.contains(&layer) || self.mtp_range.contains(&layer);
        is_one.then(|| layer.saturating_sub(first))
    }
}

fn traits(seen: u32, halves: u8, swapped: bool, model_type: &str) -> u32 {
    let has = |word: &str| {
        MARKS
            .iter()
            .position(|mark| *mark == word)
            .is_some_and(|bit| seen & 1 << bit != 0)
    };
    let before = has("input_layernorm") || has("attn_norm");
    let after = has("post_feedforward_layernorm") || has("post_ffw_norm");
    let before_mlp =
        has("pre_mlp_layernorm") || has("pre_feedforward_layernorm") || has("ffn_norm");
    let fused = matches!(model_type, "phi3" | "glm4" | "chatglm");
    let plain = has("ffn_up") && !has("ffn_gate");
    // Their own names are up and down, too.
    let ungated = ["nemotron", "mpt", "apertus", "arcee", "jais2"]
        .iter()
        .any(|name| model_type.starts_with(name));
    [
        (Trait::OutputNorms, before_mlp || (after && !before)),
        (Trait::LowRankQuery, has("wq_a")),
        (Trait::Experts, has("experts")),
        (Trait::SwappedGate, swapped && has("c_proj") && !has("w3")),
        (Trait::NumberedGate, has("c_fc_0")),
        (Trait::Fc12, has("fc12")),
        (Trait::Fc13, has("fc3")),
        (Trait::SingleBlocks, has("single_blocks")),
        (Trait::W12, has("w12")),
        (Trait::GatedT5, has("wi_0")),
        (
            Trait::ChatGlm,
            halves == 1 && has("dense_h_to_4h") && has("self_attention"),
        ),
        (Trait::FcFromZero, has("fc0")),
        (Trait::FusedUp, plain && fused),
        (Trait::PlainUp, plain && !fused && !ungated),
        (Trait::OpenClip, has("resblocks")),
        (Trait::TwoHalves, halves == 3),
        (Trait::EmbeddingNorm, has("emb_ln")),
        (Trait::SecondNorm, has("attn_norm_2")),
        (Trait::LinearAttention, has("ssm_ba") || has("ssm_beta")),
        (Trait::ShortConvolutions, has("shortconv")),
        (Trait::PerLayerInputs, has("inp_gate")),
    ]
    .into_iter()
    .filter(|(_, holds)| *holds)
    .fold(0, |bits, (name, _)| bits | 1 << name as u32)
}

/// Whether a name is that of an encoder's own embedding of tokens.
fn embeds_tokens_in_encoder(name: &str) -> bool {
    let mut words = name.split('.').skip_while(|word| *word != "encoder");
    words.any(|word| TEXT_MARKS.contains(&word))
}

/// The grammar of these names: GGUF or not, a common prefix without meaning, Whisper's encoder.
fn grammar(names: &[&str], config: Option<&Config>) -> Grammar {
    let gguf = names.iter().any(|name| {
        ["blk.", "v.blk.", "a.blk.", "enc.blk.", "dec.blk."]
            .iter()
            .any(|start| name.starts_with(start))
    });
    let audio_encoder = names.iter().any(|name| {
        let at = name.find("encoder.conv1.");
        let has_front_end = || {
            let mut words = name.split('.').skip_while(|word| *word != "encoder");
            words.any(|word| AUDIO_MARKS.contains(&word))
        };
        at.is_some_and(|at| matches!(&name[..at], "" | "model.")) || has_front_end()
    });
    let audio_encoder = audio_encoder || {
        let takes_in_sound = config.is_some_and(Config::takes_in_sound);
        takes_in_sound && !names.iter().any(|name| embeds_tokens_in_encoder(name))
    };
    let mut grammar = Grammar {
        skip: 0,
        gguf,
        audio_encoder,
    };
    let Some((first, others)) = names.split_first() else {
        return grammar;
    };
    // Two segments stay, so that no module or leaf is taken for a prefix.
    let common = |at: usize, word: &str| others.iter().all(|n| n.split('.').nth(at) == Some(word));
    let room = names
        .iter()
        .map(|n| n.split('.').take(8).count())
        .min()
        .unwrap_or(0)
        .saturating_sub(2);
    if !others.is_empty() {
        let words = first.split('.').take(room).enumerate();
        let is_prefix = |&(at, word): &(usize, &str)| {
            !is_known_word(word) && !is_module_word(word) && common(at, word)
        };
        grammar.skip = words.take_while(is_prefix).count();
    }
    grammar
}
