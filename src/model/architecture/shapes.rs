//! The shape of every role, computed from config.json alone.
//!
//! Shapes are logical: [out, in], fused projections of the text part apart (q, k, v; gate, up). A
//! shape that needs a key that is absent is unknown, and the key is named.

use super::facts::layer_kinds;
use super::family::{Biases, Family, UNKNOWN, family};
use super::{Architecture, Assumption, Kind, RoleShapes, Shape, UnknownShape};
use crate::model::config::{Config, Scope};
use crate::model::words::{Component, Role};

/// More layers than this are no model.
const MAX_LAYERS: u64 = 100_000;

/// A size, or the name of the field that is missing.
type Size = Result<u64, &'static str>;

/// What stands in for a missing field where sizes overflow.
const OVERFLOW: &str = "a size that fits 64 bits";

fn times(a: Size, b: Size) -> Size {
    a?.checked_mul(b?).ok_or(OVERFLOW)
}

fn plus(a: Size, b: Size) -> Size {
    a?.checked_add(b?).ok_or(OVERFLOW)
}

/// Collects the roles of one component.
struct Builder<'a> {
    scope: &'a Scope<'a>,
    family: &'a Family,
    model_type: &'a str,
    component: Component,
    out: &'a mut Architecture,
    assumed: Vec<(&'static str, u64)>,
}

impl Builder<'_> {
    /// A size that config.json gives, or that every release of the family has.
    fn size(&mut self, field: &'static str) -> Size {
        if let Some(value) = self.scope.count(field) {
            return Ok(value);
        }
        let value = self.family.value(field).ok_or(field)?;
        if !self.assumed.contains(&(field, value)) {
            self.assumed.push((field, value));
        }
        Ok(value)
    }

    fn put(&mut self, role: Role, kind: Option<Kind>, name: &str, axes: &[Size], copies: Size) {
        let prefix = match (self.component, kind) {
            (Component::Text, Some(kind)) => format!("{kind}."),
            (Component::Text | Component::Projector, _) => String::new(),
            (tower, _) => format!("{tower}."),
        };
        let name = format!("{prefix}{name}");
        let axes: Result<Vec<u64>, &'static str> = axes.iter().copied().collect();
        match (axes, copies) {
            (_, Ok(0)) => {}
            (Ok(axes), Ok(copies)) => self.out.roles.push(RoleShapes {
                component: self.component,
                name,
                role,
                kind,
                shapes: vec![Shape { axes, copies }],
            }),
            (Err(missing), _) | (_, Err(missing)) => {
                self.out.unknown.push(UnknownShape {
                    component: self.component,
                    name,
                    missing: missing.to_owned(),
                });
            }
        }
    }

    /// A projection, [out, in], with its bias.
    fn linear(&mut self, role: Role, name: &str, out: Size, into: Size, bias: bool, copies: Size) {
        self.put(role, None, name, &[out, into], copies);
        if bias {
            self.put(Role::Bias, None, &format!("{name}.bias"), &[out], copies);
        }
    }

    fn norm(&mut self, name: &str, width: Size, copies: Size) {
        self.put(Role::Norm, None, name, &[width], copies);
        if self.family.norm_bias {
            self.put(Role::Norm, None, &format!("{name}.bias"), &[width], copies);
        }
    }

    /// Tells the assumptions that were used.
    fn finish(self) {
        if !self.assumed.is_empty() {
            self.out.assumptions.push(Assumption::ClassDefaults {
                component: self.component,
                values: self
                    .assumed
                    .into_iter()
                    .map(|(field, value)| (field.to_owned(), value))
                    .collect(),
                model_type: self.model_type.to_owned(),
            });
        }
    }
}

/// Adds the roles of every component that config.json describes.
pub(super) fn from_config(config: &Config, out: &mut Architecture) {
    let top = config.raw.get("model_type");
    let top = top.and_then(serde_json::Value::as_str).unwrap_or("");
    if let Some(scope) = config.text_if_any() {
        text(&scope, out);
    }
    if let Some(scope) = Scope::tower(config, Component::Vision) {
        // Older files say only at the top which tower it is.
        let model_type = scope.model_type().unwrap_or(top);
        if matches!(model_type, "qwen2_5_vl" | "qwen2_5_vl_vision") {
            qwen_tower(&scope, model_type, out);
        } else {
            plain_tower(&scope, model_type, out);
        }
        if family(top).is_some_and(|family| family.projector) {
            let width = config
                .text_if_any()
                .and_then(|text| text.count("hidden_size"))
                .ok_or("hidden_size");
            let from = scope
                .count("out_hidden_size")
                .ok_or("vision.out_hidden_size");
            let component = Component::Projector;
            let mut builder = Builder {
                scope: &scope,
                family: &UNKNOWN,
                model_type: top,
                component,
                out,
                assumed: Vec::new(),
            };
            builder.linear(Role::Projector, "projector", width, from, true, Ok(1));
        }
    }
}

