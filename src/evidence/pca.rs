//! Which principal subspaces are compared, and what they say together (guide/methods.md, section
//! 5).

use crate::stats::levels::{CLUSTERED_EXCESS, ORTHOGONAL_EXCESS};
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::sides::Sides;
use crate::model::words::{Block, Class, Component, Role, words};
use crate::view::logical::Logical;

use super::analysis::{Analysis, Extent, Found, Setting};
use super::finding::{Finding, PcaSummary, Scope, Statement, Supports};
use super::parts::class_of;
use crate::stats::subspace::{Side, Subspace, overlap, sampled_overlap};

words! {
    /// What the dimensions of a side are.
    Stream {
        /// The residual stream.
        Residual = "residual",
        /// Hidden units of a feed-forward.
        Ffn = "ffn",
    }
}

impl PcaSummary {
    /// The word for a median excess.
    pub fn of(median_excess: f64) -> Self {
        match median_excess {
            e if e >= CLUSTERED_EXCESS => Self::ClusteredWithBase,
            e if e <= ORTHOGONAL_EXCESS => Self::Orthogonal,
            _ => Self::Between,
        }
    }
}

/// One comparison.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Name of the target's tensor.
    pub name: String,
    /// Role of the matrix.
    pub role: Role,
    /// What the side is.
    pub stream: Stream,
    /// The subspaces.
    pub subspace: Subspace,
}

/// All comparisons.
#[derive(Debug, Clone)]
pub struct Pca {
    /// Median excess, matrices of one role together weighing as much as those of another.
    pub median_excess: f64,
    /// What it says.
    pub summary: PcaSummary,
    /// Single matrices.
    pub matrices: Vec<Compared>,
}

/// Most layers of the fast mode.
const FAST_LAYERS: usize = 4;

/// A side of a pair of matrices.
struct Task<'a> {
    pair: [&'a Logical; 2],
    side: Side,
    stream: Stream,
}

/// The sides of a matrix that mean something.
fn sides(role: Role) -> &'static [(Side, Stream)] {
    use Role::{Down, Embed, Fc1, Fc2, Gate, K, KvA, LmHead, O, Q, QA, Qkv, Up, V};
    match role {
        Q | K | V | Qkv | QA | KvA | Embed | LmHead => &[(Side::Columns, Stream::Residual)],
        O => &[(Side::Rows, Stream::Residual)],
        Gate | Up | Fc1 => &[(Side::Columns, Stream::Residual), (Side::Rows, Stream::Ffn)],
        Down | Fc2 => &[(Side::Rows, Stream::Residual), (Side::Columns, Stream::Ffn)],
        _ => &[],
    }
}

/// Up to `count` of `items`, evenly spaced, the first and the last among them.
pub(crate) fn evenly_spaced<T: Copy>(items: &[T], count: usize) -> Vec<T> {
    if items.len() <= count || count < 2 {
        return items.iter().take(count).copied().collect();
    }
    (0..count)
        .map(|i| items[i * (items.len() - 1) / (count - 1)])
        .collect()
}

/// The residual side of q and up in a few layers of each component.
fn fast_tasks<'a>(pairs: &[[&'a Logical; 2]]) -> Vec<Task<'a>> {
    let mut layers: BTreeMap<Component, Vec<u32>> = BTreeMap::new();
    let wanted = |l: &Logical| {
        let role = l.meaning.role;
        matches!(role, Role::Q | Role::Qkv | Role::Up | Role::Fc1)
            && l.meaning.expert.is_none_or(|e| e == 0)
    };
    for pair in pairs.iter().filter(|p| wanted(p[1])) {
        layers
            .entry(pair[1].meaning.component)
            .or_default()
            .extend(pair[1].meaning.layer);
    }
    for found in layers.values_mut() {
        found.sort_unstable();
        found.dedup();
        *found = evenly_spaced(found, FAST_LAYERS);
    }
    let chosen = pairs.iter().filter(|p| {
        let m = &p[1].meaning;
        wanted(p[1])
            && m.layer
                .is_some_and(|l| layers.get(&m.component).is_some_and(|ls| ls.contains(&l)))
    });
    chosen
        .map(|&pair| Task {
            pair,
            side: Side::Columns,
            stream: Stream::Residual,
        })
        .collect()
}

fn full_tasks<'a>(pairs: &[[&'a Logical; 2]]) -> Vec<Task<'a>> {
    let all = pairs.iter().flat_map(|&pair| {
        sides(pair[1].meaning.role)
            .iter()
            .map(move |&(side, stream)| Task { pair, side, stream })
    });
    all.collect()
}

