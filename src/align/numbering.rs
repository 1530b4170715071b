//! Layers that one side counts from another number on: from one, or behind those of another stack.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::sides::Sides;

use super::pool::Pool;

/// Fewest layers that tell.
const FEWEST: usize = 2;

/// How far the numbers behind one prefix differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shift {
    /// The name up to the number.
    prefix: String,
    /// First number of the base, and of the target.
    first: Sides<u64>,
    count: u64,
}

impl Shift {
    /// The target's name of a tensor of the base.
    fn apply(&self, name: &str) -> Option<String> {
        let (prefix, number, rest) = cut(name)?;
        let behind = number.checked_sub(self.first.base)?;
        let is_of_list = prefix == self.prefix && behind < self.count;
        is_of_list.then(|| format!("{prefix}{}{rest}", self.first.target + behind))
    }
}

/// The target's name of a tensor of the base.
pub(super) fn renamed<'a>(shifts: &[Shift], name: &'a str) -> Cow<'a, str> {
    let mut renamed = shifts.iter().filter_map(|shift| shift.apply(name));
    renamed.next().map_or(Cow::Borrowed(name), Cow::Owned)
}

/// A name cut at its first number between two points.
fn cut(name: &str) -> Option<(&str, u64, &str)> {
    let mut at = 0;
    for word in name.split('.') {
        let end = at + word.len();
        let is_number = !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_digit());
        if is_number && at > 0 && end < name.len() {
            return Some((&name[..at], word.parse().ok()?, &name[end..]));
        }
        at = end + 1;
    }
    None
}

/// Lists of as many layers, of tensors of the same names and shapes, that begin at different
/// numbers.
pub(super) fn shifts(left: &Sides<Pool>) -> Vec<Shift> {
    type Layer = BTreeSet<(String, Vec<u64>)>;
    let firsts = left.as_ref().map(first_numbers);
    let differs = |prefix: &str| {
        let of_target = firsts.target.get(prefix);
        of_target.is_some_and(|first| firsts.base.get(prefix).is_some_and(|base| base != first))
    };
    if !firsts.base.keys().any(|prefix| differs(prefix)) {
        return Vec::new();
    }
    let lists = left.as_ref().map(|pool| {
        let mut lists: BTreeMap<String, BTreeMap<u64, Layer>> = BTreeMap::new();
        for logical in pool.iter() {
            let key = pool.key(&logical.name);
            let cut = cut(&key).filter(|(prefix, ..)| differs(prefix));
            if let Some((prefix, number, rest)) = cut {
                let list = lists.entry(prefix.to_owned()).or_default();
                let layer = list.entry(number).or_default();
                layer.insert((rest.to_owned(), logical.shape.clone()));
            }
        }
        lists
    });
    let of_prefix = lists.base.iter().filter_map(|(prefix, base)| {
        let target = lists.target.get(prefix)?;
        let first = Sides {
            base: *base.keys().next()?,
            target: *target.keys().next()?,
        };
        let is_gapless = |list: &BTreeMap<u64, Layer>, first: u64| {
            let mut numbers = list.keys().zip(first..);
            numbers.all(|(number, expected)| *number == expected)
        };
        let is_one_list = base.len() >= FEWEST
            && base.values().eq(target.values())
            && is_gapless(base, first.base)
            && is_gapless(target, first.target);
        (is_one_list && first.base != first.target).then(|| Shift {
            prefix: prefix.clone(),
            first,
            count: base.len() as u64,
        })
    });
    of_prefix.collect()
}

/// The least number behind each prefix.
fn first_numbers(pool: &Pool) -> BTreeMap<String, u64> {
    let mut out: BTreeMap<String, u64> = BTreeMap::new();
    for logical in pool.iter() {
        let key = pool.key(&logical.name);
        let Some((prefix, number, _)) = cut(&key) else {
            continue;
        };
        match out.get_mut(prefix) {
            Some(first) => *first = number.min(*first),
            None => _ = out.insert(prefix.to_owned(), number),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_from_one_is_that_from_nought() {
        let shift = Shift {
            prefix: "model.layers.".to_owned(),
            first: Sides { base: 0, target: 1 },
            count: 3,
        };
        let shifts = [shift];
        let renamed = |name| renamed(&shifts, name).into_owned();
        assert_eq!(renamed("model.layers.0.norm"), "model.layers.1.norm");
        assert_eq!(renamed("model.layers.2.a.4.b"), "model.layers.3.a.4.b");
        assert_eq!(renamed("model.layers.3.norm"), "model.layers.3.norm");
        assert_eq!(renamed("tower.layers.0.norm"), "tower.layers.0.norm");
        assert_eq!(renamed("norm.1"), "norm.1");
    }
}
