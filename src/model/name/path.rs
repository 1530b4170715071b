//! A tensor name taken apart: wrapper words, layer number, expert number, module path, leaf.

use super::lists::Lists;
use crate::model::words::Component;

/// Words in front of a module that say which part of the model it is in, or nothing: word,
/// component, and what of it stays in the slot.
const WRAPPERS: &[(&str, Option<Component>, &str)] = &[
    ("module", None, ""),
    ("_orig_mod", None, ""),
    ("_fsdp_wrapped_module", None, ""),
    ("base_model", None, ""),
    ("model", None, ""),
    ("transformer", None, ""),
    ("backbone", None, ""),
    ("trunk", None, ""),
    ("thinker", None, ""),
    ("gpt_neox", Some(Component::Text), ""),
    ("bert", Some(Component::Text), ""),
    ("roberta", Some(Component::Text), ""),
    ("distilbert", Some(Component::Text), ""),
    ("deberta", Some(Component::Text), ""),
    ("electra", Some(Component::Text), ""),
    ("albert", Some(Component::Text), ""),
    ("mpnet", Some(Component::Text), ""),
    ("led", Some(Component::Text), ""),
    ("language_model", Some(Component::Text), ""),
    ("text_model", Some(Component::Text), ""),
    ("text_decoder", Some(Component::Text), ""),
    ("llm", Some(Component::Text), ""),
    ("mtp", Some(Component::Text), ""),
    ("vision_tower", Some(Component::Vision), ""),
    ("vision_model", Some(Component::Vision), ""),
    ("vision_encoder", Some(Component::Vision), ""),
    ("vision_backbone", Some(Component::Vision), ""),
    ("vision_embed_tokens", Some(Component::Vision), ""),
    ("img_processor", Some(Component::Vision), ""),
    ("image_encoder", Some(Component::Vision), ""),
    ("visual_encoder", Some(Component::Vision), ""),
    ("visual", Some(Component::Vision), ""),
    ("vision", Some(Component::Vision), ""),
    ("siglip2", Some(Component::Vision), ""),
    ("vpm", Some(Component::Vision), ""),
    ("vit", Some(Component::Vision), ""),
    ("deit", Some(Component::Vision), ""),
    ("beit", Some(Component::Vision), ""),
    ("dinov2", Some(Component::Vision), ""),
    ("swin", Some(Component::Vision), ""),
    ("swinv2", Some(Component::Vision), ""),
    ("resnet", Some(Component::Vision), ""),
    ("convnext", Some(Component::Vision), ""),
    ("regnet", Some(Component::Vision), ""),
    ("efficientnet", Some(Component::Vision), ""),
    ("mobilenet_v2", Some(Component::Vision), ""),
    ("sam_model", Some(Component::Vision), "sam"),
    ("audio_tower", Some(Component::Audio), ""),
    ("audio_model", Some(Component::Audio), ""),
    ("audio_encoder", Some(Component::Audio), ""),
    ("speech_encoder", Some(Component::Audio), ""),
    ("audio", Some(Component::Audio), ""),
    ("apm", Some(Component::Audio), ""),
    ("wav2vec2", Some(Component::Audio), ""),
    ("conformer", Some(Component::Audio), ""),
    ("hubert", Some(Component::Audio), ""),
    ("wavlm", Some(Component::Audio), ""),
    ("multi_modal_projector", Some(Component::Projector), ""),
    ("mm_projector", Some(Component::Projector), ""),
    ("vision_projector", Some(Component::Projector), ""),
    ("projector", Some(Component::Projector), ""),
    ("connector", Some(Component::Projector), ""),
    ("modality_projection", Some(Component::Projector), ""),
    ("mlp1", Some(Component::Projector), ""),
    ("aligner", Some(Component::Projector), ""),
    ("resampler", Some(Component::Projector), ""),
    ("qformer", Some(Component::Projector), "qformer"),
    ("img_projection", Some(Component::Projector), ""),
    ("embed_vision", Some(Component::Projector), ""),
    ("audio_projector", Some(Component::Projector), "audio"),
    ("embed_audio", Some(Component::Projector), "audio"),
    ("visual_projection", Some(Component::Projector), "visual"),
    ("text_projection", Some(Component::Projector), "text"),
    ("language_projection", Some(Component::Projector), "text"),
    ("vision_tower_high", Some(Component::Vision), ""),
    ("image_tower", Some(Component::Vision), ""),
    ("image_model", Some(Component::Vision), ""),
    ("visual_model", Some(Component::Vision), ""),
    ("segformer", Some(Component::Vision), ""),
    ("pvt", Some(Component::Vision), ""),
    ("pvt_v2", Some(Component::Vision), ""),
    ("cvt", Some(Component::Vision), ""),
    ("hiera", Some(Component::Vision), ""),
    ("sam2", Some(Component::Vision), ""),
    ("poolformer", Some(Component::Vision), ""),
    ("convnextv2", Some(Component::Vision), ""),
    ("focalnet", Some(Component::Vision), ""),
    ("levit", Some(Component::Vision), ""),
    ("mobilevit", Some(Component::Vision), ""),
    ("mobilevitv2", Some(Component::Vision), ""),
    ("efficientformer", Some(Component::Vision), ""),
    ("swiftformer", Some(Component::Vision), ""),
    ("vit_mae", Some(Component::Vision), ""),
    ("vit_msn", Some(Component::Vision), ""),
    ("yolos", Some(Component::Vision), ""),
    ("glpn", Some(Component::Vision), ""),
    ("dpt", Some(Component::Vision), ""),
    ("data2vec_vision", Some(Component::Vision), ""),
    ("timesformer", Some(Component::Vision), ""),
    ("vivit", Some(Component::Vision), ""),
    ("videomae", Some(Component::Vision), ""),
    ("vjepa2", Some(Component::Vision), ""),
    ("bit", Some(Component::Vision), ""),
    ("van", Some(Component::Vision), ""),
    ("nat", Some(Component::Vision), ""),
    ("dinat", Some(Component::Vision), ""),
    ("mobilenet_v1", Some(Component::Vision), ""),
    ("ijepa", Some(Component::Vision), ""),
    ("dinov2_with_registers", Some(Component::Vision), ""),
    ("dinov3_vit", Some(Component::Vision), ""),
    ("dinov3_convnext", Some(Component::Vision), ""),
    ("pixel_level_module", Some(Component::Vision), ""),
    ("imagegpt", Some(Component::Vision), ""),
    ("vit_hybrid", Some(Component::Vision), ""),
    ("textnet", Some(Component::Vision), ""),
    ("hgnet_v2", Some(Component::Vision), ""),
    ("data2vec_audio", Some(Component::Audio), ""),
    ("unispeech", Some(Component::Audio), ""),
    ("unispeech_sat", Some(Component::Audio), ""),
    ("sew", Some(Component::Audio), ""),
    ("sew_d", Some(Component::Audio), ""),
    ("wav2vec2_conformer", Some(Component::Audio), ""),
    ("wav2vec2_bert", Some(Component::Audio), ""),
    ("mctct", Some(Component::Audio), ""),
    ("audio_spectrogram_transformer", Some(Component::Audio), ""),
    ("sound_encoder", Some(Component::Audio), ""),
    ("vision_language_adapter", Some(Component::Projector), ""),
    ("image_projector", Some(Component::Projector), ""),
    ("vit_large_projector", Some(Component::Projector), ""),
    ("vision_projection", Some(Component::Projector), ""),
    ("image_projection", Some(Component::Projector), "image"),
    ("high_res_vision_model", Some(Component::Vision), "high_res"),
    (
        "high_res_vision_neck",
        Some(Component::Vision),
        "high_res.neck",
    ),
    ("timm_model", Some(Component::Vision), ""),
    ("audio_embed", Some(Component::Audio), ""),
    ("image_embed", Some(Component::Vision), ""),
    (
        "high_res_vision_proj",
        Some(Component::Projector),
        "high_res",
    ),
    ("resampler_model", Some(Component::Projector), "resampler"),
    ("vision_adapter", Some(Component::Projector), ""),
    ("audio_projection", Some(Component::Projector), "audio"),
    (
        "image_to_text_projection",
        Some(Component::Projector),
        "image",
    ),
    ("embed_tokens_extend", None, ""),
    ("flava", None, ""),
    ("vlm", None, ""),
    ("git", None, ""),
    ("paligemma", None, ""),
    ("paligemma_with_expert", None, ""),
    ("gemma_expert", Some(Component::Text), "gemma_expert"),
    ("talker", Some(Component::Other), "talker"),
    ("token2wav", Some(Component::Other), "token2wav"),
    ("code2wav", Some(Component::Other), "code2wav"),
];

