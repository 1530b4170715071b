//! What llama.cpp's converter did to a tensor, undone on reading (guide/formats.md, section 1.4).

use std::sync::Arc;

use crate::format::gguf::{self, Metadata, Tiles};

use super::logical::{Logical, RowOrder, Run, Undo};

/// The shape that a tensor of a GGUF file had before: converters join the heads of low-rank keys
/// and values to rows, drop the middle axis of a convolution over time, and give a vector of heads
/// a second axis.
pub(super) fn original_shape(name: &str, shape: &[u64]) -> Vec<u64> {
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    let role = stem.rsplit_once('.').map_or(stem, |(_, role)| role);
    let joined =
        |heads: u64, rows: u64, columns: u64| Some(vec![heads.checked_mul(rows)?, columns]);
    let original = match (role, shape) {
        ("attn_k_b", &[heads, rank, rows]) | ("attn_v_b", &[heads, rows, rank]) => {
            joined(heads, rows, rank)
        }
        ("ssm_conv1d" | "conv", &[channels, width]) => Some(vec![channels, 1, width]),
        ("ssm_a" | "ssm_d", &[heads, 1]) => Some(vec![heads]),
        ("ssm_norm", &[groups, size]) => groups.checked_mul(size).map(|size| vec![size]),
        _ => None,
    };
    original.unwrap_or_else(|| shape.to_vec())
}

/// Reads the tensor as it was before its conversion.
pub(super) fn undo(logical: &mut Logical, metadata: &Metadata) {
    let (rows, columns) = logical.source.stored;
    let is_vector = logical.shape.len() == 1;
    let as_rows = if is_vector {
        (columns, 1)
    } else {
        (rows, columns)
    };
    if let Some(order) = gguf::row_order(metadata, &logical.name)
        && order.stored_row(0, as_rows.0).is_some()
    {
        logical.source.rows = RowOrder::HalfSplit { heads: order.heads };
        logical.source.stored = as_rows;
    }
    if let (true, &[_, rank, rows]) = (
        logical.name.ends_with(".attn_k_b.weight"),
        &logical.stored_shape[..],
    ) {
        logical.source.stored = (rank, rows);
        logical.source.transposed = true;
    }
    match gguf::tiled(metadata, &logical.name) {
        Some(tiles) if tiles.of_columns && tiles.end() == Some(columns) => {
            logical.source.columns = Some(Arc::from(grouped(&tiles)));
        }
        Some(tiles) if !tiles.of_columns && tiles.end() == Some(as_rows.0) => {
            logical.source.rows = RowOrder::Runs(Arc::from(grouped(&tiles)));
            logical.source.stored = as_rows;
        }
        _ => {}
    }
    if gguf::norm_offset(metadata, &logical.name) > 0.0 {
        logical.source.undo = Undo::AddedOne;
    } else if logical.name.ends_with(".ssm_a") {
        logical.source.undo = Undo::NegatedExponential;
    }
}

/// Stored runs in the order of the original: heads that share a key head stand together there, and
/// one behind the heads of all other key heads here.
fn grouped(tiles: &Tiles) -> Vec<Run> {
    let Tiles {
        first,
        keys,
        per_key,
        size,
        ..
    } = *tiles;
    let lead = Run {
        start: 0,
        count: first,
        step: 1,
    };
    let heads = (0..keys).flat_map(|key| (0..per_key).map(move |value| value * keys + key));
    let heads = heads.map(|head| Run {
        start: first + head * size,
        count: size,
        step: 1,
    });
    std::iter::once(lead)
        .filter(|lead| lead.count > 0)
        .chain(heads)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_before_the_conversion() {
        for (name, stored, original) in [
            ("blk.0.attn_k_b.weight", &[4, 64, 32][..], &[128, 64][..]),
            ("blk.0.attn_v_b.weight", &[4, 48, 64], &[192, 64]),
            ("blk.0.ssm_conv1d.weight", &[512, 4], &[512, 1, 4]),
            ("blk.0.shortconv.conv.weight", &[64, 3], &[64, 1, 3]),
            ("blk.0.ssm_a", &[8, 1], &[8]),
            ("blk.0.ssm_a", &[512, 16], &[512, 16]),
            ("blk.0.ssm_norm.weight", &[2, 256], &[512]),
            ("blk.0.attn_k.weight", &[32, 64], &[32, 64]),
            (
                "blk.0.attn_k_b.weight",
                &[u64::MAX, 2, 2],
                &[u64::MAX, 2, 2],
            ),
        ] {
            assert_eq!(original_shape(name, stored), original, "{name}");
        }
    }

    #[test]
    fn tiled_heads_come_back_to_their_key_head() {
        let tiles = Tiles {
            of_columns: false,
            first: 10,
            keys: 2,
            per_key: 3,
            size: 4,
        };
        let starts: Vec<u64> = grouped(&tiles).iter().map(|run| run.start).collect();
        // Stored: values 0 of keys 0 and 1, values 1 of both, values 2 of both.
        assert_eq!(starts, [0, 10, 18, 26, 14, 22, 30]);
    }
}
