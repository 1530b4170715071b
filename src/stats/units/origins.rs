//! Which layer of the base each layer of the target comes from (guide/methods.md,
//! section 4).

use super::{Features, Held};
use crate::numeric::linalg::products;
use crate::stats::chance::bonferroni;
use crate::stats::levels::FOUND_LOG10;

/// The layer of the base that a layer of the target comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerOrigin {
    /// Position of the layer in the base.
    pub base: usize,
    /// log10 of the bound of the chance, times the number of pairs of layers.
    pub log10_p: f64,
}

impl LayerOrigin {
    /// A layer of the base as origin, where log10 p of the fixed-point test is small enough after
    /// the choice among `pairs` pairs of layers is paid for.
    pub fn accepted(base: usize, log10_p: f64, pairs: usize) -> Option<Self> {
        let log10_p = bonferroni(log10_p, pairs);
        (log10_p <= FOUND_LOG10).then_some(Self { base, log10_p })
    }
}

/// For each layer of the target the layer of the base whose same-index probes are most like its
/// own, if any are.
///
/// # Panics
/// When the probes of two layers differ in shape.
pub fn candidates(target: &[Held], base: &[Held]) -> Vec<Option<usize>> {
    if base.first().is_none_or(|layer| layer.units() == 0) {
        return vec![None; target.len()];
    }
    let scores = likeness(target, base);
    let best = |scores: &[f32]| {
        // Of equal scores the first: it is tested like any other.
        let best = (0..base.len())
            .rev()
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        best.filter(|&best| scores[best] > 0.0)
    };
    scores.chunks_exact(base.len()).map(best).collect()
}

/// Mean cosine of same-index probes less that of probes shifted by one, shape (target layers, base
/// layers): a layer's probes end to end are one long vector, so both are products of matrices.
fn likeness(target: &[Held], base: &[Held]) -> Vec<f32> {
    let (probes, width) = (base[0].units(), base[0].width());
    let same_shape = |layer: &Held| (layer.units(), layer.width()) == (probes, width);
    assert!(
        target.iter().chain(base).all(same_shape),
        "probes of different shapes"
    );
    let end_to_end = |layers: &[Held], shift: usize| -> Vec<f32> {
        let turned = |layer: &Held| {
            let mut values = layer.values().to_vec();
            values.rotate_left(shift * width);
            values
        };
        layers.iter().flat_map(turned).collect()
    };
    let base_values = end_to_end(base, 0);
    let mut same = vec![0.0; target.len() * base.len()];
    let mut shifted = same.clone();
    products(
        &end_to_end(target, 0),
        &base_values,
        probes * width,
        &mut same,
    );
    products(
        &end_to_end(target, 1),
        &base_values,
        probes * width,
        &mut shifted,
    );
    same.iter()
        .zip(&shifted)
        .map(|(same, shifted)| same - shifted)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{RowFeatures, Sampling, fixed_point_test};
    use super::*;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    const SAMPLING: Sampling = Sampling {
        seed: 0,
        thorough: false,
    };

    fn layers(count: usize, draws: &mut Draws) -> Vec<Matrix> {
        // A direction that all layers and both models share.
        let common: Vec<f64> = (0..24).map(|at| f64::from(at % 5) - 2.0).collect();
        let mut layer = |_| {
            let values = (0..80 * 24)
                .map(|at| (draws.normal() + common[at % 24]) as f32)
                .collect();
            Matrix {
                rows: 80,
                columns: 24,
                values,
            }
        };
        (0..count).map(&mut layer).collect()
    }

    fn map(target: &[Matrix], base: &[Matrix]) -> Vec<Option<usize>> {
        let probes = SAMPLING.probes(80);
        let held = |layers: &[Matrix]| -> Vec<Held> {
            layers
                .iter()
                .map(|layer| Held::some(&RowFeatures::new(layer), &probes).unwrap())
                .collect()
        };
        let candidates = candidates(&held(target), &held(base));
        let pairs = target.len() * base.len();
        let origin = |(target, candidate): (&Matrix, Option<usize>)| {
            let at = candidate?;
            let (base, target) = (RowFeatures::new(&base[at]), RowFeatures::new(target));
            let test = fixed_point_test(&base, &target, &probes).unwrap().ok()?;
            Some(LayerOrigin::accepted(at, test.log10_p, pairs)?.base)
        };
        target.iter().zip(candidates).map(origin).collect()
    }

    #[test]
    fn doubled_dropped_reversed_and_foreign_layers_are_placed() {
        let mut draws = Draws::new(0, "layer map");
        let base = layers(6, &mut draws);
        let own = layers(1, &mut draws);
        let of = |sources: &[usize]| -> Vec<Matrix> {
            sources.iter().map(|&layer| base[layer].clone()).collect()
        };
        let places = |layers: &[usize]| layers.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(
            map(&of(&[0, 1, 2, 3, 4, 2, 3, 4, 5]), &base),
            places(&[0, 1, 2, 3, 4, 2, 3, 4, 5])
        );
        assert_eq!(map(&of(&[0, 1, 3, 5]), &base), places(&[0, 1, 3, 5]));
        assert_eq!(
            map(&of(&[5, 4, 3, 2, 1, 0]), &base),
            places(&[5, 4, 3, 2, 1, 0])
        );
        assert_eq!(map(&[&of(&[4])[..], &own].concat(), &base), [Some(4), None]);
        assert_eq!(map(&layers(6, &mut draws), &base), [None; 6]);
        assert_eq!(map(&own, &[]), [None]);
    }
}