/// Numbered steps of a projector under a wrapper word, by the names that transformers gives them.
const PROJECTOR_STEPS: &[(&str, &str, &str)] = &[
    ("mm_projector", "0", "linear_1"),
    ("mm_projector", "2", "linear_2"),
    ("mm", "0", "linear_1"),
    ("mm", "1", "linear_1"),
    ("mm", "2", "linear_2"),
    ("mlp1", "0", "layer_norm"),
    ("mlp1", "1", "linear_1"),
    ("mlp1", "3", "linear_2"),
];

/// The same as the first segment of a GGUF name.
const GGUF_WRAPPERS: &[(&str, Component)] = &[
    ("v", Component::Vision),
    ("a", Component::Audio),
    ("mm", Component::Projector),
];

/// Modules whose children are numbered layers.
const CONTAINERS: &[&str] = &[
    "layers",
    "layer",
    "h",
    "block",
    "blocks",
    "blk",
    "resblocks",
    "mtp_layers",
    "mtp_block",
    "encoder_layers",
    "decoder_layers",
    "transformer_blocks",
    "transformer_encoder",
    "albert_layers",
    "decoder_layer",
];

/// Numbered children of these are steps of one module, no layers.
const STEPS: &[&str] = &[
    "mlp",
    "mlps",
    "merger",
    "proj",
    "projector",
    "experts",
    "self_attn",
    "attn",
    "feed_forward",
    "norm",
    "downsample",
];

