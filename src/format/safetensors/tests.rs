//! Every row of guide/formats.md, section 1.1, "what the crate answers and what a strict reader
//! should".

use proptest::prelude::*;

use super::*;

fn parsed(header: &str, buffer: u64) -> Scan<Header> {
    parse(header.as_bytes(), buffer)
}

fn error(header: &str, buffer: u64) -> String {
    parsed(header, buffer).unwrap_err()
}

/// One entry of the given fields over a buffer of 8 bytes.
fn entry_error(fields: &str) -> String {
    error(&format!("{{\"x\":{{{fields}}}}}"), 8)
}

const PLAIN: &str = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

#[test]
fn what_the_format_allows_is_read() {
    let header = parsed(PLAIN, 8).unwrap();
    let x = Entry {
        name: "x".into(),
        dtype: Dtype::F32,
        shape: vec![2],
        begin: 0,
        end: 8,
    };
    assert_eq!(header.entries, [x]);
    assert_eq!(header.oddities, Oddities::default());

    for (header, buffer, names) in [
        ("{}", 0, vec![]),
        ("{}      ", 0, vec![]),
        ("{ \n\t\r }", 0, vec![]),
        (r#"{"__metadata__":{"format":"pt"}}"#, 0, vec![]),
        (r#"{"__metadata__":null}"#, 0, vec![]),
        (
            r#"{"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"#,
            1,
            vec![""],
        ),
        (
            r#"{"\u0000":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"#,
            1,
            vec!["\0"],
        ),
        (
            r#"{"x":{"data_offsets":[0,3],"shape":[3],"dtype":"BOOL"}}"#,
            3,
            vec!["x"],
        ),
        (
            r#"{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
            0,
            vec!["x"],
        ),
        (
            r#"{"x":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}"#,
            0,
            vec!["x"],
        ),
        (
            r#"{"x":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}"#,
            3,
            vec!["x"],
        ),
        (
            r#"{"x":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}}"#,
            3,
            vec!["x"],
        ),
        // Unsorted, and an F32 at an odd place.
        (
            r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            5,
            vec!["a", "b"],
        ),
        // An empty tensor on a boundary between two others.
        (
            r#"{"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            2,
            vec!["a", "b", "c"],
        ),
    ] {
        let read: Vec<String> = parsed(header, buffer)
            .unwrap()
            .entries
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(read, names, "{header}");
    }
}

#[test]
fn all_dtypes_of_the_crate_have_their_length() {
    for dtype in Dtype::SAFETENSORS {
        let bytes = dtype.byte_len(8).unwrap();
        let header =
            format!(r#"{{"x":{{"dtype":"{dtype}","shape":[2,4],"data_offsets":[0,{bytes}]}}}}"#);
        assert_eq!(parsed(&header, bytes).unwrap().entries[0].dtype, *dtype);
    }
}

#[test]
fn rank_100_is_read_and_a_flood_of_axes_is_not() {
    let shape = |axes: usize| vec!["1"; axes].join(",");
    let header = |axes| {
        format!(
            r#"{{"x":{{"dtype":"U8","shape":[{}],"data_offsets":[0,1]}}}}"#,
            shape(axes)
        )
    };
    assert_eq!(parsed(&header(100), 1).unwrap().entries[0].shape.len(), 100);
    assert!(error(&header(100_000), 1).ends_with("(expected at most 1024 axes)"));
}

#[test]
fn the_header_begins_with_a_brace_and_ends_with_spaces_only() {
    assert_eq!(
        error(" {}", 0),
        "header begins with byte 0x20 (expected '{')"
    );
    assert_eq!(
        error("\n{}", 0),
        "header begins with byte 0x0A (expected '{')"
    );
    assert_eq!(
        error("\u{feff}{}", 0),
        "header begins with byte 0xEF (expected '{')"
    );
    assert_eq!(
        error("[]", 0),
        "header begins with byte 0x5B (expected '{')"
    );
    for padding in ["\n", "\t", "\r", "\0", " \n ", "x", "{}"] {
        let what = error(&format!("{{}}{padding}"), 0);
        assert!(
            what.ends_with("behind the object (expected spaces, 0x20, only)"),
            "{padding:?}: {what}"
        );
    }
    assert_eq!(
        parse(b"{\"\xff\":1}", 0).unwrap_err(),
        "header is not UTF-8 at byte 2 (expected UTF-8)"
    );
}

#[test]
fn a_name_that_stands_twice_is_named_in_any_spelling() {
    let one = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let other = r#"{"dtype":"U8","shape":[8],"data_offsets":[0,8]}"#;
    let beyond = r#"{"dtype":"U8","shape":[8],"data_offsets":[100,108]}"#;
    for (first, second) in [(one, one), (one, other), (beyond, one)] {
        for spelling in ["a", "\\u0061"] {
            let header = format!(r#"{{"a":{first},"{spelling}":{second}}}"#);
            assert_eq!(
                error(&header, 8),
                "header: tensor \"a\" stands twice (expected each name once)"
            );
        }
    }
}

#[test]
fn a_field_that_stands_twice_is_an_error() {
    let twice =
        |field: &str| format!("header: tensor \"x\": {field} twice (expected each field once)");
    assert_eq!(
        entry_error(r#""dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]"#),
        twice("dtype")
    );
    assert_eq!(
        entry_error(r#""dtype":"F32","shape":[2],"shap\u0065":[2],"data_offsets":[0,8]"#),
        twice("shape")
    );
    assert_eq!(
        entry_error(r#""dtype":"F32","shape":[2],"data_offsets":[0,8],"data_offsets":[0,8]"#),
        twice("data_offsets")
    );
    assert_eq!(
        entry_error(r#""k":1,"dtype":"F32","shape":[2],"k":1,"data_offsets":[0,8]"#),
        twice("\"k\"")
    );
    let metadata = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert_eq!(
        error(metadata, 0),
        "header: __metadata__ twice (expected once)"
    );
}

#[test]
fn oddities_that_cannot_mislead_are_warnings() {
    let header = parsed(
        r#"{"__metadata__":{"k":"1","\u006b":"2"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"why":{"a":[1]}}}"#,
        8,
    );
    let warnings = header.unwrap().oddities.warnings("f.safetensors");
    let file = || "f.safetensors".to_owned();
    assert_eq!(
        warnings,
        [
            Warning::ExtraHeaderField {
                file: file(),
                fields: 1,
                tensor: "x".to_owned(),
                field: "why".to_owned(),
            },
            Warning::RepeatedMetadataKey {
                file: file(),
                key: "k".to_owned(),
            },
        ]
    );
    let deep = format!(
        r#"{{"x":{{"dtype":"F32","shape":[2],"data_offsets":[0,8],"why":{}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(parsed(&deep, 8).unwrap().oddities.extra_fields, 1);
    let many: String = (0..100).map(|i| format!("\"k{i}\":0,")).collect();
    assert!(entry_error(&many).contains("tensor \"x\": more than 64 unknown fields"));
}

#[test]
fn entries_are_objects_of_three_fields() {
    for (value, what) in [
        (r#"["F32",[2],[0,8]]"#, "'[' at byte 5 (expected an object)"),
        ("null", "\"null\" at byte 5 (expected an object)"),
        ("7", "\"7\" at byte 5 (expected an object)"),
        ("\"F32\"", "'\"' at byte 5 (expected an object)"),
        ("{}", "no dtype (expected dtype, shape and data_offsets)"),
        (
            r#"{"dtype":"F32","shape":[2]}"#,
            "no data_offsets (expected dtype, shape and data_offsets)",
        ),
        (
            r#"{"dtype":"F32","data_offsets":[0,8]}"#,
            "no shape (expected dtype, shape and data_offsets)",
        ),
    ] {
        assert_eq!(
            error(&format!("{{\"x\":{value}}}"), 8),
            format!("header: tensor \"x\": {what}")
        );
    }
}

#[test]
fn an_unknown_dtype_is_named_with_its_tensor() {
    for dtype in ["F128", "f32", "F8_E4M3FN", "Q4_0", ""] {
        let what = entry_error(&format!(
            r#""dtype":"{dtype}","shape":[2],"data_offsets":[0,8]"#
        ));
        let expected = format!(
            "header: tensor \"x\": dtype: \"{dtype}\" is unknown (expected a dtype of safetensors 0.8, such as BF16, F32 or \
             F8_E4M3)"
        );
        assert_eq!(what, expected);
    }
    let object = entry_error(r#""dtype":{"F32":null},"shape":[2],"data_offsets":[0,8]"#);
    assert_eq!(
        object,
        "header: tensor \"x\": dtype: '{' at byte 14 (expected a string)"
    );
}

#[test]
fn shapes_are_whole_numbers() {
    for number in [
        "2.0",
        "2e0",
        "-1",
        "-0",
        "\"2\"",
        "null",
        "02",
        "18446744073709551616",
        "true",
        "[2]",
    ] {
        let what = entry_error(&format!(
            r#""dtype":"F32","shape":[{number}],"data_offsets":[0,8]"#
        ));
        assert!(what.starts_with("header: tensor \"x\": shape: "), "{what}");
        assert!(
            what.ends_with("at byte 29 (expected a whole number from 0 to 2^64 - 1)"),
            "{what}"
        );
    }
    assert!(
        entry_error(r#""dtype":"F32","shape":2,"data_offsets":[0,8]"#)
            .ends_with("(expected an array)")
    );
}

#[test]
fn offsets_are_two_numbers_in_order() {
    for offsets in ["[8]", "[]", "[0,4,8]"] {
        let what = entry_error(&format!(
            r#""dtype":"F32","shape":[2],"data_offsets":{offsets}"#
        ));
        assert!(
            what.starts_with("header: tensor \"x\": data_offsets: "),
            "{what}"
        );
        assert!(what.ends_with("(expected two numbers)"), "{what}");
    }
    let reversed = entry_error(r#""dtype":"F32","shape":[2],"data_offsets":[8,0]"#);
    assert_eq!(
        reversed,
        "header: tensor \"x\": data_offsets: [8, 0] is reversed (expected begin, end)"
    );
}

#[test]
fn the_range_is_as_long_as_shape_and_dtype_say() {
    let what = |dtype: &str, shape: &str, end: u64| {
        let fields = format!(r#""dtype":"{dtype}","shape":[{shape}],"data_offsets":[0,{end}]"#);
        entry_error(&fields)
            .strip_prefix("header: tensor \"x\": ")
            .unwrap()
            .to_string()
    };
    assert_eq!(
        what("F32", "3", 8),
        "data_offsets [0, 8] (expected 12 bytes for F32 [3])"
    );
    assert_eq!(
        what("F32", "", 8),
        "data_offsets [0, 8] (expected 4 bytes for F32 [])"
    );
    assert_eq!(
        what("F32", "0", 8),
        "data_offsets [0, 8] (expected 0 bytes for F32 [0])"
    );
    assert_eq!(
        what("F4", "3", 2),
        "F4 [3] does not fill whole bytes (expected a multiple of 2 elements)"
    );
    assert_eq!(
        what("F6_E3M2", "2", 2),
        "F6_E3M2 [2] does not fill whole bytes (expected a multiple of 4 elements)"
    );
    assert_eq!(
        what("U8", "4294967296,4294967296", 8),
        "U8 [4294967296,4294967296] has 2^64 elements or more"
    );
    assert_eq!(
        what("F64", "4294967296,2147483648", 8),
        "F64 [4294967296,2147483648] has 2^64 bytes or more"
    );
    let axes = vec!["1"; 900].join(",");
    assert_eq!(
        what("F32", &axes, 8),
        "data_offsets [0, 8] (expected 4 bytes for F32 [1,1,1,1,1,1,1,1,… 900 axes])"
    );
}

/// A header of U8 tensors a, b, c… over these ranges.
fn tiles(ranges: &[(u64, u64)]) -> String {
    let entry = |(i, (begin, end)): (usize, &(u64, u64))| {
        let name = char::from(b'a' + i as u8);
        format!(
            r#""{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[{begin},{end}]}}"#,
            end - begin
        )
    };
    format!(
        "{{{}}}",
        ranges
            .iter()
            .enumerate()
            .map(entry)
            .collect::<Vec<_>>()
            .join(",")
    )
}

#[test]
fn ranges_tile_the_file() {
    let what = |ranges: &[(u64, u64)]| error(&tiles(ranges), 8);
    assert_eq!(
        what(&[(1, 8)]),
        "header: tensor \"a\": data_offsets [1, 8] leaves a hole of 1 bytes (expected to begin at 0)"
    );
    assert_eq!(
        what(&[(0, 4), (5, 8)]),
        "header: tensor \"b\": data_offsets [5, 8] leaves a hole of 1 bytes (expected to begin at 4)"
    );
    assert_eq!(
        what(&[(0, 5), (4, 8)]),
        "header: tensor \"b\": data_offsets [4, 8] overlaps tensor \"a\" (expected to begin at 5)"
    );
    assert_eq!(
        what(&[(0, 8), (0, 8)]),
        "header: tensor \"b\": data_offsets [0, 8] overlaps tensor \"a\" (expected to begin at 8)"
    );
    assert_eq!(
        what(&[(0, 8), (5, 5)]),
        "header: tensor \"b\": data_offsets [5, 5] overlaps tensor \"a\" (expected to begin at 8)"
    );
    assert_eq!(
        what(&[(0, 9)]),
        "header: tensor \"a\": data_offsets [0, 9] ends past the file (expected at most 8: cut off?)"
    );
    assert_eq!(
        what(&[(0, 7)]),
        "1 bytes behind the last tensor (expected the file to end with it)"
    );
    assert_eq!(
        error("{}", 8),
        "8 bytes behind the last tensor (expected the file to end with it)"
    );
    assert_eq!(
        error(&tiles(&[(5, 5)]), 0),
        "header: tensor \"a\": data_offsets [5, 5] leaves a hole of 5 bytes (expected to begin at 0)"
    );
    // Ends whose sum passes 2^64, which makes the crate panic in a debug build.
    let large: Vec<(u64, u64)> = (0..8)
        .map(|i| (i << 61, (i << 61) + ((1 << 61) - 1)))
        .collect();
    assert!(
        what(&large).contains("ends past the file"),
        "{}",
        what(&large)
    );
}

#[test]
fn broken_json_is_an_error() {
    for header in [
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}"#,
        r#"{"x":{"dtype":"F32","shape":[2,],"data_offsets":[0,8]}}"#,
        r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#,
        r#"{"x" {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{x:{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{'x':{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        r#"{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        "{\"a\nb\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{",
        "{\"",
        "{\"\\",
    ] {
        assert!(error(header, 8).starts_with("header: "), "{header}");
    }
}

#[test]
fn metadata_is_an_object_of_strings() {
    for (value, what) in [
        ("[]", "'[' at byte 16 (expected an object)"),
        ("7", "\"7\" at byte 16 (expected an object)"),
        (r#"{"a":1}"#, "\"a\": \"1\" at byte 21 (expected a string)"),
        (r#"{"a":{}}"#, "\"a\": '{' at byte 21 (expected a string)"),
    ] {
        let header = format!("{{\"__metadata__\":{value}}}");
        assert_eq!(error(&header, 0), format!("header: __metadata__: {what}"));
    }
}

#[test]
fn the_length_in_front_is_bounded_by_the_file_and_the_cap() {
    assert_eq!(header_bytes(2, 2), Ok(2));
    assert_eq!(header_bytes(100_000_000, u64::MAX), Ok(100_000_000));
    assert_eq!(
        header_bytes(100_000_001, u64::MAX).unwrap_err(),
        "header length 100000001 (expected at most 100000000 bytes)"
    );
    assert_eq!(
        header_bytes(u64::MAX, 2).unwrap_err(),
        "header length 18446744073709551615 (expected at most 100000000 bytes)"
    );
    assert_eq!(
        header_bytes(0, 2).unwrap_err(),
        "header length 0 (expected at least 2: an object)"
    );
    assert_eq!(
        header_bytes(3, 2).unwrap_err(),
        "header length 3, but 2 bytes follow (expected the whole header: cut off?)"
    );
}

#[test]
fn long_and_wild_names_are_cut_and_escaped_in_errors() {
    let header = format!(r#"{{"\u001b[2J\u202e{}":7}}"#, "x".repeat(50_000));
    let what = error(&header, 8);
    assert!(
        what.starts_with("header: tensor \"\\u001B[2J\\u202Exxx"),
        "{what}"
    );
    assert!(what.chars().count() < 250);
    assert!(!what.contains(char::is_control));
}

fn many_tensors(count: usize) -> String {
    let entry = |i: usize| {
        let (begin, end) = (i * 8, i * 8 + 8);
        format!(
            r#""model.layers.{i}.mlp.experts.{i}.weight":{{"dtype":"BF16","shape":[2,2],"data_offsets":[{begin},{end}]}}"#
        )
    };
    format!(
        "{{{}}}",
        (0..count).map(entry).collect::<Vec<_>>().join(",")
    )
}

#[test]
fn a_header_of_100_000_tensors_is_read() {
    let header = many_tensors(100_000);
    assert_eq!(parsed(&header, 800_000).unwrap().entries.len(), 100_000);
}

/// The crate and this reader agree on files that a writer makes.
#[test]
fn files_of_the_reference_writer_are_read_alike() {
    use ::safetensors::tensor::{Dtype as Theirs, TensorView, serialize};
    let bytes = vec![7u8; 48];
    let views = [
        (
            "b.weight",
            TensorView::new(Theirs::F32, vec![3, 4], &bytes).unwrap(),
        ),
        (
            "a",
            TensorView::new(Theirs::BF16, vec![], &bytes[..2]).unwrap(),
        ),
        (
            "empty",
            TensorView::new(Theirs::F64, vec![0, 9], &[]).unwrap(),
        ),
        (
            "层\n\"",
            TensorView::new(Theirs::U8, vec![5], &bytes[..5]).unwrap(),
        ),
    ];
    let file = serialize(views, None).unwrap();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap());
    let header = parse(
        &file[8..8 + length as usize],
        file.len() as u64 - 8 - length,
    )
    .unwrap();
    let names: Vec<&str> = header
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b.weight", "empty", "层\n\""]);
    let theirs = ::safetensors::SafeTensors::deserialize(&file).unwrap();
    for entry in &header.entries {
        let view = theirs.tensor(&entry.name).unwrap();
        assert_eq!(view.data().len() as u64, entry.end - entry.begin);
        assert_eq!(
            view.shape()
                .iter()
                .map(|&axis| axis as u64)
                .collect::<Vec<_>>(),
            entry.shape
        );
    }
}

/// A valid file of three tensors, for damaging.
fn sound() -> Vec<u8> {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"\u00e9":{"dtype":"F4","shape":[4],"data_offsets":[16,18]},"b":{"dtype":"I64","shape":[],"data_offsets":[18,26]}}  "#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&[0; 26]);
    file
}

fn read_bytes(content: &[u8]) -> Result<Contents> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let source = crate::source::open(file.path(), crate::source::Io::Read).unwrap();
    read(&*source, 0)
}

#[test]
fn a_file_cut_at_any_byte_is_an_error() {
    let file = sound();
    assert_eq!(read_bytes(&file).unwrap().tensors.len(), 3);
    for len in 0..file.len() {
        read_bytes(&file[..len]).unwrap_err();
    }
    let mut longer = file;
    longer.push(0);
    assert!(
        read_bytes(&longer)
            .unwrap_err()
            .to_string()
            .ends_with(": 1 bytes behind the last tensor (expected the file to end with it)")
    );
}

proptest! {
    /// Damaged headers end in an answer; what is accepted lies inside the file and the crate
    /// accepts it too.
    #[test]
    fn flipped_bytes_never_panic_or_widen_what_is_accepted(
        flips in prop::collection::vec((0usize..246, 0u8..=255), 1..6)
    ) {
        let mut file = sound();
        for (at, byte) in flips {
            let at = at % file.len();
            file[at] = byte;
        }
        if let Ok(contents) = read_bytes(&file) {
            for tensor in &contents.tensors {
                prop_assert!(tensor.offset + tensor.bytes <= file.len() as u64);
            }
            prop_assert!(::safetensors::SafeTensors::deserialize(&file).is_ok());
        }
    }

    /// Any text behind a brace ends in an answer.
    #[test]
    fn any_text_ends_in_an_answer(text in "\\{[\\[\\]{}:,\"\\\\a-z0-9\\-. ]{0,200}", buffer in 0u64..64) {
        let _ = parsed(&text, buffer);
    }
}

/// The header of tensors of these formats and shapes, one behind the other, and their bytes.
fn laid_out(tensors: &[(Dtype, Vec<u64>)], metadata: &str) -> (String, u64) {
    let mut at = 0;
    let mut fields = vec![format!("\"__metadata__\":{metadata}")];
    for (number, (dtype, shape)) in tensors.iter().enumerate() {
        let elements: u64 = shape.iter().product();
        let begin = at;
        at += dtype.byte_len(elements).unwrap_or(0);
        fields.push(format!(
            r#" "a\u00e9.{number}" : {{"shape":{shape:?},"dtype":"{dtype}","data_offsets":[{begin},{at}]}}"#
        ));
    }
    (format!("{{{}}}  ", fields.join(",")), at)
}

proptest! {
    #[test]
    fn the_reference_reader_accepts_what_it_is_not_asked_about(
        tensors in proptest::collection::vec(
            (0..Dtype::ALL.len(), proptest::collection::vec(0u64..4, 0..4)),
            0..6,
        ),
        has_metadata in any::<bool>(),
    ) {
        let tensors = tensors.into_iter().map(|(dtype, shape)| (Dtype::ALL[dtype], shape));
        let tensors: Vec<(Dtype, Vec<u64>)> = tensors.collect();
        let metadata = if has_metadata { r#"{"format":"pt"}"# } else { "null" };
        let (text, bytes) = laid_out(&tensors, metadata);
        let start = [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        match parsed(&text, bytes) {
            Ok(header) if reference::must_accept(&header) => {
                prop_assert_eq!(reference::refusal(&start), None);
            }
            _ => {}
        }
    }
}

#[test]
fn plain_headers_need_no_second_opinion() {
    let plain = [
        (Dtype::Bf16, vec![3, 2]),
        (Dtype::F32, vec![]),
        (Dtype::I64, vec![5]),
    ];
    let (text, bytes) = laid_out(&plain, r#"{"format":"pt"}"#);
    assert!(reference::must_accept(&parsed(&text, bytes).unwrap()));
    let (text, bytes) = laid_out(&[(Dtype::F32, vec![3, 0])], "null");
    assert!(!reference::must_accept(&parsed(&text, bytes).unwrap()));
    let extra = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}}"#;
    assert!(!reference::must_accept(&parsed(extra, 8).unwrap()));
}
