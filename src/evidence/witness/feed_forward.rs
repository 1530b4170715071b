//! The witness of a feed-forward: do the partners of units stand to one another as the units do?

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::partners::block::{Block, Few, Whole};
use crate::evidence::partners::looks::{Asked, FeatureKind, Sought, Tokens};
use crate::evidence::partners::token_free::{self, Top};
use crate::evidence::permutation::blocks::{BlockKey, Matrices};
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::geometry::{Geometry, LEAST_PAIRS, MOST_PAIRS, mutual_geometry, rows_of};
use crate::stats::units::Held;

use super::{FIRST_PAIRS, Witnessed};

/// Geometry of units that stand at equal places of two lists.
fn of_lists(base: &Few, target: &Few, units: usize) -> Option<Geometry> {
    let held = |matrix: &Matrix| Held::new(matrix.values.clone(), matrix.columns);
    let sides = [base, target].map(|few| {
        let up = few.up.as_ref().map(held);
        let mut all = vec![held(&few.gate)];
        all.extend(up);
        all.push(held(&few.down));
        all
    });
    let signs: &[usize] = if base.up.is_some() { &[1, 2] } else { &[] };
    let fits = sides[0].len() == sides[1].len();
    let [base, target] = sides;
    fits.then(|| mutual_geometry(&base, &target, signs, units))
        .flatten()
}

/// Geometry of pairs of units, places in the canonical forms of two blocks.
///
/// # Errors
/// A read that fails.
pub(in crate::evidence) fn of_pairs(
    base: &Whole<'_, '_>,
    target: &Whole<'_, '_>,
    pairs: &[(usize, usize)],
) -> Result<Option<Geometry>> {
    if base.block().is_gated() != target.block().is_gated() {
        return Ok(None);
    }
    let pairs = &pairs[..pairs.len().min(MOST_PAIRS)];
    let read = |whole: &Whole<'_, '_>, units: &[usize]| -> Result<Option<Vec<Held>>> {
        let (Some(gate), Some(down)) = (whole.gate(), whole.down()) else {
            return Ok(None);
        };
        let up = whole.up();
        let mut sources: Vec<&dyn RowSource> = vec![&gate];
        sources.extend(up.as_ref().map(|up| up as &dyn RowSource));
        sources.push(&down);
        let held = sources.iter().map(|source| rows_of(*source, units));
        held.collect::<Result<Vec<_>>>().map(Some)
    };
    let (of_base, of_target): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
    let (Some(one), Some(other)) = (read(base, &of_base)?, read(target, &of_target)?) else {
        return Ok(None);
    };
    let signs: &[usize] = if base.block().is_gated() {
        &[1, 2]
    } else {
        &[]
    };
    let units = base.block().among().max(target.block().among());
    Ok(mutual_geometry(&one, &other, signs, units))
}

