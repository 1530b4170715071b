//! What moved is found: layers under other numbers, experts in another order, feed-forwards copied
//! to experts; and models that share nothing are not accused.

use std::collections::BTreeMap;

use wcmp::results::compare::Via;
use wcmp::results::terms::Label;
use wcmp::results::terms::PartKind;
use wcmp::results::terms::Relation;
use wcmp::results::terms::State;
use wcmp::results::terms::TransformationKind;
use wcmp::results::terms::UnitKind;
use wcmp::schema::Compare;

// The parts for other architectures are for other tests.

use crate::support::rows::compared_models;
use crate::support::weights::{Decoder, Model, Values};

const DENSE: Decoder = Decoder {
    hidden: 64,
    ffn: 128,
    layers: 4,
    heads: 4,
    kv_heads: 2,
    vocab: 256,
    experts: 0,
};
const EXPERTS: Decoder = Decoder {
    hidden: 48,
    ffn: 64,
    layers: 2,
    heads: 4,
    kv_heads: 2,
    vocab: 96,
    experts: 8,
};

fn compared(test: &str, base: &Model, target: &Model) -> Compare {
    compared_models("structure", test, base, target)
}

/// The model with the layers `origins`, numbered anew; the rest as it is.
fn restacked(model: &Model, origins: &[usize]) -> Model {
    let mut out: BTreeMap<String, Values> = BTreeMap::new();
    for (name, tensor) in &model.0 {
        let Some((number, rest)) = name
            .strip_prefix("model.layers.")
            .and_then(|rest| rest.split_once('.'))
        else {
            out.insert(name.clone(), tensor.clone());
            continue;
        };
        for (layer, origin) in origins.iter().enumerate() {
            if origin.to_string() == number {
                out.insert(format!("model.layers.{layer}.{rest}"), tensor.clone());
            }
        }
    }
    Model(out)
}

/// The model with the experts `origins` in each layer, numbered anew, and the router's rows with
/// them.
fn with_experts(model: &Model, origins: &[usize]) -> Model {
    let mut out: BTreeMap<String, Values> = BTreeMap::new();
    for (name, tensor) in &model.0 {
        if name.ends_with("block_sparse_moe.gate.weight") {
            let columns = tensor.shape[1];
            let rows = origins
                .iter()
                .flat_map(|origin| &tensor.values[origin * columns..(origin + 1) * columns]);
            let values = rows.copied().collect();
            out.insert(
                name.clone(),
                Values {
                    shape: vec![origins.len(), columns],
                    values,
                },
            );
        } else if let Some((layer, rest)) = name.split_once(".experts.") {
            let (number, rest) = rest.split_once('.').expect("an expert's number");
            for (expert, origin) in origins.iter().enumerate() {
                if origin.to_string() == number {
                    out.insert(format!("{layer}.experts.{expert}.{rest}"), tensor.clone());
                }
            }
        } else {
            out.insert(name.clone(), tensor.clone());
        }
    }
    Model(out)
}

/// The dense model with each feed-forward copied to `experts` experts and a fresh router.
fn upcycled(model: &Model, experts: usize, hidden: usize) -> Model {
    let fresh = Model::decoder(
        "routers",
        Decoder {
            experts,
            hidden,
            ..DENSE
        },
    );
    let mut out: BTreeMap<String, Values> = BTreeMap::new();
    for (name, tensor) in &model.0 {
        let Some((layer, rest)) = name.split_once(".mlp.") else {
            out.insert(name.clone(), tensor.clone());
            continue;
        };
        let matrix = match rest {
            "gate_proj.weight" => "w1",
            "down_proj.weight" => "w2",
            _ => "w3",
        };
        for expert in 0..experts {
            out.insert(
                format!("{layer}.block_sparse_moe.experts.{expert}.{matrix}.weight"),
                tensor.clone(),
            );
        }
        let router = format!("{layer}.block_sparse_moe.gate.weight");
        let weights = fresh.0[&router].clone();
        out.insert(router, weights);
    }
    Model(out)
}

