//! What a side has left while tensors are paired.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::name::unwrapped;
use crate::view::logical::Logical;
use crate::view::place::Place;

use super::{Unmatched, Why, is_complex};

/// Tensors of one side that have no partner yet, by name without wrapper words; by the name as it
/// is where another tensor would have the same.
pub(super) struct Pool {
    /// What the side had at first, sorted by key.
    entries: Vec<Entry>,
    /// What was put in later under a key of its own.
    later: BTreeMap<String, Arc<Logical>>,
    /// Names that are kept as they are.
    crowded: BTreeSet<String>,
    /// The entry found last. Names are mostly asked for in their order.
    found: Cell<usize>,
}

/// A tensor that is left or was taken.
struct Entry {
    /// The name that it goes by, where that is not its own.
    key: Option<Box<str>>,
    logical: Arc<Logical>,
    is_left: bool,
}

impl Entry {
    fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.logical.name)
    }
}

/// A fused tensor and its pieces.
pub(super) struct Cut {
    /// The tensor as it is stored.
    pub(super) whole: Arc<Logical>,
    /// What it holds.
    pub(super) pieces: Vec<Arc<Logical>>,
}

impl Pool {
    /// The tensors that `keep` lets through; the others go to `filtered`.
    pub(super) fn new(
        logicals: &[Arc<Logical>],
        keep: &dyn Fn(&str) -> bool,
        filtered: &mut Vec<Unmatched>,
    ) -> Self {
        let crowded = crowded(logicals);
        let has_wrappers = crowded.is_some();
        let mut pool = Self {
            entries: Vec::with_capacity(logicals.len()),
            later: BTreeMap::new(),
            crowded: crowded.unwrap_or_default(),
            found: Cell::new(0),
        };
        for logical in logicals {
            if keep(&logical.name) {
                let key = has_wrappers.then(|| pool.key(&logical.name));
                let key = match key {
                    Some(Cow::Owned(key)) => Some(key.into()),
                    _ => None,
                };
                pool.entries.push(Entry {
                    key,
                    logical: Arc::clone(logical),
                    is_left: true,
                });
            } else {
                filtered.push(Unmatched {
                    tensor: Arc::clone(logical),
                    why: Why::Filtered,
                });
            }
        }
        // Of one key the last counts.
        pool.entries.reverse();
        pool.entries.sort_by(|a, b| a.key().cmp(b.key()));
        pool.entries.dedup_by(|a, b| a.key() == b.key());
        pool
    }

    fn add(&mut self, logical: &Arc<Logical>) {
        let key = self.key(&logical.name);
        match self.place_of(&key) {
            Some(at) => {
                self.entries[at] = Entry {
                    key: Some((*key).into()),
                    logical: Arc::clone(logical),
                    is_left: true,
                }
            }
            None => _ = self.later.insert(key.into_owned(), Arc::clone(logical)),
        }
    }

    /// Which entry has that key, left or not.
    fn place_of(&self, key: &str) -> Option<usize> {
        let last = self.found.get();
        let is_near = |&at: &usize| self.entries.get(at).is_some_and(|entry| entry.key() == key);
        let at = (last..last + 2).find(is_near);
        let at = at.or_else(|| {
            self.entries
                .binary_search_by(|entry| entry.key().cmp(key))
                .ok()
        })?;
        self.found.set(at);
        Some(at)
    }

