//! Leading singular vectors of a matrix whose rows are streamed.
//!
//! A matrix with a side of at most [`EXACT`] goes by the eigenvectors of that side's Gram matrix;
//! one with two longer sides by a randomised range finder. Memory: one tile of rows, the Gram
//! matrix or the basis, the vectors.

mod sketch;

use crate::error::{Error, Result};
use crate::numeric::linalg::{Dense, fix_sign, leading_eigen, orthonormal_rows};
use crate::numeric::rows::RowSource;
use crate::numeric::wide::widest;

/// Longest side whose Gram matrix is decomposed.
pub(crate) const EXACT: usize = 1024;

/// Values in one tile of rows: 8 MB as read, 16 MB in double precision.
const TILE_VALUES: usize = 1 << 21;

/// Eigenvalues of a Gram matrix that differ by less than this share of the largest cannot be told
/// apart in double precision.
const RESOLVED: f64 = 1e-12;

/// A side of a matrix of shape (rows, columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Left singular vectors, of length rows.
    Rows,
    /// Right singular vectors, of length columns.
    Columns,
}

impl Side {
    /// Length of the side's vectors.
    pub fn dimension(self, source: &dyn RowSource) -> usize {
        match self {
            Self::Rows => source.rows(),
            Self::Columns => source.columns(),
        }
    }
}

/// The subspace of the k leading singular vectors.
#[derive(Debug, Clone)]
pub(crate) struct Leading {
    /// k orthonormal vectors that span it, one a row.
    pub vectors: Dense,
    /// An estimate from above of the sum of the sines of the angles between this subspace and the
    /// true one, at most k; `None` where the vectors are exact.
    pub deviation: Option<f64>,
}

/// Why a matrix has no k leading singular vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSubspace {
    /// Some value is NaN or infinite.
    NonFinite,
    /// All values are zero, after the mean row is taken off where asked.
    Zero,
    /// The rank is below k.
    Rank(usize),
    /// Singular values k and k + 1 are equal, so that any vector of many would do.
    Tie,
}

/// Ends the work on a matrix.
enum Stop {
    Undefined(NoSubspace),
    Failed(Error),
}

