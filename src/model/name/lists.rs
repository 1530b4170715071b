//! Which numbers in the names of a checkpoint number the members of a list of layers, and which the
//! tensors of one module.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::path::is_number;

/// Words that stand between a module and the tensors that make up its one weight.
const OF_ONE_WEIGHT: &[&str] = &["parametrizations", "base_layer", "lora_A", "lora_B"];

/// Lists of numbered modules, by the hash of what stands in front of the number.
#[derive(Debug, Default, Clone)]
pub(super) struct Lists {
    /// Members have modules of their own.
    deep: BTreeSet<u64>,
    /// Besides, more than half of the members have one and the same module.
    alike: BTreeSet<u64>,
}

impl Lists {
    /// Looks at every number in `names`, whose first `skip` segments mean nothing.
    pub(super) fn new(names: &[&str], skip: usize) -> Self {
        let mut seen: Vec<[u64; 3]> = Vec::new();
        let mut members: Vec<[u64; 2]> = Vec::new();
        let mut out = Self::default();
        let mut segments: Vec<&str> = Vec::new();
        // Neighbouring names mostly have the same numbers in front.
        let mut last: Vec<[u64; 3]> = Vec::new();
        for name in names {
            segments.clear();
            segments.extend(name.split('.').skip(skip));
            let mut before = DefaultHasher::new();
            for (at, segment) in segments.iter().enumerate() {
                if at > 0 && is_number(segment) {
                    let (list, member) = (before.finish(), hash(segment));
                    let module = segments.get(at + 1).filter(|module| {
                        at + 2 < segments.len() && !OF_ONE_WEIGHT.contains(module)
                    });
                    let module_hash = module.map_or(0, |module| hash(module));
                    if last.len() <= at {
                        last.resize(at + 1, [0; 3]);
                    }
                    let own = [list, member, module_hash];
                    let [known_list, known_member, _] = last[at];
                    let known = std::mem::replace(&mut last[at], own);
                    if [known_list, known_member] != [list, member] {
                        members.push([list, member]);
                    }
                    if module.is_some() && known != own {
                        out.deep.insert(list);
                        seen.push(own);
                    }
                }
                segment.hash(&mut before);
            }
        }
        // Sorted once: most members are named by many tensors.
        members.sort_unstable();
        members.dedup();
        seen.sort_unstable();
        seen.dedup();
        let mut count: BTreeMap<u64, usize> = BTreeMap::new();
        for [list, _] in members {
            *count.entry(list).or_default() += 1;
        }
        let mut with_module: BTreeMap<[u64; 2], usize> = BTreeMap::new();
        for [list, _, module] in seen {
            *with_module.entry([list, module]).or_default() += 1;
        }
        for ([list, _], members) in with_module {
            if 2 * members > count.get(&list).copied().unwrap_or(0) {
                out.alike.insert(list);
            }
        }
        out
    }

    /// Whether the members behind these segments have modules of their own; numbers that index
    /// single tensors are no layers.
    pub(super) fn has_modules(&self, before: &[&str]) -> bool {
        self.deep.contains(&hash_of(before))
    }

    /// Whether the members behind these segments are alike, as layers are.
    pub(super) fn are_alike(&self, before: &[&str]) -> bool {
        self.alike.contains(&hash_of(before))
    }
}

fn hash(segment: &str) -> u64 {
    hash_of(&[segment])
}

fn hash_of(segments: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    segments
        .iter()
        .for_each(|segment| segment.hash(&mut hasher));
    hasher.finish()
}
