//! GGUF files that are cut short, contradict themselves or claim what no file has.

/// A string behind its length.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A key with the number of its type and the bytes of its value.
fn pair(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key)[..], &kind.to_le_bytes(), value].concat()
}

fn architecture() -> Vec<u8> {
    pair("general.architecture", 8, &text("llama"))
}

/// A tensor info: axes fastest first, number of the type, offset in the data.
fn info(name: &str, axes: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let axes_bytes: Vec<u8> = axes.iter().flat_map(|axis| axis.to_le_bytes()).collect();
    [
        &text(name)[..],
        &(axes.len() as u32).to_le_bytes(),
        &axes_bytes,
        &kind.to_le_bytes(),
        &offset.to_le_bytes(),
    ]
    .concat()
}

/// A file of that version that claims so many tensors and pairs, with `body` behind and `data`
/// bytes from the next multiple of 32 on.
fn claiming(version: u32, tensors: u64, pairs: u64, body: &[Vec<u8>], data: usize) -> Vec<u8> {
    let head = [
        &b"GGUF"[..],
        &version.to_le_bytes(),
        &tensors.to_le_bytes(),
        &pairs.to_le_bytes(),
    ]
    .concat();
    let mut file = [head, body.concat()].concat();
    if data > 0 {
        file.resize(file.len().next_multiple_of(32), 0);
    }
    file.extend((0..data).map(|i| i as u8));
    file
}

/// A file of these pairs and tensors with `data` bytes.
fn file(pairs: &[Vec<u8>], infos: &[Vec<u8>], data: usize) -> Vec<u8> {
    claiming(
        3,
        infos.len() as u64,
        pairs.len() as u64,
        &[pairs, infos].concat(),
        data,
    )
}

/// A sound file: two tensors and 96 bytes of data.
pub(crate) fn sound() -> Vec<u8> {
    let tokens = [
        &8u32.to_le_bytes()[..],
        &2u64.to_le_bytes(),
        &text("a"),
        &text("b"),
    ]
    .concat();
    let counts = [
        &4u32.to_le_bytes()[..],
        &3u64.to_le_bytes(),
        &[1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0],
    ]
    .concat();
    let pairs = [
        architecture(),
        pair("llama.block_count", 4, &1u32.to_le_bytes()),
        pair("llama.attention.head_count", 9, &counts),
        pair("tokenizer.ggml.tokens", 9, &tokens),
    ];
    file(
        &pairs,
        &[
            info("token_embd.weight", &[8, 2], 0, 0),
            info("blk.0.attn_q.weight", &[32, 1], 8, 64),
        ],
        98,
    )
}

/// A part of a split model with one tensor.
pub(crate) fn part(index: u16, count: u16, tensors: i32, name: &str) -> Vec<u8> {
    let pairs = [
        architecture(),
        pair("split.no", 2, &index.to_le_bytes()),
        pair("split.count", 2, &count.to_le_bytes()),
        pair("split.tensors.count", 5, &tensors.to_le_bytes()),
    ];
    file(&pairs, &[info(name, &[8], 0, 0)], 32)
}

