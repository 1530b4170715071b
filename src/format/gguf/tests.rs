//! Files written by the gguf package, and files that lie.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;

use super::split::SplitName;
use super::*;
use crate::model::rotary::HalfSplit;
use crate::source::Memory;

fn parse(bytes: &[u8]) -> Result<GgufFile> {
    parse_gguf(&Memory::new(Path::new("model.gguf"), bytes), 0)
}

fn sample() -> Vec<u8> {
    std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/gguf_file.gguf"
    ))
    .unwrap()
}

/// A header by hand: pairs as finished bytes, tensors as (name, dims fastest first, type, offset).
#[derive(Default)]
struct Header {
    pairs: Vec<Vec<u8>>,
    tensors: Vec<(String, Vec<u64>, u32, u64)>,
    data: usize,
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Header {
    fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs
            .push([&string(key), &kind.to_le_bytes()[..], value].concat());
        self
    }

    fn tensor(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        self.tensors.push((name.into(), dims.into(), kind, offset));
        self
    }

    fn data(mut self, len: usize) -> Self {
        self.data = len;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = [&MAGIC[..], &3u32.to_le_bytes()].concat();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.pairs.len() as u64).to_le_bytes());
        self.pairs.iter().for_each(|pair| out.extend(pair));
        for (name, dims, kind, offset) in &self.tensors {
            out.extend(string(name));
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32) + self.data, 0);
        out
    }

    fn error(&self) -> String {
        parse(&self.bytes()).unwrap_err().to_string()
    }
}

#[test]
fn metadata_reads_as_a_config() {
    let file = parse(&sample()).unwrap();
    let config = to_config(&file);
    let expected = json!({
        "model_type": "llama", "name": "Tiny", "hidden_size": 32, "intermediate_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 1, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "vocab_size": 4, "tie_word_embeddings": true,
    });
    assert_eq!(serde_json::Value::Object(config), expected);
    let tokens = tokens(&file.metadata).unwrap();
    assert_eq!(
        tokens.iter().collect::<Vec<_>>(),
        ["<s>", "한국", "\u{FFFD}", "d"]
    );
    assert_eq!(tokens.bytes(2), Some(&b"\xff"[..]));
    assert_eq!(file.metadata["test.nested"], MetaValue::Nested);
    assert_eq!(file.metadata["test.negative"], MetaValue::Integer(-7));
    assert_eq!(file.metadata["test.yes"], MetaValue::Bool(true));
}

#[test]
fn q_and_k_rows_of_the_llama_family_are_found_interleaved() {
    let metadata = parse(&sample()).unwrap().metadata;
    assert_eq!(
        row_order(&metadata, "blk.0.attn_q.weight"),
        Some(HalfSplit { heads: 4 })
    );
    assert_eq!(
        row_order(&metadata, "blk.0.attn_k.bias"),
        Some(HalfSplit { heads: 2 })
    );
    assert_eq!(row_order(&metadata, "blk.1.attn_k.weight"), None);
    assert_eq!(row_order(&metadata, "blk.0.attn_v.weight"), None);
}

#[test]
fn only_zero_centred_gains_are_shifted() {
    let named = |architecture: &str| {
        let header = Header::default().pair("general.architecture", 8, &string(architecture));
        parse(&header.bytes()).unwrap().metadata
    };
    assert_eq!(
        norm_offset(&named("gemma3"), "blk.3.attn_q_norm.weight"),
        1.0
    );
    assert_eq!(
        norm_offset(&named("gemma3n"), "blk.3.attn_q_norm.weight"),
        0.0
    );
    assert_eq!(
        norm_offset(&named("qwen3next"), "blk.3.ssm_norm.weight"),
        0.0
    );
    assert_eq!(norm_offset(&named("gemma3"), "blk.3.attn_q.weight"), 0.0);
    assert_eq!(row_order(&named("qwen2"), "blk.0.attn_q.weight"), None);
}

