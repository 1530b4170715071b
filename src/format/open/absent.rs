//! What lies at a place where no weights were found, so that the error says what is there.

use std::path::Path;

use super::super::foreign::{self, DISTRIBUTED};
use super::super::weights;
use super::find::{CONFIG, PIPELINE};
use crate::error::{Error, Result, escape_controls, quoted};
use crate::source::{At, Io, Listing, Place, locate};

/// Names of one kind that an error shows.
const SHOWN: usize = 4;

/// Sub-folders that are looked into.
const MOST_FOLDERS: usize = 64;

/// Folders of each that are looked into.
const MOST_INNER_FOLDERS: usize = 8;

/// Folders of a hub cache.
const HUB_PREFIX: &str = "models--";

/// That no distributed checkpoint lies beside `chosen`, whose names say nothing: what is beside its
/// shards is not the model.
///
/// # Errors
/// There is one.
pub(super) fn require_no_distributed(folder: &dyn Listing, chosen: &[&str]) -> Result<()> {
    let is_distributed = folder.files().iter().any(|name| name.ends_with(".distcp"));
    match is_distributed && !chosen.iter().any(|name| weights::has_model_stem(name)) {
        true => Err(Error::unsupported(folder.path(), distributed("it"))),
        false => Ok(()),
    }
}

/// That no layers lie here as DeepSpeed's pipelines write them, a file for each: the names of their
/// tensors begin anew in each.
///
/// # Errors
/// They do.
pub(super) fn require_no_pipeline(folder: &dyn Listing) -> Result<()> {
    let is_layer = |name: &&String| {
        let number = name.strip_prefix("layer_");
        let is_numbered = number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        is_numbered && name.ends_with("-model_states.pt")
    };
    match folder.files().iter().find(is_layer) {
        Some(name) => Err(Error::unsupported(
            folder.path(),
            format!(
                "layers of a pipeline of DeepSpeed, a file for each, {} (expected the joined weights; \
                 the tool that trained the model converts them)",
                quoted(name)
            ),
        )),
        None => Ok(()),
    }
}

/// That no program is still writing to one of `files`.
///
/// # Errors
/// What it keeps beside a file that it has not read to its end.
pub(super) fn require_whole(folder: &dyn Listing, files: &[&str]) -> Result<()> {
    let beside = |file: &&str| {
        let mut names = foreign::BESIDE_UNFINISHED
            .iter()
            .map(|ending| format!("{file}.{ending}"));
        names.find(|name| folder.files().contains(name))
    };
    match files.iter().find_map(|file| Some((file, beside(file)?))) {
        Some((file, beside)) => Err(Error::unsupported(
            &folder.path_of(file),
            format!(
                "an unfinished download, as {} beside it says (expected the whole file)",
                quoted(&beside)
            ),
        )),
        None => Ok(()),
    }
}

/// The error for a directory without weight files; `others` are snapshots of the same hub folder.
pub(super) fn error(
    path: &Path,
    folder: &dyn Listing,
    others: &[std::sync::Arc<dyn Listing>],
) -> Error {
    let what = in_snapshots(folder, others)
        .or_else(|| in_folder(folder))
        .or_else(|| in_folders(folder))
        .unwrap_or_else(|| nothing(folder));
    Error::unsupported(path, what)
}

/// Whether a name is of a weight file that is read.
fn is_read(name: &str) -> bool {
    weights::is_weight_file(name) && foreign::named(name).is_none()
}

fn has_weights(folder: &dyn Listing) -> bool {
    folder.files().iter().any(|name| is_read(name))
}

/// Weights in another snapshot of a hub folder.
fn in_snapshots(folder: &dyn Listing, others: &[std::sync::Arc<dyn Listing>]) -> Option<String> {
    let own = shown_name(folder.path());
    let with = others.iter().filter(|other| has_weights(&***other));
    let with: Vec<String> = with.map(|other| shown_name(other.path())).collect();
    let first = with.first()?;
    Some(format!(
        "no weight file in snapshot {own}: not downloaded, but there are in snapshot {first} (expected the path of one)"
    ))
}

