//! What stands beside a tensor that was paired: the biases and gains of one module, and those of
//! the module of the same name with another number.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::sides::{Side, Sides};
use crate::view::logical::Logical;

use super::Item;
use super::alike::Match;
use super::made::Made;

/// A name with its numbers taken out, and the numbers.
pub(super) fn template(name: &str) -> (String, Vec<u64>) {
    let (mut words, mut numbers) = (String::new(), Vec::new());
    let mut digits = String::new();
    for letter in name.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        if !digits.is_empty() {
            words.push('#');
            numbers.push(digits.parse().unwrap_or(u64::MAX));
            digits.clear();
        }
        words.push(letter);
    }
    words.pop();
    (words, numbers)
}

/// A key that orders names as people do, 2 before 10.
pub(super) fn natural(name: &str) -> (String, Vec<u64>, String) {
    let (words, numbers) = template(name);
    (words, numbers, name.to_owned())
}

fn stem(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.')
}

/// Pairs what is left by what was paired: equal last words under the names of a paired module,
/// then templates of names that go together with the numbers that go together, then values that
/// tell nothing (constants, indices) where they are equal and equally many.
pub(super) fn follow(left: &mut Sides<Vec<Item>>, made: &mut Made) {
    if made.pairs.is_empty() {
        return;
    }
    made.take(left, by_module(made), |found| &mut found.followed);
    made.take(left, by_template(made), |found| &mut found.followed);
    made.take(left, equal_and_equally_many, |found| &mut found.followed);
}

/// Places by name.
fn by_name(items: &[Item]) -> BTreeMap<&str, usize> {
    let named = items.iter().enumerate();
    named
        .map(|(at, item)| (item.logical.name.as_str(), at))
        .collect()
}

fn is_one_shape(base: &Logical, target: &Logical) -> bool {
    base.shape == target.shape && super::may_be_one(base, target)
}

/// The names that were paired, base and target.
fn names(made: &Made) -> Vec<[String; 2]> {
    let pairs = made.pairs.iter();
    pairs
        .map(|pair| [pair.base.name.clone(), pair.target.name.clone()])
        .collect()
}

fn matched(left: &Sides<Vec<Item>>, base: usize, target: usize) -> Option<Match> {
    let (of_base, of_target) = (&left.base[base].logical, &left.target[target].logical);
    is_one_shape(of_base, of_target).then(|| Match {
        places: Sides { base, target },
        order: (0..of_base.shape.len()).collect(),
    })
}

fn by_module(made: &Made) -> impl Fn(&Sides<Vec<Item>>) -> Vec<Match> + use<> {
    let names = names(made);
    move |left| {
        let modules = names.iter().filter_map(|[base, target]| {
            let (base, target) = (stem(base)?, stem(target)?);
            Some((base.0, target.0))
        });
        let modules: BTreeMap<&str, &str> = modules.collect();
        let targets = by_name(&left.target);
        let of_base = left.base.iter().enumerate();
        let found = of_base.filter_map(|(at, item)| {
            let (module, leaf) = stem(&item.logical.name)?;
            let name = format!("{}.{leaf}", modules.get(module)?);
            matched(left, at, *targets.get(name.as_str())?)
        });
        found.collect()
    }
}

fn by_template(made: &Made) -> impl Fn(&Sides<Vec<Item>>) -> Vec<Match> + use<> {
    let names = names(made);
    move |left| {
        let mut templates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut numbers: BTreeMap<Vec<u64>, BTreeSet<Vec<u64>>> = BTreeMap::new();
        for [base, target] in &names {
            let (base, target) = (template(base), template(target));
            templates.entry(base.0).or_default().insert(target.0);
            numbers.entry(base.1).or_default().insert(target.1);
        }
        let targets = by_name(&left.target);
        let targets: BTreeMap<(String, Vec<u64>), usize> = targets
            .into_iter()
            .map(|(name, at)| (template(name), at))
            .collect();
        let mut out = Vec::new();
        let mut taken = BTreeSet::new();
        for (at, item) in left.base.iter().enumerate() {
            let (words, own) = template(&item.logical.name);
            let one = |set: Option<&BTreeSet<String>>| match set {
                Some(set) if set.len() == 1 => set.first().cloned(),
                _ => None,
            };
            let Some(words) = one(templates.get(&words)) else {
                continue;
            };
            let Some(numbers) = numbers.get(&own).filter(|set| set.len() == 1) else {
                continue;
            };
            let Some(numbers) = numbers.first().cloned() else {
                continue;
            };
            let target = targets.get(&(words, numbers)).copied();
            let target = target.filter(|target| !taken.contains(target));
            if let Some(found) = target.and_then(|target| matched(left, at, target)) {
                taken.insert(found.places.target);
                out.push(found);
            }
        }
        out
    }
}

/// Tensors whose values tell nothing, where both sides have as many of one shape and value.
fn equal_and_equally_many(left: &Sides<Vec<Item>>) -> Vec<Match> {
    type Key = (Vec<u64>, Vec<u32>);
    let by_values = |items: &[Item]| {
        let mut out: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            let bits = item.sketch.values.iter().map(|value| value.to_bits());
            let key = (item.logical.shape.clone(), bits.collect());
            out.entry(key).or_default().push(at);
        }
        out
    };
    let targets = by_values(&left.target);
    let mut out = Vec::new();
    for (key, mut bases) in by_values(&left.base) {
        let Some(mut of_target) = targets.get(&key).cloned() else {
            continue;
        };
        if bases.len() != of_target.len() {
            continue;
        }
        let order = |side: Side, at: usize| natural(&left.get(side)[at].logical.name);
        bases.sort_by_key(|at| order(Side::Base, *at));
        of_target.sort_by_key(|at| order(Side::Target, *at));
        let both = bases.into_iter().zip(of_target);
        out.extend(both.filter_map(|(base, target)| matched(left, base, target)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_order_names_as_people_do() {
        assert_eq!(template("a.12.b3"), ("a.#.b#".to_owned(), vec![12, 3]));
        let mut names = ["x.10", "x.2", "x.1"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["x.1", "x.2", "x.10"]);
    }
}
