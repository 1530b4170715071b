//! A cheap look at weight files that are not read: whether one of them is another model.

use std::collections::HashMap;

use super::super::contents::Contents;
use super::super::formats;
use super::Opened;
use super::find::Aside;
use crate::model::checkpoint::{Checkpoint, LeftAside, TensorInfo, WhyAside};
use crate::model::dtype::Dtype;
use crate::model::warning::{NAMES_KEPT, Warning};
use crate::source::{Region, Source};

/// Files whose headers are looked at.
const MOST_FILES: usize = 8;

/// Tensors of a file whose values are looked at, the largest.
const MOST_TENSORS: usize = 6;

/// Values of each that are looked at, from its middle.
const VALUES: u64 = 256;

/// Largest distance of values in two number formats, relative to their length: half a step of
/// bfloat16 is 2^-9 of a value, of float8 2^-4.
const ROUNDING: f64 = 0.04;

/// A model whose number of elements differs by more than this share is another one.
const OTHER_SIZE: f64 = 0.02;

/// Looks at the files left aside, and tells of those that hold another model.
pub(super) fn look(opened: &mut Opened, files: Vec<Aside>) {
    let mut left = Vec::new();
    let mut differing = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let name = format!("{}{}", file.prefix, file.name);
        let mut why = file.why;
        let is_looked_at = matches!(
            why,
            WhyAside::AnotherFormat | WhyAside::AnotherCopy | WhyAside::NotInIndex
        );
        if is_looked_at && number < MOST_FILES && is_another_model(opened, &file) == Some(true) {
            why = WhyAside::AnotherModel;
            differing.push(name.clone());
        }
        left.push(LeftAside { file: name, why });
    }
    opened.checkpoint.left_aside = left;
    if !differing.is_empty() {
        differing.truncate(NAMES_KEPT);
        let warning = Warning::AnotherModelBeside { files: differing };
        opened.checkpoint.warnings.push(warning);
    }
}

/// Whether a file holds other weights than what was read; none where that cannot be told, for what
/// is wrong with a file that nobody reads is no error.
fn is_another_model(opened: &Opened, file: &Aside) -> Option<bool> {
    let source = file.folder.open(&file.name).ok()??;
    let (_, contents) = formats::read(&source, 0).ok()?;
    if contents.gguf.is_some() {
        return None;
    }
    let own: HashMap<&str, &TensorInfo> = opened
        .checkpoint
        .tensors
        .iter()
        .filter_map(|tensor| Some((tensor.name.strip_prefix(&file.prefix)?, tensor)))
        .collect();
    let mut shared: Vec<(&TensorInfo, &TensorInfo)> = contents
        .tensors
        .iter()
        .filter_map(|other| Some((*own.get(other.name.as_str())?, other)))
        .collect();
    if shared.is_empty() {
        return is_of_another_size(&opened.checkpoint, &file.prefix, &contents);
    }
    if shared.iter().any(|(own, other)| own.shape != other.shape) {
        return Some(true);
    }
    shared.retain(|(own, other)| width(own.dtype).is_some() && width(other.dtype).is_some());
    shared.sort_by_key(|(_, other)| std::cmp::Reverse(other.bytes));
    let mut looks = shared.iter().take(MOST_TENSORS).map(|(own, other)| {
        let own_bytes = opened.bytes_of(own);
        let other_bytes = bytes_of(&contents, &*source, other);
        Some(differ(
            &values(own.dtype, own_bytes)?,
            &values(other.dtype, other_bytes)?,
        ))
    });
    looks.try_fold(false, |differs, look| Some(differs | look?))
}

/// Whether a file of other names holds another number of elements, which a model under other names
/// does not.
fn is_of_another_size(own: &Checkpoint, prefix: &str, contents: &Contents) -> Option<bool> {
    let count = |tensors: &mut dyn Iterator<Item = &TensorInfo>| {
        tensors.map(|tensor| tensor.elements() as f64).sum::<f64>()
    };
    let mut of_folder = own
        .tensors
        .iter()
        .filter(|tensor| tensor.name.starts_with(prefix));
    let (own, other) = (count(&mut of_folder), count(&mut contents.tensors.iter()));
    (own > 0.0 && other > 0.0).then(|| (own - other).abs() > OTHER_SIZE * own.max(other))
}

fn bytes_of<'a>(contents: &'a Contents, source: &'a dyn Source, tensor: &TensorInfo) -> Region<'a> {
    match contents.strided.get(&tensor.name) {
        Some(view) => Region::whole(view),
        None => Region::new(source, tensor.offset, tensor.bytes),
    }
}

/// Bytes of a value, of number formats whose values are looked at.
fn width(dtype: Dtype) -> Option<u64> {
    match dtype {
        Dtype::F64 => Some(8),
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::Bf16 => Some(2),
        _ => None,
    }
}

/// A run of values from the middle of a tensor.
fn values(dtype: Dtype, bytes: Region<'_>) -> Option<Vec<f64>> {
    let width = width(dtype)?;
    let count = bytes.len() / width;
    let begin = count.saturating_sub(VALUES) / 2;
    let len = usize::try_from(VALUES.min(count) * width).ok()?;
    let mut scratch = Vec::new();
    let read = bytes.bytes(begin * width, len, &mut scratch).ok()?;
    let value = |bytes: &[u8]| match (dtype, bytes) {
        (Dtype::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        (Dtype::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).into(),
        (Dtype::Bf16, &[a, b]) => f32::from_le_bytes([0, 0, a, b]).into(),
        (_, &[a, b]) => half::f16::from_le_bytes([a, b]).into(),
        _ => 0.0,
    };
    Some(
        read.chunks(usize::try_from(width).ok()?)
            .map(value)
            .collect(),
    )
}

/// Whether values differ by more than number formats do.
fn differ(own: &[f64], other: &[f64]) -> bool {
    let finite = || {
        own.iter()
            .zip(other)
            .filter(|(a, b)| a.is_finite() && b.is_finite())
    };
    let distance: f64 = finite().map(|(a, b)| (a - b) * (a - b)).sum();
    let length: f64 = finite().map(|(a, b)| a * a + b * b).sum();
    distance.sqrt() > ROUNDING * length.sqrt()
}
