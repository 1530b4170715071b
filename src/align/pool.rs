//! What a side has left while tensors are paired.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::name::unwrapped;
use crate::view::logical::Logical;
use crate::view::place::Place;

use super::{Unmatched, Why, is_complex};

/// Tensors of one side that have no partner yet, by name without wrapper words; by the name as it
/// is where another tensor would have the same.
pub(super) struct Pool {
    by_name: BTreeMap<String, Arc<Logical>>,
    /// Names that are kept as they are.
    crowded: BTreeSet<String>,
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
        let mut plain: BTreeMap<Cow<'_, str>, &str> = BTreeMap::new();
        let mut crowded = BTreeSet::new();
        for logical in logicals {
            if let Some(other) = plain.insert(unwrapped(&logical.name), &logical.name) {
                crowded.extend([other, &*logical.name].map(str::to_owned));
            }
        }
        let mut pool = Self {
            by_name: BTreeMap::new(),
            crowded,
        };
        for logical in logicals {
            if keep(&logical.name) {
                pool.add(logical);
            } else {
                filtered.push(Unmatched {
                    tensor: Arc::clone(logical),
                    why: Why::Filtered,
                });
            }
        }
        pool
    }

    fn add(&mut self, logical: &Arc<Logical>) {
        let key = self.key(&logical.name).into_owned();
        self.by_name.insert(key, Arc::clone(logical));
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
        self.by_name.values()
    }

    /// What is left, to be looked through while some of it is taken.
    pub(super) fn to_vec(&self) -> Vec<Arc<Logical>> {
        self.iter().cloned().collect()
    }

    /// The tensor of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Logical>> {
        self.by_name.get(&*self.key(name))
    }

    /// Takes a tensor out, as it has found its partner.
    pub(super) fn take(&mut self, name: &str) -> Option<Arc<Logical>> {
        self.by_name.remove(&*self.key(name))
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
