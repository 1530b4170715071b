//! `wcmp rank`: its JSON read back with types that know every key.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::command::{answer, error_line, fixture, text, wcmp};
use crate::support::file::{Tensor, safetensors};
use half::bf16;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
struct Rank {
    schema: String,
    wcmp: String,
    settings: Value,
    target: Checkpoint,
    ranking: Vec<Row>,
    criteria: Vec<Criterion>,
    conclusion: Conclusion,
    coordinates: Option<Coordinates>,
    mixture: Option<Mixture>,
    warnings: Vec<Warning>,
    controls: Option<Vec<Control>>,
    layer_origins: Option<Vec<Origin>>,
    kinship: Vec<Kin>,
    sums_of_target: Vec<Value>,
    between: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Origin {
    target: u32,
    base: Option<String>,
    layer: Option<u32>,
    log10_p: Option<f64>,
    weights: Vec<OriginWeight>,
}

#[derive(Debug, Deserialize)]
struct OriginWeight {
    base: String,
    layer: u32,
    weight: f64,
    standard_error: f64,
}

#[derive(Debug, Deserialize)]
struct Kin {
    base: String,
    kinship: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Checkpoint {
    path: String,
    name: String,
    format: String,
    files: Vec<Value>,
    architecture: Option<String>,
    parameters: u64,
    bytes: u64,
    dtypes: Value,
    quantization: Option<String>,
    model_digest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    base: Checkpoint,
    coverage: Value,
    similarity: Value,
    origin_reading: Value,
    permutation: Option<Permutation>,
    pca: Option<Pca>,
    verdict: Verdict,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Permutation {
    log10_p: Option<f64>,
    probes: u64,
    hits: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Pca {
    summary: String,
    median_excess: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    label: String,
    relation: Option<String>,
    relations: Vec<String>,
    confidence: Option<String>,
    reasons: Vec<String>,
    not_testable: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Criterion {
    id: String,
    statement: String,
    holds: Option<bool>,
    value: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Conclusion {
    label: String,
    base: Option<String>,
    sentence: String,
    candidates: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Coordinates {
    models: Vec<String>,
    points: Vec<[f64; 2]>,
    explained: [f64; 2],
}

#[derive(Debug, Deserialize)]
struct Mixture {
    weights: Vec<Weight>,
    residual: f64,
    by_layer: Vec<LayerMixture>,
    by_role: Vec<RoleMixture>,
}

#[derive(Debug, Deserialize)]
struct Weight {
    base: String,
    weight: Option<f64>,
    standard_error: Option<f64>,
}

impl Weight {
    /// Distance of the weight from what it is.
    fn off(&self, truth: f64) -> f64 {
        self.weight
            .map_or(f64::INFINITY, |weight| (weight - truth).abs())
    }

    /// Whether it is near what it is, and as near as its error says.
    fn is_within(&self, truth: f64) -> bool {
        let errors = self.standard_error.map_or(0.0, |error| 2.0 * error + 1e-9);
        self.off(truth) < 0.02 && self.off(truth) <= errors
    }
}

#[derive(Debug, Deserialize)]
struct LayerMixture {
    layer: u32,
    weights: Vec<Weight>,
    residual: f64,
}

#[derive(Debug, Deserialize)]
struct RoleMixture {
    role: String,
    weights: Vec<Weight>,
    residual: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Warning {
    code: String,
    message: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Control {
    base: String,
    nearest: String,
    matrix_cosine: f64,
    matrix_excess: f64,
}

/// Runs `wcmp rank` with these fixtures or folders, the target first.
fn run(models: &[&Path], options: &[&str]) -> std::process::Output {
    wcmp()
        .arg("rank")
        .args(models)
        .args(options)
        .output()
        .expect("run wcmp")
}

#[track_caller]
fn rank_of(models: &[&Path]) -> Rank {
    serde_json::from_str(answer(&run(models, &["--format", "json"]), 0)).expect("the schema")
}

#[track_caller]
fn rank(models: &[&str]) -> Rank {
    let paths: Vec<PathBuf> = models.iter().map(|name| fixture(name)).collect();
    rank_of(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())
}

/// Names of the bases in the order of the ranking.
fn order(rank: &Rank) -> Vec<&str> {
    rank.ranking
        .iter()
        .map(|row| row.base.name.as_str())
        .collect()
}

fn labels(rank: &Rank) -> Vec<&str> {
    rank.ranking
        .iter()
        .map(|row| row.verdict.label.as_str())
        .collect()
}

fn holds(rank: &Rank) -> Vec<Option<bool>> {
    rank.criteria.iter().map(|c| c.holds).collect()
}

/// A model whose every tensor is a mean of two fixtures' tensors, the first weighing
/// `weight(name)`.
fn merge(folder: &Path, models: [&str; 2], weight: impl Fn(&str) -> f32) {
    let read = |name: &str| fs::read(fixture(name).join("model.safetensors")).expect("a fixture");
    let files = models.map(read);
    let [a, b] = [0, 1].map(|i| SafeTensors::deserialize(&files[i]).expect("a fixture"));
    let code = |bytes: &[u8]| bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
    let mut names: Vec<String> = a.names().into_iter().map(ToString::to_string).collect();
    names.sort();
    let mixed = names.iter().map(|name| {
        let (x, y) = (
            a.tensor(name).expect("in both"),
            b.tensor(name).expect("in both"),
        );
        let values = x.data().chunks(2).zip(y.data().chunks(2));
        let w = weight(name);
        let mean = |(p, q): (&[u8], &[u8])| {
            bf16::from_f32(w * code(p) + (1.0 - w) * code(q)).to_le_bytes()
        };
        Tensor {
            name: name.clone(),
            dtype: "BF16",
            shape: x.shape().iter().map(|axis| *axis as u64).collect(),
            bytes: values.flat_map(mean).collect(),
        }
    });
    fs::create_dir_all(folder).expect("a folder");
    fs::write(
        folder.join("model.safetensors"),
        safetensors(&mixed.collect::<Vec<_>>()),
    )
    .expect("a file");
    fs::copy(
        fixture(models[0]).join("config.json"),
        folder.join("config.json"),
    )
    .expect("a file");
}

#[test]
fn the_base_of_a_fine_tune_is_first_and_the_unrelated_one_last() {
    let rank = rank(&["fine-tuned", "independent", "partial-reuse", "base"]);
    assert_eq!(
        (rank.schema.as_str(), rank.wcmp.as_str()),
        ("wcmp.rank/1", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(rank.settings["seed"], 0);
    assert_eq!(order(&rank), ["base", "partial-reuse", "independent"]);
    assert_eq!(labels(&rank), ["derived", "partial_reuse", "from_scratch"]);
    assert_eq!(
        (
            rank.conclusion.label.as_str(),
            rank.conclusion.base.as_deref()
        ),
        ("derived", Some("base"))
    );
    assert!(
        rank.conclusion.sentence.contains("no direction in time"),
        "{}",
        rank.conclusion.sentence
    );
    let repeated = rank
        .ranking
        .iter()
        .flat_map(|row| &row.verdict.reasons)
        .filter(|r| r.contains("direction"));
    assert_eq!(repeated.count(), 0, "it is said once");
    let ids: Vec<&str> = rank.criteria.iter().map(|c| c.id.as_str()).collect();
    let all = [
        "all_means_below_half",
        "no_identical",
        "independent_in_pca",
        "a_base_at_0.9",
        "many_identical",
        "early_layers_high",
    ];
    assert_eq!(ids, all);
    assert_eq!(holds(&rank)[..4], [false, false, false, true].map(Some));
    assert_eq!(holds(&rank)[5], Some(true));
    assert!(
        rank.criteria
            .iter()
            .all(|c| !c.statement.is_empty() && c.value.is_some())
    );
}

#[test]
fn a_row_says_what_compare_says() {
    for models in [
        ["fine-tuned", "independent", "base"],
        ["mixed-dtypes", "base", "sharded"],
        ["vlm-new-decoder", "vlm-base", "moe-base"],
    ] {
        holds_what_compare_says(&models);
    }
}

fn holds_what_compare_says(models: &[&str]) {
    let rank = rank(models);
    for row in &rank.ranking {
        let pair = [PathBuf::from(&row.base.path), fixture(models[0])];
        let output = wcmp()
            .arg("compare")
            .args(pair)
            .args(["--format", "json"])
            .output()
            .expect("run wcmp");
        let compared: Value = serde_json::from_str(answer(&output, 0)).expect("JSON");
        assert_eq!(
            row.base,
            serde_json::from_value(compared["base"].clone()).expect("a checkpoint")
        );
        assert_eq!(
            rank.target,
            serde_json::from_value(compared["target"].clone()).expect("a checkpoint")
        );
        for (key, own) in [
            ("coverage", &row.coverage),
            ("similarity", &row.similarity),
            ("origin_reading", &row.origin_reading),
        ] {
            assert_eq!(&compared[key], own, "{key} of {}", row.base.name);
        }
        let permutation = row.permutation.as_ref().expect("it ran");
        assert_eq!(
            compared["permutation"]["log10_p"].as_f64(),
            permutation.log10_p
        );
        assert_eq!(compared["permutation"]["hits"], permutation.hits);
        assert_eq!(compared["permutation"]["probes"], permutation.probes);
        let pca = row.pca.as_ref().expect("it ran");
        assert_eq!(compared["pca"]["summary"], pca.summary.as_str());
        assert_eq!(compared["pca"]["median_excess"].as_f64(), pca.median_excess);
        assert_eq!(compared["verdict"]["label"], row.verdict.label.as_str());
        assert_eq!(
            compared["verdict"]["confidence"].as_str(),
            row.verdict.confidence.as_deref()
        );
        assert_eq!(
            compared["verdict"]["not_testable"].as_array(),
            Some(&row.verdict.not_testable)
        );
    }
}

#[test]
fn bases_that_are_all_unrelated_are_from_scratch() {
    let rank = rank(&["independent", "base", "fine-tuned"]);
    assert_eq!(
        (rank.conclusion.label.as_str(), &rank.conclusion.base),
        ("from_scratch", &None)
    );
    assert_eq!(
        holds(&rank),
        [true, true, true, false, false, false].map(Some)
    );
    assert!(rank.mixture.is_none(), "nothing is mixed of strangers");
    assert!(rank.coordinates.is_none(), "nothing is related");
    assert!(rank.layer_origins.is_none());
    assert!(
        rank.ranking
            .iter()
            .all(|row| row.verdict.relation.is_none() && row.verdict.relations.is_empty())
    );
    let claim = rank
        .warnings
        .iter()
        .find(|w| w.code == "declared_base_contradicted")
        .expect("its card claims a base");
    assert!(
        claim.message.contains("declares") && claim.name.as_deref() == Some("wcmp-fixtures/base")
    );
}

#[test]
fn a_merge_is_told_with_its_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("merge");
    merge(&target, ["fine-tuned", "base"], |_| 0.5);
    let rank = rank_of(&[
        &target,
        &fixture("independent"),
        &fixture("base"),
        &fixture("fine-tuned"),
    ]);
    let mixture = rank.mixture.as_ref().expect("they share a shape");
    let names: Vec<&str> = mixture.weights.iter().map(|w| w.base.as_str()).collect();
    assert_eq!(names, order(&rank));
    let near = |found: &[Weight]| {
        let truth = |base: &str| if base == "independent" { 0.0 } else { 0.5 };
        found.len() == 3 && found.iter().all(|w| w.off(truth(&w.base)) < 0.02)
    };
    assert!(
        near(&mixture.weights) && mixture.residual < 1e-4,
        "{mixture:?}"
    );
    assert_eq!(
        mixture.by_layer.iter().map(|l| l.layer).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    for layer in &mixture.by_layer {
        assert!(near(&layer.weights) && layer.residual < 1e-4, "{layer:?}");
    }
    let roles: Vec<&str> = mixture.by_role.iter().map(|r| r.role.as_str()).collect();
    assert_eq!(
        roles,
        ["embed", "q", "k", "v", "o", "gate", "up", "down", "lm_head"]
    );
    for role in mixture.by_role.iter().filter(|r| r.role != "embed") {
        let is_explained = role.residual.is_some_and(|residual| residual < 1e-4);
        assert!(near(&role.weights) && is_explained, "{role:?}");
    }
    assert_eq!(labels(&rank), ["derived", "derived", "from_scratch"]);
    let merged: Vec<bool> = rank
        .ranking
        .iter()
        .map(|row| row.verdict.relations.iter().any(|r| r == "merged"))
        .collect();
    assert_eq!(merged, [true, true, false]);
    assert!(
        rank.conclusion.sentence.contains("0.50 x base")
            && rank.conclusion.sentence.contains("0.50 x fine-tuned"),
        "{}",
        rank.conclusion.sentence
    );
}

#[test]
fn weights_that_differ_by_layer_are_told_by_layer() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("merge");
    merge(&target, ["fine-tuned", "base"], |name| {
        if name.contains("layers.3.") { 0.8 } else { 0.3 }
    });
    let rank = rank_of(&[&target, &fixture("fine-tuned"), &fixture("base")]);
    let mixture = rank.mixture.expect("they share a shape");
    for layer in &mixture.by_layer {
        let share = if layer.layer == 3 { 0.8 } else { 0.3 };
        for found in &layer.weights {
            let truth = if found.base == "fine-tuned" {
                share
            } else {
                1.0 - share
            };
            assert!(found.off(truth) < 0.05, "{layer:?}");
        }
    }
}

#[test]
fn relatives_that_are_no_merge_are_not_called_one() {
    for models in [
        ["fine-tuned", "base", "independent"],
        ["base", "fine-tuned", "sharded"],
    ] {
        let rank = rank(&models);
        assert!(
            rank.ranking
                .iter()
                .all(|row| row.verdict.relations.iter().all(|r| r != "merged")),
            "{models:?}"
        );
        let sentence = &rank.conclusion.sentence;
        assert!(
            !sentence.contains("weighted sum") && !sentence.contains("layers"),
            "{sentence}"
        );
    }
}

#[test]
fn a_model_put_together_from_layers_of_two_is_called_merged() {
    let rank = rank(&["partial-reuse", "independent", "base"]);
    assert_eq!(labels(&rank), ["partial_reuse", "partial_reuse"]);
    assert!(
        rank.ranking
            .iter()
            .all(|row| row.verdict.relations.iter().any(|r| r == "merged"))
    );
    let sentence = &rank.conclusion.sentence;
    assert!(
        sentence.contains("0-1 of base") && sentence.contains("2-3 of independent"),
        "{sentence}"
    );
}

#[test]
fn coordinates_put_a_fine_tune_beside_its_base() {
    let rank = rank(&["fine-tuned", "base", "independent"]);
    let found = rank.coordinates.expect("they share a shape");
    assert_eq!(found.models, ["fine-tuned", "base", "independent"]);
    let apart = |i: usize, j: usize| {
        (found.points[i][0] - found.points[j][0]).hypot(found.points[i][1] - found.points[j][1])
    };
    assert!(
        apart(0, 1) < 0.4 * apart(0, 2) && apart(0, 1) > 0.0,
        "{:?}",
        found.points
    );
    assert!(
        (found.explained[0] + found.explained[1] - 1.0).abs() < 1e-5,
        "three models lie in a plane"
    );
}

#[test]
fn controls_hold_the_bases_against_one_another() {
    let rank = rank(&["fine-tuned", "independent", "base", "sharded"]);
    let controls = rank.controls.expect("three bases share a shape");
    let of = |name: &str| {
        controls
            .iter()
            .find(|c| c.base == name)
            .expect("every base has one")
    };
    assert_eq!(
        (of("base").nearest.as_str(), of("sharded").nearest.as_str()),
        ("sharded", "base")
    );
    assert_eq!(
        (of("base").matrix_cosine, of("base").matrix_excess),
        (1.0, 1.0)
    );
    assert!(of("independent").matrix_excess.abs() < 0.02, "{controls:?}");
    assert!(of("independent").matrix_cosine < 0.5, "{controls:?}");
}

#[test]
fn the_target_among_the_bases_is_set_aside_unless_it_is_the_only_one() {
    let rank = rank(&["base", "independent", "base", "sharded", "base"]);
    assert_eq!(labels(&rank), ["identical", "from_scratch"]);
    assert_eq!(rank.conclusion.base.as_deref(), Some("sharded"));
    let set_aside = rank.warnings.iter().filter(|w| w.code == "base_set_aside");
    assert_eq!(set_aside.count(), 2);
    assert_eq!(holds(&rank)[4], Some(true));

    let alone = self::rank(&["base", "base"]);
    assert_eq!(labels(&alone), ["identical"]);
}

#[test]
fn one_base_is_enough() {
    let rank = rank(&["partial-reuse", "base"]);
    assert_eq!(
        (rank.conclusion.label.as_str(), rank.ranking.len()),
        ("partial_reuse", 1)
    );
    assert!(rank.controls.is_none());
    assert!(rank.mixture.is_none(), "one base is no mixture");
    assert_eq!(
        rank.coordinates.expect("they share a shape").points.len(),
        2
    );
}

#[test]
fn bases_of_another_shape_stay_outside_the_mixture() {
    let rank = rank(&["fine-tuned", "moe-base", "base", "vlm-base"]);
    assert_eq!(rank.conclusion.base.as_deref(), Some("base"));
    assert!(rank.mixture.is_none(), "one relative is no mixture");
    assert_eq!(
        rank.coordinates.expect("two models share a shape").models,
        ["fine-tuned", "base"]
    );
    assert!(
        rank.ranking
            .iter()
            .all(|row| row.verdict.label != "from_scratch"),
        "other shapes are no evidence"
    );
    let alone = self::rank(&["fine-tuned", "moe-base"]);
    assert!(alone.mixture.is_none() && alone.coordinates.is_none() && alone.controls.is_none());
    assert_eq!(
        (alone.conclusion.label.as_str(), holds(&alone)[0]),
        ("inconclusive", None)
    );
}

#[test]
fn the_answer_does_not_depend_on_threads_reading_or_the_order_of_bases() {
    let paths = ["fine-tuned", "independent", "base"].map(fixture);
    let models: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let with = |options: &[&str]| {
        text(&run(&models, &[&["--format", "json"], options].concat()).stdout).to_owned()
    };
    let one = with(&["--threads", "1"]);
    assert!(!one.is_empty());
    assert_eq!(one, with(&["--threads", "4"]));
    assert_eq!(one, with(&["--threads", "2", "--io", "read"]));
    let turned = rank(&["fine-tuned", "base", "independent"]);
    assert_eq!(order(&turned), ["base", "independent"]);
}

#[test]
fn what_is_switched_off_is_null() {
    let paths = ["fine-tuned", "base"].map(fixture);
    let off = [
        "--hash",
        "none",
        "--pca",
        "off",
        "--permutation",
        "off",
        "--format",
        "json",
    ];
    let rank: Rank =
        serde_json::from_str(answer(&run(&[&paths[0], &paths[1]], &off), 0)).expect("the schema");
    let row = &rank.ranking[0];
    assert!(row.permutation.is_none() && row.pca.is_none());
    assert!(rank.target.model_digest.is_none() && row.base.model_digest.is_none());
    assert_eq!(
        holds(&rank)[1],
        Some(false),
        "equal bytes are seen without digests"
    );
    assert_eq!(holds(&rank)[2], None);
}

#[test]
fn expect_tests_the_conclusion() {
    let paths = ["independent", "base", "fine-tuned"].map(fixture);
    let models: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for (word, code) in [
        ("independent", 0),
        ("from_scratch", 0),
        ("related", 1),
        ("derived,inconclusive", 1),
    ] {
        let output = run(&models, &["--expect", word]);
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = format!(
            "wcmp: expected {}; the verdict is from_scratch (",
            word.replace(',', " or ")
        );
        assert_eq!(said.starts_with(&expected), code == 1, "{said}");
        assert_eq!(said.lines().count(), usize::try_from(code).unwrap());
    }
    let related = ["fine-tuned", "independent", "base"].map(fixture);
    let models: Vec<&Path> = related.iter().map(PathBuf::as_path).collect();
    assert_eq!(
        run(&models, &["--expect", "related", "-q"]).status.code(),
        Some(0)
    );
    assert_eq!(
        run(&models, &["--expect", "independent", "-q"])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn every_format_names_the_conclusion_and_all_bases() {
    let paths = ["fine-tuned", "independent", "base"].map(fixture);
    let models: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let text = answer(&run(&models, &["--full"]), 0).to_owned();
    for part in [
        "Conclusion",
        "derived",
        "Principal coordinates",
        "Origins of the layers",
        "Controls",
        "wcmp rank",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let markdown = answer(&run(&models, &["--full", "--format", "markdown"]), 0).to_owned();
    assert!(markdown.contains("**Conclusion: `derived`**"), "{markdown}");
    let csv = answer(&run(&models, &["--format", "csv"]), 0).to_owned();
    assert_eq!(csv.lines().count(), 3);
    assert!(
        csv.lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("1,") && line.contains(",base,")),
        "{csv}"
    );
}

#[test]
fn an_error_names_the_base_that_cannot_be_read() {
    let bad =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/cut-in-the-data.safetensors");
    let output = run(&[&fixture("base"), &fixture("independent"), &bad], &[]);
    assert!(error_line(&output).contains("cut-in-the-data.safetensors"));
    let output = run(&[&fixture("base"), Path::new("no-such-folder")], &[]);
    assert!(error_line(&output).contains("no-such-folder"));
    assert_eq!(run(&[&fixture("base")], &[]).status.code(), Some(2));
}

/// The tensors of a fixture in bf16, by name.
fn values(name: &str) -> BTreeMap<String, (Vec<u64>, Vec<f32>)> {
    let bytes = fs::read(fixture(name).join("model.safetensors")).expect("a fixture");
    let file = SafeTensors::deserialize(&bytes).expect("a fixture");
    let code = |c: &[u8]| bf16::from_le_bytes([c[0], c[1]]).to_f32();
    file.tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let shape = tensor.shape().iter().map(|axis| *axis as u64).collect();
            (name, (shape, tensor.data().chunks(2).map(code).collect()))
        })
        .collect()
}

/// A model of such tensors, with the configuration of a fixture but for the number of layers.
fn written(folder: &Path, tensors: &BTreeMap<String, (Vec<u64>, Vec<f32>)>, layers: u64) {
    let tensors = tensors.iter().map(|(name, (shape, values))| Tensor {
        name: name.clone(),
        dtype: "BF16",
        shape: shape.clone(),
        bytes: values
            .iter()
            .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
            .collect(),
    });
    fs::create_dir_all(folder).expect("a folder");
    let file = safetensors(&tensors.collect::<Vec<_>>());
    fs::write(folder.join("model.safetensors"), file).expect("a file");
    let config = fs::read(fixture("base").join("config.json")).expect("a fixture");
    let mut config: Value = serde_json::from_slice(&config).expect("JSON");
    config["num_hidden_layers"] = layers.into();
    fs::write(folder.join("config.json"), config.to_string()).expect("a file");
}

/// Every value of fixtures in one place, the first of which gives the names.
fn combined(
    models: &[&BTreeMap<String, (Vec<u64>, Vec<f32>)>],
    by: impl Fn(&[f32]) -> f32,
) -> BTreeMap<String, (Vec<u64>, Vec<f32>)> {
    let combine = |(name, (shape, first)): (&String, &(Vec<u64>, Vec<f32>))| {
        let value = |at: usize| {
            let values: Vec<f32> = models.iter().map(|model| model[name].1[at]).collect();
            by(&values)
        };
        (
            name.clone(),
            (shape.clone(), (0..first.len()).map(value).collect()),
        )
    };
    models[0].iter().map(combine).collect()
}

/// The same numbers every time, of deviation 1.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        let mut sum = 0.0;
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f32 / (1u64 << 24) as f32;
        }
        sum - 6.0
    }
}

/// A training of a model that has nothing in common with other trainings.
fn tuned(
    model: &BTreeMap<String, (Vec<u64>, Vec<f32>)>,
    seed: u64,
    size: f32,
) -> BTreeMap<String, (Vec<u64>, Vec<f32>)> {
    let mut noise = noise(seed);
    let mut out = model.clone();
    for (shape, values) in out.values_mut().filter(|(shape, _)| shape.len() > 1) {
        let square: f32 = values.iter().map(|v| v * v).sum();
        let deviation = (square / values.len() as f32).sqrt();
        assert_eq!(shape.iter().product::<u64>(), values.len() as u64);
        for value in values {
            *value = bf16::from_f32(*value + size * deviation * noise()).to_f32();
        }
    }
    out
}

#[test]
fn a_chat_vector_is_told_with_its_signs() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = values("base");
    let (a, b) = (tuned(&base, 1, 0.2), tuned(&base, 2, 0.1));
    let paths = ["a", "b", "chat"].map(|name| folder.path().join(name));
    written(&paths[0], &a, 4);
    written(&paths[1], &b, 4);
    written(
        &paths[2],
        &combined(&[&a, &b, &base], |v| v[0] + v[1] - v[2]),
        4,
    );
    let rank = rank_of(&[
        &paths[2],
        &paths[0],
        &paths[1],
        &fixture("base"),
        &fixture("independent"),
    ]);
    let mixture = rank.mixture.expect("a sum");
    for found in &mixture.weights {
        let truth = match found.base.as_str() {
            "a" | "b" => 1.0,
            "base" => -1.0,
            _ => 0.0,
        };
        assert!(found.is_within(truth), "{mixture:?}");
    }
    let sentence = &rank.conclusion.sentence;
    assert!(
        sentence.contains("- 1.00 x base") && sentence.contains("task vectors"),
        "{sentence}"
    );
}

#[test]
fn shares_are_within_two_errors_and_siblings_of_the_parents_are_no_terms() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = values("base");
    let tuned = [3, 4, 5].map(|seed| tuned(&base, seed, 0.15));
    let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
    for (path, model) in paths.iter().zip(&tuned) {
        written(path, model, 4);
    }
    for share in [0.3, 0.571, 0.9] {
        let target = folder.path().join("target");
        written(
            &target,
            &combined(&[&tuned[0], &tuned[1]], |v| {
                share * v[0] + (1.0 - share) * v[1]
            }),
            4,
        );
        let rank = rank_of(&[&target, &fixture("base"), &paths[2], &paths[0], &paths[1]]);
        let mixture = rank.mixture.expect("a mean");
        for found in &mixture.weights {
            let truth = match found.base.as_str() {
                "a" => f64::from(share),
                "b" => 1.0 - f64::from(share),
                _ => 0.0,
            };
            assert!(found.is_within(truth), "{mixture:?}");
        }
    }
    // A sibling of all is no mean of them, and none of them is its base.
    let rank = rank_of(&[&paths[0], &paths[1], &paths[2]]);
    assert!(rank.mixture.is_none());
    assert_eq!(rank.conclusion.base, None);
    let mut candidates = rank.conclusion.candidates;
    candidates.sort();
    assert_eq!(candidates, ["b", "c"]);
    let rank = rank_of(&[&paths[0], &paths[1], &paths[2], &fixture("base")]);
    assert_eq!(rank.conclusion.base, None);
    assert_eq!(rank.conclusion.candidates, ["base"]);
    for kin in &rank.kinship {
        let expected = if kin.base == "base" {
            "nearest"
        } else {
            "beside"
        };
        assert_eq!(kin.kinship, expected, "{:?}", rank.kinship);
    }
}

#[test]
fn a_mean_of_the_target_is_told_to_be_made_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = values("base");
    let (a, b) = (tuned(&base, 6, 0.2), tuned(&base, 7, 0.2));
    let paths = ["a", "b", "mean"].map(|name| folder.path().join(name));
    written(&paths[0], &a, 4);
    written(&paths[1], &b, 4);
    written(&paths[2], &combined(&[&a, &b], |v| 0.5 * (v[0] + v[1])), 4);
    let rank = rank_of(&[&paths[0], &fixture("base"), &paths[1], &paths[2]]);
    assert!(rank.mixture.is_none(), "{:?}", rank.mixture);
    assert_eq!(rank.sums_of_target[0]["base"], "mean");
    assert_eq!(rank.sums_of_target[0]["with"], "b");
    assert_eq!(rank.conclusion.base, None);
    assert_eq!(rank.conclusion.candidates, ["base"]);
}

#[test]
fn what_is_near_a_parent_that_is_not_given_is_not_called_the_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = values("base");
    let sizes = [
        ("target", 10, 0.15),
        ("heavy", 11, 0.15),
        ("light", 12, 0.01),
    ];
    let paths = sizes.map(|(name, seed, size)| {
        let path = folder.path().join(name);
        written(&path, &tuned(&base, seed, size), 4);
        path
    });
    let rank = rank_of(&[&paths[0], &paths[1], &paths[2]]);
    assert_eq!(rank.conclusion.label, "derived");
    assert_eq!(rank.conclusion.base, None);
    assert_eq!(rank.conclusion.candidates, ["light"]);
    let sentence = &rank.conclusion.sentence;
    let told = "light, or a model near it that is not given, stands between the target and heavy";
    assert!(sentence.contains(told), "{sentence}");
    for (options, told) in [
        (&[][..], "whether that is its parent cannot be told"),
        (&["--lang", "ko"][..], "부모인지는 알 수 없음"),
    ] {
        let output = run(&[&paths[0], &paths[1], &paths[2]], options);
        let page = String::from_utf8_lossy(&output.stdout).replace('\n', " ");
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(told), "{page}");
        assert!(page.contains("light"), "{page}");
    }
}

#[test]
fn a_target_between_its_parent_and_its_child_is_told_to_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = values("base");
    let middle = tuned(&base, 13, 0.15);
    let models = [
        ("middle", middle.clone()),
        ("child", tuned(&middle, 14, 0.15)),
        ("sibling", tuned(&base, 15, 0.15)),
    ];
    let paths = models.map(|(name, model)| {
        let path = folder.path().join(name);
        written(&path, &model, 4);
        path
    });
    let rank = rank_of(&[&paths[0], &paths[1], &fixture("base")]);
    assert_eq!(rank.conclusion.base, None);
    assert_eq!(rank.conclusion.candidates.len(), 2, "{:?}", rank.kinship);
    let pair: Vec<&str> = rank.between[0]["bases"]
        .as_array()
        .expect("two")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut sorted = pair.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["base", "child"]);
    let told = format!(
        "The target, or a model near it that is not given, stands between {} and {}.",
        pair[0], pair[1]
    );
    let sentence = &rank.conclusion.sentence;
    assert!(sentence.contains(&told), "{sentence}");
    // The child as the target of both: its own parent is nearest, and nothing lies on both sides.
    let rank = rank_of(&[&paths[1], &paths[0], &fixture("base"), &paths[2]]);
    assert_eq!(rank.conclusion.candidates, ["middle"]);
    assert!(rank.between.is_empty(), "{:?}", rank.between);
}

