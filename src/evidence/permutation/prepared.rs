//! What a test on the order of units reads of a matrix: its rows, less what carries nothing
//! (guide/methods.md, section 8.6).

use std::cell::RefCell;
use std::ops::Range;

use crate::error::Result;
use crate::evidence::analysis::Setting;
use crate::evidence::disguise::basis::gain;
use crate::evidence::formulas::Formulas;
use crate::model::sides::Side;
use crate::model::words::{Block, Role};
use crate::numeric::rng::Draws;
use crate::numeric::rows::RowSource;
use crate::view::logical::Logical;
use crate::view::model::Model;
use crate::view::place::Place;
use crate::view::reader::View;

/// Rows read together where the mean row is sought.
const ROWS_TOGETHER: usize = 64;

/// A gain below this share of the largest counts as this share.
const LEAST_GAIN: f64 = 1e-3;

/// How matrices are prepared.
#[derive(Clone, Copy, Default)]
pub(crate) struct Preparation<'a> {
    /// Pairs with one pattern of zeros, where that was looked at.
    pub formulas: Option<&'a Formulas>,
    /// What the values that stand for zeros are drawn from.
    pub seed: u64,
}

impl Setting<'_> {
    /// How the tests in place prepare matrices.
    pub(crate) fn preparation(&self) -> Preparation<'_> {
        Preparation {
            formulas: Some(self.formulas),
            seed: self.sampling.seed,
        }
    }
}

/// Rows of a matrix, prepared.
pub(super) struct Prepared<'a> {
    view: View<'a>,
    /// A direction of unit length that no reader behind a LayerNorm sees.
    unseen: Option<Vec<f64>>,
    /// Mean over the dimensions of what a writer adds to the stream.
    mean_row: Option<Vec<f32>>,
    /// What zeros are replaced by.
    filling: Option<Filling>,
}

/// Noise in place of zeros.
struct Filling {
    seed: u64,
    purpose: String,
}

impl<'a> Prepared<'a> {
    /// Opens a matrix of one side.
    ///
    /// # Errors
    /// A read that fails.
    pub(super) fn open(
        model: &'a Model,
        side: Side,
        logical: &Logical,
        preparation: Preparation<'_>,
    ) -> Result<Self> {
        let has_pattern = preparation
            .formulas
            .is_some_and(|formulas| formulas.has_zero_pattern(side, logical));
        let mut out = Self {
            view: model.view(logical)?,
            unseen: None,
            mean_row: None,
            filling: has_pattern.then(|| Filling {
                seed: preparation.seed,
                purpose: format!("zeros of {} {}", side.word(), logical.name),
            }),
        };
        if is_beside_layer_norm(model, logical) {
            match logical.meaning.role {
                Role::O | Role::Down | Role::Fc2 => out.mean_row = Some(mean_row(&out.view)?),
                Role::Embed => out.unseen = direction(None, out.columns()),
                _ => {
                    let gain = feeding_gain(model, logical)?;
                    out.unseen = direction(gain.as_deref(), out.columns());
                }
            }
        }
        Ok(out)
    }

    fn prepare(&self, number: usize, row: &mut [f32]) {
        if let Some(filling) = &self.filling {
            filling.fill(number, row);
        }
        if let Some(mean) = &self.mean_row {
            row.iter_mut().zip(mean).for_each(|(x, mean)| *x -= mean);
        }
        if let Some(unseen) = &self.unseen {
            let along = match self.view.is_partial() {
                true => along_known(row, unseen),
                false => row.iter().zip(unseen).map(|(x, u)| f64::from(*x) * u).sum(),
            };
            let less = row.iter_mut().zip(unseen);
            less.for_each(|(x, u)| *x = (f64::from(*x) - along * u) as f32);
        }
    }
}

/// How far a row lies along a direction, by the values that are known of it.
fn along_known(row: &[f32], direction: &[f64]) -> f64 {
    let known = row.iter().zip(direction).filter(|(x, _)| x.is_finite());
    let (along, length) = known.fold((0.0, 0.0), |(along, length), (x, u)| {
        (along + f64::from(*x) * u, length + u * u)
    });
    if length > 0.0 { along / length } else { 0.0 }
}

impl RowSource for Prepared<'_> {
    fn is_partial(&self) -> bool {
        self.view.is_partial()
    }

    fn rows(&self) -> usize {
        self.view.rows()
    }

    fn columns(&self) -> usize {
        self.view.columns()
    }

    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.view.read_rows(rows.clone(), out)?;
        if self.filling.is_some() || self.mean_row.is_some() || self.unseen.is_some() {
            let values = out.chunks_exact_mut(self.columns().max(1));
            rows.zip(values).for_each(|(row, x)| self.prepare(row, x));
        }
        Ok(())
    }
}

