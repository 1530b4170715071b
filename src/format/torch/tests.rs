//! Files as PyTorch writes them (tests/reference/torch_file.py), and files that lie.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::model::dtype::Dtype;
use crate::source::Memory;

fn parse(bytes: &[u8]) -> Result<TorchFile> {
    parse_torch(&Memory::new(Path::new("model.bin"), bytes), 0)
}

fn error(bytes: &[u8]) -> String {
    parse(bytes).unwrap_err().to_string()
}

fn sample(form: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/reference/torch_{form}.bin",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

/// Bytes of a tensor in row-major order.
fn read(tensor: &TorchTensor, bytes: &[u8], out: &mut [u8]) {
    let len = tensor.info.bytes;
    match tensor.layout() {
        Some(view) => view
            .read(&Memory::new(Path::new("model.bin"), bytes), 0..len, out)
            .unwrap(),
        None => out.copy_from_slice(&bytes[tensor.info.offset as usize..][..len as usize]),
    }
}

/// Values of an F32 tensor in row-major order.
fn floats(file: &TorchFile, bytes: &[u8], name: &str) -> Vec<f32> {
    let tensor = file
        .tensors
        .iter()
        .find(|tensor| tensor.info.name == name)
        .unwrap();
    assert_eq!(tensor.info.dtype, Dtype::F32);
    let mut out = vec![0; tensor.info.bytes as usize];
    read(tensor, bytes, &mut out);
    out.chunks(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

fn stored<'a>(file: &TorchFile, bytes: &'a [u8], name: &str) -> (Dtype, &'a [u8]) {
    let info = &file
        .tensors
        .iter()
        .find(|tensor| tensor.info.name == name)
        .unwrap()
        .info;
    (
        info.dtype,
        &bytes[info.offset as usize..][..info.bytes as usize],
    )
}

#[test]
fn both_forms_hold_the_same_tensors() {
    for form in ["zip", "legacy"] {
        let bytes = sample(form);
        let file = parse(&bytes).unwrap();
        assert_eq!(
            floats(&file, &bytes, "a.weight"),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            "{form}"
        );
        assert_eq!(
            floats(&file, &bytes, "a.transposed"),
            [0.0, 3.0, 1.0, 4.0, 2.0, 5.0],
            "{form}"
        );
        assert_eq!(
            file.tensors[1].strides.as_deref(),
            Some(&[1, 3][..]),
            "{form}"
        );
        assert_eq!(file.tied(), [("tied.weight", "a.weight")], "{form}");
        assert_eq!(
            stored(&file, &bytes, "half"),
            (Dtype::F16, &b"\x00\x3c\x00\x40\x00\x42\x00\x44"[..]),
            "{form}"
        );
        assert_eq!(
            stored(&file, &bytes, "slice"),
            (Dtype::Bf16, &b"\x80\x40\xa0\x40\xc0\x40\xe0\x40"[..]),
            "{form}"
        );
        assert_eq!(
            stored(&file, &bytes, "count"),
            (Dtype::I64, &(-5i64).to_le_bytes()[..]),
            "{form}"
        );
        let count = file
            .tensors
            .iter()
            .find(|tensor| tensor.info.name == "count")
            .unwrap();
        assert_eq!(count.info.shape, [0u64; 0], "{form}");
        assert!(
            file.globals
                .contains(&"torch._utils._rebuild_tensor_v2".to_owned()),
            "{form}"
        );
        let codes: Vec<_> = file
            .warnings
            .iter()
            .map(|w| (w.code(), w.name().unwrap_or_default()))
            .collect();
        let both = [("tensor_not_read", "conjugated".to_owned())];
        assert!(codes.starts_with(&both), "{form}: {codes:?}");
    }
}

#[test]
fn newer_dtypes_and_unread_tensors_of_the_zip_form() {
    let bytes = sample("zip");
    let file = parse(&bytes).unwrap();
    assert_eq!(
        stored(&file, &bytes, "float8"),
        (Dtype::F8E4M3, &b"\x38\x40\x44\x48"[..])
    );
    let sparse = file
        .warnings
        .iter()
        .find(|warning| warning.name().as_deref() == Some("sparse"))
        .unwrap();
    let expected = Warning::TensorNotRead {
        name: "sparse".to_owned(),
        what: NotRead::Sparse,
    };
    assert_eq!(*sparse, expected);
}

/// An archive of stored members.
pub(super) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let start = out.len() as u32;
        let (len, name_len) = (
            (data.len() as u32).to_le_bytes(),
            (name.len() as u16).to_le_bytes(),
        );
        out.extend(
            [
                &b"PK\x03\x04"[..],
                &[0; 14],
                &len,
                &len,
                &name_len,
                &[0; 2],
                name.as_bytes(),
                data,
            ]
            .concat(),
        );
        list.extend(
            [
                &b"PK\x01\x02"[..],
                &[0; 16],
                &len,
                &len,
                &name_len,
                &[0; 12],
            ]
            .concat(),
        );
        list.extend([&start.to_le_bytes()[..], name.as_bytes()].concat());
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
    archive(&[("m/data.pkl", pickle), ("m/data/0", &[0; 32])])
}

/// A pickle of {"w": tensor} with that offset, sizes and strides, each below 256.
fn tensor_pickle(offset: u8, sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let tuple = |items: &[u8]| {
        [
            &b"("[..],
            &items.iter().flat_map(|&i| [b'K', i]).collect::<Vec<_>>(),
            b"t",
        ]
        .concat()
    };
    let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" as &[u8];
    [
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(",
        storage,
        b"0X\x03\0\0\0cpuK\x08tQK",
        &[offset],
        &tuple(sizes),
        &tuple(strides),
        b"\x89NtRs.",
    ]
    .concat()
}

#[test]
fn tensors_that_leave_their_storage_are_refused() {
    let of =
        |offset, sizes: &[u8], strides: &[u8]| with_pickle(&tensor_pickle(offset, sizes, strides));
    assert!(parse(&of(0, &[2, 4], &[4, 1])).is_ok());
    assert!(parse(&of(4, &[4], &[1])).is_ok());
    assert!(error(&of(5, &[4], &[1])).contains("reaches 36 bytes into a storage of 32 bytes"));
    assert!(error(&of(0, &[2, 4], &[5, 1])).contains("reaches 36 bytes"));
    assert!(error(&of(0, &[2, 4], &[4])).contains("another number of axes than strides"));
    assert!(error(&of(9, &[0], &[1])).contains("reaches 36 bytes"));
    let axes = [255; 9];
    assert!(error(&of(0, &axes, &axes)).contains("more elements than can be counted"));
    assert_eq!(
        parse(&of(0, &[200, 4], &[0, 1])).unwrap().tensors[0]
            .info
            .bytes,
        3200
    );
    assert!(
        error(&of(0, &[200, 200, 200, 200], &[0, 0, 0, 0]))
            .contains("an expanded view of 6400000000 bytes")
    );
    let pickle = tensor_pickle(0, &[8], &[1]);
    assert!(error(&archive(&[("m/data.pkl", &pickle)])).contains("which is not in the file"));
    assert!(
        error(&archive(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 31])]))
            .contains("of 31 bytes, expected 8 elements")
    );
}

