//! PyTorch files that are cut short, contradict themselves, claim what no file has, or would run
//! something.

/// A zip member: name, flags, method, sizes in the list (packed, whole), content.
struct Member<'a> {
    name: &'a str,
    flags: u16,
    method: u16,
    sizes: Option<[u32; 2]>,
    extra: &'a [u8],
    content: &'a [u8],
}

fn member<'a>(name: &'a str, content: &'a [u8]) -> Member<'a> {
    Member {
        name,
        flags: 0,
        method: 0,
        sizes: None,
        extra: &[],
        content,
    }
}

/// An archive of these members.
fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for Member {
        name,
        flags,
        method,
        sizes,
        extra,
        content,
    } in members
    {
        let start = out.len() as u32;
        let [packed, whole] = sizes
            .unwrap_or([content.len() as u32; 2])
            .map(u32::to_le_bytes);
        let head = [
            &20u16.to_le_bytes()[..],
            &flags.to_le_bytes(),
            &method.to_le_bytes(),
            &[0; 8],
            &packed,
            &whole,
        ]
        .concat();
        let name_len = (name.len() as u16).to_le_bytes();
        out.extend(
            [
                &b"PK\x03\x04"[..],
                &head,
                &name_len,
                &[0; 2],
                name.as_bytes(),
                content,
            ]
            .concat(),
        );
        list.extend([&b"PK\x01\x02"[..], &20u16.to_le_bytes(), &head, &name_len].concat());
        list.extend(
            [
                &(extra.len() as u16).to_le_bytes()[..],
                &[0; 10],
                &start.to_le_bytes(),
                name.as_bytes(),
                extra,
            ]
            .concat(),
        );
    }
    let (count, start) = (
        (members.len() as u16).to_le_bytes(),
        (out.len() as u32).to_le_bytes(),
    );
    let len = (list.len() as u32).to_le_bytes();
    out.extend(list);
    out.extend(
        [
            &b"PK\x05\x06"[..],
            &[0; 4],
            &count,
            &count,
            &len,
            &start,
            &[0; 2],
        ]
        .concat(),
    );
    out
}

/// An archive with that pickle and one storage "0" of 8 floats.
fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    archive(&[
        member("m/data.pkl", pickle),
        member("m/data/0", &[0; 32]),
        member("m/byteorder", b"little"),
    ])
}

/// A pickled whole number below 2^31.
fn number(value: i32) -> Vec<u8> {
    [&b"J"[..], &value.to_le_bytes()].concat()
}

fn numbers(values: &[i32]) -> Vec<u8> {
    [
        &b"("[..],
        &values
            .iter()
            .flat_map(|&value| number(value))
            .collect::<Vec<_>>(),
        b"t",
    ]
    .concat()
}