/// Which half of an encoder-decoder a name is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Under `encoder`.
    Encoder,
    /// Under `decoder`.
    Decoder,
}

/// What the tensor is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf<'a> {
    /// `weight` or `gamma`.
    Weight,
    /// `bias` or `beta`.
    Bias,
    /// The name ends with the module itself, or with another word.
    Open(&'a str),
}

/// Position in depth as the name numbers it; a number beyond u32 makes it `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Depth {
    /// Stage, in networks that number layers within stages.
    pub(super) stage: Option<u32>,
    /// Layer (within its stage).
    pub(super) layer: u32,
}

/// A name taken apart. `modules` are those inside the layer (or below the wrappers), experts taken
/// out; an open leaf is not among them.
#[derive(Debug)]
pub(super) struct Path<'a> {
    /// Component that the wrapper words name.
    pub(super) hint: Option<Component>,
    /// Half of an encoder-decoder.
    pub(super) half: Option<Half>,
    /// Whether a wrapper word says multi-token prediction.
    pub(super) mtp: bool,
    /// Segments before the layer that stay in the slot.
    pub(super) kept: Vec<&'a str>,
    /// Depth, where a container of layers is numbered.
    pub(super) depth: Option<Depth>,
    /// A layer number that does not fit u32.
    pub(super) overflow: bool,
    /// The list of layers is known by its likeness alone.
    pub(super) is_loose: bool,
    /// The layer number is a stage's where other names number layers within stages.
    pub(super) is_stage_child: bool,
    /// Stage after which the module stands.
    pub(super) between_stages: Option<u32>,
    /// Module path.
    pub(super) modules: Vec<&'a str>,
    /// Leaf.
    pub(super) leaf: Leaf<'a>,
    /// Expert index.
    pub(super) expert: Option<u32>,
    /// `experts` without a number behind it.
    pub(super) stacked: bool,
    /// Inside a shared expert.
    pub(super) shared: bool,
}