#[test]
fn names_off_the_list_are_refused_and_listed() {
    let pickle = b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85Rcos\x1b\npopen\n0." as &[u8];
    assert!(error(&with_pickle(pickle)).contains("names os\\u001B.popen, posix.system,"));
    let pickle = b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85Rcos\x1b\npopen\n\x86." as &[u8];
    let message = error(&with_pickle(pickle));
    assert!(
        message.contains(
            "names os\\u001B.popen, posix.system, which weights do not need; nothing was run"
        ),
        "{message}"
    );
}

#[test]
fn pickles_of_other_kinds_and_broken_ones_are_refused() {
    let of = |pickle: &[u8]| error(&with_pickle(pickle));
    assert!(of(b"\x80\x06}.").contains("pickle protocol 6 (expected 5 at most)"));
    assert!(of(b"\x80\x02}.").contains("without a dictionary of tensors"));
    assert!(of(b"\x80\x02").contains("runs past the end of data.pkl"));
    assert!(of(b"\x80\x02.").contains("an operation on nothing"));
    assert!(of(b"\x80\x02t.").contains("no mark where one is needed"));
    assert!(of(b"\x80\x02}(K\x01u.").contains("a key without a value"));
    assert!(of(b"\x80\x02}(K\x01(u.").contains("keys set in what is no dictionary"));
    assert!(of(b"\x80\x02h\x07.").contains("memory cell 7 read before it is set"));
    assert!(of(b"\x80\x02X\xff\xff\xff\xff.").contains("a pickled text of 4294967295 bytes"));
    assert!(of(b"\x80\x02Q").contains("an operation on nothing"));
    assert!(of(&[&b"\x80\x02c"[..], &[b'x'; 600]].concat()).contains("endless name"));
    assert!(
        of(&[&b"\x80\x02"[..], &vec![b'}'; 3 << 20]].concat())
            .contains("more values than are read")
    );
}

/// A dictionary that holds the one before it twice, 60 times over: 2^60 ways from the root to the
/// first.
#[test]
fn a_module_under_the_key_of_the_model_is_told_before_all_else() {
    let optimizer = b"X\x0e\0\0\0optimizer_dict}X\x0c\0\0\0param_groups]s";
    for key in ["model", "ema_model", "net"] {
        let pickle = [
            &b"\x80\x02}(X"[..],
            &(key.len() as u32).to_le_bytes(),
            key.as_bytes(),
            b"cdetector.tasks\nNet\n)\x81",
            optimizer,
            b"u.",
        ];
        let error = error(&with_pickle(&pickle.concat()));
        assert!(
            error.contains("a pickled module of class \"detector.tasks.Net\""),
            "{key}: {error}"
        );
    }
}