/// What the files themselves tell.
fn in_folder(folder: &dyn Listing) -> Option<String> {
    let files = || folder.files().iter().map(String::as_str);
    if files().any(|name| name.ends_with(".distcp")) {
        return Some(distributed("it"));
    }
    if is_ollama_store(folder) {
        return Some(
            "a store of Ollama (expected one of blobs/sha256-*: the one that the model's manifest calls \
             application/vnd.ollama.image.model)"
                .to_owned(),
        );
    }
    let unfinished = files().filter(|name| foreign::is_unfinished(name));
    if let Some(list) = listed(unfinished) {
        return Some(format!(
            "an unfinished download, {list} (expected *.safetensors)"
        ));
    }
    let foreign = files().filter_map(|name| {
        let format = foreign::named(name)?;
        Some(format!("{} ({format})", quoted(name)))
    });
    let foreign: Vec<String> = foreign.collect();
    if !foreign.is_empty() {
        let list = shortened(&foreign);
        return Some(format!(
            "no weight file that is read, but {list} (expected safetensors, GGUF or PyTorch)"
        ));
    }
    None
}

/// What the folders one and two levels down tell.
fn in_folders(folder: &dyn Listing) -> Option<String> {
    let names: Vec<&str> = folder.folders().iter().map(String::as_str).collect();
    let hub: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix(HUB_PREFIX))
        .collect();
    if !hub.is_empty() {
        let models: Vec<String> = hub
            .iter()
            .map(|name| quoted(&name.replacen("--", "/", 1)))
            .collect();
        let (list, first) = (shortened(&models), hub.first().copied().unwrap_or_default());
        return Some(format!(
            "a hub cache of {} model(s), {list} (expected one, as {HUB_PREFIX}{})",
            hub.len(),
            escape_controls(first)
        ));
    }
    let mut with_weights = Vec::new();
    for name in names.iter().take(MOST_FOLDERS) {
        let Ok(inner) = folder.folder(name) else {
            continue;
        };
        if let Some(what) = in_pieces(&*inner, name) {
            return Some(what);
        }
        if is_a_model(&*inner) {
            with_weights.push(quoted(name));
            continue;
        }
        for within in inner.folders().iter().take(MOST_INNER_FOLDERS) {
            let Ok(innermost) = inner.folder(within) else {
                continue;
            };
            let shown = format!("{name}/{within}");
            if let Some(what) = in_pieces(&*innermost, &shown) {
                return Some(what);
            }
            if is_a_model(&*innermost) {
                with_weights.push(quoted(&shown));
            }
        }
    }
    let is_rank = |name: &&String| is_rank_folder(name.trim_matches('"'));
    if with_weights.iter().filter(is_rank).count() > 1 {
        let list = shortened(&with_weights);
        return Some(format!(
            "no weight file, but {} in sub-folders: {list} ({WHOLE})",
            RANKS
        ));
    }
    if !with_weights.is_empty() {
        let list = shortened(&with_weights);
        return Some(format!(
            "no weight file, but sub-folders with weights: {list} (expected one of them)"
        ));
    }
    let cache = folder
        .folder(".cache")
        .and_then(|cache| cache.folder("huggingface"));
    let download = cache.and_then(|cache| cache.folder("download")).ok()?;
    let unfinished = download
        .files()
        .iter()
        .map(String::as_str)
        .filter(|name| foreign::is_unfinished(name));
    let list = listed(unfinished)?;
    Some(format!(
        "no weight file, but an unfinished download of huggingface_hub, {list} (expected *.safetensors)"
    ))
}

/// Weights of the folder `name` that are there in pieces.
fn in_pieces(folder: &dyn Listing, name: &str) -> Option<String> {
    if folder.files().iter().any(|name| name.ends_with(".distcp")) {
        return Some(distributed(&format!("its sub-folder {}", quoted(name))));
    }
    let is_deepspeed = |name: &String| {
        (name.starts_with("mp_rank_") && name.contains("model_states"))
            || name.contains("zero_pp_rank")
    };
    folder.files().iter().any(is_deepspeed).then(|| {
        format!(
            "shards of DeepSpeed in its sub-folder {} (expected the joined weights: zero_to_fp32.py \
             DIRECTORY OUT makes them)",
            quoted(name)
        )
    })
}

fn is_a_model(folder: &dyn Listing) -> bool {
    has_weights(folder) || folder.files().iter().any(|name| name == PIPELINE)
}

