//! Values that are no weights (guide/methods.md, section 9): not finite, all zero, all alike, none
//! at all, or a file that ends in zeros, as half a download does.
//!
//! What a diverged run, an overflowing cast or an unfinished copy leaves behind compares like a
//! change of the model. It is told, counted, and left out of what can be compared.

use std::collections::BTreeMap;

use crate::align::{Pair, Unmatched, Why};
use crate::error::Result;
use crate::measure::record::Record;
use crate::model::sides::{Side, Sides};
use crate::model::warning::{NoWeight, NoWeights, Noted, Warning};
use crate::model::words::{Class, Component, Role};
use crate::numeric::rows::RowSource;
use crate::view::logical::Logical;
use crate::view::model::Model;

use super::analysis::{Analysis, Found, Setting, is_about};
use super::grounds::Grounds;

/// Names that are told of each kind.
const NAMES_TOLD: usize = 3;

/// Values read at a time of a matrix without a counterpart.
const CHUNK: usize = 1 << 17;

/// Bytes of a file that are looked at together, from its end on.
const TAIL_CHUNK: u64 = 1 << 20;

/// Fewest bytes of zeros at the end of a file that are told of.
const SHORTEST_TAIL: u64 = 1 << 10;

/// What of either side holds no weights.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValuesThatAreNoWeights {
    /// What, with its component.
    found: Vec<(Side, Component, NoWeights)>,
    /// Whether a cast made values infinite, or emptied a matrix, on one side only.
    differ: Vec<Component>,
    /// Matrices whose values were not read.
    unread: Vec<Component>,
}

/// Whether a matrix of the pair holds what is no weights on either side.
pub(crate) fn holds_no_weights(pair: &Pair, record: &Record) -> bool {
    pair.target.meaning.class == Class::Matrix
        && (record.sums.nonfinite != Sides::default()
            || record.constant != Sides::default()
            || record.sums.n == 0 && record.unreadable.is_none())
}

impl ValuesThatAreNoWeights {
    /// What is told of the model, or of one component.
    pub(crate) fn told(&self, about: Option<Component>) -> Vec<(Side, NoWeights)> {
        let mut joined: BTreeMap<(Side, NoWeight), NoWeights> = BTreeMap::new();
        for (side, component, what) in &self.found {
            if is_about(*component, about) {
                let own = joined.entry((*side, what.kind.clone()));
                own.and_modify(|own| own.add(what))
                    .or_insert_with(|| what.clone());
            }
        }
        let told = joined.into_iter();
        told.map(|((side, _), what)| (side, what)).collect()
    }

    /// The same as warnings.
    pub(crate) fn warnings(&self) -> Vec<Noted> {
        let told = self.told(None).into_iter();
        told.map(|(side, what)| Warning::NoWeights(what).on(side))
            .collect()
    }

    fn add(&mut self, side: Side, kind: NoWeight, logical: &Logical, values: u64) {
        let what = NoWeights {
            kind,
            tensors: 1,
            names: vec![logical.name.clone()],
            values,
            parameters: match logical.meaning.class {
                Class::Matrix => logical.elements(),
                _ => 0,
            },
        };
        self.found.push((side, logical.meaning.component, what));
    }

    fn add_pair(&mut self, pair: &Pair, record: &Record) {
        let is_matrix = pair.target.meaning.class == Class::Matrix;
        let component = pair.target.meaning.component;
        if record.unreadable.is_some() && is_matrix {
            self.unread.push(component);
        }
        for side in Side::BOTH {
            let logical: &Logical = pair.sides().get(side);
            if logical.meaning.class == Class::Uninformative || record.unreadable.is_some() {
                continue;
            }
            let nonfinite = *record.sums.nonfinite.get(side);
            if nonfinite > 0 {
                self.add(side, NoWeight::NotFinite, logical, nonfinite);
            } else if logical.elements() == 0 {
                self.add(side, NoWeight::Empty, logical, 0);
            } else if !is_matrix {
                continue;
            } else if record.sums.n == 0 {
                self.add(side, NoWeight::Empty, logical, 0);
            } else if *record.constant.get(side) {
                let zeros = *record.sums.zeros.get(side);
                let kind = match zeros {
                    0 => NoWeight::Constant,
                    _ => NoWeight::Zero,
                };
                self.add(side, kind, logical, record.sums.n);
            }
        }
        let is_one_sided = |of: Sides<bool>| of.base != of.target;
        let nonfinite = record.sums.nonfinite;
        if is_one_sided(nonfinite.map(|count| count > 0))
            || nonfinite.base != nonfinite.target
            || is_matrix && is_one_sided(record.constant)
        {
            self.differ.push(component);
        }
    }

