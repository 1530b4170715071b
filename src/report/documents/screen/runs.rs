//! Layers in runs of like layers, so that a hundred of them fit on a screen.

use std::collections::BTreeMap;

use crate::evidence::part::State;
use crate::evidence::tests_of_units::{Form, UnitKind};
use crate::model::words::{Class, Component};
use crate::report::schema::{Compare, LayerRow};

/// How far cosines of one run may lie apart, tried from the finest until the runs fit.
const TOLERANCES: [f64; 5] = [0.02, 0.05, 0.1, 0.25, 2.0];

/// Layers that are alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// First and last layer of the target.
    pub(super) layers: (u32, u32),
    /// First layer of the base, where it is another.
    pub(super) base: Option<Option<u32>>,
    /// Least and greatest cosine.
    pub(super) cosine: Option<(f64, f64)>,
    /// Mean cosine.
    pub(super) mean: Option<f64>,
    /// Mean change, weighted by parameters.
    pub(super) change: Option<f64>,
    /// Units in place, of units probed.
    pub(super) units: Option<(u64, u64)>,
    state: Option<State>,
    counted: u32,
    changes: (f64, f64),
}

/// The runs of a component, at most so many where a tolerance allows it.
pub(super) fn runs(report: &Compare, component: Component, most: usize) -> Vec<Run> {
    let rows = single(report, component);
    let mut out = Vec::new();
    for tolerance in TOLERANCES {
        out = joined(&rows, tolerance);
        if out.len() <= most {
            break;
        }
    }
    out
}

/// One run a layer. A layer of the target that was found elsewhere in the base stands with that
/// one.
fn single(report: &Compare, component: Component) -> Vec<Run> {
    let mut layers: BTreeMap<u32, &LayerRow> = BTreeMap::new();
    for row in report
        .layers
        .iter()
        .filter(|row| row.component == component)
    {
        let better = layers.get(&row.layer).is_none_or(|known| {
            row.matrix_cosine.unwrap_or(-1.0) > known.matrix_cosine.unwrap_or(-1.0)
        });
        if better {
            layers.insert(row.layer, row);
        }
    }
    let by_layer = ByLayer::new(report, component);
    layers.values().map(|row| run(&by_layer, row)).collect()
}

/// What a report tells of the layers of one component.
#[derive(Default)]
struct ByLayer {
    /// Hits and probes of the tests of feed-forwards, by the layers of target and base.
    units: BTreeMap<(u32, Option<u32>), (u64, u64)>,
    /// Sum of the changes of matrices, each times its parameters, and their parameters.
    changes: BTreeMap<u32, (f64, f64)>,
    /// What became of the parts, where all agree.
    states: BTreeMap<u32, Option<State>>,
}

impl ByLayer {
    fn new(report: &Compare, component: Component) -> Self {
        let mut out = Self::default();
        for test in report.permutation.iter().flat_map(|tests| &tests.tests) {
            let direct = test.form == Form::Direct && test.kind == UnitKind::Ffn;
            if let (true, Some(layer)) = (direct, test.layer) {
                let (hits, probes) = out.units.entry((layer, test.base_layer)).or_default();
                *hits = hits.saturating_add(test.hits);
                *probes = probes.saturating_add(test.probes);
            }
        }
        for tensor in &report.tensors {
            let matrix = tensor.class == Class::Matrix && tensor.component == component;
            let change = tensor.figures.relative_change.filter(|_| matrix);
            if let (Some(layer), Some(change)) = (tensor.layer, change) {
                let axes = tensor.logical_shape.iter();
                let size: f64 = axes.map(|axis| *axis as f64).product();
                let (sum, sizes) = out.changes.entry(layer).or_default();
                *sum += change * size;
                *sizes += size;
            }
        }
        for part in report
            .parts
            .iter()
            .filter(|part| part.component == component)
        {
            if let Some(layer) = part.layer {
                let state = out.states.entry(layer).or_insert(Some(part.state));
                *state = state.filter(|state| *state == part.state);
            }
        }
        out
    }
}

fn run(report: &ByLayer, row: &LayerRow) -> Run {
    let units = report.units.get(&(row.layer, row.base_layer)).copied();
    let changes = report.changes.get(&row.layer).copied().unwrap_or_default();
    let in_place = row.base_layer == Some(row.layer);
    Run {
        layers: (row.layer, row.layer),
        base: (!in_place).then_some(row.base_layer),
        cosine: row.matrix_cosine.map(|cosine| (cosine, cosine)),
        mean: row.matrix_cosine,
        change: None,
        units,
        state: report.states.get(&row.layer).copied().flatten(),
        counted: 1,
        // A layer of another number stands against another layer than its tensors by name.
        changes: if in_place { changes } else { (0.0, 0.0) },
    }
    .finished()
}

fn joined(rows: &[Run], tolerance: f64) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for row in rows {
        match out.last_mut() {
            Some(last) if last.goes_on(row, tolerance) => last.take(row),
            _ => out.push(row.clone()),
        }
    }
    out
}

impl Run {
    fn goes_on(&self, next: &Self, tolerance: f64) -> bool {
        let steps = next.layers.0.saturating_sub(self.layers.0);
        let expected = self
            .base
            .map(|base| base.map(|base| base.saturating_add(steps)));
        let near = match (self.cosine, next.cosine) {
            (Some((low, high)), Some((cosine, _))) => {
                high.max(cosine) - low.min(cosine) <= tolerance
            }
            (None, None) => true,
            _ => false,
        };
        self.layers.1.checked_add(1) == Some(next.layers.0)
            && expected == next.base
            && self.state == next.state
            && near
    }

    fn take(&mut self, next: &Self) {
        self.layers.1 = next.layers.1;
        self.cosine = match (self.cosine, next.cosine) {
            (Some((low, high)), Some((cosine, _))) => Some((low.min(cosine), high.max(cosine))),
            (cosine, None) => cosine,
            (None, cosine) => cosine,
        };
        let (own, other) = (f64::from(self.counted), f64::from(next.counted));
        self.mean = match (self.mean, next.mean) {
            (Some(mean), Some(cosine)) => Some((mean * own + cosine * other) / (own + other)),
            (mean, next) => mean.or(next),
        };
        self.units = match (self.units, next.units) {
            (Some((hits, probes)), Some((more, of))) => {
                Some((hits.saturating_add(more), probes.saturating_add(of)))
            }
            (units, next) => units.or(next),
        };
        self.changes = (
            self.changes.0 + next.changes.0,
            self.changes.1 + next.changes.1,
        );
        self.counted += next.counted;
        *self = self.clone().finished();
    }

    fn finished(mut self) -> Self {
        let (sum, size) = self.changes;
        self.change = (size > 0.0).then(|| sum / size);
        self
    }
}
