//! The terminal report.

use wcmp::error::is_bidirectional;
use wcmp::report::escape::width;
use wcmp::report::{Style, text};

use crate::samples;

fn style(width: usize) -> Style {
    Style { width, color: false, all_tensors: false }
}

fn fits(text: &str, columns: usize) {
    for line in text.lines() {
        assert!(width(line) <= columns, "{} columns: {line}", width(line));
        assert_eq!(line, line.trim_end(), "trailing space");
        assert!(!line.chars().any(|c| c.is_control() || is_bidirectional(c)), "control in {line:?}");
        assert!(!line.contains("NaN") && !line.contains("-0.0000"), "{line}");
    }
    assert!(text.ends_with('\n'));
}

/// Prints a report to be looked at: `SAMPLE=fine_tuned COLUMNS=80 cargo test --test report show -- --ignored --nocapture`.
#[test]
#[ignore = "prints a report for the eye"]
#[allow(clippy::print_stdout)]
fn show_a_report() {
    let wanted = std::env::var("SAMPLE").unwrap_or_else(|_| "fine_tuned".to_owned());
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(80);
    let style = Style {
        width: columns,
        color: std::env::var_os("COLOR").is_some(),
        all_tensors: std::env::var_os("TENSORS").is_some(),
    };
    for (name, report) in samples::all_compares() {
        if name == wanted {
            println!("{}", text::compare(&report, &style));
        }
    }
}

#[test]
fn no_compare_report_is_wider_than_the_terminal() {
    for (_, report) in samples::all_compares() {
        for columns in [80, 100, 140, 250] {
            for all_tensors in [false, true] {
                fits(&text::compare(&report, &Style { all_tensors, ..style(columns) }), columns);
            }
        }
    }
}