/// How names of this checkpoint are to be taken apart.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Grammar {
    /// Common leading segments that mean nothing.
    pub(super) skip: usize,
    /// GGUF names.
    pub(super) gguf: bool,
    /// `encoder` is an audio encoder (Whisper).
    pub(super) audio_encoder: bool,
}

/// Whether a segment has a meaning of its own and may not be skipped as a common prefix.
pub(super) fn is_known_word(segment: &str) -> bool {
    let wrapper = WRAPPERS
        .iter()
        .any(|(word, component, _)| *word == segment && component.is_some());
    wrapper
        || is_container(segment)
        || stage_word(segment).is_some()
        || matches!(segment, "encoder" | "decoder")
}

/// Modules that only hold others: they say nothing that the role does not say.
pub(super) fn is_module_word(segment: &str) -> bool {
    matches!(
        segment,
        "self_attn"
            | "attn"
            | "attention"
            | "self_attention"
            | "SelfAttention"
            | "self"
            | "mlp"
            | "ffn"
            | "ff"
            | "att"
            | "rel_attn"
            | "feed_forward"
            | "DenseReluDense"
            | "block_sparse_moe"
            | "moe"
            | "moe_statics"
            | "mixer"
            | "mamba"
            | "linear_attn"
            | "conv"
            | "norm_attn_norm"
            | "multi_head_attention"
            | "patch_embedding"
            | "embeddings"
            | "nextn"
            | "rotary_emb"
            | "rotary_pos_emb"
    )
}

/// Whether a segment is a decimal number.
pub(super) fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit())
}

fn is_container(segment: &str) -> bool {
    CONTAINERS.contains(&segment) || segment == "stages"
}

/// Whether a module outside of every known part joins one part to another.
fn is_projector_word(segment: &str) -> bool {
    let is_joint = segment.ends_with("_projector") || segment.ends_with("_connector");
    let is_of_tokens = matches!(segment, "vocab_projector" | "inputs_embeds_projector");
    segment == "patch_merger" || is_joint && !is_of_tokens
}

/// `layer3` of torchvision.
fn stage_word(segment: &str) -> Option<u32> {
    segment.strip_prefix("layer").and_then(number)?
}

/// A decimal number; the inner `None` is one beyond u32.
#[allow(
    clippy::option_option,
    reason = "no number and a number too large are answered differently"
)]
fn number(segment: &str) -> Option<Option<u32>> {
    is_number(segment).then(|| segment.parse().ok())
}

/// The number in `expert_3` (Switch Transformers, NLLB-MoE).
#[allow(
    clippy::option_option,
    reason = "no number and a number too large are answered differently"
)]
fn expert_number(segment: &str) -> Option<Option<u32>> {
    segment.strip_prefix("expert_").and_then(number)
}

/// Where the layer stands among the segments of a name.
struct Found {
    /// First segment of it: the container.
    from: usize,
    /// First segment behind it.
    behind: usize,
    /// Number of the stage, where there is one.
    stage: Option<Option<u32>>,
    /// Number of the layer.
    layer: Option<u32>,
}

fn find_depth(segments: &[&str], lists: &Lists) -> Option<Found> {
    for at in 1..segments.len() {
        let Some(first) = number(segments[at]) else {
            continue;
        };
        let (from, container) = (at - 1, segments[at - 1]);
        if let Some(stage) = stage_word(container) {
            return Some(Found {
                from,
                behind: at + 1,
                stage: Some(Some(stage)),
                layer: first,
            });
        }
        if !is_container(container) || !lists.has_modules(&segments[..at]) {
            continue;
        }
        let below = segments.get(at + 1).copied().unwrap_or("");
        if container == "blocks"
            && let Some(layer) = number(below)
        {
            return Some(Found {
                from,
                behind: at + 2,
                stage: Some(first),
                layer,
            });
        }
        let nested = matches!(
            (container, below),
            ("layers", "blocks") | ("stages", "layers" | "blocks")
        );
        if nested && let Some(layer) = segments.get(at + 2).and_then(|s| number(s)) {
            return Some(Found {
                from,
                behind: at + 3,
                stage: Some(first),
                layer,
            });
        }
        return (container != "stages").then_some(Found {
            from,
            behind: at + 1,
            stage: None,
            layer: first,
        });
    }
    None
}

