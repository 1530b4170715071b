//! A logical tensor: what it means, its shape, and where its values are stored.

use std::sync::Arc;

use crate::format::gguf::Conversion;
use crate::model::dtype::{Dtype, Kind};
use crate::model::name::Meaning;
use crate::model::words::{Role, words};

pub(crate) use crate::format::gguf::Undo;

use super::composed::Composed;

words! {
    /// How a pair came to be compared.
    Via {
        /// Both sides as they are stored, in one number format.
        Stored = "stored",
        /// As stored, in two number formats.
        Cast = "cast",
        /// At least one side dequantised.
        Dequantized = "dequantized",
        /// At least one side cut out of a fused tensor.
        Split = "split",
        /// At least one side put together from several tensors.
        Stacked = "stacked",
        /// One side transposed.
        Transposed = "transposed",
        /// An output head with the other side's embedding.
        Tied = "tied",
        /// Paired by meaning under different names.
        Mapped = "mapped",
    }
}

/// A run of consecutive rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRun {
    /// First row.
    pub start: u64,
    /// Number of rows.
    pub count: u64,
    /// Distance from one row to the next.
    pub step: u64,
}

impl RowRun {
    /// Rows in ascending order as runs of neighbours.
    pub(crate) fn of_rows(rows: impl IntoIterator<Item = u64>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for row in rows {
            match runs.last_mut() {
                Some(run) if run.start + run.count == row => run.count += 1,
                _ => runs.push(Self {
                    start: row,
                    count: 1,
                    step: 1,
                }),
            }
        }
        runs
    }
}

/// Which rows of the stored matrix make up the logical one, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOrder {
    /// All of them.
    All,
    /// These runs.
    Runs(Arc<[RowRun]>),
    /// Rows of each of `heads` heads stored as interleaved rotary pairs, read as two halves
    /// (guide/formats.md, section 1.4: llama.cpp re-orders q and k of the Llama family).
    HalfSplit {
        /// Number of heads.
        heads: u64,
    },
}

/// Where the values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A stored tensor, by its index in the checkpoint.
    Tensor(usize),
    /// A quantised matrix, by its index in the model's list.
    Quantised(usize),
    /// A matrix whose layout is not read, by its index in the model's list of those.
    Unsupported(usize),
    /// A matrix of the base with an adapter's change ([`super::adapted`]): there are no values
    /// without the base.
    Adapted,
}

/// Factors of rows or columns that bring them to the other side's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// What each is multiplied by.
    pub factors: Arc<[f32]>,
    /// How far each factor may be off, relative to itself.
    pub uncertainty: Arc<[f32]>,
}

/// StoredAs of a logical tensor: its origin as a matrix, transposed where it is stored (in, out), of
/// which `rows` are taken.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAs {
    /// Where the values come from.
    pub origin: Origin,
    /// Rows and columns of the matrix in the origin, as they are stored. Transposed matrices may lie
    /// one behind the other: the rows that they have once transposed are then those of one matrix.
    pub stored: (u64, u64),
    /// First element of the matrix in the origin: not 0 for one expert of a stack.
    pub start: u64,
    /// Whether the matrix is stored (in, out).
    pub transposed: bool,
    /// Rows taken of the matrix (out, in).
    pub rows: RowOrder,
    /// Columns of the matrix (out, in) that make up the logical one, in its order, where these are
    /// not all in the order in which they lie; all rows are taken then.
    pub columns: Option<Arc<[RowRun]>>,
    /// What is undone on each value.
    pub undo: Undo,
    /// What the stored values are multiplied by to be the weight.
    pub composed: Option<Arc<Composed>>,
    /// What the rows of the logical matrix are multiplied by.
    pub row_scale: Option<Arc<Scale>>,
    /// What its columns, or the elements of a vector, are multiplied by.
    pub column_scale: Option<Arc<Scale>>,
}

