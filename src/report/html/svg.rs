//! Pictures as SVG. Colours that depend on light or dark are classes; a tooltip is a `title`.

use maud::{Markup, PreEscaped, html};

use crate::report::document::{Drawing, Point};
use crate::report::number;

/// A drawing with its name for whom it is read.
pub(super) fn drawing(drawing: &Drawing, name: &str) -> Markup {
    match drawing {
        Drawing::Heat {
            rows,
            columns,
            figures,
        } => heat(rows, columns, figures, name),
        Drawing::Depth(points) => depth(points, name),
        Drawing::Ribbons {
            target,
            base,
            pairs,
        } => ribbons(*target, *base, pairs, name),
        Drawing::Bars(rows) => bars(rows, name),
        Drawing::Stacked {
            rows,
            series,
            shares,
        } => stacked(rows, series, shares, name),
    }
}

/// A bar from 0 to 1 in a cell of a table.
pub(super) fn bar(value: Option<f64>) -> Markup {
    const WIDTH: f64 = 120.0;
    let filled = value
        .filter(|v| v.is_finite())
        .unwrap_or(0.0)
        .clamp(0.0, 1.0)
        * WIDTH;
    html! {
        svg width=(WIDTH) height="12" viewBox="0 0 120 12" aria-hidden="true" {
            rect.l x="0.5" y="0.5" width="119" height="11" {}
            rect.a x="0" y="0" width=(round(filled)) height="12" {}
        }
    }
}

/// Points on a plane, both axes in one unit.
pub(super) fn scatter(points: &[Point]) -> Markup {
    const SIDE: f64 = 320.0;
    const MARGIN: f64 = 24.0;
    let placed: Vec<(char, f64, f64)> = points
        .iter()
        .filter_map(|point| match point.place {
            [Some(x), Some(y)] if x.is_finite() && y.is_finite() => Some((point.label, x, y)),
            _ => None,
        })
        .collect();
    let range = |axis: fn(&(char, f64, f64)) -> f64| {
        let values = || placed.iter().map(axis);
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let ((left, right), (low, high)) = (range(|p| p.1), range(|p| p.2));
    let span = (right - left).max(high - low).max(f64::MIN_POSITIVE);
    let scale = (SIDE - 2.0 * MARGIN) / span;
    let place = |value: f64, low: f64| MARGIN + (value - low) * scale;
    html! {
        svg viewBox="0 0 320 320" width="320" height="320" aria-hidden="true" {
            rect.l x="0.5" y="0.5" width="319" height="319" {}
            @for (label, x, y) in &placed {
                circle.a cx=(round(place(*x, left))) cy=(round(SIDE - place(*y, low))) r="4" {}
                text x=(round(place(*x, left) + 7.0)) y=(round(SIDE - place(*y, low) + 4.0)) { (label) }
            }
        }
    }
}

/// One decimal: a tenth of a pixel.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The colour of a cosine: blue above 0, orange below, the darker the further from it.
fn colour(cosine: f64) -> String {
    let strength = cosine.abs().min(1.0);
    let hue = if cosine < 0.0 { 28 } else { 212 };
    format!("hsl({hue} 70% {:.0}%)", 93.0 - 55.0 * strength)
}

fn heat(rows: &[String], columns: &[String], figures: &[Vec<Option<f64>>], name: &str) -> Markup {
    const CELL_WIDTH: usize = 48;
    const LEFT: usize = 36;
    const TOP: usize = 20;
    let cell_height = if rows.len() > 40 { 8 } else { 18 };
    // Labels of rows that would stand on one another are left out.
    let every = if rows.len() > 40 { 5 } else { 1 };
    let width = LEFT + CELL_WIDTH * columns.len() + 4;
    let height = TOP + cell_height * rows.len() + 4;
    html! {
        svg viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img" aria-label=(name) {
            @for (at, column) in columns.iter().enumerate() {
                text x=(LEFT + CELL_WIDTH * at + 2) y="13" { (column.chars().take(7).collect::<String>()) }
            }
            @for (at, (row, figures)) in rows.iter().zip(figures).enumerate() {
                @let y = TOP + cell_height * at;
                @if at % every == 0 {
                    text x="2" y=(y + cell_height.min(14)) { (row) }
                }
                @for (column, figure) in figures.iter().enumerate() {
                    @let x = LEFT + CELL_WIDTH * column;
                    @match figure {
                        Some(cosine) => {
                            rect x=(x) y=(y) width=(CELL_WIDTH - 1) height=(cell_height - 1) fill=(colour(*cosine)) {
                                title { (row) " " (columns[column]) ": " (number::short_figure(Some(*cosine))) }
                            }
                        }
                        None => {
                            rect.f x=(x) y=(y) width=(CELL_WIDTH - 1) height=(cell_height - 1) {}
                        }
                    }
                }
            }
        }
    }
}

