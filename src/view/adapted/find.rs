//! Which matrix of the base each change is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format::adapter::foreign::flattened;
use crate::format::adapter::{Form, LoraModule};
use crate::model::checkpoint::Format;
use crate::model::dtype::Dtype;
use crate::model::name::{Meaning, Namer};
use crate::model::words::{Block, Component, Role};
use crate::view::logical::{Logical, Origin, RowOrder, StoredAs};
use crate::view::model::Model;
use crate::view::pieces::pieces;
use crate::view::place::Place;

use super::{Change, Rows, adapter, stored};

/// Ends of one path that are kept.
const MOST_ENDS: usize = 24;

/// A change that the base has no matrix for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Index into the adapter's modules.
    pub module: usize,
    /// What does not fit, in words.
    pub why: String,
}

/// The matrices of `base` that the adapter `target` changes, and what of it fits none; in the order
/// of its modules.
pub(crate) fn find(base: &Model, target: &Model) -> (Vec<Change>, Vec<Unfit>) {
    let (mut changes, mut unfit) = (Vec::new(), Vec::new());
    let Some(adapter) = adapter(target) else {
        return (changes, unfit);
    };
    let names = adapter
        .modules
        .iter()
        .flat_map(|module| &module.parameters)
        .map(String::as_str);
    let namer = Namer::new(names, base.checkpoint().config.as_ref());
    // Programs other than PEFT name a module by the end of its path.
    let is_flat = |module: &LoraModule| {
        module.parameters.len() > 1 || module.parameters.iter().any(|name| !name.contains('.'))
    };
    let flat = match adapter.modules.iter().any(is_flat) {
        true => flat_paths(base),
        false => BTreeMap::new(),
    };
    for (at, module) in adapter.modules.iter().enumerate() {
        let finder = Finder {
            flat: &flat,
            base,
            target,
            namer: &namer,
            module,
            at,
        };
        match finder.changes() {
            Ok(found) => changes.extend(found),
            Err(why) => unfit.push(Unfit { module: at, why }),
        }
    }
    (changes, unfit)
}

struct Finder<'a> {
    base: &'a Model,
    target: &'a Model,
    namer: &'a Namer,
    module: &'a LoraModule,
    at: usize,
    /// See [`flat_paths`].
    flat: &'a BTreeMap<String, Option<&'a Logical>>,
}

/// The matrices of a base by the ends of their modules' paths with underscores for dots, as kohya-ss
/// writes them; none under an end that several have.
fn flat_paths(base: &Model) -> BTreeMap<String, Option<&Logical>> {
    let mut out = BTreeMap::new();
    for logical in base
        .logicals
        .iter()
        .filter(|logical| logical.shape.len() >= 2)
    {
        let Some(path) = logical.name.strip_suffix(".weight") else {
            continue;
        };
        let begins = path.match_indices(['.', '/']).map(|(at, _)| at + 1);
        for begin in std::iter::once(0).chain(begins).take(MOST_ENDS) {
            let end = path.get(begin..).map(flattened).unwrap_or_default();
            let named = out.entry(end).or_insert(Some(&**logical));
            if named.is_some_and(|other| other.name != logical.name) {
                *named = None;
            }
        }
    }
    out
}

