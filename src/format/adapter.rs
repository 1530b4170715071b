//! PEFT LoRA adapters: adapter_config.json and the tensors beside it (guide/formats.md, section
//! 1.6).

pub(crate) mod foreign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::error::{Error, Result, quoted};
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::element_count;
use crate::model::warning::{AdapterSetting, Warning};

/// Prefix of every name that PEFT writes.
const PREFIX: &str = "base_model.model.";

/// How a module's change follows from its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// W' = W + s · B·A.
    Linear,
    /// The same; where W is stored (in, out), as by Conv1D layers, W' = W + s · (B·A)ᵀ
    /// (`fan_in_fan_out`).
    Transposed,
    /// W' = W + s · (B·A)ᵀ.
    Embedding,
    /// `target_parameters`: a stack of matrices with A of shape (experts · rank, in), expert-major,
    /// and B of shape (out, rank · experts), rank-major.
    Experts,
}

/// The change of one matrix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoraModule {
    /// Path of the module in the base model, "model.layers.0.self_attn.q_proj".
    pub module: String,
    /// What the base may call the matrix, the likeliest first: the module and ".weight", or
    /// parameters of the module.
    pub parameters: Vec<String>,
    /// How the change follows.
    pub form: Form,
    /// Rank of the change, of each matrix of a stack: the first axis of A, over the number of
    /// experts.
    pub rank: u64,
    /// Matrices in the stack; 1 where it is none.
    pub experts: u64,
    /// `lora_alpha` of the module.
    pub alpha: f64,
    /// What B·A is multiplied with: alpha / r, or alpha / √r with rslora.
    pub scale: f64,
    /// A, index into the tensors.
    pub a: usize,
    /// B, index into the tensors.
    pub b: usize,
    /// DoRA: norm of each row after the change. W' = m · V / ‖V‖ by row, V = W + s · B·A.
    pub magnitude: Option<usize>,
    /// Bias that B adds.
    pub bias: Option<usize>,
    /// `lora_alpha` where it is a tensor.
    pub alpha_tensor: Option<usize>,
}

/// What an adapter changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Adapter {
    /// Changes, sorted by module.
    pub modules: Vec<LoraModule>,
    /// Tensors that replace those of the base (`modules_to_save`, trained biases): name in the
    /// base, index.
    pub replaced: Vec<(String, usize)>,
    /// Tensors of the base that were saved along: name in the base, index.
    pub base_layers: Vec<(String, usize)>,
    /// `base_model_name_or_path`, a claim.
    pub declared_base: Option<String>,
    /// `revision` of the base, a claim.
    pub declared_revision: Option<String>,
    /// `task_type`.
    pub task: Option<String>,
    /// Odd but usable things.
    pub warnings: Vec<Warning>,
}

impl Adapter {
    /// Tensors that stand for whole tensors of the base, by index, with their names there.
    pub(crate) fn names_in_base(&self) -> BTreeMap<usize, &str> {
        self.replaced
            .iter()
            .chain(&self.base_layers)
            .map(|(name, at)| (*at, name.as_str()))
            .collect()
    }
}

