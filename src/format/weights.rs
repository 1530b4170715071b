//! Which files of a directory are the model. A release often holds it more than once: under
//! Mistral's names (`consolidated`), as a variant (`model.fp16`), for another framework. One set is
//! read, the rest is named.

use super::foreign;
use super::formats::{self, FormatReader};
use super::json::Scan;
use super::series;
use crate::error::quoted;
use crate::model::checkpoint::Format;

/// The weight files to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    /// The shards that this index names.
    Index(&'a str),
    /// These files, which no index describes.
    Files(Vec<&'a str>),
    /// A PEFT adapter, and no model.
    Adapter(&'a str),
}

/// What training leaves beside a model, and what is no weight for all its extension.
const LEFTOVERS: [&str; 6] = [
    "training_args",
    "optimizer",
    "scheduler",
    "rng_state",
    "random_states",
    // macOS leaves it beside every file on a foreign file system.
    ".",
];

/// The same, anywhere in a name: shards of an optimizer.
const LEFTOVER_PARTS: [&str; 2] = ["optim_states", "zero_pp_rank"];

/// Stems that loaders look for, the preferred first; only these have variants.
const STEMS: [&str; 4] = [
    "model",
    "diffusion_pytorch_model",
    "pytorch_model",
    "consolidated",
];

/// Variants by how much of the model they keep; others come behind, by name.
const VARIANTS: [&str; 4] = ["fp32", "bf16", "fp16", "ema"];

/// Models of one directory that are named where there is more than one.
const MODELS_SHOWN: usize = 12;

/// What a file name says.
#[derive(Debug, Clone)]
struct Named<'a> {
    file: &'a str,
    format: &'static FormatReader,
    is_index: bool,
    /// Without extension, shard number and variant.
    stem: &'a str,
    variant: Option<&'a str>,
    /// Number of shards of which it is one.
    shards: Option<u32>,
}

/// True for a name that a weight file would have, chosen or not.
pub(super) fn is_weight_file(name: &str) -> bool {
    let Some((_, ending)) = split_ending(name) else {
        return false;
    };
    let ending = ending.to_ascii_lowercase();
    let is_known = formats::all().any(|format| {
        let mut endings = format.endings.iter().chain(format.shared_endings);
        endings.any(|own| *own == ending)
    });
    let is_leftover = LEFTOVERS.iter().any(|leftover| name.starts_with(leftover))
        || LEFTOVER_PARTS.iter().any(|part| name.contains(part));
    (is_known || foreign::named(name).is_some()) && !is_leftover
}

/// A name in front of its ending, and the ending: `model_best.pth.tar` is a PyTorch file, which the
/// examples of the ImageNet trainers call so.
pub(super) fn split_ending(name: &str) -> Option<(&str, &str)> {
    let name = match name.rsplit_once('.')? {
        (inner, "tar") if inner.contains(".pt") || inner.contains(".ckpt") => inner,
        _ => name,
    };
    name.rsplit_once('.')
}

/// Files beside weights that are read, whatever they are called for.
const SIDECARS: [&str; 18] = [
    "config.json",
    "model_index.json",
    "modules.json",
    "adapter_config.json",
    "generation_config.json",
    "hf_quant_config.json",
    "quantize_config.json",
    "quant_config.json",
    "params.json",
    "readme.md",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
];

/// True for a file of a checkpoint's directory that may be read.
pub(super) fn may_be_read(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SIDECARS.contains(&lower.as_str()) || is_weight_file(name) || is_index(name)
}

/// True for the index of a sharded model.
pub(super) fn is_index(name: &str) -> bool {
    parse(name).is_some_and(|named| named.is_index)
}

/// True for a name that loaders look for, so that the files beside it are its own.
pub(super) fn has_model_stem(name: &str) -> bool {
    STEMS.iter().any(|stem| name.starts_with(stem))
}

/// The adapter that mlx-lm writes.
const MLX_ADAPTERS: &str = "adapters.safetensors";

/// Whether a name is `NUMBER_NAME`.
fn is_numbered(name: &str, last: &str) -> bool {
    let number = name
        .strip_suffix(last)
        .and_then(|front| front.strip_suffix('_'));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// True for the weights of a PEFT adapter.
pub(super) fn is_adapter(name: &str) -> bool {
    name.starts_with("adapter_model.") && is_weight_file(name)
}

/// Chooses among the sorted `names` of a directory; none where there is no weight file.
///
/// # Errors
/// Several sets of equal standing.
pub(super) fn choose<'a>(names: impl Iterator<Item = &'a str>) -> Scan<Option<Choice<'a>>> {
    let (adapters, mut others): (Vec<&str>, Vec<&str>) = names.partition(|name| is_adapter(name));
    // mlx-lm keeps numbered states of its training beside the last.
    if others.contains(&MLX_ADAPTERS) {
        others.retain(|name| !is_numbered(name, MLX_ADAPTERS));
    }
    let mut models: Vec<Named<'_>> = others.iter().filter_map(|name| parse(name)).collect();
    let is_whole_gguf =
        |named: &Named<'_>| named.format.format == Format::Gguf && !is_gguf_sidecar(named.file);
    if models.iter().any(is_whole_gguf) {
        models.retain(|named| !is_gguf_sidecar(named.file));
    }

    for format in formats::by_preference() {
        let mut found = Vec::new();
        for named in &models {
            if named.format.format == format.format {
                found.push(named);
            }
        }
        if !found.is_empty() {
            return choose_in(format, &one_copy(&found)).map(Some);
        }
    }
    let safe = adapters.iter().find(|name| name.ends_with(".safetensors"));
    let adapter = safe.or(adapters.first());
    Ok(adapter.map(|name| Choice::Adapter(name)))
}

