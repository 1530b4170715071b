//! Where rows and columns of a logical tensor stand in what a sketch keeps of its model.
//!
//! A tensor is kept as it is stored, so that it is cut, transposed and re-ordered again by whoever
//! opens the sketch. Codes with scales are kept as the matrix that they stand for.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::dtype::Dtype;
use crate::model::rotary::interleaved_row;
use crate::model::sketch::LONGEST_AXIS;
use crate::model::tokenizer::hash_of_number;

use crate::source::{self, Patch};

use super::logical::{Logical, Origin, RowOrder, RowRun};
use super::model::Model;
use super::place::Place;

/// A logical tensor of a model as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptAs {
    /// Number format of its values.
    pub dtype: Dtype,
    /// Axes.
    pub shape: Vec<u64>,
    /// Values of one row.
    pub width: u64,
}

/// What the first rows and columns of a matrix tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Whether a formula explains them.
    pub by_formula: bool,
    /// Whether its rows stand in an order of their own, and whether its columns do.
    pub in_order: [bool; 2],
}

/// Along which axis of a logical matrix something is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Its rows, or the elements of a vector.
    Rows,
    /// Its columns.
    Columns,
}

/// Rows and columns of a tensor as it is kept, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptPlace {
    /// Which of the model's logical tensors.
    pub tensor: usize,
    /// Rows.
    pub rows: Vec<u64>,
    /// Columns.
    pub columns: Vec<u64>,
    /// Whether its rows are the columns that were asked for.
    pub is_transposed: bool,
}

/// Finds what a logical tensor is kept as.
pub(crate) struct Keeper<'a> {
    model: &'a Model,
    by_origin: BTreeMap<Origin, usize>,
}

impl<'a> Keeper<'a> {
    /// Of all tensors of a model.
    pub(crate) fn new(model: &'a Model) -> Self {
        let all = model.logicals.iter().enumerate();
        Self {
            model,
            by_origin: all
                .map(|(at, logical)| (logical.stored_as.origin, at))
                .collect(),
        }
    }

    /// A logical tensor of the model by its number.
    pub(crate) fn whole(&self, tensor: usize) -> &Logical {
        &self.model.logicals[tensor]
    }

    /// How a whole logical tensor is kept.
    pub(crate) fn kept_as(logical: &Logical) -> KeptAs {
        let dtype = match logical.dtype {
            narrow @ (Dtype::F16 | Dtype::Bf16) => narrow,
            _ => Dtype::F32,
        };
        match is_kept_as_stored(logical) {
            true => KeptAs {
                dtype,
                shape: logical.stored_shape.clone(),
                width: logical.stored_as.stored.1,
            },
            false => KeptAs {
                dtype: Dtype::F32,
                shape: logical.shape.clone(),
                width: logical.matrix_shape().1,
            },
        }
    }

    /// Whether something can be kept of a whole logical tensor: it holds no complex numbers, and no
    /// axis of it is too long.
    pub(crate) fn is_kept(logical: &Logical) -> bool {
        let KeptAs { shape, width, .. } = Self::kept_as(logical);
        let elements = shape.iter().product::<u64>();
        let rows = elements.checked_div(width).unwrap_or(0);
        logical.dtype != Dtype::C64 && rows.max(width) <= LONGEST_AXIS
    }

    /// Where `rows` and `columns` of a logical tensor, perhaps cut out of another, are kept; `None`
    /// where they make no rows and columns there.
    pub(crate) fn kept_place(
        &self,
        logical: &Logical,
        rows: &[usize],
        columns: &[usize],
    ) -> Option<KeptPlace> {
        let tensor = *self.by_origin.get(&logical.stored_as.origin)?;
        let whole = self.model.logicals.get(tensor)?;
        if !Self::is_kept(whole) {
            return None;
        }
        let is_itself = whole.name == logical.name;
        let (rows, columns) = match is_kept_as_stored(whole) {
            true => logical.in_origin(rows, columns)?,
            false if is_itself => (wide(rows), wide(columns)),
            // Pieces are cut again from what the codes stand for, which lies as it is stored.
            false if lies_as_stored(whole) => logical.in_origin(rows, columns)?,
            false => return None,
        };
        let is_transposed = logical.stored_as.transposed && is_kept_as_stored(whole);
        Some(KeptPlace {
            is_transposed,
            tensor,
            rows,
            columns,
        })
    }
}

