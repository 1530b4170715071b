//! The table of patterns: what a module path means. A new family is a new row.
//!
//! A pattern is the end of a module path (layer and expert numbers, wrapper words and the leaf
//! `weight` or `bias` already taken off), segments joined by dots; `^` anchors it at the start of
//! the path. Of the rows that match, one with more segments goes before one with fewer, and an
//! earlier before a later. Sources: guide/formats.md, sections 1.4 (GGUF) and 1.7 (the others).

mod layer;
mod top;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::context::Trait;
use crate::model::words::Role;

/// When a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Always.
    Always,
    /// In a checkpoint that shows this trait (or, in the second form, does not).
    Has(Trait),
    /// In a checkpoint that does not show this trait.
    Lacks(Trait),
    /// In the vision component.
    Vision,
    /// In the audio component.
    Audio,
    /// Under `decoder` of a model that has an encoder too.
    Decoder,
    /// In a multi-token-prediction layer.
    Mtp,
}

/// One row.
#[derive(Debug)]
pub(super) struct Rule {
    /// Segments of the pattern, first to last, without the anchor.
    pub(super) tail: Vec<&'static str>,
    /// Whether the pattern is the whole path.
    pub(super) anchored: bool,
    /// Condition.
    pub(super) when: When,
    /// Role of the weight.
    pub(super) role: Role,
    /// Slot without the leaf; `experts.` in front marks stacked experts, `shared:` a shared expert.
    pub(super) slot: &'static str,
}

type Row = (&'static str, Role, &'static str);
type ConditionalRow = (&'static str, When, Role, &'static str);

/// Rows of one table by the last segment of their pattern, best row first.
#[derive(Debug)]
pub(super) struct Table(HashMap<&'static str, Vec<Rule>>);

impl Table {
    fn new(rows: &[Row], conditional: &[ConditionalRow]) -> Self {
        let mut map: HashMap<&'static str, Vec<Rule>> = HashMap::new();
        let plain = rows
            .iter()
            .map(|&(pattern, role, slot)| (pattern, When::Always, role, slot));
        for (pattern, when, role, slot) in conditional.iter().copied().chain(plain) {
            let (anchored, path) = match pattern.strip_prefix('^') {
                Some(path) => (true, path),
                None => (false, pattern),
            };
            let tail: Vec<_> = path.split('.').collect();
            if let Some(&last) = tail.last() {
                let rules = map.entry(last).or_default();
                // Stable: among patterns of one length the table's order decides.
                let at = rules.partition_point(|rule| rule.tail.len() >= tail.len());
                rules.insert(
                    at,
                    Rule {
                        tail,
                        anchored,
                        when,
                        role,
                        slot,
                    },
                );
            }
        }
        Self(map)
    }

    /// The best row for `path` among those whose condition `holds`.
    pub(super) fn find(&self, path: &[&str], holds: impl Fn(When) -> bool) -> Option<&Rule> {
        self.0
            .get(*path.last()?)?
            .iter()
            .find(|rule| rule.fits(path) && holds(rule.when))
    }
}

impl Rule {
    fn fits(&self, path: &[&str]) -> bool {
        let Some(start) = path.len().checked_sub(self.tail.len()) else {
            return false;
        };
        (!self.anchored || start == 0) && path[start..] == self.tail
    }
}

/// Rows for names inside a layer.
pub(super) fn layer() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::new(layer::LAYER, layer::LAYER_IF))
}

/// Rows for names outside the layers.
pub(super) fn top() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::new(top::TOP, top::TOP_IF))
}
