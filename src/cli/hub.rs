//! Hugging Face ids: `ORG/NAME` that is no path is looked for in the local cache.

use std::borrow::Cow;
use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The path as it stands where something is there; else the cache folder of the model of that id.
///
/// # Errors
/// An id of which nothing is in the cache.
pub(super) fn resolve(path: &Path) -> Result<Cow<'_, Path>> {
    let Some(text) = path.to_str().filter(|_| path.symlink_metadata().is_err()) else {
        return Ok(Cow::Borrowed(path));
    };
    if text.contains("://") {
        return Err(Error::unsupported(
            path,
            "a URL: nothing is fetched (expected a path, or the ORG/NAME of a model in the hub cache: hf download \
             ORG/NAME gets it)",
        ));
    }
    if is_ollama_name(text) {
        return Err(Error::unsupported(
            path,
            format!(
                "no such file or directory, and Ollama's store is not searched by name (expected a path: ollama show \
                 --modelfile {text} says it behind FROM)"
            ),
        ));
    }
    if is_name(text) {
        // A model without an organisation; most likely a path that was mistyped.
        let places = caches().into_iter();
        let mut places = places.map(|cache| cache.join(format!("models--{text}")));
        let found = places.find(|place| place.is_dir());
        return Ok(found.map_or(Cow::Borrowed(path), Cow::Owned));
    }
    let Some(id) = Some(text).filter(|text| is_id(text)) else {
        return Ok(Cow::Borrowed(path));
    };
    let folder = format!("models--{}", id.replace('/', "--"));
    let caches = caches();
    let found = caches
        .iter()
        .map(|cache| cache.join(&folder))
        .find(|place| place.is_dir());
    found.map(Cow::Owned).ok_or_else(|| {
        let cache = caches.first().map_or(Cow::Borrowed("(none)"), |cache| cache.to_string_lossy());
        Error::unsupported(
            path,
            format!(
                "no such file or directory, and no model of this id in the hub cache {cache} (expected a path, or the \
                 model there: hf download {id})"
            ),
        )
    })
}

/// Whether a text is a name as Ollama has them, with a tag: `NAME:TAG` or `NAMESPACE/NAME:TAG`.
fn is_ollama_name(text: &str) -> bool {
    text.split_once(':').is_some_and(|(model, tag)| {
        let is_model = is_name(model) && model.len() > 1 || is_id(model);
        is_model && is_name(tag)
    })
}

/// Whether a text is an id as the hub has them.
fn is_id(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(organisation, name)| is_name(organisation) && is_name(name))
}

/// Whether a text is a part of an id.
fn is_name(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphanumeric())
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The places of the cache, as huggingface_hub looks for it.
fn caches() -> Vec<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let in_home = || Some(set("HOME").or_else(|| set("USERPROFILE"))?.join(".cache"));
    let home = set("HF_HOME").or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(in_home)?;
        Some(cache.join("huggingface"))
    });
    let own = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE"));
    own.or_else(|| Some(home?.join("hub")))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_paths() {
        for id in ["org/name", "Qwen/Qwen2.5-0.5B", "a/b_c"] {
            assert!(is_id(id), "{id}");
        }
        for path in [
            "/org/name",
            "a/b/c",
            "./a",
            "../a/b",
            "name",
            "a/",
            "a b/c",
            "-a/b",
        ] {
            assert!(!is_id(path), "{path}");
        }
    }
}