/// Puts together what the config and the tensors of an adapter say. `config` and `weights` are what
/// they were read from, for errors.
///
/// # Errors
/// No LoRA, an A without its B, or shapes and ranks that contradict one another.
pub(crate) fn parse_adapter(
    (config, raw): (&Path, &Map<String, Value>),
    (weights, tensors): (&Path, &[TensorInfo]),
) -> Result<Adapter> {
    let settings = Settings::new(raw);
    match settings.text("peft_type") {
        Some("LORA") => {}
        Some(other) => {
            let what = format!("an adapter of the kind {} (expected LORA)", quoted(other));
            return Err(Error::unsupported(config, what));
        }
        None => {
            return Err(Error::malformed(
                config,
                "no peft_type (expected the configuration of a PEFT adapter)",
            ));
        }
    }
    let mut adapter = Adapter {
        declared_base: settings.text("base_model_name_or_path").map(str::to_owned),
        declared_revision: settings.text("revision").map(str::to_owned),
        task: settings.text("task_type").map(str::to_owned),
        ..Adapter::default()
    };
    let mut parts: BTreeMap<&str, Parts> = BTreeMap::new();
    for (at, tensor) in tensors.iter().enumerate() {
        let name = tensor.name.strip_prefix(PREFIX).unwrap_or(&tensor.name);
        match part_of(name) {
            Some((module, part)) => drop(parts.entry(module).or_default().insert(part, at)),
            None if name.contains(".token_adapter.") => {
                adapter.warnings.push(Warning::AdapterTokens {
                    name: tensor.name.clone(),
                });
            }
            None => match name.split_once(".base_layer.") {
                Some((module, rest)) => adapter.base_layers.push((format!("{module}.{rest}"), at)),
                None => adapter.replaced.push((name.to_owned(), at)),
            },
        }
    }
    for (module, parts) in parts {
        match module_of(module, &parts, &settings, tensors) {
            Ok(module) => adapter.modules.push(module),
            Err(what) => {
                return Err(Error::malformed(
                    weights,
                    format!("LoRA of {} {what}", quoted(module)),
                ));
            }
        }
    }
    if adapter.modules.is_empty() && adapter.replaced.is_empty() && adapter.warnings.is_empty() {
        return Err(Error::malformed(
            weights,
            "an adapter without any tensor that changes the base",
        ));
    }
    check_settings(&settings, &mut adapter);
    Ok(adapter)
}

/// What a tensor is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    A,
    B,
    EmbeddingA,
    EmbeddingB,
    Magnitude,
    Bias,
}

/// Tensors of a module.
type Parts = BTreeMap<Part, usize>;

/// Splits a name into module and part; `None` where it is no LoRA tensor.
fn part_of(name: &str) -> Option<(&str, Part)> {
    const ENDINGS: [(&str, Part); 7] = [
        (".lora_A.weight", Part::A),
        (".lora_B.weight", Part::B),
        (".lora_embedding_A", Part::EmbeddingA),
        (".lora_embedding_B", Part::EmbeddingB),
        (".lora_magnitude_vector", Part::Magnitude),
        (".lora_magnitude_vector.weight", Part::Magnitude),
        (".lora_B.bias", Part::Bias),
    ];
    let named = ENDINGS
        .iter()
        .find_map(|(ending, part)| Some((name.strip_suffix(ending)?, *part)));
    named.or_else(|| part_of_named(name))
}

/// The same of a name that holds that of its adapter, as the state of a live model has it:
/// `X.lora_A.default.weight`.
fn part_of_named(name: &str) -> Option<(&str, Part)> {
    const WORDS: [(&str, &str, Part); 7] = [
        (".lora_A.", ".weight", Part::A),
        (".lora_B.", ".weight", Part::B),
        (".lora_B.", ".bias", Part::Bias),
        (".lora_embedding_A.", "", Part::EmbeddingA),
        (".lora_embedding_B.", "", Part::EmbeddingB),
        (".lora_magnitude_vector.", ".weight", Part::Magnitude),
        (".lora_magnitude_vector.", "", Part::Magnitude),
    ];
    WORDS.iter().find_map(|(word, ending, part)| {
        let (module, adapter) = name.strip_suffix(ending)?.rsplit_once(word)?;
        (!adapter.is_empty() && !adapter.contains('.')).then_some((module, *part))
    })
}

