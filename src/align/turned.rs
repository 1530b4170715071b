//! Matrices that one side stores turned, (in, out), under the same name.

use std::sync::Arc;

use crate::error::Result;
use crate::model::words::Role;
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;

use super::orient::{CLEARLY_MORE, likeness};
use super::{Alignment, Pair};

/// The same matrix read the other way round.
pub fn turned(logical: &Logical) -> Option<Logical> {
    let &[rows, columns] = logical.shape.as_slice() else {
        return None;
    };
    if logical.source.rows != RowOrder::All
        || matches!(logical.meaning.role, Role::Embed | Role::LmHead)
    {
        return None;
    }
    let mut out = logical.clone();
    out.shape = vec![columns, rows];
    out.source.transposed = !logical.source.transposed;
    Some(out)
}

/// Where other matrices had to be turned, or two naming schemes meet, turns the square ones that
/// are then more alike.
///
/// # Errors
/// A read that fails.
pub(super) fn orient_squares(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    let some_turned = alignment.pairs.iter().any(|p| p.via == Via::Transposed);
    let by_meaning = |via: Via| matches!(via, Via::Mapped | Via::Cast);
    for pair in &mut alignment.pairs {
        let square = matches!(pair.target.shape.as_slice(), [a, b] if a == b && *a > 1);
        let may_be_turned = square
            && if pair.by_name {
                some_turned
            } else {
                by_meaning(pair.via)
            };
        let Some(other) = turned(&pair.target).filter(|_| may_be_turned) else {
            continue;
        };
        let readable = models[0].unreadable(&pair.base).is_none()
            && models[1].unreadable(&pair.target).is_none();
        if readable
            && likeness(models, &pair.base, &other)?
                > likeness(models, &pair.base, &pair.target)? + CLEARLY_MORE
        {
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
