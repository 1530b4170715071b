//! Matrices that one side stores turned, (in, out), under the same name.

use crate::error::Result;
use crate::model::words::Role;
use crate::numeric::rows::RowSource;
use crate::view::logical::{Logical, RowOrder, Via};
use crate::view::model::Model;

use super::{Alignment, Pair};

/// Rows of a square matrix that are looked at to tell its orientation.
const ROWS_LOOKED_AT: usize = 64;

/// The same matrix read the other way round.
pub fn turned(logical: &Logical) -> Option<Logical> {
    let &[rows, columns] = logical.shape.as_slice() else { return None };
    if logical.source.rows != RowOrder::All || matches!(logical.meaning.role, Role::Embed | Role::LmHead) {
        return None;
    }
    let mut out = logical.clone();
    out.shape = vec![columns, rows];
    out.source.transposed = !logical.source.transposed;
    Some(out)
}

/// Where other matrices had to be turned, turns the square ones that are then more alike.
///
/// # Errors
/// A read that fails.
pub fn orient_squares(alignment: &mut Alignment, models: [&Model; 2]) -> Result<()> {
    if !alignment.pairs.iter().any(|p| p.via == Via::Transposed) {
        return Ok(());
    }
    for pair in &mut alignment.pairs {
        let square = matches!(pair.target.shape.as_slice(), [a, b] if a == b && *a > 1);
        let Some(other) = turned(&pair.target).filter(|_| square && pair.by_name) else { continue };
        let readable = models[0].unreadable(&pair.base).is_none() && models[1].unreadable(&pair.target).is_none();
        if readable && likeness(models, &pair.base, &other)? > likeness(models, &pair.base, &pair.target)? {
            *pair = Pair { target: other, via: Via::Transposed, by_name: false, ..pair.clone() };
        }
    }
    Ok(())
}

/// Size of the cosine over the first rows.
fn likeness(models: [&Model; 2], base: &Logical, target: &Logical) -> Result<f64> {
    let views = [models[0].view(base)?, models[1].view(target)?];
    let rows = views[0].rows().min(ROWS_LOOKED_AT);
    let mut values = [vec![0.0; rows * views[0].columns()], vec![0.0; rows * views[1].columns()]];
    for (view, values) in views.iter().zip(&mut values) {
        view.read_rows(0..rows, values)?;
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let [a, b] = &values;
    let norms = dot(a, a).sqrt() * dot(b, b).sqrt();
    Ok(if norms > 0.0 { (dot(a, b) / norms).abs() } else { 0.0 })
}
