//! What each fuzz target does with its bytes. A target fails by panicking; what is refused is as
//! good as what is read, and what is read must lie inside the file.
//!
//! Run one with `cargo +nightly fuzz run --fuzz-dir tests/fuzz gguf`. The corpus is run by
//! `tests/corpus.rs` too, with seeded changes of its bytes, so that the targets are exercised
//! without nightly.

use std::path::Path;
use std::sync::Arc;

use wcmp::Io;
use wcmp::internals::format::gguf::{
    declared_base, join_splits, norm_offset, parse_gguf, row_order, tiled, to_config, tokens,
};
use wcmp::internals::format::parse_torch;
use wcmp::internals::numeric::RowSource;
use wcmp::internals::source::Memory;
use wcmp::internals::view::Model;
use wcmp::internals::view::pieces;
use wcmp::open_checkpoint;
use wcmp::results::terms::TensorInfo;

/// Opens a checkpoint of these files, and checks that its tensors lie in them.
fn open(files: &[(&str, &[u8])]) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    for (name, data) in files {
        if std::fs::write(folder.path().join(name), data).is_err() {
            return;
        }
    }
    if let Ok(opened) = open_checkpoint(folder.path(), Io::Read) {
        for tensor in &opened.checkpoint.tensors {
            let end = tensor.offset.checked_add(tensor.bytes).expect("an end");
            assert!(
                tensor.bytes == 0 || end <= opened.checkpoint.files[tensor.file].bytes,
                "past the end"
            );
        }
        read_rows(&Model::new(opened));
    }
}

/// Reads the first and the last row of every tensor, and of every piece of a fused one.
fn read_rows(model: &Model) {
    let pieces = model
        .logicals
        .iter()
        .flat_map(|logical| pieces(logical, &model.facts));
    for logical in model
        .logicals
        .iter()
        .cloned()
        .chain(pieces.map(Arc::new).take(PIECES))
    {
        let Ok(view) = model.view(&logical) else {
            continue;
        };
        let (rows, columns) = (view.rows(), view.columns());
        if rows > 0 && columns <= COLUMNS {
            let mut row = vec![0.0; columns];
            view.read_rows(0..1, &mut row).expect("a first row");
            view.read_rows(rows - 1..rows, &mut row)
                .expect("a last row");
        }
    }
}

/// Longest row that is read; a tensor without bytes may have any number of columns.
const COLUMNS: usize = 1 << 16;

/// Most pieces that are read.
const PIECES: usize = 1 << 8;

/// A safetensors file.
pub fn header(data: &[u8]) {
    open(&[("model.safetensors", data)]);
}

/// An index beside two shards that hold the tensors "a" and "b".
pub fn index(data: &[u8]) {
    let shard = |name: &str| {
        let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
        [
            &(header.len() as u64).to_le_bytes()[..],
            header.as_bytes(),
            &[0; 4],
        ]
        .concat()
    };
    let (a, b) = (shard("a"), shard("b"));
    open(&[
        ("model-00001-of-00002.safetensors", &a),
        ("model-00002-of-00002.safetensors", &b),
        ("model.safetensors.index.json", data),
    ]);
}

/// A sketch: its tensors claim more than lies in the file.
pub fn sketch(data: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let file = folder.path().join("model.sketch");
    if std::fs::write(&file, data).is_ok()
        && let Ok(opened) = open_checkpoint(&file, Io::Read)
    {
        read_rows(&Model::new(opened));
    }
}

/// A GGUF file.
pub fn gguf(data: &[u8]) {
    let path = Path::new("model.gguf");
    let Ok(file) = parse_gguf(&Memory::new(path, data), 0) else {
        return;
    };
    for tensor in &file.tensors {
        let end = tensor.offset.checked_add(tensor.bytes).expect("an end");
        assert!(
            tensor.bytes == 0 || end <= data.len() as u64,
            "past the end"
        );
        if let Some(order) = row_order(&file.metadata, &tensor.name) {
            let rows = tensor.shape.first().copied().unwrap_or(0);
            order.stored_row(rows.saturating_sub(1), rows);
        }
        norm_offset(&file.metadata, &tensor.name);
        if let Some(tiles) = tiled(&file.metadata, &tensor.name) {
            tiles.end();
        }
    }
    to_config(&file);
    declared_base(&file.metadata);
    if let Some(tokens) = tokens(&file.metadata) {
        assert_eq!(tokens.iter().count(), tokens.len());
    }
    let _ = join_splits(vec![(path.to_path_buf(), file)]);
    open(&[("model.gguf", data)]);
}

/// Bytes that are read of a view, which may be longer than its file.
const PART: u64 = 1 << 12;

/// A PyTorch file.
pub fn torch(data: &[u8]) {
    let source = Memory::new(Path::new("model.bin"), data);
    let Ok(file) = parse_torch(&source, 0) else {
        return;
    };
    for tensor in &file.tensors {
        let TensorInfo { offset, bytes, .. } = tensor.info;
        match tensor.layout() {
            None => assert!(
                offset
                    .checked_add(bytes)
                    .is_some_and(|end| end <= data.len() as u64),
                "past the end"
            ),
            Some(view) => {
                assert_eq!(view.len(), bytes);
                let part = bytes.min(PART);
                let mut out = vec![0; part as usize];
                view.read(&source, 0..part, &mut out)
                    .expect("elements inside the file");
                view.read(&source, bytes - part..bytes, &mut out)
                    .expect("elements inside the file");
            }
        }
    }
    file.tied();
}

/// The pickle of a PyTorch file with one storage "0" of 64 bytes.
pub fn pickle(data: &[u8]) {
    let (mut archive, mut list) = (Vec::new(), Vec::new());
    for (name, data) in [("m/data.pkl", data), ("m/data/0", &[0; 64][..])] {
        let start = (archive.len() as u32).to_le_bytes();
        let (len, name_len) = (
            (data.len() as u32).to_le_bytes(),
            (name.len() as u16).to_le_bytes(),
        );
        let sizes = [&len[..], &len, &name_len].concat();
        archive.extend(
            [
                &b"PK\x03\x04"[..],
                &[0; 14],
                &sizes,
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
                &sizes,
                &[0; 12],
                &start,
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let end = [list.len() as u32, archive.len() as u32]
        .map(u32::to_le_bytes)
        .concat();
    archive.extend(
        [
            &list[..],
            b"PK\x05\x06",
            &[0, 0, 0, 0, 2, 0, 2, 0],
            &end,
            &[0; 2],
        ]
        .concat(),
    );
    torch(&archive);
}
