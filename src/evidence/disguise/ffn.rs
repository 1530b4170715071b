//! Looks at one feed-forward that the direct form did not find: order of its units, fixed points of
//! its units projected on shared tokens, and units matched by two projections.
//!
//! The two projections are gate and up over shared tokens, the witness is down over the output
//! head. A feed-forward without a gate has its first matrix over shared tokens and its second over
//! the output head, and the first one's bias as the witness; where there is none or it disagrees,
//! the heads of the layer are asked.

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::evidence::permutation::blocks::{BlockKey, Matrices, default_features};
use crate::evidence::tests_of_units::{Form, Test, UnitKind};
use crate::evidence::transformation;
use crate::model::words::Block;
use crate::numeric::linalg::round6;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::chance::bonferroni;
use crate::stats::levels::ALIKE_EXCESS;
use crate::stats::units::block::LOOKS;
use crate::stats::units::projected::excess_over_random_order;
use crate::stats::units::{
    Features, FixedPoints, Held, Matched, Order, Pair, fixed_point_test, matched_form, order_test,
};
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::place::Place;
use crate::view::reader::View;

use super::basis::{Basis, Reading, gain};

/// A feed-forward that both models have.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) key: &'a BlockKey,
    pub(super) sides: [&'a Matrices<'a>; 2],
}

/// A tensor that took no part in matching the units, compared in the order found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Witness {
    /// Which tensor.
    pub(super) what: transformation::Witness,
    /// Cosine in the order as stored, where every matched unit has a counterpart of its own index.
    pub(super) as_stored: Option<f64>,
    /// Cosine in the order found.
    pub(super) cosine: Option<f64>,
    /// What of it a random order would not give.
    pub(super) excess: Option<f64>,
}

impl Look {
    /// The form by which the feed-forward is found in disguise, and its log10 p; `level` is what an
    /// exact form needs.
    pub(super) fn found(&self, level: f64) -> Option<(Form, f64)> {
        let projected = self
            .projected
            .as_ref()
            .map(|found| found.log10_p)
            .filter(|p| *p <= level);
        let confirmed = self.heads_agree || self.witness.as_ref().is_some_and(Witness::agrees);
        let matched = self
            .matched
            .as_ref()
            .filter(|matched| matched.looks_copied() && confirmed);
        projected
            .map(|p| (Form::Projected, p))
            .or(matched.map(|matched| (Form::Matched, matched.log10_p)))
    }

    /// Whether a second witness is asked for and not there yet.
    pub(super) fn lacks_witness(&self) -> bool {
        self.matched.as_ref().is_some_and(Matched::looks_copied)
            && !self.witness.as_ref().is_some_and(Witness::agrees)
    }

    /// Whether most of the matched units stand in other places.
    pub(super) fn moved(&self) -> bool {
        let agreeing: &[(usize, usize)] = self
            .matched
            .as_ref()
            .map_or(&[], |matched| &matched.agreeing);
        2 * agreeing
            .iter()
            .filter(|(base, target)| base != target)
            .count()
            > agreeing.len()
    }

    /// The looks as tests of the report.
    pub(super) fn tests(&self) -> Vec<Test> {
        let test = |form, probes, hits, log10_p, exact| Test {
            kind: if self.key.expert.is_some() {
                UnitKind::Expert
            } else {
                UnitKind::Ffn
            },
            form,
            component: self.key.component,
            layer: Some(self.key.layer),
            base_layer: Some(self.key.layer),
            expert: self.key.expert,
            name: None,
            units: self.units,
            probes,
            hits,
            log10_p,
            exact,
            group: 0,
        };
        // Fixed points and order are looks on one block.
        let paid = |p| bonferroni(p, LOOKS);
        let order = self
            .order
            .iter()
            .map(|o| test(Form::Order, o.kept.len(), o.in_order, paid(o.log10_p), true));
        let projected = self
            .projected
            .iter()
            .map(|f| test(Form::Projected, f.probes.len(), f.hits, f.log10_p, true));
        let matched = self
            .matched
            .iter()
            .map(|m| test(Form::Matched, m.in_both, m.agreeing.len(), m.log10_p, false));
        order.chain(projected).chain(matched).collect()
    }
}

