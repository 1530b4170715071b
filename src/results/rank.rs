//! The answer of `wcmp rank`.

use crate::evidence::figures::{Coverage, Similarity};
use crate::evidence::finding::{Finding, PcaSummary, Supports};
use crate::evidence::several::kinship::{Between, Kinship, Nearer};
use crate::evidence::several::origins::LayerOrigin;
use crate::evidence::several::shares::{Rule, Shares, SparseMerge};
use crate::model::checkpoint::LeftAside;
use crate::model::sides::Sides;
use crate::model::warning::Noted;
use crate::stats::coordinates::Coordinates;
use crate::verdict::Verdict;
use crate::verdict::decide::Label;
use crate::verdict::origin::Reading;
use crate::verdict::ranking::Criterion;

use super::checkpoint::CheckpointFacts;
use super::settings::Settings;

/// A target held against several bases.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Settings that shape the answer.
    pub settings: Settings,
    /// The target.
    pub target: CheckpointFacts,
    /// The target's name, told from those of the bases.
    pub target_name: String,
    /// The bases, best evidence first.
    pub bases: Vec<RankedBase>,
    /// The origin document's criteria.
    pub criteria: Vec<Criterion>,
    /// The answer over all bases.
    pub conclusion: Conclusion,
    /// Bases that share a shape with the target, by their places in `bases`, with what follows from
    /// their inner products.
    pub family: Vec<usize>,
    /// Principal coordinates of the target and of the bases of the family.
    pub coordinates: Option<Coordinates>,
    /// The target as a sum of bases, which are given by their places in `bases`.
    pub mixture: Option<Shares>,
    /// Bases that are sums of the target and another base, with that one.
    pub sums_of_target: Vec<(usize, usize)>,
    /// How each of several relatives stands to the target beside the others.
    pub kinship: Vec<Kin>,
    /// Pairs of relatives that the target, or a model near it, stands between.
    pub between: Vec<Between>,
    /// From which base each layer comes; bases by their places in `bases`.
    pub layer_origins: Option<Vec<LayerOrigin>>,
    /// Each base of the family beside the base it is most like; `None` where there is none.
    pub controls: Option<Vec<BaseControl>>,
    /// The library that the bases were chosen from, where one was given.
    pub library: Option<Library>,
    /// What is odd.
    pub warnings: Vec<Noted>,
    /// Weight files that were not read, with the name of the model they lie beside: the target's
    /// first.
    pub left_aside: Vec<(String, LeftAside)>,
}

/// A library of sketches, and how deeply it was looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Library {
    /// Sketches of it.
    pub sketches: u64,
    /// Checkpoints beside them.
    pub checkpoints: u64,
    /// How many of all were looked at in every form: the bases of the ranking.
    pub looked_at_deeply: u64,
    /// Bound of the chance of the best likeness over all of them, base 10 (Bonferroni); `None` where
    /// nothing speaks for one.
    pub log10_p: Option<f64>,
}

impl RankedBase {
    /// Least bound among the findings that speak for a likeness, base 10.
    pub(crate) fn log10_p(&self) -> Option<f64> {
        let speaks = |finding: &&Finding| {
            matches!(finding.supports, Supports::Derived | Supports::ReEncoded)
        };
        let bounds = self.findings.iter().filter(speaks);
        let bounds = bounds.filter_map(|finding| finding.log10_p);
        bounds.reduce(f64::min).filter(|bound| *bound < 0.0)
    }
}

/// One base.
#[derive(Debug, Clone)]
pub struct RankedBase {
    /// Its name, told from those of the others.
    pub name: String,
    /// The base.
    pub checkpoint: CheckpointFacts,
    /// How much of each side is aligned.
    pub coverage: Sides<Coverage>,
    /// Means and counts.
    pub similarity: Similarity,
    /// The origin document's reading.
    pub reading: Reading,
    /// Tests on the order of units in short, where they ran.
    pub units: Option<UnitSummary>,
    /// Principal subspaces in short, where they were compared.
    pub subspaces: Option<SubspaceSummary>,
    /// Verdict on the pair.
    pub verdict: Verdict,
    /// Share of the target's matrix parameters in parts that are the base's, 0 to 1.
    pub reused: Option<f64>,
    /// Findings, the strongest first.
    pub findings: Vec<Finding>,
    /// Whether the target is a merge of several bases, this one among them.
    pub is_merged: bool,
}

/// Tests on the order of units in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitSummary {
    /// Bound of all together, base 10.
    pub log10_p: Option<f64>,
    /// Probes of the direct form.
    pub probes: usize,
    /// Hits of the direct form.
    pub hits: usize,
}

