//! `wcmp compare` on the fixtures: its JSON read back, its verdicts, its exit codes.

use crate::support::command::{answer, error_line, fixture, run, wcmp};
use crate::support::compared::Compare;
use sha2::{Digest, Sha256};

fn compare(base: &str, target: &str, options: &[&str]) -> Compare {
    let output = wcmp()
        .args(["compare", "--format", "json"])
        .args(options)
        .args([fixture(base), fixture(target)])
        .output()
        .unwrap();
    let compared: Compare = serde_json::from_str(answer(&output, 0)).unwrap();
    assert_eq!(compared.schema, "wcmp.compare/1");
    compared
}

#[test]
fn a_fine_tune_is_derived_and_its_early_layers_are_closer() {
    let c = compare("base", "fine-tuned", &[]);
    assert_eq!(c.verdict.label, "derived");
    assert_eq!(c.verdict.relation.as_deref(), Some("fine_tuned"));
    assert_eq!(c.verdict.confidence.as_deref(), Some("conclusive"));
    assert_eq!(c.origin_reading.layer_pattern, "early_high_late_low");
    assert_eq!(c.origin_reading.agrees, Some(true));
    assert!(
        c.layers
            .windows(2)
            .all(|pair| pair[0].matrix_cosine > pair[1].matrix_cosine)
    );
    assert!(c.permutation.unwrap().log10_p.unwrap() < -100.0);
    assert_eq!(c.pca.unwrap().summary, "clustered_with_base");
}

#[test]
fn independent_models_are_from_scratch_although_their_norms_agree() {
    let c = compare("base", "independent", &[]);
    assert_eq!(c.verdict.label, "from_scratch");
    assert!(c.similarity.norm_cosine.unwrap() > 0.98);
    let gap = c.similarity.norm_cosine.unwrap() - c.similarity.norm_expected_cosine.unwrap();
    assert!(gap.abs() < 0.01);
    assert!(c.similarity.matrix_excess.unwrap().abs() < 0.05);
    assert!(c.parts.iter().all(|part| part.state == "independent"));
    assert!(
        c.evidence
            .iter()
            .all(|finding| finding.log10_p.is_none_or(|p| p > -2.0))
    );
    assert!(
        c.warnings
            .iter()
            .any(|warning| warning.code == "declared_base_contradicted")
    );
}

#[test]
fn a_card_that_names_the_base_is_said_to_agree_with_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("tuned");
    std::fs::create_dir(&target).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture("fine-tuned").join(file), target.join(file)).unwrap();
    }
    let card = |base: &str| {
        let card = format!("---\nbase_model: org/{base}\n---\n");
        std::fs::write(target.join("README.md"), card).unwrap();
        let report = wcmp()
            .args(["compare", "-f", "json"])
            .args([&fixture("base"), &target])
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_str(answer(&report, 0)).unwrap();
        let warnings = report["warnings"].as_array().unwrap().iter();
        let codes = warnings.map(|warning| warning["code"].as_str().unwrap().to_owned());
        codes
            .filter(|code| code.starts_with("declared_base"))
            .collect::<Vec<_>>()
    };
    assert_eq!(card("base"), ["declared_base_confirmed"]);
    assert_eq!(card("another"), ["declared_base_differs"]);
    let text = wcmp()
        .arg("compare")
        .args([&fixture("base"), &target])
        .output()
        .unwrap();
    let second: Vec<&str> = answer(&text, 0).lines().skip(1).take(2).collect();
    assert!(
        second.join(" ").contains("declares another base"),
        "{second:?}"
    );
}

#[test]
fn a_partial_reuse_names_both_sides() {
    let c = compare("base", "partial-reuse", &[]);
    assert_eq!(c.verdict.label, "partial_reuse");
    let state = |layer| {
        c.parts
            .iter()
            .find(|p| p.kind == "ffn" && p.layer == Some(layer))
            .unwrap()
            .state
            .as_str()
    };
    assert_eq!(
        [0, 1, 2, 3].map(state),
        ["reused", "reused", "independent", "independent"]
    );
    assert!(
        c.verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("shared with the base"))
    );
    assert!(
        c.verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("independent"))
    );
}

#[test]
fn sharding_changes_nothing() {
    let c = compare("base", "sharded", &[]);
    assert_eq!(
        (c.verdict.label.as_str(), c.verdict.confidence.as_deref()),
        ("identical", Some("conclusive"))
    );
    assert_eq!(c.base.model_digest, c.target.model_digest);
    assert_eq!(c.similarity.identical, c.similarity.aligned);
    assert_eq!(c.similarity.mean_cosine, Some(1.0));
}

#[test]
fn a_reused_tower_and_a_fresh_decoder_get_a_verdict_each() {
    let c = compare("vlm-base", "vlm-new-decoder", &[]);
    assert_eq!(c.verdict.label, "partial_reuse");
    let label = |name: &str| {
        c.components
            .iter()
            .find(|x| x.component == name)
            .unwrap()
            .verdict
            .label
            .as_str()
    };
    assert_eq!(label("text"), "from_scratch");
    assert_eq!(label("vision"), "derived");
}