/// Units of a feed-forward that stand for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Their numbers in the whole model: first those in places that the seed chose, ascending, then
    /// others.
    pub units: Vec<usize>,
    /// How many stand in places that the seed chose.
    pub placed: usize,
    /// Units of the whole.
    pub all: usize,
}

impl Model {
    /// Notes which units the rows of the matrix at a place are.
    pub(crate) fn note_chosen(&mut self, place: Place, chosen: Chosen) {
        self.chosen.insert(place, chosen);
    }

    /// Which units the rows of the matrix at a place are; `None` where they are all there are.
    pub(crate) fn chosen(&self, place: &Place) -> Option<&Chosen> {
        self.chosen.get(place)
    }

    /// Leaves some rows or columns of the tensor at a place, in that order; one that is read in an order
    /// of its own where they have none stays as it is.
    pub(crate) fn choose(&mut self, place: &Place, axis: Axis, list: &[u64]) {
        let Some(logical) = self.at(place) else {
            return;
        };
        if let Some(chosen) = logical.with_only(axis, list) {
            self.set_at(place, chosen);
        }
    }

    /// The rows of a logical tensor of which a sketch keeps values, ascending; `None` where the
    /// model is no sketch: all of them.
    pub(crate) fn held_rows(&self, logical: &Logical) -> Option<Vec<usize>> {
        let sketch = self.opened.sketch.as_ref()?;
        let Origin::Tensor(at) = logical.stored_as.origin else {
            return Some(Vec::new());
        };
        Some(rows_in(&sketch.patched.get(at)?.patches, logical))
    }

    /// First bytes of the hashes and rows of the `count` tokens of least hash in a table of `rows`
    /// rows, by hash; of a sketch those that it keeps. Without a tokenizer the hash is that of the
    /// row's number.
    ///
    /// # Errors
    /// A sketch that cannot be read.
    pub(crate) fn least_tokens(
        &self,
        rows: usize,
        count: usize,
        table: &Logical,
    ) -> Result<Vec<(u64, usize)>> {
        let held = self.held_rows(table);
        let of_sketch = match &self.opened.sketch {
            Some(sketch) => sketch.first_tokens(count)?,
            None => None,
        };
        let own = self
            .tokenizer
            .as_ref()
            .map(|tokenizer| tokenizer.least_hashes(count));
        let mut out: Vec<(u64, usize)> = match of_sketch.or(own) {
            Some(tokens) => tokens
                .into_iter()
                .map(|(hash, id)| (hash, id as usize))
                .collect(),
            None => {
                let numbers = held.clone().unwrap_or_else(|| (0..rows).collect());
                let hashed = numbers.into_iter().map(|row| (hash_of_number(row), row));
                let mut hashed: Vec<(u64, usize)> = hashed.collect();
                hashed.sort_unstable();
                hashed.truncate(count);
                hashed
            }
        };
        out.retain(|(_, row)| {
            let is_held = |held: &Vec<usize>| held.binary_search(row).is_ok();
            *row < rows && held.as_ref().is_none_or(is_held)
        });
        Ok(out)
    }

    /// Whether the units of feed-forwards that contribute most can be looked at: in a sketch, whether
    /// it keeps them.
    pub(crate) fn keeps_largest(&self) -> bool {
        let sketch = self.opened.sketch.as_ref();
        sketch.is_none_or(|sketch| sketch.largest.iter().any(|patches| !patches.is_empty()))
    }

    /// Whether a sketch keeps something of most of these columns of a logical matrix; true of what is no
    /// sketch, and where columns are read in an order of their own.
    pub(crate) fn holds_columns(&self, logical: &Logical, columns: &[usize]) -> bool {
        let storage = &logical.stored_as;
        let (Some(sketch), Origin::Tensor(at)) = (&self.opened.sketch, storage.origin) else {
            return true;
        };
        if storage.columns.is_some() {
            return true;
        }
        let patches = sketch
            .patched
            .get(at)
            .map_or(&[][..], |tensor| &tensor.patches);
        let known = columns.iter().filter(|column| {
            let is_listed = |axis: &source::Axis| match axis {
                None => true,
                Some(list) => {
                    u32::try_from(**column).is_ok_and(|at| list.binary_search(&at).is_ok())
                }
            };
            patches.iter().any(|patch| match storage.transposed {
                true => is_listed(&patch.rows),
                false => is_listed(&patch.columns),
            })
        });
        4 * known.count() >= 3 * columns.len()
    }

