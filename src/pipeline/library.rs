//! A library of sketches as bases of `rank`: a cheap look at all of them, every form for the
//! nearest.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::Result;
use crate::evidence::cards::{Card, Likeness};
use crate::format::open::{Opened, open_checkpoint};
use crate::measure::monitor::Monitor;
use crate::results::rank::{Library, Ranking};
use crate::source::Io;
use crate::stats::chance;
use crate::stats::units::Sampling;
use crate::view::model::Model;

use super::options::Options;
use super::rank::rank;

/// Sketches that are looked at in every form at least, if there are as many, and those at most.
const LEAST_DEEP: usize = 8;
const MOST_DEEP: usize = 16;

/// A cheap look at or below this calls for every form.
const SIGN: f64 = -2.0;

/// A sketch of a library that was looked at.
struct Looked<'a> {
    path: &'a Path,
    likeness: Likeness,
    /// Whether the target declares it as its base.
    is_declared: bool,
}

/// Holds bases and the sketches at the paths of a library against the target. Runs on the current
/// rayon pool; memory does not grow with the library.
///
/// # Errors
/// A read that fails, a damaged sketch, or an interrupt.
pub(crate) fn rank_library(
    target: Opened,
    mut bases: Vec<Opened>,
    library: &[PathBuf],
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Ranking> {
    let checkpoints = bases.len() as u64;
    let chosen: Vec<PathBuf> = match library.len() > MOST_DEEP {
        true => choose(&target, library, options, monitor)?,
        false => library.to_vec(),
    };
    let opened: Vec<Result<Opened>> = chosen
        .par_iter()
        .map(|path| open_checkpoint(path, options.io))
        .collect();
    bases.extend(opened.into_iter().collect::<Result<Vec<_>>>()?);
    let deep = bases.len() as u64;
    let mut ranking = rank(target, bases, options, monitor)?;
    if !library.is_empty() {
        let all = library.len() as u64 + checkpoints;
        let bound = ranking.bases.first().and_then(|best| best.log10_p());
        ranking.library = Some(Library {
            sketches: library.len() as u64,
            checkpoints,
            looked_at_deeply: deep,
            log10_p: bound.map(|bound| chance::bonferroni(bound, all as usize)),
        });
    }
    Ok(ranking)
}

/// The sketches that are looked at in every form, by path: those that show a sign, then those that
/// are most alike.
fn choose(
    target: &Opened,
    library: &[PathBuf],
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Vec<PathBuf>> {
    let sampling = Sampling {
        seed: options.seed,
        thorough: false,
    };
    let model = Model::new(target.again()?);
    let own = Card::of(&model, &sampling)?;
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let declared: Vec<String> = model
        .checkpoint()
        .declared_base
        .iter()
        .map(|name| short(name))
        .collect();
    monitor.begin("looking over the library", library.len() as u64);
    let looked: Vec<Result<Looked<'_>>> = library
        .par_iter()
        .map(|path| {
            monitor.check()?;
            let sketch = Model::new(open_checkpoint(path, Io::Read)?);
            let likeness = Card::of(&sketch, &sampling)?.likeness(&own)?;
            monitor.advance(1);
            Ok(Looked {
                path,
                likeness,
                is_declared: declared.contains(&short(&sketch.checkpoint().name)),
            })
        })
        .collect();
    monitor.end();
    let mut looked: Vec<Looked<'_>> = looked.into_iter().collect::<Result<_>>()?;
    looked.sort_by(|a, b| {
        let rank = |one: &Looked<'_>| one.likeness.cosine.unwrap_or(-1.0);
        let by_gains = |one: &Looked<'_>| one.likeness.gains.unwrap_or(-1.0);
        b.is_declared
            .cmp(&a.is_declared)
            .then(a.likeness.log10_p.total_cmp(&b.likeness.log10_p))
            .then(rank(b).total_cmp(&rank(a)))
            .then(by_gains(b).total_cmp(&by_gains(a)))
            .then(a.path.cmp(b.path))
    });
    let signs = looked
        .iter()
        .take_while(|one| one.is_declared || one.likeness.log10_p <= SIGN)
        .count();
    // Where no place tells, gains may: a change of order leaves them as they are.
    let (first, rest) = looked.split_at(signs.min(MOST_DEEP));
    let mut rest: Vec<&Looked<'_>> = rest.iter().collect();
    rest.sort_by(|a, b| {
        let by_gains = |one: &Looked<'_>| one.likeness.gains.unwrap_or(-1.0);
        by_gains(b).total_cmp(&by_gains(a)).then(a.path.cmp(b.path))
    });
    let more = LEAST_DEEP.saturating_sub(first.len());
    let chosen = first.iter().chain(rest.into_iter().take(more));
    let mut chosen: Vec<PathBuf> = chosen.map(|one| one.path.to_path_buf()).collect();
    chosen.sort();
    Ok(chosen)
}