fn module_of(
    module: &str,
    parts: &Parts,
    settings: &Settings<'_>,
    tensors: &[TensorInfo],
) -> std::result::Result<LoraModule, String> {
    let pair = |a: Part, b: Part| match (parts.get(&a), parts.get(&b)) {
        (Some(&a), Some(&b)) => Ok(Some((a, b))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("has an A and no B".to_owned()),
        (None, Some(_)) => Err("has a B and no A".to_owned()),
    };
    let (a, b, is_embedding) = match (
        pair(Part::A, Part::B)?,
        pair(Part::EmbeddingA, Part::EmbeddingB)?,
    ) {
        (Some((a, b)), None) => (a, b, false),
        (None, Some((a, b))) => (a, b, true),
        (Some(_), Some(_)) => return Err("is both of a matrix and of an embedding".to_owned()),
        (None, None) => return Err("has neither A nor B".to_owned()),
    };
    let shape = |at: usize| tensors.get(at).map_or(&[][..], |tensor| &tensor.shape);
    let (&[rows_of_a, _], &[out, columns_of_b]) = (shape(a), shape(b)) else {
        let (a, b) = (shape(a), shape(b));
        return Err(format!(
            "has A of shape {a:?} and B of shape {b:?} (expected two axes each)"
        ));
    };
    if rows_of_a != columns_of_b {
        return Err(format!(
            "has A of rank {rows_of_a} and B of rank {columns_of_b}"
        ));
    }
    if [a, b].iter().any(|&at| shape(at).contains(&0)) {
        let (a, b) = (shape(a), shape(b));
        return Err(format!(
            "has A of shape {a:?} and B of shape {b:?} (expected no empty axis)"
        ));
    }
    let path = module.trim_end_matches(".base_layer");
    let stated = settings.of_module(path, &settings.ranks, "r");
    let alpha = settings
        .of_module(path, &settings.alphas, "lora_alpha")
        .ok_or("has no lora_alpha in the config")?;
    let parameters = settings.parameters(module);
    let experts = match stated {
        Some(rank) if !parameters.is_empty() => experts(rows_of_a, rank),
        _ => 1,
    };
    let form = match () {
        () if experts > 1 => Form::Experts,
        () if is_embedding => Form::Embedding,
        () if settings.flag("fan_in_fan_out") => Form::Transposed,
        () => Form::Linear,
    };
    let rank = rows_of_a / experts;
    let scale = if settings.flag("use_rslora") {
        alpha / (rank as f64).sqrt()
    } else {
        alpha / rank as f64
    };
    if !scale.is_finite() {
        return Err(format!("has the scale {scale}"));
    }
    let get = |part: Part| parts.get(&part).copied();
    let (magnitude, bias) = (get(Part::Magnitude), get(Part::Bias));
    if let Some(shape) = magnitude
        .map(shape)
        .filter(|shape| element_count(shape) != Some(out))
    {
        return Err(format!(
            "has magnitudes of shape {shape:?} and B of shape [{out}, {columns_of_b}]"
        ));
    }
    let parameters = if parameters.is_empty() {
        vec![format!("{path}.weight")]
    } else {
        parameters
    };
    Ok(LoraModule {
        module: path.to_owned(),
        parameters,
        form,
        rank,
        experts,
        alpha,
        scale,
        a,
        b,
        magnitude,
        bias,
        alpha_tensor: None,
    })
}

/// How many matrices a stack has whose A has that many rows, `rank` of them each.
fn experts(rows: u64, rank: f64) -> u64 {
    let experts = rows as f64 / rank;
    if experts >= 1.0 && experts.fract() == 0.0 {
        experts as u64
    } else {
        1
    }
}

/// adapter_config.json.
struct Settings<'a> {
    config: &'a Map<String, Value>,
    ranks: Vec<Pattern<'a>>,
    alphas: Vec<Pattern<'a>>,
}

/// A number for the modules whose paths a key fits.
struct Pattern<'a> {
    key: &'a str,
    form: Key,
    number: Option<f64>,
}

/// How a key is read.
enum Key {
    /// The end of a path.
    Names,
    Expression(Regex),
    /// As nothing.
    Unread,
}

/// Regular expressions that are read of a list: every one is tried on every module.
const MOST_EXPRESSIONS: usize = 256;

/// Patterns of any kind that are read of a list.
const MOST_PATTERNS: usize = 4096;

/// Patterns that are not read and told of, of each list.
const UNREAD_TOLD: usize = 8;

/// Largest automaton of a pattern, in bytes; that of a hundred names is smaller.
const LARGEST_EXPRESSION: usize = 1 << 20;

