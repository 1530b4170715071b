//! What the layout of two files leaves open is read in the way that makes the two sides more alike.
//!
//! Few ways are tried, one for all tensors of a kind, and another than the usual is taken only
//! where it makes them clearly more alike: independent models are as unlike in one order as in the
//! other.

mod flattened;
mod fused;
mod gates;
mod rotary;
mod squares;

use crate::error::Result;
use crate::model::sides::Sides;
use crate::view::model::Model;

use super::Alignment;

/// Square matrices where others are transposed, query, key and value in one tensor, and the rotary
/// order of q and k; of these two a warning tells where they were not the usual ones. Columns
/// behind a flattened map, and the gates of recurrent cells.
///
/// # Errors
/// A read that fails.
pub(crate) fn orient(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    squares::orient_squares(alignment, models)?;
    fused::orient_wholes(alignment, models)?;
    fused::orient_pieces(alignment, models)?;
    rotary::orient_heads(alignment, models)?;
    flattened::orient_flattened(alignment, models)?;
    gates::orient_gates(alignment, models)
}
