//! Tables of tokens in another order (guide/methods.md, section 8.4): where the rest of a model is a
//! copy and its tables disagree token by token, the tokenizer beside them may be of another model.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::disguise::embedding_is_found;
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::evidence::permutation::Permutation;
use crate::evidence::shared_tokens::{embedding, output_head};
use crate::evidence::witness::{Witnessed, Witnesses};
use crate::model::words::Component;
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::stats::geometry::{mutual_geometry, rows_of};
use crate::stats::partners::{FLOOR, Probes, StoredHalves, found_twice};

/// Rows of a table that are looked for.
const ROWS: usize = 256;

/// Tables of the target whose rows are the base's in another order, and what the witness says.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(super) fn in_another_order(
    setting: &Setting<'_>,
    direct: &Permutation,
    witnesses: &Witnesses,
) -> Result<BTreeMap<PartKey, Witnessed>> {
    let [base, target] = setting.models;
    let mut out = BTreeMap::new();
    for &component in Component::ALL {
        if !witnesses.confirms_in(component) || embedding_is_found(direct, component) {
            continue;
        }
        for table in [embedding, output_head] {
            setting.monitor.check()?;
            let (Some(one), Some(other)) = (table(base, component), table(target, component))
            else {
                continue;
            };
            let Some(part) = part_of(other).filter(|part| !out.contains_key(part)) else {
                continue;
            };
            if base.unreadable(one).is_some() || target.unreadable(other).is_some() {
                continue;
            }
            let (one, other) = (base.view(one)?, target.view(other)?);
            if let Some(witnessed) = matched(&one, &other, setting.sampling.seed)? {
                out.insert(part, witnessed);
            }
        }
    }
    Ok(out)
}

/// What the witness says of the rows of two tables that find each other twice; none where hardly
/// any do, or it does not confirm them.
fn matched(base: &dyn RowSource, target: &dyn RowSource, seed: u64) -> Result<Option<Witnessed>> {
    let halves = |table| StoredHalves::new(&[table], &[], seed);
    let (Some(of_base), Some(of_target)) = (halves(base), halves(target)) else {
        return Ok(None);
    };
    if base.columns() != target.columns() {
        return Ok(None);
    }
    let drawn = Draws::new(seed, "rows of a table").distinct(ROWS, base.rows());
    let probes = Probes::read(&of_base.halves(), &drawn)?;
    let found = found_twice(&[&probes], &of_target.halves())?;
    let Some(Some(found)) = found.into_iter().next() else {
        return Ok(None);
    };
    if found.count() < FLOOR {
        return Ok(None);
    }
    let (one, other): (Vec<usize>, Vec<usize>) = found.agreeing.iter().copied().unzip();
    let geometry = mutual_geometry(
        &[rows_of(base, &one)?],
        &[rows_of(target, &other)?],
        &[],
        base.rows().max(target.rows()),
    );
    Ok(Some(Witnessed::by(geometry)).filter(|witnessed| witnessed.kind.is_some()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::rows::Matrix;

    fn table(draws: &mut Draws) -> Matrix {
        Matrix {
            rows: 400,
            columns: 64,
            values: (0..400 * 64).map(|_| draws.normal() as f32).collect(),
        }
    }

    #[test]
    fn rows_in_another_order_are_found_and_those_of_a_stranger_are_not() {
        let mut draws = Draws::new(0, "tables");
        let base = table(&mut draws);
        let order = draws.permutation(base.rows);
        let mut moved = base.clone();
        for (place, row) in order.into_iter().zip(moved.values.chunks_exact_mut(64)) {
            row.copy_from_slice(&base.values[place * 64..(place + 1) * 64]);
            row.iter_mut()
                .for_each(|x| *x += 0.3 * draws.normal() as f32);
        }
        assert!(matched(&base, &moved, 0).unwrap().is_some());
        assert!(matched(&base, &table(&mut draws), 0).unwrap().is_none());
    }
}
