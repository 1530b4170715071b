//! Tensor name to meaning: component, block, layer, role, expert, class, and a slot that does not
//! depend on the naming scheme.
//!
//! In: all names of a checkpoint (some names mean one thing or another by what stands beside them)
//! and config.json. The table of patterns is in `rules`; an unknown name has role `other` and is
//! compared all the same.

mod context;
#[cfg(test)]
mod families;
mod lists;
mod path;
mod rules;
#[cfg(test)]
mod tests;
mod wrapper;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rayon::prelude::*;

use self::context::{Context, Trait};
use self::path::{Half, Leaf, Path, is_module_word, is_number};
use self::rules::{Rule, When};
use super::config::Config;
use super::dtype::{Dtype, Kind};
use super::words::{Block, Class, Component, Role};

pub(crate) use wrapper::{is_adapter_factor, unwrapped};

/// What a tensor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// Part of the model.
    pub component: Component,
    /// Place in the depth of the component.
    pub block: Option<Block>,
    /// Layer index; `None` outside the layers and in prediction layers.
    pub layer: Option<u32>,
    /// What it does.
    pub role: Role,
    /// Index of the routed expert it belongs to.
    pub expert: Option<u32>,
    /// Whether it belongs to a shared expert.
    pub shared_expert: bool,
    /// Name inside the block, the same in every naming scheme: `q.weight`, `norm:pre_mlp.weight`,
    /// `experts.gate_up.weight` (all experts in one tensor). Component, block, layer, expert,
    /// shared_expert and slot together name one tensor of a checkpoint.
    pub slot: Arc<str>,
    /// How it counts as evidence, by role, shape and dtype; constants show only in values.
    pub class: Class,
}

/// Reads tensor names of one checkpoint.
#[derive(Debug)]
pub(crate) struct Namer {
    context: Context,
    /// Stems with running statistics beside them, by hash.
    normalizations: HashSet<u64>,
    /// Places that two names would share, by hash: there the slot is the whole name.
    crowded: HashSet<u64>,
    /// What the names say, in their order, without what shapes and dtypes say.
    read: Vec<(Meaning, Open)>,
}

/// What shape and dtype still have to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// `attn.bias`: a causal mask or the bias of a projection.
    MaskOrBias,
    /// No row of the tables matched.
    Role {
        bias: bool,
        /// A `weight` that is none of a stack of experts: with three axes and more it is a kernel.
        kernel: bool,
        /// A `weight` of a step in a sequence of modules: with two axes it is a linear layer.
        step: bool,
    },
}