impl<'a> Pattern<'a> {
    /// PEFT matches `(.*\.)?(key)$` from the start of a path (peft.utils.other, get_pattern_key).
    fn list(config: &'a Map<String, Value>, name: &str) -> Vec<Self> {
        let mut read = 0;
        let mut form = |key: &str| {
            if key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
            {
                return Key::Names;
            }
            read += 1;
            if read > MOST_EXPRESSIONS {
                return Key::Unread;
            }
            let whole = format!(r"^(?:.*\.)?(?:{key})$");
            let expression = RegexBuilder::new(&whole)
                .size_limit(LARGEST_EXPRESSION)
                .build();
            expression.map_or(Key::Unread, Key::Expression)
        };
        let listed = config
            .get(name)
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let pattern = |(number, (key, value)): (usize, (&'a String, &Value))| Self {
            key,
            form: match number < MOST_PATTERNS {
                true => form(key),
                false => Key::Unread,
            },
            number: value.as_f64(),
        };
        listed.enumerate().map(pattern).collect()
    }

    fn fits(&self, path: &str) -> bool {
        match &self.form {
            Key::Names => is_end(path, self.key),
            Key::Expression(expression) => expression.is_match(path),
            Key::Unread => false,
        }
    }
}

impl<'a> Settings<'a> {
    fn new(config: &'a Map<String, Value>) -> Self {
        let [ranks, alphas] =
            ["rank_pattern", "alpha_pattern"].map(|name| Pattern::list(config, name));
        Self {
            config,
            ranks,
            alphas,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Value::as_str)
    }

    fn flag(&self, key: &str) -> bool {
        self.config
            .get(key)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// The number for a module: of the first pattern that fits its path, else the general one.
    fn of_module(&self, path: &str, patterns: &[Pattern<'_>], general: &str) -> Option<f64> {
        let own = patterns
            .iter()
            .find(|pattern| pattern.fits(path))
            .map(|pattern| pattern.number);
        let number = own.unwrap_or_else(|| self.config.get(general).and_then(Value::as_f64));
        number.filter(|number| number.is_finite() && *number > 0.0)
    }

    /// The parameters of `module` that `target_parameters` lists, the likeliest first: PEFT wraps
    /// the module once for each, the first listed innermost, and every wrapper adds ".base_layer"
    /// to the path of what it wraps.
    fn parameters(&self, module: &str) -> Vec<String> {
        let path = module.trim_end_matches(".base_layer");
        let depth = (module.len() - path.len()) / ".base_layer".len();
        let listed = self
            .config
            .get("target_parameters")
            .and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let mut own: Vec<String> = listed
            .filter_map(|name| name.rsplit_once('.'))
            .filter(|(holder, _)| is_end(path, holder))
            .map(|(_, parameter)| format!("{path}.{parameter}"))
            .collect();
        own.reverse();
        if depth < own.len() {
            own.swap(0, depth);
        }
        own
    }
}

/// Whether `end` is the end of `path`, of whole names.
fn is_end(path: &str, end: &str) -> bool {
    path == end
        || path
            .strip_suffix(end)
            .is_some_and(|front| front.ends_with('.'))
}

/// Says what of the config the tensors do not bear out, and what is not undone.
fn check_settings(settings: &Settings<'_>, adapter: &mut Adapter) {
    let mut warn = |setting| adapter.warnings.push(Warning::AdapterConfig(setting));
    if settings.flag("use_dora")
        && adapter
            .modules
            .iter()
            .all(|module| module.magnitude.is_none())
    {
        warn(AdapterSetting::NoMagnitude);
    }
    if let Some(Value::Array(replication)) = settings.config.get("layer_replication")
        && !replication.is_empty()
    {
        warn(AdapterSetting::RepeatedLayers);
    }
    if let Some(Value::String(start)) = settings.config.get("init_lora_weights")
        && ["pissa", "olora", "loftq", "corda"]
            .iter()
            .any(|changes| start.starts_with(changes))
    {
        warn(AdapterSetting::ChangedBase {
            start: start.clone(),
        });
    }
    for (table, patterns) in [
        ("rank_pattern", &settings.ranks),
        ("alpha_pattern", &settings.alphas),
    ] {
        for pattern in patterns
            .iter()
            .filter(|pattern| matches!(pattern.form, Key::Unread))
            .take(UNREAD_TOLD)
        {
            warn(AdapterSetting::PatternNotApplied {
                table: table.to_owned(),
                pattern: pattern.key.to_owned(),
            });
        }
    }
    let patterned = !settings.ranks.is_empty();
    if let Some(r) = settings.config.get("r").and_then(Value::as_u64)
        && !patterned
        && let Some(module) = adapter
            .modules
            .iter()
            .find(|module| module.form != Form::Experts && module.rank != r)
    {
        warn(AdapterSetting::OtherRank {
            declared: r,
            module: module.module.clone(),
            rank: module.rank,
        });
    }
}
