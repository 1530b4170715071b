//! Whole reports as they were last looked at: `UPDATE_SNAPSHOTS=1 cargo test --test suite report::`
//! writes them anew.

use std::path::Path;

use wcmp::internals::report::{Lang, Style, markdown, text};

use super::samples;

fn hold(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/report/snapshots")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(
        expected == found,
        "{name} is not as it was; found:\n{found}"
    );
}

#[test]
fn reports_are_as_they_were_last_looked_at() {
    let narrow = Style {
        width: 80,
        color: false,
        all_tensors: false,
        full: true,
        lang: Lang::En,
    };
    let wide = Style {
        width: 140,
        all_tensors: true,
        full: true,
        lang: Lang::En,
        ..narrow
    };
    hold(
        "compare-fine-tuned-80.txt",
        &text(&samples::fine_tuned(), &narrow),
    );
    hold(
        "compare-fine-tuned-140-tensors.txt",
        &text(&samples::fine_tuned(), &wide),
    );
    hold(
        "compare-independent-80.txt",
        &text(&samples::independent(), &narrow),
    );
    hold(
        "compare-partial-80.txt",
        &text(&samples::partial(), &narrow),
    );
    hold("compare-empty-80.txt", &text(&samples::empty(), &narrow));
    hold(
        "compare-partial.md",
        &markdown(&samples::partial(), &narrow),
    );
    hold("rank-80.txt", &text(&samples::ranked(), &narrow));
    hold("rank.md", &markdown(&samples::ranked(), &narrow));
    hold("arch-80.txt", &text(&samples::architectures(), &narrow));
    hold("arch.md", &markdown(&samples::architectures(), &narrow));
    hold("inspect-80.txt", &text(&samples::inspected(), &narrow));
    hold("check-80.txt", &text(&samples::checked(), &narrow));
    hold("sketch-80.txt", &text(&samples::sketched(), &narrow));
}