    /// The rows of a logical tensor that a sketch keeps as those of its largest units, ascending.
    pub(crate) fn largest_rows(&self, logical: &Logical) -> Vec<usize> {
        let Some((sketch, Origin::Tensor(at))) =
            (self.opened.sketch.as_ref()).zip(Some(logical.stored_as.origin))
        else {
            return Vec::new();
        };
        let patches = sketch.largest.get(at);
        patches.map_or_else(Vec::new, |patches| rows_in(patches, logical))
    }

    /// What a sketch says of the first rows and columns of a tensor; nothing where the model is none.
    pub(crate) fn kept_marks(&self, logical: &Logical) -> Marks {
        let kept = self.opened.sketch.as_ref().and_then(|sketch| {
            let Origin::Tensor(at) = logical.stored_as.origin else {
                return None;
            };
            sketch.facts.tensors.get(at)
        });
        kept.map_or_else(Marks::default, |kept| Marks {
            by_formula: kept.by_formula,
            in_order: kept.in_order,
        })
    }

    /// The stored tensors that hold exactly this logical one, by their places in the list of stored
    /// tensors: the checkpoint's own, or the manifest of a sketch.
    pub(crate) fn stored_as_listed(&self, logical: &Logical) -> Option<Vec<usize>> {
        match &self.opened.sketch {
            None => self.stored_tensors(logical),
            Some(sketch) => {
                let kept = sketch.facts.tensors.get(logical.whole_tensor()?)?;
                Some(kept.stored.clone())
            }
        }
    }

    /// Number format and shape of a stored tensor in that list.
    pub(crate) fn listed(&self, at: usize) -> Option<(String, &[u64])> {
        match &self.opened.sketch {
            None => {
                let tensor = self.checkpoint().tensors.get(at)?;
                Some((tensor.dtype.to_string(), &tensor.shape))
            }
            Some(sketch) => {
                let entry = sketch.facts.manifest.get(at)?;
                Some((entry.dtype.clone(), &entry.shape))
            }
        }
    }
}

fn wide(list: &[usize]) -> Vec<u64> {
    list.iter().map(|at| *at as u64).collect()
}

/// Whether every value lies in the file by itself.
fn is_kept_as_stored(logical: &Logical) -> bool {
    let (elements, _) = logical.dtype.block();
    matches!(logical.stored_as.origin, Origin::Tensor(_))
        && elements == 1
        && logical.is_as_stored()
        && !matches!(logical.dtype, Dtype::C64)
}

fn lies_as_stored(logical: &Logical) -> bool {
    let storage = &logical.stored_as;
    storage.rows == RowOrder::All
        && storage.columns.is_none()
        && !storage.transposed
        && storage.start == 0
}

impl Logical {
    /// The same with some rows or columns alone.
    fn with_only(&self, axis: Axis, list: &[u64]) -> Option<Self> {
        let mut out = self.clone();
        let run = |start: u64| RowRun {
            start,
            count: 1,
            step: 1,
        };
        let count = list.len() as u64;
        match (axis, self.shape.as_slice()) {
            (Axis::Rows, &[length]) => {
                let is_plain =
                    out.stored_as.rows == RowOrder::All && out.stored_as.columns.is_none();
                if !is_plain {
                    return None;
                }
                out.stored_as.stored = (length, 1);
                out.stored_as.rows = RowOrder::Runs(list.iter().map(|at| run(*at)).collect());
                out.shape = vec![count];
            }
            (Axis::Rows, shape) => {
                let (rows, _) = self.matrix_shape();
                let order = &self.stored_as.rows;
                let chosen = list.iter().map(|&at| ordered(order, at, rows).map(run));
                out.stored_as.rows = RowOrder::Runs(chosen.collect::<Option<_>>()?);
                out.shape = shape.to_vec();
                *out.shape.first_mut()? = count;
            }
            (Axis::Columns, shape) => {
                let runs = match &self.stored_as.columns {
                    None => list.iter().map(|at| run(*at)).collect(),
                    Some(runs) => list
                        .iter()
                        .map(|&at| nth(runs, at).map(run))
                        .collect::<Option<_>>()?,
                };
                out.stored_as.columns = Some(runs);
                out.shape = shape.to_vec();
                *out.shape.get_mut(1)? = count;
            }
        }
        Some(out)
    }

