//! What is copied is found: ladders of noise, alone and on top of each disguise, and the power that
//! a null result claims.

use crate::simulated::*;
use wcmp::internals::numeric::Draws;
use wcmp::internals::numeric::{Matrix, RowSource};
use wcmp::internals::stats::FOUND_LOG10;
use wcmp::internals::stats::units::clones::are_clones;
use wcmp::internals::stats::units::{
    ColumnFeatures, Pair, Projected, RowFeatures, TokenRows, block_test, fixed_point_test,
    order_test,
};
use wcmp::internals::stats::{Power, Probed};
use wcmp::internals::stats::{bonferroni, fisher};

/// Cosines of a copy, from a copy hardly changed to one hardly left.
const LADDER: [f64; 9] = [1.0, 0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05];
const LAYERS: usize = 4;
const UNITS: usize = 176;
const WIDTH: usize = 64;

/// log10 p over all layers for each step of the ladder; `test` is given a layer, its noised copy
/// and the draws.
fn ladder(purpose: &str, mut test: impl FnMut(&Matrix, &Matrix, &mut Draws) -> f64) -> Vec<f64> {
    let mut step = |cosine: f64| {
        // The same models and noise on each step, more or less of it.
        let mut draws = Draws::new(0, purpose);
        let mut layer = |_| {
            let base = normal(UNITS, WIDTH, &mut draws);
            let target = noised(&base, cosine, &mut draws);
            test(&base, &target, &mut draws)
        };
        fisher(&(0..LAYERS).map(&mut layer).collect::<Vec<_>>())
    };
    LADDER.iter().map(|&cosine| step(cosine)).collect()
}

/// More noise never makes a clearer finding, and every copy down to the cosine `found_down_to` is
/// found.
#[track_caller]
fn assert_ladder(log10_p: &[f64], found_down_to: f64, clear_at_the_top: f64) {
    assert!(
        log10_p.windows(2).all(|steps| steps[1] >= steps[0] - 0.5),
        "not monotone: {log10_p:?}"
    );
    assert!(log10_p[0] <= clear_at_the_top, "{log10_p:?}");
    for (cosine, log10_p) in LADDER.iter().zip(log10_p) {
        assert!(
            *cosine < found_down_to || *log10_p <= FOUND_LOG10,
            "cosine {cosine} not found: {log10_p}"
        );
    }
}

fn direct(base: &Matrix, target: &Matrix) -> f64 {
    let probes = SAMPLING.probes(base.rows);
    fixed_point_test(&RowFeatures::new(base), &RowFeatures::new(target), &probes)
        .unwrap()
        .unwrap()
        .log10_p
}

#[test]
fn noise_alone() {
    assert_ladder(
        &ladder("noise", |base, target, _| direct(base, target)),
        0.2,
        -500.0,
    );
}

#[test]
fn noise_on_one_block_with_all_looks() {
    let log10_p = ladder("looks", |base, target, _| {
        let pair = Pair {
            base: &RowFeatures::new(base),
            target: &RowFeatures::new(target),
        };
        block_test(pair, None, &SAMPLING, true)
            .unwrap()
            .unwrap()
            .log10_p
    });
    assert_ladder(&log10_p, 0.2, -500.0);
}

#[test]
fn noise_on_residual_dimensions() {
    let log10_p = ladder("residual", |base, target, _| {
        let rows: Vec<usize> = SAMPLING.coordinates(UNITS);
        let columns = |matrix| ColumnFeatures::new(matrix, rows.clone());
        let probes = SAMPLING.probes(WIDTH);
        let test = fixed_point_test(&columns(base), &columns(target), &probes)
            .unwrap()
            .unwrap();
        bonferroni(test.log10_p, LAYERS)
    });
    assert_ladder(&log10_p, 0.2, -300.0);
}

#[test]
fn noise_after_units_were_pruned() {
    let log10_p = ladder("pruned", |base, target, draws| {
        let kept = rows(target, &draws.distinct(128, UNITS));
        let order = order_test(&RowFeatures::new(base), &RowFeatures::new(&kept), &SAMPLING)
            .unwrap()
            .unwrap();
        assert_eq!(
            (order.base_units, order.target_units, order.probes),
            (UNITS, 128, 128)
        );
        order.log10_p
    });
    assert_ladder(&log10_p, 0.3, -800.0);
}

#[test]
fn noise_after_units_were_inserted() {
    let log10_p = ladder("inserted", |base, target, draws| {
        let mut order: Vec<usize> = (0..UNITS).collect();
        order.rotate_right(5);
        let mut moved = rows(target, &order);
        moved.values[..5 * WIDTH].copy_from_slice(&normal(5, WIDTH, draws).values);
        let pair = Pair {
            base: &RowFeatures::new(base),
            target: &RowFeatures::new(&moved),
        };
        let block = block_test(pair, None, &SAMPLING, true).unwrap().unwrap();
        assert!(block.direct.unwrap().log10_p > -2.0);
        block.log10_p
    });
    assert_ladder(&log10_p, 0.3, -800.0);
}

