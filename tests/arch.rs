//! `wcmp arch`: the five cases of the origin document from their published configurations, field by
//! field, and what a configuration may do wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::command::{answer, error_line, fixture, run, text, wcmp};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Arch {
    schema: String,
    wcmp: String,
    target: Checkpoint,
    bases: Vec<Base>,
    fields: Vec<Field>,
    conflicts: Vec<Conflict>,
    warnings: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Checkpoint {
    path: String,
    name: String,
    format: String,
    files: Vec<Value>,
    architecture: Option<String>,
    parameters: u64,
    bytes: u64,
    dtypes: BTreeMap<String, u64>,
    quantization: Option<String>,
    model_digest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Base {
    base: Checkpoint,
    comparability: String,
    reasons: Vec<String>,
    share: Option<f64>,
    components: Vec<Component>,
    roles: Vec<Role>,
    could_be: Vec<String>,
    tokenizer: Option<Tokenizer>,
}

#[derive(Debug, Deserialize)]
struct Component {
    component: String,
    comparability: String,
    share: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Role {
    component: String,
    role: String,
    kind: Option<String>,
    name: Option<String>,
    target: Option<Shape>,
    base: Option<Shape>,
    equal: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Shape {
    shape: Vec<u64>,
    copies: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Tokenizer {
    shared_tokens: u64,
    same_id: u64,
    merges_common: Option<u64>,
    vocab: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
struct Field {
    field: String,
    target: Value,
    bases: Vec<Value>,
    equal: Vec<Option<bool>>,
    source: Source,
}

#[derive(Debug, Deserialize)]
struct Source {
    target: String,
    bases: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Conflict {
    field: String,
    config: Value,
    tensors: Value,
}

fn config(name: &str) -> PathBuf {
    fixture("configs").join(name).join("config.json")
}

fn arch_of(paths: &[PathBuf]) -> Arch {
    let output = wcmp()
        .args(["arch", "--format", "json"])
        .args(paths)
        .output()
        .expect("run wcmp");
    serde_json::from_str(answer(&output, 0)).expect("the JSON of arch")
}

fn arch(target: &str, bases: &[&str]) -> Arch {
    let paths: Vec<PathBuf> = std::iter::once(&target)
        .chain(bases)
        .map(|name| config(name))
        .collect();
    arch_of(&paths)
}

impl Arch {
    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.field == name)
    }
}

impl Base {
    fn component(&self, name: &str) -> &str {
        let found = self.components.iter().find(|row| row.component == name);
        found.map_or("no such component", |row| row.comparability.as_str())
    }

    /// Names of the target's roles that are, or are not, equal in shape.
    fn roles_that_are(&self, equal: bool) -> Vec<&str> {
        let of_target = self
            .roles
            .iter()
            .filter(|role| role.target.is_some() && role.equal == equal);
        of_target.filter_map(|role| role.name.as_deref()).collect()
    }
}

/// True values of the origin document's tables; null is a key that the published file lacks.
fn tables() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let table =
        |hidden: u64, layers: u64, heads: u64, experts: u64, vocabulary: u64, rest: Value| {
            let mut rows = vec![
                ("hidden_size", json!(hidden)),
                ("num_hidden_layers", json!(layers)),
                ("num_attention_heads", json!(heads)),
                (
                    "n_routed_experts",
                    if experts > 0 {
                        json!(experts)
                    } else {
                        Value::Null
                    },
                ),
                ("vocab_size", json!(vocabulary)),
            ];
            for (field, value) in rest.as_object().expect("fields") {
                rows.push((field.clone().leak(), value.clone()));
            }
            rows
        };
    vec![
        (
            "Solar-Open-100B",
            table(
                4096,
                48,
                64,
                128,
                196_608,
                json!({
                    "num_key_value_heads": 8, "head_dim": 128, "moe_intermediate_size": 1280, "n_shared_experts": 1,
                    "num_experts_per_tok": 8, "attention": "GQA", "norm_placement": "pre", "tie_word_embeddings": false,
                    "dtype": "bfloat16",
                }),
            ),
        ),
        (
            "HyperCLOVAX-SEED-Think-32B",
            table(
                5120,
                72,
                40,
                0,
                128_256,
                json!({
                    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 24_192, "attention": "GQA",
                    "vision.depth": 32, "vision.hidden_size": 1280, "vision.intermediate_size": 3456,
                }),
            ),
        ),
        (
            "A.X-K1",
            table(
                7168,
                61,
                64,
                192,
                163_840,
                json!({
                    "num_key_value_heads": 64, "q_lora_rank": 1536, "kv_lora_rank": 512, "moe_intermediate_size": 2048,
                    "intermediate_size": 18_432, "n_shared_experts": 1, "first_k_dense_replace": 1, "attention": "MLA",
                    "qk_nope_head_dim": null, "v_head_dim": null, "head_dim": null, "tie_word_embeddings": null,
                }),
            ),
        ),
        (
            "VAETKI",
            table(
                3072,
                48,
                24,
                128,
                137_216,
                json!({
                    "num_key_value_heads": null, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
                    "qk_rope_head_dim": 64, "v_head_dim": 128, "attention": "MLA", "first_k_dense_replace": 3,
                    "attention_pattern": "sliding:full 5:1", "norm_placement": "pre+post", "sliding_window": 512,
                }),
            ),
        ),
        (
            "K-EXAONE-236B-A23B",
            table(
                6144,
                48,
                64,
                128,
                153_600,
                json!({
                    "num_key_value_heads": 8, "head_dim": 128, "attention": "GQA", "attention_pattern": "sliding:full 3:1",
                    "max_position_embeddings": 262_144, "n_shared_experts": 1, "first_k_dense_replace": 1,
                }),
            ),
        ),
    ]
}

#[test]
fn the_five_cases_have_their_published_values_and_nothing_else() {
    for (name, rows) in tables() {
        let report = arch(name, &["Mixtral-8x7B-v0.1"]);
        assert_eq!(
            (report.schema.as_str(), report.wcmp.as_str()),
            ("wcmp.arch/1", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(
            (report.target.format.as_str(), report.target.name.as_str()),
            ("config", name)
        );
        assert!(
            report.conflicts.is_empty() && report.warnings.is_empty(),
            "{name}"
        );
        for (field, value) in rows {
            let row = report.field(field);
            assert_eq!(
                row.map_or(&Value::Null, |row| &row.target),
                &value,
                "{name} {field}"
            );
            let source = row.map_or("absent", |row| row.source.target.as_str());
            assert_eq!(
                source,
                if value.is_null() { "absent" } else { "config" },
                "{name} {field}"
            );
        }
    }
}

#[test]
fn a_value_is_equal_where_both_sides_state_it() {
    let report = arch("Solar-Open-100B", &["Mixtral-8x7B-v0.1", "DeepSeek-V2"]);
    let row = |name: &str| report.field(name).expect(name);
    assert_eq!(row("hidden_size").bases, [json!(4096), json!(5120)]);
    assert_eq!(row("hidden_size").equal, [Some(true), Some(false)]);
    assert_eq!(row("kv_lora_rank").target, Value::Null);
    assert_eq!(row("kv_lora_rank").equal, [None, None]);
    assert_eq!(row("kv_lora_rank").source.bases, ["absent", "config"]);
    assert_eq!(row("attention").bases, [json!("GQA"), json!("MLA")]);
}

#[test]
fn pairs_of_the_origin_document_are_comparable_as_far_as_their_shapes_are() {
    type Pair = (&'static str, &'static str, &'static str);
    let cases: &[(&str, &[Pair])] = &[
        (
            "Solar-Open-100B",
            &[
                (
                    "Mixtral-8x7B-v0.1",
                    "partial",
                    "k, norm:final, norm:pre_attn, norm:pre_mlp, v",
                ),
                ("DeepSeek-V2", "none", ""),
                ("Qwen2-57B-A14B", "none", ""),
                (
                    "GLM-4.5-Air",
                    "partial",
                    "k, norm:final, norm:pre_attn, norm:pre_mlp, router, router_bias, v",
                ),
                (
                    "Phi-3.5-MoE-instruct",
                    "partial",
                    "k, norm:final, norm:pre_attn, norm:pre_mlp, v",
                ),
            ],
        ),
        (
            "A.X-K1",
            &[
                ("Solar-Open-100B", "none", ""),
                ("DeepSeek-V2", "none", "norm:kv_a, norm:q_a"),
                ("Qwen2-57B-A14B", "none", ""),
            ],
        ),
        (
            "VAETKI",
            &[
                ("Solar-Open-100B", "none", ""),
                ("A.X-K1", "none", "norm:kv_a, norm:q_a"),
                ("DeepSeek-V2", "none", "norm:kv_a, norm:q_a"),
            ],
        ),
        (
            "K-EXAONE-236B-A23B",
            &[
                ("Solar-Open-100B", "none", "router_bias"),
                ("A.X-K1", "none", ""),
                ("VAETKI", "none", ""),
            ],
        ),
    ];
    for (target, bases) in cases {
        let names: Vec<&str> = bases.iter().map(|(base, ..)| *base).collect();
        let report = arch(target, &names);
        for (found, (base, comparability, roles)) in report.bases.iter().zip(*bases) {
            assert_eq!(found.base.name, *base);
            assert_eq!(found.comparability, *comparability, "{target} / {base}");
            assert_eq!(
                found.roles_that_are(true).join(", "),
                *roles,
                "{target} / {base}"
            );
            let says_what_none_means = found
                .reasons
                .iter()
                .any(|r| r.contains("say nothing about where the weights"));
            assert_eq!(
                says_what_none_means,
                *comparability == "none",
                "{target} / {base}"
            );
        }
    }
}

#[test]
fn a_x_k1_shares_experts_and_ranks_with_deepseek_v3_and_all_but_the_router_with_kimi_k2() {
    let report = arch("A.X-K1", &["DeepSeek-V3", "Kimi-K2-Instruct"]);
    let [deepseek, kimi] = report.bases.as_slice() else {
        panic!("two bases")
    };
    assert_eq!(
        (deepseek.comparability.as_str(), kimi.comparability.as_str()),
        ("partial", "partial")
    );
    assert_eq!(deepseek.roles_that_are(true).len(), 16);
    for role in ["q_a", "kv_a", "expert.gate", "shared.down", "dense.up"] {
        assert!(deepseek.roles_that_are(true).contains(&role), "{role}");
    }
    assert_eq!(kimi.roles_that_are(false), ["norm:post_mlp", "router"]);
    let percent = |base: &Base| (1e4 * base.share.expect("a share")).round() / 100.0;
    assert_eq!((percent(deepseek), percent(kimi)), (98.5, 99.98));
    let router = kimi
        .roles
        .iter()
        .find(|role| role.name.as_deref() == Some("router"))
        .expect("a router");
    assert_eq!(
        router.target.as_ref().map(|shape| shape.shape.as_slice()),
        Some([192, 7168].as_slice())
    );
    assert_eq!(kimi.could_be, ["expert count change: 384 to 192 experts"]);
}

#[test]
fn hyperclovax_has_the_whole_vision_tower_of_qwen2_5_vl_32b_and_a_vocabulary_of_equal_number_with_llama()
 {
    let report = arch(
        "HyperCLOVAX-SEED-Think-32B",
        &["Qwen2.5-VL-32B-Instruct", "Llama-3.1-70B", "Qwen2.5-72B"],
    );
    let [qwen, llama, other] = report.bases.as_slice() else {
        panic!("three bases")
    };
    assert_eq!(qwen.comparability, "partial");
    assert_eq!(
        (
            qwen.component("vision"),
            qwen.component("text"),
            qwen.component("projector")
        ),
        ("full", "partial", "none")
    );
    let vision = qwen
        .components
        .iter()
        .find(|row| row.component == "vision")
        .and_then(|row| row.share);
    assert_eq!(vision, Some(1.0));
    for base in [llama, other] {
        assert_eq!(
            (base.comparability.as_str(), base.component("text")),
            ("none", "none")
        );
    }
    assert_eq!(
        report.field("vocab_size").expect("a vocabulary").equal,
        [Some(false), Some(true), Some(false)]
    );
    assert!(
        llama
            .reasons
            .iter()
            .any(|reason| reason.contains("an equal number")),
        "{:?}",
        llama.reasons
    );
}

#[test]
fn solar_10_7b_is_mistral_7b_with_more_layers_of_equal_shape() {
    let report = arch("SOLAR-10.7B-v1.0", &["Mistral-7B-v0.1"]);
    let base = &report.bases[0];
    assert_eq!(base.comparability, "partial");
    assert_eq!(
        (
            base.roles_that_are(true).len(),
            base.roles_that_are(false).len()
        ),
        (12, 0)
    );
    let depth = report.field("num_hidden_layers").expect("a depth");
    assert_eq!(
        (&depth.target, &depth.bases),
        (&json!(48), &vec![json!(32)])
    );
    assert_eq!(base.could_be, ["depth change: 32 to 48 layers"]);
}

#[test]
fn tensors_win_over_a_config_that_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(
        fixture("base").join("model.safetensors"),
        folder.path().join("model.safetensors"),
    )
    .expect("copy");
    let text = fs::read_to_string(fixture("base").join("config.json")).expect("config.json");
    let mut lie: Value = serde_json::from_str(&text).expect("JSON");
    lie["hidden_size"] = json!(65);
    lie["num_hidden_layers"] = json!(40);
    lie["torch_dtype"] = json!("float32");
    fs::write(folder.path().join("config.json"), lie.to_string()).expect("write");
    let report = arch_of(&[folder.path().to_path_buf(), fixture("base")]);
    let told: Vec<(&str, &Value, &Value)> = report
        .conflicts
        .iter()
        .map(|c| (c.field.as_str(), &c.config, &c.tensors))
        .collect();
    let expected = [
        ("dtype", &json!("float32"), &json!("bfloat16")),
        ("hidden_size", &json!(65), &json!(64)),
        ("num_hidden_layers", &json!(40), &json!(4)),
    ];
    assert_eq!(told, expected);
    let hidden = report.field("hidden_size").expect("a width");
    assert_eq!(
        (
            &hidden.target,
            hidden.source.target.as_str(),
            hidden.equal[0]
        ),
        (&json!(64), "tensors", Some(true))
    );
    assert_eq!(
        (
            report.bases[0].comparability.as_str(),
            report.bases[0].share
        ),
        ("full", Some(1.0))
    );
    // The lie of a base is a warning.
    let turned = arch_of(&[fixture("base"), folder.path().to_path_buf()]);
    assert!(turned.conflicts.is_empty());
    assert_eq!(
        turned
            .warnings
            .iter()
            .filter(|warning| warning["code"] == "config_conflict")
            .count(),
        3
    );
}

#[test]
fn components_of_a_vision_language_model_are_compared_with_their_like() {
    let report = arch_of(&[
        fixture("vlm-new-decoder"),
        fixture("vlm-base"),
        fixture("base"),
    ]);
    assert_eq!(
        (
            report.bases[0].component("vision"),
            report.bases[0].component("text")
        ),
        ("full", "full")
    );
    assert_eq!(report.bases[1].component("vision"), "none");
    assert!(
        report.bases[1]
            .reasons
            .iter()
            .any(|r| r == "vision: the base has no such component")
    );
}

fn written(content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    fs::write(&path, content).expect("write");
    (folder, path)
}

#[test]
fn a_config_that_is_no_json_is_an_error() {
    for content in ["", "<html>", "[1]", "{\"hidden_size\": 4096", "\u{feff}{}"] {
        let (folder, path) = written(content);
        for target in [path.as_path(), folder.path()] {
            let line = wcmp()
                .arg("arch")
                .arg(target)
                .arg(config("DeepSeek-V2"))
                .output()
                .expect("run wcmp");
            assert!(error_line(&line).contains("config.json: "), "{content}");
        }
    }
    let missing = run(&["arch", "no/such/folder", "no/other"]);
    assert!(error_line(&missing).contains("no/such/folder"));
    let empty = tempfile::tempdir().expect("a folder");
    let output = wcmp()
        .arg("arch")
        .arg(empty.path())
        .arg(config("VAETKI"))
        .output()
        .expect("run wcmp");
    assert!(error_line(&output).contains("an empty directory"));
}

#[test]
fn odd_configs_give_less_and_never_a_guess() {
    let many: serde_json::Map<String, Value> = (0..1000)
        .map(|n| (format!("key_{n}"), json!([n])))
        .collect();
    let mut known = many.clone();
    known.insert("hidden_size".into(), json!(64));
    let nested = json!({"a_config": {"b_config": {"text_config": {"hidden_size": 64}}}});
    let wrong = json!({"hidden_size": "64", "num_hidden_layers": -1, "vocab_size": 1e99, "text_config": [], "vision_config": 3});
    for (content, hidden) in [
        (json!({}), Value::Null),
        (Value::Object(many), Value::Null),
        (Value::Object(known), json!(64)),
        (nested, json!(64)),
        (wrong, Value::Null),
    ] {
        let (_folder, path) = written(&content.to_string());
        let report = arch_of(&[path, config("Llama-3.1-8B")]);
        let row = report.field("hidden_size").expect("the base has one");
        assert_eq!(row.target, hidden);
        assert_eq!(
            row.equal,
            [if hidden.is_null() { None } else { Some(false) }]
        );
        assert_eq!(report.bases[0].comparability, "none");
        assert_eq!(
            report
                .field("num_hidden_layers")
                .expect("the base has one")
                .target,
            Value::Null
        );
    }
}

#[test]
fn an_index_without_its_shards_is_told_from_its_config() {
    let (folder, _) = written(&fs::read_to_string(config("Llama-3.1-8B")).expect("config.json"));
    fs::write(
        folder.path().join("model.safetensors.index.json"),
        r#"{"weight_map":{"a":"b.safetensors"}}"#,
    )
    .expect("write");
    let report = arch_of(&[folder.path().to_path_buf(), config("Llama-3.1-8B")]);
    assert_eq!(
        (
            report.target.format.as_str(),
            report.bases[0].comparability.as_str()
        ),
        ("config", "full")
    );
}

fn with_tokenizer(model: &str, files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(fixture(model).join(name), folder.path().join(name)).expect("copy");
    }
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("write");
    }
    folder
}

#[test]
fn tokenizers_are_witnesses_in_arch_and_compare() {
    let document: &[u8] =
        br#"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3},"merges":["a b","b c"]},
        "added_tokens":[{"id":4,"content":"<s>"}]}"#;
    let vocabulary: &[u8] = br#"{"a":0,"b":2,"ab":3,"x":1}"#;
    let base = with_tokenizer("base", &[("tokenizer.json", document)]);
    let target = with_tokenizer(
        "fine-tuned",
        &[
            ("vocab.json", vocabulary),
            ("merges.txt", b"#version: 0.2\nb c\na b\n"),
        ],
    );
    let vocab = BTreeMap::from([("base".to_owned(), 5), ("target".to_owned(), 4)]);
    let expected = Tokenizer {
        shared_tokens: 3,
        same_id: 2,
        merges_common: Some(2),
        vocab,
    };
    let report = arch_of(&[
        target.path().to_path_buf(),
        base.path().to_path_buf(),
        fixture("base"),
    ]);
    assert_eq!(report.bases[0].tokenizer.as_ref(), Some(&expected));
    let said = |reasons: &[String]| {
        reasons
            .iter()
            .any(|r| r.contains("2 merges in both, 1 of them in the same order"))
    };
    assert!(
        said(&report.bases[0].reasons),
        "{:?}",
        report.bases[0].reasons
    );
    assert!(report.bases[1].tokenizer.is_none() && report.warnings.is_empty());

    let compared = wcmp()
        .args(["compare", "--format", "json"])
        .args([base.path(), target.path()])
        .output();
    let compared: Value =
        serde_json::from_str(answer(&compared.expect("run wcmp"), 0)).expect("JSON");
    assert_eq!(compared["tokenizer"]["shared_tokens"], 3);
    let finding = compared["evidence"]
        .as_array()
        .expect("findings")
        .iter()
        .find(|row| row["kind"] == "tokenizer");
    let finding = finding.expect("a finding on the tokenizers");
    assert_eq!(
        (&finding["supports"], &finding["log10_p"]),
        (&json!("nothing"), &Value::Null)
    );
    assert!(
        finding["statement"]
            .as_str()
            .is_some_and(|text| text.contains("circumstantial"))
    );
}

#[test]
fn a_broken_tokenizer_is_a_note_and_no_error() {
    let broken = with_tokenizer("base", &[("tokenizer.json", b"{\"model\":")]);
    let report = arch_of(&[broken.path().to_path_buf(), fixture("base")]);
    assert_eq!(report.bases[0].comparability, "full");
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0]["code"], "tokenizer_unreadable");
}

