//! Nobody is accused by chance: over thousands of pairs of small independent models with hard
//! structure, the probabilities of every form are at or above uniform. Beside each, a use of the
//! test that is known to be wrong shows that the simulation would notice.

use crate::simulated::*;
use wcmp::internals::numeric::Dense;
use wcmp::internals::numeric::Draws;
use wcmp::internals::numeric::Matrix;
use wcmp::internals::stats::assign;
use wcmp::internals::stats::units::clones::{are_clones, expert_pairs, groups, layer_pairs};
use wcmp::internals::stats::units::{
    ColumnFeatures, Concat, Features, Held, Layout, Pair, Projected, RowFeatures, TokenRows,
    Untestable, block_test, fixed_point_test, order_test,
};
use wcmp::internals::stats::{bonferroni, combined, fisher, group};

fn direct(base: &dyn Features, target: &dyn Features) -> Option<f64> {
    let test = fixed_point_test(base, target, &SAMPLING.probes(base.units())).unwrap();
    test.ok().map(|test| test.log10_p)
}

fn direct_rows(base: &Matrix, target: &Matrix) -> Option<f64> {
    direct(&RowFeatures::new(base), &RowFeatures::new(target))
}

#[test]
fn fixed_points_of_independent_blocks() {
    for kind in KINDS {
        let mut draws = Draws::new(0, &format!("fixed points {kind:?}"));
        let pair = |trial: usize| {
            let (count, width) = (8 + trial % 12, if kind == Kind::Ties { 5 } else { 8 });
            independent_pair(kind, (count, count), width, &mut draws)
        };
        let log10_p: Vec<f64> = (0..3000)
            .map(pair)
            .filter_map(|(base, target)| direct_rows(&base, &target))
            .collect();
        assert_at_or_above_uniform(&log10_p, 2900, &format!("{kind:?}"));
    }
}

#[test]
fn order_of_independent_blocks_of_different_size() {
    for kind in KINDS {
        let mut draws = Draws::new(0, &format!("order {kind:?}"));
        let test = |trial: usize| {
            let counts = (10 + trial % 15, 10 + trial / 15 % 15);
            let (base, target) = independent_pair(kind, counts, 6, &mut draws);
            order_test(
                &RowFeatures::new(&base),
                &RowFeatures::new(&target),
                &SAMPLING,
            )
            .unwrap()
            .ok()
        };
        let log10_p: Vec<f64> = (0..2000)
            .filter_map(test)
            .map(|order| order.log10_p)
            .collect();
        assert_at_or_above_uniform(&log10_p, 1900, &format!("{kind:?}"));
    }
}

#[test]
fn up_to_three_looks_on_one_block_are_paid_for() {
    for kind in [
        Kind::Plain,
        Kind::CommonDirection,
        Kind::Ties,
        Kind::SameUnits,
    ] {
        let mut draws = Draws::new(0, &format!("looks {kind:?}"));
        let test = |trial: usize| {
            let count = 8 + trial % 12;
            let (of_base, of_target) = (
                units(kind, count, &mut draws),
                units(kind, count, &mut draws),
            );
            let (up, gate) = (shared(count, 6, &mut draws), shared(count, 6, &mut draws));
            let mut side = |units: &[Unit]| {
                (
                    tensor(kind, units, &up, &mut draws),
                    tensor(kind, units, &gate, &mut draws),
                )
            };
            let (base, target) = (side(&of_base), side(&of_target));
            let both = |(up, gate): &(Matrix, Matrix)| {
                Concat::new(vec![Box::new(held(up)), Box::new(held(gate))]).unwrap()
            };
            let (all_of_base, all_of_target) = (both(&base), both(&target));
            let default = Pair {
                base: &RowFeatures::new(&base.0),
                target: &RowFeatures::new(&target.0),
            };
            let all = Pair {
                base: &all_of_base,
                target: &all_of_target,
            };
            block_test(default, Some(all), &SAMPLING, true)
                .unwrap()
                .ok()
        };
        let log10_p: Vec<f64> = (0..2000)
            .filter_map(test)
            .map(|block| block.log10_p)
            .collect();
        assert_at_or_above_uniform(&log10_p, 1950, &format!("{kind:?}"));
    }
}

