//! Embeddings and output heads of unequal numbers of rows: the rows of the tokens that both sides
//! have.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::tokenizer::{Tokenizer, shared};
use crate::model::words::{Component, Role};
use crate::view::logical::{Logical, RowOrder, Run};

/// One table of tokens of each side, cut to the rows in common.
pub(super) struct Common {
    /// The rows of the tokens that both sides have, in one order.
    pub(super) sides: [Logical; 2],
    /// The rows of tokens that the other side lacks, and padding; none where every row has its
    /// counterpart.
    pub(super) rest: [Option<Logical>; 2],
}

/// Cuts two tables of one width to the rows of the tokens that both `tokenizers` know, or to the
/// common leading rows where a tokenizer is missing (guide/formats.md, section 2: padded
/// vocabulary). None where nothing is in common, or the tables are none of tokens or equal in
/// shape.
///
/// Memory: 24 bytes a run of neighbouring rows.
pub(super) fn common(sides: [&Logical; 2], tokenizers: [Option<&Tokenizer>; 2]) -> Option<Common> {
    let [base, target] = sides;
    let is_table = |l: &Logical| {
        matches!(l.meaning.role, Role::Embed | Role::LmHead)
            && l.shape.len() == 2
            && l.source.rows == RowOrder::All
            && !l.is_unsupported()
    };
    if !sides.into_iter().all(is_table)
        || base.shape[1] != target.shape[1]
        || base.shape[0] == target.shape[0]
    {
        return None;
    }
    let counts = sides.map(|l| usize::try_from(l.shape[0]).unwrap_or(usize::MAX));
    // A tokenizer is that of the text part.
    let tokenizers =
        tokenizers.map(|tokenizer| tokenizer.filter(|_| base.meaning.component == Component::Text));
    let mut rows = shared(tokenizers[0], tokenizers[1], counts);
    // Two strings of one id are one row.
    rows.dedup_by_key(|pair| pair[0]);
    let mut taken = BTreeSet::new();
    rows.retain(|pair| taken.insert(pair[1]));
    if rows.is_empty() {
        return None;
    }
    let of = |side: usize| {
        rows.iter()
            .map(|pair| pair[side] as u64)
            .collect::<Vec<u64>>()
    };
    let cut = |side: usize| cut(sides[side], &of(side));
    let rest = |side: usize| {
        let others = others(of(side), sides[side].shape[0]);
        (!others.is_empty()).then(|| Logical {
            name: format!("{}[other rows]", sides[side].name),
            ..cut_to_runs(sides[side], others)
        })
    };
    Some(Common {
        sides: [cut(0), cut(1)],
        rest: [rest(0), rest(1)],
    })
}

fn cut(table: &Logical, rows: &[u64]) -> Logical {
    let mut runs: Vec<Run> = Vec::new();
    for &row in rows {
        match runs.last_mut() {
            Some(run) if run.start + run.count == row => run.count += 1,
            _ => runs.push(Run {
                start: row,
                count: 1,
                step: 1,
            }),
        }
    }
    cut_to_runs(table, runs)
}

fn cut_to_runs(table: &Logical, runs: Vec<Run>) -> Logical {
    let mut out = table.clone();
    out.shape[0] = runs.iter().map(|run| run.count).sum();
    out.source.rows = RowOrder::Runs(Arc::from(runs));
    out
}

/// The rows of `count` that are not among `rows`.
fn others(mut rows: Vec<u64>, count: u64) -> Vec<Run> {
    rows.sort_unstable();
    let mut out = Vec::new();
    let mut next = 0;
    for row in rows.into_iter().chain([count]) {
        if row > next {
            out.push(Run {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::dtype::Dtype;
    use crate::model::name::Namer;
    use crate::view::logical::{Origin, Source};

    fn table(name: &str, rows: u64) -> Logical {
        let shape = vec![rows, 8];
        Logical {
            name: name.to_owned(),
            meaning: Namer::new([name], None).meaning(name, &shape, Dtype::Bf16),
            stored_shape: shape.clone(),
            dtype: Dtype::Bf16,
            source: Source::whole(Origin::Tensor(0), (rows, 8)),
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
        match &logical.source.rows {
            RowOrder::Runs(runs) => runs.iter().map(|run| (run.start, run.count)).collect(),
            other => panic!("{other:?}"),
        }
    }

    const EMBED: &str = "model.embed_tokens.weight";

    #[test]
    fn without_tokenizers_the_leading_rows_are_common() {
        let (base, target) = (table(EMBED, 5), table(EMBED, 8));
        let found = common([&base, &target], [None, None]).unwrap();
        assert_eq!(found.sides.each_ref().map(runs), [[(0, 5)], [(0, 5)]]);
        assert_eq!(
            found.sides.each_ref().map(|l| l.shape.clone()),
            [[5, 8], [5, 8]]
        );
        assert!(found.rest[0].is_none());
        let rest = found.rest[1].as_ref().unwrap();
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
        let found = common([&base, &target], tokenizers.each_ref().map(Some)).unwrap();
        assert_eq!(
            found.sides.each_ref().map(runs),
            [vec![(0, 1), (2, 2)], vec![(3, 1), (0, 2)]]
        );
        let rest = found
            .rest
            .each_ref()
            .map(|rest| runs(rest.as_ref().unwrap()));
        assert_eq!(rest, [vec![(1, 1), (4, 2)], vec![(2, 1), (4, 1)]]);
        let strange = tokenizer(&["p", "q"]);
        assert!(common([&base, &target], [Some(&tokenizers[0]), Some(&strange)]).is_none());
    }

    #[test]
    fn only_tables_of_tokens_of_one_width_are_cut() {
        let base = table(EMBED, 6);
        let narrow = Logical {
            shape: vec![5, 7],
            ..table(EMBED, 5)
        };
        assert!(common([&base, &narrow], [None, None]).is_none());
        assert!(common([&base, &table(EMBED, 6)], [None, None]).is_none());
        let projection = "model.layers.0.self_attn.q_proj.weight";
        assert!(common([&table(projection, 4), &table(projection, 6)], [None, None]).is_none());
    }
}