#[test]
fn output_takes_the_report_and_never_an_input() {
    let (folder, path) = written("{\"hidden_size\": 64}");
    let to = |output: &Path| {
        let mut command = wcmp();
        command
            .args(["arch", "--format", "json", "--output"])
            .arg(output)
            .arg(folder.path())
            .arg(config("VAETKI"));
        command.output().expect("run wcmp")
    };
    let report = folder.path().join("report.json");
    assert_eq!(answer(&to(&report), 0), "");
    let written: Value =
        serde_json::from_str(&fs::read_to_string(&report).expect("the report")).expect("JSON");
    assert_eq!(written["schema"], "wcmp.arch/1");
    let refused = to(&path);
    assert_eq!(
        (refused.status.code(), text(&refused.stdout)),
        (Some(2), "")
    );
    assert!(text(&refused.stderr).contains("would overwrite an input"));
    assert_eq!(
        fs::read_to_string(&path).expect("config.json"),
        "{\"hidden_size\": 64}"
    );
}

#[test]
fn text_and_markdown_show_the_table_the_answers_and_the_reasons() {
    let paths = [config("A.X-K1"), config("Kimi-K2-Instruct")];
    for format in ["text", "markdown"] {
        let output = wcmp()
            .args(["arch", "--full", "--format", format])
            .args(&paths)
            .output()
            .expect("run wcmp");
        let report = answer(&output, 0);
        for shown in [
            "7168",
            "q_lora_rank",
            "MLA",
            "partial",
            "99.98 %",
            "[192,7168] x 60",
            "384 to 192 experts",
        ] {
            let shown = if format == "markdown" {
                &shown.replace('>', "&gt;")
            } else {
                shown
            };
            assert!(report.contains(shown), "{format}: no {shown} in\n{report}");
        }
        let narrow = report
            .lines()
            .filter(|line| line.chars().count() > 80)
            .count();
        assert!(format != "text" || narrow == 0, "{report}");
    }
}

#[test]
fn csv_has_a_row_a_role() {
    let paths = [
        config("A.X-K1"),
        config("Kimi-K2-Instruct"),
        config("DeepSeek-V3"),
    ];
    let output = wcmp()
        .args(["arch", "--format", "csv"])
        .args(&paths)
        .output()
        .expect("run wcmp");
    let mut lines = answer(&output, 0).lines();
    let header = "base_path,base_name,comparability,share,component,role,kind,name,shape_target,copies_target,\
                  shape_base,copies_base,equal";
    assert_eq!(lines.next(), Some(header));
    let router = ",text,router,,router,\"[192,7168]\",60,\"[384,7168]\",60,false";
    assert_eq!(
        lines
            .clone()
            .filter(|line| line.contains(",Kimi-K2-Instruct,") && line.ends_with(router))
            .count(),
        1
    );
    assert_eq!(
        lines
            .clone()
            .filter(|line| line.contains(",Kimi-K2-Instruct,partial,"))
            .count(),
        24
    );
    assert!(lines.any(|line| line.contains(",DeepSeek-V3,partial,")));
}