impl StoredAs {
    /// All of `origin` as it is stored, a matrix of the shape `stored`.
    pub fn whole(origin: Origin, stored: (u64, u64)) -> Self {
        Self {
            origin,
            stored,
            start: 0,
            transposed: false,
            rows: RowOrder::All,
            columns: None,
            undo: Undo::Nothing,
            composed: None,
            row_scale: None,
            column_scale: None,
        }
    }
}

/// A tensor as the analyses see it.
#[derive(Debug, Clone)]
pub struct Logical {
    /// Name; a piece of a fused tensor carries its slot behind it.
    pub name: String,
    /// What it is.
    pub meaning: Meaning,
    /// Logical shape, slowest axis first: (out, in) for matrices.
    pub shape: Vec<u64>,
    /// Shape in the file.
    pub stored_shape: Vec<u64>,
    /// Number format in the file; that of the codes for a quantised matrix.
    pub dtype: Dtype,
    /// Where its values are.
    pub stored_as: StoredAs,
}

impl Logical {
    /// Reads the tensor as it was before its conversion.
    pub(super) fn undo(&mut self, conversion: &Conversion) {
        let (rows, columns) = self.stored_as.stored;
        // A vector of heads is re-ordered like the rows of a matrix.
        let as_rows = match self.shape.len() {
            1 => (columns, 1),
            _ => (rows, columns),
        };
        if let Some(order) = conversion.rotary.filter(|order| order.fits(as_rows.0)) {
            self.stored_as.rows = RowOrder::HalfSplit { heads: order.heads };
            self.stored_as.stored = as_rows;
        }
        if let Some(stored) = conversion.transposed {
            self.stored_as.stored = stored;
            self.stored_as.transposed = true;
        }
        if let Some(tiles) = conversion.tiles {
            let runs = || {
                let stretches = tiles.stretches().into_iter();
                stretches.map(|(start, count)| RowRun {
                    start,
                    count,
                    step: 1,
                })
            };
            if tiles.of_columns && tiles.end() == Some(columns) {
                self.stored_as.columns = Some(runs().collect());
            } else if !tiles.of_columns && tiles.end() == Some(as_rows.0) {
                self.stored_as.rows = RowOrder::Runs(runs().collect());
                self.stored_as.stored = as_rows;
            }
        }
        self.stored_as.undo = conversion.values;
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        crate::model::dtype::element_count(&self.shape).unwrap_or(0)
    }

    /// Stored bytes that its values are read from.
    pub fn stored_bytes(&self) -> u64 {
        let (block, bytes) = self.dtype.block();
        self.elements().div_ceil(block).saturating_mul(bytes)
    }

    /// The shape as a matrix (rows, columns): the last axis is the columns; kernels are flattened
    /// to (out, rest), and (rest, out) where they are stored with their channels last.
    pub fn matrix_shape(&self) -> (u64, u64) {
        fold(&self.shape, self.meaning.role)
    }

    /// Whether it is one matrix but for axes of length one behind it: a linear layer, or a
    /// convolution of one position.
    pub(crate) fn is_plain_matrix(&self) -> bool {
        matches!(self.shape.as_slice(), [_, _, ones @ ..] if ones.iter().all(|axis| *axis == 1))
    }

    /// Whether its rows are the positions of a kernel and its last axis the channels out.
    pub(crate) fn is_channels_last(&self) -> bool {
        channels_last(&self.shape, self.meaning.role).is_some()
    }

    /// Whether it is one whole matrix that is stored (in, out), not some rows of one and not
    /// several behind one another.
    pub fn is_whole_transposed(&self) -> bool {
        let storage = &self.stored_as;
        storage.transposed && storage.columns.is_none() && storage.stored.1 == self.matrix_shape().0
    }

