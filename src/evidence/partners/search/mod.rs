//! Which feed-forward of the base each feed-forward of the target was made from.

mod without_tokens;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::disguise::{embedding_is_found, token_bases_for};
use crate::evidence::finding::Hits;
use crate::evidence::part::{PartKey, PartTest};
use crate::evidence::parts::part_of;
use crate::evidence::pca::evenly_spaced;
use crate::evidence::permutation::Permutation;
use crate::evidence::permutation::blocks::{BlockKey, Matrices};
use crate::evidence::tests_of_units::{Form, Test, UnitKind};
use crate::evidence::witness::feed_forward::{partners_confirm, units_in_place};
use crate::evidence::witness::{WitnessKind, Witnessed, Witnesses};
use crate::model::words::Component;
use crate::numeric::linalg::round6;
use crate::stats::chance;
use crate::stats::levels::FOUND_LOG10;
use crate::stats::partners::{
    Controls, FLOOR, FormPower, PROBES, Partners as Counted, least_agreeing,
};
use crate::stats::units::Sampling;

use super::block::{Block, Whole, stack};
use super::looks::{Asked, FeatureKind, Sought, Tokens};
use super::token_free::Top;
use super::{Find, Stack};

/// Layers of a stack that are looked at first.
const FEW_LAYERS: usize = 4;

/// Layers of the base that are asked at one time, at most: no model that is known has as many, and
/// what is held of each would grow with their number.
const MOST_LAYERS: usize = 256;

/// Blocks of the base that are asked at one time, at most: experts of layers of thousands.
const MOST_BLOCKS: usize = 512;

/// Layers of the base that the whitened look takes beside the one of equal place.
const WHITENED: usize = 3;

/// The families that every block is looked at by, in this order.
const FAMILIES: [FeatureKind; 3] = [
    FeatureKind::Projected,
    FeatureKind::Stored,
    FeatureKind::Whitened,
];

/// The same where partners of other layers stand for tokens.
const ANCHORED: [FeatureKind; 3] = [
    FeatureKind::Anchored,
    FeatureKind::Stored,
    FeatureKind::Whitened,
];

type Blocks<'a> = BTreeMap<BlockKey, Matrices<'a>>;

/// Looks at every stack of layers that tests in place leave open.
pub(super) fn stacks(
    setting: &Setting<'_>,
    direct: &Permutation,
    witnesses: &Witnesses,
) -> Result<BTreeMap<(Component, String), Stack>> {
    let of_sides = setting.blocks;
    let mut names: BTreeSet<(Component, String)> = BTreeSet::new();
    for key in of_sides[1].keys() {
        names.insert((key.component, stack(key).to_owned()));
    }
    let mut out = BTreeMap::new();
    for name in names {
        let search = Search::new(setting, direct, witnesses, of_sides, &name)?;
        out.insert(name, search.look()?);
    }
    Ok(out)
}

/// One stack under way.
struct Search<'a, 'b> {
    setting: &'b Setting<'a>,
    witnesses: &'b Witnesses,
    /// Blocks of the stack in the base, all of them.
    base: BTreeMap<&'b BlockKey, &'b Matrices<'a>>,
    target: BTreeMap<&'b BlockKey, &'b Matrices<'a>>,
    tokens: Option<[Tokens; 2]>,
    /// Whether these are no tokens but partners that were found in other layers.
    is_anchored: bool,
    /// Pairs of layers among which one is chosen: its exact bound is paid for all of them.
    choices: usize,
    /// Whether no test in place could look at any of its blocks.
    is_untested: bool,
    /// Whether other parts show that both sides share a basis, so that coordinates and tokens mean
    /// the same although layers do not.
    basis_is_shared: bool,
}

/// A block of the target with what was found.
#[derive(Default)]
struct Look {
    find: Option<Find>,
    null: Option<Test>,
    /// The units that contribute most, kept for the look without tokens where that is to come.
    top: Option<Box<Top>>,
}

/// Units that contribute most, by the place of their layer among the open ones.
type Tops = BTreeMap<usize, Box<Top>>;

/// What one block of the base gave.
struct Count {
    /// Which of the opened blocks.
    at: usize,
    counted: Counted,
    /// Probes in their own places, and the bound of as many.
    in_place: Option<(usize, f64)>,
}

impl Count {
    /// Which found more: more partners, then a smaller bound.
    fn rank(&self, other: &Self) -> Ordering {
        let by_partners = self.counted.count().cmp(&other.counted.count());
        by_partners.then(other.log10_p().total_cmp(&self.log10_p()))
    }