/// The model with the experts of each layer in two tensors: gate and up, and down.
fn stacked(model: &Model) -> Model {
    let mut out: BTreeMap<String, Values> = BTreeMap::new();
    for (name, tensor) in &model.0 {
        if !name.contains(".experts.") {
            out.insert(name.clone(), tensor.clone());
        }
    }
    let of = |layer: usize, expert: usize, matrix: &str| {
        model.0.get(&format!(
            "model.layers.{layer}.block_sparse_moe.experts.{expert}.{matrix}.weight"
        ))
    };
    for layer in (0..).take_while(|layer| of(*layer, 0, "w1").is_some()) {
        for (name, matrices) in [
            ("gate_up_proj", vec!["w1", "w3"]),
            ("down_proj", vec!["w2"]),
        ] {
            let experts: Vec<Vec<&Values>> = (0..)
                .map_while(|expert| {
                    matrices
                        .iter()
                        .map(|matrix| of(layer, expert, matrix))
                        .collect::<Option<Vec<_>>>()
                })
                .collect();
            let rows = experts[0].iter().map(|matrix| matrix.shape[0]).sum();
            let shape = vec![experts.len(), rows, experts[0][0].shape[1]];
            let values = experts
                .iter()
                .flatten()
                .flat_map(|matrix| matrix.values.clone())
                .collect();
            out.insert(
                format!("model.layers.{layer}.mlp.experts.{name}"),
                Values { shape, values },
            );
        }
    }
    Model(out)
}

fn map(report: &Compare) -> Vec<Option<u32>> {
    report
        .layer_map
        .iter()
        .flatten()
        .map(|row| row.base)
        .collect()
}

fn states(report: &Compare, kind: &str) -> Vec<&'static str> {
    report
        .parts
        .iter()
        .filter(|part| part.kind.word() == kind)
        .map(|part| part.state.word())
        .collect()
}

#[test]
fn layers_under_other_numbers_are_found_and_named() {
    let base = Model::decoder("layers", DENSE);
    for (test, origins, relations) in [
        (
            "doubled",
            vec![0, 1, 2, 1, 2, 3],
            vec![Relation::DepthUpscaled],
        ),
        ("dropped", vec![0, 2, 3], vec![Relation::DepthPruned]),
        (
            "reversed",
            vec![3, 2, 1, 0],
            vec![Relation::LayersReordered],
        ),
    ] {
        let target = restacked(&base, &origins).trained(test, |_| 0.2);
        let report = compared(test, &base, &target);
        let expected: Vec<Option<u32>> = origins
            .iter()
            .map(|origin| u32::try_from(*origin).ok())
            .collect();
        assert_eq!(map(&report), expected, "{test}");
        // Nothing that starts as a constant tells these from two trainings of one start.
        let relations = [relations, vec![Relation::SharedInitializationPossible]].concat();
        assert_eq!(
            (report.verdict.label, &report.verdict.relations),
            (Label::Derived, &relations),
            "{test}"
        );
        assert!(
            states(&report, "ffn")
                .iter()
                .chain(&states(&report, "attention"))
                .all(|state| *state == "reused")
        );
        let moved = report
            .tensors
            .iter()
            .filter(|row| row.compared_via == Via::Mapped)
            .count();
        let layers = origins
            .iter()
            .enumerate()
            .filter(|(layer, origin)| layer != *origin)
            .count();
        assert_eq!(moved, 9 * layers, "{test}");
        let by_name = report
            .tensors
            .iter()
            .filter(|row| row.compared_via != Via::Mapped);
        let cosines: Vec<f64> = by_name.filter_map(|row| row.figures.cosine).collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        let printed = report.similarity.mean_cosine.expect("a mean");
        assert!(
            (mean - printed).abs() < 1e-12,
            "{test}: mapped tensors count in the plain mean"
        );
    }
}