    /// The stored tensor that holds exactly this one, whatever the order of its elements.
    pub fn whole_tensor(&self) -> Option<usize> {
        let elements = crate::model::dtype::element_count(&self.stored_shape);
        match self.stored_as {
            StoredAs {
                origin: Origin::Tensor(index),
                rows: RowOrder::All | RowOrder::HalfSplit { .. },
                start: 0,
                columns: None,
                ..
            } if elements == Some(self.elements()) => Some(index),
            _ => None,
        }
    }

    /// Whether it is a choice among the rows of a table of tokens.
    pub fn is_cut_by_token(&self) -> bool {
        matches!(self.meaning.role, Role::Embed | Role::LmHead)
            && matches!(self.stored_as.rows, RowOrder::Runs(_))
    }

    /// Whether it is read in another scale than its own.
    pub fn is_rescaled(&self) -> bool {
        self.stored_as.row_scale.is_some() || self.stored_as.column_scale.is_some()
    }

    /// Whether it is all rows and columns of what is stored, in their order and scale.
    pub(crate) fn is_uncut(&self) -> bool {
        let storage = &self.stored_as;
        matches!(storage.origin, Origin::Tensor(_) | Origin::Quantised(_))
            && storage.rows == RowOrder::All
            && storage.columns.is_none()
            && !self.is_rescaled()
    }

    /// Whether its values are those that lie in the file.
    pub fn is_as_stored(&self) -> bool {
        let storage = &self.stored_as;
        storage.undo == Undo::Nothing && storage.composed.is_none() && !self.is_rescaled()
    }

    /// Whether its values are codes with scales.
    pub fn is_quantised(&self) -> bool {
        matches!(self.stored_as.origin, Origin::Quantised(_)) || self.dtype.kind() == Kind::Block
    }

    /// Whether its layout is known by name only.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.stored_as.origin, Origin::Unsupported(_))
    }
}

/// A shape as (rows, columns). The last axis is the columns, but for convolutions and patch
/// embeddings, which are (out, rest); a vector is one row, a scalar one element. Axes of length one
/// behind the second hold nothing: a convolution of one position is the matrix (out, in).
pub(crate) fn fold(shape: &[u64], role: Role) -> (u64, u64) {
    if let Some(matrix) = channels_last(shape, role) {
        return matrix;
    }
    match shape {
        [rows, columns, ones @ ..] if ones.iter().all(|axis| *axis == 1) => (*rows, *columns),
        [] => (1, 1),
        [n] => (1, *n),
        [out, rest @ ..] if shape.len() >= 4 || matches!(role, Role::Conv | Role::PatchEmbed) => {
            (*out, product(rest))
        }
        [lead @ .., last] => (product(lead), *last),
    }
}

fn product(axes: &[u64]) -> u64 {
    crate::model::dtype::element_count(axes).unwrap_or(0)
}

/// Longest side of a kernel that its shape alone shows to stand in front of the channels.
const KERNEL_SIDE: u64 = 11;

/// Longest side of a patch.
const PATCH_SIDE: u64 = 32;

/// Least number of channels behind a kernel that stands in front of them.
const CHANNELS: u64 = 8;