/// Where a list of layers stands that no known container holds: a list of any name, if its members
/// are alike.
fn find_loose_list(segments: &[&str], lists: &Lists) -> Option<Found> {
    let at = (1..segments.len()).find(|&at| number(segments[at]).is_some())?;
    let (before, container) = (&segments[..at], segments[at - 1]);
    let is_of_projector = |word: &&str| {
        let known = WRAPPERS.iter().find(|(wrapper, ..)| wrapper == word);
        known.is_some_and(|(_, component, _)| *component == Some(Component::Projector))
    };
    let is_step = STEPS.contains(&container) || container.contains("merger");
    let is_elsewhere = before
        .iter()
        .any(|word| is_of_projector(word) || *word == "mtp");
    if is_step || is_elsewhere || !lists.are_alike(before) {
        return None;
    }
    // XLM numbers the halves of its layers apart.
    let is_half = matches!(container, "attentions" | "ffns");
    Some(Found {
        from: if is_half { at - 1 } else { at },
        behind: at + 1,
        stage: None,
        layer: number(segments[at])?,
    })
}

/// As many segments as most names have.
const USUAL_SEGMENTS: usize = 12;

impl<'a> Path<'a> {
    /// Takes `name` apart.
    pub(super) fn new(name: &'a str, grammar: Grammar, lists: &Lists) -> Self {
        let mut segments: Vec<&str> = Vec::with_capacity(USUAL_SEGMENTS);
        segments.extend(name.split('.'));
        let leaf = match segments.last().copied() {
            Some("weight" | "gamma") => Leaf::Weight,
            Some("bias" | "beta") => Leaf::Bias,
            last => Leaf::Open(last.unwrap_or("")),
        };
        segments.pop();
        // Gemma 4 wraps each projection of a tower: `q_proj.linear`.
        if let [.., module, "linear"] = segments.as_slice()
            && module.ends_with("_proj")
        {
            segments.pop();
        }
        if segments.len() > grammar.skip {
            segments.drain(..grammar.skip);
        }
        let mut path = Self {
            hint: None,
            half: None,
            mtp: false,
            kept: Vec::new(),
            depth: None,
            overflow: false,
            is_loose: false,
            is_stage_child: false,
            between_stages: None,
            modules: Vec::new(),
            leaf,
            expert: None,
            stacked: false,
            shared: false,
        };
        let mut rest = segments.as_slice();
        let mut wrapper = "";
        if let Some(Found {
            from,
            behind,
            stage,
            layer,
        }) = find_depth(rest, lists).or_else(|| find_loose_list(rest, lists))
        {
            match (stage, layer) {
                (Some(None), _) | (_, None) => path.overflow = true,
                (stage, Some(layer)) => {
                    path.depth = Some(Depth {
                        stage: stage.flatten(),
                        layer,
                    })
                }
            }
            path.mtp |= rest[from].starts_with("mtp");
            path.is_loose = !is_container(rest[behind - 2]) && stage.is_none();
            path.is_stage_child = rest[from] == "layers";
            path.wrappers(&rest[..from], grammar, true);
            rest = &rest[behind..];
        } else {
            let taken = path.wrappers(rest, grammar, false);
            wrapper = taken.checked_sub(1).map_or("", |last| rest[last]);
            rest = &rest[taken..];
            path.projection(wrapper, rest);
        }
        path.experts(rest);
        if let Some(first) = path.modules.first_mut() {
            let step = PROJECTOR_STEPS
                .iter()
                .find(|(word, number, _)| (*word, *number) == (wrapper, *first));
            *first = step.map_or(*first, |(.., name)| name);
        }
        path
    }