#[test]
fn the_other_way_round_a_doubled_model_holds_every_layer() {
    let target = Model::decoder("layers", DENSE);
    let base = restacked(&target, &[0, 1, 2, 1, 2, 3]).trained("doubled", |_| 0.2);
    let report = compared("undoubled", &base, &target);
    assert_eq!(
        (report.verdict.label, report.verdict.relation),
        (Label::Derived, Some(Relation::DepthPruned))
    );
    assert!(
        !report
            .verdict
            .relations
            .contains(&Relation::LayersReordered),
        "{:?}",
        map(&report)
    );
    assert!(report.parts.iter().all(|part| part.state == State::Reused));
}

#[test]
fn layers_of_two_models_are_told_apart() {
    let (base, other) = (
        Model::decoder("layers", DENSE),
        Model::decoder("other layers", DENSE),
    );
    let of_base = restacked(&base, &[0, 0, 2, 3]);
    let target = of_base.taking(&restacked(&other, &[0, 1, 2, 3]), |name| {
        name.starts_with("model.layers.2.") || name.starts_with("model.layers.3.")
    });
    let report = compared("two models", &base, &target);
    assert_eq!(map(&report), [Some(0), Some(0), None, None]);
    assert_eq!(
        states(&report, "ffn"),
        ["reused", "reused", "independent", "independent"]
    );
    assert_eq!(report.verdict.label, Label::PartialReuse);
}

#[test]
fn experts_in_another_order_are_found_and_their_routers_agree() {
    let base = Model::decoder("experts", EXPERTS);
    for (test, origins) in [
        ("all", vec![3, 0, 2, 7, 6, 5, 1, 4]),
        ("kept", vec![7, 2, 3, 0, 5]),
    ] {
        let target = with_experts(&base, &origins).trained(test, |_| 0.2);
        let report = compared(&format!("experts {test}"), &base, &target);
        let expected: Vec<Option<u64>> =
            origins.iter().map(|origin| Some(*origin as u64)).collect();
        for row in report.experts.iter().flatten() {
            assert_eq!(
                (&row.map, row.permuted, row.base_experts),
                (&expected, true, 8),
                "{test}"
            );
        }
        assert_eq!(report.experts.map(|rows| rows.len()), Some(2));
        assert_eq!(report.verdict.label, Label::Derived);
        assert!(report.verdict.relations.contains(&Relation::Permuted));
        let found = report
            .transformations
            .iter()
            .find(|row| row.kind == TransformationKind::ExpertsPermuted)
            .expect("the order");
        assert!(found.check_cosine.is_some_and(|cosine| cosine > 0.9) && found.found_in == [0, 1]);
    }
}

#[test]
fn experts_stored_in_one_tensor_are_parts_of_their_own() {
    let base = Model::decoder("experts", EXPERTS);
    let origins = [3, 0, 2, 7, 6, 5, 1, 4];
    let target = with_experts(&base, &origins).trained("stacked", |_| 0.2);
    let report = compared("experts stacked", &stacked(&base), &stacked(&target));
    assert_eq!(states(&report, "experts"), ["reused"; 16]);
    let expected: Vec<Option<u64>> = origins.iter().map(|origin| Some(*origin as u64)).collect();
    assert!(
        report
            .experts
            .iter()
            .flatten()
            .all(|row| row.map == expected)
    );
    assert_eq!(
        (report.verdict.label, report.verdict.relation),
        (Label::Derived, Some(Relation::Permuted))
    );
    let parameters: u64 = report
        .parts
        .iter()
        .filter(|part| part.kind == PartKind::Experts)
        .map(|part| part.parameters)
        .sum();
    assert_eq!(parameters, 2 * 8 * 3 * 64 * 48);
}