#[test]
fn a_header_that_contradicts_itself_or_the_file_is_refused() {
    let tensor =
        |dims: &[u64], kind, offset| Header::default().tensor("a", dims, kind, offset).data(64);
    assert!(parse(&tensor(&[16], 0, 0).bytes()).is_ok());
    assert!(tensor(&[17], 0, 0).error().contains("runs past the end"));
    assert!(tensor(&[8], 0, 64).error().contains("runs past the end"));
    assert!(
        tensor(&[8], 0, u64::MAX - 31)
            .error()
            .contains("runs past the end")
    );
    assert!(
        tensor(&[8], 0, 4)
            .error()
            .contains("expected a multiple of 32")
    );
    assert!(tensor(&[8], 31, 0).error().contains("tensor type 31"));
    assert!(
        tensor(&[16], 2, 0)
            .error()
            .contains("whole Q4_0 blocks of 32")
    );
    assert!(tensor(&[1, 1, 1, 1, 1], 0, 0).error().contains("at most 4"));
    assert!(
        tensor(&[1 << 33, 1 << 33], 0, 0)
            .error()
            .contains("more elements than can be counted")
    );
    assert!(parse(&tensor(&[1 << 33, 0, 1 << 33], 0, 0).bytes()).is_ok());
    let two = |second: &str, offset| tensor(&[8], 0, 0).tensor(second, &[8], 0, offset);
    assert!(parse(&two("b", 32).bytes()).is_ok());
    assert!(two("b", 0).error().contains("overlap"));
    assert!(two("a", 32).error().contains("occurs twice"));
    let pair = |kind, value: &[u8]| Header::default().pair("k", kind, value);
    assert!(
        pair(4, &[1, 0, 0, 0])
            .pair("k", 7, &[1])
            .error()
            .contains("occurs twice")
    );
    assert!(pair(13, &[]).error().contains("unknown type 13"));
    assert!(
        pair(8, &u64::MAX.to_le_bytes())
            .error()
            .contains("runs past the end")
    );
    let array = |kind: u32, count: u64| [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
    for kind in [0, 8, 9, 12] {
        assert!(
            pair(9, &array(kind, u64::MAX))
                .error()
                .contains("runs past the end"),
            "array of {kind}"
        );
    }
    let nested = [
        array(9, 1),
        array(9, 1),
        array(9, 1),
        array(9, 1),
        array(0, 0),
    ]
    .concat();
    assert!(pair(9, &nested).error().contains("nests"));
    assert!(
        Header::default()
            .pair("general.alignment", 4, &[3, 0, 0, 0])
            .error()
            .contains("power of two")
    );
    let mut counted = Header::default().bytes();
    counted[8..16].fill(0xFF);
    assert!(
        parse(&counted)
            .unwrap_err()
            .to_string()
            .contains("tensors, more than")
    );
    for (version, word) in [
        (1u32, "version 1"),
        (4, "version 4"),
        (0x0300_0000, "big-endian"),
    ] {
        counted[4..8].copy_from_slice(&version.to_le_bytes());
        assert!(
            parse(&counted).unwrap_err().to_string().contains(word),
            "{version:#x}"
        );
    }
}

#[test]
fn a_cut_file_is_refused_at_every_byte() {
    let bytes = sample();
    let end = parse(&bytes)
        .unwrap()
        .tensors
        .iter()
        .map(|t| t.offset + t.bytes)
        .max()
        .unwrap() as usize;
    for len in 0..end {
        assert!(parse(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
    assert!(parse(&bytes[..end]).is_ok());
}

#[test]
fn parts_of_a_split_model_are_joined() {
    assert_eq!(
        SplitName::parse("m-00002-of-00003.gguf")
            .unwrap()
            .siblings()[2],
        "m-00003-of-00003.gguf"
    );
    for name in [
        "m.gguf",
        "m-00004-of-00003.gguf",
        "m-2-of-3.gguf",
        "m-00000-of-00003.gguf",
        "m-0000x-of-00003.gguf",
    ] {
        assert_eq!(SplitName::parse(name), None, "{name}");
    }
    let part = |at: u16, name: &str| {
        let header = Header::default()
            .pair("split.no", 2, &at.to_le_bytes())
            .pair("split.count", 2, &2u16.to_le_bytes());
        let header = header
            .pair("split.tensors.count", 5, &2i32.to_le_bytes())
            .tensor(name, &[8], 0, 0)
            .data(32);
        (
            PathBuf::from(format!("part-{at}")),
            parse(&header.bytes()).unwrap(),
        )
    };
    let whole = join_splits(vec![part(0, "a"), part(1, "b")]).unwrap();
    assert_eq!(
        whole
            .tensors
            .iter()
            .map(|t| t.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    let error = |parts| join_splits(parts).unwrap_err().to_string();
    assert!(error(vec![part(1, "a"), part(0, "b")]).contains("part 2 of 2, found as 1"));
    assert!(error(vec![part(0, "a")]).contains("part 1 of 2"));
    assert!(error(vec![part(0, "a"), part(1, "a")]).contains("two parts"));
}

/// Whatever parses has tensors inside the file.
fn assert_sound(bytes: &[u8]) {
    if let Ok(file) = parse(bytes) {
        for tensor in &file.tensors {
            assert!(tensor.bytes == 0 || tensor.offset + tensor.bytes <= bytes.len() as u64);
        }
        to_config(&file);
        declared_base(&file.metadata);
        for tensor in &file.tensors {
            row_order(&file.metadata, &tensor.name);
        }
    }
}

#[test]
fn a_tensor_without_bytes_lies_inside_the_file_wherever_its_header_says() {
    let far = Header::default()
        .tensor("empty", &[8, 0], 0, 1 << 60)
        .bytes();
    let file = parse(&far).unwrap();
    assert_eq!(
        (file.tensors[0].bytes, file.tensors[0].offset),
        (0, far.len() as u64)
    );
}

#[test]
fn what_is_kept_in_the_format_and_is_no_model_is_told() {
    let told = |key: &str, value: &str| {
        let header = Header::default().pair(key, 8, &string(value));
        parse(&header.bytes())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    for (key, value, what) in [
        ("general.type", "imatrix", "an importance matrix"),
        ("general.architecture", "controlvector", "a control vector"),
    ] {
        let error = told(key, value).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
    assert!(told("general.type", "model").is_ok());
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((0usize..1400, any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, value) in changes {
            bytes[at] = value;
        }
        assert_sound(&bytes);
    }

    #[test]
    fn random_headers_never_panic(tail in prop::collection::vec(any::<u8>(), 0..400)) {
        assert_sound(&[&MAGIC[..], &[3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], &tail].concat());
    }
}

#[test]
fn a_tensor_of_an_unknown_type_is_listed_and_the_rest_is_read() {
    let file = Header::default()
        .pair("general.architecture", 8, &string("llama"))
        .tensor("a", &[8], 0, 0)
        .tensor("b", &[16, 2], 99, 32)
        .tensor("c", &[8], 0, 96)
        .data(128);
    let parsed = parse(&file.bytes()).unwrap();
    let told: Vec<(&str, Dtype, u64)> = parsed
        .tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.bytes))
        .collect();
    let expected = [
        ("a", Dtype::F32, 32),
        ("b", Dtype::Unknown, 64),
        ("c", Dtype::F32, 32),
    ];
    assert_eq!(told, expected);
}
