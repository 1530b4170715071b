//! The weights in a pickle: which of its dictionaries they are, found by what they hold.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::{self, Kind};
use super::pickle::{Node, Pickle, Tensor, Value};
use crate::model::warning::NotRead;

/// Deepest nesting of dictionaries that is followed.
const DEPTH_LIMIT: usize = 16;

/// Deepest dictionary whose key may say that it belongs to the training.
const OUTER_DEPTH: usize = 2;

/// Longest name of a tensor, in bytes; names of nested dictionaries are joined.
const NAME_LIMIT: usize = 4096;

/// Most bytes of all names together: one long key may be used over and over.
const NAMES_LIMIT: usize = 64 << 20;

/// Most tensors that are named: a dictionary may stand in several others.
const ENTRY_LIMIT: usize = 1 << 20;

/// The share of the largest dictionary's elements that the one under a wrapper's key has at least:
/// with less it is no model with its training beside it, but a part.
const WRAPPED_SHARE: u64 = 10;

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A tensor that is not decoded.
    Unread(NotRead),
}

impl Entry<'_> {
    /// Elements, and one more, so that an empty tensor is a tensor all the same.
    fn weight(&self) -> u64 {
        let elements = match self {
            Self::Tensor(tensor) => tensor
                .shape
                .iter()
                .fold(1u64, |n, &axis| n.saturating_mul(axis)),
            Self::Unread(_) => 0,
        };
        elements.saturating_add(1)
    }

    /// Whether it could be a weight among other weights, and is no counter, best loss or state of
    /// a random generator.
    fn looks_like_weights(&self) -> bool {
        match self {
            Self::Tensor(tensor) => {
                let long_axes = tensor.shape.iter().filter(|&&axis| axis > 1).count();
                long_axes > 1 || (long_axes == 1 && tensor.shape.len() > 1)
            }
            Self::Unread(_) => true,
        }
    }
}

/// Names and what they stand for, in the order of the pickle.
pub(super) type Entries<'a> = Vec<(String, Entry<'a>)>;

/// The weights of a pickle.
#[derive(Default)]
pub(super) struct State<'a> {
    /// Names and tensors of the model.
    pub(super) entries: Entries<'a>,
    /// Other models beside it, by key; their names begin with it.
    pub(super) others: Vec<(String, Entries<'a>)>,
    /// The key of the model, where there are others.
    pub(super) chosen: Option<String>,
    /// Whether there is an optimizer's state.
    pub(super) has_optimizer: bool,
    /// Whether names were too long or too many in all.
    pub(super) is_cut: bool,
}

/// Finds the weights: below keys that programs wrap them in, never an optimizer's state, and of
/// several dictionaries that with the most elements. Dictionaries inside the weights are joined
/// with them.
pub(super) fn find(pickle: &Pickle) -> State<'_> {
    let mut finder = Finder {
        pickle,
        weights: BTreeMap::new(),
        names: 0,
        state: State::default(),
    };
    if let Some(root) = pickle.root {
        finder.descend(root, "", 0);
    }
    finder.state
}

/// A dictionary inside another.
struct Child<'a> {
    key: &'a str,
    value: Value,
    /// Elements of its weights.
    weight: u64,
}

struct Finder<'a> {
    pickle: &'a Pickle,
    /// Elements of the weights below a node; 0 while they are counted.
    weights: BTreeMap<u32, u64>,
    /// Bytes of all names so far.
    names: usize,
    state: State<'a>,
}