/// Both models have embeddings of their own in bases of their own; what tokens mean is common to
/// both.
#[test]
fn token_projections_of_independent_blocks() {
    for kind in KINDS {
        let mut draws = Draws::new(0, &format!("projected {kind:?}"));
        let mut log10_p = Vec::new();
        for trial in 0..1500 {
            let count = 8 + trial % 12;
            let meaning = normal(14, 10, &mut draws);
            let (base, target) = independent_pair(kind, (count, count), 10, &mut draws);
            let mut side = |up: &Matrix| {
                let turn = rotation(10, &mut draws);
                (
                    product(up, &turn),
                    product(&noised(&meaning, 0.9, &mut draws), &turn),
                )
            };
            let (base, target) = (side(&base), side(&target));
            let tokens = |embedding: &Matrix| {
                TokenRows::read(embedding, &SAMPLING.projection_tokens(14)).unwrap()
            };
            let (of_base, of_target) = (tokens(&base.1), tokens(&target.1));
            let projected = |up, tokens| Projected::new(up, tokens).unwrap();
            log10_p.extend(direct(
                &projected(&base.0, &of_base),
                &projected(&target.0, &of_target),
            ));
        }
        assert_at_or_above_uniform(&log10_p, 1450, &format!("{kind:?}"));
    }
}

/// All parts of a model share one order of the residual dimensions.
#[test]
fn residual_dimensions_are_read_part_by_part() {
    const PARTS: usize = 6;
    for kind in [
        Kind::Plain,
        Kind::CommonDirection,
        Kind::Hubs,
        Kind::Clusters,
        Kind::SameUnits,
    ] {
        let mut draws = Draws::new(0, &format!("residual {kind:?}"));
        let (mut by_parts, mut multiplied) = (Vec::new(), Vec::new());
        for trial in 0..1000 {
            let count = 8 + trial % 8;
            let (of_base, of_target) = (
                units(kind, count, &mut draws),
                units(kind, count, &mut draws),
            );
            let part = |_| {
                // A q and an embedding whose columns are the residual dimensions, an o whose rows
                // are.
                let mut kinds_of_tensor = |turned: bool| {
                    let shared = shared(count, 5, &mut draws);
                    let mut side = |units: &[Unit]| {
                        let tensor = tensor(kind, units, &shared, &mut draws);
                        if turned { transposed(&tensor) } else { tensor }
                    };
                    (side(&of_base), side(&of_target))
                };
                let (q, o, embedding) = (
                    kinds_of_tensor(true),
                    kinds_of_tensor(false),
                    kinds_of_tensor(true),
                );
                let features = |q, o, embedding| {
                    let columns = |matrix| ColumnFeatures::new(matrix, vec![0, 1, 2, 3, 4]);
                    let parts: Vec<Box<dyn Features>> = vec![
                        Box::new(columns(q)),
                        Box::new(RowFeatures::new(o)),
                        Box::new(columns(embedding).centred()),
                    ];
                    Concat::new(parts).unwrap()
                };
                direct(
                    &features(&q.0, &o.0, &embedding.0),
                    &features(&q.1, &o.1, &embedding.1),
                )
                .unwrap()
            };
            let log10_p: Vec<f64> = (0..PARTS).map(part).collect();
            by_parts.push(bonferroni(
                log10_p.iter().copied().fold(0.0, f64::min),
                PARTS,
            ));
            multiplied.push(fisher(&log10_p));
        }
        assert_at_or_above_uniform(&by_parts, 1000, &format!("{kind:?}"));
        if kind == Kind::SameUnits {
            assert_below_uniform(
                &multiplied,
                "parts with one order of dimensions, multiplied",
            );
        }
    }
}

fn transposed(matrix: &Matrix) -> Matrix {
    let at = |x: usize| matrix.values[x % matrix.rows * matrix.columns + x / matrix.rows];
    Matrix {
        rows: matrix.columns,
        columns: matrix.rows,
        values: (0..matrix.values.len()).map(at).collect(),
    }
}