impl From<NoSubspace> for Stop {
    fn from(why: NoSubspace) -> Self {
        Self::Undefined(why)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Step<T> = std::result::Result<T, Stop>;

/// The `k` leading singular vectors of `source` on `side`; with `centred`, of what is left when the
/// mean row is taken off every row. k must be at most the shorter side.
///
/// The range finder's start is drawn on the other side than `side`. Hence its result turns with any
/// re-ordering of the dimensions of `side`, as the exact one does, and the expectation over all
/// orders holds for it as it stands; a start on `side` itself would pull two unrelated matrices
/// towards the same vectors.
///
/// # Errors
/// When rows cannot be read.
pub(crate) fn leading(
    source: &dyn RowSource,
    side: Side,
    k: usize,
    centred: bool,
) -> Result<std::result::Result<Leading, NoSubspace>> {
    let found = Tiles::new(source, centred).and_then(|tiles| {
        let (rows, columns) = (source.rows(), source.columns());
        if columns <= EXACT && (columns <= rows || rows > EXACT) {
            by_columns(&tiles, side, k)
        } else if rows <= EXACT {
            by_rows(&tiles, side, k)
        } else {
            sketch::by_range(&tiles, side, k)
        }
    });
    match found {
        Ok(leading) => Ok(Ok(leading)),
        Err(Stop::Undefined(why)) => Ok(Err(why)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// The rows of a source, a tile at a time, in double precision, the mean row taken off where asked.
struct Tiles<'a> {
    source: &'a dyn RowSource,
    mean: Option<Vec<f64>>,
    height: usize,
}

impl<'a> Tiles<'a> {
    fn new(source: &'a dyn RowSource, centred: bool) -> Step<Self> {
        let height = (TILE_VALUES / source.columns().max(1)).clamp(1, source.rows().max(1));
        let mut tiles = Self {
            source,
            mean: None,
            height,
        };
        if centred {
            let mut mean = vec![0.0; source.columns()];
            tiles.each(|_, tile| {
                for i in 0..tile.rows {
                    mean.iter_mut()
                        .zip(tile.row(i))
                        .for_each(|(sum, v)| *sum += v);
                }
            })?;
            mean.iter_mut().for_each(|v| *v /= source.rows() as f64);
            tiles.mean = Some(mean);
        }
        Ok(tiles)
    }

    fn count(&self) -> usize {
        self.source.rows().div_ceil(self.height)
    }

    /// Tile number `index`.
    fn read(&self, index: usize) -> Step<Dense> {
        let columns = self.source.columns();
        let rows = index * self.height..((index + 1) * self.height).min(self.source.rows());
        let mut stored = vec![0.0f32; rows.len() * columns];
        self.source.read_rows(rows.clone(), &mut stored)?;
        if !are_finite(&stored) {
            return Err(NoSubspace::NonFinite.into());
        }
        let mut tile = Dense {
            rows: rows.len(),
            columns,
            values: in_double(&stored),
        };
        if let Some(mean) = &self.mean {
            for i in 0..tile.rows {
                tile.row_mut(i)
                    .iter_mut()
                    .zip(mean)
                    .for_each(|(v, m)| *v -= m);
            }
        }
        Ok(tile)
    }

    /// Calls `visit` with the number of the first row and the tile, in order.
    fn each(&self, mut visit: impl FnMut(usize, &Dense)) -> Step<()> {
        for index in 0..self.count() {
            visit(index * self.height, &self.read(index)?);
        }
        Ok(())
    }

    /// The images on side `to` of vectors on the other side, one a row: W · v, or Wᵀ · u.
    fn across(&self, to: Side, vectors: &Dense) -> Step<Dense> {
        let mut out = Dense::zeros(vectors.rows, to.dimension(self.source));
        self.each(|first, tile| match to {
            Side::Rows => {
                let products = vectors.times_transposed(tile);
                for i in 0..products.rows {
                    out.row_mut(i)[first..first + tile.rows].copy_from_slice(products.row(i));
                }
            }
            Side::Columns => {
                let mut part = Dense::zeros(tile.rows, vectors.rows);
                for i in 0..tile.rows {
                    part.row_mut(i)
                        .iter_mut()
                        .enumerate()
                        .for_each(|(j, v)| *v = vectors.row(j)[first + i]);
                }
                out.add_transposed_times(&part, tile, 1.0);
            }
        })?;
        Ok(out)
    }

    /// The images of vectors on `side` under that side's Gram matrix, WᵀW or WWᵀ; the latter takes
    /// two passes.
    fn gram_times(&self, side: Side, vectors: &Dense) -> Step<Dense> {
        match side {
            Side::Rows => self.across(Side::Rows, &self.across(Side::Columns, vectors)?),
            Side::Columns => {
                let mut out = Dense::zeros(vectors.rows, vectors.columns);
                self.each(|_, tile| {
                    out.add_transposed_times(&tile.times_transposed(vectors), tile, 1.0)
                })?;
                Ok(out)
            }
        }
    }
}

/// Whether no value is NaN or infinite.
fn are_finite(values: &[f32]) -> bool {
    const SIZE: u32 = !(1 << 31);
    let largest = widest(
        #[inline(always)]
        || {
            let sizes = values.iter().map(|v| v.to_bits() & SIZE);
            sizes.fold(0, u32::max)
        },
    );
    largest < f32::INFINITY.to_bits()
}

fn in_double(values: &[f32]) -> Vec<f64> {
    let mut out = vec![0.0; values.len()];
    widest(
        #[inline(always)]
        || {
            let places = out.iter_mut().zip(values);
            places.for_each(|(out, &v)| *out = f64::from(v));
        },
    );
    out
}

/// The first k of `vectors`, once the eigenvalues, k + 1 of them where there are so many, are seen
/// to tell them from the rest.
fn resolved(values: &[f64], mut vectors: Dense, k: usize) -> Step<Dense> {
    let largest = values.first().copied().unwrap_or(0.0);
    if largest <= 0.0 {
        return Err(NoSubspace::Zero.into());
    }
    let rank = values.iter().filter(|&&v| v > RESOLVED * largest).count();
    if rank < k {
        return Err(NoSubspace::Rank(rank).into());
    }
    if values.len() > k && values[k - 1] - values[k] <= RESOLVED * largest {
        return Err(NoSubspace::Tie.into());
    }
    vectors.truncate(k);
    Ok(vectors)
}

/// By the Gram matrix of the columns, WᵀW.
fn by_columns(tiles: &Tiles, side: Side, k: usize) -> Step<Leading> {
    let columns = tiles.source.columns();
    let mut gram = Dense::zeros(columns, columns);
    tiles.each(|_, tile| gram.add_own_products(tile, 1.0))?;
    let eigen = leading_eigen(&gram, (k + 1).min(gram.rows)).ok_or(NoSubspace::NonFinite)?;
    let right = resolved(&eigen.values, eigen.vectors, k)?;
    let vectors = match side {
        Side::Columns => right,
        Side::Rows => orthonormal(&tiles.across(side, &right)?),
    };
    Ok(Leading {
        vectors,
        deviation: None,
    })
}

/// By the Gram matrix of the rows, WWᵀ, from pairs of tiles.
fn by_rows(tiles: &Tiles, side: Side, k: usize) -> Step<Leading> {
    let rows = tiles.source.rows();
    let mut gram = Dense::zeros(rows, rows);
    for i in 0..tiles.count() {
        let upper = tiles.read(i)?;
        for j in 0..=i {
            let products = if j == i {
                upper.own_products()
            } else {
                upper.times_transposed(&tiles.read(j)?)
            };
            for row in 0..products.rows {
                gram.row_mut(i * tiles.height + row)[j * tiles.height..][..products.columns]
                    .copy_from_slice(products.row(row));
            }
        }
    }
    let eigen = leading_eigen(&gram, (k + 1).min(gram.rows)).ok_or(NoSubspace::NonFinite)?;
    let left = resolved(&eigen.values, eigen.vectors, k)?;
    let vectors = match side {
        Side::Rows => left,
        Side::Columns => orthonormal(&tiles.across(side, &left)?),
    };
    Ok(Leading {
        vectors,
        deviation: None,
    })
}

fn orthonormal(rows: &Dense) -> Dense {
    let mut out = orthonormal_rows(rows);
    for i in 0..out.rows {
        fix_sign(out.row_mut(i));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sketch::{Ritz, by_range, outside, random_signs};
    use super::*;
    use crate::numeric::linalg::symmetric_eigen;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    /// Noise, and `rank` directions each a tenth weaker than the one before.
    fn random(rows: usize, columns: usize, rank: usize, seed: u64) -> Matrix {
        let mut draws = Draws::new(seed, "matrix");
        let mut normal = |rows: usize, columns: usize| Dense {
            rows,
            columns,
            values: (0..rows * columns).map(|_| draws.normal()).collect(),
        };
        let mut values = normal(rows, columns);
        let (mut left, right) = (normal(rows, rank), normal(columns, rank));
        for i in 0..rows {
            left.row_mut(i)
                .iter_mut()
                .enumerate()
                .for_each(|(r, v)| *v *= 3.0 * 0.9f64.powi(r as i32));
        }
        values
            .values
            .iter_mut()
            .zip(left.times_transposed(&right).values)
            .for_each(|(v, s)| *v += s);
        Matrix {
            rows,
            columns,
            values: values.values.iter().map(|&v| v as f32).collect(),
        }
    }

    fn tiles(matrix: &Matrix, height: usize) -> Tiles<'_> {
        Tiles {
            source: matrix,
            mean: None,
            height,
        }
    }

    /// Sum of the sines between two subspaces: the cosines are the singular values of the products.
    fn sines(a: &Dense, b: &Dense) -> f64 {
        let products = a.times_transposed(b);
        let eigen = symmetric_eigen(&products.times_transposed(&products)).unwrap();
        eigen
            .values
            .iter()
            .map(|c| (1.0 - c.min(1.0)).max(0.0).sqrt())
            .sum()
    }

    fn unwrap(step: Step<Leading>) -> Leading {
        step.unwrap_or_else(|_| panic!("no subspace"))
    }

    #[test]
    fn every_way_finds_the_same_subspace_whatever_the_tiles() {
        for (rows, columns) in [(130, 90), (90, 130)] {
            let matrix = random(rows, columns, 30, 1);
            for side in [Side::Rows, Side::Columns] {
                let exact = unwrap(by_columns(&tiles(&matrix, rows), side, 8));
                assert_eq!(
                    (exact.vectors.rows, exact.vectors.columns),
                    (8, side.dimension(&matrix))
                );
                assert!(exact.deviation.is_none());
                for height in [1, 7, rows] {
                    assert!(
                        sines(
                            &exact.vectors,
                            &unwrap(by_columns(&tiles(&matrix, height), side, 8)).vectors
                        ) < 1e-5
                    );
                    assert!(
                        sines(
                            &exact.vectors,
                            &unwrap(by_rows(&tiles(&matrix, height), side, 8)).vectors
                        ) < 1e-5
                    );
                    let sketch = unwrap(by_range(&tiles(&matrix, height), side, 8));
                    assert!(
                        sines(&exact.vectors, &sketch.vectors) < 1e-5 + sketch.deviation.unwrap()
                    );
                    assert!(sketch.deviation.unwrap() < 0.01);
                }
            }
        }
    }

    #[test]
    fn the_stated_deviation_is_above_the_true_one_also_without_leading_directions() {
        for seed in 0..2 {
            let matrix = random(700, 500, 0, seed);
            for side in [Side::Rows, Side::Columns] {
                let exact = unwrap(by_columns(&tiles(&matrix, 64), side, 32));
                let sketch = unwrap(by_range(&tiles(&matrix, 64), side, 32));
                let (stated, truth) = (
                    sketch.deviation.unwrap(),
                    sines(&exact.vectors, &sketch.vectors),
                );
                assert!(
                    stated >= truth - 1e-6 && stated <= 32.0,
                    "stated {stated}, true {truth}"
                );
            }
        }
    }

    #[test]
    fn an_estimate_cut_short_still_covers_what_is_missing() {
        let matrix = random(300, 260, 0, 9);
        let tiles = tiles(&matrix, 64);
        let exact = unwrap(by_columns(&tiles, Side::Columns, 16));
        let block = tiles
            .across(Side::Columns, &random_signs(24, 300))
            .unwrap_or_else(|_| panic!());
        let (mut basis, mut images) = (Dense::zeros(0, 260), Dense::zeros(0, 260));
        let mut block = block;
        for _ in 0..5 {
            let fresh = outside(&basis, &block);
            block = tiles
                .gram_times(Side::Columns, &fresh)
                .unwrap_or_else(|_| panic!());
            basis.append(&fresh);
            images.append(&block);
            let ritz = Ritz::new(&basis, &images, 16).unwrap_or_else(|_| panic!());
            assert!(ritz.deviation >= sines(&exact.vectors, &ritz.vectors));
        }
    }

    #[test]
    fn the_sketch_turns_with_the_order_of_the_dimensions() {
        let matrix = random(60, 50, 0, 3);
        let mut draws = Draws::new(4, "order");
        for side in [Side::Rows, Side::Columns] {
            let order = draws.permutation(side.dimension(&matrix));
            let mut moved = matrix.clone();
            for i in 0..60 {
                for j in 0..50 {
                    let (row, column) = if side == Side::Rows {
                        (order[i], j)
                    } else {
                        (i, order[j])
                    };
                    moved.values[i * 50 + j] = matrix.values[row * 50 + column];
                }
            }
            let found = unwrap(by_range(&tiles(&matrix, 9), side, 5));
            let mut expected = found.vectors.clone();
            for v in 0..5 {
                (0..order.len())
                    .for_each(|i| expected.row_mut(v)[i] = found.vectors.row(v)[order[i]]);
            }
            assert!(
                sines(
                    &expected,
                    &unwrap(by_range(&tiles(&moved, 9), side, 5)).vectors
                ) < 1e-4
            );
        }
    }

    #[test]
    fn a_sketch_of_low_rank_or_of_nothing_says_so() {
        let mut matrix = random(80, 70, 0, 5);
        let left = random(80, 3, 0, 6);
        for i in 0..80 {
            for j in 0..70 {
                matrix.values[i * 70 + j] = (0..3)
                    .map(|r| left.values[i * 3 + r] * ((j * (r + 1)) % 7) as f32)
                    .sum();
            }
        }
        assert!(matches!(
            by_range(&tiles(&matrix, 16), Side::Rows, 4),
            Err(Stop::Undefined(NoSubspace::Rank(3)))
        ));
        assert!(by_range(&tiles(&matrix, 16), Side::Rows, 3).is_ok());
        matrix.values.fill(0.0);
        assert!(matches!(
            by_range(&tiles(&matrix, 16), Side::Columns, 4),
            Err(Stop::Undefined(NoSubspace::Zero))
        ));
    }
}
