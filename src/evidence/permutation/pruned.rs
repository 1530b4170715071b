//! Units that one side has and the other lacks, the rest in one order.

use crate::stats::levels::found_among;
use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::tests_of_units::{Form, Test, UnitKind};
use crate::evidence::transformation::{Check, KeptUnits, Transformation, TransformationKind};
use crate::model::sides::Side;

/// Blocks of which one side has more units than the other, in one order.
pub(super) fn pruned(tests: &[Test]) -> Vec<&Test> {
    let by_order = || {
        let units = tests
            .iter()
            .filter(|test| matches!(test.kind, UnitKind::Ffn | UnitKind::Expert));
        units.filter(|test| test.form == Form::Order && test.units[0] != test.units[1])
    };
    let level = found_among(by_order().count());
    by_order().filter(|test| test.log10_p <= level).collect()
}

/// One transformation for each pair of numbers of units.
pub(super) fn transformations(tests: &[Test]) -> Vec<Transformation> {
    // Units of a feed-forward, or experts of a layer.
    let mut by_units: BTreeMap<(bool, [usize; 2]), Vec<&Test>> = BTreeMap::new();
    for test in pruned(tests) {
        let are_experts = test.kind == UnitKind::Expert && test.expert.is_none();
        by_units
            .entry((are_experts, test.units))
            .or_default()
            .push(test);
    }
    let row = |((are_experts, units), tests): ((bool, [usize; 2]), Vec<&Test>)| {
        let layers: BTreeSet<u32> = tests.iter().filter_map(|test| test.layer).collect();
        let [base, target] = units;
        Transformation {
            kind: if are_experts {
                TransformationKind::ExpertsPruned
            } else {
                TransformationKind::Pruned
            },
            component: None,
            layers: layers.into_iter().collect(),
            kept: Some(KeptUnits {
                kept: base.min(target),
                of: base.max(target),
            }),
            check: Check::Order {
                fewer: if target < base {
                    Side::Target
                } else {
                    Side::Base
                },
                in_order: tests.iter().map(|test| test.hits).sum(),
                probes: tests.iter().map(|test| test.probes).sum(),
            },
            check_cosine: None,
        }
    };
    by_units.into_iter().map(row).collect()
}