impl Witness {
    /// Whether it confirms the order.
    pub(super) fn agrees(&self) -> bool {
        self.excess.is_some_and(|excess| excess >= ALIKE_EXCESS)
    }
}

/// What the looks on one feed-forward gave; `None` for a look that was not taken or not possible.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) key: BlockKey,
    pub(super) part: Option<PartKey>,
    pub(super) units: [usize; 2],
    pub(super) order: Option<Order>,
    pub(super) projected: Option<FixedPoints>,
    pub(super) matched: Option<Matched>,
    pub(super) witness: Option<Witness>,
    /// Whether the heads of its layer match by content, where they were asked as the witness.
    pub(super) heads_agree: bool,
}

/// Views of one matrix on both sides.
type Both<'a> = [View<'a>; 2];

/// Looks at `candidate` until one look gives log10 p at or below `level`: at the order of its
/// units, at fixed points over shared tokens, at units matched by two projections. `bases` are
/// those of base and target.
///
/// `None` where its default feature cannot be read or does not correspond.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn look(
    setting: &Setting<'_>,
    candidate: Candidate<'_>,
    bases: Option<&[Basis; 2]>,
    level: f64,
) -> Result<Option<Look>> {
    setting.monitor.check()?;
    let by_row = common_rows(setting.models, candidate)?;
    let Some((first, target)) = by_row.first().map(|(pair, target)| (pair, *target)) else {
        return Ok(None);
    };
    let mut out = Look::at(candidate, first, target);

    out.order = order(setting, first)?;
    let log10_p = out.order.as_ref().map(|order| order.log10_p);
    if log10_p.is_some_and(|p| bonferroni(p, LOOKS) <= level) {
        return Ok(Some(out));
    }
    let Some(bases) = bases else {
        return Ok(Some(out));
    };

    let readings = readings(setting, candidate, bases)?;
    out.projected = projected(setting, &readings, first)?;
    let log10_p = out.projected.as_ref().map(|found| found.log10_p);
    if log10_p.is_some_and(|p| p <= level) {
        return Ok(Some(out));
    }

    let down = downs(setting.models, candidate)?;
    match by_row.get(1) {
        Some((second, _)) => {
            out.matched = matched_gated(&readings, [first, second])?;
            if let (Some(matched), Some(down)) = (out.looks_copied(), &down) {
                out.witness = written_alike(bases, down, matched)?;
            }
        }
        None => {
            out.matched = matched_plain(&readings, first, bases, down.as_ref())?;
            if let Some(matched) = out.looks_copied() {
                out.witness = biases_alike(setting.models, target, matched)?;
            }
        }
    }
    Ok(Some(out))
}

impl Look {
    /// Nothing seen yet.
    fn at(candidate: Candidate<'_>, first: &Both<'_>, target: &Logical) -> Self {
        Self {
            key: candidate.key.clone(),
            part: part_of(target),
            units: [first[0].rows(), first[1].rows()],
            order: None,
            projected: None,
            matched: None,
            witness: None,
            heads_agree: false,
        }
    }

    /// The units matched by two projections, where they look copied.
    fn looks_copied(&self) -> Option<&Matched> {
        self.matched
            .as_ref()
            .filter(|matched| matched.looks_copied())
    }
}

/// The order of the units, where both sides have as many of one width: the cheapest look, which
/// sees through a re-ordering that the fixed points do not.
fn order(setting: &Setting<'_>, first: &Both<'_>) -> Result<Option<Order>> {
    let [base, target] = first;
    if base.rows() != target.rows() || base.columns() != target.columns() {
        return Ok(None);
    }
    let [base, target] = [base, target].map(|view| default_features(view, &setting.sampling));
    Ok(order_test(&base, &target, &setting.sampling)?.ok())
}

/// What the first matrices of both sides are projected on, the gain before them included.
fn readings<'a>(
    setting: &Setting<'_>,
    candidate: Candidate<'_>,
    bases: &'a [Basis; 2],
) -> Result<[Reading<'a>; 2]> {
    let [base, target] = setting.models;
    let of_base = feeding_gain(base, candidate.key)?;
    let of_target = feeding_gain(target, candidate.key)?;
    Ok([
        bases[0].reading(of_base.as_deref()),
        bases[1].reading(of_target.as_deref()),
    ])
}

