//! `wcmp rank --matrix`: which models of a library are related to one another?

use std::path::PathBuf;

use rayon::prelude::*;

use super::checkpoint;
use super::options::Options;
use super::sketched::for_a_card;
use crate::error::Result;
use crate::evidence::cards::{Agreeing, Card, Likeness};
use crate::format::open::open_checkpoint;
use crate::measure::monitor::Monitor;
use crate::results::checkpoint::CheckpointFacts;
use crate::results::matrix::{Matrix, MatrixPair, SeenBy};
use crate::stats::chance;
use crate::stats::levels::FOUND_LOG10;
use crate::stats::units::Sampling;
use crate::verdict::decide::Label;

/// Holds every model of a library against every other by their cards. Runs on the current rayon
/// pool; a card takes some 400 kB, whatever the model.
///
/// # Errors
/// A read that fails, a damaged sketch, or an interrupt.
pub(crate) fn matrix(
    library: &[PathBuf],
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Matrix> {
    let sampling = Sampling {
        seed: options.seed,
        thorough: false,
    };
    monitor.begin("reading the library", library.len() as u64);
    let read: Vec<Result<(CheckpointFacts, Card)>> = library
        .par_iter()
        .map(|path| {
            monitor.check()?;
            let model = for_a_card(open_checkpoint(path, options.io)?);
            let card = Card::of(&model, &sampling)?;
            monitor.advance(1);
            Ok((checkpoint::facts(&model, None), card))
        })
        .collect();
    monitor.end();
    let (models, cards): (Vec<CheckpointFacts>, Vec<Card>) = read
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .unzip();

    let count = models.len() * models.len().saturating_sub(1) / 2;
    monitor.begin("comparing pairs", count as u64);
    let rows: Vec<Result<Vec<MatrixPair>>> = (0..models.len())
        .into_par_iter()
        .map(|a| {
            monitor.check()?;
            let others = a + 1..models.len();
            let row = others.map(|b| {
                let same = models[a].model_digest.is_some()
                    && models[a].model_digest == models[b].model_digest;
                let likeness = cards[a].likeness(&cards[b])?;
                let agreeing = match likeness.confirmed {
                    0 => cards[a].agreeing(&cards[b]),
                    _ => None,
                };
                Ok(pair([a, b], &likeness, agreeing.as_ref(), same, count))
            });
            let row = row.collect::<Result<Vec<_>>>();
            monitor.advance((models.len() - a - 1) as u64);
            row
        })
        .collect();
    monitor.end();
    let pairs: Vec<MatrixPair> = rows
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    Ok(Matrix {
        settings: options.settings(),
        names: names(&models),
        groups: groups(models.len(), &pairs),
        models,
        pairs,
        warnings: Vec::new(),
    })
}

fn pair(
    [a, b]: [usize; 2],
    likeness: &Likeness,
    agreeing: Option<&Agreeing>,
    same: bool,
    count: usize,
) -> MatrixPair {
    let log10_p = (likeness.layers > 0).then(|| chance::bonferroni(likeness.log10_p, count.max(1)));
    let is_found = log10_p.is_some_and(|bound| bound <= FOUND_LOG10);
    let mut seen_by = Vec::new();
    if same {
        seen_by.push(SeenBy::Digests);
    }
    if is_found {
        seen_by.push(SeenBy::UnitsInPlace);
    }
    let is_moved = agreeing.is_some_and(Agreeing::is_confirmed);
    if is_moved {
        seen_by.push(SeenBy::Partners);
    }
    let is_confirmed = is_found && likeness.confirmed > 0;
    if is_confirmed || is_moved {
        seen_by.push(SeenBy::Geometry);
    }
    let label = match (same, is_confirmed) {
        (true, _) => Label::Identical,
        (false, true) if likeness.confirmed == likeness.layers => Label::Derived,
        // Of units that moved one layer is looked at.
        (false, true) => Label::PartialReuse,
        (false, false) if is_moved => Label::PartialReuse,
        (false, false) => Label::Inconclusive,
    };
    // Of units that moved no bound is told: how they stand decides, and its limit is no exact one.
    let (excess, log10_p) = match agreeing.filter(|found| !same && found.is_confirmed()) {
        Some(found) => (found.cosine, None),
        None => (likeness.cosine, log10_p),
    };
    MatrixPair {
        a,
        b,
        label,
        excess,
        log10_p,
        seen_by,
    }
}

/// Names for people; where two models have one, their paths.
fn names(models: &[CheckpointFacts]) -> Vec<String> {
    let mut known: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for model in models {
        *known.entry(&model.name).or_default() += 1;
    }
    let name = |model: &CheckpointFacts| match known.get(model.name.as_str()) {
        Some(1) => model.name.clone(),
        _ => model.path.clone(),
    };
    models.iter().map(name).collect()
}

/// Connected components of more than one model, the largest first.
fn groups(count: usize, pairs: &[MatrixPair]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..count).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    for pair in pairs.iter().filter(|pair| pair.label.is_related()) {
        let (a, b) = (root(&mut parent, pair.a), root(&mut parent, pair.b));
        parent[a.max(b)] = a.min(b);
    }
    let mut of_roots: std::collections::BTreeMap<usize, Vec<usize>> =
        std::collections::BTreeMap::new();
    for at in 0..count {
        let root = root(&mut parent, at);
        of_roots.entry(root).or_default().push(at);
    }
    let mut out: Vec<Vec<usize>> = of_roots
        .into_values()
        .filter(|group| group.len() > 1)
        .collect();
    out.sort_by_key(|group| std::cmp::Reverse(group.len()));
    out
}
