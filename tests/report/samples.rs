//! Reports made in code: a fine-tune, an independent pair, a partial reuse, a hundred layers,
//! hostile names, nothing.

use std::collections::BTreeMap;

use serde_json::json;
use wcmp::manifest::Manifest;
use wcmp::results::checkpoint::CheckpointKind;
use wcmp::results::compare::Via;
use wcmp::results::compare::Why;
use wcmp::results::settings::Deep;
use wcmp::results::settings::Hashing;
use wcmp::results::settings::PcaMode;
use wcmp::results::settings::Switch;
use wcmp::results::terms::Band;
use wcmp::results::terms::CriterionId;
use wcmp::results::terms::Dtype;
use wcmp::results::terms::Form;
use wcmp::results::terms::Format;
use wcmp::results::terms::Label;
use wcmp::results::terms::Pattern;
use wcmp::results::terms::PcaSummary;
use wcmp::results::terms::PowerKind;
use wcmp::results::terms::Stream;
use wcmp::results::terms::TransformationKind;
use wcmp::results::terms::UnitKind;
use wcmp::results::terms::WhyAside;
use wcmp::results::terms::{Block, Class, Component, Role};
use wcmp::results::terms::{Comparability, Kind, Source};
use wcmp::schema::arch::*;
use wcmp::schema::*;

/// A name that tries everything at once.
pub(crate) const HOSTILE: &str = "a|b\u{1b}[2J\u{202e}`c`\n<script>\r\0\\,\"=1+1\u{9b}31m";

pub(crate) fn checkpoint(name: &str, parameters: u64) -> CheckpointRow {
    CheckpointRow {
        kind: CheckpointKind::Checkpoint,
        path: format!("models/{name}"),
        name: name.to_owned(),
        format: Format::Safetensors,
        files: vec![FileRow {
            name: "model.safetensors".to_owned(),
            bytes: 2 * parameters + 4096,
        }],
        architecture: Some("LlamaForCausalLM".to_owned()),
        parameters,
        bytes: 2 * parameters,
        dtypes: BTreeMap::from([("BF16".to_owned(), parameters)]),
        quantization: None,
        model_digest: Some(
            "3f0a7c1d9e5b28460f7f6ce1a2d4b8907e1c5a3b6d2f49880c7ae5d1b3f60942".to_owned(),
        ),
    }
}

pub(crate) fn settings() -> SettingsRow {
    SettingsRow {
        hash: Hashing::Sha256,
        pca: PcaMode::Fast,
        permutation: Switch::On,
        deep: Deep::Auto,
        seed: 20260105,
        include: Vec::new(),
        exclude: Vec::new(),
    }
}

/// A word of the contract.
fn read<T: serde::de::DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(word.into()).unwrap()
}

fn both<T: Clone>(value: T) -> Sides<T> {
    Sides {
        base: value.clone(),
        target: value,
    }
}

fn full() -> Coverage {
    let all = Shares {
        target: Some(1.0),
        base: Some(1.0),
    };
    Coverage {
        parameters: all,
        matrices: all,
    }
}

pub(crate) fn tensor(
    name: &str,
    layer: Option<u32>,
    role: Role,
    class: &'static str,
    cosine: Option<f64>,
) -> TensorRow {
    let identical = cosine == Some(1.0);
    let shape = if class == "matrix" {
        vec![2048, 2048]
    } else {
        vec![2048]
    };
    TensorRow {
        name: both(name.to_owned()),
        component: Component::Text,
        layer,
        block: layer.map(Block::Layer),
        role,
        expert: None,
        shared_expert: false,
        class: read(class),
        informative: class != "uninformative",
        logical_shape: shape.clone(),
        shape: both(shape),
        dtype: both(Dtype::Bf16),
        compared_via: Via::Stored,
        figures: Figures {
            cosine,
            centered_cosine: cosine,
            expected_cosine: cosine.map(|_| if class == "norm" { 0.9964 } else { 0.0002 }),
            excess: cosine,
            relative_change: cosine.map(|c| (2.0 - 2.0 * c).max(0.0).sqrt()),
            max_abs_diff: cosine.map(|c| (1.0 - c) / 8.0),
            standard_error: None,
            estimated_from: None,
            reason: cosine
                .is_none()
                .then(|| "3 values of the target are not finite".to_owned()),
            undefined: None,
        },
        nonfinite: Sides {
            base: 0,
            target: if cosine.is_none() { 3 } else { 0 },
        },
        sha256: Sides {
            base: Some(Hex([0; 32])),
            target: Some(Hex([if identical { 0 } else { 0x11 }; 32])),
        },
        identical,
    }
}

fn layer(index: u32, cosine: f64, log10_p: Option<f64>) -> LayerRow {
    LayerRow {
        component: Component::Text,
        layer: index,
        base_layer: Some(index),
        matrix_cosine: Some(cosine),
        matrix_excess: Some(cosine - 0.0001),
        norm_cosine: Some(0.9996),
        tensors: 9,
        identical: 0,
        log10_p,
    }
}

fn part(kind: &'static str, layer: Option<u32>, state: &'static str, parameters: u64) -> PartRow {
    PartRow {
        block: Some(layer.map_or_else(|| "embedding".to_owned(), |layer| format!("layer {layer}"))),
        kind: read(kind),
        component: Component::Text,
        layer,
        base_layer: layer,
        expert: None,
        parameters,
        state: read(state),
        excess: Some(0.9),
        log10_p: Some(-61.0),
        found_by: Some(read("place")),
        witness: Some(read("geometry")),
        geometry: Some(0.71),
    }
}

fn test(layer: u32, hits: u64, log10_p: f64) -> TestRow {
    TestRow {
        kind: UnitKind::Ffn,
        form: Form::Direct,
        layer: Some(layer),
        base_layer: Some(layer),
        expert: None,
        name: None,
        units: both(5632),
        probes: 64,
        hits,
        log10_p: Some(log10_p),
        exact: true,
        group: u64::from(layer),
        control: None,
        features: None,
    }
}