/// The matrix (rest, out) of a kernel that is stored (height, width, in, out), or (position, in,
/// out), or by channel (height, width, channels, 1), as TensorFlow, Keras and JAX store it; none of
/// a kernel stored (out, in, ...). Only the sizes tell: few positions in front of many channels.
fn channels_last(shape: &[u64], role: Role) -> Option<(u64, u64)> {
    let is_square = |height: u64, width: u64| height == width || height == 1 || width == 1;
    match *shape {
        [height, width, channels, 1] => {
            let positions = height.checked_mul(width)?;
            let in_front = height == width && (2..=KERNEL_SIDE).contains(&height);
            let many = channels >= 2 * CHANNELS && channels > 2 * positions;
            (in_front && many).then_some((positions, channels))
        }
        [height, width, inputs, outputs] => {
            let rest = height.checked_mul(width)?.checked_mul(inputs)?;
            let in_front = height.max(width) <= KERNEL_SIDE && is_square(height, width);
            let is_patch = height == width
                && height <= PATCH_SIDE
                && inputs <= CHANNELS / 2
                && outputs >= 8 * CHANNELS;
            // A kernel behind: as high as wide, of an odd number of positions.
            let behind = inputs == outputs && outputs % 2 == 1;
            let many = outputs >= CHANNELS
                && rest >= CHANNELS
                && inputs.checked_mul(outputs)? >= 2 * height * width;
            ((in_front || is_patch) && many && !behind).then_some((rest, outputs))
        }
        [positions, inputs, outputs] if role == Role::Conv => {
            let in_front = (2..=KERNEL_SIDE).contains(&positions) && inputs >= 2 * positions;
            // Channels come in eights; a kernel that long stands behind more channels than that.
            let many = outputs >= 2 * CHANNELS && outputs.is_multiple_of(8);
            (in_front && many).then_some((positions.checked_mul(inputs)?, outputs))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_fold_to_matrices() {
        assert_eq!(fold(&[], Role::Other), (1, 1));
        assert_eq!(fold(&[7], Role::Norm), (1, 7));
        assert_eq!(fold(&[3, 4], Role::Q), (3, 4));
        assert_eq!(fold(&[8, 3, 4], Role::GateUp), (24, 4));
        assert_eq!(fold(&[8, 3, 5, 5], Role::Other), (8, 75));
        assert_eq!(fold(&[8, 1, 4], Role::Conv), (8, 4));
        assert_eq!(fold(&[0, 4], Role::Q), (0, 4));
    }

    #[test]
    fn kernels_of_one_position_are_matrices() {
        for role in [Role::Conv, Role::Fc1, Role::Other, Role::Linear] {
            assert_eq!(fold(&[24, 6, 1], role), (24, 6));
            assert_eq!(fold(&[24, 6, 1, 1], role), (24, 6));
        }
        assert_eq!(fold(&[24, 1, 1], Role::Conv), (24, 1));
        assert_eq!(fold(&[24, 1, 7], Role::Conv), (24, 7));
    }

    #[test]
    fn a_kernel_in_front_of_its_channels_is_told_by_its_sizes() {
        for (shape, matrix) in [
            (&[3, 3, 64, 128][..], (576, 128)),
            (&[3, 3, 64, 64], (576, 64)),
            (&[7, 7, 3, 64], (147, 64)),
            (&[11, 11, 3, 96], (363, 96)),
            (&[1, 1, 64, 256], (64, 256)),
            (&[1, 7, 160, 192], (1120, 192)),
            (&[3, 3, 10, 16], (90, 16)),
            (&[16, 16, 3, 768], (768, 768)),
            (&[3, 3, 128, 1], (9, 128)),
            (&[3, 80, 384], (240, 384)),
        ] {
            assert_eq!(fold(shape, Role::Conv), matrix, "{shape:?}");
        }
        for (shape, matrix) in [
            (&[64, 3, 7, 7][..], (64, 147)),
            (&[64, 64, 3, 3], (64, 576)),
            (&[8, 1, 3, 3], (8, 9)),
            (&[8, 8, 3, 3], (8, 72)),
            (&[1, 1, 15, 15], (1, 225)),
            (&[3, 1, 31, 31], (3, 961)),
            (&[16, 1, 1, 31], (16, 31)),
            (&[192, 160, 1, 7], (192, 1120)),
            (&[1, 1, 1, 512], (1, 512)),
            (&[64, 1, 8, 8], (64, 64)),
            (&[1, 512, 7], (1, 3584)),
            (&[128, 1, 16], (128, 16)),
            (&[384, 80, 3], (384, 240)),
        ] {
            assert_eq!(fold(shape, Role::Conv), matrix, "{shape:?}");
        }
        // Experts in one tensor are no kernel.
        assert_eq!(fold(&[8, 32, 64], Role::Up), (256, 64));
    }
}
