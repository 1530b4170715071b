//! What lies at a place where no weights were found, so that the error says what is there.

use std::path::Path;

use super::super::foreign::DISTRIBUTED;
use super::super::weights;
use super::find::CONFIG;
use crate::error::{Error, Result, escape_controls, quoted};
use crate::source::Listing;

/// Names of one kind that an error shows.
const SHOWN: usize = 4;

/// Sub-folders that are looked into.
const MOST_FOLDERS: usize = 64;

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
    weights::is_weight_file(name) && weights::foreign_format(name).is_none()
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
    let unfinished = files().filter(|name| is_unfinished(name));
    if let Some(list) = listed(unfinished) {
        return Some(format!(
            "an unfinished download, {list} (expected *.safetensors)"
        ));
    }
    let foreign = files().filter_map(|name| {
        let format = weights::foreign_format(name)?;
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
        if inner.files().iter().any(|name| name.ends_with(".distcp")) {
            return Some(distributed(&format!("its sub-folder {}", quoted(name))));
        }
        let is_zero = |name: &String| name.starts_with("mp_rank_") || name.contains("zero_pp_rank");
        if inner.files().iter().any(is_zero) {
            return Some(format!(
                "shards of DeepSpeed in its sub-folder {} (expected the joined weights: zero_to_fp32.py \
                 DIRECTORY OUT makes them)",
                quoted(name)
            ));
        }
        if has_weights(&*inner) || inner.files().iter().any(|name| name == "model_index.json") {
            with_weights.push(quoted(name));
        }
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
        .filter(|name| is_unfinished(name));
    let list = listed(unfinished)?;
    Some(format!(
        "no weight file, but an unfinished download of huggingface_hub, {list} (expected *.safetensors)"
    ))
}

fn nothing(folder: &dyn Listing) -> String {
    let has_config = folder.files().iter().any(|name| name == CONFIG);
    let what = match (has_config, folder.files().len() + folder.folders().len()) {
        (true, _) => "no weight file, only a configuration",
        (false, 0) => "an empty directory",
        (false, _) => "no weight file",
    };
    format!("{what} (expected *.safetensors in the directory)")
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

fn is_unfinished(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(
        ending,
        "incomplete" | "crdownload" | "aria2" | "part" | "download" | "partial"
    )
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
