//! Asks witnesses about parts that were found outside the places of their names.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::experts::Experts;
use crate::evidence::part::{PartKey, PartKind};
use crate::evidence::parts::{Elsewhere, Fate, part_of};
use crate::evidence::permutation::blocks::{BlockKey, Matrices};
use crate::evidence::witness::{WitnessKind, Witnessed, attention, feed_forward, is_kept_whole};
use crate::stats::levels::ALIKE_EXCESS;

/// Experts of a layer of the target that are asked one by one; the others follow them.
const MOST_EXPERTS: usize = 64;

/// Experts of the base that a dense feed-forward is held against.
const MOST_ORIGINS: usize = 16;

type Blocks<'a> = BTreeMap<BlockKey, Matrices<'a>>;

/// Sets what witnesses say on the parts found.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn confirm(
    setting: &Setting<'_>,
    experts: &Experts,
    parts: &mut BTreeMap<PartKey, Elsewhere>,
) -> Result<()> {
    let found: Vec<(PartKey, Elsewhere)> = parts
        .iter()
        .filter(|(_, elsewhere)| elsewhere.fate == Fate::Found)
        .map(|(key, elsewhere)| (key.clone(), *elsewhere))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let of_sides = setting.blocks;
    let mut of_parts: BTreeMap<PartKey, &BlockKey> = BTreeMap::new();
    for (key, matrices) in &of_sides[1] {
        if let Some(part) = matrices.by_row.first().and_then(|logical| part_of(logical)) {
            of_parts.entry(part).or_insert(key);
        }
    }
    let mut asked_of_layer: BTreeMap<Option<u32>, usize> = BTreeMap::new();
    let mut asked = Vec::new();
    // A sketch keeps few experts over the whole width: these speak for the others.
    let is_narrow = |part: &PartKey, elsewhere: &Elsewhere| {
        let sides = of_parts.get(part).and_then(|key| {
            let base = BlockKey {
                layer: elsewhere.base_layer?,
                expert: mapped(experts, key),
                ..(*key).clone()
            };
            Some([of_sides[0].get(&base)?, of_sides[1].get(key)?])
        });
        setting.has_sketch()
            && sides.is_some_and(|[base, target]| !is_kept_whole(setting, base, target))
    };
    for (part, elsewhere) in &found {
        if part.kind == PartKind::Experts {
            if is_narrow(part, elsewhere) {
                continue;
            }
            let count = asked_of_layer.entry(part.layer).or_default();
            *count += 1;
            if *count > MOST_EXPERTS {
                continue;
            }
        }
        asked.push((part, elsewhere));
    }
    let answers: Vec<Result<(PartKey, Witnessed)>> = asked
        .par_iter()
        .map(|(part, elsewhere)| {
            setting.monitor.check()?;
            let witnessed = match part.kind {
                PartKind::Attention => of_attention(setting, part, elsewhere)?,
                PartKind::Ffn | PartKind::Experts => match of_parts.get(*part) {
                    Some(key) => of_block(setting, of_sides, key, elsewhere, experts)?,
                    None => Witnessed::default(),
                },
                PartKind::Embedding | PartKind::Head | PartKind::Other => Witnessed::default(),
            };
            Ok(((*part).clone(), witnessed))
        })
        .collect();
    let mut of_layer: BTreeMap<Option<u32>, (usize, usize)> = BTreeMap::new();
    for answer in answers {
        let (part, witnessed) = answer?;
        if part.kind == PartKind::Experts {
            let counts = of_layer.entry(part.layer).or_default();
            counts.0 += usize::from(witnessed.kind.is_some());
            counts.1 += 1;
        }
        if let Some(elsewhere) = parts.get_mut(&part) {
            elsewhere.witnessed = witnessed;
        }
    }
    let least = match setting.has_sketch() {
        true => 1,
        false => MOST_EXPERTS,
    };
    let all_confirmed = |layer: &Option<u32>| {
        of_layer
            .get(layer)
            .is_some_and(|(confirmed, asked)| confirmed == asked && *asked >= least)
    };
    for (part, elsewhere) in parts.iter_mut() {
        let follows = part.kind == PartKind::Experts
            && elsewhere.fate == Fate::Found
            && elsewhere.witnessed.geometry.is_none();
        if follows && all_confirmed(&part.layer) {
            elsewhere.witnessed.kind = Some(WitnessKind::Geometry);
        }
    }
    Ok(())
}

/// The attention of a layer that moved: by its own angles, or, where its matrices are like the
/// base's as they stand, by the units of its layer.
fn of_attention(setting: &Setting<'_>, part: &PartKey, elsewhere: &Elsewhere) -> Result<Witnessed> {
    let (Some(layer), Some(base_layer)) = (part.layer, elsewhere.base_layer) else {
        return Ok(Witnessed::default());
    };
    let own = attention::geometry(setting, part.component, [base_layer, layer], part.encoder)?;
    let mut witnessed = Witnessed::by(own);
    let is_alike = elsewhere
        .excess
        .is_some_and(|excess| excess >= ALIKE_EXCESS);
    if witnessed.kind.is_none() && is_alike {
        witnessed.kind = Some(WitnessKind::Geometry);
    }
    Ok(witnessed)
}

/// The expert of the base that an expert of the target was found to be.
fn mapped(experts: &Experts, key: &BlockKey) -> Option<u32> {
    let mut layers = experts.about(Some(key.component));
    let layer = layers.find(|layer| layer.layer == key.layer)?;
    let mut map = layer.map.iter();
    let (_, base) = map.find(|(target, _)| Some(*target) == key.expert)?;
    *base
}

/// A feed-forward or an expert against what it may come from in its layer of the base.
fn of_block(
    setting: &Setting<'_>,
    of_sides: &[Blocks<'_>; 2],
    key: &BlockKey,
    elsewhere: &Elsewhere,
    experts: &Experts,
) -> Result<Witnessed> {
    let Some(base_layer) = elsewhere.base_layer else {
        return Ok(Witnessed::default());
    };
    let mapped = mapped(experts, key);
    let of_layer = of_sides[0]
        .iter()
        .filter(|(base, _)| (base.component, base.layer) == (key.component, base_layer));
    let mut origins: Vec<(&BlockKey, &Matrices<'_>)> = of_layer
        .filter(|(base, _)| match key.expert {
            Some(_) => base.expert == mapped || base.expert.is_none() || base.expert == key.expert,
            None => true,
        })
        .collect();
    origins.sort_by_key(|(base, _)| (base.expert != mapped, base.expert != key.expert));
    let mut best = Witnessed::default();
    for (base, matrices) in origins.into_iter().take(MOST_ORIGINS) {
        let sides = [matrices, &of_sides[1][key]];
        best = best.better(feed_forward::in_place(setting, [base, key], sides)?);
        if best.kind.is_some() {
            break;
        }
    }
    Ok(best)
}