#[test]
fn layers_stacked_of_two_models_have_their_origins_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = ["base", "independent"].map(values);
    for size in [0.0, 0.05] {
        let mut stacked = BTreeMap::new();
        for (name, tensor) in &models[0] {
            if !name.contains("layers.") {
                stacked.insert(name.clone(), tensor.clone());
            }
        }
        let taken = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 3)];
        for (to, (model, from)) in taken.into_iter().enumerate() {
            let own = format!("layers.{from}.");
            for (name, tensor) in models[model].iter().filter(|(name, _)| name.contains(&own)) {
                stacked.insert(name.replace(&own, &format!("layers.{to}.")), tensor.clone());
            }
        }
        let target = folder.path().join("stacked");
        written(&target, &tuned(&stacked, 8, size), 6);
        let rank = rank_of(&[&target, &fixture("independent"), &fixture("base")]);
        let origins = rank.layer_origins.as_ref().expect("they share weights");
        let found: Vec<(u32, Option<&str>, Option<u32>)> = origins
            .iter()
            .map(|origin| (origin.target, origin.base.as_deref(), origin.layer))
            .collect();
        let truth: Vec<(u32, Option<&str>, Option<u32>)> = (0..)
            .zip(taken)
            .map(|(to, (model, from))| (to, Some(["base", "independent"][model]), Some(from)))
            .collect();
        assert_eq!(found, truth, "{size}");
        assert!(
            origins
                .iter()
                .all(|origin| origin.log10_p.is_some_and(|p| p < -6.0))
        );
        let sentence = &rank.conclusion.sentence;
        assert!(
            sentence.contains("layers 0-2 of base, then layers 1-3 of independent"),
            "{sentence}"
        );
        let relations = |row: &Row| row.verdict.relations.iter().any(|r| r == "merged");
        assert!(rank.ranking.iter().all(relations));
    }
}

