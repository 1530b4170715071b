//! Low-rank adapters in other forms than PEFT's: kohya-ss and LyCORIS, diffusers, mlx-lm, GGUF
//! (guide/formats.md, section 1.6). They are known by the names of their tensors alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::checkpoint::TensorInfo;

use super::{Adapter, Form, LoraModule};

/// What stands beside the tensors of an adapter and tells of it.
pub(crate) struct Beside<'a> {
    /// `adapter_config.json` of mlx-lm, where there is one.
    pub(crate) config: Option<&'a Map<String, Value>>,
    /// `__metadata__` of a safetensors file, as far as it is kept.
    pub(crate) metadata: &'a BTreeMap<String, String>,
    /// `adapter.lora.alpha` of a GGUF file; none for other files.
    pub(crate) gguf_alpha: Option<Option<f64>>,
    /// The value of a tensor of one element.
    pub(crate) scalar: &'a dyn Fn(usize) -> Option<f64>,
}

/// What a tensor is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A of shape (rank, in).
    A,
    /// B of shape (out, rank).
    B,
    /// The same the other way round, as mlx-lm stores them: (in, rank) and (rank, out).
    TransposedA,
    TransposedB,
    Alpha,
    Magnitude,
}

/// What names of tensors end in.
const ENDINGS: [(&str, Part); 23] = [
    (".lora_A.weight", Part::A),
    (".lora_B.weight", Part::B),
    (".lora_down.weight", Part::A),
    (".lora_up.weight", Part::B),
    (".lora.down.weight", Part::A),
    (".lora.up.weight", Part::B),
    ("_lora.down.weight", Part::A),
    ("_lora.up.weight", Part::B),
    ("_lora1.down.weight", Part::A),
    ("_lora1.up.weight", Part::B),
    ("_lora2.down.weight", Part::A),
    ("_lora2.up.weight", Part::B),
    (".lora_linear_layer.down.weight", Part::A),
    (".lora_linear_layer.up.weight", Part::B),
    (".lora_a.weight", Part::A),
    (".lora_b.weight", Part::B),
    (".lora_A", Part::A),
    (".lora_B", Part::B),
    (".lora_a", Part::TransposedA),
    (".lora_b", Part::TransposedB),
    (".alpha", Part::Alpha),
    (".dora_scale", Part::Magnitude),
    (".lora_magnitude_vector", Part::Magnitude),
];

/// Words in names that are of adapters of other kinds, and the names of these kinds.
const OTHER_KINDS: [(&str, &str); 13] = [
    (".hada_w", "LoHa"),
    (".hada_t", "LoHa"),
    (".lokr_", "LoKr"),
    (".ia3_", "IA3"),
    (".on_input", "IA3"),
    (".oft_", "OFT"),
    (".boft_", "BOFT"),
    (".vera_lambda", "VeRA"),
    (".lora_mid.", "LoCon with a core between its factors"),
    (".glora_", "GLoRA"),
    (".diff_b", "a full difference"),
    (".diff", "a full difference"),
    ("prompt_embeddings", "prompt tuning"),
];

