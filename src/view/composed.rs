//! Tensors that are stored in parts: a weight beside the mask that prunes it, a direction beside
//! its norms (guide/formats.md, section 1.7), the NVFP4 blocks of a GGUF file beside their scale
//! (section 5).
//!
//! All are read as the weight that the layer computes with, under that weight's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format::open::Opened;
use crate::model::checkpoint::TensorInfo;
use crate::model::dtype::{Dtype, Kind, element_count};
use crate::numeric::decode::{decode_f32, decodes, step, values_per_element};

/// What the stored values are multiplied by.
#[derive(Debug, Clone, PartialEq)]
pub enum Factor {
    /// The tensor at this index, element by element.
    Mask(usize),
    /// One number for every run of `each` stored elements.
    Runs {
        /// Elements of a run.
        each: u64,
        /// The number of each run.
        factors: Arc<[f32]>,
        /// What the number may be off by, as a share of it: it was computed from rounded values.
        uncertainty: f32,
    },
}

/// A stored tensor that is read as another.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// Name of what is computed of it.
    pub name: String,
    /// What it is multiplied by.
    pub factor: Factor,
    /// The tensor beside it.
    pub beside: usize,
}

/// Largest tensor whose norms are taken, in bytes: weight norm is of small networks.
const LARGEST: u64 = 1 << 32;

/// Values read at a time.
const CHUNK: u64 = 1 << 16;

/// The composed tensors of a checkpoint, by index of the one that holds the values.
pub(super) fn composed(opened: &Opened) -> BTreeMap<usize, Arc<Composed>> {
    let tensors = &opened.checkpoint.tensors;
    let index = |name: &str| {
        let by_name = |tensor: &TensorInfo| tensor.name.as_bytes().cmp(name.as_bytes());
        tensors.binary_search_by(by_name).ok()
    };
    let mut out = BTreeMap::new();
    for (at, tensor) in tensors.iter().enumerate() {
        let masked = masked(&tensor.name).and_then(|(name, mask)| Some((name, index(&mask)?)));
        let normed = normed(&tensor.name).and_then(|(name, norms)| Some((name, index(&norms)?)));
        let scaled = || scales(opened, tensor, &index);
        let found = match (masked, normed) {
            _ if tensor.dtype == Dtype::Nvfp4 => scaled(),
            (Some((name, mask)), _) if is_mask(tensor, &tensors[mask]) => {
                Some((name, Factor::Mask(mask), mask))
            }
            (_, Some((name, norms))) => {
                let factor = run_factors(opened, tensor, &tensors[norms]);
                factor.map(|factor| (name, factor, norms))
            }
            _ => None,
        };
        let is_free = |name: &str| name == tensor.name || index(name).is_none();
        if let Some((name, factor, beside)) = found.filter(|(name, ..)| is_free(name)) {
            let composed = Composed {
                name,
                factor,
                beside,
            };
            out.insert(at, Arc::new(composed));
        }
    }
    out
}

/// `X.weight_orig`: the pruned weight's name and that of the mask (torch.nn.utils.prune).
fn masked(name: &str) -> Option<(String, String)> {
    let weight = name.strip_suffix("_orig")?;
    Some((weight.to_owned(), format!("{weight}_mask")))
}

/// `X.weight_v`, or `X.parametrizations.weight.original1`: the weight's name and that of its norms
/// (torch.nn.utils.weight_norm, and the same as a parametrisation).
fn normed(name: &str) -> Option<(String, String)> {
    if let Some(weight) = name.strip_suffix("_v") {
        return Some((weight.to_owned(), format!("{weight}_g")));
    }
    let stem = name.strip_suffix(".original1")?;
    let (module, parameter) = stem.split_once("parametrizations.")?;
    Some((format!("{module}{parameter}"), format!("{stem}.original0")))
}