#[test]
fn layers_of_independent_models_together() {
    for kind in KINDS {
        let mut draws = Draws::new(0, &format!("layers {kind:?}"));
        let model = |_| {
            let layer = |layer: usize| {
                let (base, target) = independent_pair(kind, (8 + layer, 8 + layer), 6, &mut draws);
                direct_rows(&base, &target)
            };
            fisher(&(0..6).filter_map(layer).collect::<Vec<_>>())
        };
        let log10_p: Vec<f64> = (0..600).map(model).collect();
        assert_at_or_above_uniform(&log10_p, 600, &format!("{kind:?}"));
    }
}

/// The p of all blocks of two models with `layers` groups of `copies` clones each: with clones
/// grouped, and without.
fn with_clones(
    kind: Kind,
    layers: usize,
    copies: usize,
    asked: &[(usize, usize)],
    draws: &mut Draws,
) -> (f64, f64, usize) {
    let (count, width) = (20, 12);
    let mut side = |shared: &[Shared]| -> Vec<Matrix> {
        let mut blocks = Vec::new();
        for shared in shared {
            let source = tensor(kind, &units(kind, count, draws), shared, draws);
            blocks.extend((0..copies).map(|_| noised(&source, 0.95, draws)));
        }
        blocks
    };
    let mut of_shared = Draws::new(7, "what the layers have in common");
    let shared: Vec<Shared> = (0..layers)
        .map(|_| shared(count, width, &mut of_shared))
        .collect();
    let (base, target) = (side(&shared), side(&shared));
    let log10_p: Vec<f64> = base
        .iter()
        .zip(&target)
        .map(|(base, target)| direct_rows(base, target).unwrap())
        .collect();
    let mut clones = Vec::new();
    for blocks in [&base, &target] {
        let held: Vec<Held> = blocks
            .iter()
            .map(|block| probes_of(&RowFeatures::new(block)))
            .collect();
        clones.extend(
            asked
                .iter()
                .filter(|&&(one, other)| are_clones(&held[one], &held[other])),
        );
    }
    let groups = groups(base.len(), &clones);
    (combined(&groups, &log10_p), fisher(&log10_p), groups.len())
}

#[test]
fn doubled_layers_and_experts_from_one_dense_block_are_one_test() {
    // Three layers, each three times; four layers of four experts copied from the dense FFN that
    // the model had, and one layer of eight.
    let within = |layer: usize| {
        expert_pairs(4)
            .into_iter()
            .map(move |(one, other)| (4 * layer + one, 4 * layer + other))
    };
    let experts: Vec<(usize, usize)> = (0..4).flat_map(within).collect();
    for (layers, copies, asked) in [
        (3, 3, layer_pairs(9)),
        (4, 4, experts),
        (1, 8, expert_pairs(8)),
    ] {
        for kind in [Kind::Plain, Kind::CommonDirection, Kind::SameUnits] {
            let mut draws = Draws::new(0, &format!("{copies} clones {kind:?}"));
            let models: Vec<_> = (0..600)
                .map(|_| with_clones(kind, layers, copies, &asked, &mut draws))
                .collect();
            let all_found = models
                .iter()
                .filter(|&&(_, _, groups)| groups <= layers)
                .count();
            assert!(
                all_found >= 570,
                "{kind:?}: clones found in {all_found} of 600"
            );
            let grouped: Vec<f64> = models.iter().map(|&(grouped, ..)| grouped).collect();
            assert_at_or_above_uniform(&grouped, 600, &format!("{copies} clones {kind:?}"));
            if kind == Kind::SameUnits && copies == 8 {
                let multiplied: Vec<f64> = models
                    .iter()
                    .map(|&(_, multiplied, _)| multiplied)
                    .collect();
                assert_below_uniform(&multiplied, "clones, multiplied");
            }
        }
    }
}

