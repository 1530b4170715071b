//! Saved reports: shown again, in other formats and languages, and verified.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::command::{answer, error_line, fixture, run, wcmp};

fn path(name: &str) -> String {
    fixture(name).display().to_string()
}

/// Commands whose answer can be saved.
fn commands() -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (base, tuned, other) = (path("base"), path("fine-tuned"), path("independent"));
    vec![
        words(&["compare", &base, &tuned]),
        words(&["compare", &base, &other, "--expect", "independent"]),
        words(&["rank", &tuned, &base, &other]),
        words(&["arch", &tuned, &base]),
        words(&["inspect", &base]),
        words(&["hash", &base]),
    ]
}

#[test]
fn show_gives_the_bytes_of_the_original_run_in_every_format_and_language() {
    let folder = tempdir().unwrap();
    let saved = folder.path().join("report.json");
    for command in commands() {
        let output = wcmp().args(&command).args(["-f", "json"]).output().unwrap();
        fs::write(&saved, &output.stdout).unwrap();
        for format in ["text", "json", "csv", "markdown", "html"] {
            for more in [
                vec![],
                vec!["--full"],
                vec!["--lang", "ko"],
                vec!["--lang", "ko", "--full"],
            ] {
                let original = wcmp()
                    .args(&command)
                    .args(["-f", format])
                    .args(&more)
                    .output();
                let shown = wcmp()
                    .arg("show")
                    .arg(&saved)
                    .args(["-f", format])
                    .args(&more)
                    .output();
                let (original, shown) = (original.unwrap(), shown.unwrap());
                assert!(!shown.stdout.is_empty(), "{command:?} {format} {more:?}");
                assert!(
                    original.stdout == shown.stdout,
                    "{command:?} {format} {more:?}:\n{}\n{}",
                    String::from_utf8_lossy(&original.stdout),
                    String::from_utf8_lossy(&shown.stdout)
                );
            }
        }
    }
}

#[test]
fn one_reading_gives_every_export_and_each_is_what_its_format_gives() {
    let folder = tempdir().unwrap();
    let (base, tuned) = (path("base"), path("fine-tuned"));
    let endings = [
        ("txt", "text"),
        ("json", "json"),
        ("csv", "csv"),
        ("md", "markdown"),
        ("html", "html"),
    ];
    let mut command = wcmp();
    command.args(["compare", &base, &tuned, "-q"]);
    for (ending, _) in endings {
        command
            .arg("--export")
            .arg(folder.path().join(format!("report.{ending}")));
    }
    let output = command.output().unwrap();
    let line = answer(&output, 0);
    assert!(
        line.starts_with("derived, ") && line.lines().count() == 1,
        "{line}"
    );
    for (ending, format) in endings {
        let alone = wcmp()
            .args(["compare", &base, &tuned, "-f", format])
            .output()
            .unwrap();
        let exported = fs::read(folder.path().join(format!("report.{ending}"))).unwrap();
        assert!(alone.stdout == exported, "{ending}");
    }
    let refused = run(&["compare", &base, &tuned, "--export", "report.doc"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
}

#[test]
fn verify_is_0_for_the_same_1_for_other_files_or_an_edited_report_and_2_for_none() {
    let folder = tempdir().unwrap();
    let saved = folder.path().join("report.json");
    let (base, tuned, other) = (path("base"), path("fine-tuned"), path("independent"));
    let output = run(&["compare", &base, &tuned, "-f", "json"]);
    fs::write(&saved, &output.stdout).unwrap();
    let report = saved.to_str().unwrap();
    let verified = run(&["verify", report]);
    assert!(answer(&verified, 0).starts_with("equal: "));
    assert!(answer(&run(&["verify", report, &base, &tuned]), 0).starts_with("equal: "));
    let differs = run(&["verify", report, &base, &other, "-f", "json"]);
    let found: Value = serde_json::from_str(answer(&differs, 1)).unwrap();
    let fields = found["differences"].as_array().unwrap();
    assert!(
        fields
            .iter()
            .any(|row| row["field"] == "target.model_digest")
    );

    for (old, new) in [
        ("\"label\": \"derived\"", "\"label\": \"from_scratch\""),
        ("\"probes\": ", "\"probes\": 1"),
        ("\"wcmp\"", "\"added\": 1, \"wcmp\""),
    ] {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(&saved, text.replacen(old, new, 1)).unwrap();
        assert!(
            answer(&run(&["verify", report]), 1).starts_with("different: "),
            "{old}"
        );
    }
    fs::write(&saved, "{}").unwrap();
    assert!(error_line(&run(&["verify", report])).contains("no report of wcmp"));
    let missing = Path::new(report).with_extension("absent");
    error_line(&run(&["show", missing.to_str().unwrap()]));
    let two = run(&["verify", report, &base]);
    assert_eq!(two.status.code(), Some(2));
}

#[test]
fn a_tip_says_what_was_probably_meant() {
    let said = |words: &[&str]| {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let (base, tuned) = (path("base"), path("fine-tuned"));
    assert!(
        said(&[&base, &tuned]).contains(&format!("did you mean 'wcmp compare {base} {tuned}'?"))
    );
    let relation = said(&["compare", &base, &tuned, "--expect", "fine_tuned"]);
    assert!(
        relation.contains("fine_tuned is a relation; its verdict is derived"),
        "{relation}"
    );
    assert!(said(&["compare", &base, &tuned, "--min-confidence", "strong"]).contains("--expect"));
}
