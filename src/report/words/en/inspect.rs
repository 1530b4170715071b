//! What `inspect` says.

use crate::error::escape_controls;
use crate::model::checkpoint::{WeightFiles, WeightSet};

/// Which files were taken.
pub(in crate::report) fn weight_sets(sets: &[WeightSet]) -> String {
    let sets: Vec<String> = sets.iter().map(weight_set).collect();
    sets.join("; ")
}

fn weight_set(set: &WeightSet) -> String {
    let files = match &set.files {
        WeightFiles::Indexed { index, shards: 1 } => format!("{index}, 1 shard"),
        WeightFiles::Indexed { index, shards } => format!("{index}, {shards} shards"),
        WeightFiles::One(name) => name.clone(),
        WeightFiles::Several(count) => format!("{count} files without an index"),
        WeightFiles::ConfigAlone(name) => format!("{name}, no weights"),
    };
    escape_controls(&format!("{}{files}", set.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_with_their_folders() {
        let set = |prefix: &str, files| WeightSet {
            prefix: prefix.to_owned(),
            files,
        };
        let indexed = |shards| WeightFiles::Indexed {
            index: "model.safetensors.index.json".to_owned(),
            shards,
        };
        assert_eq!(
            weight_sets(&[set("", indexed(2))]),
            "model.safetensors.index.json, 2 shards"
        );
        assert_eq!(
            weight_sets(&[set("", indexed(1))]),
            "model.safetensors.index.json, 1 shard"
        );
        assert_eq!(
            weight_sets(&[
                set("unet/", WeightFiles::One("a\nb".to_owned())),
                set("", WeightFiles::Several(2)),
            ]),
            "unet/a\\nb; 2 files without an index"
        );
        assert_eq!(
            weight_sets(&[set("", WeightFiles::ConfigAlone("config.json".to_owned()))]),
            "config.json, no weights"
        );
    }
}