/// Leaves one of the copies that a directory holds: the default one, else Mistral's, else the
/// fullest variant.
fn one_copy<'a, 'b>(found: &[&'b Named<'a>]) -> Vec<&'b Named<'a>> {
    let best = found.iter().map(|named| rank(named)).min();
    found
        .iter()
        .filter(|named| Some(rank(named)) == best)
        .copied()
        .collect()
}

/// Orders copies, the preferred first.
fn rank<'a>(named: &Named<'a>) -> (u8, usize, &'a str) {
    match named.variant {
        None if named.stem != "consolidated" => (0, 0, ""),
        None => (1, 0, ""),
        Some(variant) => {
            let known = VARIANTS.iter().position(|known| *known == variant);
            (2, known.unwrap_or(VARIANTS.len()), variant)
        }
    }
}

/// Chooses among the files of one copy: a whole file, then an index, then everything.
fn choose_in<'a>(format: &FormatReader, copy: &[&Named<'a>]) -> Scan<Choice<'a>> {
    for stem in STEMS {
        let mut of_stem = copy.iter().filter(|named| named.stem == stem);
        let whole = of_stem
            .clone()
            .find(|named| !named.is_index && named.shards.is_none());
        if let Some(whole) = whole {
            return Ok(Choice::Files(vec![whole.file]));
        }
        if let Some(index) = of_stem.find(|named| named.is_index) {
            return Ok(Choice::Index(index.file));
        }
    }
    if let Some(index) = copy.iter().find(|named| named.is_index) {
        return Ok(Choice::Index(index.file));
    }

    let sets = sets(copy);
    require_one_generation(&sets)?;
    if format.each_file_is_a_model && !(format.has_series && is_one_series(copy)) {
        require_one_model(&sets)?;
    }
    Ok(Choice::Files(copy.iter().map(|named| named.file).collect()))
}

/// Whether the names of all files differ in their numbers alone.
fn is_one_series(copy: &[&Named<'_>]) -> bool {
    let mut patterns = copy.iter().map(|named| series::pattern(named.file));
    let first = patterns.next().flatten();
    first.is_some() && patterns.all(|pattern| pattern == first)
}

/// The stems of a copy, each with the numbers of shards that its files count to; sorted.
fn sets<'a>(copy: &[&Named<'a>]) -> Vec<(&'a str, Option<u32>)> {
    let mut sets: Vec<_> = copy
        .iter()
        .map(|named| (named.stem, named.shards))
        .collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}

