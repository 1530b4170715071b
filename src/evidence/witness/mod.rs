//! Finding is not confirming (guide/methods.md, section 8.1): what was found in its place is
//! confirmed by angles that no order, scale, sign or rotation of either side can raise.

pub(crate) mod attention;
pub(crate) mod feed_forward;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::words::{Component, words};
use crate::stats::geometry::Geometry;
use crate::stats::levels::NOTHING_LOG10;
use crate::view::logical::Logical;

use super::analysis::{Analysis, Found, Setting};
use super::part::{Part, PartKey, PartKind};
use super::permutation::Permutation;
use super::permutation::blocks::{BlockKey, Matrices};

words! {
    /// What confirms that a part was taken over.
    WitnessKind {
        /// Partners stand to one another as the units do.
        Geometry = "geometry",
        /// Units agree over tokens that are joined by their strings.
        Tokens = "tokens",
        /// Equal bytes.
        Bytes = "bytes",
        /// Spaces that the rows of heads span.
        RowSpace = "row_space",
    }
}

words! {
    /// How a part was found.
    FoundBy {
        /// Units stand in the same places.
        Place = "place",
        /// Units found twice, wherever they stand.
        Content = "content",
        /// Its layer was found at another depth.
        LayerMap = "layer_map",
        /// An expert found under another number, or a feed-forward in experts.
        Experts = "experts",
        /// With the residual stream or heads undone.
        Disguise = "disguise",
        /// Equal bytes.
        Bytes = "bytes",
        /// Excess alone.
        Excess = "excess",
    }
}

/// What a witness says of one part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Witnessed {
    /// Mutual geometry of the partners, where it could be measured.
    pub geometry: Option<Geometry>,
    /// What confirms; `None` where nothing does.
    pub kind: Option<WitnessKind>,
}

impl Witnessed {
    /// What a geometry says by itself.
    pub(crate) fn by(geometry: Option<Geometry>) -> Self {
        let confirms = geometry.is_some_and(|geometry| geometry.confirms());
        Self {
            geometry,
            kind: confirms.then_some(WitnessKind::Geometry),
        }
    }

    /// The one that confirms, else the one with the larger share of what its limit asks.
    pub(crate) fn better(self, other: Self) -> Self {
        let rank = |one: &Self| {
            let share = one.geometry.map_or(f64::NEG_INFINITY, |geometry| {
                geometry.correlation / geometry.limit
            });
            (one.kind.is_some(), share)
        };
        let (mine, theirs) = (rank(&self), rank(&other));
        match mine.0.cmp(&theirs.0).then(mine.1.total_cmp(&theirs.1)) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => self,
        }
    }
}

/// Witnesses of parts that tests in place found, by part.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    /// What they say.
    of_parts: BTreeMap<PartKey, Witnessed>,
}

impl Analysis for Witnesses {
    fn look(setting: &Setting<'_>, found: &mut Found) -> Result<Option<Self>> {
        let Some(direct) = found.get_mut::<Permutation>() else {
            return Ok(None);
        };
        setting.monitor.begin("asking witnesses", 0);
        let out = Self {
            of_parts: in_place(setting, direct)?,
        };
        let mut unconfirmed = BTreeSet::new();
        for (key, test) in &direct.parts {
            let is_table = matches!(key.kind, PartKind::Embedding | PartKind::Head);
            let confirmed = out.of_parts.get(key).is_some_and(|w| w.kind.is_some());
            if test.log10_p <= NOTHING_LOG10 && !is_table && !confirmed {
                unconfirmed.insert(key.clone());
            }
        }
        direct.set_aside(unconfirmed);
        setting.monitor.end();
        Ok(Some(out))
    }

    fn place(&self, parts: &mut Vec<Part>) {
        for part in parts {
            if let Some(witnessed) = self.of_parts.get(&part.key) {
                part.witnessed(*witnessed);
            }
            part.by_place = part.test.is_some();
        }
    }
}