    /// The rows and columns of the stored matrix behind `rows` × `columns` of this one.
    fn in_origin(&self, rows: &[usize], columns: &[usize]) -> Option<(Vec<u64>, Vec<u64>)> {
        let storage = &self.stored_as;
        let width = storage.stored.1;
        if width == 0 || !storage.start.is_multiple_of(width) {
            return None;
        }
        let first = storage.start / width;
        if self.shape.len() == 1 && storage.rows != RowOrder::All {
            return None;
        }
        let of_matrix = |row: &usize| ordered(&storage.rows, *row as u64, self.matrix_shape().0);
        let rows: Vec<u64> = rows.iter().map(of_matrix).collect::<Option<_>>()?;
        let columns: Vec<u64> = match &storage.columns {
            None => wide(columns),
            Some(runs) => columns
                .iter()
                .map(|&column| nth(runs, column as u64))
                .collect::<Option<_>>()?,
        };
        if !storage.transposed {
            let rows = rows.into_iter().map(|row| first + row).collect();
            return Some((rows, columns));
        }
        // Stored (in, out): one matrix, of which the rows are columns.
        let is_one = rows.iter().all(|row| *row < width);
        let columns = columns.into_iter().map(|column| first + column).collect();
        is_one.then_some((columns, rows))
    }
}

/// The rows of a logical tensor of which some patches of the stored one hold values, ascending.
fn rows_in(patches: &[Patch], logical: &Logical) -> Vec<usize> {
    let is_transposed = logical.stored_as.transposed;
    let axis = |patch: &Patch| match is_transposed {
        false => patch.rows.clone(),
        true => patch.columns.clone(),
    };
    let axes: Vec<source::Axis> = patches.iter().map(axis).collect();
    if let Some(rows) = rows_as_stored(&axes, logical) {
        return rows;
    }
    let is_held = |at: u64| {
        axes.iter().any(|axis| match axis {
            None => true,
            Some(list) => u32::try_from(at).is_ok_and(|number| list.binary_search(&number).is_ok()),
        })
    };
    let rows = 0..usize::try_from(logical.matrix_shape().0).unwrap_or(0);
    if axes.is_empty() {
        return Vec::new();
    }
    if logical.shape.len() == 1 {
        return rows.collect();
    }
    let rows = rows.filter(|row| {
        let place = logical.in_origin(&[*row], &[0]);
        place.is_some_and(|(rows, columns)| {
            let list = if is_transposed { columns } else { rows };
            list.first().is_some_and(|at| is_held(*at))
        })
    });
    rows.collect()
}

/// The same where rows are read as they are stored and lists name them: nothing is asked row by row.
fn rows_as_stored(axes: &[source::Axis], logical: &Logical) -> Option<Vec<usize>> {
    let storage = &logical.stored_as;
    let width = storage.stored.1;
    let is_plain = storage.rows == RowOrder::All
        && !storage.transposed
        && logical.shape.len() > 1
        && width > 0
        && storage.start.is_multiple_of(width);
    if !is_plain || axes.is_empty() {
        return None;
    }
    let first = storage.start / width;
    let rows = first..first + logical.matrix_shape().0;
    let lists: Option<Vec<&[u32]>> = axes.iter().map(|axis| axis.as_deref()).collect();
    let held = lists?.into_iter().flatten().map(|at| u64::from(*at));
    let held: BTreeSet<u64> = held.filter(|at| rows.contains(at)).collect();
    let held = held.into_iter().map(|at| usize::try_from(at - first));
    held.collect::<std::result::Result<_, _>>().ok()
}

fn ordered(order: &RowOrder, row: u64, rows: u64) -> Option<u64> {
    match order {
        RowOrder::All => Some(row),
        RowOrder::Runs(runs) => nth(runs, row),
        RowOrder::HalfSplit { heads } => {
            let head = rows / (*heads).max(1);
            (head > 1).then(|| interleaved_row(row, head))
        }
    }
}

/// Row number `at` of some runs.
fn nth(runs: &[RowRun], at: u64) -> Option<u64> {
    let mut left = at;
    for run in runs {
        if left < run.count {
            return Some(run.start + left * run.step);
        }
        left -= run.count;
    }
    None
}
