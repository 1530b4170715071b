//! Which stored tensors make up a quantised matrix, and by which scheme.
//!
//! Tensor names, dtypes and shapes decide; config.json gives what they leave open
//! (guide/formats.md, section 1.3). What a scheme looks like is its own to say
//! (`numeric/quant/scheme.rs`): here tensors are put together by the stems of their names
//! and shown to each scheme in turn.

mod members;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::members::{Group, by_stem};
use crate::model::checkpoint::TensorInfo;
use crate::model::config::Config;
use crate::numeric::quant::scheme::{Candidate, Member, Settings};
use crate::numeric::quant::{Built, REGISTERED, Scheme, SteppedRows, Stored, StoredBytes, Tensors};

/// A matrix that several stored tensors make up.
#[derive(Debug, Clone)]
pub struct QuantisedMatrix {
    /// Name of the unquantised tensor: "X.weight", or "X" for stacks of experts.
    pub name: String,
    /// (out, in), or (experts, out, in), whatever the orientation of the unquantised tensor.
    pub shape: Vec<u64>,
    /// Scheme.
    pub scheme: Arc<dyn Scheme>,
    /// Its tensors: what each is for, and where it is in the list of tensors.
    pub members: BTreeMap<&'static str, usize>,
}

// Not derived: the derived comparison would move out of the shared scheme.
impl PartialEq for QuantisedMatrix {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.shape == other.shape
            && *self.scheme == *other.scheme
            && self.members == other.members
    }
}

/// A matrix whose layout is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Name of the unquantised tensor.
    pub name: String,
    /// Layout, and why it is not read.
    pub reason: String,
    /// Its tensors.
    pub members: Vec<usize>,
}

/// What is quantised in a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quantised {
    /// Matrices that can be read, sorted by name.
    pub matrices: Vec<QuantisedMatrix>,
    /// Matrices that cannot, sorted by name.
    pub unsupported: Vec<Unsupported>,
    /// Tensors beside them that describe activations or caches, no weights.
    pub aside: Vec<usize>,
}

impl Quantised {
    /// Whether there is no quantised matrix.
    fn is_empty(&self) -> bool {
        self.matrices.is_empty() && self.unsupported.is_empty()
    }

    /// Tensors of the matrices, read or not.
    fn taken(&self) -> BTreeSet<usize> {
        let read = self.matrices.iter().flat_map(|m| m.members.values());
        let unread = self.unsupported.iter().flat_map(|m| &m.members);
        read.chain(unread).copied().collect()
    }
}

/// Finds the quantised matrices among `tensors`. `small` reads a whole tensor of at most `SMALL`
/// bytes.
pub fn quantised(
    tensors: &[TensorInfo],
    config: Option<&Config>,
    small: &dyn Fn(usize) -> Option<Vec<u8>>,
) -> Quantised {
    let settings = Settings {
        object: config.and_then(Config::quantisation),
    };
    let mut found = Quantised::default();
    for (stem, group) in by_stem(tensors) {
        let finder = Finder {
            tensors,
            group: &group,
            stem,
            settings,
            small,
        };
        match finder.matrix() {
            None => {}
            Some(Ok(matrix)) => found.matrices.push(matrix),
            Some(Err(reason)) => found.unsupported.push(Unsupported {
                name: finder.matrix_name(),
                reason,
                members: group.members.values().copied().collect(),
            }),
        }
    }
    if !found.is_empty() {
        let taken = found.taken();
        found.aside = members::activation_side(tensors);
        found.aside.retain(|at| !taken.contains(at));
    }
    found.matrices.sort_by(|a, b| a.name.cmp(&b.name));
    found.unsupported.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Largest tensor that [`quantised`] asks for: a quantisation state as JSON.
pub(crate) const SMALL: u64 = 1 << 16;

impl QuantisedMatrix {
    /// The tensor that holds the codes.
    pub fn codes(&self) -> Option<usize> {
        let mut names = self.scheme.codes().iter();
        names.find_map(|name| self.members.get(name)).copied()
    }

    /// The matrix as rows of f32, (experts ·) out of them; `bytes` gives the bytes of the tensor at
    /// an index of `tensors`, the list that the matrix was found in.
    ///
    /// # Errors
    /// What does not fit, in words; for a matrix that [`quantised`] found, only what its values say
    /// (a group that does not exist) or a failed read.
    pub fn open<'a>(
        &self,
        tensors: &[TensorInfo],
        bytes: &dyn Fn(usize) -> Box<dyn StoredBytes + 'a>,
    ) -> Built<Box<dyn SteppedRows + 'a>> {
        let find = |member: &str| self.stored(member, tensors, bytes);
        self.scheme.open(&Tensors::new(&find))
    }

    /// How many zero points are stored such that programs read them differently; `None` where the
    /// scheme has no such zero points, or they cannot be read.
    pub fn wrapped_zeros<'a>(
        &self,
        tensors: &[TensorInfo],
        bytes: &dyn Fn(usize) -> Box<dyn StoredBytes + 'a>,
    ) -> Option<u64> {
        let find = |member: &str| self.stored(member, tensors, bytes);
        self.scheme.wrapped_zeros(&Tensors::new(&find))
    }

    fn stored<'a>(
        &self,
        member: &str,
        tensors: &[TensorInfo],
        bytes: &dyn Fn(usize) -> Box<dyn StoredBytes + 'a>,
    ) -> Option<Built<Stored<'a>>> {
        let at = *self.members.get(member)?;
        Some(match tensors.get(at) {
            Some(tensor) => Stored::new(tensor.dtype, &tensor.shape, bytes(at)),
            None => Err("not in the list of tensors".to_owned()),
        })
    }
}

