//! Principal subspaces against numpy in float64 (tests/reference/subspace.py wrote the figures).

use wcmp::internals::numeric::Dense;
use wcmp::internals::numeric::Matrix;
use wcmp::internals::stats::subspace::{Side, overlap};

const RANK: usize = 48;

fn uniform(seed: u64, rows: usize, columns: usize) -> Dense {
    let value = |index: u64| {
        let mut z = (seed << 32)
            .wrapping_add(index)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    Dense {
        rows,
        columns,
        values: (0..rows * columns).map(|i| value(i as u64)).collect(),
    }
}

fn matrix(seed: u64, rows: usize, columns: usize) -> Dense {
    let mut left = uniform(3 * seed, rows, RANK);
    for i in 0..rows {
        left.row_mut(i)
            .iter_mut()
            .enumerate()
            .for_each(|(r, v)| *v *= 0.9f64.powi(r as i32));
    }
    let mut out = left.times_transposed(&uniform(3 * seed + 1, columns, RANK));
    let noise = uniform(3 * seed + 2, rows, columns);
    out.values
        .iter_mut()
        .zip(&noise.values)
        .for_each(|(v, n)| *v += 0.5 * n);
    out
}

fn stored(values: &Dense, common: &[f64]) -> Matrix {
    let sums = values
        .values
        .iter()
        .enumerate()
        .map(|(i, v)| (v + common[i % values.columns]) as f32)
        .collect();
    Matrix {
        rows: values.rows,
        columns: values.columns,
        values: sums,
    }
}

#[test]
fn overlap_and_expectation_agree_with_numpy() {
    let mut cases = 0;
    for line in include_str!("reference/subspace.tsv").lines().skip(1) {
        let field: Vec<&str> = line.split('\t').collect();
        let number = |i: usize| field[i].parse::<f64>().expect("a number");
        let (rows_base, rows_target, columns) =
            (number(1) as usize, number(2) as usize, number(3) as usize);
        let side = if field[4] == "rows" {
            Side::Rows
        } else {
            Side::Columns
        };
        let (share, mean) = (number(8), number(9));

        let common: Vec<f64> = uniform(999, 1, columns)
            .values
            .iter()
            .map(|v| mean * v)
            .collect();
        let base = matrix(number(6) as u64, rows_base, columns);
        let mut target = matrix(number(7) as u64, rows_target, columns);
        target.values.iter_mut().for_each(|v| *v *= 1.0 - share);
        target
            .values
            .iter_mut()
            .zip(&base.values)
            .for_each(|(v, b)| *v += share * b);

        let found = overlap(
            &stored(&base, &common),
            &stored(&target, &common),
            side,
            field[5] == "1",
        )
        .expect("rows");
        let (overlap, expected) = (
            found.overlap.expect(field[0]),
            found.expected.expect(field[0]),
        );
        assert_eq!(found.k as f64, number(10), "{}", field[0]);
        let exact = rows_base.min(columns) <= 1024;
        assert_eq!(found.error.is_none(), exact, "{}", field[0]);
        let allowed = if exact {
            1e-5
        } else {
            found.error.expect("a sketch states its error").max(2e-6)
        };
        assert!(
            (overlap - number(11)).abs() <= allowed,
            "{}: {found:?}, numpy {}",
            field[0],
            number(11)
        );
        assert!(
            (expected - number(12)).abs() <= 1e-3,
            "{}: {found:?}, numpy {}",
            field[0],
            number(12)
        );
        assert!(
            found.error.is_none_or(|e| e < 0.05),
            "{}: an error that says nothing: {found:?}",
            field[0]
        );
        cases += 1;
    }
    assert_eq!(cases, 16);
}
