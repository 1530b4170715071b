//! Leading singular vectors of a matrix whose rows are streamed.
//!
//! A matrix with a side of at most [`EXACT`] goes by the eigenvectors of that side's Gram matrix; one with two longer
//! sides by a randomised range finder. Memory: one tile of rows, the Gram matrix or the basis, the vectors.

use crate::error::{Error, Result};
use crate::numeric::linalg::{Dense, fix_sign, orthonormal_rows, symmetric_eigen};
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;

/// Longest side whose Gram matrix is decomposed.
pub const EXACT: usize = 1024;

/// Values in one tile of rows: 8 MB as read, 16 MB in double precision.
const TILE_VALUES: usize = 1 << 21;

/// Vectors of the range finder beyond those asked for.
const OVERSAMPLING: usize = 8;

/// Multiplications with C of the range finder: start, two power steps, one for the Ritz values.
const LEAST_STEPS: usize = 3;

/// Where the spectrum falls so slowly that the residuals are still large, it goes on up to here.
const MOST_STEPS: usize = 12;

/// Mean sine of the angles between found and true vectors that is near enough.
const NEAR_ENOUGH: f64 = 2e-4;

/// Eigenvalues of a Gram matrix that differ by less than this share of the largest cannot be told apart in double
/// precision.
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
pub struct Leading {
    /// k orthonormal vectors that span it, one a row.
    pub vectors: Dense,
    /// An estimate from above of the sum of the sines of the angles between this subspace and the true one, at most k;
    /// `None` where the vectors are exact.
    pub deviation: Option<f64>,
}

/// Why a matrix has no k leading singular vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSubspace {
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