/// Witness of two blocks whose units are said to stand in the same places: of seeded units in their
/// places, and, where only some were taken over, of those that are found twice.
///
/// # Errors
/// A read that fails.
pub(in crate::evidence) fn in_place(
    setting: &Setting<'_>,
    keys: [&BlockKey; 2],
    sides: [&Matrices<'_>; 2],
) -> Result<Witnessed> {
    let [base_model, target_model] = setting.models;
    let base = Block::open(base_model, keys[0], sides[0])?;
    let target = Block::open(target_model, keys[1], sides[1])?;
    let (Some(base), Some(target)) = (base, target) else {
        return Ok(Witnessed::default());
    };
    // Of so few units no geometry tells.
    if base.units().min(target.units()) < LEAST_PAIRS {
        return Ok(Witnessed::default());
    }
    let sampling = &setting.sampling;
    let witnessed = units_in_place(setting, &base, &target)?;
    if witnessed.kind.is_some() || base.width() != target.width() {
        return Ok(witnessed);
    }
    let (Some(of_base), Some(of_target)) = (base.whole(sampling)?, target.whole(sampling)?) else {
        return Ok(witnessed);
    };
    let sought = Sought::new(&of_target, None)?;
    let by_content = partners_confirm(setting, &of_base, None, &sought, FeatureKind::Stored)?;
    Ok(witnessed.better(by_content.0))
}

/// Witness of units in equal places of two blocks: 64 seeded ones, 256 where these do not confirm.
///
/// # Errors
/// A read that fails.
pub(in crate::evidence) fn units_in_place(
    setting: &Setting<'_>,
    base: &Block<'_>,
    target: &Block<'_>,
) -> Result<Witnessed> {
    let sampling = &setting.sampling;
    let units = base.units();
    let mut witnessed = Witnessed::default();
    if units != target.units() {
        return Ok(witnessed);
    }
    for most in [FIRST_PAIRS, MOST_PAIRS] {
        // Of a sketch the probe units are known, and no others.
        let drawn = match setting.has_sketch() {
            true => sampling.probes(units),
            false => Draws::new(sampling.seed, "units of a witness").distinct(most, units),
        };
        let sides = [base.some(&drawn, sampling)?, target.some(&drawn, sampling)?];
        // Units that hardly count on one side are no copies of units that do.
        let strong: Vec<usize> = {
            let of_target = sides[1].strong();
            let of_base = sides[0].strong();
            of_base
                .into_iter()
                .filter(|at| of_target.contains(at))
                .collect()
        };
        let geometry = of_lists(&sides[0].at(&strong), &sides[1].at(&strong), units);
        witnessed = witnessed.better(Witnessed::by(geometry));
        if witnessed.kind.is_some() || drawn.len() == units {
            break;
        }
    }
    Ok(witnessed)
}

/// Least share of what the units of a block contribute that partners must hold on either side.
const LEAST_HELD: f64 = 0.1;

/// Witness of the units of `base` that are found twice in `target` by one family, and their pairs,
/// places in the canonical forms.
///
/// # Errors
/// A read that fails.
pub(in crate::evidence) fn partners_confirm(
    setting: &Setting<'_>,
    base: &Whole<'_, '_>,
    tokens: Option<&Tokens>,
    target: &Sought<'_, '_>,
    kind: FeatureKind,
) -> Result<(Witnessed, Vec<(usize, usize)>)> {
    let asked = Asked::of_whole(base, MOST_PAIRS, tokens, &setting.sampling)?;
    let found = target.partners(&[&asked], kind, &setting.sampling)?;
    let Some(Some(found)) = found.into_iter().next() else {
        return Ok((Witnessed::default(), Vec::new()));
    };
    let pairs: Vec<(usize, usize)> = found
        .agreeing
        .iter()
        .map(|&(at, partner)| (asked.units[at], partner))
        .collect();
    let witnessed = pairs_confirm(base, target.whole, &pairs, asked.units.len())?;
    if witnessed.kind.is_some() || pairs.is_empty() {
        return Ok((witnessed, pairs));
    }
    // Few partners may find more by how they stand to them.
    let (Some(of_base), Some(of_target)) = (Top::read(base)?, Top::read(target.whole)?) else {
        return Ok((witnessed, pairs));
    };
    let seen = token_free::look(&of_base, &of_target, Some(&pairs))?;
    if seen.witnessed.kind.is_none() {
        return Ok((witnessed, pairs));
    }
    let places = seen.pairs.iter();
    let places = places.map(|&(one, other)| (of_base.places[one], of_target.places[other]));
    Ok((seen.witnessed, places.collect()))
}

/// Witness of pairs found among `probes` units of the base.
///
/// # Errors
/// A read that fails.
pub(in crate::evidence) fn pairs_confirm(
    base: &Whole<'_, '_>,
    target: &Whole<'_, '_>,
    pairs: &[(usize, usize)],
    probes: usize,
) -> Result<Witnessed> {
    let mut witnessed = Witnessed::by(of_pairs(base, target, pairs)?);
    // Planted units that hardly count are no copy of what counts.
    let probed = probes as f64 / base.live().len().max(1) as f64;
    let share = |whole: &Whole<'_, '_>, units: Vec<usize>| whole.form.share(&units) / probed;
    let of_base = share(base, pairs.iter().map(|pair| pair.0).collect());
    let of_target = share(target, pairs.iter().map(|pair| pair.1).collect());
    if of_base < LEAST_HELD || of_target < LEAST_HELD {
        witnessed.kind = None;
    }
    Ok(witnessed)
}
