//! A scatter plot of labelled points in plain characters.
//!
//! Both axes have one scale, so that distances on the screen are distances between the models; a
//! column is taken to be half as wide as a line is high.

use crate::report::document::Point;

/// A line is this many columns high.
const ASPECT: f64 = 2.0;
/// Most lines of the plot.
const MOST_LINES: usize = 18;

/// The plot with its frame, at most `columns` wide. A point that falls on another takes the next
/// free place, so that every label is seen. `None` where fewer than two points are finite.
pub(super) fn plot(points: &[Point], columns: usize) -> Option<Vec<String>> {
    let finite: Vec<(char, f64, f64)> = points
        .iter()
        .filter_map(|point| Some((point.label, point.place[0]?, point.place[1]?)))
        .filter(|(_, x, y)| x.is_finite() && y.is_finite())
        .collect();
    if finite.len() < 2 {
        return None;
    }
    let (left, right) = extent(finite.iter().map(|(_, x, _)| *x));
    let (bottom, top) = extent(finite.iter().map(|(_, _, y)| *y));
    // A margin of a place on each side, and the frame.
    let width = columns.saturating_sub(4).clamp(8, 96);
    let per_column = f64::max(
        (right - left) / (width - 1) as f64,
        (top - bottom) / (ASPECT * (MOST_LINES - 1) as f64),
    );
    let place = |value: f64, from: f64, unit: f64, places: usize| -> usize {
        let at = if unit > 0.0 {
            ((value - from) / unit).round()
        } else {
            0.0
        };
        // Within the frame by the choice of the scale; a scale too small to divide by ends at its
        // edge.
        (at.max(0.0) as usize).min(places - 1)
    };
    let lines = place(top, bottom, ASPECT * per_column, MOST_LINES) + 1;
    let mut grid = vec![vec![' '; width]; lines];
    for (label, x, y) in &finite {
        let column = place(*x, left, per_column, width);
        let line = lines - 1 - place(*y, bottom, ASPECT * per_column, lines);
        if let Some((line, column)) = nearest_free(&grid, line, column) {
            grid[line][column] = *label;
        }
    }
    let rule = "─".repeat(width + 2);
    let mut out = vec![format!("┌{rule}┐")];
    out.extend(
        grid.into_iter()
            .map(|line| format!("│ {} │", line.into_iter().collect::<String>())),
    );
    out.push(format!("└{rule}┘"));
    Some(out)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| {
        (least.min(v), most.max(v))
    })
}

/// The free place nearest to the wanted one.
fn nearest_free(grid: &[Vec<char>], line: usize, column: usize) -> Option<(usize, usize)> {
    let distance = |(l, c): &(usize, usize)| l.abs_diff(line) * 2 + c.abs_diff(column);
    let places = grid
        .iter()
        .enumerate()
        .flat_map(|(l, row)| (0..row.len()).map(move |c| (l, c)));
    places
        .filter(|(l, c)| grid[*l][*c] == ' ')
        .min_by_key(distance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::document::point_label;

    fn labelled(places: &[[Option<f64>; 2]]) -> Vec<Point> {
        let places = places.iter().enumerate();
        places
            .map(|(index, place)| Point {
                label: point_label(index),
                place: *place,
            })
            .collect()
    }

    #[test]
    fn distances_have_one_scale() {
        // An equilateral-like triangle: 20 columns wide, 5 lines (10 columns) high.
        let points = [[0.0, 0.0], [20.0, 0.0], [10.0, 10.0]].map(|p| p.map(Some));
        let plot = plot(&labelled(&points), 25).unwrap();
        assert_eq!(
            plot,
            [
                "┌───────────────────────┐",
                "│           2           │",
                "│                       │",
                "│                       │",
                "│                       │",
                "│                       │",
                "│ T                   1 │",
                "└───────────────────────┘",
            ]
        );
    }

    #[test]
    fn points_on_one_another_are_all_seen() {
        let plot = plot(&labelled(&[[Some(1.0), Some(1.0)]; 5]), 80)
            .unwrap()
            .concat();
        assert!("T1234".chars().all(|label| plot.contains(label)));
    }

    #[test]
    fn fewer_than_two_points_are_no_plot() {
        assert_eq!(
            plot(
                &labelled(&[
                    [Some(1.0), Some(2.0)],
                    [None, Some(1.0)],
                    [Some(f64::NAN), Some(0.0)]
                ]),
                80
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn any_points_fit(points in prop::collection::vec([any::<Option<f64>>(), any::<Option<f64>>()], 0..50), columns in 20usize..200) {
            for line in plot(&labelled(&points), columns).unwrap_or_default() {
                prop_assert!(line.chars().count() <= columns);
            }
        }
    }
}
