//! Hostile and awkward checkpoints: what each must be told, word for word.
//!
//! `tests/hostile/` holds the files, and `expected.tsv` the message of each, with the folder's own
//! path left out; an empty message means that the checkpoint is legal. Both come from the table
//! below:
//!
//! ```text
//! cargo test --test suite -- --ignored --exact hostile::write_the_folder
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{hostile_gguf, hostile_torch};
use wcmp::Io;
use wcmp::open_checkpoint;

/// A checkpoint of one or more files, and its message.
struct Case {
    /// Path in the folder: a file, or a directory.
    name: String,
    /// Paths in the folder, and contents.
    files: Vec<(String, Vec<u8>)>,
    /// The error behind `wcmp: error: FOLDER/`; empty where the checkpoint is legal.
    message: String,
}

/// Header, padded to nothing, and `buffer` bytes 0, 1, 2… behind it.
fn safetensors(header: &str, buffer: usize) -> Vec<u8> {
    with_length(header.len() as u64, header.as_bytes(), buffer)
}

fn with_length(length: u64, header: &[u8], buffer: usize) -> Vec<u8> {
    let content = (0..buffer).map(|i| (i % 256) as u8);
    length
        .to_le_bytes()
        .into_iter()
        .chain(header.iter().copied())
        .chain(content)
        .collect()
}

fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

/// A header of these entries.
fn header(entries: &[String]) -> String {
    format!("{{{}}}", entries.join(","))
}

const SOUND: &str = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

fn sound() -> Vec<u8> {
    safetensors(SOUND, 8)
}

