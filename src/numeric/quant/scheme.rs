//! What a quantisation scheme says of itself: the names of its tensors, how it is told from others,
//! how it is read.
//!
//! A scheme is a file of this folder with a [`Registration`] and a line in
//! [`REGISTERED`](super::REGISTERED).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Built, SteppedRows, Stored, StoredBytes};
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;

/// A scheme as the program knows it, before any file is seen.
pub(crate) struct Registration {
    /// Endings of names and what the tensor is for; `("." + ending)` stands behind the name of the
    /// module. A scheme lists all that it reads, also what others list.
    pub(crate) endings: &'static [(&'static str, &'static str)],
    /// Stacks of experts, whose names have no `.weight`.
    pub(crate) stacks: Option<Stacks>,
    /// Looks at a group of tensors.
    pub(crate) detect: fn(&Candidate<'_>) -> Detected,
}

/// The scheme of a group of tensors, or why they are not read; `None` where they are not of the
/// scheme that was looked for.
pub(crate) type Detected = Option<Built<Arc<dyn Scheme>>>;

/// Stacks of experts under a name without `.weight`.
pub(crate) enum Stacks {
    /// This tensor of a group makes it one.
    With(&'static str),
    /// The codes have the stem's own name, one of these dtypes and three axes, beside a tensor with
    /// one of these endings.
    Beside {
        /// Dtypes of the codes.
        dtypes: &'static [Dtype],
        /// Endings, and what the tensor is for.
        endings: &'static [(&'static str, &'static str)],
    },
}

/// The scheme of one matrix, with what its tensors alone do not tell.
pub trait Scheme: Debug + Send + Sync {
    /// The name that people know it by.
    fn word(&self) -> &'static str;

    /// What the tensor that holds the codes can be called; the first that is there.
    fn codes(&self) -> &'static [&'static str];

    /// Whether codes are rounded by a method that minimises the error of the layer's output, not of
    /// each weight.
    fn is_calibrated(&self) -> bool {
        false
    }

    /// Whether columns carry scales that the norm before the matrix takes back, so that more than
    /// rounding sets it apart from the original.
    fn rescales_inputs(&self) -> bool {
        false
    }

    /// The matrix as rows of f32, (experts ·) out of them.
    ///
    /// # Errors
    /// What does not fit, in words.
    fn open<'a>(&self, tensors: &Tensors<'_, 'a>) -> Built<Box<dyn SteppedRows + 'a>>;

    /// How many zero points are stored such that programs read them differently; `None` where the
    /// scheme has no such zero points, or they cannot be read.
    fn wrapped_zeros(&self, _tensors: &Tensors<'_, '_>) -> Option<u64> {
        None
    }
}

/// Schemes are equal that say the same of themselves.
impl PartialEq for dyn Scheme + '_ {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// Answers of [`Registration::detect`] for a scheme that is read.
pub(super) fn found(scheme: impl Scheme + 'static) -> Detected {
    Some(Ok(Arc::new(scheme)))
}

/// Answers of [`Registration::detect`] for tensors that are not read.
pub(super) fn refused(reason: impl Into<String>) -> Detected {
    Some(Err(reason.into()))
}

/// What one tensor is, without its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    /// Number format.
    pub(crate) dtype: Dtype,
    /// Axes, slowest first.
    pub(crate) shape: &'a [u64],
    /// Length in bytes.
    pub(crate) bytes: u64,
}

impl Member<'_> {
    /// Length of the last axis.
    pub(super) fn last_axis(&self) -> Option<u64> {
        self.shape.last().copied()
    }
}

/// Names of the scale of a matrix, by writer.
const SCALES: [&str; 3] = ["weight_scale_inv", "weight_scale", "scale"];

/// The tensors of one stem, whose scheme is looked for.
pub(crate) struct Candidate<'a> {
    /// The name in front of their endings.
    pub(crate) stem: &'a str,
    /// What each is.
    pub(crate) members: BTreeMap<&'static str, Member<'a>>,
    /// What config.json says of the quantisation.
    pub(crate) settings: Settings<'a>,
    /// Contents of a small member.
    pub(crate) read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