impl Namer {
    /// Looks at all `names` of a checkpoint. Give every name, also of tensors that a filter leaves
    /// out.
    pub(crate) fn new<'a>(
        names: impl IntoIterator<Item = &'a str>,
        config: Option<&Config>,
    ) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let statistics = names.iter().filter_map(|name| {
            let (stem, last) = name.rsplit_once('.')?;
            matches!(last, "running_mean" | "running_var").then(|| hash(stem))
        });
        let normalizations = statistics.collect();
        let context = Context::new(&names, config);
        let mut namer = Self {
            context,
            normalizations,
            crowded: HashSet::new(),
            read: Vec::new(),
        };
        namer.read = names.par_iter().map(|name| namer.read(name)).collect();
        let own = namer.read.par_iter().map(|(meaning, _)| place(meaning));
        let mut own: Vec<u64> = own.collect();
        own.sort_unstable();
        if own.windows(2).all(|pair| pair[0] != pair[1]) {
            return namer;
        }
        let read = names.par_iter().zip(&namer.read);
        let places = read.map(|(name, (meaning, _))| places(name, meaning.clone()));
        let mut all: Vec<[u64; 2]> = places.collect();
        all.sort_unstable();
        all.dedup();
        // A whole name may be the slot of another tensor, which then needs its own whole name too.
        let mut known = None;
        while known != Some(namer.crowded.len()) {
            known = Some(namer.crowded.len());
            let taken = |[own, whole]: [u64; 2]| {
                if namer.crowded.contains(&own) {
                    whole
                } else {
                    own
                }
            };
            let mut places: Vec<(u64, u64)> =
                all.iter().map(|&both| (taken(both), both[0])).collect();
            places.sort_unstable();
            let shared = places.windows(2).filter(|pair| pair[0].0 == pair[1].0);
            let crowded: Vec<u64> = shared.flat_map(|pair| [pair[0].1, pair[1].1]).collect();
            namer.crowded.extend(crowded);
        }
        namer
    }

    /// Meaning of the tensor `name` of logical `shape`.
    pub(crate) fn meaning(&self, name: &str, shape: &[u64], dtype: Dtype) -> Meaning {
        self.with_shape(self.read(name), name, shape, dtype)
    }

    /// The same of the name that was given as number `at`.
    pub(crate) fn meaning_at(&self, at: usize, name: &str, shape: &[u64], dtype: Dtype) -> Meaning {
        match self.read.get(at) {
            Some(read) => self.with_shape(read.clone(), name, shape, dtype),
            None => self.meaning(name, shape, dtype),
        }
    }

    fn with_shape(
        &self,
        (mut meaning, open): (Meaning, Open),
        name: &str,
        shape: &[u64],
        dtype: Dtype,
    ) -> Meaning {
        if !self.crowded.is_empty() && self.crowded.contains(&place(&meaning)) {
            meaning.slot = name.into();
        }
        let wide_axes = shape.iter().filter(|&&axis| axis > 1).count();
        // Codes of 8 bits under the name of a weight are one up to a scale.
        let is_codes = matches!(dtype, Dtype::I8 | Dtype::U8) && wide_axes >= 2;
        let is_codes = is_codes && (name.ends_with("weight") || name.ends_with("kernel"));
        let is_table = !is_codes && matches!(dtype.kind(), Kind::Integer | Kind::Boolean);
        meaning.role = match (open, meaning.role) {
            (Open::MaskOrBias, _) if shape.len() >= 2 || is_table => Role::Buffer,
            (Open::MaskOrBias, _) => Role::Bias,
            (Open::Role { .. }, Role::Norm) if wide_axes >= 2 => Role::Other,
            (Open::Role { bias: false, .. }, Role::Other) if shape.len() == 4 => Role::Conv,
            (Open::Role { kernel: true, .. }, Role::Other) if shape.len() >= 3 => Role::Conv,
            (Open::Role { step: true, .. }, Role::Other) if wide_axes == 2 => Role::Linear,
            (Open::Role { bias: true, .. }, Role::Other) if shape.len() <= 1 => Role::Bias,
            (_, role) => role,
        };
        let is_average =
            meaning.slot.ends_with("running_mean") || meaning.slot.ends_with("running_var");
        meaning.class = match meaning.role {
            _ if is_table => Class::Uninformative,
            Role::Buffer if is_average => Class::Vector,
            Role::Buffer => Class::Uninformative,
            Role::Norm | Role::QNorm | Role::KNorm => Class::Norm,
            _ if wide_axes >= 2 => Class::Matrix,
            _ => Class::Vector,
        };
        meaning
    }

    /// Everything but the class.
    fn read(&self, name: &str) -> (Meaning, Open) {
        let mut path = Path::new(name, self.context.grammar, &self.context.lists);
        let component = path
            .hint
            .or(self.context.default)
            .unwrap_or(Component::Other);
        if path.depth.is_some_and(|depth| depth.stage.is_none())
            && path.is_stage_child
            && self.context.has(path.hint, Trait::Stages)
        {
            path.leave_stage();
        }
        let mut prediction = path.mtp.then(|| path.depth.map_or(0, |depth| depth.layer));
        if component == Component::Text && prediction.is_none() {
            prediction = path
                .depth
                .and_then(|depth| self.context.prediction_layer(depth.layer));
        }
        let mut rule = None;
        if !is_buffer(&path) {
            rule = self.find(&mut path, component, prediction.is_some());
        }
        if self.has_statistics(name) {
            // A number in a feed-forward may be its normalisation: FasterNet's `mlp.1`.
            let is_norm = |role| matches!(role, Role::Norm | Role::QNorm | Role::KNorm);
            rule = rule.filter(|rule| is_norm(rule.role));
        }
        let layer = path.depth.and_then(|depth| match depth.stage {
            Some(stage) => self
                .context
                .stage_start(path.hint, stage)?
                .checked_add(depth.layer),
            None => self.context.stack_start(&path)?.checked_add(depth.layer),
        });
        if path.overflow || (path.depth.is_some() && layer.is_none()) {
            return (unknown(component, name), Open::Nothing);
        }
        let (role, open) = match rule {
            _ if is_buffer(&path) => (Role::Buffer, Open::Nothing),
            Some(rule) => (role_of(rule, path.leaf), Open::Nothing),
            None => self.guess(&path, component, name),
        };
        let block = match (prediction, layer, rule) {
            (Some(_), ..) => Some(Block::Mtp),
            (None, Some(layer), _) => Some(Block::Layer(layer)),
            (None, None, Some(rule)) => block_outside_layers(rule),
            (None, None, None) => None,
        };
        let meaning = Meaning {
            component,
            block,
            layer: if prediction.is_some() { None } else { layer },
            role,
            expert: path.expert,
            shared_expert: path.shared || rule.is_some_and(|rule| rule.slot.starts_with("shared:")),
            slot: self
                .slot(&path, component, rule, role, prediction.unwrap_or(0))
                .into(),
            class: Class::Vector,
        };
        (meaning, open)
    }

    /// The row for a path. Where the name has no `weight` or `bias` at its end, its last word may
    /// be the module or may carry the leaf (`down_proj`, `in_proj_weight`): then it becomes part of
    /// the path.
    fn find(
        &self,
        path: &mut Path<'_>,
        component: Component,
        prediction: bool,
    ) -> Option<&'static Rule> {
        if component == Component::Projector && path.depth.is_none() {
            return None;
        }
        let (hint, half) = (path.hint, path.half);
        let holds = |when: When| match when {
            When::Always => true,
            When::Has(wanted) => self.context.has(hint, wanted),
            When::Lacks(unwanted) => !self.context.has(hint, unwanted),
            When::Vision => component == Component::Vision,
            When::Audio => component == Component::Audio,
            When::Decoder => {
                half == Some(Half::Decoder) && self.context.has(hint, Trait::TwoHalves)
            }
            When::Mtp => prediction,
        };
        let tables = match (path.depth.is_some(), prediction) {
            (true, false) => [Some(rules::layer()), None],
            (true, true) => [Some(rules::layer()), Some(rules::top())],
            (false, _) if path.is_in_merger() => [Some(rules::top()), None],
            (false, _) => [Some(rules::top()), Some(rules::layer())],
        };
        let find = |modules: &[&str]| {
            tables
                .into_iter()
                .flatten()
                .find_map(|table| table.find(modules, holds))
        };
        let found = match path.leaf {
            Leaf::Weight => find(&path.modules),
            Leaf::Bias => {
                path.modules.push("bias");
                let own_row = find(&path.modules);
                if own_row.is_none() {
                    path.modules.pop();
                }
                own_row.or_else(|| find(&path.modules))
            }
            Leaf::Open(word) => {
                let endings = [
                    ("", Leaf::Weight),
                    ("_bias", Leaf::Bias),
                    ("_weight", Leaf::Weight),
                ];
                for (ending, leaf) in endings {
                    let Some(module) = word.strip_suffix(ending) else {
                        continue;
                    };
                    path.modules.push(module);
                    if let Some(rule) = find(&path.modules) {
                        path.leaf = leaf;
                        return Some(rule);
                    }
                    path.modules.pop();
                }
                find(&path.modules)
            }
        };
        // A module that stands more than once in a layer (LongCat: `input_layernorm.1`): the number
        // goes in front.
        if found.is_none()
            && let Some((number, modules)) = path.modules.split_last()
            && is_number(number)
            && let Some(rule) = find(modules)
        {
            path.modules.rotate_right(1);
            return Some(rule);
        }
        found
    }

    /// Whether running statistics stand beside a tensor: it belongs to a normalisation.
    fn has_statistics(&self, name: &str) -> bool {
        if self.normalizations.is_empty() {
            return false;
        }
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        self.normalizations.contains(&hash(stem))
    }

    /// Role of a name that no row knows.
    fn guess(&self, path: &Path<'_>, component: Component, name: &str) -> (Role, Open) {
        let of_weight = |word: &&&str| !matches!(**word, "parametrizations" | "weight");
        let last = path.modules.iter().rev().find(of_weight).copied();
        let last = last.unwrap_or("");
        let bias = path.leaf == Leaf::Bias;
        let weight = path.leaf == Leaf::Weight;
        if self.has_statistics(name) {
            return (Role::Norm, Open::Nothing);
        }
        if bias && path.modules.is_empty() && path.hint.is_none() && path.depth.is_none() {
            // GPT-BigCode keeps its causal mask as `transformer.bias`.
            return (Role::Other, Open::MaskOrBias);
        }
        if bias && matches!(last, "attn" | "attention" | "self_attn" | "self_attention") {
            return (Role::Other, Open::MaskOrBias);
        }
        let role = if is_norm_word(last) {
            Role::Norm
        } else if !bias
            && (last.contains("conv")
                || matches!(path.leaf, Leaf::Open(word) if word.contains("conv")))
        {
            Role::Conv
        } else if component == Component::Projector || path.is_in_merger() {
            if bias { Role::Bias } else { Role::Projector }
        } else if weight && is_linear_word(last) {
            Role::Linear
        } else {
            match path.leaf {
                Leaf::Open(word) => role_of_parameter(word),
                _ if is_learned_position(last) => Role::PosEmbed,
                _ => Role::Other,
            }
        };
        let open = Open::Role {
            bias,
            kernel: weight && !path.stacked && path.expert.is_none(),
            step: weight && is_number(last),
        };
        (role, open)
    }

    fn slot(
        &self,
        path: &Path<'_>,
        component: Component,
        rule: Option<&Rule>,
        role: Role,
        prediction: u32,
    ) -> String {
        let mut words: Vec<&str> = Vec::new();
        if self.context.has(path.hint, Trait::TwoHalves) {
            match (component == Component::Text, path.half) {
                (true, Some(Half::Encoder)) => words.push("encoder"),
                (false, Some(Half::Decoder)) => words.push("decoder"),
                _ => {}
            }
        }
        let number = path.between_stages.unwrap_or(prediction).to_string();
        if prediction > 0 || path.between_stages.is_some() {
            words.push(&number);
        }
        let projector = component == Component::Projector;
        if projector {
            words.push("projector");
        }
        words.extend(&path.kept);
        if let Some(rule) = rule {
            let lead = path.modules.len().saturating_sub(rule.tail.len());
            let mut lead = &path.modules[..lead];
            // T5 numbers the steps of a layer; the slots tell them apart.
            if let ["layer", step, rest @ ..] = lead
                && is_number(step)
            {
                lead = rest;
            }
            if rule.role != Role::RouterBias {
                words.extend(own(lead).map(cross));
            }
            let name = rule.slot.strip_prefix("shared:").unwrap_or(rule.slot);
            if path.stacked && is_feed_forward(rule.role) && !name.starts_with("experts.") {
                words.push("experts");
            }
            words.push(name);
        } else if role == Role::Norm {
            let word = |module| {
                if projector {
                    projector_word(module)
                } else {
                    cross(module)
                }
            };
            let joined = format!(
                "norm:{}",
                own(&path.modules).map(word).collect::<Vec<_>>().join(".")
            );
            return joined_slot(&words, &joined, path.leaf);
        } else if role == Role::Buffer {
            words.extend(own(&path.modules));
        } else {
            if path.stacked {
                words.push("experts");
            }
            words.extend(path.modules.iter().map(|module| {
                if projector {
                    projector_word(module)
                } else {
                    cross(module)
                }
            }));
            if let (true, Leaf::Open(word)) = (projector, path.leaf)
                && let Some(module) = word.strip_suffix("_weight")
            {
                words.push(projector_word(module));
                return joined_slot(&words, "", Leaf::Weight);
            }
        }
        match rule {
            // The correction bias has no weight beside it, and schemes differ in its last word.
            Some(rule) if matches!(rule.role, Role::RouterBias | Role::Bias) => words.join("."),
            _ => joined_slot(&words, "", path.leaf),
        }
    }
}

