//! The target as a sum of several related bases: over all matrices, by layer, by role.

use std::collections::BTreeMap;

use super::sample::{Sample, Sampled};
use crate::model::words::{Component, Role};
use crate::numeric::linalg::round6;
use crate::stats::levels::{MERGE_LEFT, SHARE_ERROR, SHARE_UNEXPLAINED};
use crate::stats::shares::{
    Fit, Form, Found, Places, Sparse, fit, form, search, sparse, unexplained,
};

/// Bases that are searched for terms; of more, those nearest to the target.
const BASES: usize = 12;
/// Bases among which a sparse merge is looked for.
const SPARSE_BASES: usize = 6;
/// Places that are enough to see a sparse merge by.
const SPARSE_PLACES: usize = 1 << 18;

/// The target as a sum of bases. Figures have 6 significant digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// Terms, by their places in the sample.
    pub terms: Vec<usize>,
    /// Over all matrices.
    pub overall: Share,
    /// Largest multiple correlation of a term's difference with those of the others.
    pub collinearity: f64,
    /// Layer by layer of the leading component.
    pub by_layer: Vec<(u32, Option<Share>)>,
    /// Role by role.
    pub by_role: Vec<(Role, Option<Share>)>,
    /// Whether one set of shares explains all layers.
    pub is_even: bool,
    /// How the terms were put together.
    pub rule: Rule,
}

/// Shares of the terms in some tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Share of each term.
    pub weights: Vec<f64>,
    /// Standard error of each.
    pub errors: Vec<f64>,
    /// ‖target − sum‖² / ‖target‖², 0 to 1.
    pub unexplained: f64,
}

/// How the terms were put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// A weighted sum.
    Linear,
    /// Along the sphere, this far from the first term to the second.
    Spherical(f64),
}

/// What is found of several related bases together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mixed {
    /// The target as a sum.
    pub shares: Option<Shares>,
    /// Two bases that are not told apart in a sum, by their places in the sample.
    pub not_told_apart: Option<(usize, usize)>,
    /// Two bases and the target lie on a line, and it is not told which is the sum of the others.
    pub on_a_line: Option<[usize; 2]>,
    /// Bases that are sums of the target and another base.
    pub sums_of_target: Vec<(usize, usize)>,
    /// A merge that keeps a part of a base's values.
    pub sparse: Option<SparseMerge>,
}

/// A merge that keeps a part of a base's values; bases by their places in the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseMerge {
    /// The base of which values are kept.
    pub base: usize,
    /// The bases whose changes are taken.
    pub of: Vec<usize>,
    /// Share of the values that are changed.
    pub changed: f64,
    /// Share of these that have the sign of the changes.
    pub agreement: f64,
}

impl From<Sparse> for SparseMerge {
    fn from(found: Sparse) -> Self {
        Self {
            base: found.base,
            of: found.of,
            changed: round6(found.changed),
            agreement: round6(found.agreement),
        }
    }
}

impl Mixed {
    /// The same with the bases under other numbers.
    pub(crate) fn renamed(mut self, number: &dyn Fn(usize) -> usize) -> Self {
        if let Some(shares) = &mut self.shares {
            shares
                .terms
                .iter_mut()
                .for_each(|term| *term = number(*term));
        }
        if let Some(sparse) = &mut self.sparse {
            sparse.base = number(sparse.base);
            sparse.of.iter_mut().for_each(|base| *base = number(*base));
        }
        let pair = |(one, other): (usize, usize)| (number(one), number(other));
        self.not_told_apart = self.not_told_apart.map(pair);
        self.on_a_line = self.on_a_line.map(|bases| bases.map(number));
        self.sums_of_target = self.sums_of_target.into_iter().map(pair).collect();
        self
    }
}

