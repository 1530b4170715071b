//! Features put together: of the same units side by side, of different units one after another.

use std::ops::Range;

use super::TILE;
use super::features::{Features, normalise};
use crate::error::Result;

/// Several features of the same units in one, each scaled to the length of the first.
pub struct Concat<'a> {
    parts: Vec<Box<dyn Features + 'a>>,
}

impl<'a> Concat<'a> {
    /// Joins `parts`; none where there is no part or their numbers of units differ.
    pub fn new(parts: Vec<Box<dyn Features + 'a>>) -> Option<Self> {
        let units = parts.first()?.units();
        parts
            .iter()
            .all(|part| part.units() == units)
            .then_some(Self { parts })
    }

    /// Writes `units` features to `out`, the columns of each part from what `read` writes for it.
    fn join(
        &self,
        units: usize,
        out: &mut [f32],
        read: impl Fn(&dyn Features, &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        if let [only] = &self.parts[..] {
            return read(only.as_ref(), out);
        }
        let width = self.width();
        let mut lengths: Vec<f64> = Vec::new();
        let mut from = 0;
        for part in self.parts.iter().filter(|part| part.width() > 0) {
            let mut values = vec![0.0; units * part.width()];
            read(part.as_ref(), &mut values)?;
            let own_lengths: Vec<f64> = values
                .chunks_exact_mut(part.width())
                .map(normalise)
                .collect();
            if lengths.is_empty() {
                lengths = own_lengths
                    .into_iter()
                    .map(|length| if length > 0.0 { length } else { 1.0 })
                    .collect();
            }
            let features = out
                .chunks_exact_mut(width)
                .zip(values.chunks_exact(part.width()))
                .zip(&lengths);
            for ((feature, values), length) in features {
                let place = feature[from..from + part.width()].iter_mut().zip(values);
                place.for_each(|(x, &value)| *x = (f64::from(value) * length) as f32);
            }
            from += part.width();
        }
        Ok(())
    }
}

impl Features for Concat<'_> {
    fn is_partial(&self) -> bool {
        self.parts.iter().any(|part| part.is_partial())
    }

    fn units(&self) -> usize {
        self.parts[0].units()
    }

    fn width(&self) -> usize {
        self.parts.iter().map(|part| part.width()).sum()
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.join(units.len(), out, |part, values| {
            part.read(units.clone(), values)
        })
    }

    fn read_each(&self, units: &[usize], out: &mut [f32]) -> Result<()> {
        self.join(units.len(), out, |part, values| {
            part.read_each(units, values)
        })
    }

    fn tile(&self) -> usize {
        let largest = self
            .parts
            .iter()
            .map(|part| part.tile())
            .max()
            .unwrap_or(TILE);
        (largest / self.parts.len()).max(TILE)
    }
}

/// Units of several sources, one source after another: experts that are stored apart, a unit each.
pub struct Stacked<'a> {
    parts: Vec<Box<dyn Features + 'a>>,
    /// First unit of each part, and the number of all.
    starts: Vec<usize>,
    width: usize,
}

impl<'a> Stacked<'a> {
    /// Stacks `parts`; none where there is no part or their widths differ.
    pub fn new(parts: Vec<Box<dyn Features + 'a>>) -> Option<Self> {
        let width = parts.first()?.width();
        let mut starts = vec![0];
        for part in &parts {
            starts.push(starts.last()? + part.units());
        }
        parts
            .iter()
            .all(|part| part.width() == width)
            .then_some(Self {
                parts,
                starts,
                width,
            })
    }
}

impl Features for Stacked<'_> {
    fn is_partial(&self) -> bool {
        self.parts.iter().any(|part| part.is_partial())
    }

    fn units(&self) -> usize {
        self.starts[self.parts.len()]
    }

    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, units: Range<usize>, out: &mut [f32]) -> Result<()> {
        for (part, bounds) in self.parts.iter().zip(self.starts.windows(2)) {
            let (from, to) = (units.start.max(bounds[0]), units.end.min(bounds[1]));
            if from < to {
                let at = (from - units.start) * self.width;
                part.read(from - bounds[0]..to - bounds[0], &mut out[at..])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::features::lengths;
    use super::super::{Held, Layout, RowFeatures};
    use super::*;
    use crate::numeric::rows::Matrix;

    fn matrix(rows: usize, columns: usize) -> Matrix {
        Matrix {
            rows,
            columns,
            values: (0..rows * columns).map(|x| x as f32 + 1.0).collect(),
        }
    }

    fn normed(values: &[f32]) -> Vec<f32> {
        let mut values = values.to_vec();
        normalise(&mut values);
        values
    }

    #[test]
    fn joined_features_weigh_the_same_however_large_their_values() {
        let (small, large) = (
            matrix(3, 2),
            Matrix {
                rows: 3,
                columns: 1,
                values: vec![0.0, -1e6, 1e6],
            },
        );
        let joined = Concat::new(vec![
            Box::new(RowFeatures::new(&small)),
            Box::new(RowFeatures::new(&large)),
        ])
        .unwrap();
        let all = Held::all(&joined).unwrap();
        let half = 0.5f32.sqrt();
        let expected = [
            normed(&[1.0, 2.0]),
            vec![0.0],
            normed(&[3.0, 4.0]),
            vec![-1.0],
            normed(&[5.0, 6.0]),
            vec![1.0],
        ];
        let expected: Vec<f32> = expected
            .concat()
            .iter()
            .enumerate()
            .map(|(at, x)| if at < 3 { *x } else { x * half })
            .collect();
        assert!(
            all.values()
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-6),
            "{:?} {expected:?}",
            all.values()
        );
        assert_eq!(
            Held::some(&joined, &[2, 0]).unwrap().values(),
            [&all.values()[6..9], &all.values()[..3]].concat()
        );
        assert!((lengths(&joined).unwrap()[1] - 5.0 * 2f64.sqrt()).abs() < 1e-5);
        assert!(
            Concat::new(vec![
                Box::new(RowFeatures::new(&small)),
                Box::new(RowFeatures::new(&matrix(4, 1)))
            ])
            .is_none()
        );
    }

    #[test]
    fn experts_stored_apart_are_a_unit_each() {
        let sources = [matrix(2, 3), matrix(2, 3), matrix(4, 3)];
        let part = |source, coordinates: &[usize]| {
            let features = RowFeatures::with_layout(source, Layout::Neighbours(2))
                .unwrap()
                .cut(coordinates);
            Box::new(features) as Box<dyn Features>
        };
        let stacked =
            Stacked::new(sources.iter().map(|source| part(source, &[0, 5])).collect()).unwrap();
        assert_eq!((stacked.units(), stacked.width()), (4, 2));
        let mut read = vec![0.0; 6];
        stacked.read(1..4, &mut read).unwrap();
        assert_eq!(read, [1.0, 6.0, 1.0, 6.0, 7.0, 12.0]);
        stacked.read_each(&[3, 0], &mut read).unwrap();
        assert_eq!(read[..4], [7.0, 12.0, 1.0, 6.0]);
        assert!(Stacked::new(vec![part(&sources[0], &[0, 5]), part(&sources[1], &[0])]).is_none());
    }
}
