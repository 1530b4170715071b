//! Square matrices that one side stores (in, out): their shapes do not tell.

use std::sync::Arc;

use crate::align::likeness::{CLEARLY_MORE, are_readable, likeness};
use crate::align::transposed::transposed;
use crate::align::{Alignment, Pair};
use crate::error::Result;
use crate::model::sides::Sides;
use crate::view::logical::Via;
use crate::view::model::Model;

/// Where other matrices are transposed, or two naming schemes meet, transposes the square ones that
/// are then more alike.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_squares(alignment: &mut Alignment, models: Sides<&Model>) -> Result<()> {
    let some_are_transposed = alignment.pairs.iter().any(|p| p.via == Via::Transposed);
    let is_open = |pair: &Pair| {
        if pair.by_name {
            some_are_transposed
        } else {
            matches!(pair.via, Via::Mapped | Via::Cast)
        }
    };
    for pair in &mut alignment.pairs {
        let is_square = matches!(pair.target.shape.as_slice(), [a, b] if a == b && *a > 1);
        if !is_square || !is_open(pair) || !are_readable(models, pair) {
            continue;
        }
        let Some(other) = transposed(&pair.target) else {
            continue;
        };
        let as_stored = likeness(models, pair.sides())?;
        let otherwise = likeness(
            models,
            Sides {
                base: &pair.base,
                target: &other,
            },
        )?;
        if otherwise > as_stored + CLEARLY_MORE {
            *pair = Pair {
                target: Arc::new(other),
                via: Via::Transposed,
                by_name: false,
                ..pair.clone()
            };
        }
    }
    Ok(())
}