#[test]
fn shared_values_are_visited_once() {
    let mut pickle = b"\x80\x02}q\x00".to_vec();
    for level in 0..60u8 {
        pickle.extend([
            b'}',
            b'(',
            b'K',
            0,
            b'h',
            level,
            b'K',
            1,
            b'h',
            level,
            b'u',
            b'q',
            level + 1,
        ]);
    }
    pickle.push(b'.');
    assert!(error(&with_pickle(&pickle)).contains("without a dictionary of tensors"));
}

#[test]
fn archives_of_other_kinds_and_broken_ones_are_refused() {
    let good = with_pickle(&tensor_pickle(0, &[8], &[1]));
    assert!(parse(&good).is_ok());
    let list = good
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        error(&bytes)
    };
    assert!(changed(list + 10, 8).contains("is compressed"));
    assert!(changed(list + 8, 1).contains("is encrypted"));
    assert!(changed(list + 20, 1).contains("is stored, but in"));
    assert!(changed(list + 42, 1).contains("has no local header"));
    assert!(changed(good.len() - 22 + 19, 1).contains("is not inside the file"));
    assert!(error(&good[..good.len() - 1]).contains("cut short?"));
    assert!(
        error(&archive(&[("a/data.pkl", b"."), ("b/data.pkl", b".")]))
            .contains("2 members FOLDER/data.pkl")
    );
    assert!(error(&archive(&[("data.pkl", b".")])).contains("0 members FOLDER/data.pkl"));
    assert!(
        error(&archive(&[("m/data.pkl", b"."), ("m/data.pkl", b".")])).contains("occurs twice")
    );
    assert!(
        error(&archive(&[("m/data.pkl", b"."), ("m/byteorder", b"big")])).contains("big-endian")
    );
    assert!(error(b"PK\x03\x04").contains("cut short?"));
    assert!(error(b"").contains("no PyTorch file"));
    assert!(error(b"./._x ustar").contains("no PyTorch file"));
}

#[test]
fn a_cut_file_is_refused_at_every_byte() {
    for form in ["zip", "legacy"] {
        let bytes = sample(form);
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_err(), "{form} cut to {len} bytes");
        }
    }
}

#[test]
fn an_archive_with_64_bit_sizes_is_read() {
    let pickle = tensor_pickle(0, &[8], &[1]);
    let good = with_pickle(&pickle);
    // The same, with the end record's fields moved to the 64-bit record.
    let end = good.len() - 22;
    let (size, start) = (
        u32::from_le_bytes(good[end + 12..end + 16].try_into().unwrap()),
        u32::from_le_bytes(good[end + 16..end + 20].try_into().unwrap()),
    );
    let mut bytes = good[..end].to_vec();
    bytes.extend(
        [
            &b"PK\x06\x06"[..],
            &44u64.to_le_bytes(),
            &[0; 12],
            &2u64.to_le_bytes(),
            &2u64.to_le_bytes(),
        ]
        .concat(),
    );
    bytes.extend(
        [
            u64::from(size).to_le_bytes(),
            u64::from(start).to_le_bytes(),
        ]
        .concat(),
    );
    bytes.extend(
        [
            &b"PK\x06\x07"[..],
            &[0; 4],
            &(end as u64).to_le_bytes(),
            &[0; 4],
        ]
        .concat(),
    );
    bytes.extend([&b"PK\x05\x06"[..], &[0; 4], &[0xFF; 12], &[0; 2]].concat());
    assert_eq!(
        parse(&bytes).unwrap().tensors,
        parse(&good).unwrap().tensors
    );
}

/// Whatever parses has tensors inside the file.
fn assert_sound(bytes: &[u8]) {
    if let Ok(file) = parse(bytes) {
        for tensor in &file.tensors {
            assert!(tensor.info.bytes <= EXPANDED_LIMIT);
            read(tensor, bytes, &mut vec![0; tensor.info.bytes as usize]);
        }
        file.tied();
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(zip in any::<bool>(), changes in prop::collection::vec((0usize..2600, any::<u8>()), 1..5)) {
        let mut bytes = sample(if zip { "zip" } else { "legacy" });
        for (at, value) in changes {
            let len = bytes.len();
            bytes[at % len] = value;
        }
        assert_sound(&bytes);
    }

    #[test]
    fn random_opcodes_never_panic(tail in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(&b"(tRQbsuae}])\x85\x86\x87Nq\x00h\x00K\x01."[..])], 0..60,
    )) {
        assert_sound(&with_pickle(&[&b"\x80\x02}q\x00ctorch\nFloatStorage\nccollections\nOrderedDict\n"[..], &tail].concat()));
    }
}