#[test]
fn layers_that_moved_and_are_mixtures_have_their_shares_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = values("base");
    let models = [16, 17].map(|seed| tuned(&base, seed, 0.15));
    let mixed = combined(&[&models[0], &models[1]], |v| 0.6 * v[0] + 0.4 * v[1]);
    let paths = ["a", "b", "stacked"].map(|name| folder.path().join(name));
    written(&paths[0], &models[0], 4);
    written(&paths[1], &models[1], 4);
    let mut stacked = models[0].clone();
    stacked.retain(|name, _| !name.contains("layers."));
    for (to, from) in [0, 1, 2, 1, 2, 3].into_iter().enumerate() {
        let model = if to < 3 { &models[0] } else { &mixed };
        let own = format!("layers.{from}.");
        for (name, tensor) in model.iter().filter(|(name, _)| name.contains(&own)) {
            stacked.insert(name.replace(&own, &format!("layers.{to}.")), tensor.clone());
        }
    }
    written(&paths[2], &stacked, 6);
    let rank = rank_of(&[&paths[2], &paths[1], &fixture("base"), &paths[0]]);
    for origin in rank.layer_origins.as_ref().expect("they share weights") {
        let layer = origin.target;
        if layer < 3 {
            let from = (origin.base.as_deref(), origin.layer);
            assert_eq!(from, (Some("a"), Some(layer)));
            assert!(origin.weights.is_empty(), "{origin:?}");
            continue;
        }
        let mut shares: Vec<(&str, u32)> = Vec::new();
        for term in &origin.weights {
            shares.push((&term.base, term.layer));
            let truth = if term.base == "a" { 0.6 } else { 0.4 };
            let off = (term.weight - truth).abs();
            assert!(off <= 2.0 * term.standard_error && off < 0.02, "{origin:?}");
        }
        shares.sort_unstable();
        assert_eq!(shares, [("a", layer - 2), ("b", layer - 2)]);
    }
    let sentence = &rank.conclusion.sentence;
    let told = "layers 0-2 of a, then layers 1-3 of 0.";
    assert!(sentence.contains(told), "{sentence}");
}

