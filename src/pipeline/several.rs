//! Several models in one file: `--include KEY.*` says which is meant.

use super::filter::Filter;
use super::options::Options;
use crate::error::Result;
use crate::format::open::Opened;

/// Chooses in every checkpoint the model whose key an `--include` begins with. What is left of such
/// a glob holds for the model's own names, as they are compared with those of a file that holds the
/// model alone.
///
/// # Errors
/// Globs that cannot be used together.
pub(super) fn choose<'a>(
    checkpoints: impl Iterator<Item = &'a mut Opened>,
    options: &Options,
) -> Result<Options> {
    let mut include = options.include.clone();
    let mut is_chosen = false;
    for opened in checkpoints {
        let keys: Vec<String> = opened.model_keys().map(str::to_owned).collect();
        let wanted = keys.iter().find(|key| {
            let mut globs = options.include.iter();
            globs.any(|glob| behind_key(glob, key).is_some())
        });
        let Some(key) = wanted else { continue };
        opened.choose(key);
        is_chosen = true;
        for glob in &mut include {
            if let Some(rest) = behind_key(glob, key) {
                *glob = rest;
            }
        }
    }
    let mut options = options.clone();
    if is_chosen {
        options.filter = Filter::new(&include, &options.exclude)?;
    }
    Ok(options)
}

/// What a glob that begins with a model's key asks of the names in the model.
fn behind_key(glob: &str, key: &str) -> Option<String> {
    match glob.strip_prefix(key)? {
        "" | "*" | "." | ".*" | ".**" => Some("*".to_owned()),
        rest => rest.strip_prefix('.').map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_behind_a_key_holds_for_the_names_in_the_model() {
        let of = |glob| behind_key(glob, "generator");
        assert_eq!(of("generator.*").as_deref(), Some("*"));
        assert_eq!(of("generator*").as_deref(), Some("*"));
        assert_eq!(of("generator.conv?.*").as_deref(), Some("conv?.*"));
        assert_eq!(of("generator_ema.*"), None);
        assert_eq!(of("*.weight"), None);
    }
}