/// Principal subspaces in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubspaceSummary {
    /// What they say together.
    pub summary: PcaSummary,
    /// Median excess.
    pub median_excess: f64,
}

/// A base and the base that it is most like, by their places in the ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaseControl {
    /// The base.
    pub base: usize,
    /// The base nearest to it.
    pub nearest: usize,
    /// Mean cosine over the matrices that all models share.
    pub cosine: Option<f64>,
    /// The same of the excess.
    pub excess: f64,
    /// The least excess with any other base.
    pub lowest: f64,
}

/// How a relative stands to the target beside other relatives; bases by their places in the
/// ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kin {
    /// The base.
    pub base: usize,
    /// How it stands.
    pub kinship: Kinship,
    /// A base that is nearer, and why.
    pub nearer: Option<(usize, Nearer)>,
}

/// The answer over all bases.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// The label.
    pub label: Label,
    /// Place of the base that it rests on; `None` where it rests on several, for which of a family's
    /// members is the parent is never told.
    pub base: Option<usize>,
    /// Bases whose verdict is that they share weights.
    pub related: usize,
    /// The bases that the target is a merge of.
    pub merge: Option<Merge>,
    /// Relatives than which none of those given is told to be nearer; empty where one base alone is
    /// related, and for a merge.
    pub candidates: Vec<usize>,
}

/// The target as a merge of several related bases, which are given by their places in the ranking.
#[derive(Debug, Clone, PartialEq)]
pub enum Merge {
    /// A sum.
    Sum {
        /// Bases with their shares.
        terms: Vec<Term>,
        /// Share of the target that it leaves, 0 to 1.
        unexplained: f64,
        /// How the terms were put together.
        rule: Rule,
    },
    /// A sum whose shares differ from layer to layer.
    Runs(Vec<Run>),
    /// Layers taken from several bases.
    Layers(Vec<Taken>),
    /// Values changed as some bases change them, and others kept.
    Sparse(SparseMerge),
}

/// A base with its share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Place of the base.
    pub base: usize,
    /// Its share.
    pub weight: f64,
    /// Standard error.
    pub error: f64,
}

/// Layers that follow one another and have the same shares.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// First layer.
    pub first: u32,
    /// Last layer.
    pub last: u32,
    /// Bases with their shares.
    pub terms: Vec<Term>,
}

/// Layers that follow one another in the target and in one base.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Place of the base.
    pub base: usize,
    /// Layer of the target and layer of the base.
    pub layers: Vec<(u32, u32)>,
    /// Where the layers are mixtures, the bases with their shares; the base is that of most of them.
    pub terms: Vec<Term>,
}

impl Taken {
    /// Places of its bases.
    pub fn bases(&self) -> Vec<usize> {
        let others = self.terms.iter().map(|term| term.base);
        let others = others.filter(|base| *base != self.base);
        std::iter::once(self.base).chain(others).collect()
    }
}

impl Merge {
    /// Place of the base that most of it is of.
    pub fn leading(&self) -> Option<usize> {
        let mut shares: Vec<(usize, f64)> = Vec::new();
        let mut add =
            |base: usize, share: f64| match shares.iter_mut().find(|known| known.0 == base) {
                Some(known) => known.1 += share,
                None => shares.push((base, share)),
            };
        match self {
            Self::Sum { terms, .. } => terms.iter().for_each(|term| add(term.base, term.weight)),
            Self::Runs(runs) => {
                for run in runs {
                    let layers = f64::from(run.last - run.first + 1);
                    let terms = run.terms.iter();
                    terms.for_each(|term| add(term.base, layers * term.weight));
                }
            }
            Self::Layers(taken) => {
                let each = taken.iter();
                each.for_each(|taken| add(taken.base, taken.layers.len() as f64));
            }
            Self::Sparse(merge) => return Some(merge.base),
        }
        let more = |best: (usize, f64), share: (usize, f64)| {
            if share.1 > best.1 { share } else { best }
        };
        shares.into_iter().reduce(more).map(|best| best.0)
    }

    /// Places of its bases.
    pub fn bases(&self) -> Vec<usize> {
        let of_terms = |terms: &[Term]| terms.iter().map(|term| term.base).collect();
        match self {
            Self::Sum { terms, .. } => of_terms(terms),
            Self::Runs(runs) => runs
                .first()
                .map_or_else(Vec::new, |run| of_terms(&run.terms)),
            Self::Layers(taken) => taken.iter().flat_map(Taken::bases).collect(),
            Self::Sparse(merge) => {
                let base = std::iter::once(merge.base);
                base.chain(merge.of.iter().copied()).collect()
            }
        }
    }
}