impl<'a> Candidate<'a> {
    pub(super) fn get(&self, member: &str) -> Option<Member<'a>> {
        self.members.get(member).copied()
    }

    pub(super) fn has(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    pub(super) fn dtype(&self, member: &str) -> Option<Dtype> {
        self.get(member).map(|tensor| tensor.dtype)
    }

    /// The scale of a matrix, whatever its writer calls it.
    pub(super) fn scale(&self) -> Option<Member<'a>> {
        SCALES.iter().find_map(|member| self.get(member))
    }

    /// Rows and columns of the matrix in that scheme: its shapes checked against one another.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub(crate) fn check(&self, scheme: &dyn Scheme) -> Built<(usize, usize)> {
        let blank = |member: &str| {
            let tensor = self.get(member)?;
            let bytes = Box::new(Blank(tensor.bytes));
            Some(Stored::new(tensor.dtype, tensor.shape, bytes))
        };
        let rows = scheme
            .open(&Tensors::new(&blank))
            .map_err(|what| format!("{}: {what}", scheme.word()))?;
        Ok((rows.rows(), rows.columns()))
    }
}

/// The right number of bytes, all zero: enough to check shapes against one another.
pub(crate) struct Blank(pub(crate) u64);

impl StoredBytes for Blank {
    fn len(&self) -> u64 {
        self.0
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.0) {
            return Err(Error::Usage("read past the end".into()));
        }
        out.fill(0);
        Ok(())
    }
}

/// Gives the tensor of that name, where there is one.
type Find<'o, 'a> = &'o dyn Fn(&str) -> Option<Built<Stored<'a>>>;

/// The tensors of a matrix that is read, by what they are for.
pub struct Tensors<'o, 'a> {
    find: Find<'o, 'a>,
}

impl<'o, 'a> Tensors<'o, 'a> {
    /// The tensors that `find` gives.
    pub fn new(find: Find<'o, 'a>) -> Self {
        Self { find }
    }

    /// A tensor that need not be there.
    pub(super) fn find(&self, member: &str) -> Built<Option<Stored<'a>>> {
        let stored = (self.find)(member).transpose();
        stored.map_err(|what| format!("{member}: {what}"))
    }

    /// A tensor that must be there.
    pub(super) fn get(&self, member: &str) -> Built<Stored<'a>> {
        self.find(member)?
            .ok_or_else(|| format!("{member} is missing"))
    }

    /// The scale of a matrix, whatever its writer calls it.
    pub(super) fn scale(&self) -> Built<Stored<'a>> {
        SCALES
            .iter()
            .find_map(|name| self.find(name).transpose())
            .unwrap_or_else(|| Err("its scale is missing".to_owned()))
    }
}

/// Groups of compressed-tensors that are looked at, for every matrix anew; real ones have a few.
const MOST_GROUPS: usize = 256;

/// What config.json says of the quantisation; nothing, where it has no such part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    /// The object under `quantization_config` or one of its other names.
    pub(crate) object: Option<&'a Map<String, Value>>,
}

impl<'a> Settings<'a> {
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object?.get(key)
    }

    /// `weights` of each group of compressed-tensors.
    pub(super) fn weights(&self) -> impl Iterator<Item = &'a Value> {
        let groups = self.value("config_groups").and_then(Value::as_object);
        let groups = groups.into_iter().flat_map(|groups| groups.values());
        groups
            .filter_map(|group| group.get("weights"))
            .take(MOST_GROUPS)
    }

    /// Columns in a group; none for one group over all columns (−1), or where groups of the config
    /// differ.
    pub(super) fn group_size(&self, stem: &str) -> Option<usize> {
        let size = |value: &Value| {
            let size = usize::try_from(value.as_u64()?).ok()?;
            (size > 0).then_some(size)
        };
        let own = self.value(stem).and_then(|module| module.get("group_size"));
        let of_all = ["group_size", "q_group_size"]
            .into_iter()
            .filter_map(|key| self.value(key));
        let stated = own.into_iter().chain(of_all).find_map(size);
        if stated.is_some() {
            return stated;
        }
        let mut sizes = self
            .weights()
            .filter_map(|weights| size(weights.get("group_size")?));
        let first = sizes.next()?;
        sizes.all(|size| size == first).then_some(first)
    }
}
