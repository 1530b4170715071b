//! Dimensions of the residual stream: one test for each attention, each matrix that leads into a
//! state-space layer or out of it, the embedding and the output head.
//!
//! All parts of a model share one order of the residual dimensions, so their bounds are read one by
//! one.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::evidence::part::PartKey;
use crate::evidence::parts::part_of;
use crate::evidence::shared_tokens::known;
use crate::model::name::Meaning;
use crate::model::sides;
use crate::model::tokenizer::shared;
use crate::model::words::{Block, Class, Role};
use crate::numeric::rows::RowSource;
use crate::stats::units::{
    ColumnFeatures, Concat, Features, RowFeatures, Sampling, fixed_point_test,
};
use crate::view::logical::Logical;

use super::prepared::Prepared;
use super::{Outcome, direct, outcomes};
use crate::evidence::analysis::Setting;
use crate::evidence::tests_of_units::{Test, UnitKind};
use crate::evidence::untested::{Obstacle, Subject, UnitsOf, Untested};

/// The matrices of one part that have a residual side, pairs of base and target.
struct Part<'a> {
    key: PartKey,
    matrices: Vec<[&'a Logical; 2]>,
}

/// Where a matrix has the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Its rows: it writes to the stream.
    Rows,
    /// Its columns: it reads from the stream.
    Columns,
    /// The columns of a table whose rows are tokens.
    ColumnsOfTokens,
}