/// Single files: name, content, what is said behind `NAME: `.
fn single_files() -> Vec<(&'static str, Vec<u8>, String)> {
    let of = |header: &str, what: &str| (safetensors(header, 8), what.to_string());
    let x = |fields: &str| format!(r#"{{"x":{{{fields}}}}}"#);
    let rows: Vec<(&'static str, (Vec<u8>, String))> = vec![
        ("empty", (vec![], "0 bytes long (expected at least 10: a length and a header)".into())),
        (
            "seven-bytes",
            (vec![2, 0, 0, 0, 0, 0, 0], "7 bytes long (expected at least 10: a length and a header)".into()),
        ),
        (
            "length-only",
            (
                with_length(54, b"", 0),
                "header length 54, but 0 bytes follow (expected the whole header: cut off?)".into(),
            ),
        ),
        ("length-0", (with_length(0, b"{}", 0), "header length 0 (expected at least 2: an object)".into())),
        ("length-1", (with_length(1, b"{}", 0), "header length 1 (expected at least 2: an object)".into())),
        (
            "length-max",
            (
                with_length(u64::MAX, b"{}", 0),
                "header length 18446744073709551615 (expected at most 100000000 bytes)".into(),
            ),
        ),
        (
            "length-over-the-cap",
            (with_length(100_000_001, b"{}", 0), "header length 100000001 (expected at most 100000000 bytes)".into()),
        ),
        (
            "length-at-the-cap",
            (
                with_length(100_000_000, b"{}", 0),
                "header length 100000000, but 2 bytes follow (expected the whole header: cut off?)".into(),
            ),
        ),
        (
            "length-one-short",
            (with_length(53, SOUND.as_bytes(), 8), "header: the end at byte 53 (expected ',' or '}')".into()),
        ),
        (
            "length-one-long",
            (
                with_length(55, SOUND.as_bytes(), 8),
                "header: something at byte 54, behind the object (expected spaces, 0x20, only)".into(),
            ),
        ),
        (
            "cut-in-the-header",
            (
                sound()[..40].to_vec(),
                "header length 54, but 32 bytes follow (expected the whole header: cut off?)".into(),
            ),
        ),
        (
            "cut-in-the-data",
            (
                sound()[..69].to_vec(),
                "header: tensor \"x\": data_offsets [0, 8] ends past the file (expected at most 7: cut off?)".into(),
            ),
        ),
        (
            "one-byte-behind",
            (safetensors(SOUND, 9), "1 bytes behind the last tensor (expected the file to end with it)".into()),
        ),
        ("space-first", of(" {}", "header begins with byte 0x20 (expected '{')")),
        ("newline-first", of("\n{}", "header begins with byte 0x0A (expected '{')")),
        ("byte-order-mark", of("\u{feff}{}", "header begins with byte 0xEF (expected '{')")),
        ("array-header", of("[]", "header begins with byte 0x5B (expected '{')")),
        (
            "padded-with-a-newline",
            of(&format!("{SOUND}\n"), "header: something at byte 54, behind the object (expected spaces, 0x20, only)"),
        ),
        (
            "padded-with-nul",
            of(&format!("{SOUND} \0"), "header: something at byte 55, behind the object (expected spaces, 0x20, only)"),
        ),
        (
            "two-objects",
            of(
                &format!("{SOUND}{{}}"),
                "header: something at byte 54, behind the object (expected spaces, 0x20, only)",
            ),
        ),
        ("not-utf-8", (with_length(6, b"{\"\xff\":}", 0), "header is not UTF-8 at byte 2 (expected UTF-8)".into())),
        ("trailing-comma", of(&SOUND.replace("}}", "},}"), "header: '}' at byte 54 (expected a string)")),
        (
            "name-twice",
            of(
                &header(&[entry("x", "F32", "[2]", 0, 8), entry("x", "F32", "[2]", 0, 8)]),
                "header: tensor \"x\" stands twice (expected each name once)",
            ),
        ),
        (
            "name-twice-with-another-dtype",
            of(
                &header(&[entry("x", "U8", "[8]", 0, 8), entry("x", "F32", "[2]", 0, 8)]),
                "header: tensor \"x\" stands twice (expected each name once)",
            ),
        ),
        (
            "name-twice-in-two-spellings",
            of(
                &header(&[entry("x", "F32", "[2]", 0, 8), entry("\\u0078", "F32", "[2]", 0, 8)]),
                "header: tensor \"x\" stands twice (expected each name once)",
            ),
        ),
        (
            "name-twice-in-two-places",
            of(
                &header(&[entry("x", "F32", "[1]", 0, 4), entry("x", "F32", "[1]", 4, 8)]),
                "header: tensor \"x\" stands twice (expected each name once)",
            ),
        ),
        (
            "field-twice",
            of(
                &x(r#""dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]"#),
                "header: tensor \"x\": shape twice (expected each field once)",
            ),
        ),
        (
            "metadata-twice",
            of(r#"{"__metadata__":{},"__metadata__":{}}"#, "header: __metadata__ twice (expected once)"),
        ),
        ("metadata-array", of(r#"{"__metadata__":[]}"#, "header: __metadata__: '[' at byte 16 (expected an object)")),
        (
            "metadata-number",
            of(r#"{"__metadata__":{"n":1}}"#, "header: __metadata__: \"n\": \"1\" at byte 21 (expected a string)"),
        ),
        ("entry-array", of(r#"{"x":["F32",[2],[0,8]]}"#, "header: tensor \"x\": '[' at byte 5 (expected an object)")),
        ("entry-null", of(r#"{"x":null}"#, "header: tensor \"x\": \"null\" at byte 5 (expected an object)")),
        (
            "no-dtype",
            of(
                &x(r#""shape":[2],"data_offsets":[0,8]"#),
                "header: tensor \"x\": no dtype (expected dtype, shape and data_offsets)",
            ),
        ),
        (
            "unknown-dtype",
            of(
                &header(&[entry("x", "F8_E4M3FN", "[8]", 0, 8)]),
                "header: tensor \"x\": dtype: \"F8_E4M3FN\" is unknown (expected a dtype of safetensors 0.8, such as BF16, \
                 F32 or F8_E4M3)",
            ),
        ),
        (
            "dtype-object",
            of(
                &x(r#""dtype":{"F32":null},"shape":[2],"data_offsets":[0,8]"#),
                "header: tensor \"x\": dtype: '{' at byte 14 (expected a string)",
            ),
        ),
        (
            "negative-shape",
            of(
                &header(&[entry("x", "F32", "[-2]", 0, 8)]),
                "header: tensor \"x\": shape: \"-2\" at byte 29 (expected a whole number from 0 to 2^64 - 1)",
            ),
        ),
        (
            "float-shape",
            of(
                &header(&[entry("x", "F32", "[2.0]", 0, 8)]),
                "header: tensor \"x\": shape: \"2.0\" at byte 29 (expected a whole number from 0 to 2^64 - 1)",
            ),
        ),
        (
            "shape-of-2-to-the-64",
            of(
                &header(&[entry("x", "F32", "[18446744073709551616]", 0, 8)]),
                "header: tensor \"x\": shape: \"18446744073709551616\" at byte 29 (expected a whole number from 0 to 2^64 - 1)",
            ),
        ),
        (
            "shape-product-overflows",
            of(
                &header(&[entry("x", "F32", "[4294967296,4294967296]", 0, 8)]),
                "header: tensor \"x\": F32 [4294967296,4294967296] has 2^64 elements or more",
            ),
        ),
        (
            "bytes-overflow",
            of(
                &header(&[entry("x", "F64", "[4294967296,2147483648]", 0, 8)]),
                "header: tensor \"x\": F64 [4294967296,2147483648] has 2^64 bytes or more",
            ),
        ),
        (
            "shape-and-range-differ",
            of(
                &header(&[entry("x", "F32", "[3]", 0, 8)]),
                "header: tensor \"x\": data_offsets [0, 8] (expected 12 bytes for F32 [3])",
            ),
        ),
        (
            "half-a-byte",
            of(
                &header(&[entry("x", "F4", "[15]", 0, 8)]),
                "header: tensor \"x\": F4 [15] does not fill whole bytes (expected a multiple of 2 elements)",
            ),
        ),
        (
            "offsets-reversed",
            of(
                &header(&[entry("x", "F32", "[2]", 8, 0)]),
                "header: tensor \"x\": data_offsets: [8, 0] is reversed (expected begin, end)",
            ),
        ),
        (
            "one-offset",
            of(
                &x(r#""dtype":"F32","shape":[2],"data_offsets":[8]"#),
                "header: tensor \"x\": data_offsets: '}' at byte 50 (expected two numbers)",
            ),
        ),
        (
            "three-offsets",
            of(
                &x(r#""dtype":"F32","shape":[2],"data_offsets":[0,8,8]"#),
                "header: tensor \"x\": data_offsets: \"8\" at byte 52 (expected two numbers)",
            ),
        ),
        (
            "hole-at-the-beginning",
            of(
                &header(&[entry("x", "F32", "[1]", 4, 8)]),
                "header: tensor \"x\": data_offsets [4, 8] leaves a hole of 4 bytes (expected to begin at 0)",
            ),
        ),
        (
            "hole-between",
            of(
                &header(&[entry("x", "U8", "[3]", 0, 3), entry("y", "U8", "[3]", 5, 8)]),
                "header: tensor \"y\": data_offsets [5, 8] leaves a hole of 2 bytes (expected to begin at 3)",
            ),
        ),
        (
            "overlap",
            of(
                &header(&[entry("x", "U8", "[5]", 0, 5), entry("y", "U8", "[4]", 4, 8)]),
                "header: tensor \"y\": data_offsets [4, 8] overlaps tensor \"x\" (expected to begin at 5)",
            ),
        ),
        (
            "one-range-for-two",
            of(
                &header(&[entry("x", "F32", "[2]", 0, 8), entry("y", "F32", "[2]", 0, 8)]),
                "header: tensor \"y\": data_offsets [0, 8] overlaps tensor \"x\" (expected to begin at 8)",
            ),
        ),
        (
            "empty-tensor-inside-another",
            of(
                &header(&[entry("x", "F32", "[2]", 0, 8), entry("y", "F32", "[0]", 4, 4)]),
                "header: tensor \"y\": data_offsets [4, 4] overlaps tensor \"x\" (expected to begin at 8)",
            ),
        ),
        (
            "ends-past-2-to-the-63",
            of(
                &header(&[entry("x", "U8", "[9223372036854775808]", 0, 1 << 63)]),
                "header: tensor \"x\": data_offsets [0, 9223372036854775808] ends past the file (expected at most 8: cut off?)",
            ),
        ),
        (
            "escape-codes-in-a-name",
            of(
                r#"{"\u001b]0;owned\u0007\u001b[2J\r\n\u202e":7}"#,
                "header: tensor \"\\u001B]0;owned\\u0007\\u001B[2J\\r\\n\\u202E\": \"7\" at byte 43 (expected an object)",
            ),
        ),
        (
            "long-name",
            of(
                &format!("{{\"{}\":7}}", "n".repeat(1000)),
                &format!("header: tensor \"{}…\": \"7\" at byte 1004 (expected an object)", "n".repeat(120)),
            ),
        ),
        (
            "lone-surrogate",
            of(r#"{"\ud800":{}}"#, "header: a string with an escape that is none, at byte 2 (expected JSON escapes)"),
        ),
        ("raw-control-code", of("{\"a\tb\":{}}", "header: '\\t' at byte 3 (expected no raw control code in a string)")),
        (
            "git-lfs-pointer",
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 8\n".to_vec(),
                "a Git LFS pointer: not downloaded (expected the file it stands for)".into(),
            ),
        ),
        ("web-page", (b"<!DOCTYPE html><html></html>".to_vec(), "a web page (expected a weight file)".into())),
        ("legal-no-tensors", (safetensors("{}", 0), String::new())),
        ("legal-padded", (safetensors(&format!("{SOUND}      "), 8), String::new())),
        (
            "legal-wild-names",
            (
                safetensors(
                    &header(&[entry("", "U8", "[]", 0, 1), entry("\\u0000\\u001b[2J\\n\\\\", "I64", "[1]", 1, 9)]),
                    9,
                ),
                String::new(),
            ),
        ),
        (
            "legal-empty-tensors",
            (
                safetensors(
                    &header(&[
                        entry("x", "F32", "[0]", 0, 0),
                        entry("y", "F32", "[0,4294967296,4294967296,4294967296]", 4, 4),
                        entry("z", "F32", "[]", 0, 4),
                    ]),
                    4,
                ),
                String::new(),
            ),
        ),
        (
            "legal-rank-100",
            (
                safetensors(&header(&[entry("x", "U8", &format!("[{}]", vec!["1"; 100].join(",")), 0, 1)]), 1),
                String::new(),
            ),
        ),
        (
            "legal-extra-field",
            (safetensors(&x(r#""dtype":"F32","shape":[2],"data_offsets":[0,8],"note":{"a":[1]}"#), 8), String::new()),
        ),
    ];
    rows.into_iter()
        .map(|(name, (content, what))| (name, content, what))
        .collect()
}

/// A sound configuration of an adapter.
const LORA: &str = r#"{"peft_type":"LORA","r":2,"lora_alpha":4}"#;

/// The weights of an adapter of one module, A and B of those shapes, 16 bytes each; of none where
/// an axis is 0.
fn adapter(a: &str, b: &str) -> (&'static str, Vec<u8>) {
    let bytes = if a.contains("[0,") || a.contains(",0]") {
        0
    } else {
        16
    };
    let entries = [
        entry("base_model.model.q.lora_A.weight", "F32", a, 0, bytes),
        entry(
            "base_model.model.q.lora_B.weight",
            "F32",
            b,
            bytes,
            2 * bytes,
        ),
    ];
    (
        "adapter_model.safetensors",
        safetensors(&header(&entries), 2 * bytes as usize),
    )
}

/// Directories: name, files, and what is said behind `hostile/`.
fn directories() -> Vec<Case> {
    use crate::support::hostile_gguf::part as gguf_part;
    let index = |map: &str| format!(r#"{{"metadata":{{}},"weight_map":{map}}}"#).into_bytes();
    let one = || ("model.safetensors", sound());
    let with_index = |map: &str| {
        vec![
            ("model.safetensors.index.json", index(map)),
            ("1.safetensors", sound()),
            (
                "2.safetensors",
                safetensors(&SOUND.replace("\"x\"", "\"y\""), 8),
            ),
        ]
    };
    let rows = vec![
        (
            "no-weights",
            vec![("README.md", b"# Nothing".to_vec())],
            "no-weights: no weight file, but \"README.md\" (expected *.safetensors in the directory)",
        ),
        (
            "config-alone",
            vec![("config.json", b"{}".to_vec())],
            "config-alone: no weight file, only a configuration (expected *.safetensors in the directory)",
        ),
        (
            "config-not-json",
            vec![one(), ("config.json", b"{\"a\":".to_vec())],
            "config-not-json/config.json: not JSON: EOF while parsing a value at line 1 column 5 (expected a JSON object)",
        ),
        (
            "config-array",
            vec![one(), ("config.json", b"[]".to_vec())],
            "config-array/config.json: not a JSON object (expected a model's configuration)",
        ),
        (
            "config-deep",
            vec![
                one(),
                (
                    "config.json",
                    format!("{{\"a\":{}", "[".repeat(1000)).into_bytes(),
                ),
            ],
            "config-deep/config.json: nested too deeply (expected at most 128 levels)",
        ),
        (
            "config-not-utf-8",
            vec![one(), ("config.json", b"{\"a\":\"\xff\"}".to_vec())],
            "config-not-utf-8/config.json: not UTF-8 at byte 6 (expected JSON)",
        ),
        (
            "index-outside",
            with_index(r#"{"x":"../1.safetensors"}"#),
            "index-outside/model.safetensors.index.json: weight_map: tensor \"x\": file \"../1.safetensors\" (expected a plain \
             file name in the index's directory)",
        ),
        (
            "index-absolute",
            with_index(r#"{"x":"/etc/passwd"}"#),
            "index-absolute/model.safetensors.index.json: weight_map: tensor \"x\": file \"/etc/passwd\" (expected a plain \
             file name in the index's directory)",
        ),
        (
            "index-missing-shard",
            with_index(r#"{"x":"1.safetensors","y":"3.safetensors"}"#),
            "index-missing-shard/model.safetensors.index.json: names \"3.safetensors\", which is not there: not downloaded",
        ),
        (
            "index-missing-tensor",
            with_index(r#"{"x":"1.safetensors","z":"2.safetensors"}"#),
            "index-missing-tensor/model.safetensors.index.json: tensor \"z\" is mapped to \"2.safetensors\", which does not \
             hold it",
        ),
        (
            "index-wrong-shard",
            with_index(r#"{"x":"2.safetensors","y":"1.safetensors"}"#),
            "index-wrong-shard/model.safetensors.index.json: tensor \"x\" is mapped to \"2.safetensors\", which does not \
             hold it",
        ),
        (
            "index-two-shards",
            with_index(r#"{"x":"1.safetensors","x":"2.safetensors"}"#),
            "index-two-shards/model.safetensors.index.json: tensor \"x\" is mapped to \"1.safetensors\" and to \
             \"2.safetensors\" (expected one file)",
        ),
        (
            "index-without-map",
            vec![("model.safetensors.index.json", b"{}".to_vec())],
            "index-without-map/model.safetensors.index.json: no weight_map (expected an index of shards)",
        ),
        (
            "index-empty-map",
            with_index("{}"),
            "index-empty-map/model.safetensors.index.json: weight_map names no tensor (expected an index of shards)",
        ),
        (
            "index-not-json",
            vec![
                ("model.safetensors.index.json", b"weights".to_vec()),
                ("1.safetensors", sound()),
            ],
            "index-not-json/model.safetensors.index.json: \"weights\" at byte 0 (expected an object)",
        ),
        (
            "damaged-shard",
            vec![
                (
                    "model.safetensors.index.json",
                    index(r#"{"x":"1.safetensors","y":"2.safetensors"}"#),
                ),
                ("1.safetensors", sound()),
                ("2.safetensors", sound()[..30].to_vec()),
            ],
            "damaged-shard/2.safetensors: header length 54, but 22 bytes follow (expected the whole header: cut off?)",
        ),
        (
            "one-name-two-contents",
            vec![
                ("1.safetensors", sound()),
                (
                    "2.safetensors",
                    [safetensors(SOUND, 0), vec![9; 8]].concat(),
                ),
            ],
            "one-name-two-contents/2.safetensors: several models, as \"1.safetensors\" and \"2.safetensors\" both hold tensor \"x\" (expected \
             one: name its file)",
        ),
        (
            "two-generations",
            vec![
                ("model-00001-of-00002.safetensors", sound()),
                ("model-00001-of-00003.safetensors", sound()),
            ],
            "two-generations: shards of 2 beside shards of 3 of one name (expected one set, or an index)",
        ),
        (
            "adapter-alone",
            vec![("adapter_model.safetensors", sound())],
            "adapter-alone: an adapter's weights without adapter_config.json beside them (expected both)",
        ),
        (
            "adapter-config-alone",
            vec![("adapter_config.json", LORA.into())],
            "adapter-config-alone: no weight file, but \"adapter_config.json\" (expected *.safetensors in the directory)",
        ),
        (
            "adapter-config-not-json",
            vec![
                adapter("[2,2]", "[2,2]"),
                ("adapter_config.json", b"{\"r\":".to_vec()),
            ],
            "adapter-config-not-json/adapter_config.json: not JSON: EOF while parsing a value at line 1 column 5 (expected a \
             JSON object)",
        ),
        (
            "adapter-without-a-kind",
            vec![
                adapter("[2,2]", "[2,2]"),
                ("adapter_config.json", b"{}".to_vec()),
            ],
            "adapter-without-a-kind/adapter_config.json: no peft_type (expected the configuration of a PEFT adapter)",
        ),
        (
            "adapter-of-another-kind",
            vec![
                adapter("[2,2]", "[2,2]"),
                (
                    "adapter_config.json",
                    b"{\"peft_type\":\"LO\\u001bKR\"}".to_vec(),
                ),
            ],
            "adapter-of-another-kind/adapter_config.json: an adapter of the kind \"LO\\u001BKR\" (expected LORA)",
        ),
        (
            "adapter-without-alpha",
            vec![
                adapter("[2,2]", "[2,2]"),
                (
                    "adapter_config.json",
                    b"{\"peft_type\":\"LORA\",\"lora_alpha\":0}".to_vec(),
                ),
            ],
            "adapter-without-alpha/adapter_model.safetensors: LoRA of \"q\" has no lora_alpha in the config",
        ),
        (
            "adapter-a-without-b",
            vec![
                (
                    "adapter_model.safetensors",
                    safetensors(
                        &header(&[entry(
                            "base_model.model.q.lora_A.weight",
                            "F32",
                            "[2,1]",
                            0,
                            8,
                        )]),
                        8,
                    ),
                ),
                ("adapter_config.json", LORA.into()),
            ],
            "adapter-a-without-b/adapter_model.safetensors: LoRA of \"q\" has an A and no B",
        ),
        (
            "adapter-two-ranks",
            vec![
                adapter("[2,2]", "[4,1]"),
                ("adapter_config.json", LORA.into()),
            ],
            "adapter-two-ranks/adapter_model.safetensors: LoRA of \"q\" has A of rank 2 and B of rank 1",
        ),
        (
            "adapter-of-vectors",
            vec![adapter("[4]", "[4]"), ("adapter_config.json", LORA.into())],
            "adapter-of-vectors/adapter_model.safetensors: LoRA of \"q\" has A of shape [4] and B of shape [4] (expected two \
             axes each)",
        ),
        (
            "adapter-of-rank-2-to-the-60",
            vec![
                adapter("[1152921504606846976,0]", "[0,1152921504606846976]"),
                ("adapter_config.json", LORA.into()),
            ],
            "adapter-of-rank-2-to-the-60/adapter_model.safetensors: LoRA of \"q\" has A of shape [1152921504606846976, 0] \
             and B of shape [0, 1152921504606846976] (expected no empty axis)",
        ),
        (
            "adapter-that-changes-nothing",
            vec![
                ("adapter_model.safetensors", safetensors("{}", 0)),
                ("adapter_config.json", LORA.into()),
            ],
            "adapter-that-changes-nothing/adapter_model.safetensors: an adapter without any tensor that changes the base",
        ),
        (
            "legal-adapter",
            vec![
                adapter("[2,2]", "[2,2]"),
                ("adapter_config.json", LORA.into()),
            ],
            "",
        ),
        (
            "legal-infinity-in-the-config",
            vec![
                one(),
                (
                    "config.json",
                    b"{\"time_step_limit\":[0.0,Infinity]}".to_vec(),
                ),
            ],
            "",
        ),
        (
            "gguf-part-missing",
            vec![
                ("m-00001-of-00003.gguf", gguf_part(0, 3, 3, "x")),
                ("m-00003-of-00003.gguf", gguf_part(2, 3, 3, "z")),
            ],
            "gguf-part-missing/m-00001-of-00003.gguf: its part \"m-00002-of-00003.gguf\" is not there: not downloaded \
             (expected all parts)",
        ),
        (
            "gguf-parts-of-another-count",
            vec![
                ("m-00001-of-00002.gguf", gguf_part(0, 3, 2, "x")),
                ("m-00002-of-00002.gguf", gguf_part(1, 3, 2, "y")),
            ],
            "gguf-parts-of-another-count/m-00001-of-00002.gguf: states that it is part 1 of 3, found as 1 of 2",
        ),
        (
            "gguf-parts-in-another-order",
            vec![
                ("m-00001-of-00002.gguf", gguf_part(1, 2, 2, "x")),
                ("m-00002-of-00002.gguf", gguf_part(0, 2, 2, "y")),
            ],
            "gguf-parts-in-another-order/m-00001-of-00002.gguf: states that it is part 2 of 2, found as 1 of 2",
        ),
        (
            "gguf-parts-of-other-tensors",
            vec![
                ("m-00001-of-00002.gguf", gguf_part(0, 2, 5, "x")),
                ("m-00002-of-00002.gguf", gguf_part(1, 2, 5, "y")),
            ],
            "gguf-parts-of-other-tensors/m-00001-of-00002.gguf: the parts hold 2 tensors, split.tensors.count is 5",
        ),
        (
            "gguf-tensor-in-two-parts",
            vec![
                ("m-00001-of-00002.gguf", gguf_part(0, 2, 2, "x")),
                ("m-00002-of-00002.gguf", gguf_part(1, 2, 2, "x")),
            ],
            "gguf-tensor-in-two-parts/m-00001-of-00002.gguf: tensor \"x\" occurs in two parts",
        ),
        (
            "gguf-several-models",
            vec![
                ("m-Q4_0.gguf", hostile_gguf::sound()),
                ("m-Q8_0.gguf", hostile_gguf::sound()),
            ],
            "gguf-several-models: several models: \"m-Q4_0\", \"m-Q8_0\" (expected one: name its file)",
        ),
        (
            "gguf-tower-with-a-tensor-of-the-model",
            vec![
                ("m-Q8_0.gguf", hostile_gguf::sound()),
                ("mmproj-F16.gguf", hostile_gguf::sound()),
            ],
            "gguf-tower-with-a-tensor-of-the-model/mmproj-F16.gguf: tensor \"blk.0.attn_q.weight\" stands in another \
             file of the model too (expected one)",
        ),
        (
            "legal-gguf-in-two-parts",
            vec![
                ("m-00001-of-00002.gguf", gguf_part(0, 2, 2, "x")),
                ("m-00002-of-00002.gguf", gguf_part(1, 2, 2, "y")),
            ],
            "",
        ),
        (
            "torch-index-of-another-file",
            vec![
                (
                    "pytorch_model.bin.index.json",
                    index(r#"{"v":"pytorch_model-00001-of-00001.bin"}"#),
                ),
                ("pytorch_model-00001-of-00001.bin", hostile_torch::sound()),
            ],
            "torch-index-of-another-file/pytorch_model.bin.index.json: tensor \"v\" is mapped to \
             \"pytorch_model-00001-of-00001.bin\", which does not hold it",
        ),
        (
            "legal-one-name-twice-with-equal-bytes",
            vec![("1.safetensors", sound()), ("2.safetensors", sound())],
            "",
        ),
    ];
    let case = |(name, files, message): (&str, Vec<(&str, Vec<u8>)>, &str)| Case {
        name: name.to_string(),
        files: files
            .into_iter()
            .map(|(file, content)| (format!("{name}/{file}"), content))
            .collect(),
        message: message.to_string(),
    };
    rows.into_iter().map(case).collect()
}

fn cases() -> Vec<Case> {
    let single = |rows: Vec<(&'static str, Vec<u8>, String)>, extension: &'static str| {
        rows.into_iter().map(move |(name, content, what)| {
            let name = format!("{name}.{extension}");
            let message = if what.is_empty() {
                what
            } else {
                format!("{name}: {what}")
            };
            Case {
                name: name.clone(),
                files: vec![(name, content)],
                message,
            }
        })
    };
    let files = single(single_files(), "safetensors");
    let files = files
        .chain(single(hostile_gguf::rows(), "gguf"))
        .chain(single(hostile_torch::rows(), "bin"));
    files.chain(directories()).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

/// The rows of expected.tsv: name and message.
fn expected() -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("expected.tsv")).unwrap();
    let row = |line: &str| {
        line.split_once('\t')
            .map(|(name, message)| (name.to_string(), message.to_string()))
            .unwrap()
    };
    text.lines().skip(1).map(row).collect()
}

fn table() -> String {
    let mut text = "checkpoint\tmessage\n".to_string();
    for case in cases() {
        text.push_str(&format!("{}\t{}\n", case.name, case.message));
    }
    text
}

/// What opening `path` answers, without the folder's path; empty where it opens.
fn answer(path: &Path, io: Io) -> String {
    let error = open_checkpoint(path, io)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    error.replace(&format!("{}/", folder().display()), "")
}

#[test]
#[ignore = "writes tests/hostile"]
fn write_the_folder() {
    let _ = fs::remove_dir_all(folder());
    for (name, content) in cases().into_iter().flat_map(|case| case.files) {
        let path = folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::write(folder().join("expected.tsv"), table()).unwrap();
}

#[test]
fn the_folder_is_what_the_table_makes() {
    assert_eq!(
        fs::read_to_string(folder().join("expected.tsv")).unwrap(),
        table()
    );
    for (name, content) in cases().into_iter().flat_map(|case| case.files) {
        assert!(
            fs::read(folder().join(&name)).unwrap() == content,
            "{name} is stale: run hostile::write_the_folder"
        );
    }
}

#[test]
fn every_hostile_checkpoint_gives_its_message_either_way_it_is_read() {
    let mut wrong = Vec::new();
    for (name, message) in expected() {
        for io in [Io::Mmap, Io::Read] {
            let answer = answer(&folder().join(&name), io);
            if answer != message {
                wrong.push(format!(
                    "{name}\n  expected: {message}\n  answered: {answer}"
                ));
            }
        }
        assert!(
            !message.contains(char::is_control) && message.chars().count() < 400,
            "{name}"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What opening `content` under the name `name` in a scratch directory answers: never more than one
/// line.
fn ask(scratch: &Path, name: &str, content: &[u8]) -> Option<String> {
    let path = scratch.join(name);
    fs::write(&path, content).unwrap();
    let error = open_checkpoint(&path, Io::Mmap)
        .err()
        .map(|error| error.to_string());
    if let Some(text) = &error {
        assert!(
            text.starts_with(path.to_str().unwrap()) && !text.contains(char::is_control),
            "{text}"
        );
    }
    error
}

/// What damage does at each place of a sound file: never a panic, and never a message of more than
/// one line.
#[test]
fn damage_at_any_byte_ends_in_an_answer_of_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    let sound = safetensors(
        &header(&[
            entry("a.weight", "BF16", "[2,3]", 0, 12),
            entry("\\u00e9", "F4", "[4]", 12, 14),
        ]),
        14,
    );
    let ask = |content: &[u8]| ask(scratch.path(), "model.safetensors", content);
    assert_eq!(ask(&sound), None);
    for at in 0..sound.len() {
        assert!(ask(&sound[..at]).is_some(), "cut at {at}");
        for byte in [0, b' ', b'"', b'0', b'}', 0x7f, 0xff, sound[at] ^ 1] {
            let mut damaged = sound.clone();
            damaged[at] = byte;
            ask(&damaged);
        }
        let mut doubled = sound.clone();
        doubled.insert(at, sound[at]);
        assert!(ask(&doubled).is_some(), "doubled at {at}");
        let mut shortened = sound.clone();
        shortened.remove(at);
        assert!(ask(&shortened).is_some(), "removed at {at}");
    }
}

/// The same for GGUF and PyTorch files, which may hold bytes that nothing refers to.
#[test]
fn damage_at_any_byte_of_other_formats_ends_in_an_answer_of_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, sound) in [
        ("m.gguf", hostile_gguf::sound()),
        ("m.bin", hostile_torch::sound()),
    ] {
        let ask = |content: &[u8]| ask(scratch.path(), name, content);
        assert_eq!(ask(&sound), None);
        for at in 0..sound.len() {
            assert!(ask(&sound[..at]).is_some(), "{name} cut at {at}");
            let mut damaged = sound.clone();
            damaged[at] = [0, 0x7f, 0xff, sound[at] ^ 1][at % 4];
            ask(&damaged);
            let mut doubled = sound.clone();
            doubled.insert(at, sound[at]);
            ask(&doubled);
            let mut shortened = sound.clone();
            shortened.remove(at);
            ask(&shortened);
        }
    }
}