fn short_text(text: &str) -> Vec<u8> {
    [
        &b"X"[..],
        &(text.len() as u32).to_le_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

/// What gives a tensor of the storage `key` of `count` floats.
fn tensor(key: &str, count: i32, offset: i32, sizes: &[i32], strides: &[i32]) -> Vec<u8> {
    [
        &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
        &short_text("storage"),
        b"ctorch\nFloatStorage\n",
        &short_text(key),
        &short_text("cpu"),
        &number(count),
        b"tQ",
        &number(offset),
        &numbers(sizes),
        &numbers(strides),
        b"\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat()
}

/// A pickled dictionary with a tensor "w", then `more`.
fn dictionary(tensor: &[u8], more: &[u8]) -> Vec<u8> {
    [&b"\x80\x02}("[..], &short_text("w"), tensor, more, b"u."].concat()
}

fn plain() -> Vec<u8> {
    tensor("0", 8, 0, &[2, 4], &[4, 1])
}

/// A sound file of one tensor.
pub(crate) fn sound() -> Vec<u8> {
    with_pickle(&dictionary(&plain(), &[]))
}

/// The 64-bit record and its locator before the end record of `file`, with that number, length and
/// start of the list.
fn zip64(file: &[u8], [count, len, start]: [u64; 3], record: Option<u64>) -> Vec<u8> {
    let end = file.len() - 22;
    let mut out = file[..end].to_vec();
    out.extend(
        [
            &b"PK\x06\x06"[..],
            &44u64.to_le_bytes(),
            &[0; 12],
            &count.to_le_bytes(),
            &count.to_le_bytes(),
        ]
        .concat(),
    );
    out.extend([len.to_le_bytes(), start.to_le_bytes()].concat());
    out.extend(
        [
            &b"PK\x06\x07"[..],
            &[0; 4],
            &record.unwrap_or(end as u64).to_le_bytes(),
            &[0; 4],
        ]
        .concat(),
    );
    out.extend([&b"PK\x05\x06"[..], &[0; 4], &[0xFF; 12], &[0; 2]].concat());
    out
}

/// The form before 1.6: magic number, protocol, system, object, keys, storages.
fn legacy(object: &[u8], keys: &[u8], storages: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let system = [&b"\x80\x02}"[..], &short_text("little_endian"), b"\x88s."].concat();
    [
        &magic[..],
        b"\x80\x02M\xe9\x03.",
        &system,
        object,
        keys,
        storages,
    ]
    .concat()
}

/// Name, content, and what is said behind `NAME.bin: `.
pub(crate) fn rows() -> Vec<(&'static str, Vec<u8>, String)> {
    let file = sound();
    let of = |offset: i32, sizes: &[i32], strides: &[i32]| {
        with_pickle(&dictionary(&tensor("0", 8, offset, sizes, strides), &[]))
    };
    let and = |more: &[u8]| {
        with_pickle(&dictionary(
            &plain(),
            &[&short_text("x")[..], more].concat(),
        ))
    };
    let data = dictionary(&plain(), &[]);
    let calling = |module: &str, name: &str| {
        let argument = short_text("touch pwned");
        and(&[
            &b"c"[..],
            module.as_bytes(),
            b"\n",
            name.as_bytes(),
            b"\n(",
            &argument,
            b"tR",
        ]
        .concat())
    };
    let storage_key = [&b"\x80\x02]("[..], &short_text("0"), b"e."].concat();
    let old = legacy(
        &dictionary(&plain(), &[]),
        &storage_key,
        &[&8u64.to_le_bytes()[..], &[0; 32]].concat(),
    );
    // Each call takes what the one before gave twice.
    let doubling: Vec<u8> = (0..64).flat_map(|_| *b"q\x01h\x01\x86").collect();
    let calls: Vec<u8> = (0..500)
        .flat_map(|_| *b"ccollections\nOrderedDict\n)R")
        .collect();
    let rows: Vec<(&'static str, Vec<u8>, &str)> = vec![
        (
            "cut-in-the-list",
            file[..file.len() - 30].to_vec(),
            "a zip archive without its list of members: cut short? (expected a whole PyTorch file)",
        ),
        (
            "cut-in-a-storage",
            file[..200].to_vec(),
            "a zip archive without its list of members: cut short? (expected a whole PyTorch file)",
        ),
        (
            "head-alone",
            b"PK\x03\x04".to_vec(),
            "a zip archive without its list of members: cut short? (expected a whole PyTorch file)",
        ),
        (
            "pickle-alone",
            dictionary(&plain(), &[]),
            "a pickle that torch.save did not write (expected a file of torch.save)",
        ),
        (
            "compressed-member",
            archive(&[Member {
                method: 8,
                ..member("m/data.pkl", &data)
            }]),
            "zip member \"m/data.pkl\" is compressed; PyTorch stores its members as they are",
        ),
        (
            "encrypted-member",
            archive(&[Member {
                flags: 1,
                ..member("m/data.pkl", &data)
            }]),
            "zip member \"m/data.pkl\" is encrypted",
        ),
        (
            "torchscript",
            archive(&[
                Member {
                    method: 8,
                    ..member("m/code/m.py", b"x")
                },
                member("m/data.pkl", &data),
            ]),
            "a TorchScript archive, a program with its weights (expected a state dictionary)",
        ),
        (
            "sizes-differ",
            archive(&[Member {
                sizes: Some([9, 10]),
                ..member("m/data.pkl", &data)
            }]),
            "zip member \"m/data.pkl\" is stored, but in 9 bytes for 10",
        ),
        (
            "member-past-the-end",
            archive(&[Member {
                sizes: Some([1 << 30; 2]),
                ..member("m/data.pkl", &data)
            }]),
            "zip member \"m/data.pkl\" of 1073741824 bytes runs past the end of the file",
        ),
        (
            "member-twice",
            archive(&[member("m/data.pkl", &data), member("m/data.pkl", &data)]),
            "zip member \"m/data.pkl\" occurs twice",
        ),
        (
            "no-pickle",
            archive(&[member("m/data/0", &[0; 32])]),
            "a zip archive with 0 members FOLDER/data.pkl (expected one)",
        ),
        (
            "two-pickles",
            archive(&[member("m/data.pkl", &data), member("n/data.pkl", &data)]),
            "a zip archive with 2 members FOLDER/data.pkl (expected one)",
        ),
        (
            "big-endian",
            archive(&[member("m/data.pkl", &data), member("m/byteorder", b"big")]),
            "a big-endian PyTorch file; little-endian files are read",
        ),
        (
            "pickle-at-a-path-outside",
            archive(&[
                member("../m/data.pkl", &data),
                member("/etc/data.pkl", &data),
            ]),
            "a zip archive with 0 members FOLDER/data.pkl (expected one)",
        ),
        (
            "no-storage",
            archive(&[member("m/data.pkl", &data)]),
            "tensor \"w\" lies in storage \"0\", which is not in the file",
        ),
        (
            "storage-outside",
            archive(&[
                member(
                    "m/data.pkl",
                    &dictionary(&tensor("../0", 8, 0, &[8], &[1]), &[]),
                ),
                member("m/0", &[0; 32]),
            ]),
            "tensor \"w\" lies in storage \"../0\", which is not in the file",
        ),
        (
            "storage-too-short",
            archive(&[member("m/data.pkl", &data), member("m/data/0", &[0; 31])]),
            "tensor \"w\" lies in storage \"0\" of 31 bytes, expected 8 elements",
        ),
        (
            "storage-past-the-end",
            archive(&[
                member("m/data.pkl", &data),
                Member {
                    sizes: Some([1 << 30; 2]),
                    ..member("m/data/0", &[0; 32])
                },
            ]),
            "zip member \"m/data/0\" of 1073741824 bytes runs past the end of the file",
        ),
        (
            "wide-sizes-without-a-field",
            archive(&[Member {
                sizes: Some([u32::MAX; 2]),
                ..member("m/data.pkl", &data)
            }]),
            "zip member \"m/data.pkl\" lacks its 64-bit sizes",
        ),
        (
            "wide-sizes-that-lie",
            archive(&[Member {
                sizes: Some([u32::MAX; 2]),
                extra: &[
                    &[1, 0, 16, 0][..],
                    &u64::MAX.to_le_bytes(),
                    &u64::MAX.to_le_bytes(),
                ]
                .concat(),
                ..member("m/data.pkl", &data)
            }]),
            "zip member \"m/data.pkl\" of 18446744073709551615 bytes runs past the end of the file",
        ),
        (
            "wide-list-missing",
            zip64(&file, [3, 1, 1], Some(7)),
            "a zip archive whose 64-bit list of members is missing",
        ),
        (
            "wide-record-past-the-end",
            zip64(&file, [3, 1, 1], Some(u64::MAX)),
            "zip64 record of 4 bytes at byte 18446744073709551615 runs past the zip64 record (byte 539)",
        ),
        (
            "wide-list-of-2-to-the-60",
            zip64(&file, [1 << 60, 200, 300], None),
            "the list of zip members is broken",
        ),
        (
            "wide-list-past-the-end",
            zip64(&file, [3, 1 << 60, 1 << 60], None),
            "the list of zip members is not inside the file",
        ),
        (
            "wide-list-overflows",
            zip64(&file, [3, u64::MAX, u64::MAX], None),
            "the list of zip members is not inside the file",
        ),
        (
            "more-members-than-the-list-has",
            {
                let mut f = file.clone();
                let at = f.len() - 12;
                f[at] = 200;
                f
            },
            "a zip member of 4 bytes at byte 483 runs past the list of members (byte 483)",
        ),
        (
            "runs-a-command",
            calling("os", "system"),
            "the pickle names os.system, which weights do not need; nothing was run",
        ),
        (
            "runs-a-command-on-posix",
            calling("posix", "system"),
            "the pickle names posix.system, which weights do not need; nothing was run",
        ),
        (
            "evaluates",
            calling("builtins", "eval"),
            "the pickle names builtins.eval, which weights do not need; nothing was run",
        ),
        (
            "loads-a-module",
            calling("importlib", "import_module"),
            "the pickle names importlib.import_module, which weights do not need; nothing was run",
        ),
        (
            "gets-an-attribute",
            calling("__builtin__", "getattr"),
            "the pickle names __builtin__.getattr, which weights do not need; nothing was run",
        ),
        (
            "whole-module",
            with_pickle(b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81}b."),
            "a pickled module of class \"torch.nn.modules.linear.Linear\", a program and not a file of weights (expected its weights: torch.save(module.state_dict(), OUT))",
        ),
        (
            "escape-codes-in-a-global",
            calling("o\u{1b}[2Js", "sys\ttem"),
            "the pickle names o\\u001B[2Js.sys\\u0009tem, which weights do not need; nothing was run",
        ),
        (
            "stack-global",
            with_pickle(b"\x80\x02\x8c\x02os\x8c\x06system\x93."),
            "the pickle names os.system, which weights do not need; nothing was run",
        ),
        (
            "protocol-4",
            with_pickle(b"\x80\x04}."),
            "a PyTorch file without a dictionary of tensors",
        ),
        (
            "unknown-opcode",
            with_pickle(b"\x80\x02\xff."),
            "pickle opcode 0xFF at byte 42 is not among those that PyTorch writes (expected a file of torch.save)",
        ),
        (
            "text-opcode",
            with_pickle(b"\x80\x02I5\n."),
            "a PyTorch file without a dictionary of tensors",
        ),
        (
            "no-stop",
            with_pickle(b"\x80\x02}"),
            "a pickle opcode of 1 bytes at byte 43 runs past the end of data.pkl (byte 43)",
        ),
        (
            "nothing",
            with_pickle(b""),
            "a pickle opcode of 1 bytes at byte 40 runs past the end of data.pkl (byte 40)",
        ),
        (
            "stop-alone",
            with_pickle(b"\x80\x02."),
            "a pickle with an operation on nothing",
        ),
        (
            "mark-missing",
            with_pickle(b"\x80\x02}u."),
            "a pickle with no mark where one is needed before byte 44",
        ),
        (
            "below-the-mark",
            with_pickle(b"\x80\x02}(K\x01s."),
            "a pickle with an operation on nothing before byte 47",
        ),
        (
            "memory-not-set",
            with_pickle(b"\x80\x02h\x07."),
            "a pickle with memory cell 7 read before it is set before byte 44",
        ),
        (
            "memory-cell-2-to-the-32",
            with_pickle(b"\x80\x02}r\xff\xff\xff\xffj\xff\xff\xff\xff."),
            "a PyTorch file without a dictionary of tensors",
        ),
        (
            "text-of-4-gigabytes",
            with_pickle(b"\x80\x02X\xff\xff\xff\xffx."),
            "a pickled text of 4294967295 bytes at byte 47 runs past the end of data.pkl (byte 49)",
        ),
        (
            "endless-name",
            with_pickle(&[&b"\x80\x02c"[..], &[b'a'; 1000]].concat()),
            "a pickle with a global of an endless name",
        ),
        (
            "tuples-of-themselves",
            with_pickle(&[&b"\x80\x02)"[..], &doubling, b"."].concat()),
            "a PyTorch file without a dictionary of tensors",
        ),
        (
            "calls-on-calls",
            with_pickle(&[&b"\x80\x02"[..], &calls, b"R."].concat()),
            "a pickle with a call whose arguments are no tuple before byte 13543",
        ),
        (
            "dictionary-in-itself",
            with_pickle(b"\x80\x02}q\x01X\x05\0\0\0modelh\x01s."),
            "a PyTorch file without a dictionary of tensors: its one key is \"model\" (expected a state dictionary)",
        ),
        (
            "no-dictionary",
            with_pickle(b"\x80\x02K\x01."),
            "a PyTorch file without a dictionary of tensors",
        ),
        (
            "negative-size",
            of(0, &[-2, 4], &[4, 1]),
            "a pickle with a tensor whose offset, size or stride are no counts before byte 197",
        ),
        (
            "negative-offset",
            of(-1, &[8], &[1]),
            "a pickle with a tensor whose offset, size or stride are no counts before byte 187",
        ),
        (
            "offset-past-the-end",
            of(5, &[4], &[1]),
            "tensor \"w\" reaches 36 bytes into a storage of 32 bytes",
        ),
        (
            "stride-past-the-end",
            of(0, &[2, 4], &[5, 1]),
            "tensor \"w\" reaches 36 bytes into a storage of 32 bytes",
        ),
        (
            "strides-missing",
            of(0, &[2, 4], &[4]),
            "a pickle with a tensor with another number of axes than strides before byte 192",
        ),
        (
            "billions-by-stride-0",
            of(0, &[40_000, 40_000, 4], &[0, 0, 1]),
            "tensor \"w\" is an expanded view of 25600000000 bytes, more than its storage holds (expected at most 268435456 bytes of expanded views)",
        ),
        (
            "shape-product-overflows",
            of(0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]),
            "tensor \"w\" has the shape [2147483647, 2147483647, 2147483647], more elements than can be counted",
        ),
        (
            "more-elements-than-stored",
            with_pickle(&dictionary(&tensor("0", i32::MAX, 0, &[8], &[1]), &[])),
            "tensor \"w\" lies in storage \"0\" of 32 bytes, expected 2147483647 elements",
        ),
        (
            "tensor-twice",
            with_pickle(&dictionary(
                &plain(),
                &[&short_text("w")[..], &tensor("0", 8, 4, &[4], &[1])].concat(),
            )),
            "tensor \"w\" occurs twice",
        ),
        (
            "old-cut-in-the-pickles",
            old[..60].to_vec(),
            "a pickled name of 1 bytes at byte 60 runs past the end of the pickles (byte 60)",
        ),
        (
            "old-cut-in-a-storage",
            old[..old.len() - 1].to_vec(),
            "storage \"0\" runs past the end of the file",
        ),
        (
            "old-storage-of-2-to-the-63",
            legacy(
                &dictionary(&plain(), &[]),
                &storage_key,
                &u64::MAX.to_le_bytes(),
            ),
            "storage \"0\" runs past the end of the file",
        ),
        (
            "old-runs-a-command",
            legacy(
                &dictionary(b"cos\nsystem\n(X\x01\0\0\0xtR", &[]),
                &storage_key,
                &[],
            ),
            "the pickle names os.system, which weights do not need; nothing was run",
        ),
        (
            "old-big-endian",
            [
                &old[..21],
                b"\x80\x02}X\x0d\0\0\0little_endian\x89s.",
                &old[43..],
            ]
            .concat(),
            "a big-endian PyTorch file; little-endian files are read",
        ),
        (
            "tar",
            [&b"././@PaxHeader"[..], &[0; 600]].concat(),
            "no weight file of a known format (expected safetensors, GGUF or PyTorch)",
        ),
        ("legal-sound", file.clone(), ""),
        ("legal-turned", of(0, &[4, 2], &[1, 4]), ""),
        ("legal-expanded", of(0, &[50, 4], &[0, 1]), ""),
        (
            "legal-64-bit-list",
            {
                let end = file.len() - 22;
                let word = |at: usize| {
                    u64::from(u32::from_le_bytes([
                        file[at],
                        file[at + 1],
                        file[at + 2],
                        file[at + 3],
                    ]))
                };
                zip64(&file, [3, word(end + 12), word(end + 16)], None)
            },
            "",
        ),
        ("legal-old", old.clone(), ""),
    ];
    rows.into_iter()
        .map(|(name, content, what)| (name, content, what.to_owned()))
        .collect()
}