/// Whether every layer holds experts, so that the dense width has no tensor behind it.
pub(super) fn has_no_dense_layer(config: &Config) -> bool {
    let Some(scope) = config.text_if_any() else {
        return false;
    };
    let (Some(layers), Some(_)) = (
        scope.count("num_hidden_layers"),
        scope.count("moe_intermediate_size"),
    ) else {
        return false;
    };
    expert_layers(&scope, layers) == Ok(layers)
}

/// How many of `layers` layers hold experts, from whichever key says it; none where there are no
/// experts.
fn expert_layers(scope: &Scope<'_>, layers: u64) -> Size {
    if scope
        .count("n_routed_experts")
        .is_none_or(|experts| experts == 0)
    {
        return Ok(0);
    }
    if layers > MAX_LAYERS {
        return Err("a credible num_hidden_layers");
    }
    if let Some(kinds) = layer_kinds(scope) {
        return u64::try_from(kinds.iter().filter(|moe| **moe).count()).map_err(|_| OVERFLOW);
    }
    let first = scope.count("first_k_dense_replace").unwrap_or(0);
    let number = |name| scope.count(name).filter(|n| *n > 0).unwrap_or(1);
    let (step, interleave) = (
        number("decoder_sparse_step"),
        number("interleave_moe_layer_step"),
    );
    let frequency = number("moe_layer_freq");
    let dense: Vec<u64> = scope
        .raw("mlp_only_layers")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_u64)
        .collect();
    let holds = |layer: &u64| {
        (layer + 1).is_multiple_of(step)
            && (layer + 1).is_multiple_of(interleave)
            && layer.is_multiple_of(frequency)
            && !dense.contains(layer)
    };
    u64::try_from((first..layers).filter(holds).count()).map_err(|_| OVERFLOW)
}

fn text(scope: &Scope<'_>, out: &mut Architecture) {
    let model_type = scope.model_type().unwrap_or("");
    let known = family(model_type);
    if known.is_none() {
        out.assumptions.push(Assumption::UnknownLayout {
            model_type: model_type.to_owned(),
        });
    }
    let family = known.unwrap_or(&UNKNOWN);
    let mut b = Builder {
        scope,
        family,
        model_type,
        component: Component::Text,
        out,
        assumed: Vec::new(),
    };
    let (hidden, layers, vocabulary) = (
        b.size("hidden_size"),
        b.size("num_hidden_layers"),
        b.size("vocab_size"),
    );
    if hidden.is_err() && layers.is_err() && vocabulary.is_err() {
        // A config.json that describes no decoder at all.
        return;
    }
    b.put(Role::Embed, None, "embed", &[vocabulary, hidden], Ok(1));
    if family.positions {
        let positions = b.size("max_position_embeddings");
        b.put(
            Role::PosEmbed,
            None,
            "pos_embed",
            &[positions, hidden],
            Ok(1),
        );
    }
    match (scope.flag("tie_word_embeddings"), known) {
        (Some(true), _) => {}
        (None, Some(family)) if family.tied => {}
        (None, None) => b.put(
            Role::LmHead,
            None,
            "lm_head",
            &[Err("tie_word_embeddings"), hidden],
            Ok(1),
        ),
        _ => {
            let bias = scope.flag("lm_head_bias") == Some(true);
            b.linear(Role::LmHead, "lm_head", vocabulary, hidden, bias, Ok(1));
        }
    }
    if scope.count("kv_lora_rank").is_some_and(|rank| rank > 0) {
        latent_attention(&mut b, hidden, layers);
    } else {
        attention(&mut b, hidden, layers);
    }
    for place in family.norms {
        b.norm(&format!("norm:{place}"), hidden, layers);
    }
    if known.is_some() {
        b.norm("norm:final", hidden, Ok(1));
    }
    feed_forward(&mut b, hidden, layers);
    b.finish();
}

