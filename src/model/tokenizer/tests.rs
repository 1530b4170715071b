use proptest::prelude::*;

use super::*;

fn of(tokens: &[&str], merges: &[&str]) -> Tokenizer {
    let tokens = tokens.iter().map(|token| token.as_bytes());
    let merges = merges.iter().map(|merge| merge.as_bytes());
    Tokenizer::from_lists(tokens, Some(merges)).unwrap()
}

#[test]
fn tokenizer_json_is_read_in_both_forms_of_merges_with_its_added_tokens() {
    let strings = br#"{"version":"1.0","added_tokens":[{"id":3,"content":"<s>","special":true},{"id":9,"content":"a"}],
        "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b","ab a"]}}"#;
    let pairs = br#"{"added_tokens":[{"content":"<s>","id":3}],
        "model":{"vocab":{"ab":2,"b":1,"a":0},"merges":[["a","b"],["ab","a"]]}}"#;
    let read = Tokenizer::from_json(strings).unwrap();
    assert_eq!(read, Tokenizer::from_json(pairs).unwrap());
    assert_eq!(
        (read.len(), read.id(b"<s>"), read.id(b"a"), read.id(b"c")),
        (4, Some(3), Some(0), None)
    );
}

#[test]
fn a_list_of_pieces_has_its_ids_from_its_order() {
    let read = Tokenizer::from_json(
        br#"{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5],["b",-2]]}}"#,
    );
    let read = read.unwrap();
    assert_eq!((read.len(), read.id(b"b"), read.merges), (3, Some(2), None));
}

#[test]
fn vocab_json_and_merges_txt_are_one_tokenizer() {
    let merges = b"#version: 0.2\na b\r\n\nc c\n";
    let read =
        Tokenizer::from_vocabulary(br#"{"a":0,"b":1,"ab":2,"c":3,"cc":4}"#, Some(merges)).unwrap();
    assert_eq!(read, of(&["a", "b", "ab", "c", "cc"], &["a b", "c c"]));
}

/// `pieces { piece: "a" score: -1 }`, `pieces { piece: "b" type: CONTROL }`, `trainer_spec {}`.
const MODEL: &[u8] = b"\x0a\x08\x0a\x01a\x15\x00\x00\x80\xbf\x0a\x05\x0a\x01b\x18\x03\x12\x00";

#[test]
fn sentencepiece_models_are_read_and_cut_ones_are_refused() {
    let read = Tokenizer::from_sentencepiece(MODEL).unwrap();
    assert_eq!(
        (read.len(), read.id(b"a"), read.id(b"b")),
        (2, Some(0), Some(1))
    );
    for end in [1, 2, 5, 11, 14, 16] {
        Tokenizer::from_sentencepiece(&MODEL[..end]).unwrap_err();
    }
    Tokenizer::from_sentencepiece(b"").unwrap_err();
    Tokenizer::from_sentencepiece(b"IQ== 0\nIg== 1\n").unwrap_err();
    Tokenizer::from_sentencepiece(b"\x0a\x02\x18\x03").unwrap_err();
    Tokenizer::from_sentencepiece(&[0xff; 40]).unwrap_err();
}

#[test]
fn hostile_files_are_errors() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"model":{}}"#,
        r#"{"model":{"vocab":{}}}"#,
        r#"{"model":{"vocab":{"a":-1}}}"#,
        r#"{"model":{"vocab":{"a":4294967296}}}"#,
        r#"{"model":{"vocab":[["a",0],[]]}}"#,
        r#"{"model":{"vocab":{"a":0},"merges":[["a"]]}}"#,
        r#"{"model":{"vocab":{"a":0},"merges":[["a","b","c"]]}}"#,
        r#"{"model":{"vocab":{"a":0},"merges":[1]}}"#,
        r#"{"model":{"vocab":{"a":0}},"added_tokens":[{"id":1}]}"#,
    ] {
        Tokenizer::from_json(text.as_bytes()).unwrap_err();
    }
    let deep = format!("{{\"model\":{{\"vocab\":[[\"a\",{}", "[".repeat(100_000));
    Tokenizer::from_json(deep.as_bytes()).unwrap_err();
    Tokenizer::from_json(b"{\"model\":{\"vocab\":{\"\xff\":0}}}").unwrap_err();
}

