//! Matrices that one side stores (in, out) under the same name.

use crate::model::words::Role;
use crate::view::logical::{Logical, RowOrder};

/// The same matrix read the other way round; none for what is no whole matrix, and for tables of
/// tokens, whose rows are tokens in every library.
pub(super) fn transposed(logical: &Logical) -> Option<Logical> {
    let &[rows, columns] = logical.shape.as_slice() else {
        return None;
    };
    let is_table = matches!(logical.meaning.role, Role::Embed | Role::LmHead);
    if is_table || logical.stored_as.rows != RowOrder::All {
        return None;
    }
    let mut out = logical.clone();
    out.shape = vec![columns, rows];
    out.stored_as.transposed = !logical.stored_as.transposed;
    Some(out)
}
