//! `--include` and `--exclude`: which tensor names count.

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result, quoted};

/// Which tensors count, by name. `*` also crosses dots and slashes.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Filter {
    /// From the globs of both options; with no `--include` every name is included.
    ///
    /// # Errors
    /// A glob that does not parse.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let include = if include.is_empty() {
            None
        } else {
            Some(set(include)?)
        };
        Ok(Self {
            include,
            exclude: set(exclude)?,
        })
    }

    /// Whether the tensor of that name counts.
    pub fn keeps(&self, name: &str) -> bool {
        self.include
            .as_ref()
            .is_none_or(|globs| globs.is_match(name))
            && !self.exclude.is_match(name)
    }

    /// Whether every tensor counts, whatever its name.
    pub fn is_off(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }
}

fn set(globs: &[String]) -> Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        builder.add(
            parsed(glob).map_err(|what| Error::Usage(format!("glob {}: {what}", quoted(glob))))?,
        );
    }
    builder
        .build()
        .map_err(|error| Error::Usage(format!("the globs together: {}", error.kind())))
}

fn parsed(glob: &str) -> std::result::Result<Glob, String> {
    // The same on every system: a backslash quotes the character behind it.
    let glob = globset::GlobBuilder::new(glob)
        .backslash_escape(true)
        .build();
    glob.map_err(|error| error.kind().to_string())
}

/// A glob as typed, if it parses: a broken one is a usage error.
pub(crate) fn checked_glob(glob: &str) -> std::result::Result<String, String> {
    parsed(glob).map(|_| glob.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned = |globs: &[&str]| -> Vec<String> {
            globs.iter().map(|glob| (*glob).to_owned()).collect()
        };
        Filter::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn a_star_crosses_dots_and_slashes() {
        let filter = filter(&["model.*weight", "a*c"], &[]);
        assert!(filter.keeps("model.layers.0.mlp.up_proj.weight"));
        assert!(filter.keeps("a/b/c"));
        assert!(filter.keeps("a\nc"));
        assert!(!filter.keeps("lm_head.weight"));
    }

    #[test]
    fn exclude_wins_over_include() {
        let filter = filter(&["*"], &["*norm*", "*.{q,k}_proj.*"]);
        assert!(filter.keeps("model.layers.0.self_attn.v_proj.weight"));
        assert!(!filter.keeps("model.layers.0.self_attn.k_proj.weight"));
        assert!(!filter.keeps("model.norm.weight"));
    }

    #[test]
    fn without_globs_every_name_counts() {
        assert!(filter(&[], &[]).is_off());
        assert!(filter(&[], &[]).keeps(""));
        assert!(!filter(&[], &["x"]).is_off());
    }

    #[test]
    fn a_broken_glob_is_refused() {
        assert!(checked_glob("layers.[0").is_err());
        assert!(checked_glob("a\\.b{c,d}").is_ok());
    }
}