/// Channels of a residual stream of convolutions: every tensor has them in the same order.
#[test]
fn tensors_that_share_channels_are_one_group() {
    for kind in [Kind::CommonDirection, Kind::Clusters, Kind::SameUnits] {
        let mut draws = Draws::new(0, &format!("channels {kind:?}"));
        let (mut grouped, mut multiplied) = (Vec::new(), Vec::new());
        for _ in 0..800 {
            let (of_base, of_target) = (units(kind, 12, &mut draws), units(kind, 12, &mut draws));
            let convolution = |_| {
                let shared = shared(12, 9, &mut draws);
                let (base, target) = (
                    tensor(kind, &of_base, &shared, &mut draws),
                    tensor(kind, &of_target, &shared, &mut draws),
                );
                direct_rows(&base, &target).unwrap()
            };
            let log10_p: Vec<f64> = (0..5).map(convolution).collect();
            grouped.push(group(&log10_p));
            multiplied.push(fisher(&log10_p));
        }
        assert_at_or_above_uniform(&grouped, 800, &format!("{kind:?}"));
        if kind == Kind::SameUnits {
            assert_below_uniform(
                &multiplied,
                "tensors with one order of channels, multiplied",
            );
        }
    }
}

/// A recurrent cell's rows are four gates, each with a character of its own in all models; and rows
/// of a head know their rotary frequency.
#[test]
fn rows_that_know_their_place_are_parts_of_units() {
    let (count, per_unit, width) = (8, 4, 10);
    for layout in [Layout::Stacks(per_unit), Layout::Neighbours(per_unit)] {
        let mut draws = Draws::new(0, &format!("{layout:?}"));
        let (mut by_units, mut by_rows) = (Vec::new(), Vec::new());
        for _ in 0..2000 {
            let characters = normal(per_unit, width, &mut draws);
            let mut side = || {
                let mut matrix = normal(count * per_unit, width, &mut draws);
                for (row, values) in matrix.values.chunks_exact_mut(width).enumerate() {
                    let place = if layout == Layout::Stacks(per_unit) {
                        row / count
                    } else {
                        row % per_unit
                    };
                    let character = &characters.values[place * width..(place + 1) * width];
                    values
                        .iter_mut()
                        .zip(character)
                        .for_each(|(x, of_place)| *x += 2.0 * of_place);
                }
                matrix
            };
            let (base, target) = (side(), side());
            let units = |matrix| RowFeatures::with_layout(matrix, layout).unwrap();
            by_units.extend(direct(&units(&base), &units(&target)));
            by_rows.extend(direct_rows(&base, &target));
        }
        assert_at_or_above_uniform(&by_units, 2000, &format!("{layout:?}"));
        assert_below_uniform(&by_rows, "rows of gates or heads as units");
    }
}

#[test]
fn units_sorted_by_norm_on_both_sides_are_refused() {
    let mut draws = Draws::new(0, "sorted");
    let (mut one_sorted, mut unguarded, mut refused) = (Vec::new(), Vec::new(), 0);
    for _ in 0..300 {
        // Both models learn much the same units: sorted by norm, they stand in much the same
        // places.
        let (base, target) = independent_pair(Kind::SameUnits, (80, 80), 6, &mut draws);
        let by_norm = |matrix: &Matrix| {
            let norm = |row: usize| {
                matrix.values[row * 6..row * 6 + 6]
                    .iter()
                    .map(|x| f64::from(x * x))
                    .sum::<f64>()
            };
            let mut order: Vec<usize> = (0..80).collect();
            order.sort_by(|&a, &b| norm(a).total_cmp(&norm(b)));
            rows(matrix, &order)
        };
        let (base_sorted, target_sorted) = (by_norm(&base), by_norm(&target));
        let order = |base: &dyn Features, target: &dyn Features| {
            order_test(base, target, &SAMPLING).unwrap()
        };
        let sorted = order(
            &RowFeatures::new(&base_sorted),
            &RowFeatures::new(&target_sorted),
        );
        refused += usize::from(matches!(sorted, Err(Untestable::Sorted { .. })));
        one_sorted.extend(
            order(&RowFeatures::new(&base), &RowFeatures::new(&target_sorted))
                .ok()
                .map(|o| o.log10_p),
        );
        one_sorted.extend(direct_rows(&base_sorted, &target));
        // Features scaled to length 1 hide the order from the guard.
        unguarded.extend(
            order(&held(&base_sorted), &held(&target_sorted))
                .ok()
                .map(|order| order.log10_p),
        );
    }
    assert_eq!(refused, 300);
    assert_at_or_above_uniform(&one_sorted, 590, "one side sorted");
    assert_below_uniform(&unguarded, "both sides sorted");
}

