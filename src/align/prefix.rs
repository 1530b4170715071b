//! A wrapper prefix that differs as a whole: `model.` on one side only, `model.language_model.`
//! against `model.`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::model::sides::Sides;
use crate::model::words::Role;
use crate::view::logical::Logical;

/// Names that begin with `base` on one side begin with `target` on the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mapping {
    /// Prefix of the base's names, empty or ending in a dot.
    pub base: String,
    /// Prefix of the target's names, empty or ending in a dot.
    pub target: String,
}

impl Mapping {
    /// The target's name of a tensor of the base; other names stay.
    pub(super) fn apply(&self, name: &str) -> String {
        swap(name, &self.base, &self.target)
    }

    /// The base's name of a tensor of the target; other names stay.
    pub(super) fn undo(&self, name: &str) -> String {
        swap(name, &self.target, &self.base)
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |p: &str| {
            if p.is_empty() {
                "(no prefix)".to_owned()
            } else {
                p.to_owned()
            }
        };
        write!(f, "{} -> {}", shown(&self.base), shown(&self.target))
    }
}

fn swap(name: &str, from: &str, to: &str) -> String {
    name.strip_prefix(from)
        .map_or_else(|| name.to_owned(), |rest| format!("{to}{rest}"))
}

/// A tensor by the name that it goes by.
pub(super) struct Named {
    /// The name, without wrapper words.
    pub(super) name: String,
    /// The tensor.
    pub(super) logical: Arc<Logical>,
}

/// Most segments of a wrapper prefix.
const DEEPEST: usize = 4;

/// The mappings that join what equal names leave over, most tensors first; none where two
/// contradict each other.
///
/// A mapping joins tensors of one component and equal shape, and covers at least half of what one
/// side has under its prefix.
pub(super) fn mappings(sides: Sides<Vec<&Named>>) -> Vec<Mapping> {
    let Sides {
        mut base,
        mut target,
    } = sides;
    let mut found = Vec::new();
    while let Some(mapping) = best(&base, &target) {
        let joined: BTreeSet<String> = base.iter().map(|l| mapping.apply(&l.name)).collect();
        let present: BTreeSet<&str> = target.iter().map(|l| l.name.as_str()).collect();
        base.retain(|l| !present.contains(mapping.apply(&l.name).as_str()));
        target.retain(|l| !joined.contains(&l.name));
        found.push(mapping);
    }
    found
}

/// The mapping that joins most; `None` where none does or two join the same tensors equally well.
fn best(base: &[&Named], target: &[&Named]) -> Option<Mapping> {
    let mut by_rest: BTreeMap<&str, Vec<(&str, &Logical)>> = BTreeMap::new();
    for Named { name, logical } in target {
        for (prefix, rest) in cuts(name) {
            by_rest.entry(rest).or_default().push((prefix, logical));
        }
    }
    let mut joined: BTreeMap<Mapping, BTreeSet<&str>> = BTreeMap::new();
    for Named { name, logical } in base {
        for (prefix, rest) in cuts(name) {
            for (other, counterpart) in by_rest.get(rest).into_iter().flatten() {
                if is_alike(logical, counterpart) && last_segment(prefix) != last_segment(other) {
                    let mapping = Mapping {
                        base: prefix.to_owned(),
                        target: (*other).to_owned(),
                    };
                    joined.entry(mapping).or_default().insert(name);
                }
            }
        }
    }
    let under =
        |all: &[&Named], prefix: &str| all.iter().filter(|l| l.name.starts_with(prefix)).count();
    joined.retain(|m, names| 2 * names.len() >= under(base, &m.base).min(under(target, &m.target)));
    let most = joined.values().map(BTreeSet::len).max()?;
    let mut leaders = joined.iter().filter(|(_, names)| names.len() == most);
    let (mapping, names) = leaders.next()?;
    let contradicted = leaders.any(|(other, theirs)| {
        (!names.is_disjoint(theirs) || other.target == mapping.target) && other != mapping
    });
    (!contradicted).then(|| mapping.clone())
}

/// Whether two tensors can be one under two prefixes: of a known role, they are of one place.
fn is_alike(base: &Logical, target: &Logical) -> bool {
    let (a, b) = (&base.meaning, &target.meaning);
    base.shape == target.shape
        && (a.component, a.role) == (b.component, b.role)
        && (a.role == Role::Other || (a.block, &a.slot) == (b.block, &b.slot))
}

/// Every way to cut a wrapper prefix off a name: at the start or behind a segment that is no
/// number, and never so that only the last segment is left.
fn cuts(name: &str) -> Vec<(&str, &str)> {
    let mut out = vec![("", name)];
    for (at, _) in name.match_indices('.').take(DEEPEST) {
        let (prefix, rest) = name.split_at(at + 1);
        let numbered = prefix
            .split('.')
            .any(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()));
        if numbered || !rest.contains('.') {
            break;
        }
        out.push((prefix, rest));
    }
    out
}

fn last_segment(prefix: &str) -> Option<&str> {
    prefix
        .strip_suffix('.')
        .map(|p| p.rsplit('.').next().unwrap_or(p))
}