/// A model's embedding, common to all steps of a ladder, and the same turned.
fn embeddings(turn: Option<&Matrix>) -> (TokenRows, TokenRows) {
    let embedding = normal(200, WIDTH, &mut Draws::new(0, "embedding"));
    let turned = turn.map_or(embedding.clone(), |turn| product(&embedding, turn));
    let tokens = SAMPLING.projection_tokens(200);
    (
        TokenRows::read(&embedding, &tokens).unwrap(),
        TokenRows::read(&turned, &tokens).unwrap(),
    )
}

#[test]
fn noise_after_the_residual_stream_was_rotated() {
    let turn = rotation(WIDTH, &mut Draws::new(0, "turn"));
    let (of_base, of_target) = embeddings(Some(&turn));
    let log10_p = ladder("rotated", |base, target, _| {
        let turned = product(target, &turn);
        assert!(direct(base, &turned) > -3.0);
        let (base, target) = (
            Projected::new(base, &of_base).unwrap(),
            Projected::new(&turned, &of_target).unwrap(),
        );
        fixed_point_test(&base, &target, &SAMPLING.probes(UNITS))
            .unwrap()
            .unwrap()
            .log10_p
    });
    assert_ladder(&log10_p, 0.3, -500.0);
}

#[test]
fn noise_after_layers_were_moved() {
    let sources = [0, 1, 2, 3, 4, 2, 3, 4, 5];
    let mut placed = Vec::new();
    for cosine in LADDER {
        let mut draws = Draws::new(0, "moved");
        let base: Vec<Matrix> = (0..6).map(|_| normal(UNITS, WIDTH, &mut draws)).collect();
        let target: Vec<Matrix> = sources
            .iter()
            .map(|&layer| noised(&base[layer], cosine, &mut draws))
            .collect();
        let map = layer_map(target.len(), base.len(), |of_target, of_base| {
            Some(direct(&base[of_base], &target[of_target]))
        });
        let wrong = map
            .iter()
            .zip(sources)
            .filter(|(origin, source)| origin.is_some_and(|origin| origin != *source))
            .count();
        assert_eq!(wrong, 0, "cosine {cosine}");
        placed.push(map.iter().flatten().count());
    }
    assert!(
        placed.windows(2).all(|steps| steps[1] <= steps[0]),
        "{placed:?}"
    );
    assert!(
        LADDER
            .iter()
            .zip(&placed)
            .all(|(&cosine, &placed)| cosine < 0.3 || placed == 9),
        "{placed:?}"
    );
}

#[test]
fn clones_are_found_while_their_likeness_lasts() {
    let found = |likeness: f64| {
        let mut draws = Draws::new(0, "likeness");
        let trial = |_: &usize| {
            let source = normal(64, 32, &mut draws);
            let copy = noised(&source, likeness, &mut draws);
            are_clones(
                &probes_of(&RowFeatures::new(&source)),
                &probes_of(&RowFeatures::new(&copy)),
            )
        };
        (0..100).filter(trial).count()
    };
    assert_eq!((found(0.9), found(0.4)), (100, 100));
    assert!(found(0.3) >= 93);
    assert_eq!(found(0.0), 0);
}

/// "A reuse of that share of the units, in their places, would have been seen with 95 %
/// probability."
#[test]
fn a_null_result_has_the_power_that_it_claims() {
    let (layers, count) = (6, 176);
    let power = Power::pooled(&vec![
        Probed {
            probes: 64,
            units: count
        };
        layers
    ]);
    let (needed, share) = (power.hits_needed.unwrap(), power.share_seen_95.unwrap());
    let mut draws = Draws::new(0, "power");
    let mut seen = |share: f64| {
        let trial = |_: &usize| {
            let layer = |_| {
                let base = normal(count, 24, &mut draws);
                let mut target = normal(count, 24, &mut draws);
                for unit in 0..count {
                    if draws.unit() < share {
                        let row = unit * base.columns()..(unit + 1) * base.columns();
                        target.values[row.clone()].copy_from_slice(&base.values[row]);
                    }
                }
                let probes = SAMPLING.probes(count);
                let test = fixed_point_test(
                    &RowFeatures::new(&base),
                    &RowFeatures::new(&target),
                    &probes,
                );
                test.unwrap().unwrap().hits
            };
            (0..layers).map(layer).sum::<usize>() >= needed
        };
        (0..100).filter(trial).count()
    };
    let (at_share, at_half, at_none) = (seen(share), seen(share / 2.0), seen(0.0));
    assert!(at_share >= 89, "{at_share} of 100 seen");
    assert!(
        at_half < 60 && at_none == 0,
        "{at_half} and {at_none} of 100"
    );
}