fn attention(b: &mut Builder<'_>, hidden: Size, layers: Size) {
    let (scope, family) = (b.scope, b.family);
    let heads = b.size("num_attention_heads");
    let key_value_heads = scope.key_value_heads().ok_or("num_attention_heads");
    let head = scope.head_dim(None).ok_or("head_dim");
    let keyed = scope.flag("attention_bias") == Some(true);
    let (qkv, o) = match family.biases {
        Biases::None => (false, false),
        Biases::Qkv => (true, false),
        Biases::All => (true, true),
        Biases::QkvByKey => (keyed, false),
        Biases::AllByKey => (keyed, keyed),
    };
    b.linear(Role::Q, "q", times(heads, head), hidden, qkv, layers);
    b.linear(
        Role::K,
        "k",
        times(key_value_heads, head),
        hidden,
        qkv,
        layers,
    );
    b.linear(
        Role::V,
        "v",
        times(key_value_heads, head),
        hidden,
        qkv,
        layers,
    );
    b.linear(Role::O, "o", hidden, times(heads, head), o, layers);
    if family.qk_norm || scope.flag("use_qk_norm") == Some(true) {
        b.put(Role::QNorm, None, "q_norm", &[head], layers);
        b.put(Role::KNorm, None, "k_norm", &[head], layers);
    }
    if family.sinks {
        b.put(Role::Bias, None, "sinks", &[heads], layers);
    }
}

/// Multi-head latent attention: q_b [heads·(nope+rope), rank], kv_a [rank+rope, hidden], kv_b
/// [heads·(nope+v), rank].
fn latent_attention(b: &mut Builder<'_>, hidden: Size, layers: Size) {
    let heads = b.size("num_attention_heads");
    let rank = b.size("kv_lora_rank");
    let (nope, rope, value) = (
        b.size("qk_nope_head_dim"),
        b.size("qk_rope_head_dim"),
        b.size("v_head_dim"),
    );
    let query = times(heads, plus(nope, rope));
    match b.size("q_lora_rank") {
        Ok(query_rank) if query_rank > 0 => {
            b.linear(Role::QA, "q_a", Ok(query_rank), hidden, false, layers);
            b.put(Role::Norm, None, "norm:q_a", &[Ok(query_rank)], layers);
            b.linear(Role::QB, "q_b", query, Ok(query_rank), false, layers);
        }
        _ => b.linear(Role::Q, "q", query, hidden, false, layers),
    }
    b.linear(Role::KvA, "kv_a", plus(rank, rope), hidden, false, layers);
    b.put(Role::Norm, None, "norm:kv_a", &[rank], layers);
    b.linear(
        Role::KvB,
        "kv_b",
        times(heads, plus(nope, value)),
        rank,
        false,
        layers,
    );
    b.linear(Role::O, "o", hidden, times(heads, value), false, layers);
}

fn feed_forward(b: &mut Builder<'_>, hidden: Size, layers: Size) {
    let (scope, family) = (b.scope, b.family);
    let experts = layers.and_then(|layers| expert_layers(scope, layers));
    let dense = layers.and_then(|layers| Ok(layers.saturating_sub(experts?)));
    let width = match (b.size("intermediate_size"), family.plain_mlp) {
        // GPT-2: four times the width where n_inner is null.
        (Err(_), true) => times(hidden, Ok(4)),
        (width, _) => width,
    };
    if family.plain_mlp {
        for (role, name, out, into) in [
            (Role::Fc1, "fc1", width, hidden),
            (Role::Fc2, "fc2", hidden, width),
        ] {
            b.put(role, Some(Kind::Dense), name, &[out, into], dense);
            b.put(
                Role::Bias,
                Some(Kind::Dense),
                &format!("{name}.bias"),
                &[out],
                dense,
            );
        }
        return;
    }
    gated(b, Kind::Dense, width, hidden, dense);
    if scope.flag("mlp_bias") == Some(true) {
        for (name, out) in [
            ("gate.bias", width),
            ("up.bias", width),
            ("down.bias", hidden),
        ] {
            b.put(Role::Bias, Some(Kind::Dense), name, &[out], dense);
        }
    }
    if experts == Ok(0) {
        return;
    }
    let count = b.size("n_routed_experts");
    let expert_width = b.size("moe_intermediate_size").or(width);
    let copies = times(count, experts);
    gated(b, Kind::Expert, expert_width, hidden, copies);
    if family.expert_bias {
        b.put(
            Role::Bias,
            Some(Kind::Expert),
            "gate_up.bias",
            &[times(Ok(2), expert_width)],
            copies,
        );
        b.put(
            Role::Bias,
            Some(Kind::Expert),
            "down.bias",
            &[hidden],
            copies,
        );
    }
    let shared = match (
        scope.count("shared_expert_intermediate_size"),
        scope.count("n_shared_experts"),
    ) {
        (Some(width), _) => Some(Ok(width)),
        (None, Some(shared)) if shared > 0 => Some(times(Ok(shared), expert_width)),
        _ => None,
    };
    if let Some(shared) = shared.filter(|width| *width != Ok(0)) {
        gated(b, Kind::Shared, shared, hidden, experts);
    }
    if family.shared_gate {
        b.put(Role::Router, None, "shared_gate", &[Ok(1), hidden], experts);
    }
    b.put(Role::Router, None, "router", &[count, hidden], experts);
    if family.router_bias {
        b.put(Role::RouterBias, None, "router_bias", &[count], experts);
    }
    if family.router_linear_bias {
        b.put(Role::Bias, None, "router.bias", &[count], experts);
    }
}