/// What the values of the `bases`, places in the sample from the nearest on, tell together; by
/// layer for the layers of the `leading` component.
pub(crate) fn mixed(sample: &Sample, bases: &[usize], leading: Option<Component>) -> Mixed {
    let mut out = Mixed::default();
    let places: Vec<Places> = sample.tensors.iter().map(|t| t.places.clone()).collect();
    let all: Vec<&Places> = places.iter().collect();
    let mut left: Vec<usize> = bases.iter().copied().take(BASES).collect();
    while left.len() >= 2 {
        let terms = match search(&places, &left) {
            Some(Found::Terms(terms)) => terms,
            Some(Found::NotToldApart(one, other)) => {
                out.not_told_apart = Some((one, other));
                break;
            }
            None => break,
        };
        let Some(overall) = fit(&all, &terms) else {
            break;
        };
        let rule = match form(&all, &overall) {
            Form::Linear => Rule::Linear,
            Form::Spherical { at } => Rule::Spherical(round6(at)),
            Form::Open => {
                out.on_a_line = Some([terms[0], terms[1]]);
                break;
            }
            Form::OfTarget { sum } => {
                out.sums_of_target.push((terms[sum], terms[1 - sum]));
                left.retain(|base| *base != terms[sum]);
                continue;
            }
        };
        out.shares = shares(sample, &overall, rule, leading);
        break;
    }
    let is_open = out.shares.is_none() && out.not_told_apart.is_none() && out.on_a_line.is_none();
    if is_open && left.len() >= 2 {
        left.truncate(SPARSE_BASES);
        let count: usize = places.iter().map(Places::len).sum();
        let step = count.div_ceil(SPARSE_PLACES).max(1);
        let thinned: Vec<Places> = places.iter().map(|places| places.thinned(step)).collect();
        let thinned: Vec<&Places> = thinned.iter().collect();
        out.sparse = sparse(&thinned, &left).map(SparseMerge::from);
    }
    out
}

/// The shares of the terms of `overall`; `None` where they explain too little, or are too unsure
/// overall and in every layer.
fn shares(
    sample: &Sample,
    overall: &Fit,
    rule: Rule,
    leading: Option<Component>,
) -> Option<Shares> {
    let terms = &overall.terms;
    let mut by_layer: BTreeMap<u32, Vec<&Places>> = BTreeMap::new();
    let mut by_role: BTreeMap<Role, Vec<&Places>> = BTreeMap::new();
    for tensor in &sample.tensors {
        let Sampled {
            component,
            layer,
            role,
            places,
            ..
        } = tensor;
        by_role.entry(*role).or_default().push(places);
        if let Some(layer) = layer.filter(|_| Some(*component) == leading) {
            by_layer.entry(layer).or_default().push(places);
        }
    }
    let share = |places: &[&Places]| fit(places, terms).and_then(|fit| of_fit(places, &fit));
    let by_layer: Vec<(u32, Option<Share>)> = by_layer
        .iter()
        .map(|(layer, places)| (*layer, share(places)))
        .collect();
    let by_role: Vec<(Role, Option<Share>)> = by_role
        .iter()
        .map(|(role, places)| (*role, share(places)))
        .collect();

    let mut found = of_fit(&sample.places(), overall)?;
    let is_on_sphere = matches!(rule, Rule::Spherical(_));
    let is_even = (overall.left < MERGE_LEFT || is_on_sphere)
        && overall.errors.iter().all(|e| *e < SHARE_ERROR);
    if let Rule::Spherical(at) = rule {
        found.weights = vec![round6(1.0 - at), at];
    }
    let is_told = |share: &Share| share.errors.iter().all(|error| *error < SHARE_ERROR);
    let layers_told = by_layer.iter().filter_map(|(_, share)| share.as_ref());
    let explains = is_even && found.unexplained < SHARE_UNEXPLAINED;
    let explain_by_layer = layers_told
        .clone()
        .any(|share| is_told(share) && share.unexplained < SHARE_UNEXPLAINED);
    (explains || explain_by_layer).then(|| Shares {
        terms: terms.clone(),
        overall: found,
        collinearity: round6(overall.collinearity),
        by_layer,
        by_role,
        is_even: explains,
        rule,
    })
}

fn of_fit(places: &[&Places], fit: &Fit) -> Option<Share> {
    Some(Share {
        weights: fit.weights.iter().copied().map(round6).collect(),
        errors: fit.errors.iter().copied().map(round6).collect(),
        unexplained: round6(unexplained(places, &fit.terms, &fit.weights)?),
    })
}