impl<'a> Finder<'a> {
    fn dictionary(&self, value: Value) -> Option<&'a [(Value, Value)]> {
        match self.pickle.node(value) {
            Some(Node::Dictionary(pairs)) => Some(pairs),
            _ => None,
        }
    }

    fn entry(&self, value: Value) -> Option<Entry<'a>> {
        match self.pickle.node(value) {
            Some(Node::Tensor(tensor)) => Some(Entry::Tensor(tensor)),
            Some(Node::Unread(what)) => Some(Entry::Unread(*what)),
            _ => None,
        }
    }

    fn text(&self, key: Value) -> &'a str {
        self.pickle.text(key).unwrap_or_default()
    }

    /// Whether a dictionary, found under `key`, is what training keeps beside the weights. Inside
    /// of weights a key may be the name of a module, whatever it is called.
    fn is_training(&self, key: &str, pairs: &[(Value, Value)], depth: usize) -> bool {
        let own = pairs.iter().map(|&(key, _)| self.text(key));
        let is_named_so = match depth <= OUTER_DEPTH {
            true => keys::kind(key) == Kind::Training,
            false => keys::names_optimizer(key),
        };
        is_named_so || keys::is_optimizer(own)
    }

    /// Elements of the weights in a dictionary and those inside it, each dictionary once.
    fn weight(&mut self, key: &str, value: Value, depth: usize) -> u64 {
        let (Some(pairs), Value::Node(at)) = (self.dictionary(value), value) else {
            return 0;
        };
        if self.is_training(key, pairs, depth) {
            let mut own = pairs.iter().map(|&(key, _)| self.text(key));
            self.state.has_optimizer |= keys::names_optimizer(key) || keys::is_optimizer(&mut own);
            return 0;
        }
        if depth > DEPTH_LIMIT {
            return 0;
        }
        if let Some(&known) = self.weights.get(&at) {
            return known;
        }
        self.weights.insert(at, 0);
        let mut weight = 0u64;
        for &(key, value) in pairs {
            weight = weight.saturating_add(match self.entry(value) {
                Some(entry) => entry.weight(),
                None => self.weight(self.text(key), value, depth + 1),
            });
        }
        self.weights.insert(at, weight);
        weight
    }

    /// Takes the model in `value`, a dictionary under `key`.
    fn descend(&mut self, value: Value, key: &str, depth: usize) {
        let Some(pairs) = self.dictionary(value) else {
            return;
        };
        if self.is_training(key, pairs, depth) {
            self.state.has_optimizer = true;
            return;
        }
        if depth > DEPTH_LIMIT {
            return;
        }
        let mut children = Vec::new();
        for &(key, value) in pairs {
            let key = self.text(key);
            let weight = self.weight(key, value, depth + 1);
            if weight > 0 {
                children.push(Child { key, value, weight });
            }
        }
        let is_weight = |key: Value| keys::kind(self.text(key)) != Kind::Training;
        let own = pairs.iter().filter(|&&(key, _)| is_weight(key));
        let own = own.filter_map(|&(_, value)| self.entry(value));
        let has_own_weights = own.clone().any(|entry| entry.looks_like_weights());
        let own_weight = own.fold(0u64, |sum, entry| sum.saturating_add(entry.weight()));
        let largest = children.iter().map(|child| child.weight).max().unwrap_or(0);

        if let Some(wrapper) = wrapper(&children, largest) {
            let others = siblings(&children, wrapper);
            self.take_model(wrapper, others, depth);
        } else if has_own_weights || own_weight >= largest {
            self.state.entries = self.collected(value, "", depth);
        } else if let [only] = children.as_slice() {
            self.descend(only.value, only.key, depth + 1);
        } else if self.are_several_models(&children) {
            // The first of the largest.
            let model = children.iter().find(|child| child.weight == largest);
            if let Some(model) = model {
                self.take_model(model, siblings(&children, model), depth);
            }
        } else {
            self.state.entries = self.collected(value, "", depth);
        }
    }

    /// Takes `model`, and names the others beside it.
    fn take_model(&mut self, model: &Child<'a>, others: Vec<&Child<'a>>, depth: usize) {
        for other in &others {
            let prefix = format!("{}.", other.key);
            let entries = self.collected(other.value, &prefix, depth + 1);
            if !entries.is_empty() {
                self.state.others.push((other.key.to_owned(), entries));
            }
        }
        if !others.is_empty() && self.state.chosen.is_none() {
            self.state.chosen = Some(model.key.to_owned());
        }
        self.descend(model.value, model.key, depth + 1);
    }

    /// Whether dictionaries side by side are models, and no parts of one: their keys say so, or
    /// two hold tensors of the same names.
    fn are_several_models(&mut self, children: &[Child<'a>]) -> bool {
        if children
            .iter()
            .any(|child| keys::kind(child.key) == Kind::Model)
        {
            return true;
        }
        let names = |child: &Child<'a>| -> BTreeSet<&'a str> {
            let pairs = self.dictionary(child.value).unwrap_or_default();
            let texts = pairs.iter().map(|&(key, _)| self.text(key));
            texts.filter(|name| !name.is_empty()).collect()
        };
        let all: Vec<_> = children.iter().map(names).collect();
        all.iter().zip(all.iter().skip(1)).any(|(one, other)| {
            let shared = one.intersection(other).count();
            // "weight" and "bias" alone are in every part.
            shared > 2 && 2 * shared > one.len().min(other.len())
        })
    }

    /// All tensors of a dictionary, and those of dictionaries inside it under joined names.
    fn collected(&mut self, value: Value, prefix: &str, depth: usize) -> Entries<'a> {
        let mut found = Entries::new();
        self.collect(value, prefix, depth, &mut BTreeSet::new(), &mut found);
        found
    }

    fn collect(
        &mut self,
        value: Value,
        prefix: &str,
        depth: usize,
        seen: &mut BTreeSet<u32>,
        found: &mut Entries<'a>,
    ) {
        let (Some(pairs), Value::Node(at)) = (self.dictionary(value), value) else {
            return;
        };
        if depth > DEPTH_LIMIT || prefix.len() > NAME_LIMIT || !seen.insert(at) {
            return;
        }
        for &(key, value) in pairs {
            let number;
            let key = match key {
                Value::Integer(integer) => {
                    number = integer.to_string();
                    number.as_str()
                }
                key => match self.pickle.text(key) {
                    Some(key) => key,
                    None => continue,
                },
            };
            let entry = self.entry(value);
            let inner = self.dictionary(value);
            if entry.is_none() && inner.is_none_or(|pairs| self.is_training(key, pairs, depth + 1))
            {
                continue;
            }
            if depth <= OUTER_DEPTH && keys::kind(key) == Kind::Training {
                continue;
            }
            let len = prefix.len().saturating_add(key.len());
            self.names = self.names.saturating_add(len);
            if self.names > NAMES_LIMIT || found.len() >= ENTRY_LIMIT {
                self.state.is_cut = true;
                return;
            }
            match entry {
                Some(entry) => found.push((format!("{prefix}{key}"), entry)),
                None => self.collect(value, &format!("{prefix}{key}."), depth + 1, seen, found),
            }
        }
    }
}

/// The dictionary under the key that programs use before all others.
fn wrapper<'b, 'a>(children: &'b [Child<'a>], largest: u64) -> Option<&'b Child<'a>> {
    children
        .iter()
        .filter(|child| child.weight >= largest / WRAPPED_SHARE)
        .filter_map(|child| Some((keys::wrapper_rank(child.key)?, child)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, child)| child)
}

/// The children beside `model`.
fn siblings<'b, 'a>(children: &'b [Child<'a>], model: &Child<'a>) -> Vec<&'b Child<'a>> {
    let others = children.iter().filter(|child| child.key != model.key);
    others.collect()
}