#[test]
fn ten_bases_stand_on_one_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    let base = values("base");
    for seed in 0..8 {
        let size = [0.01, 0.15][seed as usize % 2];
        let path = models.join(format!("a-fine-tune-with-a-long-name-{seed}"));
        written(&path, &tuned(&base, 20 + seed, size), 4);
    }
    written(&models.join("base"), &base, 4);
    written(&models.join("independent"), &values("independent"), 4);
    let target = models.join("target");
    written(&target, &tuned(&base, 30, 0.15), 4);
    // The target among the bases is set aside.
    for language in ["en", "ko"] {
        let output = run(&[&target, &models], &["--lang", language]);
        let page = String::from_utf8_lossy(&output.stdout);
        let rows: Vec<&str> = page.lines().collect();
        assert!(rows.len() <= 24, "{} rows:\n{page}", rows.len());
        // Letters of Korean take two columns.
        let columns = |row: &str| {
            row.chars()
                .map(|c| 1 + usize::from(('\u{ac00}'..='\u{d7a3}').contains(&c)))
                .sum::<usize>()
        };
        assert!(rows.iter().all(|row| columns(row) <= 80), "{page}");
        for number in 1..=5 {
            let begins = |row: &&str| row.trim_start().starts_with(&format!("{number}  "));
            assert_eq!(rows.iter().filter(|row| begins(row)).count(), 1, "{page}");
        }
        assert!(page.contains("--full"), "{page}");
    }
}

#[test]
fn a_directory_of_models_is_read_one_level_down_without_the_target() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    for name in ["base", "independent", "fine-tuned"] {
        fs::create_dir_all(models.join(name)).expect("a folder");
        for file in ["model.safetensors", "config.json"] {
            let to = models.join(name).join(file);
            fs::copy(fixture(name).join(file), to).expect("a file");
        }
    }
    fs::create_dir_all(models.join("notes")).expect("a folder");
    let rank = rank_of(&[&models.join("fine-tuned"), &models]);
    assert_eq!(order(&rank), ["base", "independent"]);
    let set_aside = rank.warnings.iter().filter(|w| w.code == "base_set_aside");
    assert_eq!(set_aside.count(), 1);
    let empty = folder.path().join("models/notes");
    assert!(error_line(&run(&[&fixture("base"), &empty], &[])).contains("notes"));
}