/// The scale that the blocks of `X.weight` are multiplied by: `X.scale` or `X.weight.scale`, one
/// for all or one for each matrix of a stack.
fn scales(
    opened: &Opened,
    tensor: &TensorInfo,
    index: &dyn Fn(&str) -> Option<usize>,
) -> Option<(String, Factor, usize)> {
    let stem = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
    let names = [format!("{stem}.scale"), format!("{}.scale", tensor.name)];
    let beside = names.iter().find_map(|name| index(name))?;
    let scale = &opened.checkpoint.tensors[beside];
    let (count, all) = (element_count(&scale.shape)?, element_count(&tensor.shape)?);
    let is_one_each = count == 1 || tensor.shape.len() > 2 && tensor.shape[0] == count;
    if scale.dtype != Dtype::F32 || count == 0 || !is_one_each || !all.is_multiple_of(count) {
        return None;
    }
    let factor = Factor::Runs {
        each: all / count,
        factors: decoded(opened, scale, 0, count)?.into(),
        uncertainty: 0.0,
    };
    Some((tensor.name.clone(), factor, beside))
}

fn is_mask(tensor: &TensorInfo, mask: &TensorInfo) -> bool {
    tensor.shape == mask.shape && decodes(tensor.dtype) && decodes(mask.dtype)
}

/// g / ‖v‖ for each index of the one axis that g has, or one for all; `None` where the two do not
/// fit, or that axis is neither the first nor none.
fn run_factors(opened: &Opened, values: &TensorInfo, norms: &TensorInfo) -> Option<Factor> {
    let is_float = |tensor: &TensorInfo| {
        tensor.dtype.kind() == Kind::Float
            && decodes(tensor.dtype)
            && values_per_element(tensor.dtype) == 1
            && tensor.dtype.block().0 == 1
    };
    let count = element_count(&norms.shape)?;
    let all = element_count(&values.shape)?;
    let of_first = values.shape.first() == Some(&count) && norms.shape.first() == Some(&count);
    let fits = is_float(values) && is_float(norms) && all > 0 && values.bytes <= LARGEST;
    if !fits || !(of_first || count == 1) {
        return None;
    }
    let each = all / count;
    // A rounded norm is off by half a step at most; of the lengths of rounded rows, errors of both
    // signs leave the less the longer they are.
    let half_step = |tensor: &TensorInfo| f64::from(step(tensor.dtype, 1.0)) / 2.0;
    let uncertainty = half_step(norms) + half_step(values) * (3.0 / (each as f64).sqrt()).min(1.0);
    let norms = decoded(opened, norms, 0, count)?;
    let factor = |(run, norm): (u64, &f32)| {
        let mut square = 0.0;
        for begin in (0..each).step_by(CHUNK as usize) {
            let here = CHUNK.min(each - begin);
            let values = decoded(opened, values, run * each + begin, here)?;
            let squares = values.iter().map(|value| f64::from(*value).powi(2));
            square += squares.sum::<f64>();
        }
        Some((f64::from(*norm) / square.sqrt()) as f32)
    };
    let factors: Option<Arc<[f32]>> = (0..).zip(&norms).map(factor).collect();
    Some(Factor::Runs {
        each,
        factors: factors?,
        uncertainty: uncertainty as f32,
    })
}

/// Some values of a tensor of whole bytes an element; `None` where they cannot be read.
fn decoded(opened: &Opened, tensor: &TensorInfo, first: u64, count: u64) -> Option<Vec<f32>> {
    let width = tensor.dtype.block().1;
    let length = usize::try_from(count.checked_mul(width)?).ok()?;
    let mut scratch = Vec::new();
    let region = opened.bytes_of(tensor);
    let bytes = region.bytes(first * width, length, &mut scratch).ok()?;
    let mut out = vec![0.0; usize::try_from(count).ok()?];
    decode_f32(tensor.dtype, bytes, &mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lead_to_the_weight_and_to_what_stands_beside() {
        let pair = |name: &str, beside: &str| Some((name.to_owned(), beside.to_owned()));
        assert_eq!(masked("a.weight_orig"), pair("a.weight", "a.weight_mask"));
        assert_eq!(normed("a.weight_v"), pair("a.weight", "a.weight_g"));
        assert_eq!(
            normed("a.parametrizations.weight.original1"),
            pair("a.weight", "a.parametrizations.weight.original0")
        );
        assert_eq!(normed("a.weight"), None);
    }
}
