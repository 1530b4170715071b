//! The rotation of the residual stream, from the embeddings over shared tokens.

use super::Tokens;
use crate::error::Result;
use crate::numeric::linalg::{Dense, polar_factor, round6};
use crate::numeric::rows::RowSource;

/// Widest residual stream: at 4,096 the decomposition takes half a minute and 1 GB.
pub(crate) const WIDEST: usize = 4096;

/// Least and most tokens to recover from; twice the width where there are so many, since fewer than
/// the width leave directions open.
const TOKENS: (usize, usize) = (2048, 2 * WIDEST);

/// A rotation of the residual stream (an orthogonal matrix, mirrors included).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    /// R of shape (d, d) with E_target ≈ E_base · R; less than orthogonal where the tokens do not
    /// span the stream.
    pub matrix: Dense,
    /// Cosine of E_base · R and E_target over tokens held out, mean rows off; 6 digits. Embeddings
    /// of independent models on like text reach high values here: it is no evidence by itself.
    pub agreement: f64,
}

/// Why there is no rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRotation {
    /// The streams have different widths.
    Widths,
    /// The stream is wider than [`WIDEST`].
    TooWide,
    /// Fewer than 16 shared tokens, or values that are not finite.
    Tokens,
}

/// The rotation that takes the base's embeddings to the target's, the polar factor of
/// E_baseᵀ·E_target (Schönemann 1966); embeddings of shape (shared tokens, d) whose rows are the
/// same tokens in the same order.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn recover_rotation(
    base: &dyn RowSource,
    target: &dyn RowSource,
    seed: u64,
) -> Result<std::result::Result<Rotation, NoRotation>> {
    let width = base.columns();
    if width != target.columns() || width == 0 {
        return Ok(Err(NoRotation::Widths));
    }
    if width > WIDEST {
        return Ok(Err(NoRotation::TooWide));
    }
    let fitted = (2 * width).clamp(TOKENS.0, TOKENS.1);
    let Some(tokens) = Tokens::draw([base, target], fitted, seed)? else {
        return Ok(Err(NoRotation::Tokens));
    };
    let mut crossed = Dense::zeros(width, width);
    tokens.each(&tokens.fitted, |_, [base, target]| {
        crossed.add_transposed_times(base, target, 1.0)
    })?;
    let Some(matrix) = polar_factor(&crossed) else {
        return Ok(Err(NoRotation::Tokens));
    };
    let mut sums = [0.0; 3];
    tokens.each(&tokens.held_out, |_, [base, target]| {
        let turned = base.times(&matrix);
        sums[0] += turned
            .values
            .iter()
            .zip(&target.values)
            .map(|(a, b)| a * b)
            .sum::<f64>();
        sums[1] += turned.energy();
        sums[2] += target.energy();
    })?;
    let norms = (sums[1] * sums[2]).sqrt();
    let agreement = if norms > 0.0 && norms.is_finite() {
        round6((sums[0] / norms).clamp(-1.0, 1.0))
    } else {
        0.0
    };
    Ok(Ok(Rotation { matrix, agreement }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::linalg::orthonormal_rows;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    fn random(rows: usize, columns: usize, seed: u64) -> Dense {
        let mut draws = Draws::new(seed, "embeddings");
        Dense {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal()).collect(),
        }
    }

    fn stored(matrix: &Dense) -> Matrix {
        let values = matrix.values.iter().map(|&v| v as f32).collect();
        Matrix {
            rows: matrix.rows,
            columns: matrix.columns,
            values,
        }
    }

    #[test]
    fn a_planted_rotation_is_recovered_through_noise() {
        for noise in [0.0, 0.1, 0.5] {
            let (base, rotation) = (random(800, 48, 1), orthonormal_rows(&random(48, 48, 2)));
            let mut target = base.times(&rotation);
            target
                .values
                .iter_mut()
                .zip(random(800, 48, 3).values)
                .for_each(|(v, n)| *v += noise * n + 0.3);
            let found = recover_rotation(&stored(&base), &stored(&target), 0)
                .unwrap()
                .unwrap();
            assert!(
                (found.agreement - 1.0 / (1.0 + noise * noise).sqrt()).abs() < 0.02,
                "{}",
                found.agreement
            );
            let overlap: f64 = found
                .matrix
                .values
                .iter()
                .zip(&rotation.values)
                .map(|(a, b)| a * b)
                .sum();
            assert!(
                overlap / 48.0 > 1.0 - 0.5 * noise * noise - 1e-5,
                "{overlap}"
            );
            let lengths = found.matrix.times_transposed(&found.matrix);
            assert!((0..48).all(|i| (lengths.row(i)[i] - 1.0).abs() < 1e-9));
        }
    }

    #[test]
    fn fewer_tokens_than_dimensions_do_not_pass_for_agreement() {
        let (base, target) = (random(60, 48, 4), random(60, 48, 5));
        let found = recover_rotation(&stored(&base), &stored(&target), 0)
            .unwrap()
            .unwrap();
        assert!(found.agreement.abs() < 0.15, "{}", found.agreement);
    }

    #[test]
    fn independent_embeddings_agree_by_chance_only() {
        for seed in 0..10 {
            let (base, target) = (
                stored(&random(500, 40, 10 + seed)),
                stored(&random(500, 40, 30 + seed)),
            );
            let found = recover_rotation(&base, &target, seed).unwrap().unwrap();
            assert!(found.agreement.abs() < 0.06, "{}", found.agreement);
        }
    }

    #[test]
    fn what_cannot_be_turned_says_why() {
        let base = stored(&random(100, 20, 6));
        let mut broken = base.clone();
        broken.values.fill(f32::NAN);
        assert_eq!(
            recover_rotation(&base, &broken, 0).unwrap(),
            Err(NoRotation::Tokens)
        );
        assert_eq!(
            recover_rotation(&base, &stored(&random(100, 21, 7)), 0).unwrap(),
            Err(NoRotation::Widths)
        );
        assert_eq!(
            recover_rotation(&stored(&random(9, 20, 8)), &base, 0).unwrap(),
            Err(NoRotation::Tokens)
        );
        let wide = Matrix {
            rows: 1,
            columns: WIDEST + 1,
            values: vec![0.0; WIDEST + 1],
        };
        assert_eq!(
            recover_rotation(&wide, &wide, 0).unwrap(),
            Err(NoRotation::TooWide)
        );
    }
}
