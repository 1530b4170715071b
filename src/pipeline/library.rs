//! A library of sketches as bases of `rank`: a cheap look at all of them, every form for the
//! nearest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::evidence::cards::{Card, Resemblance};
use crate::evidence::pca::evenly_spaced;
use crate::format::open::{Opened, open_checkpoint};
use crate::measure::monitor::Monitor;
use crate::model::words::Class;
use crate::results::rank::{Library, Ranking};
use crate::source::Io;
use crate::stats::chance;
use crate::stats::units::Sampling;
use crate::view::model::Model;

use super::options::Options;
use super::rank::rank;
use super::sketched::for_a_card;

/// Sketches that are looked at in every form at least, if there are as many, and those at most.
const LEAST_DEEP: usize = 4;
const MOST_DEEP: usize = 16;

/// Matrices of the target that are digested before the choice, and values of one at least: small ones
/// may be zeros on both sides.
const FEW_DIGESTED: usize = 8;
const LEAST_DIGESTED: u64 = 1 << 10;

/// A cheap look at or below this calls for every form.
const SIGN: f64 = -2.0;

/// What calls for every form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// Units stand in their places, or find each other elsewhere.
    Units,
    /// The target declares it as its base.
    Declared,
    /// A matrix has the same bytes.
    Bytes,
}

/// A sketch of a library that was looked at.
struct Looked<'a> {
    path: &'a Path,
    sign: Option<Sign>,
    /// Bound of the chance of as many units in their places, base 10.
    log10_p: f64,
    /// Mean cosine of units in their places.
    cosine: Option<f64>,
    resemblance: Resemblance,
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
    let model = for_a_card(target.again()?);
    let own = Card::of(&model, &sampling)?;
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let declared: Vec<String> = model
        .checkpoint()
        .declared_base
        .iter()
        .map(|name| short(name))
        .collect();
    let own_digests = few_digests(&model)?;
    monitor.begin("looking over the library", library.len() as u64);
    let looked: Vec<Result<Looked<'_>>> = library
        .par_iter()
        .map(|path| {
            monitor.check()?;
            let sketch = for_a_card(open_checkpoint(path, Io::Read)?);
            let card = Card::of(&sketch, &sampling)?;
            let likeness = card.likeness(&own)?;
            let is_moved = card
                .agreeing(&own)
                .is_some_and(|found| found.is_confirmed());
            let digests = sketch.opened.sketch.as_ref().map(|sketch| &sketch.digests);
            let shares_bytes = digests
                .is_some_and(|digests| digests.iter().any(|digest| own_digests.contains(digest)));
            let is_declared = declared.contains(&short(&sketch.checkpoint().name));
            monitor.advance(1);
            Ok(Looked {
                path,
                sign: match () {
                    () if is_moved || likeness.log10_p <= SIGN => Some(Sign::Units),
                    () if is_declared => Some(Sign::Declared),
                    () if shares_bytes => Some(Sign::Bytes),
                    () => None,
                },
                log10_p: likeness.log10_p,
                resemblance: card.resemblance(&own),
                cosine: likeness.cosine,
            })
        })
        .collect();
    monitor.end();
    let looked: Vec<Looked<'_>> = looked.into_iter().collect::<Result<_>>()?;
    let mut chosen: Vec<PathBuf> = nearest(looked)
        .into_iter()
        .map(|one| one.path.to_path_buf())
        .collect();
    chosen.sort();
    Ok(chosen)
}

/// Those that show a sign, the clearest first, and beside them in turn those that resemble the
/// target most in one way or another: no single measure, which somebody may have aimed at, takes all
/// places.
fn nearest(looked: Vec<Looked<'_>>) -> Vec<Looked<'_>> {
    let is_signed = |one: &Looked<'_>| one.sign.is_some();
    let (mut out, mut rest): (Vec<_>, Vec<_>) = looked.into_iter().partition(is_signed);
    let ways: [fn(&Looked<'_>) -> Option<f64>; 4] = [
        |one| one.resemblance.over_tokens,
        |one| one.resemblance.embedding,
        |one| one.resemblance.gains,
        |one| one.cosine,
    ];
    out.sort_by(|a, b| {
        let by_bound = a.log10_p.total_cmp(&b.log10_p);
        a.sign.cmp(&b.sign).then(by_bound).then(a.path.cmp(b.path))
    });
    out.truncate(MOST_DEEP - ways.len());
    let more = LEAST_DEEP.saturating_sub(out.len()).max(ways.len());
    for way in ways.iter().cycle().take(more) {
        let measure = |one: &Looked<'_>| way(one).unwrap_or(f64::NEG_INFINITY);
        let best = (0..rest.len()).max_by(|&a, &b| {
            let (a, b) = (&rest[a], &rest[b]);
            measure(a).total_cmp(&measure(b)).then(b.path.cmp(a.path))
        });
        out.extend(best.map(|at| rest.swap_remove(at)));
    }
    out
}

/// Bytes, at most, of the target that are digested before its sketches are chosen.
const MOST_DIGESTED: u64 = 1 << 28;

/// Digests of a few matrices of a model: who has one with the same bytes is worth a closer look. Of
/// a sketch those of all its tensors of some size.
fn few_digests(model: &Model) -> Result<BTreeSet<[u8; 32]>> {
    let matrices = model.logicals.iter().filter(|logical| {
        logical.meaning.class == Class::Matrix && logical.elements() >= LEAST_DIGESTED
    });
    let stored = matrices.filter_map(|logical| {
        let stored = model.stored_tensors(logical)?;
        let is_one = stored.len() == 1;
        stored.first().copied().filter(|_| is_one)
    });
    if let Some(sketch) = &model.opened.sketch {
        let places = model.logicals.iter().enumerate().filter(|(_, logical)| {
            logical.meaning.class == Class::Matrix && logical.elements() >= LEAST_DIGESTED
        });
        let stored = places.filter_map(|(at, _)| sketch.facts.tensors.get(at));
        let stored = stored.flat_map(|kept| &kept.stored);
        return Ok(stored
            .filter_map(|at| sketch.digests.get(*at).copied())
            .collect());
    }
    let stored: Vec<usize> = stored.collect();
    let mut out = BTreeSet::new();
    let mut scratch = Vec::new();
    for at in evenly_spaced(&stored, FEW_DIGESTED) {
        let tensor = &model.checkpoint().tensors[at];
        if tensor.bytes > MOST_DIGESTED / FEW_DIGESTED as u64 {
            continue;
        }
        let bytes = model.opened.bytes_of(tensor);
        let length = usize::try_from(tensor.bytes).unwrap_or(usize::MAX);
        let bytes = bytes.bytes(0, length, &mut scratch)?;
        // Zeros are everybody's.
        if bytes.iter().any(|byte| Some(byte) != bytes.first()) {
            out.insert(Sha256::digest(bytes).into());
        }
    }
    Ok(out)
}