#[test]
fn a_string_that_occurs_twice_keeps_its_least_id() {
    let read = Tokenizer::from_lists(
        [b"x".as_slice(), b"\xff\xfe", b"x"].into_iter(),
        None::<std::iter::Empty<&[u8]>>,
    );
    let read = read.unwrap();
    assert_eq!(
        (read.len(), read.id(b"x"), read.id(b"\xff\xfe")),
        (2, Some(0), Some(1))
    );
}

#[test]
fn overlap_counts_strings_ids_and_the_order_of_merges() {
    let base = of(
        &["a", "b", "c", "ab", "bc", "abc"],
        &["a b", "b c", "ab c", "c a"],
    );
    let target = of(
        &["a", "c", "b", "ab", "x"],
        &["b c", "a b", "ab c", "x y", "b c"],
    );
    let overlap = Overlap::of(&base, &target);
    assert_eq!(
        (overlap.shared_tokens, overlap.same_id, overlap.sizes),
        (4, 2, [6, 5])
    );
    assert_eq!(
        (overlap.merges_common, overlap.merges_in_order),
        (Some(3), Some(2))
    );
    let itself = Overlap::of(&base, &base);
    assert_eq!(
        (itself.shared_tokens, itself.same_id, itself.merges_in_order),
        (6, 6, Some(4))
    );
    let pieces = Tokenizer::from_sentencepiece(MODEL).unwrap();
    assert_eq!(Overlap::of(&base, &pieces).merges_common, None);
}

#[test]
fn rows_are_paired_by_string_or_else_by_id() {
    let base = of(&["a", "b", "c", "d"], &[]);
    let target = of(&["c", "a", "x", "b", "d"], &[]);
    assert_eq!(
        shared(Some(&base), Some(&target), [4, 5]),
        [[0, 1], [1, 3], [2, 0], [3, 4]]
    );
    assert_eq!(shared(Some(&base), Some(&target), [3, 2]), [[0, 1], [2, 0]]);
    assert_eq!(
        shared(Some(&base), Some(&base), [6, 6]),
        [[0, 0], [1, 1], [2, 2], [3, 3]]
    );
    assert_eq!(shared(Some(&base), None, [2, 9]), [[0, 0], [1, 1]]);
    assert_eq!(shared(None, None, [0, 9]), [[0usize; 2]; 0]);
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..18) {
        let _ = Tokenizer::from_sentencepiece(&bytes);
        let _ = Tokenizer::from_json(&bytes);
        let _ = Tokenizer::from_vocabulary(&bytes, Some(&bytes));
        let damaged = [&MODEL[..at], &bytes].concat();
        let _ = Tokenizer::from_sentencepiece(&damaged);
    }

    #[test]
    fn overlap_is_symmetric_and_bounded(a in proptest::collection::vec("[ab]{1,3}", 1..12), b in proptest::collection::vec("[ab]{1,3}", 1..12)) {
        let strings = |list: &[String]| {
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            of(&list, &list)
        };
        let (a, b) = (strings(&a), strings(&b));
        let (there, back) = (Overlap::of(&a, &b), Overlap::of(&b, &a));
        prop_assert_eq!((there.shared_tokens, there.same_id), (back.shared_tokens, back.same_id));
        prop_assert_eq!((there.merges_common, there.merges_in_order), (back.merges_common, back.merges_in_order));
        prop_assert!(there.same_id <= there.shared_tokens && there.merges_in_order <= there.merges_common);
        prop_assert_eq!(shared(Some(&a), Some(&b), [99, 99]).len() as u64, there.shared_tokens);
    }
}
