//! What is left where tokens and coordinates say nothing: a few layers by how their units stand to
//! one another, and the others by how theirs stand to the partners found so far.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::Result;
use crate::evidence::disguise::basis::Basis;
use crate::evidence::pca::evenly_spaced;
use crate::evidence::permutation::blocks::{BlockKey, Matrices};
use crate::evidence::tests_of_units::Test;
use crate::numeric::linalg::squared_length;
use crate::numeric::rng::Draws;
use crate::numeric::rows::Matrix;
use crate::stats::units::TokenRows;

use super::super::block::Block;
use super::super::looks::{FeatureKind, Tokens};
use super::super::token_free::{self, Top};
use super::super::{Find, Stack};
use super::{Look, Search, Tops, test};

/// Layers that are looked at without tokens.
const TOKEN_FREE_LAYERS: usize = 2;

/// Layers of the base that are tried where tokens are no help and depths differ.
const NEIGHBOURS: usize = 5;

/// Experts of a layer that are tried.
const MOST_EXPERTS: usize = 8;

/// Partners of other layers by which units are told, at most.
const MOST_ANCHORS: usize = 512;

/// A look without tokens, and whether it would have seen a damaged copy, where that was measured.
type WithoutTokens = (Look, Option<bool>);

impl<'a, 'b> Search<'a, 'b> {
    /// Looks at a few layers by how units stand to one another, all that is left where tokens and
    /// coordinates say nothing.
    pub(super) fn look_without_tokens(
        &self,
        open: &[(&'b BlockKey, &'b Matrices<'a>)],
        bases: &BTreeMap<u32, (&'b BlockKey, &'b Matrices<'a>)>,
        tops: &mut Tops,
        out: &mut Stack,
        looks: &mut Vec<Look>,
    ) -> Result<()> {
        let bases: Vec<(&BlockKey, &Matrices<'a>)> = bases.values().copied().collect();
        let places: Vec<usize> = (0..open.len()).collect();
        let chosen: Vec<(usize, Option<Box<Top>>)> = self
            .places_without_tokens(&places)
            .into_iter()
            .map(|at| (at, tops.remove(&at)))
            .collect();
        let looked: Vec<Result<Option<WithoutTokens>>> = chosen
            .into_par_iter()
            .map(|(at, top)| self.look_at_without_tokens(at, open, &bases, top))
            .collect();
        let mut have_power: Vec<bool> = Vec::new();
        for looked in looked {
            let Some((look, has_power)) = looked? else {
                continue;
            };
            if let Some(find) = &look.find {
                looks.retain(|known| {
                    let known = known.find.as_ref();
                    known.is_none_or(|known| known.target != find.target)
                });
            }
            have_power.extend(has_power);
            looks.push(look);
        }
        if !have_power.is_empty() {
            out.token_free = have_power.iter().all(|has_power| *has_power);
        }
        Ok(())
    }

    /// What was found without tokens gives a basis that both sides share: how a row stands to the
    /// partners found so far. All layers that are still open are looked for in it, with the power
    /// that a look over tokens has.
    pub(super) fn look_by_anchors(
        &self,
        open: &[(&'b BlockKey, &'b Matrices<'a>)],
        opened: &[Block<'_>],
        out: &mut Stack,
        looks: &mut Vec<Look>,
    ) -> Result<()> {
        looks.retain(|look| look.find.as_ref().is_some_and(Find::is_confirmed));
        let finds: Vec<&Find> = looks.iter().filter_map(|look| look.find.as_ref()).collect();
        let Some(anchored) = self.anchored(&finds)? else {
            return Ok(());
        };
        let is_open = |key: &BlockKey| !finds.iter().any(|find| find.target == *key);
        let rest: Vec<usize> = (0..open.len()).filter(|&at| is_open(open[at].0)).collect();
        let probes = anchored.ask(opened)?;
        let found = anchored.look_at_rest(&rest, open, opened, &probes, looks)?;
        looks.extend(found);
        anchored.look_at_experts(looks)?;
        let power = anchored.power_over_tokens(opened)?;
        out.over_tokens = power.or(out.over_tokens);
        Ok(())
    }

    /// The same search with partners in place of tokens: the gate rows of what was found, one a
    /// pair, spread over the finds.
    fn anchored(&self, finds: &[&Find]) -> Result<Option<Self>> {
        let each = (MOST_ANCHORS / finds.len().max(1)).max(1);
        let mut rows: [Vec<Matrix>; 2] = [Vec::new(), Vec::new()];
        for find in finds {
            let step = find.pairs.len().div_ceil(each).max(1);
            let (base, target): (Vec<usize>, Vec<usize>) =
                find.pairs.iter().step_by(step).copied().unzip();
            let sides = [
                (self.base.get(&find.base), base),
                (self.target.get(&find.target), target),
            ];
            for (side, (matrices, units)) in sides.into_iter().enumerate() {
                let key = [&find.base, &find.target][side];
                let block = match matrices {
                    Some(matrices) => Block::open(self.setting.models[side], key, matrices)?,
                    None => None,
                };
                let Some(block) = block else { return Ok(None) };
                rows[side].push(block.some(&units, &self.setting.sampling)?.gate);
            }
        }
        let tokens = rows.map(|rows| -> Result<Option<Tokens>> {
            let columns = rows.first().map_or(0, |matrix| matrix.columns);
            if columns == 0 || rows.iter().any(|matrix| matrix.columns != columns) {
                return Ok(None);
            }
            let all = Matrix {
                rows: rows.iter().map(|matrix| matrix.rows).sum(),
                columns,
                values: rows.into_iter().flat_map(|matrix| matrix.values).collect(),
            };
            let places: Vec<usize> = (0..all.rows).collect();
            let rows = TokenRows::read(&all, &places)?.at_unit_length();
            Ok(Tokens::new(Basis::Tokens {
                embedding: rows.clone(),
                head: rows,
            }))
        });
        let [base, target] = tokens;
        let tokens = base?.zip(target?).map(|(base, target)| [base, target]);
        Ok(tokens.map(|tokens| Self {
            setting: self.setting,
            witnesses: self.witnesses,
            base: self.base.clone(),
            target: self.target.clone(),
            tokens: Some(tokens),
            is_anchored: true,
            choices: self.choices,
            is_untested: self.is_untested,
            basis_is_shared: self.basis_is_shared,
        }))
    }

    /// Which of `places` are looked at without tokens.
    pub(super) fn places_without_tokens(&self, places: &[usize]) -> Vec<usize> {
        // The units that contribute most are not those that a sketch keeps.
        if self.setting.has_sketch() {
            return Vec::new();
        }
        match self.setting.sampling.thorough {
            true => places.to_vec(),
            false => evenly_spaced(places, TOKEN_FREE_LAYERS),
        }
    }

    /// One layer of the target, whose `top` may be known, against the likely ones of the base; where
    /// it is not found, whether a damaged copy would have been.
    fn look_at_without_tokens(
        &self,
        at: usize,
        open: &[(&'b BlockKey, &'b Matrices<'a>)],
        bases: &[(&'b BlockKey, &'b Matrices<'a>)],
        top: Option<Box<Top>>,
    ) -> Result<Option<WithoutTokens>> {
        let setting = self.setting;
        let seed = setting.sampling.seed;
        let top_of = |block: &Block<'_>| -> Result<Option<Box<Top>>> {
            let whole = block.whole(&setting.sampling)?;
            let top = whole.map(|whole| Top::read(&whole)).transpose()?;
            Ok(top.flatten().map(Box::new))
        };
        let (key, matrices) = open[at];
        let Some(target) = Block::open(setting.models[1], key, matrices)? else {
            return Ok(None);
        };
        let top = match top {
            Some(top) => Some(top),
            None => top_of(&target)?,
        };
        let Some(top_of_target) = top else {
            return Ok(None);
        };
        // One layer tells what the look is worth.
        let is_measured = at == 0;
        let mut null: Option<(Test, Option<bool>)> = None;
        let mut are_all = true;
        for place in self.likely_layers(key, at, open.len(), bases) {
            setting.monitor.check()?;
            let (candidates, is_all) = self.candidates(&target, bases[place])?;
            are_all &= is_all;
            for base in candidates {
                let Some(top_of_base) = top_of(&base)? else {
                    continue;
                };
                // What the look is worth is asked at once: where nothing is found, it is needed.
                let asks_power = is_measured && null.is_none();
                let (seen, has_power) = rayon::join(
                    || token_free::look(&top_of_base, &top_of_target, None),
                    || asks_power.then(|| top_of_base.has_power(seed)),
                );
                let seen = seen?;
                let mut test = Test {
                    probes: top_of_base.stored.len().min(top_of_target.stored.len()),
                    ..test(&base, &target, FeatureKind::TokenFree)
                };
                if seen.witnessed.kind.is_none() {
                    if null.is_none() {
                        null = Some((test, has_power.transpose()?));
                    }
                    continue;
                }
                test.hits = seen.pairs.len();
                let geometry = seen.witnessed.geometry;
                test.log10_p = geometry.map_or(0.0, |geometry| geometry.log10_p);
                let pairs = seen.pairs.iter();
                let pairs = pairs
                    .map(|&(one, other)| (top_of_base.stored[one], top_of_target.stored[other]));
                let find = self.find(&base, &target, pairs.collect(), seen.witnessed, test);
                let look = Look {
                    find: Some(find),
                    ..Look::default()
                };
                return Ok(Some((look, None)));
            }
        }
        Ok(null.map(|(test, has_power)| {
            let look = Look {
                null: Some(test),
                ..Look::default()
            };
            (look, has_power.map(|has_power| has_power && are_all))
        }))
    }

    /// The blocks of a layer of the base that may be the target's, and whether they are all there
    /// are: experts stand in any order, so of many those whose gates are long and short alike, which
    /// neither an order nor a rotation changes.
    fn candidates(
        &self,
        target: &Block<'_>,
        (key, matrices): (&'b BlockKey, &'b Matrices<'a>),
    ) -> Result<(Vec<Block<'b>>, bool)> {
        if target.key.expert.is_none() || key.expert.is_none() {
            let only = Block::open(self.setting.models[0], key, matrices)?;
            return Ok((only.into_iter().collect(), true));
        }
        let experts = self.open(&self.blocks_of(key.layer))?;
        if experts.len() <= MOST_EXPERTS {
            return Ok((experts, true));
        }
        let own = self.lengths_of_gates(target)?;
        let mut by_distance = Vec::with_capacity(experts.len());
        for expert in experts {
            let lengths = self.lengths_of_gates(&expert)?;
            let distance: f64 = (lengths.iter().zip(&own))
                .map(|(one, other)| (one - other).powi(2))
                .sum();
            by_distance.push((distance, expert));
        }
        by_distance.sort_by(|a, b| a.0.total_cmp(&b.0));
        by_distance.truncate(MOST_EXPERTS);
        let nearest = by_distance.into_iter().map(|(_, expert)| expert);
        Ok((nearest.collect(), false))
    }

    /// Lengths of drawn gate rows at 16 quantiles.
    fn lengths_of_gates(&self, block: &Block<'_>) -> Result<Vec<f64>> {
        const QUANTILES: usize = 16;
        const DRAWN: usize = 512;
        let sampling = &self.setting.sampling;
        let units = Draws::new(sampling.seed, "lengths of gates").distinct(DRAWN, block.units());
        let gate = block.some(&units, sampling)?.gate;
        let rows = gate.values.chunks_exact(gate.columns.max(1));
        let mut lengths: Vec<f64> = rows.map(|row| squared_length(row).sqrt()).collect();
        lengths.sort_by(f64::total_cmp);
        let last = lengths.len().saturating_sub(1);
        let quantile = |at: usize| lengths.get(at * last / (QUANTILES - 1)).copied();
        Ok((0..QUANTILES).filter_map(quantile).collect())
    }

    /// Layers of the base that a layer of the target is held against where tokens are no help: that
    /// of its number, or at its height where depths differ; all of them under `--deep on`.
    fn likely_layers(
        &self,
        key: &BlockKey,
        at: usize,
        of: usize,
        bases: &[(&BlockKey, &Matrices<'a>)],
    ) -> Vec<usize> {
        let last = bases.len() - 1;
        let same = bases.iter().position(|(base, _)| base.layer == key.layer);
        let height = (at * bases.len() / of.max(1)).min(last);
        let first = match bases.len() == self.layers_of_target() {
            true => same.unwrap_or(height),
            false => height,
        };
        let mut out: Vec<usize> = (0..=last).collect();
        out.sort_by_key(|&place| place.abs_diff(first));
        let few = match (self.setting.sampling.thorough, bases.len() == of) {
            (true, _) => out.len(),
            (false, true) => 1,
            (false, false) => NEIGHBOURS,
        };
        out.truncate(few);
        out
    }
}