/// Words in front of the flattened paths of kohya-ss and LyCORIS, and the parts of a pipeline that
/// they stand for.
const FLAT: [(&str, &str); 9] = [
    ("lora_unet_", "unet"),
    ("lora_transformer_", "transformer"),
    ("lora_prior_", "prior"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"),
    ("lora_te_", "text_encoder"),
    ("lycoris_", "transformer"),
    ("lora_", ""),
];

/// Parts of a pipeline that paths begin with.
const PARTS: [&str; 6] = [
    "unet.",
    "transformer.",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoder_3.",
    "diffusion_model.",
];

/// Keys of `__metadata__` that name the model that the adapter was trained on, the surest first.
const CLAIMS: [&str; 4] = [
    "ss_sd_model_name",
    "ss_base_model",
    "ss_base_model_version",
    "modelspec.architecture",
];

/// What diffusers writes of an adapter's scale.
const SETTINGS: &str = "lora_adapter_metadata";

/// Whether a key of `__metadata__` tells something of an adapter.
pub(crate) fn is_told(key: &str) -> bool {
    CLAIMS.contains(&key) || key == SETTINGS
}

/// Module and part of a tensor's name.
fn part_of(name: &str, is_gguf: bool) -> Option<(String, Part)> {
    let (module, part) = ENDINGS
        .iter()
        .find_map(|(ending, part)| Some((name.strip_suffix(ending)?, *part)))?;
    let part = match part {
        Part::TransposedA if is_gguf => Part::A,
        Part::TransposedB if is_gguf => Part::B,
        part => part,
    };
    // Attention processors of diffusers hold the change of the projection beside them.
    // XLabs numbers the two streams of Flux: 1 is the image's, 2 the text's.
    let stream = if name.contains("_lora2.") {
        "txt"
    } else {
        "img"
    };
    let is_numbered = name.contains("_lora1.") || name.contains("_lora2.");
    let module = match module.rsplit_once(".processor.") {
        Some((block, projection)) if is_numbered => format!("{block}.{stream}_attn.{projection}"),
        Some((attention, "to_out")) => format!("{attention}.to_out.0"),
        Some((attention, projection)) => format!("{attention}.{projection}"),
        None => module.to_owned(),
    };
    Some((module, part))
}

/// The adapter that these tensors are; none where some of them are no part of a change.
///
/// # Errors
/// An adapter of another kind, by its name; factors that do not fit one another.
pub(crate) fn parse(
    tensors: &[TensorInfo],
    beside: &Beside<'_>,
) -> Result<Option<Adapter>, String> {
    let is_gguf = beside.gguf_alpha.is_some();
    let mut modules: BTreeMap<String, BTreeMap<Part, usize>> = BTreeMap::new();
    let mut other = None;
    for (at, tensor) in tensors.iter().enumerate() {
        let kind = OTHER_KINDS
            .iter()
            .find(|(word, _)| tensor.name.contains(word));
        match (kind, part_of(&tensor.name, is_gguf)) {
            (Some((_, kind)), _) => other = other.or(Some(*kind)),
            (None, Some((module, part))) => {
                modules.entry(module).or_default().insert(part, at);
            }
            // The weight that an IA3 of LyCORIS stores beside what it does.
            (None, None) if tensor.name.starts_with("lycoris_") => {}
            (None, None) => return Ok(None),
        }
    }
    if let Some(kind) = other {
        return Err(format!("an adapter of the kind {kind} (expected LoRA)"));
    }
    let mut out = Adapter {
        declared_base: claim(beside),
        ..Adapter::default()
    };
    for (module, parts) in modules {
        if parts.keys().all(|part| *part == Part::Alpha) {
            continue;
        }
        let found = one(&module, &parts, tensors, beside);
        let found =
            found.map_err(|what| format!("LoRA of {} {what}", crate::error::quoted(&module)));
        out.modules.push(found?);
    }
    Ok((!out.modules.is_empty()).then_some(out))
}

fn claim(beside: &Beside<'_>) -> Option<String> {
    let of_config = beside.config.and_then(|config| config.get("model"));
    let of_config = of_config.and_then(Value::as_str).map(str::to_owned);
    let told = || {
        CLAIMS
            .iter()
            .find_map(|key| beside.metadata.get(*key))
            .cloned()
    };
    of_config.or_else(told)
}

fn one(
    path: &str,
    parts: &BTreeMap<Part, usize>,
    tensors: &[TensorInfo],
    beside: &Beside<'_>,
) -> Result<LoraModule, String> {
    let get = |part: Part| parts.get(&part).copied();
    let straight = (get(Part::A), get(Part::B));
    let transposed = (get(Part::TransposedA), get(Part::TransposedB));
    // (A·B)ᵀ of factors the other way round is that of their transposes in exchanged places.
    let (a, b, form) = match (straight, transposed) {
        ((Some(a), Some(b)), (None, None)) => (a, b, Form::Linear),
        ((None, None), (Some(a), Some(b))) => (b, a, Form::Embedding),
        ((Some(_), None), _) | (_, (Some(_), None)) => return Err("has an A and no B".to_owned()),
        ((None, Some(_)), _) | (_, (None, Some(_))) => return Err("has a B and no A".to_owned()),
        _ => return Err("has neither A nor B".to_owned()),
    };
    let shape = |at: usize| tensors.get(at).map_or(&[][..], |tensor| &tensor.shape);
    let (&[rank, ref input @ ..], &[out, columns, ref ones @ ..]) = (shape(a), shape(b)) else {
        let (a, b) = (shape(a), shape(b));
        return Err(format!(
            "has A of shape {a:?} and B of shape {b:?} (expected two axes each)"
        ));
    };
    if input.is_empty() || ones.iter().any(|axis| *axis != 1) || rank == 0 || out == 0 {
        let (a, b) = (shape(a), shape(b));
        return Err(format!("has A of shape {a:?} and B of shape {b:?}"));
    }
    if rank != columns {
        return Err(format!("has A of rank {rank} and B of rank {columns}"));
    }
    let scale = scale(path, rank, get(Part::Alpha), beside);
    let scale = scale.filter(|scale| scale.is_finite());
    let scale = scale.ok_or("has a scale that is no number")?;
    let magnitude = get(Part::Magnitude);
    Ok(LoraModule {
        parameters: parameters(path),
        module: path.to_owned(),
        form,
        rank,
        experts: 1,
        alpha: scale * rank as f64,
        scale,
        a,
        b,
        magnitude,
        bias: None,
        alpha_tensor: get(Part::Alpha),
    })
}

/// What B·A is multiplied with: alpha / rank, 1 where nothing is said.
fn scale(path: &str, rank: u64, alpha: Option<usize>, beside: &Beside<'_>) -> Option<f64> {
    let of_mlx = beside.config.and_then(|config| {
        let settings = config.get("lora_parameters")?;
        settings.get("scale")?.as_f64()
    });
    if let Some(scale) = of_mlx {
        return Some(scale);
    }
    let own = match alpha {
        Some(at) => Some((beside.scalar)(at)?),
        None => beside
            .gguf_alpha
            .flatten()
            .or_else(|| told_alpha(path, beside)),
    };
    Some(own.map_or(1.0, |alpha| alpha / rank as f64))
}

/// `PART.lora_alpha` of the settings that diffusers writes.
fn told_alpha(path: &str, beside: &Beside<'_>) -> Option<f64> {
    let settings: Value = serde_json::from_str(beside.metadata.get(SETTINGS)?).ok()?;
    let (part, _) = path.split_once('.')?;
    let alpha = settings.get(format!("{part}.lora_alpha"));
    alpha.or_else(|| settings.get("lora_alpha"))?.as_f64()
}

/// What the base may call the matrix of a module, the likeliest first.
fn parameters(path: &str) -> Vec<String> {
    let with_weight = |path: &str| match path.ends_with(".weight") {
        true => path.to_owned(),
        false => format!("{path}.weight"),
    };
    let flat = FLAT.iter().find_map(|(front, part)| {
        let rest = path.strip_prefix(front)?;
        (!rest.contains('.')).then_some((*part, rest))
    });
    if let Some((part, rest)) = flat {
        let of_part = (!part.is_empty()).then(|| format!("{part}_{rest}"));
        return of_part.into_iter().chain([rest.to_owned()]).collect();
    }
    let path = path.strip_prefix("base_model.model.").unwrap_or(path);
    let mut out = vec![with_weight(path)];
    for part in PARTS {
        if let Some(rest) = path.strip_prefix(part) {
            let folder = part.trim_end_matches('.');
            out.insert(0, format!("{folder}/{}", with_weight(rest)));
            out.push(with_weight(rest));
        }
    }
    out
}

/// A module's path, its dots made underscores: kohya-ss keeps no others.
pub(crate) fn flattened(path: &str) -> String {
    path.replace(['.', '/'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;

    fn tensor(name: &str, shape: &[u64]) -> TensorInfo {
        TensorInfo {
            name: name.to_owned(),
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            file: 0,
            offset: 0,
            bytes: 4 * shape.iter().product::<u64>(),
        }
    }

    fn read(tensors: &[TensorInfo], gguf: Option<Option<f64>>) -> Result<Option<Adapter>, String> {
        let metadata = [("ss_sd_model_name", "base.safetensors")];
        let metadata = metadata
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let beside = Beside {
            config: None,
            metadata: &metadata,
            gguf_alpha: gguf,
            scalar: &|_| Some(2.0),
        };
        parse(tensors, &beside)
    }

    #[test]
    fn a_processor_of_two_streams_changes_the_attention_of_each() {
        let tensors = ["qkv_lora1", "qkv_lora2", "proj_lora1"].map(|word| {
            let name = |end: &str| format!("double_blocks.3.processor.{word}.{end}.weight");
            [
                tensor(&name("down"), &[4, 16]),
                tensor(&name("up"), &[8, 4]),
            ]
        });
        let adapter = read(&tensors.concat(), None).unwrap().unwrap();
        let modules: Vec<&str> = adapter.modules.iter().map(|m| m.module.as_str()).collect();
        assert_eq!(
            modules,
            [
                "double_blocks.3.img_attn.proj",
                "double_blocks.3.img_attn.qkv",
                "double_blocks.3.txt_attn.qkv"
            ]
        );
    }

    #[test]
    fn every_form_is_one_change() {
        let kohya = [
            tensor("lora_unet_mid_attn1_to_q.alpha", &[]),
            tensor("lora_unet_mid_attn1_to_q.lora_down.weight", &[4, 16, 3, 3]),
            tensor("lora_unet_mid_attn1_to_q.lora_up.weight", &[8, 4, 1, 1]),
        ];
        let adapter = read(&kohya, None).unwrap().unwrap();
        let module = &adapter.modules[0];
        assert_eq!(
            (module.rank, module.scale, module.a, module.b),
            (4, 0.5, 1, 2)
        );
        assert_eq!(module.parameters, ["unet_mid_attn1_to_q", "mid_attn1_to_q"]);
        assert_eq!(adapter.declared_base.as_deref(), Some("base.safetensors"));

        let gguf = [
            tensor("blk.0.attn_q.weight.lora_a", &[4, 16]),
            tensor("blk.0.attn_q.weight.lora_b", &[8, 4]),
        ];
        let module = read(&gguf, Some(Some(16.0)))
            .unwrap()
            .unwrap()
            .modules
            .remove(0);
        assert_eq!((module.scale, module.form), (4.0, Form::Linear));
        assert_eq!(module.parameters, ["blk.0.attn_q.weight"]);

        let mlx = [
            tensor("model.layers.0.q_proj.lora_a", &[16, 4]),
            tensor("model.layers.0.q_proj.lora_b", &[4, 8]),
        ];
        let module = read(&mlx, None).unwrap().unwrap().modules.remove(0);
        assert_eq!(
            (module.rank, module.form, module.a),
            (4, Form::Embedding, 1)
        );

        let processor = [
            tensor("unet.mid.attn1.processor.to_out_lora.down.weight", &[4, 16]),
            tensor("unet.mid.attn1.processor.to_out_lora.up.weight", &[8, 4]),
        ];
        let module = read(&processor, None).unwrap().unwrap().modules.remove(0);
        assert_eq!(module.parameters[0], "unet/mid.attn1.to_out.0.weight");
        assert_eq!(module.scale, 1.0);
    }

    #[test]
    fn other_kinds_are_named_and_models_are_none() {
        let refused = |name: &str| read(&[tensor(name, &[4, 4])], None).unwrap_err();
        assert!(refused("lora_unet_a.hada_w1_a").contains("LoHa"));
        assert!(refused("lycoris_a.lokr_w1").contains("LoKr"));
        assert!(refused("lora_te_a.on_input").contains("IA3"));
        assert_eq!(read(&[tensor("model.norm.weight", &[4])], None), Ok(None));
        assert!(read(&[tensor("a.lora_A.weight", &[4, 4])], None).is_err());
    }
}
