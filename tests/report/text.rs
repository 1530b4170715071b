//! The terminal report.

use wcmp::internals::error::is_bidirectional;
use wcmp::internals::report::escape::width;
use wcmp::internals::report::{Lang, Style, text};

use super::samples;

fn style(width: usize) -> Style {
    Style {
        width,
        color: false,
        all_tensors: false,
        full: true,
        lang: Lang::En,
    }
}

fn fits(text: &str, columns: usize) {
    for line in text.lines() {
        assert!(width(line) <= columns, "{} columns: {line}", width(line));
        assert_eq!(line, line.trim_end(), "trailing space");
        assert!(
            !line.chars().any(|c| c.is_control() || is_bidirectional(c)),
            "control in {line:?}"
        );
        assert!(!line.contains("NaN") && !line.contains("-0.0000"), "{line}");
    }
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
}

/// Prints a report to be looked at: `SAMPLE=fine_tuned COLUMNS=80 cargo test --test suite
/// show_a_report -- --ignored --nocapture`.
#[test]
#[ignore = "prints a report for the eye"]
#[allow(clippy::print_stdout)]
fn show_a_report() {
    let wanted = std::env::var("SAMPLE").unwrap_or_else(|_| "fine_tuned".to_owned());
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse().ok())
        .unwrap_or(80);
    let style = Style {
        width: columns,
        color: std::env::var_os("COLOR").is_some(),
        all_tensors: std::env::var_os("TENSORS").is_some(),
        full: true,
        lang: Lang::En,
    };
    for (name, report) in samples::all_compares() {
        if name == wanted {
            println!("{}", text(&report, &style));
        }
    }
    match wanted.as_str() {
        "rank" => println!("{}", text(&samples::ranked(), &style)),
        "arch" => println!("{}", text(&samples::architectures(), &style)),
        "inspect" => println!("{}", text(&samples::inspected(), &style)),
        "hash" => println!("{}", text(&samples::hashed(), &style)),
        "matrix" => println!("{}", text(&samples::families(), &style)),
        "sketch" => println!("{}", text(&samples::sketched(), &style)),
        "check" => println!("{}", text(&samples::checked(), &style)),
        _ => {}
    }
}

#[test]
fn no_report_is_wider_than_the_terminal() {
    for columns in [80, 81, 100, 140, 250] {
        for all_tensors in [false, true] {
            let style = Style {
                all_tensors,
                ..style(columns)
            };
            for (_, report) in samples::all_compares() {
                fits(&text(&report, &style), columns);
            }
            for report in [samples::ranked(), samples::hostile_rank()] {
                fits(&text(&report, &style), columns);
            }
            for report in [samples::architectures(), samples::hostile_architectures()] {
                fits(&text(&report, &style), columns);
            }
            for report in [samples::inspected(), samples::hostile_inspect()] {
                fits(&text(&report, &style), columns);
            }
            fits(&text(&samples::checked(), &style), columns);
            for report in [samples::families(), samples::hostile_families()] {
                fits(&text(&report, &style), columns);
            }
            for report in [samples::sketched(), samples::hostile_sketch()] {
                fits(&text(&report, &style), columns);
            }
        }
    }
}

#[test]
fn a_terminal_narrower_than_a_table_does_not_panic() {
    for columns in [0, 1, 20, 59] {
        for (_, report) in samples::all_compares() {
            assert!(!text(&report, &style(columns)).is_empty());
        }
        assert!(!text(&samples::hostile_rank(), &style(columns)).is_empty());
        assert!(!text(&samples::hostile_inspect(), &style(columns)).is_empty());
    }
}

/// Lines of a report, without their margins.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

fn has_line(text: &str, line: &str) {
    assert!(
        lines(text).contains(&line),
        "{line:?} is not a line of\n{text}"
    );
}

#[test]
fn a_fine_tune_is_reported_with_figures_evidence_verdict_and_the_marked_row() {
    let text = text(&samples::fine_tuned(), &style(80));
    has_line(
        &text,
        "parameters    1.10B                            1.10B",
    );
    has_line(
        &text,
        "size          2.05 GiB                         2.05 GiB",
    );
    has_line(
        &text,
        "target  3f0a7c1d9e5b28460f7f6ce1a2d4b8907e1c5a3b6d2f49880c7ae5d1b3f60942",
    );
    has_line(
        &text,
        "norms      0.9996  norm gains 0.9996; unrelated models of this shape: 0.9964",
    );
    has_line(
        &text,
        "21    0.9554  ███████████████████████████▋   0.9553  0.9996    0/9   -203.4",
    );
    has_line(
        &text,
        "reused          45       1.03B  94.0 %  embedding; attention 0-21; ffn 0-21",
    );
    has_line(&text, "label       derived");
    has_line(
        &text,
        "▶  above 0.95   almost certainly fine-tuned               0.9812",
    );
    has_line(
        &text,
        "pattern    early high late low: typical of fine-tuning",
    );
    has_line(
        &text,
        "agreement  the document's reading and the verdict agree",
    );
    has_line(&text, "- the base stores F32 norms, the target BF16");
    let place = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part} is missing"))
    };
    let order = [
        "10^-4474",
        "byte-identical: ",
        "matrices keep 97.7",
        "principal subspaces cluster",
        "Layers: text",
    ];
    assert!(
        order.is_sorted_by_key(|part| place(part)),
        "evidence is not in order of strength"
    );
    assert!(place("Not testable") < place("\nVerdict\n"));
    assert!(place("\nVerdict\n") < place("The origin document's reading"));
}

