//! What libraries flatten or stack in other orders: maps in front of a fully connected layer, gates
//! of recurrent cells; and axes of length one. A copy in another order is a copy, and a stranger stays one.

use crate::support::encoded::{Folder, compare, expect_label, model as decoder};
use crate::support::weights::{Model, Values};

const CHANNELS: usize = 32;
const SIDE: usize = 4;
const HIDDEN: usize = 64;

/// Convolutions, and a layer that reads their flattened map.
fn detector(seed: &str) -> Model {
    let mut model = Model::default();
    model.shaped(seed, "conv1.weight", &[16, 3, 3, 3]);
    model.shaped(seed, "conv2.weight", &[CHANNELS, 16, 3, 3]);
    model.matrix(seed, "dense4.weight", HIDDEN, CHANNELS * SIDE * SIDE);
    model.matrix(seed, "dense5.weight", 10, HIDDEN);
    model
}

/// The layer behind the map with its columns in another order: `place` gives the new column of a
/// channel, a row and a column of the map.
fn flattened(mut model: Model, place: impl Fn(usize, usize, usize) -> usize) -> Model {
    let dense = model.0.get_mut("dense4.weight").unwrap();
    let columns = dense.shape[1];
    let old = dense.values.clone();
    for (at, value) in old.iter().enumerate() {
        let (row, column) = (at / columns, at % columns);
        let (channel, rest) = (column / (SIDE * SIDE), column % (SIDE * SIDE));
        let new = place(channel, rest / SIDE, rest % SIDE);
        dense.values[row * columns + new] = *value;
    }
    model
}

#[test]
fn a_layer_behind_a_flattened_map_is_read_in_its_order() {
    let folder = Folder::new();
    let stored =
        |name: &str, model: &Model| folder.safetensors(name, &model.stored(|_| "F32"), None);
    let base = stored("base", &detector("one"));
    let channels_last = |c, h, w| (h * SIDE + w) * CHANNELS + c;
    let turned = |c, h, w| (c * SIDE + w) * SIDE + h;
    let both = |c, h, w| (w * SIDE + h) * CHANNELS + c;
    for (name, copy, stranger) in [
        (
            "last",
            flattened(detector("one"), channels_last),
            flattened(detector("other"), channels_last),
        ),
        (
            "turned",
            flattened(detector("one"), turned),
            flattened(detector("other"), turned),
        ),
        (
            "both",
            flattened(detector("one"), both),
            flattened(detector("other"), both),
        ),
    ] {
        let report = compare(&base, &stored(name, &copy));
        expect_label(&report, "re_encoded");
        let tuned = copy.trained("tuned", |_| 0.05);
        expect_label(
            &compare(&base, &stored(&format!("{name}-tuned"), &tuned)),
            "derived",
        );
        let report = compare(&base, &stored(&format!("{name}-stranger"), &stranger));
        let label = report["verdict"]["label"].as_str().unwrap();
        assert!(
            ["from_scratch", "inconclusive"].contains(&label),
            "{name}: {label}"
        );
    }
}

/// An LSTM whose gates are stacked in `order`.
fn recurrent(seed: &str, order: [usize; 4]) -> Model {
    let mut model = Model::default();
    model.matrix(seed, "encoder.weight", HIDDEN, 40);
    for name in ["lstm.weight_ih_l0", "lstm.weight_hh_l0"] {
        model.matrix(seed, name, 4 * HIDDEN, HIDDEN);
        let cell = model.0.get_mut(name).unwrap();
        let gates: Vec<Vec<f64>> = cell
            .values
            .chunks(HIDDEN * HIDDEN)
            .map(<[f64]>::to_vec)
            .collect();
        let values = order.iter().flat_map(|&gate| gates[gate].clone()).collect();
        *cell = Values {
            shape: cell.shape.clone(),
            values,
        };
    }
    model
}

#[test]
fn gates_of_a_recurrent_cell_are_read_in_their_order() {
    let folder = Folder::new();
    let stored =
        |name: &str, model: &Model| folder.safetensors(name, &model.stored(|_| "F32"), None);
    let base = stored("base", &recurrent("one", [0, 1, 2, 3]));
    // ONNX stacks input, output, forget and cell gates; PyTorch input, forget, cell and output.
    let onnx = recurrent("one", [0, 3, 1, 2]);
    expect_label(&compare(&base, &stored("onnx", &onnx)), "re_encoded");
    let tuned = onnx.trained("tuned", |_| 0.05);
    expect_label(&compare(&base, &stored("tuned", &tuned)), "derived");
    let stranger = recurrent("other", [0, 3, 1, 2]);
    let report = compare(&base, &stored("stranger", &stranger));
    let label = report["verdict"]["label"].as_str().unwrap();
    assert!(["from_scratch", "inconclusive"].contains(&label), "{label}");
}

#[test]
fn a_matrix_with_an_axis_of_one_is_that_matrix() {
    let folder = Folder::new();
    let base = decoder("one");
    let stored =
        |name: &str, model: &Model| folder.safetensors(name, &model.stored(|_| "F32"), None);
    let path = stored("base", &base);
    // As a convolution of one position.
    let as_kernels = |mut model: Model| {
        let is_linear = |name: &str| name.contains("proj");
        for (_, tensor) in model.0.iter_mut().filter(|(name, _)| is_linear(name)) {
            tensor.shape.push(1);
        }
        model
    };
    let tuned = as_kernels(base.trained("tuned", |_| 0.05));
    let report = compare(&path, &stored("tuned", &tuned));
    expect_label(&report, "derived");
    let covered = report["coverage"]["matrices"]["target"].as_f64();
    assert_eq!(covered, Some(1.0));
    // With an axis for a batch in front: neither experts nor more tokens.
    let mut batched = base.trained("tuned", |_| 0.05);
    for tensor in batched.0.values_mut().filter(|t| t.shape.len() == 2) {
        tensor.shape.insert(0, 1);
    }
    let report = compare(&path, &stored("batched", &batched));
    expect_label(&report, "derived");
    let relations = report["verdict"]["relations"].to_string();
    for not_so in ["upcycled", "vocabulary_extended"] {
        assert!(!relations.contains(not_so), "{relations}");
    }
    let stranger = as_kernels(decoder("other"));
    let report = compare(&path, &stored("stranger", &stranger));
    let label = report["verdict"]["label"].as_str().unwrap();
    assert!(["from_scratch", "inconclusive"].contains(&label), "{label}");
}