/// Looks for the matrix of one stem.
struct Finder<'a> {
    tensors: &'a [TensorInfo],
    group: &'a Group,
    stem: &'a str,
    settings: Settings<'a>,
    small: &'a dyn Fn(usize) -> Option<Vec<u8>>,
}

impl Finder<'_> {
    fn get(&self, member: &str) -> Option<(usize, &TensorInfo)> {
        let at = *self.group.members.get(member)?;
        Some((at, self.tensors.get(at)?))
    }

    fn matrix_name(&self) -> String {
        if self.group.is_stack {
            self.stem.to_owned()
        } else {
            format!("{}.weight", self.stem)
        }
    }

    /// The matrix in the first scheme that takes its tensors, its shapes checked against one
    /// another, or why it is not read; `None` where the tensors are no quantised matrix.
    fn matrix(&self) -> Option<Built<QuantisedMatrix>> {
        let read = |member: &str| {
            let (at, tensor) = self.get(member)?;
            (tensor.bytes <= SMALL).then(|| (self.small)(at))?
        };
        let candidate = Candidate {
            stem: self.stem,
            members: self.members(),
            settings: self.settings,
            read: &read,
        };
        let mut schemes = REGISTERED.iter();
        let scheme = schemes.find_map(|scheme| (scheme.detect)(&candidate))?;
        Some(scheme.and_then(|scheme| self.checked(&candidate, scheme)))
    }

    /// What each tensor is.
    fn members(&self) -> BTreeMap<&'static str, Member<'_>> {
        let members = self.group.members.iter();
        let found = members.filter_map(|(&member, &at)| {
            let tensor = self.tensors.get(at)?;
            let what = Member {
                dtype: tensor.dtype,
                shape: &tensor.shape,
                bytes: tensor.bytes,
            };
            Some((member, what))
        });
        found.collect()
    }

    fn checked(
        &self,
        candidate: &Candidate<'_>,
        scheme: Arc<dyn Scheme>,
    ) -> Built<QuantisedMatrix> {
        let (rows, columns) = candidate.check(&*scheme)?;
        let (rows, columns) = (rows as u64, columns as u64);
        let codes = scheme.codes().iter().find_map(|member| self.get(member));
        let shape = match codes.map(|(_, tensor)| &tensor.shape[..]) {
            Some(&[experts, _, _] | &[experts, _, _, _]) if experts > 0 => {
                vec![experts, rows / experts, columns]
            }
            _ => vec![rows, columns],
        };
        Ok(QuantisedMatrix {
            name: self.matrix_name(),
            shape,
            scheme,
            members: self.group.members.clone(),
        })
    }
}