/// A module of a projector as GGUF has it: `soft_emb_norm` for `mm_soft_emb_norm` (Gemma 3).
fn projector_word(module: &str) -> &str {
    module.strip_prefix("mm_").unwrap_or(module)
}

/// Words joined with the leaf: `weight` is said even where the name leaves it out.
fn joined_slot(words: &[&str], last: &str, leaf: Leaf<'_>) -> String {
    let leaf = match leaf {
        Leaf::Weight => "weight",
        Leaf::Bias => "bias",
        Leaf::Open(word) => word,
    };
    let parts = words
        .iter()
        .copied()
        .chain([last, leaf])
        .filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(".")
}

fn unknown(component: Component, name: &str) -> Meaning {
    Meaning {
        component,
        block: None,
        layer: None,
        role: Role::Other,
        expert: None,
        shared_expert: false,
        slot: name.into(),
        class: Class::Vector,
    }
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The place of a name, and that with the whole name as its slot, by hash.
fn places(name: &str, mut meaning: Meaning) -> [u64; 2] {
    let own = place(&meaning);
    meaning.slot = name.into();
    [own, place(&meaning)]
}

fn place(meaning: &Meaning) -> u64 {
    let Meaning {
        component,
        block,
        layer,
        expert,
        shared_expert,
        slot,
        ..
    } = meaning;
    hash(&(component, block, layer, expert, shared_expert, slot))
}

fn role_of(rule: &Rule, leaf: Leaf<'_>) -> Role {
    match (leaf, rule.role) {
        (
            _,
            role @ (Role::Norm
            | Role::QNorm
            | Role::KNorm
            | Role::RouterBias
            | Role::Buffer
            | Role::Other),
        ) => role,
        (Leaf::Weight, role) => role,
        (Leaf::Bias, _) => Role::Bias,
        (Leaf::Open(_), _) => Role::Other,
    }
}

fn block_outside_layers(rule: &Rule) -> Option<Block> {
    match (rule.role, rule.slot) {
        (Role::Embed | Role::PosEmbed | Role::PatchEmbed, _) => Some(Block::Embedding),
        (
            _,
            "norm:embed" | "cls_token" | "mask_token" | "register_tokens" | "dist_token"
            | "token_type",
        ) => Some(Block::Embedding),
        (Role::LmHead, _) => Some(Block::Final),
        (
            _,
            "norm:final" | "norm:head" | "head.dense" | "pooler" | "classifier"
            | "seq_relationship",
        ) => Some(Block::Final),
        _ => None,
    }
}

fn is_feed_forward(role: Role) -> bool {
    matches!(
        role,
        Role::Gate | Role::Up | Role::Down | Role::GateUp | Role::Fc1 | Role::Fc2
    )
}

/// Computed, counted or averaged tensors, by their last word (guide/formats.md, section 1.7).
fn is_buffer(path: &Path<'_>) -> bool {
    const WORDS: &[&str] = &[
        "freqs_cis",
        "freqs_ci",
        "position_ids",
        "token_type_ids",
        "masked_bias",
        "attn_mask",
        "relative_position_index",
        "relative_coords_table",
        "attention_bias_idxs",
        "num_batches_tracked",
        "running_mean",
        "running_var",
        "final_logits_bias",
        "version",
        "embed_scale",
        "weight_integer",
        "mup_vector",
        "silence_latent",
        "slope_rate",
        "query_decay",
        "key_decay",
        "diagonal_decay",
        "rope_freqs",
        "rope_factors_long",
        "rope_factors_short",
        "weights",
    ];
    let word = match path.leaf {
        Leaf::Open(word) => word,
        _ => path.modules.last().copied().unwrap_or(""),
    };
    word.ends_with("inv_freq")
        || (WORDS.contains(&word) && (word != "weights" || path.ends_with("embed_positions")))
}

/// Modules without those that only hold others.
fn own<'a>(modules: &[&'a str]) -> impl Iterator<Item = &'a str> {
    modules
        .iter()
        .copied()
        .filter(|module| !is_module_word(module))
}

