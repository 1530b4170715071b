//! Markdown: tables that hold, and names that stay names.

use wcmp::internals::report::{Lang, Style, markdown};

use super::samples;

const STYLE: Style = Style {
    width: 80,
    color: false,
    all_tensors: false,
    full: true,
    lang: Lang::En,
};
const ALL: Style = Style {
    all_tensors: true,
    full: true,
    lang: Lang::En,
    ..STYLE
};

/// Prints a page to be looked at: `SAMPLE=partial cargo test --test suite show_a_page -- --ignored
/// --nocapture`.
#[test]
#[ignore = "prints a page for the eye"]
#[allow(clippy::print_stdout)]
fn show_a_page() {
    let wanted = std::env::var("SAMPLE").unwrap_or_else(|_| "fine_tuned".to_owned());
    for (name, report) in samples::all_compares() {
        if name == wanted {
            println!("{}", markdown(&report, &STYLE));
        }
    }
    if wanted == "rank" {
        println!("{}", markdown(&samples::ranked(), &STYLE));
    }
}

/// Cells of a table row: pipes that are not escaped part them, in code spans as well.
fn cells(line: &str) -> usize {
    let mut escaped = false;
    let mut pipes = 0;
    for c in line.chars() {
        if c == '|' && !escaped {
            pipes += 1;
        }
        escaped = c == '\\' && !escaped;
    }
    pipes - 1
}

/// `line` without its code spans, read as CommonMark reads them.
fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let run = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        let escaped = rest[..at].chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        let after = &rest[at + run..];
        let fence = "`".repeat(run);
        let close = after
            .match_indices(&fence)
            .find(|(i, _)| !after[..*i].ends_with('`') && !after[i + run..].starts_with('`'));
        match close {
            Some((close, _)) if !escaped => {
                out.push_str(&rest[..at]);
                rest = &after[close + run..];
            }
            _ => {
                out.push_str(&rest[..at + run]);
                rest = after;
            }
        }
    }
    out + rest
}

fn sound(page: &str) {
    let mut columns = None;
    let mut open = 0;
    for line in page.lines() {
        assert!(
            !line
                .chars()
                .any(|c| c.is_control() || wcmp::internals::error::is_bidirectional(c)),
            "{line:?}"
        );
        open += i32::from(line.starts_with("<details>")) - i32::from(line == "</details>");
        if line.starts_with('|') {
            assert_eq!(*columns.get_or_insert(cells(line)), cells(line), "{line}");
        } else {
            columns = None;
        }
        let text = without_code(line);
        let html = text
            .replace("<details><summary>", "")
            .replace("</summary>", "")
            .replace("</details>", "");
        assert!(!html.contains("<s") && !html.contains("</"), "{line}");
        assert!(!text.contains("NaN") && !text.contains("-0.0000"), "{line}");
    }
    assert!(open == 0);
}

#[test]
fn every_page_is_sound_whatever_the_names() {
    for style in [STYLE, ALL] {
        for (_, report) in samples::all_compares() {
            sound(&markdown(&report, &style));
        }
        for report in [samples::architectures(), samples::hostile_architectures()] {
            sound(&markdown(&report, &style));
        }
        for report in [samples::ranked(), samples::hostile_rank()] {
            sound(&markdown(&report, &style));
        }
        for report in [samples::inspected(), samples::hostile_inspect()] {
            sound(&markdown(&report, &style));
        }
        sound(&markdown(&samples::hashed(), &style));
        sound(&markdown(&samples::checked(), &style));
        for report in [samples::families(), samples::hostile_families()] {
            sound(&markdown(&report, &style));
        }
        for report in [samples::sketched(), samples::hostile_sketch()] {
            sound(&markdown(&report, &style));
        }
    }
}

#[test]
fn a_pull_request_reads_the_verdict_first_and_the_layers_folded() {
    let page = markdown(&samples::fine_tuned(), &STYLE);
    let at = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} is not in\n{page}"))
    };
    assert!(at("**Verdict: `derived`**") < at("| matrices | 0.9773 |"));
    assert!(
        at("### Evidence, the strongest first")
            < at("<details><summary>Layers: text, 22</summary>")
    );
    assert!(
        at("| **above 0.95** | **almost certainly fine-tuned** | 0.9812 |")
            < at("wcmp compare models/TinyLlama")
    );
    assert!(page.ends_with("models/TinyLlama-1.1B-Chat-v1.0 --seed 20260105`\n"));
    assert!(page.contains("norm gains 0.9996; unrelated models of this shape: 0.9964"));
    assert!(page.contains("`3f0a7c1d9e5b28460f7f6ce1a2d4b8907e1c5a3b6d2f49880c7ae5d1b3f60942`"));
}

#[test]
fn a_filter_is_named_on_the_first_line() {
    assert!(markdown(&samples::partial(), &STYLE).starts_with("Filtered by --include"));
}