/// Fixed points of the units over shared tokens, which mean the same however the residual stream
/// was changed; over residual dimensions the direct form has looked already.
fn projected(
    setting: &Setting<'_>,
    readings: &[Reading<'_>; 2],
    first: &Both<'_>,
) -> Result<Option<FixedPoints>> {
    let units = first[0].rows();
    let over_tokens = matches!(readings[0], Reading::Tokens(_));
    if !over_tokens || units != first[1].rows() {
        return Ok(None);
    }
    let Some([base, target]) = features(readings, first) else {
        return Ok(None);
    };
    let probes = setting.sampling.probes(units);
    Ok(fixed_point_test(base.as_ref(), target.as_ref(), &probes)?.ok())
}

/// Units matched by gate and up.
fn matched_gated(
    readings: &[Reading<'_>; 2],
    [first, second]: [&Both<'_>; 2],
) -> Result<Option<Matched>> {
    let (Some(one), Some(other)) = (features(readings, first), features(readings, second)) else {
        return Ok(None);
    };
    Ok(matched_form(pair(&one), pair(&other))?.ok())
}

/// Units of a feed-forward without a gate, matched by what they read and what they write.
fn matched_plain(
    readings: &[Reading<'_>; 2],
    first: &Both<'_>,
    bases: &[Basis; 2],
    down: Option<&Both<'_>>,
) -> Result<Option<Matched>> {
    let written = match down {
        Some(down) => all_written(bases, down)?,
        None => None,
    };
    let (Some(read), Some([base, target])) = (features(readings, first), written) else {
        return Ok(None);
    };
    let written = Pair {
        base: &base,
        target: &target,
    };
    Ok(matched_form(pair(&read), written)?.ok())
}

fn pair<'a>(sides: &'a [Box<dyn Features + 'a>; 2]) -> Pair<'a> {
    Pair {
        base: sides[0].as_ref(),
        target: sides[1].as_ref(),
    }
}

/// The matrices whose rows are the units, of each role that both sides have; with the target's.
fn common_rows<'a>(
    models: [&'a Model; 2],
    candidate: Candidate<'a>,
) -> Result<Vec<(Both<'a>, &'a Logical)>> {
    let mut out = Vec::new();
    for target in &candidate.sides[1].by_row {
        let base = candidate.sides[0]
            .by_row
            .iter()
            .find(|base| base.meaning.role == target.meaning.role);
        let readable = |side: usize, logical: &Logical| models[side].unreadable(logical).is_none();
        if let Some(base) = base.filter(|base| readable(0, base) && readable(1, target)) {
            out.push(([models[0].view(base)?, models[1].view(target)?], *target));
        }
    }
    out.retain(|(views, _): &(Both<'_>, _)| views[0].rows() > 0 && views[1].rows() > 0);
    Ok(out)
}

fn downs<'a>(models: [&'a Model; 2], candidate: Candidate<'a>) -> Result<Option<Both<'a>>> {
    let (Some(base), Some(target)) = (candidate.sides[0].by_column, candidate.sides[1].by_column)
    else {
        return Ok(None);
    };
    if models[0].unreadable(base).is_some() || models[1].unreadable(target).is_some() {
        return Ok(None);
    }
    Ok(Some([models[0].view(base)?, models[1].view(target)?]))
}

fn features<'a>(
    readings: &'a [Reading<'_>; 2],
    views: &'a Both<'_>,
) -> Option<[Box<dyn Features + 'a>; 2]> {
    Some([
        readings[0].features(&views[0])?,
        readings[1].features(&views[1])?,
    ])
}

/// The gain of the norm that feeds the feed-forward; that of the attention where one norm feeds
/// both.
fn feeding_gain(model: &Model, key: &BlockKey) -> Result<Option<Vec<f32>>> {
    // The slot of a matrix of an encoder-decoder begins with the name of the stack.
    let stack = key
        .stem
        .split_once("..")
        .map_or(String::new(), |(stack, _)| format!("{stack}."));
    let own = format!("{stack}norm:pre_mlp.weight");
    let shared = format!("{stack}norm:pre_attn.weight");
    let slots = [
        own.as_str(),
        "norm:pre_mlp.weight",
        shared.as_str(),
        "norm:pre_attn.weight",
    ];
    gain(model, key.component, Block::Layer(key.layer), &slots)
}

/// What the matched units write to the stream: as stored, and in the order found.
fn written_alike(
    bases: &[Basis; 2],
    down: &Both<'_>,
    matched: &Matched,
) -> Result<Option<Witness>> {
    let (of_base, of_target): (Vec<usize>, Vec<usize>) = matched.agreeing.iter().copied().unzip();
    let fits =
        |view: &View<'_>, columns: &[usize]| columns.iter().all(|&column| column < view.columns());
    if !fits(&down[0], &of_base) || !fits(&down[1], &of_target) {
        return Ok(None);
    }
    let (base, found) = (
        bases[0].written(&down[0], &of_base)?,
        bases[1].written(&down[1], &of_target)?,
    );
    let (Some(base), Some(found)) = (base, found) else {
        return Ok(None);
    };
    let stored = if fits(&down[1], &of_base) {
        bases[1].written(&down[1], &of_base)?
    } else {
        None
    };
    Ok(Some(Witness {
        what: transformation::Witness::DownProjections,
        as_stored: stored.and_then(|stored| cosine(&base.values, &stored.values)),
        cosine: cosine(&base.values, &found.values),
        excess: excess_over_random_order(&base.values, &found.values, base.columns),
    }))
}

/// What all units write, the second projection of a feed-forward without a gate.
fn all_written(bases: &[Basis; 2], down: &Both<'_>) -> Result<Option<[Held; 2]>> {
    let mut out = Vec::new();
    for (basis, view) in bases.iter().zip(down) {
        let columns: Vec<usize> = (0..view.columns()).collect();
        match basis.written(view, &columns)? {
            Some(Matrix {
                values, columns, ..
            }) if columns > 0 => out.push(Held::new(values, columns)),
            _ => return Ok(None),
        }
    }
    let Ok(sides) = <[Held; 2]>::try_from(out) else {
        return Ok(None);
    };
    Ok(Some(sides))
}

/// The biases of the matched units, of the matrix `first` that reads the stream.
fn biases_alike(
    models: [&Model; 2],
    first: &Logical,
    matched: &Matched,
) -> Result<Option<Witness>> {
    let place = Place {
        slot: first.meaning.slot.replace(".weight", ".bias").into(),
        ..first.place()
    };
    let mut sides = Vec::new();
    for model in models {
        let bias = model
            .at(&place)
            .filter(|bias| bias.shape.len() == 1 && model.unreadable(bias).is_none());
        let Some(bias) = bias else { return Ok(None) };
        let view = model.view(bias)?;
        let mut values = vec![0.0; view.columns()];
        view.read_rows(0..1, &mut values)?;
        sides.push(values);
    }
    let taken = |side: usize, order: &dyn Fn(&(usize, usize)) -> usize| -> Option<Vec<f32>> {
        matched
            .agreeing
            .iter()
            .map(|unit| sides[side].get(order(unit)).copied())
            .collect()
    };
    let (Some(base), Some(found)) = (taken(0, &|unit| unit.0), taken(1, &|unit| unit.1)) else {
        return Ok(None);
    };
    Ok(Some(Witness {
        what: transformation::Witness::FirstBiases,
        as_stored: taken(1, &|unit| unit.0).and_then(|stored| cosine(&base, &stored)),
        cosine: cosine(&base, &found),
        excess: excess_over_random_order(&base, &found, 1),
    }))
}

/// Cosine of two lists of equal length, to 6 digits; none where it is undefined.
fn cosine(one: &[f32], other: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>()
    };
    let norms = (dot(one, one) * dot(other, other)).sqrt();
    (norms > 0.0 && norms.is_finite()).then(|| round6((dot(one, other) / norms).clamp(-1.0, 1.0)))
}