/// Cross attention is `cross` in a slot.
fn cross(module: &str) -> &str {
    match module {
        "encoder_attn" | "cross_attn" | "crossattention" | "cross_attention"
        | "EncDecAttention" => "cross",
        other => other,
    }
}

fn is_norm_word(word: &str) -> bool {
    let word = word
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('_')
        .to_ascii_lowercase();
    word.ends_with("norm")
        || word.starts_with("norm_")
        || word.starts_with("layer_norm")
        || word.starts_with("layernorm")
        || word == "normalization"
        || word == "ln"
        || word == "bn"
        || word.starts_with("ln_")
}

fn is_linear_word(word: &str) -> bool {
    const PARTS: &[&str] = &[
        "dense",
        "linear",
        "proj",
        "modulation",
        "adaln",
        "classifier",
        "scale_bias",
        "pointwise",
    ];
    const ENDS: &[&str] = &[
        "_head",
        "_layer",
        "_in",
        "_out",
        "_up",
        "_preact",
        "_down",
        "_mid",
        "_pred",
        "_gate",
        "_qkv",
        "query",
        "key",
        "value",
        "_fc",
        "_lin",
        "_linear",
        "reduction",
        "mapper",
        "shortcut",
        "embeds",
        "embedder",
        "sampling_offsets",
        "attention_weights",
    ];
    const STARTS: &[&str] = &["fc", "lin_", "to_", "head_"];
    const WORDS: &[&str] = &[
        "out", "lin", "l", "classif", "decoder", "q", "k", "v", "qk", "kv",
    ];
    let word = word.to_ascii_lowercase();
    WORDS.contains(&word.as_str())
        || PARTS.iter().any(|part| word.contains(part))
        || ENDS.iter().any(|end| word.ends_with(end))
        || STARTS.iter().any(|start| word.starts_with(start))
        || is_table_word(&word)
}

