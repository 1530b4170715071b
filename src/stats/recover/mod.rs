//! Which change of basis turns one model into the other, and does undoing it bring the rest of the
//! weights together? (guide/methods.md, section 4.)
//!
//! A re-ordering or a rotation of the residual stream is recovered from the embeddings over shared
//! tokens, an order of heads from their values and outputs. What is recovered always fits the data
//! it came from, and embeddings of independent models trained on like text can be turned into one
//! another to a surprising degree: so each answer carries its agreement on tokens held out, and
//! only [`undo`](undo::undo) on tensors that took no part is evidence.

pub(crate) mod heads;
pub(crate) mod order;
pub(crate) mod rotation;
pub(crate) mod undo;

use crate::error::Result;
use crate::numeric::linalg::Dense;
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};

/// Most tokens held out.
const HELD_OUT: usize = 512;

/// Tokens whose rows are held at one time in double precision.
const TOKENS_AT_ONCE: usize = 256;

/// One dimension of each side that are the same but for a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Index in the base.
    pub base: usize,
    /// Index in the target.
    pub target: usize,
    /// Whether the target has the opposite sign.
    pub negated: bool,
}

impl Pair {
    /// 1 or −1.
    fn sign(self) -> f64 {
        if self.negated { -1.0 } else { 1.0 }
    }
}

/// Shared tokens in two parts, as rows of the embeddings of base and target; centred by the mean of
/// the fitted rows.
struct Tokens<'a> {
    sources: [&'a dyn RowSource; 2],
    means: [Vec<f64>; 2],
    /// Rows to recover from.
    fitted: Vec<usize>,
    /// Rows held out.
    held_out: Vec<usize>,
}

impl<'a> Tokens<'a> {
    /// At most `fitted` tokens drawn from `seed`, and as many as [`HELD_OUT`] others; of few, a
    /// quarter is held out.
    ///
    /// `None` with fewer than 16 tokens or a value that is not finite.
    fn draw(sources: [&'a dyn RowSource; 2], fitted: usize, seed: u64) -> Result<Option<Self>> {
        let shared = sources[0].rows().min(sources[1].rows());
        if shared < 16 {
            return Ok(None);
        }
        let mut held_out = Draws::new(seed, "shared tokens").permutation(shared);
        let mut rest = held_out.split_off((shared / 4).min(HELD_OUT));
        rest.truncate(fitted);
        held_out.sort_unstable();
        rest.sort_unstable();
        let means = sources.map(|source| vec![0.0; source.columns()]);
        let mut tokens = Self {
            sources,
            means,
            fitted: rest,
            held_out,
        };
        let mut means = tokens.means.clone();
        tokens.each(&tokens.fitted, |_, sides| {
            for (mean, side) in means.iter_mut().zip(sides) {
                for i in 0..side.rows {
                    mean.iter_mut()
                        .zip(side.row(i))
                        .for_each(|(sum, v)| *sum += v);
                }
            }
        })?;
        let count = tokens.fitted.len() as f64;
        means.iter_mut().flatten().for_each(|v| *v /= count);
        // A NaN or an infinity stays one in the sum of its column.
        let finite = means.iter().flatten().all(|v| v.is_finite());
        tokens.means = means;
        Ok(finite.then_some(tokens))
    }

    /// Calls `visit` with the number of the first token and a few rows of base and target, in the
    /// order of `tokens`.
    fn each(&self, tokens: &[usize], mut visit: impl FnMut(usize, [&Dense; 2])) -> Result<()> {
        for (part, rows) in tokens.chunks(TOKENS_AT_ONCE).enumerate() {
            let mut sides = [
                wide(&Matrix::from_rows(self.sources[0], rows)?),
                wide(&Matrix::from_rows(self.sources[1], rows)?),
            ];
            for (side, mean) in sides.iter_mut().zip(&self.means) {
                for i in 0..side.rows {
                    side.row_mut(i)
                        .iter_mut()
                        .zip(mean)
                        .for_each(|(v, m)| *v -= m);
                }
            }
            visit(part * TOKENS_AT_ONCE, [&sides[0], &sides[1]]);
        }
        Ok(())
    }
}

fn wide(matrix: &Matrix) -> Dense {
    let values = matrix.values.iter().map(|&v| f64::from(v)).collect();
    Dense {
        rows: matrix.rows,
        columns: matrix.columns,
        values,
    }
}