    /// OpenAI's CLIP keeps its two projections as parameters of no module: `text_projection`,
    /// `visual.proj`.
    fn projection(&mut self, wrapper: &str, rest: &[&'a str]) {
        let kept = match (wrapper, self.leaf) {
            ("", Leaf::Open("text_projection")) => "text",
            ("visual", Leaf::Open("proj")) => "visual",
            _ => return,
        };
        if rest.is_empty() {
            self.hint = Some(Component::Projector);
            self.kept.push(kept);
            self.leaf = Leaf::Weight;
        }
    }

    /// Reads wrapper words off the front and returns how many segments they take; with `all`,
    /// unknown words are kept and reading goes on.
    fn wrappers(&mut self, segments: &[&'a str], grammar: Grammar, all: bool) -> usize {
        for (at, &segment) in segments.iter().enumerate() {
            // ModernBERT: `decoder.weight` is the head, not a wrapper of nothing.
            let is_last = !all && at + 1 == segments.len() && !matches!(self.leaf, Leaf::Open(_));
            let is_module = is_last && matches!(segment, "encoder" | "decoder");
            let gguf = GGUF_WRAPPERS
                .iter()
                .find(|(word, _)| at == 0 && grammar.gguf && *word == segment);
            if let Some(&(_, component)) = gguf {
                self.hint = Some(component);
            } else if let Some(&(_, component, kept)) =
                WRAPPERS.iter().find(|(word, ..)| *word == segment)
            {
                self.hint = component.or(self.hint);
                self.mtp |= segment == "mtp";
                if !kept.is_empty() {
                    self.kept.push(kept);
                }
            } else if self.hint.is_none() && is_projector_word(segment) {
                // Mistral's own names have a `patch_merger` beside the towers. Inside a tower or a
                // projector it is a module of that.
                self.hint = Some(Component::Projector);
                self.kept.push(segment);
            } else if is_module {
                return at;
            } else if grammar.gguf && at == 0 && segment == "enc" {
                self.half = Some(Half::Encoder);
            } else if grammar.gguf && at == 0 && segment == "dec" {
                self.half = Some(Half::Decoder);
            } else if segment == "encoder" {
                // The outermost word counts: a BERT that decodes is `decoder.bert.encoder`.
                let half = *self.half.get_or_insert(Half::Encoder);
                if half == Half::Encoder && grammar.audio_encoder && self.hint.is_none() {
                    self.hint = Some(Component::Audio);
                }
            } else if segment == "decoder" {
                self.half.get_or_insert(Half::Decoder);
            } else if all {
                // PLaMo: `layers.layers.0`.
                if !is_container(segment) {
                    self.kept.push(segment);
                }
            } else {
                return at;
            }
        }
        segments.len()
    }

    /// Takes routed and shared experts out of `segments`; the rest is the module path.
    fn experts(&mut self, segments: &[&'a str]) {
        let mut at = 0;
        while let Some(&segment) = segments.get(at) {
            at += 1;
            match segment {
                "experts" | "local_experts" if self.expert.is_none() => {
                    let below = segments.get(at);
                    match below.and_then(|s| number(s).or_else(|| expert_number(s))) {
                        Some(index) => {
                            self.expert = index;
                            self.overflow |= index.is_none();
                            at += 1;
                        }
                        None => self.stacked = true,
                    }
                }
                "shared_experts" | "shared_expert" | "share_expert" | "shared_mlp" => {
                    self.shared = true
                }
                _ => self.modules.push(segment),
            }
        }
    }

    /// Takes the layer number back into the module path: what stands between two stages has no
    /// layer of its own.
    pub(super) fn leave_stage(&mut self) {
        if let Some(depth) = self.depth.take() {
            self.between_stages = Some(depth.layer);
        }
    }

    /// Whether the module belongs to a vision tower's merger.
    pub(super) fn is_in_merger(&self) -> bool {
        self.modules
            .first()
            .is_some_and(|module| module.contains("merger"))
    }

    /// Whether `module` is the last one.
    pub(super) fn ends_with(&self, module: &str) -> bool {
        self.modules.last() == Some(&module)
    }
}
