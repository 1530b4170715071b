//! Tensors that several bases share with one target.

use std::collections::BTreeMap;

use crate::model::words::Class;
use crate::view::logical::Via;

use super::Alignment;

/// Matrices that the target has in common with more than itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shared {
    /// Bases that take part, in their order.
    pub bases: Vec<usize>,
    /// The matrices that all of these share with the target, sorted by its names: the place of the
    /// pair in the alignment of each base that takes part.
    pub tensors: Vec<Vec<usize>>,
}

/// Which bases share matrices with the target, of the alignments of one target with each base.
///
/// A base takes part where at least half of what the best-covered base shares stays common to all;
/// the best-covered are asked first.
pub(crate) fn shared(alignments: &[&Alignment]) -> Shared {
    let matrices = alignments.iter().map(|alignment| matrices(alignment));
    let matrices: Vec<BTreeMap<&str, usize>> = matrices.collect();
    let size = |base: usize, names: &[&str]| {
        let elements = |name: &&str| {
            alignments[base].pairs[matrices[base][name]]
                .target
                .elements()
        };
        names.iter().map(elements).sum::<u64>()
    };
    let all = |base: usize| matrices[base].keys().copied().collect::<Vec<_>>();
    let mut order: Vec<usize> = (0..alignments.len())
        .filter(|&base| !matrices[base].is_empty())
        .collect();
    order.sort_by_key(|&base| std::cmp::Reverse(size(base, &all(base))));
    let Some(&first) = order.first() else {
        return Shared::default();
    };
    let mut common = all(first);
    let most = size(first, &common);
    let mut bases = Vec::new();
    for base in order {
        let left: Vec<&str> = common
            .iter()
            .copied()
            .filter(|name| matrices[base].contains_key(name))
            .collect();
        if size(base, &left).saturating_mul(2) >= most {
            common = left;
            bases.push(base);
        }
    }
    bases.sort_unstable();
    let tensors = common
        .iter()
        .map(|name| bases.iter().map(|&base| matrices[base][name]).collect());
    Shared {
        tensors: tensors.collect(),
        bases,
    }
}

/// Matrices paired in their own layer, by the target's name; not those of which a base has some
/// rows only.
fn matrices(alignment: &Alignment) -> BTreeMap<&str, usize> {
    let pairs = alignment.pairs.iter().enumerate();
    pairs
        .filter(|(_, p)| p.target.meaning.class == Class::Matrix && p.via != Via::Tied)
        .filter(|(_, p)| p.base.meaning.layer == p.target.meaning.layer)
        .filter(|(_, p)| !p.target.is_cut_by_token())
        .map(|(at, p)| (p.target.name.as_str(), at))
        .collect()
}