#[test]
fn digests_are_those_of_the_stored_bytes_and_the_mean_is_unweighted() {
    let c = compare("base", "fine-tuned", &[]);
    let file = std::fs::read(fixture("base").join("model.safetensors")).unwrap();
    let header_length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + header_length]).unwrap();
    for tensor in &c.tensors {
        let offsets = &header[&tensor.name.base]["data_offsets"];
        let [begin, end] =
            [0, 1].map(|i| 8 + header_length + offsets[i].as_u64().unwrap() as usize);
        assert_eq!(
            tensor.sha256.base.as_deref(),
            Some(&*hex::encode(Sha256::digest(&file[begin..end])))
        );
    }
    let cosines: Vec<f64> = c
        .tensors
        .iter()
        .filter_map(|tensor| tensor.figures.cosine)
        .collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!((mean - c.similarity.mean_cosine.unwrap()).abs() < 1e-12);
}

#[test]
fn mixed_dtypes_and_odd_tensors_are_compared() {
    let c = compare("mixed-dtypes", "mixed-dtypes", &[]);
    assert_eq!(c.verdict.label, "identical");
    let c = compare("base", "mixed-dtypes", &[]);
    assert!(c.similarity.matrix_cosine.unwrap() > 0.999);
    assert!(c.tensors.iter().any(|tensor| tensor.compared_via == "cast"));
    assert_eq!(c.verdict.label, "derived");
}

#[test]
fn hash_none_decides_identity_from_the_bytes() {
    let c = compare("base", "fine-tuned", &["--hash", "none"]);
    let with_hashes = compare("base", "fine-tuned", &[]);
    assert_eq!(c.base.model_digest, None);
    assert!(c.tensors.iter().all(|tensor| tensor.sha256.base.is_none()));
    assert_eq!(c.similarity.identical, with_hashes.similarity.identical);
    assert_eq!(c.similarity.mean_cosine, with_hashes.similarity.mean_cosine);
}

#[test]
fn permutation_off_leaves_the_verdict_to_cosines_and_says_so() {
    let c = compare(
        "base",
        "independent",
        &["--permutation", "off", "--pca", "off"],
    );
    assert!(c.permutation.is_none() && c.pca.is_none());
    assert_eq!(
        (c.verdict.label.as_str(), c.verdict.confidence.as_deref()),
        ("from_scratch", Some("weak"))
    );
    assert!(
        c.verdict
            .reasons
            .iter()
            .any(|reason| reason.contains("not looked for"))
    );
}

#[test]
fn filtered_tensors_are_absent_on_both_sides() {
    let c = compare("base", "fine-tuned", &["--include", "*.mlp.*"]);
    assert!(
        c.tensors
            .iter()
            .all(|tensor| tensor.name.base.contains(".mlp."))
    );
    assert!(
        c.unmatched
            .base
            .iter()
            .all(|tensor| tensor.why == "filtered")
    );
    assert_eq!(c.coverage.parameters.target, Some(1.0));
}

#[test]
fn expect_decides_the_exit_code() {
    let code = |target: &str, expect: &str| {
        let output = wcmp()
            .args(["compare", "-q", "--expect", expect])
            .args([fixture("base"), fixture(target)])
            .output();
        output.unwrap().status.code()
    };
    assert_eq!(code("fine-tuned", "related"), Some(0));
    assert_eq!(code("fine-tuned", "derived,identical"), Some(0));
    assert_eq!(code("fine-tuned", "independent"), Some(1));
    assert_eq!(code("independent", "independent"), Some(0));
}

#[test]
fn a_missing_side_is_one_error_line() {
    let missing = fixture("no-such-model");
    for order in [
        [missing.clone(), fixture("base")],
        [fixture("base"), missing],
    ] {
        let output = run(&[
            "compare".as_ref(),
            order[0].as_os_str(),
            order[1].as_os_str(),
        ]);
        assert!(error_line(&output).contains("no-such-model"));
    }
}

#[test]
fn every_damaged_checkpoint_ends_with_its_message_on_either_side() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    for line in table.lines().skip(1) {
        let (name, message) = line.split_once('\t').unwrap();
        if message.is_empty() {
            continue;
        }
        let damaged = folder.join(name);
        for order in [[&damaged, &fixture("base")], [&fixture("base"), &damaged]] {
            let output = wcmp().arg("compare").args(order).output().unwrap();
            let said = error_line(&output);
            assert!(said.ends_with(message), "{name}: {said}");
        }
    }
}

#[test]
fn a_report_says_how_to_reproduce_it() {
    let output = wcmp()
        .args(["compare", "--full"])
        .args([fixture("base"), fixture("fine-tuned")])
        .output()
        .unwrap();
    let report = answer(&output, 0);
    assert!(report.contains("To reproduce") && report.trim_end().ends_with("--seed 0"));
    assert!(report.lines().all(|line| line.chars().count() <= 80));
}