/// Name, content, and what is said behind `NAME.gguf: `.
pub(crate) fn rows() -> Vec<(&'static str, Vec<u8>, String)> {
    const HUGE: u64 = 1 << 60;
    let one = |info: Vec<u8>| file(&[architecture()], &[info], 32);
    let with = |value: Vec<u8>| file(&[value], &[], 0);
    let nested: Vec<u8> = (0..1000)
        .flat_map(|_| [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
        .collect();
    let rows: Vec<(&'static str, Vec<u8>, &str)> = vec![
        (
            "cut-in-the-counts",
            sound()[..20].to_vec(),
            "the metadata count of 8 bytes at byte 16 runs past the end of the file (byte 20)",
        ),
        (
            "cut-in-a-key",
            sound()[..40].to_vec(),
            "a metadata key of 20 bytes at byte 32 runs past the end of the file (byte 40)",
        ),
        (
            "cut-in-the-tokens",
            sound()[..200].to_vec(),
            "metadata \"tokenizer.ggml.tokens\" of 4 bytes at byte 197 runs past the end of the file (byte 200)",
        ),
        (
            "cut-in-a-tensor-info",
            sound()[..270].to_vec(),
            "tensor \"token_embd.weight\" of 8 bytes at byte 264 runs past the end of the file (byte 270)",
        ),
        (
            "cut-in-the-data",
            sound()[..sound().len() - 1].to_vec(),
            "tensor \"blk.0.attn_q.weight\" of 34 bytes runs past the end of the file (449 bytes)",
        ),
        (
            "version-1",
            claiming(1, 0, 0, &[], 0),
            "GGUF version 1; versions 2 and 3 are read",
        ),
        (
            "version-4",
            claiming(4, 0, 0, &[], 0),
            "GGUF version 4; versions 2 and 3 are read",
        ),
        (
            "big-endian",
            claiming(3u32.swap_bytes(), 0, 0, &[], 0),
            "a big-endian GGUF file; little-endian files are read",
        ),
        (
            "tensors-2-to-the-60",
            claiming(3, HUGE, 0, &[], 0),
            "1152921504606846976 tensors, more than the 1048576 that are read",
        ),
        (
            "a-million-tensors",
            claiming(3, 1 << 20, 0, &[], 0),
            "a tensor name of 8 bytes at byte 24 runs past the end of the file (byte 24)",
        ),
        (
            "pairs-2-to-the-60",
            claiming(3, 0, HUGE, &[], 0),
            "1152921504606846976 metadata pairs, more than the 65536 that are read",
        ),
        (
            "key-past-the-end",
            claiming(3, 0, 1, &[HUGE.to_le_bytes().to_vec()], 0),
            "a metadata key of 1152921504606846976 bytes at byte 32 runs past the end of the file (byte 32)",
        ),
        (
            "key-not-utf-8",
            with([&1u64.to_le_bytes()[..], b"\xff", &7u32.to_le_bytes(), &[1]].concat()),
            "a metadata key is no UTF-8",
        ),
        (
            "text-past-the-end",
            with(pair("general.name", 8, &u64::MAX.to_le_bytes())),
            "metadata \"general.name\" of 18446744073709551615 bytes at byte 56 runs past the end of the file (byte 56)",
        ),
        (
            "value-of-an-unknown-type",
            with(pair("x", 13, &[0; 8])),
            "metadata \"x\" has the unknown type 13",
        ),
        (
            "array-2-to-the-60",
            with(pair(
                "x",
                9,
                &[&4u32.to_le_bytes()[..], &HUGE.to_le_bytes()].concat(),
            )),
            "metadata \"x\" of 4611686018427387904 bytes at byte 49 runs past the end of the file (byte 49)",
        ),
        (
            "texts-2-to-the-60",
            with(pair(
                "x",
                9,
                &[&8u32.to_le_bytes()[..], &HUGE.to_le_bytes()].concat(),
            )),
            "metadata \"x\" of 9223372036854775808 bytes at byte 49 runs past the end of the file (byte 49)",
        ),
        (
            "array-of-an-unknown-type",
            with(pair(
                "x",
                9,
                &[&99u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat(),
            )),
            "metadata \"x\" is an array of the unknown type 99",
        ),
        (
            "arrays-1000-deep",
            with(pair("x", 9, &nested)),
            "metadata \"x\" nests arrays more than 4 deep",
        ),
        (
            "key-twice",
            file(&[architecture(), architecture()], &[], 0),
            "metadata key \"general.architecture\" occurs twice",
        ),
        (
            "alignment-0",
            with(pair("general.alignment", 4, &0u32.to_le_bytes())),
            "general.alignment is no power of two",
        ),
        (
            "alignment-48",
            with(pair("general.alignment", 4, &48u32.to_le_bytes())),
            "general.alignment is no power of two",
        ),
        (
            "alignment-text",
            with(pair("general.alignment", 8, &text("32"))),
            "general.alignment is no power of two",
        ),
        (
            "five-axes",
            one(info("x", &[1, 1, 1, 1, 1], 0, 0)),
            "tensor \"x\" has 5 axes, expected at most 4",
        ),
        (
            "axes-2-to-the-32",
            one([&text("x")[..], &u32::MAX.to_le_bytes()].concat()),
            "tensor \"x\" has 4294967295 axes, expected at most 4",
        ),
        (
            "shape-product-overflows",
            one(info("x", &[1 << 32, 1 << 32], 0, 0)),
            "tensor \"x\" has the shape [4294967296, 4294967296], more elements than can be counted",
        ),
        (
            "bytes-overflow",
            one(info("x", &[1 << 62], 0, 0)),
            "tensor \"x\" has the shape [4611686018427387904], more elements than can be counted",
        ),
        (
            "bytes-past-the-end",
            one(info("x", &[1 << 40, 1 << 20], 0, 0)),
            "tensor \"x\" of 4611686018427387904 bytes runs past the end of the file (160 bytes)",
        ),
        (
            "unknown-tensor-type",
            one(info("x", &[8], 99, 0)),
            "tensor \"x\" has the tensor type 99, which is not known",
        ),
        (
            "removed-tensor-type",
            one(info("x", &[32], 4, 0)),
            "tensor \"x\" has the tensor type 4, which is not known",
        ),
        (
            "half-a-block",
            one(info("x", &[16], 8, 0)),
            "tensor \"x\" has rows of 16 elements, expected whole Q8_0 blocks of 32",
        ),
        (
            "offset-not-aligned",
            one(info("x", &[4], 0, 8)),
            "tensor \"x\" begins at 8, expected a multiple of 32",
        ),
        (
            "offset-past-the-end",
            one(info("x", &[8], 0, 1 << 40)),
            "tensor \"x\" of 32 bytes runs past the end of the file (160 bytes)",
        ),
        (
            "offset-overflows",
            one(info("x", &[8], 0, u64::MAX - 31)),
            "tensor \"x\" of 32 bytes runs past the end of the file (160 bytes)",
        ),
        (
            "overlap",
            file(
                &[architecture()],
                &[info("x", &[16], 0, 0), info("y", &[8], 0, 32)],
                64,
            ),
            "tensors \"x\" and \"y\" overlap",
        ),
        (
            "one-range-for-two",
            file(
                &[architecture()],
                &[info("x", &[8], 0, 0), info("y", &[8], 0, 0)],
                32,
            ),
            "tensors \"x\" and \"y\" overlap",
        ),
        (
            "tensor-twice",
            file(
                &[architecture()],
                &[info("x", &[8], 0, 0), info("x", &[8], 0, 32)],
                64,
            ),
            "tensor \"x\" occurs twice",
        ),
        (
            "escape-codes-in-a-name",
            one(info("\u{1b}[2J\r\n\u{202e}", &[8], 99, 0)),
            "tensor \"\\u001B[2J\\r\\n\\u202E\" has the tensor type 99, which is not known",
        ),
        (
            "split-without-a-number",
            with(pair("split.count", 2, &2u16.to_le_bytes())),
            "split.no and split.count are no counts",
        ),
        (
            "split-number-too-large",
            part(3, 3, 3, "x"),
            "split.no is 3, expected less than split.count, 3",
        ),
        (
            "a-part-under-another-name",
            part(0, 2, 2, "x"),
            "states that it is part 1 of 2, found as 1 of 1",
        ),
        ("legal-sound", sound(), ""),
        ("legal-no-tensors", file(&[architecture()], &[], 0), ""),
        ("legal-scalar", one(info("x", &[], 0, 0)), ""),
        (
            "legal-empty-tensor-past-the-end",
            file(&[architecture()], &[info("x", &[0], 0, 64)], 0),
            "",
        ),
    ];
    rows.into_iter()
        .map(|(name, content, what)| (name, content, what.to_owned()))
        .collect()
}