/// Where a matrix of that meaning has the residual stream; `None` where on neither side, or where
/// it is another stream.
pub(crate) fn stream_of(meaning: &Meaning) -> Option<Stream> {
    match meaning.role {
        Role::Q | Role::K | Role::V | Role::Qkv | Role::QA | Role::KvA => Some(Stream::Columns),
        Role::Embed | Role::LmHead => Some(Stream::ColumnsOfTokens),
        Role::O => Some(Stream::Rows),
        // State-space layers and linear attention, and the gates of attention: what comes in reads
        // from the stream, what goes out writes to it. Their other side is heads and states, which
        // know their place.
        Role::Ssm | Role::Linear => {
            let module = meaning.slot.strip_suffix(".weight")?;
            match module.rsplit('.').next()? {
                "out_proj" => (meaning.role == Role::Ssm).then_some(Stream::Rows),
                "attn_gate" | "f_a" | "g_a" | "qkv_mlp" | "qk" => Some(Stream::Columns),
                inwards if inwards.starts_with("in_proj") => {
                    (meaning.role == Role::Ssm).then_some(Stream::Columns)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn parts<'a>(setting: &Setting<'a>) -> Vec<Part<'a>> {
    let [base, target] = setting.models;
    let mut out: BTreeMap<PartKey, Vec<[&Logical; 2]>> = BTreeMap::new();
    for (place, logical) in target.places() {
        let side = stream_of(&logical.meaning);
        let plain = logical.meaning.class == Class::Matrix && logical.is_plain_matrix();
        let (Some(side), true, Some(key)) = (side, plain, part_of(logical)) else {
            continue;
        };
        if logical.meaning.block == Some(Block::Mtp) || logical.meaning.slot.contains("cross.") {
            continue;
        }
        let Some(counterpart) = base.at(place).filter(|b| b.is_plain_matrix()) else {
            continue;
        };
        let comparable = match side {
            Stream::ColumnsOfTokens => counterpart.shape[1] == logical.shape[1],
            Stream::Rows | Stream::Columns => counterpart.matrix_shape() == logical.matrix_shape(),
        };
        if setting.formulas.holds(sides::Side::Target, logical) {
            continue;
        }
        // A fused tensor and its pieces are the same weights.
        let fused =
            logical.meaning.role == Role::Qkv && out.get(&key).is_some_and(|m| !m.is_empty());
        if comparable && !fused {
            out.entry(key).or_default().push([counterpart, logical]);
        }
    }
    for matrices in out.values_mut() {
        if matrices.iter().any(|m| m[1].meaning.role == Role::Q) {
            matrices.retain(|m| m[1].meaning.role != Role::Qkv);
        }
    }
    out.into_iter()
        .map(|(key, matrices)| Part { key, matrices })
        .collect()
}

pub(super) fn test_all(setting: &Setting<'_>, skipped: &mut Vec<Untested>) -> Result<Vec<Outcome>> {
    let parts = parts(setting);
    if parts.is_empty() {
        skipped.push(Untested {
            what: Subject::ResidualDimensions,
            why: Obstacle::NoCommonStream,
        });
    }
    let mut out = outcomes(
        parts.par_iter().map(|part| test(setting, part)).collect(),
        skipped,
    )?;
    for (group, outcome) in out.iter_mut().enumerate() {
        outcome.test.group = group;
    }
    Ok(out)
}

fn test(setting: &Setting<'_>, part: &Part<'_>) -> Result<std::result::Result<Outcome, Untested>> {
    if setting.monitor.interrupted() {
        return Err(Error::Interrupted);
    }
    let name = match &part.key.name {
        Some(name) => UnitsOf::Tensor(name.clone()),
        None => UnitsOf::Layer {
            kind: part.key.kind,
            layer: part.key.layer.unwrap_or(0),
        },
    };
    let skip = |why: Obstacle| {
        Ok(Err(Untested {
            what: Subject::ResidualOf(name.clone()),
            why,
        }))
    };
    let mut views: [Vec<(Stream, Prepared<'_>)>; 2] = [Vec::new(), Vec::new()];
    let mut tables = Vec::new();
    for pair in &part.matrices {
        let Some(side_of_stream) = stream_of(&pair[1].meaning) else {
            continue;
        };
        if (0..2).all(|side| setting.models[side].unreadable(pair[side]).is_none()) {
            tables.push(*pair);
            for (side, views) in views.iter_mut().enumerate() {
                let of = sides::Side::BOTH[side];
                let prepared =
                    Prepared::open(setting.models[side], of, pair[side], setting.preparation())?;
                views.push((side_of_stream, prepared));
            }
        }
    }
    let rows = shared_rows(setting, &views, &tables);
    let [Some(base), Some(target)] =
        [0, 1].map(|side| features(&views[side], &rows[side], &setting.sampling))
    else {
        return skip(Obstacle::NoCommonWidth);
    };
    if base.width() == 0 {
        return skip(Obstacle::NoCommonToken);
    }
    let probes = setting.sampling.probes(base.units().min(target.units()));
    if base.units() != target.units() {
        return skip(Obstacle::UnequalDimensions {
            base: base.units(),
            target: target.units(),
        });
    }
    match fixed_point_test(&base, &target, &probes)? {
        Err(why) => skip(Obstacle::Units(why)),
        Ok(found) => {
            let layer = part.key.layer;
            let test = direct(&found, UnitKind::Residual, part.key.component, name.clone());
            Ok(Ok(Outcome {
                test: Test {
                    layer,
                    base_layer: layer,
                    ..test
                },
                part: Some(part.key.clone()),
            }))
        }
    }
}

/// For each matrix, the rows on either side whose k-th belong to one token; none for a matrix
/// without tokens.
fn shared_rows(
    setting: &Setting<'_>,
    views: &[Vec<(Stream, Prepared<'_>)>; 2],
    tables: &[[&Logical; 2]],
) -> [Vec<Vec<usize>>; 2] {
    let mut out = [Vec::new(), Vec::new()];
    for (((side, base), (_, target)), table) in views[0].iter().zip(&views[1]).zip(tables) {
        let mut pairs = Vec::new();
        if *side == Stream::ColumnsOfTokens {
            let [of_base, of_target] = setting.tokenizers;
            pairs = shared(of_base, of_target, [base.rows(), target.rows()]);
            if setting.has_sketch() {
                pairs = known(setting, table.map(Some), pairs);
            }
        }
        let drawn = if pairs.is_empty() {
            Vec::new()
        } else {
            setting.sampling.shared_tokens(pairs.len())
        };
        for (side, rows) in out.iter_mut().enumerate() {
            rows.push(drawn.iter().map(|&at| pairs[at][side]).collect());
        }
    }
    out
}

/// Features of the residual dimensions over the matrices of one side; `tokens` are the rows to take
/// of embedding and head.
fn features<'a>(
    views: &'a [(Stream, Prepared<'_>)],
    tokens: &[Vec<usize>],
    sampling: &Sampling,
) -> Option<Concat<'a>> {
    let each = |width: usize| sampling.part_coordinates(width);
    let parts = views
        .iter()
        .zip(tokens)
        .map(|((side, view), tokens)| -> Box<dyn Features + 'a> {
            match side {
                Stream::ColumnsOfTokens => {
                    Box::new(ColumnFeatures::new(view, tokens.clone()).centred())
                }
                Stream::Rows => Box::new(RowFeatures::new(view).cut(&each(view.columns()))),
                Stream::Columns => Box::new(ColumnFeatures::new(view, each(view.rows()))),
            }
        });
    Concat::new(parts.collect())
}