    /// A matrix without a counterpart: its first, middle and last values tell whether the rest is
    /// to be read.
    fn add_left(&mut self, side: Side, model: &Model, left: &Unmatched) -> Result<()> {
        let logical = &left.tensor;
        let says_something = logical.meaning.class != Class::Uninformative;
        // What a sharded training did not gather is stored with one axis, of no length.
        if left.why != Why::Filtered && says_something && logical.elements() == 0 {
            self.add(side, NoWeight::Empty, logical, 0);
            return Ok(());
        }
        if left.why == Why::Filtered || logical.meaning.class != Class::Matrix {
            return Ok(());
        }
        if model.unreadable(logical).is_some() {
            if left.why == Why::Unsupported {
                self.unread.push(logical.meaning.component);
            }
            return Ok(());
        }
        if let Some(value) = single_value(model, logical)? {
            let kind = match value {
                v if !v.is_finite() => NoWeight::NotFinite,
                0.0 => NoWeight::Zero,
                _ => NoWeight::Constant,
            };
            self.add(side, kind, logical, logical.elements());
        }
        Ok(())
    }

    /// Files that end in zeros.
    fn add_tails(&mut self, side: Side, model: &Model) -> Result<()> {
        let checkpoint = model.checkpoint();
        for (at, file) in checkpoint.files.iter().enumerate() {
            let Some((bytes, tensors)) = zero_tail(model, at)? else {
                continue;
            };
            let what = NoWeights {
                kind: NoWeight::EndsInZeros {
                    file: file.name.clone(),
                },
                tensors,
                names: Vec::new(),
                values: bytes,
                parameters: 0,
            };
            let component = model.logicals.first().map(|l| l.meaning.component);
            self.found
                .push((side, component.unwrap_or(Component::Other), what));
        }
        Ok(())
    }
}

impl NoWeights {
    fn add(&mut self, more: &Self) {
        self.tensors += more.tensors;
        self.values = self.values.saturating_add(more.values);
        self.parameters = self.parameters.saturating_add(more.parameters);
        self.names.extend(more.names.iter().cloned());
        self.names.sort();
        self.names.dedup();
        self.names.truncate(NAMES_TOLD);
    }
}

impl Analysis for ValuesThatAreNoWeights {
    fn look(setting: &Setting<'_>, _: &mut Found) -> Result<Option<Self>> {
        let mut out = Self::default();
        let alignment = setting.alignment;
        for (pair, record) in alignment.pairs.iter().zip(setting.records) {
            out.add_pair(pair, record);
        }
        let left = [&alignment.base_left, &alignment.target_left];
        for ((side, model), left) in Side::BOTH.into_iter().zip(setting.models).zip(left) {
            // Of a sketch the values of what is paired are known, and no others.
            if *setting
                .is_sketched
                .get(usize::from(side == Side::Target))
                .unwrap_or(&false)
            {
                continue;
            }
            for left in left {
                out.add_left(side, model, left)?;
            }
            out.add_tails(side, model)?;
        }
        let is_something = [out.found.len(), out.differ.len(), out.unread.len()] != [0; 3];
        Ok(is_something.then_some(out))
    }

    fn weigh(&self, about: Option<Component>, grounds: &mut Grounds) {
        let counts = |component: &Component| is_about(*component, about);
        grounds.no_weights = self.told(about);
        grounds.lacks_values = !grounds.no_weights.is_empty() || self.unread.iter().any(counts);
        if self.differ.iter().any(counts) {
            grounds.re_encoding = None;
        }
    }
}

/// The one value that a matrix holds throughout, any that is not finite standing for all of these;
/// `None` for a matrix of several values.
fn single_value(model: &Model, logical: &Logical) -> Result<Option<f32>> {
    let view = model.view(logical)?;
    let (rows, columns) = (view.rows(), view.columns());
    if rows == 0 || columns == 0 {
        return Ok(None);
    }
    let together = (CHUNK / columns).clamp(1, rows);
    let mut values = vec![0.0; together * columns];
    let mut single = None;
    let mut is_single = |values: &[f32]| {
        values.iter().all(|&value| {
            let first: f32 = *single.get_or_insert(value);
            first == value || !first.is_finite() && !value.is_finite()
        })
    };
    for row in [0, rows / 2, rows - 1] {
        view.read_rows(row..row + 1, &mut values[..columns])?;
        if !is_single(&values[..columns]) {
            return Ok(None);
        }
    }
    for begin in (0..rows).step_by(together) {
        let here = together.min(rows - begin);
        view.read_rows(begin..begin + here, &mut values)?;
        if !is_single(&values[..here * columns]) {
            return Ok(None);
        }
    }
    Ok(single)
}