/// The `k` leading singular vectors of `source` on `side`; with `centred`, of what is left when the mean row is taken
/// off every row. k must be at most the shorter side.
///
/// The range finder's start is drawn on the other side than `side`. Hence its result turns with any re-ordering of the
/// dimensions of `side`, as the exact one does, and the expectation over all orders holds for it as it stands; a start
/// on `side` itself would pull two unrelated matrices towards the same vectors.
///
/// # Errors
/// When rows cannot be read.
pub fn leading(
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
            by_range(&tiles, side, k)
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
        let mut tiles = Self { source, mean: None, height };
        if centred {
            let mut mean = vec![0.0; source.columns()];
            tiles.each(|_, tile| {
                for i in 0..tile.rows {
                    mean.iter_mut().zip(tile.row(i)).for_each(|(sum, v)| *sum += v);
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
        let mut tile = Dense { rows: rows.len(), columns, values: stored.iter().map(|&v| f64::from(v)).collect() };
        if !tile.values.iter().all(|v| v.is_finite()) {
            return Err(NoSubspace::NonFinite.into());
        }
        if let Some(mean) = &self.mean {
            for i in 0..tile.rows {
                tile.row_mut(i).iter_mut().zip(mean).for_each(|(v, m)| *v -= m);
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

    /// W · vᵀ for each row v of `vectors`, one result a row, of length rows.
    fn times(&self, vectors: &Dense) -> Step<Dense> {
        let rows = self.source.rows();
        let mut out = Dense::zeros(vectors.rows, rows);
        self.each(|first, tile| {
            let products = vectors.times_transposed(tile);
            for i in 0..products.rows {
                out.row_mut(i)[first..first + tile.rows].copy_from_slice(products.row(i));
            }
        })?;
        Ok(out)
    }

    /// Wᵀ · uᵀ for each row u of `vectors`, one result a row, of length columns.
    fn transposed_times(&self, vectors: &Dense) -> Step<Dense> {
        let mut out = Dense::zeros(vectors.rows, self.source.columns());
        self.each(|first, tile| {
            let mut part = Dense::zeros(tile.rows, vectors.rows);
            for i in 0..tile.rows {
                part.row_mut(i).iter_mut().enumerate().for_each(|(j, v)| *v = vectors.row(j)[first + i]);
            }
            out.add_transposed_times(&part, tile, 1.0);
        })?;
        Ok(out)
    }

    /// WᵀW · vᵀ for each row v of `vectors`, one result a row.
    fn gram_times(&self, vectors: &Dense) -> Step<Dense> {
        let mut out = Dense::zeros(vectors.rows, vectors.columns);
        self.each(|_, tile| out.add_transposed_times(&tile.times_transposed(vectors), tile, 1.0))?;
        Ok(out)
    }
}

/// The first k of `vectors`, once the eigenvalues are seen to tell them from the rest.
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
    tiles.each(|_, tile| gram.add_transposed_times(tile, tile, 1.0))?;
    let eigen = symmetric_eigen(&gram).ok_or(NoSubspace::NonFinite)?;
    let right = resolved(&eigen.values, eigen.vectors, k)?;
    let vectors = match side {
        Side::Columns => right,
        Side::Rows => orthonormal(&tiles.times(&right)?),
    };
    Ok(Leading { vectors, deviation: None })
}

/// By the Gram matrix of the rows, WWᵀ, from pairs of tiles.
fn by_rows(tiles: &Tiles, side: Side, k: usize) -> Step<Leading> {
    let rows = tiles.source.rows();
    let mut gram = Dense::zeros(rows, rows);
    for i in 0..tiles.count() {
        let upper = tiles.read(i)?;
        for j in 0..=i {
            let products =
                if j == i { upper.times_transposed(&upper) } else { upper.times_transposed(&tiles.read(j)?) };
            for row in 0..products.rows {
                gram.row_mut(i * tiles.height + row)[j * tiles.height..][..products.columns]
                    .copy_from_slice(products.row(row));
            }
        }
    }
    let eigen = symmetric_eigen(&gram).ok_or(NoSubspace::NonFinite)?;
    let left = resolved(&eigen.values, eigen.vectors, k)?;
    let vectors = match side {
        Side::Rows => left,
        Side::Columns => orthonormal(&tiles.transposed_times(&left)?),
    };
    Ok(Leading { vectors, deviation: None })
}

fn orthonormal(rows: &Dense) -> Dense {
    let mut out = orthonormal_rows(rows);
    for i in 0..out.rows {
        fix_sign(out.row_mut(i));
    }
    out
}

/// By a randomised range finder (Halko, Martinsson and Tropp 2011) on C = WᵀW that keeps the vectors of all its power
/// steps, a block Krylov space (Musco and Musco 2015): the same passes over the rows, a much smaller error.
fn by_range(tiles: &Tiles, side: Side, k: usize) -> Step<Leading> {
    let (rows, columns) = (tiles.source.rows(), tiles.source.columns());
    let width = k + OVERSAMPLING;
    let mut block = match side {
        Side::Columns => tiles.transposed_times(&random_signs(width, rows))?,
        Side::Rows => tiles.gram_times(&random_signs(width, columns))?,
    };
    let mut basis = Dense::zeros(0, columns);
    let mut images = Dense::zeros(0, columns);
    let mut ritz = Ritz::default();
    for step in 1..=MOST_STEPS {
        let fresh = outside(&basis, &block);
        if fresh.rows == 0 {
            break;
        }
        block = tiles.gram_times(&fresh)?;
        basis.append(&fresh);
        images.append(&block);
        ritz = Ritz::new(&basis, &images, k)?;
        if step >= LEAST_STEPS && ritz.deviation <= NEAR_ENOUGH * k as f64 {
            break;
        }
    }
    let right = resolved(&ritz.values, ritz.vectors, k)?;
    let vectors = match side {
        Side::Columns => right,
        Side::Rows => orthonormal(&tiles.times(&right)?),
    };
    Ok(Leading { vectors, deviation: Some(ritz.deviation) })
}

/// `count` vectors of random signs, one a row.
fn random_signs(count: usize, length: usize) -> Dense {
    let mut draws = Draws::new(0, "range finder");
    let mut out = Dense::zeros(count, length);
    for i in 0..length {
        let bits = draws.below(1 << count);
        for j in 0..count {
            out.values[j * length + i] = if bits >> j & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
    out
}

/// An orthonormal basis of what the rows of `block` have outside the span of `basis`; twice, since once loses digits.
fn outside(basis: &Dense, block: &Dense) -> Dense {
    let mut rest = orthonormal_rows(block);
    for _ in 0..2 {
        if basis.rows > 0 {
            let within = basis.times_transposed(&rest);
            rest.add_transposed_times(&within, basis, -1.0);
        }
        drop_short(&mut rest);
        rest = orthonormal_rows(&rest);
    }
    rest
}

/// Drops rows that are rounding noise of vectors once of length 1, lest scaling them up make vectors of them.
fn drop_short(rows: &mut Dense) {
    let kept: Vec<usize> = (0..rows.rows).filter(|&i| rows.row(i).iter().map(|v| v * v).sum::<f64>() > 1e-20).collect();
    rows.values = kept.iter().flat_map(|&i| rows.row(i).to_vec()).collect();
    rows.rows = kept.len();
}

/// Eigenvalues and eigenvectors of C as seen from a subspace (Rayleigh and Ritz).
struct Ritz {
    values: Vec<f64>,
    vectors: Dense,
    deviation: f64,
}

impl Default for Ritz {
    fn default() -> Self {
        Self { values: Vec::new(), vectors: Dense::zeros(0, 0), deviation: 0.0 }
    }
}

impl Ritz {
    /// From an orthonormal basis and its images under C, one vector a row; the k + 1 leading vectors are kept.
    fn new(basis: &Dense, images: &Dense, k: usize) -> Step<Self> {
        let eigen = symmetric_eigen(&images.times_transposed(basis)).ok_or(NoSubspace::NonFinite)?;
        let mut weights = eigen.vectors;
        weights.truncate(k + 1);
        let vectors = weights.times(basis);
        let mut residuals = weights.times(images);
        for i in 0..residuals.rows {
            let value = eigen.values[i];
            residuals.row_mut(i).iter_mut().zip(vectors.row(i)).for_each(|(r, v)| *r -= value * v);
        }
        let norms: Vec<f64> =
            (0..residuals.rows).map(|i| residuals.row(i).iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
        let deviation = deviation(&eigen.values, &norms, k);
        Ok(Self { values: eigen.values, vectors, deviation })
    }
}

/// Sum of the sines of the angles between the k leading Ritz vectors and the true ones, estimated from above.
///
/// For the j leading ones the sin Θ theorem (Davis and Kahan 1970) bounds the root of the sum of squares by
/// ‖residuals‖ / (θ_j − λ_{j+1}), hence the sum by √j times that; λ_{j+1} is taken as θ_{j+1} plus its residual, which
/// is an estimate: it holds unless the random start missed an eigenvector altogether. The k − j vectors after them
/// count 1 each, and j is the best choice. Residuals are orthogonal to the basis, so that one multiplication with W
/// does not enlarge them against the values: the bound holds for the left vectors too.
fn deviation(values: &[f64], residuals: &[f64], k: usize) -> f64 {
    let value = |i: usize| values.get(i).copied().unwrap_or(0.0);
    let residual = |i: usize| residuals.get(i).copied().unwrap_or(0.0);
    let mut least = k as f64;
    let mut squares = 0.0;
    for j in 1..=k {
        squares += residual(j - 1).powi(2);
        let gap = value(j - 1) - value(j) - residual(j);
        if gap > 0.0 {
            let settled = ((j as f64 * squares).sqrt() / gap).min(j as f64);
            least = least.min(settled + (k - j) as f64);
        }
    }
    least
}