impl Witnesses {
    /// Whether a feed-forward or an expert of a component was found in its place and confirmed.
    pub(crate) fn confirms_in(&self, component: Component) -> bool {
        self.of_parts.iter().any(|(key, witnessed)| {
            key.component == component
                && matches!(key.kind, PartKind::Ffn | PartKind::Experts)
                && witnessed.kind.is_some()
        })
    }

    /// Whether a feed-forward, an expert or an attention was found in its place and confirmed.
    pub(crate) fn confirms(&self, key: &PartKey) -> bool {
        self.of_parts
            .get(key)
            .is_some_and(|witnessed| witnessed.kind.is_some())
    }
}

/// Pairs whose angles are compared first; more only where these do not confirm.
const FIRST_PAIRS: usize = 64;

/// Most experts of a layer that are asked one by one; of more, as many seeded ones speak for all.
const MOST_EXPERTS: usize = 64;

/// Asks the witnesses of every part in which a test found something.
fn in_place(setting: &Setting<'_>, direct: &Permutation) -> Result<BTreeMap<PartKey, Witnessed>> {
    let suspects: Vec<&PartKey> = direct
        .parts
        .iter()
        .filter(|(_, test)| test.log10_p <= NOTHING_LOG10)
        .map(|(key, _)| key)
        .collect();
    let mut out = feed_forwards(setting, &suspects)?;
    let attentions: Vec<&PartKey> = suspects
        .iter()
        .copied()
        .filter(|key| key.kind == PartKind::Attention)
        .collect();
    let of_attentions: Vec<Result<(PartKey, Witnessed)>> = attentions
        .par_iter()
        .map(|key| {
            setting.monitor.check()?;
            let layer = key.layer.unwrap_or(0);
            let own = attention::geometry(setting, key.component, [layer, layer], key.encoder)?;
            Ok(((*key).clone(), Witnessed::by(own)))
        })
        .collect();
    let mut confirmed_layers: BTreeMap<_, Witnessed> = BTreeMap::new();
    for (key, witnessed) in &out {
        if witnessed.kind.is_some() {
            let layer = (key.component, key.layer, key.encoder);
            confirmed_layers.entry(layer).or_insert(*witnessed);
        }
    }
    for witnessed in of_attentions {
        let (key, own) = witnessed?;
        // A rotation that fits an attention leaves its layer's feed-forward without geometry.
        let by_layer = confirmed_layers.get(&(key.component, key.layer, key.encoder));
        let witnessed = match by_layer {
            Some(by_layer) if own.kind.is_none() => Witnessed {
                kind: by_layer.kind,
                geometry: own.geometry,
            },
            _ => own,
        };
        out.insert(key, witnessed);
    }
    let others: Vec<&PartKey> = suspects
        .iter()
        .copied()
        .filter(|key| key.kind == PartKind::Other)
        .collect();
    out.extend(rows::geometries(setting, &others)?);
    Ok(out)
}

/// Whether sketches keep units of a block over its whole width.
pub(in crate::evidence) fn is_kept_whole(
    setting: &Setting<'_>,
    base: &Matrices<'_>,
    target: &Matrices<'_>,
) -> bool {
    let sides = [base, target];
    let mut of_sketches = setting
        .models
        .into_iter()
        .zip(sides)
        .filter(|(model, _)| model.opened.sketch.is_some());
    of_sketches.all(|(model, matrices)| {
        let (Some(first), Some(down)) = (matrices.by_row.first(), matrices.by_column) else {
            return false;
        };
        let Some(units) = model.held_rows(first) else {
            return true;
        };
        // Values for a cosine stand in other rows and columns than units do.
        let units: Vec<usize> = setting
            .sampling
            .probes(usize::try_from(first.matrix_shape().0).unwrap_or(0))
            .into_iter()
            .filter(|unit| units.binary_search(unit).is_ok())
            .collect();
        let others = matrices.by_row.iter().skip(1);
        let holds_rows = |logical: &&&Logical| {
            model.held_rows(logical).is_some_and(|held| {
                let known = units.iter().filter(|unit| held.binary_search(unit).is_ok());
                4 * known.count() >= 3 * units.len()
            })
        };
        !units.is_empty()
            && others.clone().all(|one| holds_rows(&one))
            && model.holds_columns(down, &units)
    })
}