impl Finder<'_> {
    fn changes(&self) -> Result<Vec<Change>, String> {
        let factors = [self.module.a, self.module.b].map(|at| stored(self.target, at));
        let [Some(a), Some(b)] = factors else {
            return Err("a factor is no tensor".to_owned());
        };
        for (model, logical) in [(self.target, a), (self.target, b)] {
            if let Some(why) = model.unreadable(logical) {
                return Err(why);
            }
        }
        // Factors of a convolution are its kernel and one of a single position.
        let (_, input) = a.matrix_shape();
        let (out, _) = b.matrix_shape();
        let mut why = None;
        for name in &self.module.parameters {
            let Some(matrix) = self.named(name, out, input) else {
                continue;
            };
            match self.is_transposed(matrix, out, input) {
                Some(transposed) => {
                    return self
                        .one(matrix, transposed, a.dtype)
                        .map(|change| vec![change]);
                }
                None => {
                    let what = format!("{:?} in the base, B·A is [{out}, {input}]", matrix.shape);
                    why.get_or_insert(what);
                }
            }
        }
        let by_expert = self.by_expert(out, input, a.dtype);
        if by_expert.is_empty() {
            Err(why.unwrap_or("no such matrix in the base".to_owned()))
        } else {
            Ok(by_expert)
        }
    }

    /// The base's matrix of that name, or of the place that the name means.
    fn named(&self, name: &str, out: u64, input: u64) -> Option<&Logical> {
        let shape = if self.module.experts > 1 {
            vec![self.module.experts, out, input]
        } else {
            vec![out, input]
        };
        let meaning = self.namer.meaning(name, &shape, Dtype::F32);
        let stored = self
            .base
            .named(name)
            .or_else(|| {
                let path = flattened(name.strip_suffix(".weight").unwrap_or(name));
                self.flat.get(&path).copied().flatten()
            })
            .or_else(|| self.base.at(&Place::meant_by(&meaning)));
        stored.or_else(|| self.tied(&meaning))
    }

    /// The embedding, where the base has no output head of its own and the change is for that.
    fn tied(&self, meaning: &Meaning) -> Option<&Logical> {
        let mut text = self
            .base
            .logicals
            .iter()
            .map(Arc::as_ref)
            .filter(|l| l.meaning.component == Component::Text);
        let has_head = text.clone().any(|l| l.meaning.role == Role::LmHead);
        let is_embedding = |l: &&Logical| {
            (l.meaning.role, l.meaning.block) == (Role::Embed, Some(Block::Embedding))
        };
        if meaning.role == Role::LmHead && !has_head {
            text.find(is_embedding)
        } else {
            None
        }
    }

    /// Whether ΔW is (B·A)ᵀ for this matrix; `None` where it does not fit either way.
    fn is_transposed(&self, matrix: &Logical, out: u64, input: u64) -> Option<bool> {
        let (rows, columns) = match (matrix.shape.as_slice(), self.module.experts) {
            (&[rows, columns], 1) => (rows, columns),
            (&[count, rows, columns], experts) if count == experts => (rows, columns),
            ([_, _, _, ..], 1) => matrix.matrix_shape(),
            _ => return None,
        };
        let is_gguf = self.base.checkpoint().format == Format::Gguf;
        match (
            (rows, columns) == (out, input),
            (rows, columns) == (input, out),
        ) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
            // A square one: as it is stored.
            (true, true) => Some(match self.module.form {
                Form::Linear => false,
                Form::Embedding => true,
                Form::Transposed => !matrix.stored_as.transposed && !is_gguf,
                Form::Experts => {
                    self.base.facts.interleaved_experts
                        && matches!(matrix.stored_as.origin, Origin::Tensor(_))
                }
            }),
        }
    }

    fn one(&self, matrix: &Logical, transposed: bool, dtype: Dtype) -> Result<Change, String> {
        let (rows, _) = matrix.matrix_shape();
        let each = usize::try_from(rows / self.module.experts)
            .unwrap_or(usize::MAX)
            .max(1);
        self.change(matrix, transposed, dtype, Rows::Stacked(each))
    }

    fn change(
        &self,
        matrix: &Logical,
        transposed: bool,
        dtype: Dtype,
        rows: Rows,
    ) -> Result<Change, String> {
        match self.base.unreadable(matrix) {
            Some(why) => Err(format!("{} of the base: {why}", matrix.name)),
            None => Ok(Change {
                module: self.at,
                base: matrix.clone(),
                dtype,
                transposed,
                rows,
            }),
        }
    }

    /// The matrices of single experts, where the change is one of a stack that the base stores in
    /// pieces; empty unless all are there.
    fn by_expert(&self, out: u64, input: u64, dtype: Dtype) -> Vec<Change> {
        let shape = vec![self.module.experts, out, input];
        for name in self
            .module
            .parameters
            .iter()
            .filter(|_| self.module.form == Form::Experts)
        {
            let stack = Logical {
                name: name.clone(),
                meaning: self.namer.meaning(name, &shape, Dtype::F32),
                shape: shape.clone(),
                stored_shape: shape.clone(),
                dtype,
                stored_as: StoredAs::whole(
                    Origin::Adapted,
                    (self.module.experts.saturating_mul(out), input),
                ),
            };
            let cut = pieces(&stack, &self.base.facts);
            let found: Option<Vec<Change>> = cut
                .iter()
                .map(|piece| self.of_piece(piece, dtype))
                .collect();
            if let Some(found) = found.filter(|found| !found.is_empty()) {
                return found;
            }
        }
        Vec::new()
    }

    fn of_piece(&self, piece: &Logical, dtype: Dtype) -> Option<Change> {
        let matrix = self
            .base
            .at(&piece.place())
            .filter(|matrix| matrix.shape == piece.shape)?;
        let size = |n: u64| usize::try_from(n).ok();
        let (first, step) = match &piece.stored_as.rows {
            RowOrder::All => (0, 1),
            RowOrder::Runs(runs) => match runs.as_ref() {
                [run] => (size(run.start)?, size(run.step)?),
                _ => return None,
            },
            RowOrder::HalfSplit { .. } => return None,
        };
        let rows = Rows::OfExpert {
            expert: size(u64::from(piece.meaning.expert?))?,
            first,
            step,
        };
        self.change(matrix, false, dtype, rows)
            .ok()
            .filter(|_| !piece.stored_as.transposed)
    }
}