fn depth(points: &[(f64, f64)], name: &str) -> Markup {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 180.0;
    const LEFT: f64 = 36.0;
    let last = points.iter().map(|(place, _)| *place).fold(1.0, f64::max);
    let x = |place: f64| LEFT + (WIDTH - LEFT - 12.0) * place / last;
    let y = |cosine: f64| 8.0 + (HEIGHT - 30.0) * (1.0 - cosine.clamp(-1.0, 1.0)) / 2.0;
    let mut path = String::new();
    for (place, cosine) in points {
        path.push_str(&format!("M{} {}h0", round(x(*place)), round(y(*cosine))));
    }
    html! {
        svg viewBox="0 0 640 180" width="640" height="180" role="img" aria-label=(name) {
            @for cosine in [1.0, 0.5, 0.0, -0.5, -1.0] {
                line.l x1=(LEFT) x2="636" y1=(round(y(cosine))) y2=(round(y(cosine))) {}
                text x="2" y=(round(y(cosine) + 4.0)) { (cosine) }
            }
            text x=(LEFT) y="176" { "0" }
            text x="600" y="176" { (last) }
            path.p d=(PreEscaped(path)) {}
        }
    }
}

fn ribbons(target: u32, base: u32, pairs: &[(u32, u32)], name: &str) -> Markup {
    const WIDTH: f64 = 640.0;
    let last = f64::from(target.max(base)).max(2.0) - 1.0;
    let x = |layer: u32| 16.0 + (WIDTH - 32.0) * f64::from(layer) / last;
    html! {
        svg viewBox="0 0 640 150" width="640" height="150" role="img" aria-label=(name) {
            @for (to, from) in pairs {
                path.r stroke-width="5" d=(format!(
                    "M{0} 24C{0} 75 {1} 75 {1} 126", round(x(*to)), round(x(*from))
                )) { title { (to) " ← " (from) } }
            }
            @for layer in 0..target.min(1000) {
                rect.a x=(round(x(layer) - 2.5)) y="18" width="5" height="8" {}
                @if target <= 40 { text x=(round(x(layer) - 5.0)) y="13" { (layer) } }
            }
            @for layer in 0..base.min(1000) {
                rect.f x=(round(x(layer) - 2.5)) y="124" width="5" height="8" {}
                @if base <= 40 { text x=(round(x(layer) - 5.0)) y="146" { (layer) } }
            }
        }
    }
}

fn bars(rows: &[(String, Option<f64>)], name: &str) -> Markup {
    const LEFT: usize = 150;
    let height = 16 * rows.len() + 6;
    let filled = |share: &Option<f64>| {
        round(
            share
                .filter(|s| s.is_finite())
                .unwrap_or(0.0)
                .clamp(0.0, 1.0)
                * 400.0,
        )
    };
    html! {
        svg viewBox=(format!("0 0 640 {height}")) width="640" height=(height) role="img" aria-label=(name) {
            @for (at, (label, share)) in rows.iter().enumerate() {
                @let y = 16 * at + 3;
                @let short: String = crate::report::escape::elide(&crate::report::escape::name(label), 20);
                text x="2" y=(y + 10) { (short) }
                rect.f x=(LEFT) y=(y) width="400" height="12" fill-opacity="0.35" {}
                rect.a x=(LEFT) y=(y) width=(filled(share)) height="12" {
                    title { (short) ": " (number::short_figure(*share)) }
                }
                text x="558" y=(y + 10) { (number::short_figure(*share)) }
            }
        }
    }
}

fn stacked(rows: &[String], series: &[String], shares: &[Vec<f64>], name: &str) -> Markup {
    const LEFT: f64 = 60.0;
    const ROOM: f64 = 560.0;
    let colour = |at: usize| format!("hsl({} 55% 50%)", (212 + 67 * at) % 360);
    let height = 14 * rows.len() + 26;
    html! {
        svg viewBox=(format!("0 0 640 {height}")) width="640" height=(height) role="img" aria-label=(name) {
            @for (at, base) in series.iter().take(6).enumerate() {
                rect x=(LEFT as usize + 95 * at) y="3" width="10" height="10" fill=(colour(at)) {}
                text x=(LEFT as usize + 95 * at + 14) y="12" {
                    (crate::report::escape::elide(&crate::report::escape::name(base), 11))
                }
            }
            @for (at, (row, shares)) in rows.iter().zip(shares).enumerate() {
                @let y = 14 * at + 20;
                @let whole = shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
                text x="2" y=(y + 10) { (row) }
                @for (place, share) in shares.iter().enumerate() {
                    @let before = shares[..place].iter().sum::<f64>() / whole * ROOM;
                    rect x=(round(LEFT + before)) y=(y) width=(round(share / whole * ROOM)) height="12" fill=(colour(place)) {
                        title { (row) ": " (number::short_figure(Some(*share))) }
                    }
                }
            }
        }
    }
}