fn feed_forwards(
    setting: &Setting<'_>,
    suspects: &[&PartKey],
) -> Result<BTreeMap<PartKey, Witnessed>> {
    let suspected: BTreeSet<&PartKey> = suspects
        .iter()
        .copied()
        .filter(|key| matches!(key.kind, PartKind::Ffn | PartKind::Experts))
        .collect();
    if suspected.is_empty() {
        return Ok(BTreeMap::new());
    }
    let of_sides = setting.blocks;
    let mut asked: Vec<(PartKey, &BlockKey, [&Matrices<'_>; 2])> = Vec::new();
    let mut inherited: Vec<(PartKey, (Component, u32))> = Vec::new();
    let mut experts: BTreeMap<(Component, u32), usize> = BTreeMap::new();
    let mut numbers: BTreeMap<(Component, u32), usize> = BTreeMap::new();
    for key in suspected.iter().filter(|key| key.kind == PartKind::Experts) {
        *numbers
            .entry((key.component, key.layer.unwrap_or(0)))
            .or_default() += 1;
    }
    for (key, target) in &of_sides[1] {
        let Some(base) = of_sides[0].get(key) else {
            continue;
        };
        let Some(part) = target.by_row.first().and_then(|l| super::parts::part_of(l)) else {
            continue;
        };
        if !suspected.contains(&part) {
            continue;
        }
        let layer = (key.component, key.layer);
        // A sketch keeps few experts over the whole width: these speak for the others.
        let is_narrow = setting.has_sketch() && !is_kept_whole(setting, base, target);
        if key.expert.is_some() && is_narrow {
            inherited.push((part, layer));
            continue;
        }
        if key.expert.is_some() {
            let seen = experts.entry(layer).or_default();
            *seen += 1;
            let all = numbers.get(&layer).copied().unwrap_or(0).max(1);
            let step = all.div_ceil(MOST_EXPERTS).max(1);
            if !(*seen - 1).is_multiple_of(step) {
                inherited.push((part, layer));
                continue;
            }
        }
        asked.push((part, key, [base, target]));
    }
    let answers: Vec<Result<(PartKey, Witnessed)>> = asked
        .par_iter()
        .map(|(part, key, sides)| {
            setting.monitor.check()?;
            let witnessed = feed_forward::in_place(setting, [*key, *key], *sides)?;
            Ok((part.clone(), witnessed))
        })
        .collect();
    let mut out: BTreeMap<PartKey, Witnessed> = BTreeMap::new();
    for answer in answers {
        let (part, witnessed) = answer?;
        // Several blocks of one part: all of them must agree.
        let known = out.entry(part).or_insert(witnessed);
        if known.kind.is_some() && witnessed.kind.is_none() {
            *known = witnessed;
        }
    }
    let mut common: BTreeMap<(Component, Option<u32>), Witnessed> = BTreeMap::new();
    for (key, witnessed) in out.iter().filter(|(key, _)| key.kind == PartKind::Experts) {
        let of_layer = common
            .entry((key.component, key.layer))
            .or_insert(*witnessed);
        if witnessed.kind.is_none() {
            of_layer.kind = None;
        }
    }
    for (part, layer) in inherited {
        let common = common.get(&(layer.0, Some(layer.1))).copied();
        let common = common.filter(|witnessed| witnessed.kind.is_some());
        out.entry(part).or_insert(common.unwrap_or_default());
    }
    Ok(out)
}
