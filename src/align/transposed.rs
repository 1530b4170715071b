//! Matrices that one side stores (in, out) under the same name.

use crate::model::words::Role;
use crate::view::logical::{Logical, RowOrder};

/// The same matrix read the other way round; none for what is not one whole matrix (some rows or
/// columns of a larger one cannot be read across), and for tables of tokens, whose rows are tokens
/// in every library.
pub(super) fn transposed(logical: &Logical) -> Option<Logical> {
    let &[rows, columns] = logical.shape.as_slice() else {
        return None;
    };
    let is_table = matches!(logical.meaning.role, Role::Embed | Role::LmHead);
    let storage = &logical.stored_as;
    let is_whole = storage.rows == RowOrder::All
        && storage.columns.is_none()
        && !logical.is_rescaled()
        && (!storage.transposed || logical.is_whole_transposed());
    if is_table || !is_whole {
        return None;
    }
    let mut out = logical.clone();
    out.shape = vec![columns, rows];
    out.stored_as.transposed = !storage.transposed;
    Some(out)
}