fn gated(b: &mut Builder<'_>, kind: Kind, width: Size, hidden: Size, copies: Size) {
    b.put(Role::Gate, Some(kind), "gate", &[width, hidden], copies);
    b.put(Role::Up, Some(kind), "up", &[width, hidden], copies);
    b.put(Role::Down, Some(kind), "down", &[hidden, width], copies);
}

/// The tower of Qwen2.5-VL and its merger.
fn qwen_tower(scope: &Scope<'_>, model_type: &str, out: &mut Architecture) {
    let family = family("qwen2_5_vl").unwrap_or(&UNKNOWN);
    let mut b = Builder {
        scope,
        family,
        model_type,
        component: Component::Vision,
        out,
        assumed: Vec::new(),
    };
    let (width, inner, depth) = (
        b.size("hidden_size"),
        b.size("intermediate_size"),
        b.size("depth"),
    );
    let (channels, time, patch) = (
        b.size("in_channels"),
        b.size("temporal_patch_size"),
        b.size("patch_size"),
    );
    b.put(
        Role::PatchEmbed,
        None,
        "patch_embed",
        &[width, channels, time, patch, patch],
        Ok(1),
    );
    b.linear(Role::Qkv, "qkv", times(Ok(3), width), width, true, depth);
    b.linear(Role::O, "o", width, width, true, depth);
    b.norm("norm1", width, depth);
    b.norm("norm2", width, depth);
    b.linear(Role::Gate, "gate", inner, width, true, depth);
    b.linear(Role::Up, "up", inner, width, true, depth);
    b.linear(Role::Down, "down", width, inner, true, depth);
    let merge = b.size("spatial_merge_size");
    let merged = times(times(merge, merge), width);
    let to = b.size("out_hidden_size");
    b.norm("merger.norm", width, Ok(1));
    b.linear(Role::Projector, "merger.0", merged, merged, true, Ok(1));
    b.linear(Role::Projector, "merger.2", to, merged, true, Ok(1));
    b.finish();
}

/// A plain vision transformer (ViT, CLIP, SigLIP): attention and two-matrix feed-forward with
/// biases.
fn plain_tower(scope: &Scope<'_>, model_type: &str, out: &mut Architecture) {
    let known = [
        "vit",
        "deit",
        "clip_vision_model",
        "siglip_vision_model",
        "dinov2",
    ]
    .contains(&model_type);
    if !known {
        out.assumptions.push(Assumption::UnknownTower {
            model_type: model_type.to_owned(),
        });
        out.unknown.push(UnknownShape {
            component: Component::Vision,
            name: "vision".into(),
            missing: "a model_type of known layout".into(),
        });
        return;
    }
    let family = Family {
        norm_bias: true,
        ..UNKNOWN
    };
    let mut b = Builder {
        scope,
        family: &family,
        model_type,
        component: Component::Vision,
        out,
        assumed: Vec::new(),
    };
    let (width, inner, depth) = (
        b.size("hidden_size"),
        b.size("intermediate_size"),
        b.size("depth"),
    );
    let (channels, patch) = (b.size("in_channels"), b.size("patch_size"));
    b.put(
        Role::PatchEmbed,
        None,
        "patch_embed",
        &[width, channels, patch, patch],
        Ok(1),
    );
    for (role, name) in [
        (Role::Q, "q"),
        (Role::K, "k"),
        (Role::V, "v"),
        (Role::O, "o"),
    ] {
        b.linear(role, name, width, width, true, depth);
    }
    b.norm("norm1", width, depth);
    b.norm("norm2", width, depth);
    b.linear(Role::Fc1, "fc1", inner, width, true, depth);
    b.linear(Role::Fc2, "fc2", width, inner, true, depth);
    b.finish();
}