/// Compares principal subspaces of the paired matrices: of a sample, or of all of them, read again.
/// Runs on the current rayon pool. `None` where no matrix has a side that means something.
fn compare(setting: &Setting<'_>, extent: Extent) -> Result<Option<Pca>> {
    let Setting {
        models,
        alignment,
        records,
        monitor,
        ..
    } = *setting;
    let seed = setting.sampling.seed;
    let full = extent == Extent::All;
    let joined = alignment.pairs.iter().zip(records);
    let pairs: Vec<[&Logical; 2]> = joined
        .filter(|(pair, record)| {
            class_of(pair, record) == Class::Matrix
                && pair.target.shape.len() == 2
                && pair.target.meaning.block != Some(Block::Mtp)
                && record.sums.nonfinite == Sides::default()
                && record.unreadable.is_none()
        })
        .map(|(pair, _)| [&*pair.base, &*pair.target])
        .collect();
    let tasks = if full {
        full_tasks(&pairs)
    } else {
        fast_tasks(&pairs)
    };
    monitor.begin("comparing subspaces", 0);
    let matrices: Vec<Compared> = tasks
        .par_iter()
        .map(|task| {
            if monitor.interrupted() {
                return Err(Error::Interrupted);
            }
            let [base, target] = [models[0].view(task.pair[0])?, models[1].view(task.pair[1])?];
            let role = task.pair[1].meaning.role;
            let centred = matches!(role, Role::Embed | Role::LmHead);
            let subspace = if full {
                overlap(&base, &target, task.side, centred)?
            } else {
                sampled_overlap(&base, &target, centred, seed)?
            };
            Ok(Compared {
                name: task.pair[1].name.clone(),
                role,
                stream: task.stream,
                subspace,
            })
        })
        .collect::<Result<_>>()?;
    monitor.end();
    Ok(median_excess(&matrices).map(|median_excess| Pca {
        median_excess,
        summary: PcaSummary::of(median_excess),
        matrices,
    }))
}

/// Weighted median of the excesses, every role of the same weight.
fn median_excess(matrices: &[Compared]) -> Option<f64> {
    let mut by_role: BTreeMap<Role, Vec<f64>> = BTreeMap::new();
    for compared in matrices {
        by_role
            .entry(compared.role)
            .or_default()
            .extend(compared.subspace.excess);
    }
    let weigh = |values: Vec<f64>| {
        let weight = 1.0 / values.len().max(1) as f64;
        values.into_iter().map(move |value| (value, weight))
    };
    let mut weighted: Vec<(f64, f64)> = by_role.into_values().flat_map(weigh).collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = weighted.iter().map(|w| w.1).sum::<f64>() / 2.0;
    let mut before = 0.0;
    for (index, (value, weight)) in weighted.iter().enumerate() {
        before += weight;
        if (before - half).abs() < 1e-9 {
            return weighted.get(index + 1).map(|next| (value + next.0) / 2.0);
        }
        if before > half {
            return Some(*value);
        }
    }
    None
}

impl Analysis for Pca {
    fn needs_all_values() -> bool {
        true
    }

    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        match setting.asked.subspaces {
            Some(extent) => compare(setting, extent),
            None => Ok(None),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let supports = match self.summary {
            PcaSummary::ClusteredWithBase => Supports::Derived,
            PcaSummary::Between => Supports::Nothing,
            PcaSummary::Orthogonal => Supports::FromScratch,
        };
        vec![Finding {
            statement: Statement::Subspaces {
                summary: self.summary,
                median_excess: self.median_excess,
                matrices: self.matrices.len(),
            },
            value: Some(self.median_excess),
            log10_p: None,
            supports,
            scope: Scope::Model,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(role: Role, excess: f64) -> Compared {
        let subspace = Subspace {
            dimension: 64,
            k: 8,
            overlap: None,
            expected: None,
            excess: Some(excess),
            error: None,
            reason: None,
        };
        Compared {
            name: String::new(),
            role,
            stream: Stream::Residual,
            subspace,
        }
    }

    #[test]
    fn roles_weigh_alike_in_the_median() {
        let mut matrices = vec![compared(Role::Embed, 0.9)];
        matrices.extend((0..10).map(|_| compared(Role::Up, 0.0)));
        matrices.extend((0..10).map(|_| compared(Role::Q, 0.02)));
        assert_eq!(median_excess(&matrices), Some(0.02));
        assert_eq!(median_excess(&[]), None);
        let mut three = vec![compared(Role::Embed, 0.9)];
        three.extend([0.0; 3].map(|excess| compared(Role::Q, excess)));
        three.extend([0.02, 0.03, 0.04].map(|excess| compared(Role::Up, excess)));
        assert_eq!(median_excess(&three), Some(0.03));
        let mut two = vec![compared(Role::Up, 0.8)];
        two.extend([0.2; 3].map(|excess| compared(Role::Q, excess)));
        assert_eq!(median_excess(&two), Some(0.5));
        assert_eq!(
            median_excess(&[compared(Role::Q, 0.2), compared(Role::Up, 0.4)]),
            Some(0.30000000000000004)
        );
    }

    #[test]
    fn summaries_close_at_their_edges() {
        assert_eq!(PcaSummary::of(0.5), PcaSummary::ClusteredWithBase);
        assert_eq!(PcaSummary::of(0.499_999), PcaSummary::Between);
        assert_eq!(PcaSummary::of(0.1), PcaSummary::Orthogonal);
        assert_eq!(PcaSummary::of(0.100_001), PcaSummary::Between);
    }

    #[test]
    fn few_layers_are_spread_over_the_depth() {
        assert_eq!(
            evenly_spaced(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4),
            [0, 3, 6, 9]
        );
        assert_eq!(evenly_spaced(&[0, 1], 4), [0, 1]);
        assert!(evenly_spaced::<u32>(&[], 4).is_empty());
    }
}
