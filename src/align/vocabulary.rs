//! Embeddings and output heads of unequal numbers of rows: the rows of the tokens that both sides
//! have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::sides::Sides;
use crate::model::tokenizer::{Tokenizer, shared};
use crate::model::words::{Component, Role};
use crate::view::logical::{Logical, RowOrder, RowRun, Via};
use crate::view::model::Model;
use crate::view::place::Place;

use super::Alignment;
use super::pool::Pool;

/// Pairs embeddings and heads of one place whose numbers of rows differ by the rows that both
/// vocabularies have. The other rows belong to nobody.
pub(super) fn pair_common_rows(left: &mut Sides<Pool>, models: Sides<&Model>, out: &mut Alignment) {
    let tokenizers = models.map(|model| model.tokenizer.as_ref());
    let mut targets: BTreeMap<Place, Vec<Arc<Logical>>> = BTreeMap::new();
    for target in left.target.to_vec().into_iter().filter(|l| is_table(l)) {
        targets.entry(target.place()).or_default().push(target);
    }
    for base in left.base.to_vec().into_iter().filter(|l| is_table(l)) {
        let Some([target]) = targets.get(&base.place()).map(Vec::as_slice) else {
            continue;
        };
        let sides = Sides {
            base: base.as_ref(),
            target: target.as_ref(),
        };
        let Some(common) = common(sides, tokenizers) else {
            continue;
        };
        left.base.take(&base.name);
        left.target.take(&target.name);
        out.add_common_rows(common, Via::Split);
    }
}

/// One table of tokens of each side, cut to the rows in common.
pub(super) struct Common {
    /// The rows of the tokens that both sides have, in one order.
    pub(super) sides: Sides<Logical>,
    /// The rows of tokens that the other side lacks, and padding; none where every row has its
    /// counterpart.
    pub(super) rest: Sides<Option<Logical>>,
}

/// Cuts two tables of one width to the rows of the tokens that both `tokenizers` know, or to the
/// common leading rows where a tokenizer is missing (guide/formats.md, section 2: padded
/// vocabulary). None where nothing is in common, or the tables are none of tokens or equal in
/// shape.
///
/// Memory: 24 bytes a run of neighbouring rows.
pub(super) fn common(
    tables: Sides<&Logical>,
    tokenizers: Sides<Option<&Tokenizer>>,
) -> Option<Common> {
    let Sides { base, target } = tables;
    if ![base, target].into_iter().all(is_table)
        || base.shape[1] != target.shape[1]
        || base.shape[0] == target.shape[0]
    {
        return None;
    }

    // A tokenizer is that of the text part.
    let is_text = base.meaning.component == Component::Text;
    let [base_tokenizer, target_tokenizer] = tokenizers
        .map(|tokenizer| tokenizer.filter(|_| is_text))
        .into_array();
    let counts = tables.map(|l| usize::try_from(l.shape[0]).unwrap_or(usize::MAX));
    let mut rows = shared(base_tokenizer, target_tokenizer, counts.into_array());

    // Two strings of one id are one row.
    rows.dedup_by_key(|[base, _]| *base);
    let mut taken = BTreeSet::new();
    rows.retain(|[_, target]| taken.insert(*target));
    if rows.is_empty() {
        return None;
    }

    let in_common: Sides<Vec<u64>> = Sides {
        base: rows.iter().map(|[base, _]| *base as u64).collect(),
        target: rows.iter().map(|[_, target]| *target as u64).collect(),
    };
    let rest = |(table, rows): (&Logical, Vec<u64>)| {
        let others = others(rows, table.shape[0]);
        (!others.is_empty()).then(|| Logical {
            name: format!("{}[other rows]", table.name),
            ..cut_to_runs(table, others)
        })
    };
    Some(Common {
        sides: Sides {
            base: cut(base, &in_common.base),
            target: cut(target, &in_common.target),
        },
        rest: tables.zip(in_common).map(rest),
    })
}

/// Whether it is a whole table of tokens.
fn is_table(logical: &Logical) -> bool {
    matches!(logical.meaning.role, Role::Embed | Role::LmHead)
        && logical.shape.len() == 2
        && logical.stored_as.rows == RowOrder::All
        && !logical.is_unsupported()
}

fn cut(table: &Logical, rows: &[u64]) -> Logical {
    cut_to_runs(table, RowRun::of_rows(rows.iter().copied()))
}