#[test]
fn the_last_line_is_the_command_that_gives_the_report_again() {
    let shown = text(&samples::empty(), &style(80));
    assert_eq!(
        shown.lines().last(),
        Some("wcmp compare models/nothing models/tiny --seed 20260105")
    );
    let shown = text(&samples::ranked(), &style(100));
    let last = "wcmp rank models/merged-7B-slerp models/Mistral-7B-Instruct-v0.2 models/OpenHermes-2.5-Mistral-7B \\\n\
                models/Solar-Open-100B --seed 20260105\n";
    assert!(shown.ends_with(last));
}

#[test]
fn a_filter_is_named_on_the_first_line() {
    let shown = text(&samples::partial(), &style(120));
    assert_eq!(
        shown.lines().next(),
        Some(
            "Filtered by --include 'model.*' --exclude '*.bias': every other tensor counts as absent on both sides"
        )
    );
    assert!(text(&samples::fine_tuned(), &style(80)).starts_with("wcmp 0.1.0 compare"));
}

#[test]
fn a_disagreement_with_the_document_is_explained() {
    let text = text(&samples::independent(), &style(100));
    has_line(&text, "label       from_scratch");
    has_line(
        &text,
        "norms      0.9832  norm gains 0.9832; unrelated models of this shape: 0.9834",
    );
    assert!(
        lines(&text)
            .join(" ")
            .contains("the verdict disagree: the plain mean counts 97 norm gains")
    );
}

#[test]
fn a_partial_reuse_names_components_layers_map_and_experts() {
    let text = text(&samples::partial(), &style(80));
    has_line(&text, "0-4 ← 0-4, 5-8 ← 2-5");
    has_line(
        &text,
        "vision              100.0 %  0.9910    0.9910  derived       conclusive",
    );
    has_line(
        &text,
        "5 ← 2    0.8800  █████████████████████████▌     0.8799  0.9996    0/9   -120.0",
    );
    has_line(
        &text,
        "names         model.language_model. in the target is model. in the base",
    );
    assert!(
        lines(&text)
            .join(" ")
            .contains("permuted in layers 0-2, 5, 128 of 176 units found again")
    );
}

#[test]
fn a_hundred_layers_take_a_line_each() {
    let text = text(&samples::hundred_layers(), &style(80));
    for layer in 0..100 {
        let found = text
            .lines()
            .filter(|line| line.starts_with(&format!("  {layer:>5}  ")))
            .count();
        assert_eq!(found, 1, "layer {layer}");
    }
}

#[test]
fn tensors_are_listed_in_short_or_all() {
    let report = samples::fine_tuned();
    let listed = |text: &str| {
        report
            .tensors
            .iter()
            .filter(|t| text.contains(&t.name.target))
            .count()
    };
    assert!(listed(&text(&report, &style(140))) < 10);
    let all = text(
        &report,
        &Style {
            all_tensors: true,
            full: true,
            lang: Lang::En,
            ..style(140)
        },
    );
    assert_eq!(listed(&all), report.tensors.len());
    let text = text(&samples::independent(), &style(100));
    assert!(text.contains("and 7 more; --tensors lists them all"));
}

#[test]
fn colours_change_nothing_but_colours() {
    for (_, report) in samples::all_compares() {
        let plain = text(&report, &style(80));
        let painted = text(
            &report,
            &Style {
                color: true,
                ..style(80)
            },
        );
        let mut stripped = String::new();
        let mut rest = painted.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        stripped.push_str(rest);
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
        assert!(painted.contains("\u{1b}[1m") && !plain.contains('\u{1b}'));
    }
}

#[test]
fn rank_shows_ranking_criteria_plot_mixture_and_conclusion() {
    let text = text(&samples::ranked(), &style(100));
    assert!(lines(&text).iter().any(
        |line| line.starts_with("3  Solar-Open-100B") && line.ends_with("from_scratch  strong")
    ));
    assert!(
        lines(&text)
            .iter()
            .any(|line| line.starts_with("│ T ") && line.ends_with(" 3 │"))
    );
    assert!(lines(&text).join(" ").contains(
        "0.499 × Mistral-7B-Instruct-v0.2 + 0.50 × OpenHermes-2.5-Mistral-7B (each ± 0.001)"
    ));
    assert!(
        lines(&text)
            .iter()
            .any(|line| line.starts_with("yes") && line.ends_with("fine-tuning"))
    );
    has_line(&text, "label       derived");
}

#[test]
fn inspect_joins_equal_layers() {
    let text = text(&samples::inspected(), &style(80));
    has_line(&text, "layers 3-47       9.82B   218.1M");
    assert!(text.contains("down e127"));
}

#[test]
fn check_names_every_difference_in_full() {
    let text = text(&samples::checked(), &style(80));
    has_line(&text, "differs   model.norm.weight");
    has_line(&text, &format!("expected  {}", "a".repeat(64)));
    has_line(&text, "missing   lm_head.weight");
    has_line(&text, "new       model.extra.weight");
}

#[test]
fn hash_prints_the_manifest_whatever_the_width() {
    let hash = samples::hashed();
    assert_eq!(
        text(&hash, &style(20)),
        wcmp::manifest::to_string(&(&hash).into())
    );
}