fn finding(
    kind: &'static str,
    text: &str,
    value: f64,
    log10_p: Option<f64>,
    supports: &'static str,
) -> FindingRow {
    FindingRow {
        kind: read(kind),
        statement: text.to_owned(),
        value: Some(value),
        log10_p,
        supports: read(supports),
        scope: "text".to_owned(),
        says: None,
    }
}

fn verdict(
    label: &'static str,
    relations: &[&'static str],
    confidence: &'static str,
    reasons: &[&str],
) -> VerdictRow {
    VerdictRow {
        label: read(label),
        relation: relations.first().map(|word| read(word)),
        relations: relations.iter().map(|word| read(word)).collect(),
        confidence: Some(read(confidence)),
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        not_testable: Vec::new(),
        grounds: Vec::new(),
    }
}

fn unmatched(name: &str, role: Role, parameters: u64) -> UnmatchedRow {
    UnmatchedRow {
        name: name.to_owned(),
        role,
        shape: vec![parameters / 2048, 2048],
        dtype: "BF16".to_owned(),
        parameters,
        why: Why::NoSuchName,
    }
}

pub(crate) fn warning(code: &str, message: &str, name: Option<&str>) -> WarningRow {
    WarningRow {
        code: code.to_owned(),
        message: message.to_owned(),
        name: name.map(str::to_owned),
        about: None,
        says: None,
    }
}

/// A comparison that found nothing to compare: headers without a tensor.
pub(crate) fn empty() -> Compare {
    Compare {
        schema: CompareVersion,
        wcmp: "0.1.0".to_owned(),
        settings: settings(),
        base: CheckpointRow {
            files: Vec::new(),
            architecture: None,
            parameters: 0,
            bytes: 0,
            dtypes: BTreeMap::new(),
            model_digest: None,
            ..checkpoint("nothing", 0)
        },
        target: checkpoint("tiny", 7),
        name_mapping: None,
        coverage: Coverage::default(),
        similarity: Similarity::default(),
        origin_reading: OriginReading {
            mean_cosine: None,
            band: None,
            band_meaning: None,
            layer_pattern: Pattern::NotApplicable,
            pattern_meaning: "fewer than two layers were compared".to_owned(),
            agrees: None,
            why: None,
            disagreement: None,
        },
        layers: Vec::new(),
        components: Vec::new(),
        parts: Vec::new(),
        layer_map: None,
        permutation: None,
        pca: None,
        experts: None,
        transformations: Vec::new(),
        tokenizer: None,
        evidence: Vec::new(),
        verdict: VerdictRow {
            label: Label::Inconclusive,
            relation: None,
            relations: Vec::new(),
            confidence: None,
            reasons: vec!["no tensors".to_owned()],
            not_testable: Vec::new(),
            grounds: Vec::new(),
        },
        unmatched: Sides::default(),
        tensors: Vec::new(),
        warnings: Vec::new(),
        adapter: None,
        expect: None,
        left_aside: Vec::new(),
    }
}

/// A fine-tune of 22 layers, early ones nearer to the base than late ones.
pub(crate) fn fine_tuned() -> Compare {
    let cosine = |index: u32| 0.9995 - 0.0021 * f64::from(index);
    let layers: Vec<LayerRow> = (0..22).map(|i| layer(i, cosine(i), Some(-203.4))).collect();
    let mut parts: Vec<PartRow> = vec![part("embedding", None, "reused", 65_536_000)];
    parts.extend((0..22).map(|i| part("attention", Some(i), "reused", 9_437_184)));
    parts.extend((0..22).map(|i| part("ffn", Some(i), "reused", 34_603_008)));
    parts.push(part("head", None, "unclear", 65_536_000));
    let mut tensors = vec![tensor(
        "model.embed_tokens.weight",
        None,
        Role::Embed,
        "matrix",
        Some(1.0),
    )];
    for index in 0..22 {
        let name = |part: &str| format!("model.layers.{index}.{part}.weight");
        tensors.push(tensor(
            &name("self_attn.q_proj"),
            Some(index),
            Role::Q,
            "matrix",
            Some(cosine(index)),
        ));
        tensors.push(tensor(
            &name("input_layernorm"),
            Some(index),
            Role::Norm,
            "norm",
            Some(0.9996),
        ));
    }
    Compare {
        base: checkpoint("TinyLlama-1.1B-intermediate-step-1431k-3T", 1_100_048_384),
        target: checkpoint("TinyLlama-1.1B-Chat-v1.0", 1_100_048_384),
        coverage: full(),
        similarity: Similarity {
            mean_cosine: Some(0.9812),
            matrix_cosine: Some(0.9773),
            matrix_excess: Some(0.9772),
            norm_cosine: Some(0.9996),
            norm_expected_cosine: Some(0.9964),
            norm_centered_cosine: Some(0.8891),
            aligned: 201,
            identical: 3,
            identical_informative: 1,
        },
        origin_reading: OriginReading {
            mean_cosine: Some(0.9812),
            band: Some(Band::AlmostCertainlyFineTuned),
            band_meaning: Some("almost certainly fine-tuned".to_owned()),
            layer_pattern: Pattern::EarlyHighLateLow,
            pattern_meaning: "typical of fine-tuning".to_owned(),
            agrees: Some(true),
            why: None,
            disagreement: None,
        },
        layers,
        components: vec![ComponentRow {
            component: Component::Text,
            coverage: full(),
            similarity: Similarity::default(),
            layer_pattern: Pattern::EarlyHighLateLow,
            verdict: verdict("derived", &["fine_tuned"], "conclusive", &[]),
        }],
        parts,
        permutation: Some(PermutationRow {
            log10_p: Some(-4474.8),
            probes: 1408,
            hits: 1408,
            groups: 22,
            tests: (0..22).map(|i| test(i, 64, -203.4)).collect(),
            power: vec![PowerRow {
                kind: PowerKind::Pooled,
                probes: 1408,
                hits_needed: 27,
                share_seen_95: Some(0.026),
            }],
            skipped: vec![NotTestable {
                what: "key/value groups".to_owned(),
                why: "4 groups cannot reach 10^-6 alone".to_owned(),
                subject: None,
                obstacle: None,
            }],
        }),
        pca: Some(PcaRow {
            mode: PcaMode::Fast,
            summary: PcaSummary::ClusteredWithBase,
            median_excess: Some(0.941234),
            matrices: ["q_proj", "up_proj"]
                .iter()
                .flat_map(|role| {
                    [0, 7, 14, 21].map(|l| format!("model.layers.{l}.self_attn.{role}.weight"))
                })
                .map(|name| SubspaceRow {
                    name,
                    side: Stream::Residual,
                    dimension: 2048,
                    k: 32,
                    overlap: Some(0.9421),
                    expected: Some(0.0158),
                    excess: Some(0.9412),
                    error: Some(0.001),
                })
                .collect(),
        }),
        tokenizer: Some(TokenizerRow {
            shared_tokens: 32_000,
            same_id: 32_000,
            merges_common: Some(61_249),
            vocab: both(32_000),
            merges_in_order: None,
        }),
        evidence: vec![
            finding(
                "permutation",
                "1,408 of 1,408 probed hidden units are in their own place in all 22 layers; independently trained models agree like this with a chance of at most 10^-4474",
                1408.0,
                Some(-4474.8),
                "derived",
            ),
            finding(
                "bytes",
                "1 informative tensor is byte-identical: model.embed_tokens.weight",
                1.0,
                None,
                "derived",
            ),
            finding(
                "cosine",
                "matrices keep 97.7 % of their likeness above a random order of dimensions",
                0.9772,
                None,
                "derived",
            ),
            finding(
                "pca",
                "principal subspaces cluster with the base",
                0.9412,
                None,
                "derived",
            ),
            finding(
                "norms",
                "norm gains 0.9996; unrelated models of this shape: 0.9964",
                0.9996,
                None,
                "nothing",
            ),
        ],
        verdict: VerdictRow {
            not_testable: vec![NotTestable {
                what: "direction".to_owned(),
                why: "a likeness does not tell which of the two was first".to_owned(),
                subject: None,
                obstacle: None,
            }],
            ..verdict(
                "derived",
                &["fine_tuned", "vocabulary_extended"],
                "conclusive",
                &[
                    "98.1 % of the comparable matrix parameters are in parts that are shown to be reused.",
                    "The combined chance of such agreement between independently trained models is at most 10^-4474.",
                ],
            )
        },
        unmatched: Sides {
            base: Vec::new(),
            target: vec![unmatched("model.extra_tokens.weight", Role::Embed, 6144)],
        },
        tensors,
        warnings: vec![warning(
            "dtype",
            "the base stores F32 norms, the target BF16",
            None,
        )],
        ..empty()
    }
}

/// Two models of one architecture trained apart.
pub(crate) fn independent() -> Compare {
    Compare {
        base: checkpoint("Solar-Open-100B", 102_600_000_000),
        target: checkpoint("GLM-4.5-Air", 106_900_000_000),
        coverage: Coverage {
            parameters: Shares { target: Some(0.031), base: Some(0.99996) },
            matrices: Shares { target: Some(0.0308), base: Some(0.0325) },
        },
        similarity: Similarity {
            mean_cosine: Some(0.5133),
            matrix_cosine: Some(-0.00004),
            matrix_excess: Some(0.0001),
            norm_cosine: Some(0.9832),
            norm_expected_cosine: Some(0.9834),
            norm_centered_cosine: Some(0.0123),
            aligned: 188,
            identical: 0,
            identical_informative: 0,
        },
        origin_reading: OriginReading {
            mean_cosine: Some(0.5133),
            band: Some(Band::PossiblePartialReuse),
            band_meaning: Some("weights possibly reused in part".to_owned()),
            layer_pattern: Pattern::UniformlyLow,
            pattern_meaning: "evidence for training from scratch".to_owned(),
            agrees: Some(false),
            why: Some(
                "the plain mean counts 97 norm gains like the matrices, and norm gains lie near 1 in every model"
                    .to_owned(),
            ), disagreement: None, },
        layers: (0..48).map(|i| layer(i, if i % 2 == 0 { -0.0007 } else { 0.0009 }, Some(0.0))).collect(),
        parts: (0..48).map(|i| part("attention", Some(i), "independent", 8_388_608)).collect(),
        permutation: Some(PermutationRow {
            log10_p: Some(-0.2),
            probes: 3072,
            hits: 3,
            groups: 48,
            tests: (0..48).map(|i| test(i, 0, 0.0)).collect(),
            power: vec![PowerRow {
                kind: PowerKind::Pooled,
                probes: 3072,
                hits_needed: 31,
                share_seen_95: Some(0.0135),
            }],
            skipped: Vec::new(),
        }),
        evidence: vec![
            finding(
                "permutation",
                "3 of 3,072 probed units are in their own place, as in independent models",
                3.0,
                Some(-0.2),
                "from_scratch",
            ),
            finding("cosine", "no matrix is nearer than chance", 0.0001, None, "from_scratch"),
            finding("norms", "norm gains 0.9832; unrelated models of this shape: 0.9834", 0.9832, None, "nothing"),
        ],
        verdict: verdict(
            "from_scratch",
            &[],
            "strong",
            &["a reuse of 1.4 % of the units, in their places, would have been seen with 95 % probability"],
        ),
        unmatched: Sides {
            base: vec![unmatched("lm_head.weight", Role::LmHead, 805_306_368)],
            target: (0..12)
                .map(|i| unmatched(&format!("model.layers.{i}.mlp.experts.gate_up_proj"), Role::GateUp, 2_048_000))
                .collect(),
        },
        ..empty()
    }
}

/// A model with a vision tower taken over and a decoder of its own; experts re-ordered, layers
/// moved.
pub(crate) fn partial() -> Compare {
    let mut parts: Vec<PartRow> = (0..4)
        .map(|i| part("attention", Some(i), "independent", 26_214_400))
        .collect();
    parts.extend((0..4).map(|i| PartRow {
        component: Component::Vision,
        ..part("ffn", Some(i), "reused", 8_000_000)
    }));
    parts.push(PartRow {
        expert: Some(3),
        ..part("experts", Some(2), "unclear", 4_000_000)
    });
    parts.push(PartRow {
        block: None,
        ..part("other", None, "new", 10_000)
    });
    let mut layers: Vec<LayerRow> = (0..4).map(|i| layer(i, 0.01, Some(-0.3))).collect();
    layers.extend((0..4).map(|i| LayerRow {
        component: Component::Vision,
        ..layer(i, 0.991, Some(-88.2))
    }));
    layers.push(LayerRow {
        base_layer: Some(2),
        ..layer(5, 0.88, Some(-120.0))
    });
    layers.push(LayerRow {
        base_layer: None,
        matrix_cosine: None,
        matrix_excess: None,
        norm_cosine: None,
        ..layer(6, 0.0, None)
    });
    let text = VerdictRow {
        not_testable: vec![NotTestable {
            what: "embeddings".to_owned(),
            why: "the vocabularies differ".to_owned(),
            subject: None,
            obstacle: None,
        }],
        ..verdict(
            "from_scratch",
            &[],
            "strong",
            &["no part of the decoder is shown to be reused"],
        )
    };
    let component = |name: &str, verdict: VerdictRow, cosine: f64| ComponentRow {
        component: read(name),
        coverage: full(),
        similarity: Similarity {
            mean_cosine: Some(cosine),
            matrix_cosine: Some(cosine),
            ..Similarity::default()
        },
        layer_pattern: Pattern::UniformlyHigh,
        verdict,
    };
    Compare {
        settings: SettingsRow {
            hash: Hashing::None,
            deep: Deep::On,
            include: vec!["model.*".to_owned()],
            exclude: vec!["*.bias".to_owned()],
            ..settings()
        },
        base: checkpoint("Qwen2.5-VL-32B-Instruct", 33_452_718_336),
        target: checkpoint("HyperCLOVAX-SEED-Think-32B", 33_000_000_000),
        name_mapping: Some("model.language_model. in the target is model. in the base".to_owned()),
        similarity: Similarity {
            mean_cosine: Some(0.62),
            matrix_cosine: Some(0.21),
            aligned: 900,
            ..Similarity::default()
        },
        coverage: Coverage {
            parameters: Shares {
                target: Some(0.42),
                base: Some(0.41),
            },
            matrices: Shares {
                target: Some(0.41),
                base: Some(0.40),
            },
        },
        origin_reading: OriginReading {
            mean_cosine: Some(0.62),
            band: Some(Band::PossiblePartialReuse),
            band_meaning: Some("weights possibly reused in part".to_owned()),
            layer_pattern: Pattern::SomeLayersHigh,
            pattern_meaning: "partial initialisation of weights".to_owned(),
            agrees: Some(true),
            why: None,
            disagreement: None,
        },
        layers,
        components: vec![
            component("text", text, 0.01),
            component(
                "vision",
                verdict(
                    "derived",
                    &["fine_tuned"],
                    "conclusive",
                    &["every layer of the tower hits"],
                ),
                0.991,
            ),
        ],
        parts,
        layer_map: Some(
            [0, 1, 2, 3, 4, 2, 3, 4, 5]
                .iter()
                .zip(0..)
                .map(|(base, target)| LayerMapRow {
                    target,
                    base: Some(*base),
                    log10_p: Some(-61.0),
                })
                .collect(),
        ),
        experts: Some(
            (0..20)
                .map(|layer| ExpertsRow {
                    layer,
                    base_experts: 8,
                    target_experts: 8,
                    map: vec![
                        Some(3),
                        Some(1),
                        Some(0),
                        Some(2),
                        Some(4),
                        Some(5),
                        None,
                        Some(7),
                    ],
                    permuted: layer % 2 == 0,
                })
                .collect(),
        ),
        transformations: vec![TransformationRow {
            kind: TransformationKind::FfnPermuted,
            found_in: vec![0, 1, 2, 5],
            units_kept: Some(128),
            units_of: Some(176),
            check: "down in the recovered order".to_owned(),
            check_cosine: Some(0.9981),
            checked: None,
        }],
        evidence: vec![
            finding(
                "bytes",
                "390 informative tensors of the vision tower are byte-identical",
                390.0,
                None,
                "derived",
            ),
            finding(
                "permutation",
                "no hidden unit of the decoder is in its own place",
                0.0,
                Some(-0.3),
                "from_scratch",
            ),
        ],
        verdict: verdict(
            "partial_reuse",
            &["fine_tuned"],
            "strong",
            &[
                "vision: attention and ffn of layers 0-3 are reused",
                "text: attention of layers 0-3 is independent",
            ],
        ),
        ..empty()
    }
}

/// A hundred layers.
pub(crate) fn hundred_layers() -> Compare {
    Compare {
        layers: (0..100)
            .map(|i| layer(i, (f64::from(i) / 9.0).sin(), Some(-f64::from(i))))
            .collect(),
        ..fine_tuned()
    }
}

/// Every string that comes from files holds what could break a terminal, a table or a page.
pub(crate) fn hostile() -> Compare {
    let mut report = fine_tuned();
    let name = || HOSTILE.to_owned();
    for checkpoint in [&mut report.base, &mut report.target] {
        checkpoint.name = name();
        checkpoint.path = name();
        checkpoint.architecture = Some(name());
        checkpoint.quantization = Some(name());
        checkpoint.dtypes = BTreeMap::from([(name(), 5)]);
        checkpoint.files = vec![FileRow {
            name: name(),
            bytes: 5,
        }];
    }
    report.settings.include = vec![name()];
    report.name_mapping = Some(name());
    report.tensors = vec![
        tensor(HOSTILE, None, Role::Other, "matrix", Some(1.0)),
        tensor(&"x".repeat(5000), None, Role::Other, "matrix", Some(0.5)),
        tensor(&"層".repeat(300), None, Role::Other, "norm", None),
        tensor("", None, Role::Other, "vector", None),
    ];
    report.unmatched.base = vec![
        unmatched(HOSTILE, Role::Other, 1),
        unmatched(&"y".repeat(5000), Role::Other, 4096),
    ];
    report.components.push(report.components[0].clone());
    for row in &mut report.parts {
        row.block = Some(name());
    }
    for row in &mut report.evidence {
        row.statement = format!("{HOSTILE} {}", "long".repeat(50));
    }
    report.pca.as_mut().unwrap().matrices[0].name = name();
    report.verdict.reasons = vec![name(), "z".repeat(400)];
    report.verdict.not_testable = vec![NotTestable {
        what: name(),
        why: name(),
        subject: None,
        obstacle: None,
    }];
    report.origin_reading.agrees = Some(false);
    report.origin_reading.why = Some(name());
    report.permutation.as_mut().unwrap().skipped = vec![NotTestable {
        what: name(),
        why: name(),
        subject: None,
        obstacle: None,
    }];
    let change = |relative_change: Option<f64>| AdapterChange {
        name: name(),
        layer: Some(3),
        role: Role::Q,
        rank: u64::MAX,
        alpha: 16.0,
        scale: 1e300,
        dora: true,
        relative_change,
        reason: relative_change.is_none().then(name),
        unfit: None,
    };
    report.adapter = Some(AdapterRow {
        declared_base: Some(name()),
        declared_revision: Some(name()),
        task: Some(name()),
        changes: vec![change(Some(0.01)), change(None)],
        replaced: vec![name(); 20],
    });
    report.warnings = vec![
        warning("odd", HOSTILE, Some(HOSTILE)),
        warning("odd", "plain", Some(&"w".repeat(900))),
    ];
    report
}

/// All of the above, each with a name.
pub(crate) fn all_compares() -> Vec<(&'static str, Compare)> {
    vec![
        ("empty", empty()),
        ("fine_tuned", fine_tuned()),
        ("independent", independent()),
        ("partial", partial()),
        ("hundred_layers", hundred_layers()),
        ("hostile", hostile()),
        ("typed", typed()),
    ]
}

/// What stands typed beside a sentence.
fn says<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// An obstacle and its subject, typed beside their sentences.
fn untested() -> NotTestable {
    NotTestable {
        what: "re-ordered units".to_owned(),
        why: "the two sides have 3 tokens in common, fewer than 64".to_owned(),
        subject: says(json!({"code": "reordered_units"})),
        obstacle: says(json!({"code": "few_common_tokens", "values": {"shared": 3, "needed": 64}})),
    }
}

/// A warning, typed beside its sentence.
/// Files beside a model, one of a hostile name.
fn left_aside() -> Vec<LeftAsideRow> {
    let row = |side: &str, file: &str, why| LeftAsideRow {
        side: side.to_owned(),
        file: file.to_owned(),
        why,
    };
    vec![
        row("base", HOSTILE, WhyAside::Adapter),
        row("target", "pytorch_model.bin", WhyAside::AnotherFormat),
        row("target", "model.fp16.safetensors", WhyAside::AnotherCopy),
        row("target", "consolidated.safetensors", WhyAside::AnotherModel),
        row(HOSTILE, "tf_model.h5", WhyAside::UnreadFormat),
    ]
}

fn missing_shards() -> WarningRow {
    WarningRow {
        about: says(json!({"side": "base"})),
        says: says(json!({"code": "shards_missing", "values": {"found": 1, "expected": 2}})),
        ..warning(
            "shards_missing",
            "base: 1 of 2 shards were read: what the others hold is missing, and no change",
            None,
        )
    }
}

/// A disagreement, typed beside its sentence.
fn pulled_down(reading: &mut OriginReading) {
    reading.disagreement = says(json!({
        "cause": "pulled_down", "mean": 0.4, "matrix": 0.3, "norm": null
    }));
}

/// A report in which everything that is said stands typed beside it.
pub(crate) fn typed() -> Compare {
    let mut report = partial();
    report.adapter = hostile().adapter;
    let adapter = report.adapter.as_mut().unwrap();
    adapter.changes[0].unfit = says(json!({"unfit": "no such matrix"}));
    report.evidence[0].says =
        says(json!({"code": "equal_bytes", "values": {"tensors": 3, "matrices": 2}}));
    pulled_down(&mut report.origin_reading);
    report.tensors = fine_tuned().tensors;
    report.tensors[0].figures.undefined = says(json!({"zero": {"base": true, "target": false}}));
    report.transformations[0].checked = says(json!({"code": "routers"}));
    for verdict in report
        .components
        .iter_mut()
        .map(|row| &mut row.verdict)
        .chain([&mut report.verdict])
    {
        verdict.not_testable = vec![untested()];
        verdict.reasons = vec!["no tensors".to_owned()];
        verdict.grounds = says(json!([{"code": "no_tensors"}]));
    }
    report.permutation = fine_tuned().permutation;
    report.permutation.as_mut().unwrap().skipped = vec![untested()];
    report.warnings.push(missing_shards());
    report.left_aside = left_aside();
    report.expect = says(json!({
        "words": ["derived"], "min_confidence": "strong", "met": false, "got": "inconclusive"
    }));
    report
}

fn ranking(report: &Compare, summary: &'static str, excess: f64) -> RankingRow {
    RankingRow {
        base: report.base.clone(),
        coverage: report.coverage,
        similarity: report.similarity.clone(),
        origin_reading: report.origin_reading.clone(),
        permutation: report.permutation.as_ref().map(|p| RankPermutation {
            log10_p: p.log10_p,
            probes: p.probes,
            hits: p.hits,
        }),
        pca: Some(RankPca {
            summary: read(summary),
            median_excess: Some(excess),
        }),
        verdict: report.verdict.clone(),
        reused: Some(0.5),
        seen_by: Vec::new(),
        evidence: report.evidence.clone(),
    }
}

fn weights(names: &[&str], values: &[f64]) -> Vec<WeightRow> {
    names
        .iter()
        .zip(values)
        .map(|(base, w)| WeightRow {
            base: (*base).to_owned(),
            weight: Some(*w),
            standard_error: Some(0.001),
        })
        .collect()
}

/// A target that was merged from its first two bases, and a third that it has nothing to do with.
pub(crate) fn ranked() -> Rank {
    let names = [
        "Mistral-7B-Instruct-v0.2",
        "OpenHermes-2.5-Mistral-7B",
        "Solar-Open-100B",
    ];
    let mut ranking: Vec<RankingRow> = [&fine_tuned(), &fine_tuned()]
        .map(|report| self::ranking(report, "clustered_with_base", 0.9612))
        .to_vec();
    ranking.push(self::ranking(&independent(), "orthogonal", 0.0012));
    for (row, name) in ranking.iter_mut().zip(names) {
        row.base = checkpoint(name, 7_241_732_096);
    }
    let criterion = |id, statement: &str, holds, value| CriterionRow {
        id,
        statement: statement.to_owned(),
        holds,
        value,
    };
    Rank {
        schema: RankVersion,
        wcmp: "0.1.0".to_owned(),
        settings: settings(),
        target: checkpoint("merged-7B-slerp", 7_241_732_096),
        ranking,
        criteria: vec![
            criterion(CriterionId::AllMeansBelowHalf, "the mean cosine with every base is below 0.5", Some(false), Some(0.9812)),
            criterion(CriterionId::NoIdentical, "no informative tensor is identical to a base's", Some(false), Some(1.0)),
            criterion(CriterionId::IndependentInPca, "principal subspaces are orthogonal to every base's", Some(false), Some(0.9612)),
            criterion(CriterionId::ABaseAt09, "a base has a mean cosine of 0.9 or more", Some(true), Some(0.9812)),
            criterion(CriterionId::ManyIdentical, "a quarter or more of the informative tensors are identical to one base's", Some(false), Some(0.005)),
            criterion(CriterionId::EarlyLayersHigh, "early layers are nearer to a base than late ones, or at 0.9 and more", None, None),
        ],
        conclusion: ConclusionRow {
            label: Label::Derived,
            base: Some(names[0].to_owned()),
            sentence: "The target shares its weights with Mistral-7B-Instruct-v0.2 and OpenHermes-2.5-Mistral-7B, in near equal parts.".to_owned(), related: 0, merge: None, candidates: Vec::new(), },
        coordinates: Some(CoordinatesRow {
            models: ["merged-7B-slerp"].iter().chain(&names).map(|name| (*name).to_owned()).collect(),
            points: vec![[Some(-31.2), Some(0.01)], [Some(-31.0), Some(8.1)], [Some(-31.5), Some(-8.2)], [Some(93.7), Some(0.09)]],
            explained: [Some(0.951), Some(0.0488)],
        }),
        mixture: Some(MixtureRow {
            weights: weights(&names, &[0.4991, 0.5003, 0.0]),
            residual: Some(0.0031),
            by_layer: (0..32).map(|layer| LayerMixture { layer, weights: weights(&names, &[0.5, 0.5, -0.00001]), residual: Some(0.003) }).collect(),
            by_role: [Role::Q, Role::Up].map(|role| RoleMixture { role, weights: weights(&names, &[0.5, 0.5, 0.0]), residual: Some(0.0) }).to_vec(),
            collinearity: Some(0.0),
        }),
        warnings: vec![warning("config", "the card names Mistral-7B-v0.1 as base model, which was not given", None)],
        controls: Some([(0, 1, 0.9713), (1, 0, 0.9713), (2, 0, 0.0004)].map(|(base, nearest, excess)| ControlRow {
            base: names[base].to_owned(),
            nearest: names[nearest].to_owned(),
            matrix_cosine: Some(excess),
            matrix_excess: Some(excess),
            lowest_excess: Some(0.0004),
        }).to_vec()), expect: None, left_aside: Vec::new(),
        layer_origins: None, library: None, kinship: Vec::new(), between: Vec::new(),
        sums_of_target: Vec::new(), }
}

/// A ranking whose every string is hostile.
pub(crate) fn hostile_rank() -> Rank {
    let mut report = ranked();
    let name = || HOSTILE.to_owned();
    report.target.name = name();
    report.target.path = name();
    for row in &mut report.ranking {
        row.base.name = name();
        row.base.path = "p".repeat(600);
        row.verdict = hostile().verdict;
        row.origin_reading = hostile().origin_reading;
    }
    for row in &mut report.criteria {
        row.statement = name();
    }
    report.conclusion.base = Some(name());
    report.conclusion.sentence = name();
    report.coordinates.as_mut().unwrap().models.fill(name());
    for row in &mut report.mixture.as_mut().unwrap().weights {
        row.base = name();
    }
    for row in report.controls.as_mut().unwrap() {
        (row.base, row.nearest) = (name(), name());
    }
    report
}

/// A ranking in which everything that is said stands typed beside it.
pub(crate) fn typed_rank() -> Rank {
    let mut report = ranked();
    let row = &mut report.ranking[0];
    row.verdict = typed().verdict;
    row.evidence = typed().evidence;
    pulled_down(&mut row.origin_reading);
    report.layer_origins = says(json!([
        {"target": 0, "base": "A", "layer": 0, "log10_p": -137.2},
        {"target": 1, "base": null, "layer": null, "log10_p": null, "weights": [
            {"base": "A", "layer": 0, "weight": 0.6, "standard_error": 0.001}]}
    ]));
    report.kinship = says(json!([
        {"base": "A", "kinship": "nearest", "nearer": null, "by": null, "figure": null},
        {"base": "B", "kinship": "beside", "nearer": "A", "by": "right_angle", "figure": 0.0123}
    ]));
    report.between = says(json!([{"bases": ["A", "B"], "figure": 0.0123}]));
    report.sums_of_target = says(json!([{"base": "B", "with": "A"}]));
    report.library = says(json!({
        "sketches": 1000, "checkpoints": 1, "looked_at_deeply": 9, "log10_p": -134.2
    }));
    report.conclusion.related = 2;
    report.conclusion.merge = says(json!({"code": "layers", "values": []}));
    report.warnings.push(missing_shards());
    report.left_aside = left_aside();
    report.expect = says(json!({
        "words": ["derived"], "min_confidence": "strong", "met": false, "got": "inconclusive"
    }));
    report
}

/// A target of two components against a base of its size and one of another.
pub(crate) fn architectures() -> Arch {
    let shape = |axes: [u64; 2], copies| {
        Some(ShapeRow {
            shape: axes.to_vec(),
            copies,
        })
    };
    let role = |component, role, kind, name: &str, target, base: Option<ShapeRow>| RoleRow {
        component,
        role,
        kind,
        name: Some(name.to_owned()),
        equal: Option::zip(Option::as_ref(&target), base.as_ref())
            .is_some_and(|(t, b): (&ShapeRow, _)| t.shape == b.shape),
        target,
        base,
    };
    let component = |component, comparability, share| ArchComponent {
        component,
        comparability,
        share,
    };
    let field =
        |field: &str, target: serde_json::Value, bases: [Option<serde_json::Value>; 2]| FieldRow {
            field: field.to_owned(),
            equal: bases
                .iter()
                .map(|base| base.as_ref().map(|base| *base == target))
                .collect(),
            source: SourceRow {
                target: Source::Tensors,
                bases: bases
                    .iter()
                    .map(|base| {
                        if base.is_some() {
                            Source::Config
                        } else {
                            Source::Absent
                        }
                    })
                    .collect(),
            },
            target: Some(target),
            bases: bases.to_vec(),
        };
    let mut config_alone = checkpoint("Mixtral-8x7B-v0.1", 46_702_792_704);
    config_alone.format = Format::Config;
    config_alone.model_digest = None;
    Arch {
        schema: ArchVersion,
        wcmp: "0.1.0".to_owned(),
        target: checkpoint("HyperCLOVAX-SEED-Think-32B", 33_000_000_000),
        bases: vec![
            ArchBase {
                base: checkpoint("Qwen2.5-VL-32B-Instruct", 33_452_718_336),
                comparability: Comparability::Partial,
                reasons: vec![
                    "vision: all 9 roles have equal shapes".to_owned(),
                    "text: 1 of 3 roles have equal shapes: dense.down; not dense.o [5120,5120] against [5120,4096]"
                        .to_owned(),
                ],
                share: Some(0.4127),
                components: vec![component(Component::Text, Comparability::Partial, Some(0.4)), component(Component::Vision, Comparability::Full, Some(1.0))],
                roles: vec![
                    role(
                        Component::Text,
                        Role::Down,
                        Some(Kind::Dense),
                        "dense.down",
                        shape([5120, 27648], 64),
                        shape([5120, 27648], 64),
                    ),
                    role(Component::Text, Role::O, Some(Kind::Dense), "dense.o", shape([5120, 5120], 64), shape([5120, 4096], 64)),
                    role(Component::Text, Role::LmHead, None, "lm_head", shape([128_256, 5120], 1), None),
                    role(
                        Component::Vision,
                        Role::Qkv,
                        Some(Kind::Dense),
                        "dense.qkv",
                        shape([3840, 1280], 32),
                        shape([3840, 1280], 32),
                    ),
                ],
                could_be: vec!["width change: num_attention_heads 32 to 40".to_owned()],
                tokenizer: Some(TokenizerRow {
                    shared_tokens: 120_000,
                    same_id: 3,
                    merges_common: Some(99_000),
                    vocab: Sides { base: 151_936, target: 128_256 }, merges_in_order: None, }), changes: Vec::new(), grounds: Vec::new(), },
            ArchBase {
                base: config_alone,
                comparability: Comparability::None,
                reasons: vec!["no matrix has an equal shape".to_owned()],
                share: Some(0.0),
                components: vec![component(Component::Text, Comparability::None, Some(0.0))],
                roles: vec![role(Component::Text, Role::Gate, Some(Kind::Expert), "expert.gate", None, shape([14336, 4096], 256))],
                could_be: Vec::new(),
                tokenizer: None, changes: Vec::new(), grounds: Vec::new(), },
        ],
        fields: vec![
            field("hidden_size", 5120.into(), [Some(5120.into()), Some(4096.into())]),
            field("num_local_experts", serde_json::Value::Null, [None, Some(8.into())]),
            field("rope_scaling", serde_json::json!([16, 24, 24]), [Some("yarn".into()), None]),
        ],
        conflicts: vec![ConflictRow {
            field: "vocab_size".to_owned(),
            config: 128_000.into(),
            tensors: 128_256.into(),
        }],
        warnings: vec![warning("config_conflict", "config.json says 128000, its tensors 128256", Some("vocab_size"))],
    }
}

/// Architectures whose every string is hostile.
pub(crate) fn hostile_architectures() -> Arch {
    let mut report = architectures();
    let name = || HOSTILE.to_owned();
    (report.target.name, report.target.path) = (name(), name());
    for base in &mut report.bases {
        (base.base.name, base.base.path, base.base.architecture) =
            (name(), "p".repeat(600), Some(name()));
        base.reasons.push(name());
        base.could_be.push(name());
        base.roles
            .iter_mut()
            .for_each(|role| role.name = Some(name()));
    }
    for field in &mut report.fields {
        (field.field, field.target) = (name(), Some(HOSTILE.into()));
        field
            .bases
            .fill(Some(serde_json::json!({ HOSTILE: [HOSTILE] })));
    }
    report.conflicts[0].config = HOSTILE.into();
    report
}

/// The same in which everything that is said stands typed beside it.
pub(crate) fn typed_architectures() -> Arch {
    let mut report = architectures();
    report.warnings.push(missing_shards());
    report
}

/// A checkpoint as it is seen, with a component that is not text and an expert.
pub(crate) fn inspected() -> Inspect {
    let tensor = |name: &str, role, expert| InspectTensor {
        name: name.to_owned(),
        component: "text".to_owned(),
        layer: Some(0),
        block: Some("layer 0".to_owned()),
        role,
        expert,
        shared_expert: false,
        class: Class::Matrix,
        informative: None,
        shape: vec![4096, 1024],
        logical_shape: vec![4096, 1024],
        dtype: "BF16".to_owned(),
        storage: "stored".to_owned(),
        file: "model.safetensors".to_owned(),
        offset: 4096,
        bytes: 8_388_608,
    };
    let block = |block: String, parameters| InspectBlock { block, parameters };
    let mut blocks = vec![block("embedding".to_owned(), 131_072_000)];
    blocks.extend((0..3).map(|i| block(format!("layer {i}"), 50_000_000)));
    blocks.extend((3..48).map(|i| block(format!("layer {i}"), 218_112_000)));
    blocks.push(block("final".to_owned(), 131_076_096));
    Inspect {
        schema: InspectVersion,
        wcmp: "0.1.0".to_owned(),
        checkpoint: checkpoint("VAETKI", 102_600_000_000),
        weight_set: "model.safetensors.index.json, 42 shards".to_owned(),
        ignored_files: vec!["consolidated.safetensors".to_owned()],
        config: BTreeMap::from([
            ("hidden_size".to_owned(), serde_json::json!(3072)),
            ("model_type".to_owned(), serde_json::json!("vaetki")),
            (
                "rope_parameters".to_owned(),
                serde_json::json!({"rope_type": "default", "rope_theta": 10000.0}),
            ),
        ]),
        components: vec![InspectComponent {
            component: "text".to_owned(),
            parameters: 102_600_000_000,
            layers: 48,
        }],
        blocks,
        tensors: vec![
            tensor(
                "model.layers.0.mlp.experts.127.down_proj.weight",
                Role::Down,
                Some(127),
            ),
            tensor("model.layers.0.self_attn.q_a_proj.weight", Role::QA, None),
        ],
        warnings: vec![warning(
            "unmapped",
            "a shard holds tensors that the index does not name",
            Some("model-00002.safetensors"),
        )],
        weight_sets: Vec::new(),
    }
}

/// An inspection whose every string is hostile.
pub(crate) fn hostile_inspect() -> Inspect {
    let mut report = inspected();
    let name = || HOSTILE.to_owned();
    report.checkpoint = hostile().base;
    report.weight_set = name();
    report.ignored_files = vec![name(); 3];
    report.config = BTreeMap::from([
        (name(), serde_json::json!(HOSTILE)),
        (
            "k".repeat(400),
            serde_json::json!([HOSTILE, "v".repeat(900)]),
        ),
    ]);
    report.components[0].component = name();
    report.blocks[0].block = name();
    report.tensors[0].name = name();
    report.tensors[0].file = name();
    report.tensors[1].shape = vec![u64::MAX; 30];
    report.warnings = vec![warning("odd", HOSTILE, Some(HOSTILE)), missing_shards()];
    report
}

/// A manifest of three tensors, one with a hostile name.
pub(crate) fn hashed() -> Hash {
    let tensor = |name: &str, digit: u8| HashTensor {
        name: name.to_owned(),
        dtype: "BF16".to_owned(),
        shape: vec![2, 3],
        sha256: Hex([digit; 32]),
    };
    let tensors = vec![
        tensor(HOSTILE, 0xaa),
        tensor("model.embed_tokens.weight", 0xbb),
        tensor("z", 0xcc),
    ];
    let mut hash = Hash {
        schema: HashVersion,
        wcmp: "0.1.0".to_owned(),
        checkpoint: checkpoint("tiny", 18),
        tensors,
        model_digest: Hex([0; 32]),
    };
    hash.model_digest = Hex(Manifest::from(&hash).model_digest);
    hash
}

/// A copy that differs in every way.
pub(crate) fn checked() -> Check {
    let names = |name: &str| vec![name.to_owned(), HOSTILE.to_owned()];
    Check {
        schema: CheckVersion,
        wcmp: "0.1.0".to_owned(),
        checkpoint: checkpoint("copy", 18),
        equal: false,
        matching: 199,
        different: names("model.norm.weight")
            .into_iter()
            .map(|name| HashDifference {
                name,
                expected: "a".repeat(64),
                found: "b".repeat(64),
            })
            .collect(),
        missing: names("lm_head.weight"),
        new: names("model.extra.weight"),
    }
}

/// A sketch that had no room for everything.
pub(crate) fn sketched() -> Sketch {
    Sketch {
        schema: SketchVersion,
        wcmp: "0.2.0".to_owned(),
        checkpoint: checkpoint("VAETKI", 102_600_000_000),
        file: "vaetki.sketch".to_owned(),
        bytes: 268_431_360,
        tensors: 20_411,
        disclosed_share: 0.0013,
        left_out: vec!["some matrices of other kinds".to_owned()],
        warnings: vec![missing_shards()],
    }
}

/// A sketch whose every string is hostile.
pub(crate) fn hostile_sketch() -> Sketch {
    Sketch {
        checkpoint: hostile().base,
        file: HOSTILE.to_owned(),
        left_out: vec![HOSTILE.to_owned(); 2],
        warnings: vec![warning("odd", HOSTILE, Some(HOSTILE))],
        ..sketched()
    }
}

/// Two relatives and a stranger.
pub(crate) fn families() -> Matrix {
    let names = ["parent-7B", "child-7B", "stranger-7B"];
    Matrix {
        schema: MatrixVersion,
        wcmp: "0.2.0".to_owned(),
        settings: settings(),
        models: names.map(|name| checkpoint(name, 7_241_732_096)).to_vec(),
        pairs: says(json!([
            {"a": 0, "b": 1, "label": "derived", "excess": 0.981, "log10_p": -318.5,
             "seen_by": ["units_in_place", "geometry"]},
            {"a": 0, "b": 2, "label": "inconclusive", "excess": 0.001, "log10_p": 0.0, "seen_by": []},
            {"a": 1, "b": 2, "label": "inconclusive", "excess": null, "log10_p": null, "seen_by": []}
        ])),
        groups: vec![vec![0, 1]],
        warnings: vec![missing_shards()],
        names: names.map(str::to_owned).to_vec(),
    }
}

/// Families whose every string is hostile.
pub(crate) fn hostile_families() -> Matrix {
    Matrix {
        models: vec![hostile().base; 3],
        names: vec![HOSTILE.to_owned(); 3],
        warnings: vec![warning("odd", HOSTILE, Some(HOSTILE))],
        ..families()
    }
}