/// Bytes of zeros that a file ends in, and the tensors that they reach; none where they are what a
/// whole model may end in: a bias that never moved, rows that pad a vocabulary.
fn zero_tail(model: &Model, file: usize) -> Result<Option<(u64, usize)>> {
    let opened = &model.opened;
    let mut tensors: Vec<_> = model
        .checkpoint()
        .tensors
        .iter()
        .filter(|tensor| tensor.file == file && tensor.bytes > 0)
        .collect();
    tensors.sort_by_key(|tensor| std::cmp::Reverse((tensor.offset, tensor.bytes)));
    let (mut bytes, mut reached, mut is_told) = (0u64, 0, false);
    let mut scratch = Vec::new();
    for tensor in tensors {
        let region = opened.bytes_of(tensor);
        let mut end = region.len();
        while end > 0 {
            let begin = end.saturating_sub(TAIL_CHUNK);
            let chunk = region.bytes(begin, (end - begin) as usize, &mut scratch)?;
            let zeros = chunk.iter().rev().take_while(|byte| **byte == 0).count() as u64;
            end -= zeros;
            if end > begin {
                break;
            }
        }
        let zeros = region.len() - end;
        bytes = bytes.saturating_add(zeros);
        reached += usize::from(zeros > 0);
        let is_table = model
            .named(&tensor.name)
            .is_some_and(|l| matches!(l.meaning.role, Role::Embed | Role::LmHead));
        let is_matrix = tensor.shape.iter().filter(|length| **length > 1).count() > 1;
        let is_whole = end == 0;
        is_told |= is_matrix && (is_whole || !is_table && 8 * zeros >= region.len());
        if !is_whole {
            break;
        }
    }
    // A file without any value but zeros holds matrices of zeros, and is told of as such.
    Ok((is_told && bytes >= SHORTEST_TAIL).then_some((bytes, reached)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::open::open_checkpoint;
    use crate::source::Io;

    /// A safetensors file of F32 tensors of these names, shapes and values.
    fn model(tensors: &[(&str, &[u64], Vec<f32>)]) -> (tempfile::TempDir, Model) {
        let folder = tempfile::tempdir().unwrap();
        let mut at = 0;
        let entry = |(name, shape, values): &(&str, &[u64], Vec<f32>)| {
            let begin = at;
            at += 4 * values.len();
            format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{at}]}}"#)
        };
        let header: Vec<String> = tensors.iter().map(entry).collect();
        let header = format!("{{{}}}", header.join(","));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        let values = tensors.iter().flat_map(|(.., values)| values);
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let opened = open_checkpoint(&path, Io::Mmap).unwrap();
        (folder, Model::new(opened))
    }

    fn some(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.7).sin() + 0.01).collect()
    }

    #[test]
    fn a_file_that_ends_in_zeros_is_half_a_download_and_a_zero_bias_is_not() {
        let up = "layers.0.mlp.up_proj.weight";
        let mut half = some(1024);
        half[600..].fill(0.0);
        let (_folder, cut) = model(&[(up, &[32, 32], half.clone())]);
        assert_eq!(zero_tail(&cut, 0).unwrap(), Some((4 * 424, 1)));
        let (_folder, whole) = model(&[
            (up, &[32, 32], some(1024)),
            ("layers.0.mlp.up_proj.bias", &[1024], vec![0.0; 1024]),
        ]);
        assert_eq!(zero_tail(&whole, 0).unwrap(), None);
        let (_folder, padded) = model(&[("lm_head.weight", &[32, 32], half)]);
        assert_eq!(zero_tail(&padded, 0).unwrap(), None);
    }

    #[test]
    fn one_value_throughout_is_told_from_several() {
        let mut last = vec![0.0; 64];
        last[13] = 1.0;
        let (_folder, cases) = model(&[
            ("a.weight", &[8, 8], vec![0.0; 64]),
            ("b.weight", &[8, 8], vec![f32::NAN; 64]),
            ("c.weight", &[8, 8], last),
        ]);
        let value = |name| single_value(&cases, cases.named(name).unwrap()).unwrap();
        assert_eq!(value("a.weight"), Some(0.0));
        assert!(value("b.weight").is_some_and(f32::is_nan));
        assert_eq!(value("c.weight"), None);
    }
}
