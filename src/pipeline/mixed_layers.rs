//! Layers of the target that are mixtures of layers that stand elsewhere in several bases.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::evidence::several::distances::Distances;
use crate::evidence::several::origins::{Asked, OriginTerm, found_in};
use crate::evidence::several::shares::{Share, mixed};
use crate::model::words::Component;
use crate::stats::levels::{SHARE_ERROR, SHARE_UNEXPLAINED};

use super::rank::{Held, Looked};

/// Least share of a term of a mixture.
const LEAST: f64 = 0.02;
/// Standard errors by which a share must differ from 0.
const ERRORS: f64 = 3.0;

/// Of layers that stand elsewhere in a base, those that are mixtures, with their terms; bases by
/// their places in the ranking.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn mixed_layers(
    looked: &Looked<'_>,
    held: &[Held],
    asked: &[Asked<'_>],
    leading: Component,
) -> Result<BTreeMap<u32, Vec<OriginTerm>>> {
    // Layers that were found in the same bases are held against them together.
    let mut by_bases: BTreeMap<Vec<usize>, BTreeMap<u32, Vec<u32>>> = BTreeMap::new();
    for (layer, found) in found_in(asked, leading) {
        let bases: Vec<usize> = found.iter().map(|find| find.0).collect();
        let layers = found.iter().map(|find| find.1).collect();
        by_bases.entry(bases).or_default().insert(layer, layers);
    }
    let mut out = BTreeMap::new();
    for (places, layers) in by_bases {
        let is_moved = |(layer, from): (&u32, &Vec<u32>)| from.iter().any(|from| from != layer);
        if places.len() < 2 || !layers.iter().any(is_moved) {
            continue;
        }
        let numbers: Vec<usize> = places.iter().map(|place| held[*place].number).collect();
        let sample = looked.sample_of_layers(&numbers, leading, &layers)?;
        let distances = Distances::of(&sample);
        let mut nearest: Vec<usize> = (0..places.len()).collect();
        nearest.sort_by(|a, b| {
            let [a, b] = [a, b].map(|base| distances.between(*base, places.len()));
            a.total_cmp(&b)
        });
        let Some(shares) = mixed(&sample, &nearest, Some(leading)).shares else {
            continue;
        };
        for (layer, share) in &shares.by_layer {
            let Some(share) = share.as_ref().filter(|share| is_told(share)) else {
                continue;
            };
            let figures = share.weights.iter().zip(&share.errors);
            let terms = shares.terms.iter().zip(figures);
            let is_term =
                |weight: f64, error: f64| weight.abs() >= LEAST && weight.abs() > ERRORS * error;
            let terms = terms.filter(|(_, (weight, error))| is_term(**weight, **error));
            let terms: Vec<OriginTerm> = terms
                .map(|(term, (weight, error))| OriginTerm {
                    base: places[*term],
                    layer: layers[layer][*term],
                    weight: *weight,
                    error: *error,
                })
                .collect();
            if terms.len() > 1 {
                out.insert(*layer, terms);
            }
        }
    }
    Ok(out)
}

fn is_told(share: &Share) -> bool {
    let is_sure = share.errors.iter().all(|error| *error < SHARE_ERROR);
    is_sure && share.unexplained < SHARE_UNEXPLAINED
}