impl Filling {
    /// Replaces the zeros of a row by noise of the size of its other values, the same at every
    /// reading.
    fn fill(&self, number: usize, row: &mut [f32]) {
        thread_local! {
            static PURPOSE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let (count, squares) = row
            .iter()
            .filter(|x| **x != 0.0 && x.is_finite())
            .fold((0usize, 0.0), |(count, sum), x| {
                (count + 1, sum + f64::from(*x) * f64::from(*x))
            });
        if count == 0 || count == row.len() {
            return;
        }
        let size = (squares / count as f64).sqrt();
        let mut draws = PURPOSE.with_borrow_mut(|purpose| {
            use std::fmt::Write as _;
            purpose.clear();
            // Writing to a string cannot fail.
            let _ = write!(purpose, "{}, row {number}", self.purpose);
            Draws::new(self.seed, purpose)
        });
        row.iter_mut().filter(|x| **x == 0.0).for_each(|x| {
            *x = (size * draws.normal()) as f32;
        });
    }
}

/// Whether what a matrix reads comes out of a LayerNorm, or what it writes goes into one: the norms
/// of its block have offsets, which RMSNorm has not.
pub(super) fn is_beside_layer_norm(model: &Model, logical: &Logical) -> bool {
    let slots: &[&str] = match logical.meaning.block {
        Some(Block::Layer(_)) => &[
            "norm:pre_attn.bias",
            "norm:pre_mlp.bias",
            "norm:post_attn.bias",
            "norm:post_mlp.bias",
        ],
        _ => &["norm:final.bias", "norm:embed.bias", "norm:head.bias"],
    };
    let is_known = matches!(
        logical.meaning.role,
        Role::Q | Role::K | Role::V | Role::Qkv | Role::O | Role::Embed | Role::LmHead
    ) || matches!(
        logical.meaning.role,
        Role::Gate | Role::Up | Role::GateUp | Role::Fc1 | Role::Down | Role::Fc2
    );
    let blocks: &[Block] = match &logical.meaning.block {
        Some(layer @ Block::Layer(_)) => std::slice::from_ref(layer),
        _ => &[Block::Final, Block::Embedding],
    };
    is_known
        && model.has_norm_offsets()
        && blocks.iter().any(|block| {
            let has = |slot: &&str| model.at(&norm_place(logical, *block, slot)).is_some();
            slots.iter().any(has)
        })
}

fn norm_place(logical: &Logical, block: Block, slot: &str) -> Place {
    Place {
        component: logical.meaning.component,
        block: Some(block),
        layer: match block {
            Block::Layer(layer) => Some(layer),
            _ => None,
        },
        expert: None,
        shared_expert: false,
        slot: slot.into(),
    }
}

/// The gain of the norm that feeds a reader; `None` where it is not known.
fn feeding_gain(model: &Model, logical: &Logical) -> Result<Option<Vec<f32>>> {
    let component = logical.meaning.component;
    let Some(block) = logical.meaning.block else {
        return Ok(None);
    };
    match (logical.meaning.role, block) {
        (Role::Q | Role::K | Role::V | Role::Qkv, _) => {
            gain(model, component, block, &["norm:pre_attn.weight"])
        }
        (Role::LmHead, _) => gain(model, component, Block::Final, &["norm:final.weight"]),
        _ => {
            let slots = ["norm:pre_mlp.weight", "norm:post_attn.weight"];
            gain(model, component, block, &slots)
        }
    }
}

/// The direction of unit length that a LayerNorm with this gain takes off what is read behind it:
/// the inverse of the gain, since its dimensions sum to 0 before the gain.
fn direction(gain: Option<&[f32]>, width: usize) -> Option<Vec<f64>> {
    let gain = gain.filter(|gain| gain.len() == width);
    let largest = gain.map_or(1.0, |gain| {
        gain.iter()
            .fold(0.0, |most: f64, g| most.max(f64::from(g.abs())))
    });
    let inverse = |g: f32| {
        let size = f64::from(g.abs()).max(LEAST_GAIN * largest);
        size.recip().copysign(f64::from(g))
    };
    let mut out: Vec<f64> = match gain {
        Some(gain) if largest > 0.0 => gain.iter().map(|g| inverse(*g)).collect(),
        _ => vec![1.0; width],
    };
    let length = out.iter().map(|x| x * x).sum::<f64>().sqrt();
    out.iter_mut().for_each(|x| *x /= length);
    (length.is_finite() && length > 0.0).then_some(out)
}

fn mean_row(view: &View<'_>) -> Result<Vec<f32>> {
    let (rows, columns) = (view.rows(), view.columns());
    let mut sums = vec![0.0f64; columns];
    // Of a sketch the rows that are known make up the mean.
    let is_partial = view.is_partial();
    let mut counts = vec![0usize; if is_partial { columns } else { 0 }];
    let mut values = vec![0.0f32; ROWS_TOGETHER.min(rows) * columns];
    for begin in (0..rows).step_by(ROWS_TOGETHER) {
        let end = rows.min(begin + ROWS_TOGETHER);
        let values = &mut values[..(end - begin) * columns];
        view.read_rows(begin..end, values)?;
        for row in values.chunks_exact(columns.max(1)) {
            if is_partial {
                let known = sums.iter_mut().zip(&mut counts).zip(row);
                known
                    .filter(|(_, x)| x.is_finite())
                    .for_each(|((sum, count), x)| {
                        *sum += f64::from(*x);
                        *count += 1;
                    });
                continue;
            }
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }
    let count = |column: usize| counts.get(column).copied().unwrap_or(rows).max(1);
    let means = sums
        .into_iter()
        .enumerate()
        .map(|(column, sum)| (sum / count(column) as f64) as f32);
    Ok(means.collect())
}

#[cfg(test)]
mod tests {
    use super::along_known;

    #[test]
    fn what_is_not_known_takes_nothing_off_a_row() {
        let half = 0.5f64.sqrt();
        let direction = [half, half, 0.0];
        assert!((along_known(&[1.0, 1.0, 7.0], &direction) - 2.0 * half).abs() < 1e-12);
        // Of one value of two the row lies as far along as that value says.
        assert!((along_known(&[1.0, f32::NAN, 7.0], &direction) - half.recip()).abs() < 1e-12);
        assert_eq!(along_known(&[f32::NAN; 3], &direction), 0.0);
    }
}