/// A table whose rows are looked up by number, not by token: codes, entities, hours.
fn is_table_word(word: &str) -> bool {
    let unnumbered = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    word.contains("embedding")
        || unnumbered.ends_with("embedder")
        || word == "embed"
        || word.starts_with("embed_")
        || word.ends_with("_embed")
        || word.contains("codebook")
}

/// A parameter that is of no module by itself.
fn role_of_parameter(word: &str) -> Role {
    if word.starts_with("weight_ih") || word.starts_with("weight_hh") {
        Role::Linear
    } else if word.starts_with("bias_ih") || word.starts_with("bias_hh") {
        Role::Bias
    } else if is_learned_position(word) {
        Role::PosEmbed
    } else if is_table_word(word) || word == "r_kernel" {
        Role::Linear
    } else {
        Role::Other
    }
}

/// What is learned for a place in the sequence and for no content: positions, class and register
/// tokens, queries, latents.
fn is_learned_position(word: &str) -> bool {
    let of_positions = word.contains("pos") && (word.contains("emb") || word.contains("enc"));
    let of_tokens = word.contains("token") && !word.contains("embed");
    let of_queries = [
        "query_embed",
        "query_feat",
        "query_tokens",
        "latents",
        "queries",
    ];
    of_positions || of_tokens || of_queries.iter().any(|end| word.ends_with(end))
}
