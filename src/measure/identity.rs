//! Whether the two tensors of a pair are stored in the same bytes.

use crate::align::Pair;
use crate::error::Result;
use crate::model::checkpoint::TensorInfo;
use crate::model::sides::Sides;
use crate::view::model::Model;

use super::as_stored::as_stored;
use super::record::Digest;
use super::segment::CHUNK;

/// Bytes of each side that are held against each other at a time.
const STEP: u64 = 2 * CHUNK;

/// Whether a pair is stored in tensors of equal dtype, shape and bytes (guide/contract.md, section
/// 3).
///
/// Digests decide where they were taken; else the sums, where they read the stored bytes
/// (`summed_equal`: what they saw); else the bytes are read again, up to the first that differs.
///
/// # Errors
/// A read that fails.
pub(super) fn is_identical(
    models: Sides<&Model>,
    pair: &Pair,
    digests: Option<Sides<&[Digest]>>,
    summed_equal: bool,
) -> Result<bool> {
    let base = models.base.stored_tensors(&pair.base);
    let target = models.target.stored_tensors(&pair.target);
    let (Some(base), Some(target)) = (base, target) else {
        return Ok(false);
    };
    if base.len() != target.len() {
        return Ok(false);
    }

    let tensors: Vec<Sides<usize>> = base
        .into_iter()
        .zip(target)
        .map(|(base, target)| Sides { base, target })
        .collect();
    let is_alike = |at: &Sides<usize>| {
        let Sides { base, target } = infos(models, *at);
        base.dtype == target.dtype && base.shape == target.shape
    };
    if !tensors.iter().all(is_alike) {
        return Ok(false);
    }

    if let Some(digests) = digests {
        let has_one_digest =
            |at: &Sides<usize>| digests.base.get(at.base) == digests.target.get(at.target);
        return Ok(tensors.iter().all(has_one_digest));
    }
    if as_stored(pair).is_some() {
        return Ok(summed_equal && pair.base.stored_shape == pair.target.stored_shape);
    }
    let mut scratch = Sides::default();
    for at in tensors {
        if !has_equal_bytes(models, at, &mut scratch)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn infos(models: Sides<&Model>, at: Sides<usize>) -> Sides<&TensorInfo> {
    models
        .zip(at)
        .map(|(model, at)| &model.checkpoint().tensors[at])
}

/// Whether two tensors of equal length hold the same bytes.
fn has_equal_bytes(
    models: Sides<&Model>,
    at: Sides<usize>,
    scratch: &mut Sides<Vec<u8>>,
) -> Result<bool> {
    let tensors = infos(models, at);
    let sources = models
        .zip(tensors)
        .map(|(model, tensor)| model.opened.bytes_of(tensor));
    let length = tensors.base.bytes;
    let mut done = 0;
    while done < length {
        let count = STEP.min(length - done);
        let base = sources
            .base
            .bytes(done, count as usize, &mut scratch.base)?;
        let target = sources
            .target
            .bytes(done, count as usize, &mut scratch.target)?;
        if base != target {
            return Ok(false);
        }
        done += count;
    }
    Ok(true)
}