/// The pair of layers to be tested is chosen by looking at both: the choice among all pairs is paid
/// for.
#[test]
fn layer_maps_of_independent_models() {
    const LAYERS: usize = 4;
    for kind in [
        Kind::Plain,
        Kind::CommonDirection,
        Kind::Clusters,
        Kind::SameUnits,
    ] {
        let mut draws = Draws::new(0, &format!("layer map {kind:?}"));
        let (mut paid, mut unpaid) = (Vec::new(), Vec::new());
        for _ in 0..800 {
            // All layers of both models are alike but for the order of their units.
            let shared = shared(12, 8, &mut draws);
            let mut model = || -> Vec<Matrix> {
                (0..LAYERS)
                    .map(|_| tensor(kind, &units(kind, 12, &mut draws), &shared, &mut draws))
                    .collect()
            };
            let (target, base) = (model(), model());
            let mut least = 0.0f64;
            layer_map(LAYERS, LAYERS, |of_target, of_base| {
                let log10_p = direct_rows(&base[of_base], &target[of_target]);
                least = least.min(log10_p.unwrap_or(0.0));
                log10_p
            });
            paid.push(bonferroni(least, LAYERS * LAYERS));
            unpaid.push(least);
        }
        assert_at_or_above_uniform(&paid, 800, &format!("{kind:?}"));
        if kind == Kind::SameUnits {
            assert_below_uniform(&unpaid, "the best pair of layers for the price of one");
        }
    }
}

/// Which expert of the base goes with which of the target is chosen by looking at both: the choice
/// among all pairs is paid for.
#[test]
fn experts_of_independent_models_matched_by_content() {
    const EXPERTS: usize = 5;
    for kind in [
        Kind::Plain,
        Kind::CommonDirection,
        Kind::Clusters,
        Kind::SameUnits,
    ] {
        let mut draws = Draws::new(0, &format!("experts {kind:?}"));
        let (mut paid, mut unpaid) = (Vec::new(), Vec::new());
        for _ in 0..800 {
            // All experts of both models are alike but for the order of their units.
            let shared = shared(12, 8, &mut draws);
            let mut model = || -> Vec<Matrix> {
                (0..EXPERTS)
                    .map(|_| tensor(kind, &units(kind, 12, &mut draws), &shared, &mut draws))
                    .collect()
            };
            let (target, base) = (model(), model());
            let as_units = |model: &[Matrix]| -> Vec<Held> {
                model
                    .iter()
                    .map(|m| Held::new(m.values.clone(), m.values.len()))
                    .collect()
            };
            let (of_target, of_base) = (as_units(&target), as_units(&base));
            let cosine = |a: &Held, b: &Held| -> f64 {
                a.values()
                    .iter()
                    .zip(b.values())
                    .map(|(x, y)| f64::from(x * y))
                    .sum()
            };
            let values = of_target
                .iter()
                .flat_map(|t| of_base.iter().map(move |b| cosine(t, b)))
                .collect();
            let chosen = assign(&Dense {
                rows: EXPERTS,
                columns: EXPERTS,
                values,
            });
            let tests = chosen
                .iter()
                .zip(&target)
                .filter_map(|(b, target)| direct_rows(&base[(*b)?], target));
            let least = tests.fold(0.0, f64::min);
            paid.push(bonferroni(least, EXPERTS * EXPERTS));
            unpaid.push(least);
        }
        assert_at_or_above_uniform(&paid, 800, &format!("{kind:?}"));
        if kind == Kind::SameUnits {
            assert_below_uniform(&unpaid, "the best pair of experts for the price of one");
        }
    }
}