    /// The name that a tensor goes by.
    pub(super) fn key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.crowded.contains(name) {
            Cow::Borrowed(name)
        } else {
            unwrapped(name)
        }
    }

    /// What is left, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Logical>> {
        let mut entries = self.entries.iter().filter(|entry| entry.is_left).peekable();
        let mut later = self.later.iter().peekable();
        std::iter::from_fn(move || {
            let is_later = match (entries.peek(), later.peek()) {
                (Some(entry), Some((key, _))) => key.as_str() < entry.key(),
                (entry, _) => entry.is_none(),
            };
            match is_later {
                true => later.next().map(|(_, logical)| logical),
                false => entries.next().map(|entry| &entry.logical),
            }
        })
    }

    /// What is left, to be looked through while some of it is taken.
    pub(super) fn to_vec(&self) -> Vec<Arc<Logical>> {
        self.iter().cloned().collect()
    }

    /// The tensor of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Logical>> {
        self.of_key(&self.key(name))
    }

    /// The tensor that goes by `key`.
    pub(super) fn of_key(&self, key: &str) -> Option<&Arc<Logical>> {
        match self.place_of(key).map(|at| &self.entries[at]) {
            Some(entry) => entry.is_left.then_some(&entry.logical),
            None => self.later.get(key),
        }
    }

    /// Takes a tensor out, as it has found its partner.
    pub(super) fn take(&mut self, name: &str) -> Option<Arc<Logical>> {
        let key = self.key(name);
        self.take_key(&key)
    }

    /// The same of the tensor that goes by `key`.
    pub(super) fn take_key(&mut self, key: &str) -> Option<Arc<Logical>> {
        match self.place_of(key) {
            Some(at) => {
                let entry = &mut self.entries[at];
                let was_left = std::mem::replace(&mut entry.is_left, false);
                was_left.then(|| Arc::clone(&entry.logical))
            }
            None => self.later.remove(key),
        }
    }

    /// Puts pieces in the place of their fused tensors.
    pub(super) fn replace(&mut self, cuts: &[Cut]) {
        for cut in cuts {
            self.take(&cut.whole.name);
            cut.pieces.iter().for_each(|piece| self.add(piece));
        }
    }

    /// Puts those fused tensors back of which no piece found a partner.
    pub(super) fn restore(&mut self, cuts: &[Cut]) {
        for cut in cuts {
            let is_left = |piece: &Arc<Logical>| self.get(&piece.name).is_some();
            if !cut.pieces.iter().all(is_left) {
                continue;
            }
            for piece in &cut.pieces {
                self.take(&piece.name);
            }
            self.add(&cut.whole);
        }
    }

    /// What is left, with the reason; `renamed` gives the names that the other side may have for
    /// one of this side.
    pub(super) fn reasons(
        &self,
        other: &Self,
        renamed: &dyn Fn(&str) -> Vec<String>,
    ) -> Vec<Unmatched> {
        let places: BTreeSet<Place> = other.iter().map(|l| l.place()).collect();
        let unread: BTreeSet<Place> = other
            .iter()
            .filter(|l| l.is_unsupported())
            .map(|l| l.place())
            .collect();
        let namesake = |l: &Logical| {
            let name = self.key(&l.name);
            let own = other.get(&name);
            own.or_else(|| renamed(&name).iter().find_map(|name| other.get(name)))
        };
        let why = |l: &Logical| {
            let place = l.place();
            let namesake = namesake(l);
            if l.is_unsupported() || unread.contains(&place) {
                Why::Unsupported
            } else if namesake.is_some_and(|other| is_complex(other) != is_complex(l)) {
                // Complex numbers beside real ones.
                Why::Unsupported
            } else if namesake.is_some() || places.contains(&place) {
                Why::Shape
            } else {
                Why::NoSuchName
            }
        };
        let reason = |tensor: &Arc<Logical>| Unmatched {
            why: why(tensor),
            tensor: Arc::clone(tensor),
        };
        self.iter().map(reason).collect()
    }
}

/// Names of tensors that would have one name without wrapper words; none where no name has any.
fn crowded(logicals: &[Arc<Logical>]) -> Option<BTreeSet<String>> {
    let names = || logicals.iter().map(|logical| logical.name.as_str());
    if names().all(|name| matches!(unwrapped(name), Cow::Borrowed(_))) {
        return None;
    }
    let mut plain: HashMap<Cow<'_, str>, &str> = HashMap::new();
    let mut out = BTreeSet::new();
    for name in names() {
        if let Some(other) = plain.insert(unwrapped(name), name) {
            out.extend([other, name].map(str::to_owned));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;
    use crate::model::name::Namer;
    use crate::view::logical::{Origin, StoredAs};

    fn tensor(name: &str) -> Arc<Logical> {
        Arc::new(Logical {
            name: name.to_owned(),
            meaning: Namer::new([name], None).meaning(name, &[2, 3], Dtype::F32),
            shape: vec![2, 3],
            stored_shape: vec![2, 3],
            dtype: Dtype::F32,
            stored_as: StoredAs::whole(Origin::Tensor(0), (2, 3)),
        })
    }

    fn pool(names: &[&str]) -> Pool {
        let tensors: Vec<Arc<Logical>> = names.iter().map(|name| tensor(name)).collect();
        Pool::new(&tensors, &|_| true, &mut Vec::new())
    }

    fn left(pool: &Pool) -> Vec<&str> {
        pool.iter().map(|logical| logical.name.as_str()).collect()
    }

    #[test]
    fn tensors_go_by_their_names_without_wrapper_words() {
        let mut pool = pool(&["_orig_mod.b", "a", "c.module.d", "z.base_layer.y", "z.y"]);
        assert_eq!(left(&pool)[..3], ["a", "_orig_mod.b", "c.module.d"]);
        // Two that would have one name keep theirs.
        assert!(pool.get("z.y").is_some_and(|found| found.name == "z.y"));
        assert!(pool.get("b").is_some() && pool.get("_orig_mod.b").is_some());
        assert!(pool.take("c.d").is_some() && pool.take("c.d").is_none());
        assert!(pool.get("c.module.d").is_none());
        assert_eq!(left(&pool), ["a", "_orig_mod.b", "z.base_layer.y", "z.y"]);
    }

    #[test]
    fn pieces_stand_among_the_others_and_go_back_into_their_whole() {
        let mut pool = pool(&["a", "qkv", "z"]);
        let cuts = [Cut {
            whole: tensor("qkv"),
            pieces: vec![tensor("qkv q"), tensor("qkv k"), tensor("a")],
        }];
        pool.replace(&cuts);
        assert_eq!(left(&pool), ["a", "qkv k", "qkv q", "z"]);
        pool.restore(&cuts);
        assert_eq!(left(&pool), ["qkv", "z"]);
        pool.replace(&cuts);
        assert!(pool.take("qkv k").is_some());
        pool.restore(&cuts);
        assert_eq!(left(&pool), ["a", "qkv q", "z"]);
    }
}
