//! The state dictionary in a pickle: names and the tensors behind them.

use std::collections::BTreeSet;

use super::pickle::{Node, Pickle, Tensor, Value};
use crate::model::warning::NotRead;

/// Deepest nesting of dictionaries that is followed.
const DEPTH_LIMIT: usize = 16;

/// Longest name of a tensor, in bytes; names of nested dictionaries are joined.
const NAME_LIMIT: usize = 4096;

/// Keys under which training programs put the weights, the preferred first.
const WRAPPERS: [&str; 6] = [
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "params",
];

/// What a name stands for.
pub(super) enum Entry<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A tensor that is not decoded.
    Unread(NotRead),
}

/// The state dictionary of a pickle.
#[derive(Default)]
pub(super) struct State<'a> {
    /// Names and tensors in the order of the pickle.
    pub(super) entries: Vec<(String, Entry<'a>)>,
    /// Keys beside the one that was chosen whose dictionaries hold tensors too.
    pub(super) others: Vec<String>,
}

/// Finds the dictionary that holds tensors: the outermost one with a tensor of its own, else, among
/// dictionaries inside it, that under the key which programs use, else the one with most tensors.
pub(super) fn find(pickle: &Pickle) -> State<'_> {
    let mut finder = Finder {
        pickle,
        seen: BTreeSet::new(),
        state: State::default(),
    };
    if let Some(root) = pickle.root {
        finder.descend(root, 0);
    }
    finder.state
}

struct Finder<'a> {
    pickle: &'a Pickle,
    seen: BTreeSet<u32>,
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

    fn key(&self, value: Value) -> Option<String> {
        match value {
            Value::Integer(number) => Some(number.to_string()),
            value => self.pickle.text(value).map(str::to_owned),
        }
    }

    fn descend(&mut self, value: Value, depth: usize) {
        let Some(pairs) = self.dictionary(value) else {
            return;
        };
        if depth > DEPTH_LIMIT {
            return;
        }
        if pairs.iter().any(|&(_, value)| self.entry(value).is_some()) {
            self.seen.clear();
            self.collect(value, "", depth);
            return;
        }
        let mut inner: Vec<(String, Value, usize)> = Vec::new();
        for &(key, value) in pairs {
            let tensors = self.count(value, depth + 1);
            if let Some(key) = self.key(key).filter(|_| tensors > 0) {
                inner.push((key, value, tensors));
            }
        }
        let rank = |key: &str| {
            WRAPPERS
                .iter()
                .position(|wrapper| *wrapper == key)
                .unwrap_or(WRAPPERS.len())
        };
        let best = inner
            .iter()
            .min_by_key(|(key, _, tensors)| (rank(key), usize::MAX - tensors));
        if let Some((key, value, _)) = best.cloned() {
            self.state.others.extend(
                inner
                    .into_iter()
                    .map(|(other, _, _)| other)
                    .filter(|other| *other != key),
            );
            self.seen.clear();
            self.descend(value, depth + 1);
        }
    }

    /// Tensors in a dictionary and those inside it, each dictionary once.
    fn count(&mut self, value: Value, depth: usize) -> usize {
        let (Some(pairs), Value::Node(at)) = (self.dictionary(value), value) else {
            return 0;
        };
        if depth > DEPTH_LIMIT || !self.seen.insert(at) {
            return 0;
        }
        let own = pairs
            .iter()
            .filter(|&&(_, value)| self.entry(value).is_some())
            .count();
        own + pairs
            .iter()
            .map(|&(_, value)| self.count(value, depth + 1))
            .sum::<usize>()
    }

    /// Takes all tensors of a dictionary, and those of dictionaries inside it under joined names.
    fn collect(&mut self, value: Value, prefix: &str, depth: usize) {
        let (Some(pairs), Value::Node(at)) = (self.dictionary(value), value) else {
            return;
        };
        if depth > DEPTH_LIMIT || prefix.len() > NAME_LIMIT || !self.seen.insert(at) {
            return;
        }
        for &(key, value) in pairs {
            let Some(key) = self.key(key) else { continue };
            match self.entry(value) {
                Some(entry) => self.state.entries.push((format!("{prefix}{key}"), entry)),
                None if self.dictionary(value).is_some() => {
                    self.collect(value, &format!("{prefix}{key}."), depth + 1)
                }
                None => {}
            }
        }
    }
}