/// That no stem stands for two sets of shards, which would be two generations of a model.
fn require_one_generation(sets: &[(&str, Option<u32>)]) -> Scan<()> {
    let generations = sets.windows(2).find_map(|pair| match pair {
        [a, b] if a.0 == b.0 => Some((a.1, b.1)),
        _ => None,
    });
    let Some((a, b)) = generations else {
        return Ok(());
    };
    let shown = |shards: Option<u32>| match shards {
        Some(shards) => format!("shards of {shards}"),
        None => "a whole file".to_owned(),
    };
    Err(format!(
        "{} beside {} of one name (expected one set, or an index)",
        shown(a),
        shown(b)
    ))
}

/// That there is one stem only.
fn require_one_model(sets: &[(&str, Option<u32>)]) -> Scan<()> {
    if sets.len() < 2 {
        return Ok(());
    }
    let stems = sets.iter().map(|(stem, _)| quoted(stem));
    let mut shown: Vec<String> = stems.take(MODELS_SHOWN).collect();
    let more = sets.len().saturating_sub(MODELS_SHOWN);
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    Err(format!(
        "several models: {} (expected one: name its file)",
        shown.join(", ")
    ))
}

/// The GGUF file of `names` that holds the vision or audio tower of the GGUF model `chosen`. Of
/// several, which are one tower in several number formats, the one that keeps the most.
pub(super) fn tower<'a>(chosen: &[&str], names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let is_whole_gguf = |name: &&str| is_gguf(name) && !is_gguf_sidecar(name);
    if !chosen.iter().all(is_whole_gguf) {
        return None;
    }
    let what_is_lost = |name: &str| {
        let lower = name.to_ascii_lowercase();
        // "bf16" ends in "f16".
        ["f32", "bf16", "f16", "q8_0"]
            .iter()
            .position(|format| lower.contains(format))
            .unwrap_or(usize::MAX)
    };
    let towers = names.filter(|name| is_weight_file(name) && is_gguf(name) && is_tower(name));
    towers.min_by_key(|name| (what_is_lost(name), *name))
}

fn is_gguf(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".gguf")
}

/// A vision or audio tower, as llama.cpp names its file.
fn is_tower(name: &str) -> bool {
    name.to_ascii_lowercase().contains("mmproj")
}

/// A GGUF file that belongs to the model beside it: a tower, or prediction layers alone.
fn is_gguf_sidecar(name: &str) -> bool {
    is_gguf(name) && (is_tower(name) || name.starts_with("mtp-"))
}

/// The files of `names` that are one model with `name`: a GGUF model is split so that any of its
/// parts stands for all.
pub(super) fn parts<'a>(name: &'a str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let model = |name: &'a str| series::numbered(name.strip_suffix(".gguf")?);
    match model(name) {
        Some(own) => names.filter(|other| model(other) == Some(own)).collect(),
        None => vec![name],
    }
}

/// The number of shards that the file names count to, where there are fewer.
pub(super) fn expected_shards<'a>(files: impl ExactSizeIterator<Item = &'a str>) -> Option<u32> {
    let count = files.len();
    let shards = files
        .map(|file| series::numbered(file.rsplit_once('.')?.0).map(|(_, shards)| shards))
        .max()
        .flatten()?;
    (usize::try_from(shards).is_ok_and(|shards| shards > count)).then_some(shards)
}

/// Reads a file name; none where it is no weight file and no index of a format that is read.
fn parse(file: &str) -> Option<Named<'_>> {
    let (name, index) = match file.strip_suffix(".json") {
        Some(rest) => {
            let (name, variant) = indexed(rest)?;
            (name, Some(variant))
        }
        None => (file, None),
    };
    let (stem, ending) = split_ending(name)?;
    let format = formats::all().find(|format| has_ending(format, stem, ending))?;
    if !is_weight_file(name) {
        return None;
    }
    let (stem, shards) = match series::numbered(stem) {
        Some((stem, shards)) => (stem, Some(shards)),
        None => (stem, None),
    };
    let (stem, variant) = match stem.split_once('.') {
        Some((known, variant)) if STEMS.contains(&known) && is_variant(variant) => {
            (known, Some(variant))
        }
        _ => (stem, None),
    };
    Some(Named {
        file,
        format,
        is_index: index.is_some(),
        stem,
        variant: index.flatten().or(variant),
        shards,
    })
}

