//! The basis in which weights that read or write the residual stream are compared.

use crate::error::Result;
use crate::evidence::shared_tokens::{embedding, output_head};
use crate::model::words::{Block, Component};
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::units::projected::project_columns;
use crate::stats::units::{ColumnFeatures, Features, Projected, RowFeatures, TILE, TokenRows};
use crate::view::model::Model;
use crate::view::place::Place;
use crate::view::reader::View;

/// A basis of the residual stream of one model.
pub(in crate::evidence) enum Basis {
    /// Drawn residual dimensions; means the same on both sides as long as nobody turned the stream.
    Residual(Vec<usize>),
    /// What shared tokens look like in the stream; means the same on both sides however it was
    /// turned.
    Tokens {
        /// Rows of the embedding.
        embedding: TokenRows,
        /// Rows of the output head, times the final gain.
        head: TokenRows,
    },
}

/// What a matrix that reads the stream is projected on, the gain of the norm before it included.
pub(in crate::evidence) enum Reading<'a> {
    /// Drawn residual dimensions.
    Residual(&'a [usize]),
    /// Shared tokens.
    Tokens(TokenRows),
}

impl Basis {
    /// The given `tokens` as the rows of `model`'s embedding and output head; none where it has no
    /// such tables, or they cannot be read.
    pub(in crate::evidence) fn tokens(
        model: &Model,
        component: Component,
        tokens: &[usize],
    ) -> Result<Option<Self>> {
        let tables = embedding(model, component).zip(output_head(model, component));
        let Some((embedding, head)) = tables.filter(|(e, h)| {
            model.unreadable(e).is_none()
                && model.unreadable(h).is_none()
                && h.shape[1] == e.shape[1]
                && tokens
                    .iter()
                    .all(|&token| (token as u64) < e.shape[0].min(h.shape[0]))
        }) else {
            return Ok(None);
        };
        let embedding = TokenRows::read(&model.view(embedding)?, tokens)?;
        let head = TokenRows::read(&model.view(head)?, tokens)?;
        let gain = gain(model, component, Block::Final, &["norm:final.weight"])?;
        let head = match gain.filter(|gain| gain.len() == head.width()) {
            Some(gain) => head.times(&gain),
            None => head,
        };
        Ok((embedding.tokens() >= 2).then_some(Self::Tokens { embedding, head }))
    }

    /// How matrices behind a norm of that `gain` read the stream.
    pub(in crate::evidence) fn reading(&self, gain: Option<&[f32]>) -> Reading<'_> {
        match self {
            Self::Residual(coordinates) => Reading::Residual(coordinates),
            Self::Tokens { embedding, .. } => {
                let rows = embedding.clone();
                match gain.filter(|gain| gain.len() == rows.width()) {
                    Some(gain) => Reading::Tokens(rows.times(gain)),
                    None => Reading::Tokens(rows),
                }
            }
        }
    }

    /// What the given `columns` of a matrix of shape (d, units) write to the stream, shape
    /// (columns, values in this basis); none where the matrix writes another stream.
    pub(in crate::evidence) fn written(
        &self,
        source: &View<'_>,
        columns: &[usize],
    ) -> Result<Option<Matrix>> {
        let (values, width) = match self {
            Self::Residual(rows) if rows.iter().all(|&row| row < source.rows()) => {
                let features = ColumnFeatures::new(source, rows.clone());
                let mut values = vec![0.0; columns.len() * rows.len()];
                features.read_each(columns, &mut values)?;
                (Some(values), rows.len())
            }
            Self::Residual(_) => (None, 0),
            Self::Tokens { head, .. } => (project_columns(source, columns, head)?, head.tokens()),
        };
        Ok(values.map(|values| Matrix {
            rows: columns.len(),
            columns: width,
            values,
        }))
    }
}

impl Reading<'_> {
    /// Rows of `source` in this basis; none where they read another stream.
    pub(in crate::evidence) fn features<'a>(
        &'a self,
        source: &'a View<'_>,
    ) -> Option<Box<dyn Features + 'a>> {
        match self {
            Self::Residual(coordinates) => {
                let fits = coordinates.iter().all(|&at| at < source.columns());
                fits.then(|| -> Box<dyn Features + 'a> {
                    Box::new(RowFeatures::new(source).cut(coordinates))
                })
            }
            Self::Tokens(tokens) => Projected::new(source, tokens)
                .map(|rows| -> Box<dyn Features + 'a> { Box::new(rows) }),
        }
    }

    /// All rows of `source` in this basis, held in memory; none where they read another stream.
    pub(in crate::evidence) fn matrix(&self, source: &View<'_>) -> Result<Option<Matrix>> {
        let Some(features) = self.features(source) else {
            return Ok(None);
        };
        let (rows, columns) = (features.units(), features.width());
        let mut values = vec![0.0; rows * columns];
        for start in (0..rows).step_by(TILE) {
            let end = rows.min(start + TILE);
            features.read(start..end, &mut values[start * columns..end * columns])?;
        }
        Ok(Some(Matrix {
            rows,
            columns,
            values,
        }))
    }
}

/// The factors that a normalisation applies, by the first of `slots` that the model has; of models
/// that store them less 1, and of gains that are all 0, with the 1 put back. None where there is no such norm or it cannot be
/// read.
pub(in crate::evidence) fn gain(
    model: &Model,
    component: Component,
    block: Block,
    slots: &[&str],
) -> Result<Option<Vec<f32>>> {
    let layer = if let Block::Layer(layer) = block {
        Some(layer)
    } else {
        None
    };
    let place = |slot: &str| Place {
        component,
        block: Some(block),
        layer,
        expert: None,
        shared_expert: false,
        slot: slot.into(),
    };
    let Some(found) = slots.iter().find_map(|slot| model.at(&place(slot))) else {
        return Ok(None);
    };
    if found.shape.len() != 1 || model.unreadable(found).is_some() {
        return Ok(None);
    }
    let view = model.view(found)?;
    let mut values = vec![0.0; view.columns()];
    view.read_rows(0..1, &mut values)?;
    // A gain of zeros would pass nothing on: it is one that never moved, stored less 1.
    let is_zero = values.iter().all(|&gain| gain == 0.0);
    if model.facts.zero_centred_gains || is_zero {
        values.iter_mut().for_each(|g| *g += 1.0);
    }
    Ok(Some(values))
}