fn cut_to_runs(table: &Logical, runs: Vec<RowRun>) -> Logical {
    let mut out = table.clone();
    out.shape[0] = runs.iter().map(|run| run.count).sum();
    out.stored_as.rows = RowOrder::Runs(Arc::from(runs));
    out
}

/// The rows of `count` that are not among `rows`.
fn others(mut rows: Vec<u64>, count: u64) -> Vec<RowRun> {
    rows.sort_unstable();
    let mut out = Vec::new();
    let mut next = 0;
    for row in rows.into_iter().chain([count]) {
        if row > next {
            out.push(RowRun {
                start: next,
                count: row - next,
                step: 1,
            });
        }
        next = row + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;
    use crate::model::name::Namer;
    use crate::view::logical::{Origin, StoredAs};

    fn table(name: &str, rows: u64) -> Logical {
        let shape = vec![rows, 8];
        Logical {
            name: name.to_owned(),
            meaning: Namer::new([name], None).meaning(name, &shape, Dtype::Bf16),
            stored_shape: shape.clone(),
            dtype: Dtype::Bf16,
            stored_as: StoredAs::whole(Origin::Tensor(0), (rows, 8)),
            shape,
        }
    }

    fn tokenizer(tokens: &[&str]) -> Tokenizer {
        let ids = tokens
            .iter()
            .zip(0..)
            .map(|(token, id)| (token.as_bytes().into(), id));
        Tokenizer::new(ids.collect(), None).unwrap()
    }

    fn runs(logical: &Logical) -> Vec<(u64, u64)> {
        match &logical.stored_as.rows {
            RowOrder::Runs(runs) => runs.iter().map(|run| (run.start, run.count)).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn both(
        base: &Logical,
        target: &Logical,
        tokenizers: Sides<Option<&Tokenizer>>,
    ) -> Option<Common> {
        common(Sides { base, target }, tokenizers)
    }

    const EMBED: &str = "model.embed_tokens.weight";

    #[test]
    fn without_tokenizers_the_leading_rows_are_common() {
        let (base, target) = (table(EMBED, 5), table(EMBED, 8));
        let found = both(&base, &target, Sides::default()).unwrap();
        assert_eq!(
            found.sides.as_ref().map(runs).into_array(),
            [[(0, 5)], [(0, 5)]]
        );
        assert_eq!(
            found.sides.as_ref().map(|l| l.shape.clone()).into_array(),
            [[5, 8], [5, 8]]
        );
        assert!(found.rest.base.is_none());
        let rest = found.rest.target.as_ref().unwrap();
        assert_eq!(
            (rest.shape.as_slice(), runs(rest)),
            ([3, 8].as_slice(), vec![(5, 3)])
        );
        assert_eq!(rest.name, "model.embed_tokens.weight[other rows]");
    }

    #[test]
    fn tokens_of_one_string_meet_wherever_they_stand_and_padding_belongs_to_none() {
        let (base, target) = (table(EMBED, 6), table(EMBED, 5));
        let tokenizers = [
            tokenizer(&["a", "b", "c", "d"]),
            tokenizer(&["c", "d", "x", "a"]),
        ];
        let known = tokenizers.each_ref().map(Some).into();
        let found = both(&base, &target, known).unwrap();
        assert_eq!(
            found.sides.as_ref().map(runs).into_array(),
            [vec![(0, 1), (2, 2)], vec![(3, 1), (0, 2)]]
        );
        let rest = found.rest.as_ref().map(|rest| runs(rest.as_ref().unwrap()));
        assert_eq!(
            rest.into_array(),
            [vec![(1, 1), (4, 2)], vec![(2, 1), (4, 1)]]
        );
        let strange = tokenizer(&["p", "q"]);
        assert!(
            both(
                &base,
                &target,
                [Some(&tokenizers[0]), Some(&strange)].into()
            )
            .is_none()
        );
    }

    #[test]
    fn only_tables_of_tokens_of_one_width_are_cut() {
        let base = table(EMBED, 6);
        let narrow = Logical {
            shape: vec![5, 7],
            ..table(EMBED, 5)
        };
        assert!(both(&base, &narrow, Sides::default()).is_none());
        assert!(both(&base, &table(EMBED, 6), Sides::default()).is_none());
        let projection = "model.layers.0.self_attn.q_proj.weight";
        let [four, six] = [4, 6].map(|rows| table(projection, rows));
        assert!(both(&four, &six, Sides::default()).is_none());
    }
}