/// Whether a folder of that name holds what one rank of a parallel training wrote.
fn is_rank_folder(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    ["mp_rank_", "tp_rank_", "pp_rank_", "tp", "rank"]
        .iter()
        .filter_map(|word| name.strip_prefix(word))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Names of ranks side by side, and what was expected of them.
const RANKS: &str = "the files of tensor- or pipeline-parallel ranks, which are not joined,";
const WHOLE: &str = "expected whole tensors; the tool that wrote them merges them";

/// That a folder is not that of one rank among several, whose files hold slices or some layers.
///
/// # Errors
/// It is one.
pub(super) fn require_no_rank(folder: &dyn Listing) -> Result<()> {
    let path = folder.path();
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(name), Some(parent)) = (name.filter(|name| is_rank_folder(name)), path.parent())
    else {
        return Ok(());
    };
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    let Ok(Place {
        at: At::Folder(beside),
        ..
    }) = locate(parent, Io::Read)
    else {
        return Ok(());
    };
    let ranks = beside.folders().iter().filter(|name| is_rank_folder(name));
    match ranks.count() {
        0 | 1 => Ok(()),
        ranks => Err(Error::unsupported(
            path,
            format!(
                "{} is one of {ranks} folders of tensor- or pipeline-parallel ranks, which are not joined ({WHOLE})",
                quoted(name)
            ),
        )),
    }
}

fn nothing(folder: &dyn Listing) -> String {
    if let Some(what) = told_by_content(folder) {
        return what;
    }
    let is_shown = |name: &&str| *name != CONFIG && !name.starts_with('.');
    let files = folder.files().iter().map(String::as_str);
    let has_config = files.clone().any(|name| name == CONFIG);
    let is_optimizer = |name: &&str| name.to_ascii_lowercase().starts_with("optim");
    if let Some(list) = listed(files.clone().filter(is_optimizer)) {
        return format!(
            "only an optimizer's state, {list}, no weights (expected the file of the model beside it)"
        );
    }
    let what = match (has_config, listed(files.filter(is_shown))) {
        (true, None) => "no weight file, only a configuration".to_owned(),
        (_, Some(list)) => format!("no weight file, but {list}"),
        (false, None) if folder.files().is_empty() && folder.folders().is_empty() => {
            "an empty directory".to_owned()
        }
        (false, None) => "no weight file".to_owned(),
    };
    format!("{what} (expected *.safetensors in the directory)")
}

/// Files whose first bytes are looked at.
const MOST_FILES: usize = 8;

/// Bytes of each.
const HEAD_BYTES: u64 = 512;

/// What a file of a name that says nothing is, where its first bytes tell.
fn told_by_content(folder: &dyn Listing) -> Option<String> {
    let may_be_weights = |name: &&String| {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        matches!(
            ending,
            "bin"
                | "dat"
                | "zip"
                | "tar"
                | "gz"
                | "tgz"
                | "xz"
                | "zst"
                | "bz2"
                | "7z"
                | "rar"
                | "ggml"
                | "model"
        )
    };
    let files = folder.files().iter().filter(may_be_weights);
    files.take(MOST_FILES).find_map(|name| {
        let head = folder.read_start(name, HEAD_BYTES).ok()??;
        let what = match head.is_empty() {
            true => "an empty file: not downloaded? (expected a weight file)".to_owned(),
            false => foreign::tell(&head, &folder.path_of(name))?,
        };
        Some(format!("no weight file: {} is {what}", quoted(name)))
    })
}

fn distributed(place: &str) -> String {
    match place {
        "it" => DISTRIBUTED.replacen("a shard of a", "a", 1),
        place => format!(
            "in {place} {}",
            DISTRIBUTED.replacen("a shard of a", "a", 1)
        ),
    }
}

fn is_ollama_store(folder: &dyn Listing) -> bool {
    let folders = folder.folders();
    let has = |name: &str| folders.iter().any(|folder| folder == name);
    has("manifests") && has("blobs")
        || folder
            .files()
            .iter()
            .any(|name| name.starts_with("sha256-"))
        || has("models")
            && folder.folder("models").is_ok_and(|inner| {
                ["manifests", "blobs"]
                    .iter()
                    .all(|name| inner.folders().iter().any(|own| own == name))
            })
}

/// A few names for people; none of none.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names.map(quoted).collect();
    (!names.is_empty()).then(|| shortened(&names))
}

fn shortened(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn shown_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    escape_controls(&name.to_string_lossy())
}