    fn log10_p(&self) -> f64 {
        self.in_place.map_or(0.0, |(_, log10_p)| log10_p)
    }

    /// Whether so many units stand in their own places that it is no chance.
    fn is_placed(&self) -> bool {
        self.log10_p() <= FOUND_LOG10
    }

    /// The test as it is told: fixed points, whose bound is exact, where these are no chance, else
    /// partners found twice, with what the geometry of the partners leaves to chance.
    fn told(&self, test: Test, kind: FeatureKind, witnessed: &Witnessed) -> Test {
        match self.in_place {
            Some((hits, log10_p)) if self.is_placed() => Test {
                form: match kind {
                    FeatureKind::Stored => Form::Direct,
                    _ => Form::Projected,
                },
                hits,
                log10_p,
                exact: true,
                ..test
            },
            _ => Test {
                log10_p: witnessed.geometry.map_or(0.0, |geometry| geometry.log10_p),
                ..test
            },
        }
    }
}

impl<'a, 'b> Search<'a, 'b> {
    fn new(
        setting: &'b Setting<'a>,
        direct: &'b Permutation,
        witnesses: &'b Witnesses,
        of_sides: &'b [Blocks<'a>; 2],
        (component, name): &(Component, String),
    ) -> Result<Self> {
        let of_stack = |blocks: &'b Blocks<'a>| -> BTreeMap<&'b BlockKey, &'b Matrices<'a>> {
            blocks
                .iter()
                .filter(|(key, _)| key.component == *component && stack(key) == name)
                .collect()
        };
        let tokens = token_bases_for(setting, *component)?;
        let tokens = match tokens {
            Some([base, target]) => Tokens::new(base).zip(Tokens::new(target)),
            None => None,
        };
        let target = of_stack(&of_sides[1]);
        let is_untested = !target.values().any(|matrices| {
            let first = matrices.by_row.first();
            first
                .and_then(|logical| part_of(logical))
                .is_some_and(|part| direct.parts.contains_key(&part))
        });
        let base = of_stack(&of_sides[0]);
        let layers = |side: &BTreeMap<&BlockKey, &Matrices<'a>>| {
            side.keys()
                .map(|key| key.layer)
                .collect::<BTreeSet<u32>>()
                .len()
        };
        Ok(Self {
            setting,
            witnesses,
            choices: layers(&base) * layers(&target) * FAMILIES.len(),
            base,
            target,
            is_untested,
            tokens: tokens.map(|(base, target)| [base, target]),
            is_anchored: false,
            basis_is_shared: embedding_is_found(direct, *component)
                || direct.layers_hit(Some(*component)).len() > 1,
        })
    }

    /// The block by which each layer is told: its dense feed-forward, else its first expert.
    fn representatives<'c>(
        blocks: &BTreeMap<&'c BlockKey, &'c Matrices<'a>>,
    ) -> BTreeMap<u32, (&'c BlockKey, &'c Matrices<'a>)> {
        let mut out: BTreeMap<u32, (&BlockKey, &Matrices<'a>)> = BTreeMap::new();
        let rank = |key: &BlockKey| (key.expert, key.shared, key.stem.clone());
        for (key, matrices) in blocks {
            let kept = out.entry(key.layer).or_insert((*key, *matrices));
            if rank(key) < rank(kept.0) {
                *kept = (*key, *matrices);
            }
        }
        out
    }

    fn is_in_place(&self, matrices: &Matrices<'a>) -> bool {
        let part = matrices.by_row.first().and_then(|logical| part_of(logical));
        part.is_some_and(|part| self.witnesses.confirms(&part))
    }

    fn look(&self) -> Result<Stack> {
        let mut out = Stack::default();
        let targets = Self::representatives(&self.target);
        let bases = Self::representatives(&self.base);
        if bases.is_empty() || targets.is_empty() {
            return Ok(out);
        }
        let (in_place, open): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|(_, (_, matrices))| self.is_in_place(matrices));
        let open: Vec<(&BlockKey, &Matrices<'a>)> =
            open.into_iter().map(|(_, block)| block).collect();
        if open.is_empty() {
            return Ok(out);
        }
        // Where no test in place could look, this look is all there is.
        let all_at_once =
            self.setting.sampling.thorough || !in_place.is_empty() || self.is_untested;
        let places: Vec<usize> = (0..open.len()).collect();
        let first = match all_at_once {
            true => places.clone(),
            false => evenly_spaced(&places, FEW_LAYERS),
        };
        // Every layer of the base by its representative; of the layers looked at, all experts.
        let of_layers: Vec<(&BlockKey, &Matrices<'a>)> = bases.values().copied().collect();
        let of_layers = evenly_spaced(&of_layers, MOST_LAYERS).into_iter();
        let mut asked: BTreeMap<&BlockKey, &Matrices<'a>> = of_layers.collect();
        let layers: BTreeSet<u32> = first.iter().map(|&at| open[at].0.layer).collect();
        for layer in layers {
            for (key, matrices) in self.blocks_of(layer) {
                if asked.len() < MOST_BLOCKS {
                    asked.insert(key, matrices);
                }
            }
        }
        let opened = self.open(&asked)?;
        if opened.is_empty() {
            return Ok(out);
        }
        let mut probes = self.ask(&opened)?;
        let without_tokens = self.places_without_tokens(&places);
        // Beside the looks that it tells the worth of, so that no worker stands idle.
        let (looks, power) = rayon::join(
            || self.look_at_each(&first, &open, &opened, &probes, &without_tokens),
            || self.power_over_tokens(&opened),
        );
        let mut looks = looks?;
        out.over_tokens = power?;
        let mut tops: Tops = (first.iter().zip(&mut looks))
            .filter_map(|(&at, look)| Some((at, look.top.take()?)))
            .collect();
        let mut by_tokens = true;
        if !looks
            .iter()
            .any(|look| look.find.as_ref().is_some_and(Find::is_confirmed))
        {
            // Asked no more whatever comes of it, and the units that are held now are large.
            probes = Vec::new();
            self.look_without_tokens(&open, &bases, &mut tops, &mut out, &mut looks)?;
            if looks
                .iter()
                .any(|look| look.find.as_ref().is_some_and(Find::is_confirmed))
            {
                by_tokens = false;
                self.look_by_anchors(&open, &opened, &mut out, &mut looks)?;
            }
        }
        let confirmed = |looks: &[Look]| -> Vec<u32> {
            let finds = looks.iter().filter_map(|look| look.find.as_ref());
            finds
                .filter(|find| find.is_confirmed())
                .map(|find| find.target.layer)
                .collect()
        };
        let found_first = confirmed(&looks);
        out.tried = first
            .iter()
            .map(|&at| (open[at].0.layer, found_first.contains(&open[at].0.layer)))
            .collect();
        if !found_first.is_empty() {
            let rest: Vec<usize> = places
                .iter()
                .copied()
                .filter(|at| !first.contains(at))
                .collect();
            if by_tokens {
                let more = self.look_at_rest(&rest, &open, &opened, &probes, &looks)?;
                looks.extend(more);
                self.look_at_experts(&mut looks)?;
            }
            self.set_sought(&open, &looks, &mut out);
        } else {
            let looked: Vec<(&BlockKey, &Matrices<'a>)> =
                first.iter().map(|&at| open[at]).collect();
            self.set_sought(&looked, &looks, &mut out);
        }
        for look in looks {
            match look.find {
                Some(find) => out.finds.push(find),
                None => out.null_tests.extend(look.null),
            }
        }
        out.finds.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(out)
    }

    /// The blocks of a layer of the base: its dense feed-forward, or its experts.
    fn blocks_of(&self, layer: u32) -> BTreeMap<&'b BlockKey, &'b Matrices<'a>> {
        let blocks = self.base.iter().filter(|(key, _)| key.layer == layer);
        blocks
            .take(MOST_BLOCKS)
            .map(|(key, matrices)| (*key, *matrices))
            .collect()
    }

    /// Layers that were not looked at first, against all layers of the base. Experts stand in any
    /// order, so each layer is held first against all experts of the one that it should be made
    /// from, as far from what was found on both sides.
    fn look_at_rest(
        &self,
        rest: &[usize],
        open: &[(&'b BlockKey, &'b Matrices<'a>)],
        opened: &[Block<'_>],
        probes: &[Asked],
        looks: &[Look],
    ) -> Result<Vec<Look>> {
        let found: Vec<&Find> = looks
            .iter()
            .filter_map(|look| look.find.as_ref())
            .filter(|find| find.is_confirmed())
            .collect();
        let expected = |layer: u32| -> Option<u32> {
            let distance = |find: &&&Find| find.target.layer.abs_diff(layer);
            let nearest = found.iter().min_by_key(distance)?;
            (nearest.base.layer + layer).checked_sub(nearest.target.layer)
        };
        let looks: Vec<Result<Look>> = rest
            .par_iter()
            .map(|&at| {
                let key = open[at].0;
                if let Some(layer) = key.expert.and_then(|_| expected(key.layer)) {
                    let experts = self.open(&self.blocks_of(layer))?;
                    let asked = self.ask(&experts)?;
                    let look = self.look_at(open[at], &experts, &asked, false)?;
                    if look.find.as_ref().is_some_and(Find::is_confirmed) {
                        return Ok(look);
                    }
                }
                self.look_at(open[at], opened, probes, false)
            })
            .collect();
        looks.into_iter().collect()
    }

    fn open(&self, blocks: &BTreeMap<&'b BlockKey, &'b Matrices<'a>>) -> Result<Vec<Block<'b>>> {
        let opened: Vec<Result<Option<Block<'b>>>> = blocks
            .iter()
            .map(|(key, matrices)| Block::open(self.setting.models[0], key, matrices))
            .collect();
        opened.into_iter().filter_map(Result::transpose).collect()
    }

    fn ask(&self, opened: &[Block<'_>]) -> Result<Vec<Asked>> {
        let tokens = self.tokens.as_ref().map(|[base, _]| base);
        opened
            .par_iter()
            .map(|block| {
                self.setting.monitor.check()?;
                Asked::read(block, PROBES, tokens, &self.setting.sampling)
            })
            .collect()
    }

    fn look_at_each(
        &self,
        places: &[usize],
        open: &[(&'b BlockKey, &'b Matrices<'a>)],
        opened: &[Block<'_>],
        probes: &[Asked],
        without_tokens: &[usize],
    ) -> Result<Vec<Look>> {
        let looks: Vec<Result<Look>> = places
            .par_iter()
            .map(|&at| self.look_at(open[at], opened, probes, without_tokens.contains(&at)))
            .collect();
        looks.into_iter().collect()
    }

    /// One block of the target against all of `opened`; where it is not found and `keeps_top`, with
    /// what the look without tokens needs of it.
    fn look_at(
        &self,
        (key, matrices): (&'b BlockKey, &'b Matrices<'a>),
        opened: &[Block<'_>],
        probes: &[Asked],
        keeps_top: bool,
    ) -> Result<Look> {
        let setting = self.setting;
        setting.monitor.check()?;
        let none = Look::default();
        let Some(block) = Block::open(setting.models[1], key, matrices)? else {
            return Ok(none);
        };
        let Some(whole) = block.whole(&setting.sampling)? else {
            return Ok(none);
        };
        let sought = Sought::new(&whole, self.tokens.as_ref().map(|[_, target]| target))?;
        let mut null = None;
        let mut best: Option<Find> = None;
        let families = match self.is_anchored {
            true => ANCHORED,
            false => FAMILIES,
        };
        for kind in families {
            let asked: Vec<usize> = match kind {
                FeatureKind::Whitened => likely(key, opened, null.as_ref()),
                _ => (0..opened.len()).collect(),
            };
            let of_asked: Vec<&Asked> = asked.iter().map(|&at| &probes[at]).collect();
            let counted = sought.partners(&of_asked, kind, &setting.sampling)?;
            let counts: Vec<Count> = asked
                .into_iter()
                .zip(counted)
                .filter_map(|(at, counted)| {
                    let counted = counted?;
                    let in_place = self.in_place(&opened[at], &probes[at], &whole, &counted);
                    Some(Count {
                        at,
                        counted,
                        in_place,
                    })
                })
                .collect();
            let Some(most) = counts.iter().max_by(|a, b| a.rank(b)) else {
                continue;
            };
            let controls = self.controls(&counts, most.at, opened);
            let test = Test {
                control: (controls.pairs > 0)
                    .then(|| round6(controls.mean_share * most.counted.probes as f64)),
                probes: most.counted.probes,
                hits: most.counted.count(),
                ..test(&opened[most.at], &block, kind)
            };
            if null
                .as_ref()
                .is_none_or(|(known, _): &(Test, usize)| known.hits < test.hits)
            {
                null = Some((test.clone(), most.at));
            }
            let units = most.counted.units.0.min(most.counted.units.1);
            let floor = least_agreeing(
                most.counted.probes,
                units,
                Some(&controls),
                self.basis_is_shared,
            );
            let twice = floor.is_some_and(|floor| most.counted.count() >= floor);
            // Units in their places, in a layer or a basis of their own, see weaker copies, and
            // their bound is exact.
            let best_placed = counts
                .iter()
                .filter(|count| count.is_placed())
                .min_by(|a, b| a.log10_p().total_cmp(&b.log10_p()));
            let found = match (twice, best_placed) {
                (true, _) => most,
                (false, Some(placed)) => placed,
                (false, None) => continue,
            };
            let find = self.confirm(&opened[found.at], &sought, kind, found, test)?;
            let confirmed = find.is_confirmed();
            if confirmed || best.is_none() {
                best = Some(find);
            }
            if confirmed {
                break;
            }
        }
        let top = match keeps_top && !best.as_ref().is_some_and(Find::is_confirmed) {
            true => Top::read(&whole)?,
            false => None,
        };
        Ok(Look {
            find: best,
            null: null.map(|(test, _)| test),
            top: top.map(Box::new),
        })
    }

    /// Probes that the first half of their features sends to the unit of their own number, with the
    /// exact bound of as many, paid for the choice among all layers and families; none where the
    /// two have no numbers in common.
    fn in_place(
        &self,
        base: &Block<'_>,
        asked: &Asked,
        target: &Whole<'_, '_>,
        counted: &Counted,
    ) -> Option<(usize, f64)> {
        let block = target.block();
        if base.among() != block.among() {
            return None;
        }
        // Of a sketch those units alone are counted whose places the seed chose.
        let placed = block.placed();
        let numbers = asked.units.iter().map(|unit| base.number(*unit));
        let probes = numbers.filter(|number| block.has_placed(*number)).count();
        let probes = probes.min(counted.probes);
        let own_place = counted.by_first.iter().filter(|&&(probe, partner)| {
            let found = target.live()[partner].stored;
            found < placed && base.number(asked.units[probe]) == block.number(found)
        });
        let hits = own_place.count();
        if probes > placed || hits > probes {
            return None;
        }
        let log10_p = chance::fixed_points(hits, probes, placed);
        Some((hits, chance::bonferroni(log10_p, self.choices)))
    }

    /// What the blocks of other layers gave, clones of the layer `best` left out: they are as much
    /// its origin as it is.
    fn controls(&self, counts: &[Count], best: usize, opened: &[Block<'_>]) -> Controls {
        let own = counts.iter().find(|count| count.at == best);
        let half = own.map_or(0, |count| count.counted.count() / 2);
        let others = counts
            .iter()
            .map(|count| (count.at, count.counted.count(), &count.counted));
        let others = others.filter(|(at, agreeing, _)| {
            opened[*at].key.layer != opened[best].key.layer
                && (*agreeing <= half || *agreeing < FLOOR)
        });
        Controls::of(others.map(|(_, agreeing, counted)| (agreeing, counted.probes)))
    }

    /// Asks the witness about what was found in `base`.
    fn confirm(
        &self,
        base: &Block<'_>,
        sought: &Sought<'_, '_>,
        kind: FeatureKind,
        found: &Count,
        test: Test,
    ) -> Result<Find> {
        let setting = self.setting;
        let whole = sought.whole;
        let tokens = self.tokens.as_ref().map(|[base, _]| base);
        let of_base = base.whole(&setting.sampling)?;
        let (mut witnessed, pairs) = match &of_base {
            Some(of_base) => partners_confirm(setting, of_base, tokens, sought, kind)?,
            None => (Witnessed::default(), Vec::new()),
        };
        if witnessed.kind.is_none() && found.is_placed() {
            witnessed = witnessed.better(units_in_place(setting, base, whole.block())?);
        }
        let by_tokens = matches!(kind, FeatureKind::Projected | FeatureKind::Whitened)
            && !self.is_anchored
            && setting.tokenizers.iter().all(Option::is_some)
            && witnessed.geometry.is_none_or(|geometry| !geometry.denies());
        if witnessed.kind.is_none() && by_tokens {
            witnessed.kind = Some(WitnessKind::Tokens);
        }
        let stored = |side: &Whole<'_, '_>, at: usize| side.live()[at].stored;
        let pairs = pairs.iter().filter_map(|&(one, other)| {
            let of_base = of_base.as_ref()?;
            Some((stored(of_base, one), stored(whole, other)))
        });
        let find = self.find(base, whole.block(), pairs.collect(), witnessed, test);
        Ok(Find {
            test: found.told(find.test, kind, &witnessed),
            ..find
        })
    }

    fn part(&self, key: &BlockKey) -> Option<PartKey> {
        let first = self.target.get(key)?.by_row.first()?;
        part_of(first)
    }

    /// A find, its pairs as stored.
    fn find(
        &self,
        base: &Block<'_>,
        target: &Block<'_>,
        pairs: Vec<(usize, usize)>,
        witnessed: Witnessed,
        test: Test,
    ) -> Find {
        let moved = (pairs.iter())
            .filter(|&&(one, other)| base.number(one) != target.number(other))
            .count();
        Find {
            base: base.key.clone(),
            target: target.key.clone(),
            part: self.part(target.key),
            moved: 2 * moved > pairs.len(),
            pairs,
            widths: [base.width(), target.width()],
            units: [base.among(), target.among()],
            witnessed,
            partners: Hits {
                hits: test.hits,
                probes: test.probes,
            },
            test,
        }
    }

    fn layers_of_target(&self) -> usize {
        let layers: BTreeSet<u32> = self.target.keys().map(|key| key.layer).collect();
        layers.len()
    }

    /// Power of the look over tokens: what a damaged copy of a block of the base gives.
    fn power_over_tokens(&self, opened: &[Block<'_>]) -> Result<Option<FormPower>> {
        let (Some(block), Some([tokens, _])) = (opened.first(), &self.tokens) else {
            return Ok(None);
        };
        let sampling: &Sampling = &self.setting.sampling;
        let asked = Asked::read(block, PROBES, Some(tokens), sampling)?;
        let itself = asked.damaged_finds_itself(block, tokens, sampling)?;
        Ok(itself.and_then(|itself| FormPower::of(asked.units.len(), FLOOR, itself)))
    }

    /// Experts of layers that were found: each against all experts of the layer that it comes from.
    fn look_at_experts(&self, looks: &mut Vec<Look>) -> Result<()> {
        let found: Vec<(u32, u32, BlockKey)> = looks
            .iter()
            .filter_map(|look| look.find.as_ref())
            .filter(|find| find.is_confirmed() && find.target.expert.is_some())
            .map(|find| (find.base.layer, find.target.layer, find.target.clone()))
            .collect();
        for (base_layer, layer, told) in found {
            let asked = self.blocks_of(base_layer);
            let opened = self.open(&asked)?;
            let probes = self.ask(&opened)?;
            let others: Vec<(&BlockKey, &Matrices<'a>)> = self
                .target
                .iter()
                .filter(|(key, matrices)| {
                    key.layer == layer && **key != &told && !self.is_in_place(matrices)
                })
                .take(MOST_BLOCKS)
                .map(|(key, matrices)| (*key, *matrices))
                .collect();
            let places: Vec<usize> = (0..others.len()).collect();
            looks.extend(self.look_at_each(&places, &others, &opened, &probes, &[])?);
        }
        Ok(())
    }

    /// Blocks that were looked for in every layer of the base in the disguise that hides others,
    /// and were not found there.
    fn set_sought(&self, open: &[(&BlockKey, &Matrices<'a>)], looks: &[Look], out: &mut Stack) {
        let Some(power) = out.over_tokens else { return };
        let found: BTreeSet<&BlockKey> = looks
            .iter()
            .filter_map(|look| look.find.as_ref())
            .map(|find| &find.target)
            .collect();
        for (key, _) in open.iter().filter(|(key, _)| !found.contains(key)) {
            if let Some(part) = self.part(key) {
                out.sought.insert(
                    part,
                    PartTest {
                        log10_p: 0.0,
                        share_seen_95: Some(power.share_seen_95),
                    },
                );
            }
        }
    }
}

/// The block of equal place, and those that found the most so far.
fn likely(key: &BlockKey, opened: &[Block<'_>], best: Option<&(Test, usize)>) -> Vec<usize> {
    let mut out: Vec<usize> = (0..opened.len())
        .filter(|&at| opened[at].key.layer == key.layer)
        .take(WHITENED)
        .collect();
    if let Some((_, at)) = best
        && !out.contains(at)
    {
        out.push(*at);
    }
    out
}

/// A test of one block of the base and one of the target, nothing counted yet.
fn test(base: &Block<'_>, target: &Block<'_>, kind: FeatureKind) -> Test {
    let key = target.key;
    Test {
        kind: match key.expert {
            Some(_) => UnitKind::Expert,
            None => UnitKind::Ffn,
        },
        form: Form::FoundTwice,
        component: key.component,
        layer: Some(key.layer),
        base_layer: Some(base.key.layer),
        expert: key.expert,
        name: None,
        units: [base.units(), target.units()],
        probes: 0,
        hits: 0,
        log10_p: 0.0,
        exact: false,
        group: 0,
        control: None,
        features: Some(kind),
    }
}