/// Splits `NAME.index` and `NAME.index.VARIANT`, what an index is called without `.json`.
fn indexed(rest: &str) -> Option<(&str, Option<&str>)> {
    if let Some(name) = rest.strip_suffix(".index") {
        return Some((name, None));
    }
    let (name, variant) = rest.rsplit_once('.')?;
    Some((name.strip_suffix(".index")?, Some(variant)))
}

/// Whether weights of the format are called so.
fn has_ending(format: &FormatReader, stem: &str, ending: &str) -> bool {
    let lower = stem.to_ascii_lowercase();
    let has_known_stem = || STEMS.iter().any(|known| lower.starts_with(known));
    let is = |own: &&str| own.eq_ignore_ascii_case(ending);
    format.endings.iter().any(is) || (format.shared_endings.iter().any(is) && has_known_stem())
}

/// `fp16` is a variant; `0` and `layer.7` are numbers of a training dump.
fn is_variant(text: &str) -> bool {
    !series::is_rank(text)
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<'a>(names: &[&'a str]) -> Scan<Option<Choice<'a>>> {
        let mut names = names.to_vec();
        names.sort_unstable();
        choose(names.into_iter())
    }

    #[test]
    fn one_set_is_chosen_in_the_order_of_the_loaders() {
        let index = "model.safetensors.index.json";
        let shards = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ];
        for (names, choice) in [
            (
                vec!["model.safetensors"],
                Choice::Files(vec!["model.safetensors"]),
            ),
            (vec![index, shards[0], shards[1]], Choice::Index(index)),
            (
                vec!["model.safetensors", index, shards[0]],
                Choice::Files(vec!["model.safetensors"]),
            ),
            (vec![shards[1], shards[0]], Choice::Files(shards.to_vec())),
            (
                vec!["b.safetensors", "a.safetensors"],
                Choice::Files(vec!["a.safetensors", "b.safetensors"]),
            ),
            (
                vec!["consolidated.safetensors", shards[0], shards[1]],
                Choice::Files(shards.to_vec()),
            ),
            (
                vec!["consolidated.safetensors", "params.json"],
                Choice::Files(vec!["consolidated.safetensors"]),
            ),
            (
                vec!["model.safetensors", "model.fp16.safetensors"],
                Choice::Files(vec!["model.safetensors"]),
            ),
            (
                vec!["model.fp16.safetensors", "model.bf16.safetensors"],
                Choice::Files(vec!["model.bf16.safetensors"]),
            ),
            (
                vec![
                    "model.safetensors.index.fp16.json",
                    "model.fp16-00001-of-00002.safetensors",
                ],
                Choice::Index("model.safetensors.index.fp16.json"),
            ),
            (
                vec![index, "model.safetensors.index.fp16.json"],
                Choice::Index(index),
            ),
            (
                vec!["model.safetensors", "pytorch_model.bin", "x.gguf"],
                Choice::Files(vec!["model.safetensors"]),
            ),
            (
                vec!["pytorch_model.bin", "training_args.bin"],
                Choice::Files(vec!["pytorch_model.bin"]),
            ),
            (
                vec!["pytorch_model.bin.index.json", "x.gguf"],
                Choice::Index("pytorch_model.bin.index.json"),
            ),
            (
                vec!["x-Q4_K_M.gguf", "training_args.bin"],
                Choice::Files(vec!["x-Q4_K_M.gguf"]),
            ),
            (
                vec!["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"],
                Choice::Files(vec!["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"]),
            ),
            (
                vec!["adapter_model.safetensors", "adapter_config.json"],
                Choice::Adapter("adapter_model.safetensors"),
            ),
            (
                vec!["adapter_model.bin"],
                Choice::Adapter("adapter_model.bin"),
            ),
            (
                vec!["adapter_model.bin", "adapter_model.safetensors"],
                Choice::Adapter("adapter_model.safetensors"),
            ),
            (
                vec!["adapter_model.safetensors", "model.safetensors"],
                Choice::Files(vec!["model.safetensors"]),
            ),
            (
                vec![
                    "model.layer.7.safetensors",
                    "model.layer.8.safetensors",
                    "optimizer.pt",
                ],
                Choice::Files(vec![
                    "model.layer.7.safetensors",
                    "model.layer.8.safetensors",
                ]),
            ),
        ] {
            assert_eq!(chosen(&names), Ok(Some(choice)), "{names:?}");
        }
    }

    #[test]
    fn no_weight_file_is_no_choice() {
        for names in [
            vec![],
            vec!["config.json", "README.md"],
            vec!["training_args.bin", "optimizer.safetensors"],
        ] {
            assert_eq!(chosen(&names), Ok(None), "{names:?}");
        }
    }

    #[test]
    fn sets_of_equal_standing_are_an_error() {
        let two = [
            "model-00001-of-00002.safetensors",
            "model-00001-of-00003.safetensors",
        ];
        assert!(chosen(&two).is_err_and(|what| what.starts_with("shards of 2 beside shards of 3")));
        let several = |names: &[&str]| chosen(names).expect_err("several models");
        assert_eq!(
            several(&["a.gguf", "b.gguf"]),
            "several models: \"a\", \"b\" (expected one: name its file)"
        );
        let many: Vec<String> = (10..30).map(|i| format!("m-{i}.gguf")).collect();
        let what = several(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            what.ends_with("\"m-21\", 8 more (expected one: name its file)"),
            "{what}"
        );
    }

    #[test]
    fn a_tower_in_a_file_of_its_own_goes_with_the_gguf_model() {
        let towers = ["mmproj-F16.gguf", "mmproj-BF16.gguf", "mtp-x.gguf"];
        let names = |model: &'static str| towers.into_iter().chain([model]).collect::<Vec<_>>();
        let with = names("x-Q4_K_M.gguf");
        assert_eq!(
            chosen(&with),
            Ok(Some(Choice::Files(vec!["x-Q4_K_M.gguf"])))
        );
        assert_eq!(
            tower(&["x-Q4_K_M.gguf"], with.iter().copied()),
            Some("mmproj-BF16.gguf")
        );
        assert_eq!(
            tower(
                &["model.safetensors"],
                names("model.safetensors").into_iter()
            ),
            None
        );
        assert_eq!(
            chosen(&["mmproj-F16.gguf"]),
            Ok(Some(Choice::Files(vec!["mmproj-F16.gguf"])))
        );
        assert_eq!(
            tower(&["mmproj-F16.gguf"], ["mmproj-F16.gguf"].into_iter()),
            None
        );
    }

    #[test]
    fn a_part_of_a_split_model_stands_for_all() {
        let names = [
            "a-00001-of-00002.gguf",
            "a-00001-of-00003.gguf",
            "a-00002-of-00002.gguf",
            "b-00001-of-00002.gguf",
        ];
        assert_eq!(parts(names[2], names.into_iter()), [names[0], names[2]]);
        assert_eq!(parts("a.gguf", names.into_iter()), ["a.gguf"]);
        let shards = ["m-1-of-2.safetensors", "m-2-of-2.safetensors"];
        assert_eq!(parts(shards[0], shards.into_iter()), [shards[0]]);
    }

    #[test]
    fn missing_shards_are_counted() {
        assert_eq!(
            expected_shards(["m-1-of-3.safetensors", "m-3-of-3.safetensors"].into_iter()),
            Some(3)
        );
        assert_eq!(
            expected_shards(["m-0-of-2.safetensors", "m-1-of-2.safetensors"].into_iter()),
            None
        );
        assert_eq!(
            expected_shards(["a.safetensors", "b.safetensors"].into_iter()),
            None
        );
    }

    #[test]
    fn shard_numbers_have_any_width() {
        assert_eq!(series::numbered("model-1-of-61"), Some(("model", 61)));
        assert_eq!(series::numbered("a-b-00001-of-000163"), Some(("a-b", 163)));
        for stem in [
            "model",
            "model-of-3",
            "model-x-of-3",
            "model-1-of-",
            "model-1-of-99999999999",
        ] {
            assert_eq!(series::numbered(stem), None, "{stem}");
        }
    }
}