#[test]
fn experts_in_their_places_are_one_test_of_their_layer() {
    let base = Model::decoder("experts", EXPERTS);
    let report = compared("experts in place", &base, &base.trained("experts", |_| 0.2));
    let tests = report.permutation.as_ref().expect("tests").tests.iter();
    let of_layers: Vec<_> = tests
        .filter(|test| test.kind == UnitKind::Expert && test.expert.is_none())
        .collect();
    assert_eq!(of_layers.len(), 2);
    assert!(
        of_layers
            .iter()
            .all(|test| (test.units.base, test.hits, test.probes) == (8, 8, 8))
    );
    assert!(
        report
            .experts
            .iter()
            .flatten()
            .all(|row| !row.permuted && row.map.iter().all(Option::is_some))
    );
}

#[test]
fn feed_forwards_are_found_in_experts_and_experts_in_feed_forwards() {
    let dense = Model::decoder("dense", DENSE);
    let sparse = upcycled(&dense, 4, DENSE.hidden).trained("after copying", |_| 0.2);
    let there = compared("upcycled", &dense, &sparse);
    let back = compared("dense again", &sparse, &dense);
    for report in [&there, &back] {
        assert_eq!(report.verdict.label, Label::Derived);
        assert!(report.verdict.relations.contains(&Relation::Upcycled));
        assert!(report.parts.iter().all(|part| part.state == State::Reused));
    }
    let deeper = restacked(&dense, &[0, 1, 2, 1, 2, 3]).trained("deeper", |_| 0.1);
    let both = compared("upcycled and deeper", &deeper, &sparse);
    assert_eq!(both.verdict.label, Label::Derived);
    assert!(
        both.parts.iter().all(|part| part.state == State::Reused),
        "{:?}",
        map(&both)
    );
}

#[test]
fn strangers_of_other_structure_are_not_accused() {
    let dense = Model::decoder("dense", DENSE);
    let sparse = upcycled(&Model::decoder("another", DENSE), 4, DENSE.hidden);
    let deeper = Model::decoder("deeper", Decoder { layers: 6, ..DENSE });
    let experts = Model::decoder("experts", EXPERTS);
    let others = Model::decoder("other experts", EXPERTS);
    for (at, (base, target)) in [
        (&dense, &sparse),
        (&sparse, &dense),
        (&dense, &deeper),
        (&experts, &others),
        (&sparse, &deeper),
    ]
    .into_iter()
    .enumerate()
    {
        let report = compared(&format!("strangers {at}"), base, target);
        assert!(
            report.verdict.label == Label::FromScratch,
            "{at}: {:?}",
            report.verdict
        );
        assert!(report.verdict.relations.is_empty() && report.transformations.is_empty());
        assert!(
            report
                .layer_map
                .iter()
                .flatten()
                .all(|row| row.base.is_none())
        );
        assert!(
            report
                .experts
                .iter()
                .flatten()
                .all(|row| row.map.iter().all(Option::is_none))
        );
    }
}

/// The decay rates of a state-space layer start as log(1..n) in every model, and training moves
/// them little.
#[test]
fn decay_rates_that_start_from_one_formula_accuse_nobody() {
    let with_rates = |seed: &str| {
        let mut model = Model::decoder(seed, DENSE);
        for layer in 0..DENSE.layers {
            let values = (0..128 * 16)
                .map(|at| f64::from(at % 16 + 1).ln())
                .collect();
            let rates = Values {
                shape: vec![128, 16],
                values,
            };
            model
                .0
                .insert(format!("model.layers.{layer}.mixer.A_log"), rates);
        }
        model.trained(&format!("{seed}, rates"), |name| {
            if name.ends_with("A_log") { 0.05 } else { 0.0 }
        })
    };
    let report = compared("decay rates", &with_rates("one"), &with_rates("another"));
    let rates = report
        .tensors
        .iter()
        .filter(|row| row.name.target.ends_with("A_log"));
    assert!(rates.clone().count() == 4 && rates.clone().all(|row| row.figures.cosine > Some(0.99)));
    assert_eq!(
        (report.verdict.label, report.verdict.relations.len()),
        (Label::FromScratch, 0)
    );
}
