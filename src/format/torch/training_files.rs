//! Files as training programs write them: which of their dictionaries is the model.

use std::path::Path;

use super::tests::archive;
use super::*;
use crate::source::Memory;

/// Bytes of a pickled text.
fn text(text: &str) -> Vec<u8> {
    [
        b"X",
        &(text.len() as u32).to_le_bytes()[..],
        text.as_bytes(),
    ]
    .concat()
}

/// A pickled dictionary.
fn dictionary(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = pairs
        .iter()
        .flat_map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(".to_vec(), items.collect(), b"u".to_vec()].concat()
}

/// A pickled tensor of these axes, each below 256, at the front of storage "0" of 256 floats.
fn tensor(shape: &[u8]) -> Vec<u8> {
    let tuple = |items: &[u8]| {
        let items: Vec<u8> = items.iter().flat_map(|&item| [b'K', item]).collect();
        [&b"("[..], &items, b"t"].concat()
    };
    let strides: Vec<u8> = (1..=shape.len())
        .map(|at| shape[at..].iter().product())
        .collect();
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        b"M\0\x01tQK\0".to_vec(),
        tuple(shape),
        tuple(&strides),
        b"\x89NtR".to_vec(),
    ]
    .concat()
}

fn read(root: Vec<u8>) -> Result<TorchFile> {
    let pickle = [b"\x80\x02".to_vec(), root, b".".to_vec()].concat();
    let bytes = archive(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 1024])]);
    parse_torch(&Memory::new(Path::new("model.pt"), &bytes), 0)
}

fn names(root: Vec<u8>) -> Vec<String> {
    let file = read(root).unwrap();
    file.tensors
        .into_iter()
        .map(|tensor| tensor.info.name)
        .collect()
}

fn adam() -> Vec<u8> {
    let moments = dictionary(&[
        ("exp_avg", tensor(&[9, 9])),
        ("exp_avg_sq", tensor(&[9, 9])),
    ]);
    dictionary(&[
        ("state", dictionary(&[("0", moments)])),
        ("param_groups", b"]".to_vec()),
    ])
}

fn linear() -> Vec<u8> {
    dictionary(&[("fc.weight", tensor(&[3, 4])), ("fc.bias", tensor(&[3]))])
}

#[test]
fn the_state_of_an_optimizer_is_never_the_model() {
    // The moments are twice the model's size, and a scalar stands beside both.
    for key in [
        "model",
        "state_dict",
        "model_state",
        "net",
        "weights",
        "ema",
        "an own key",
    ] {
        let file = dictionary(&[
            ("optimizer", adam()),
            (key, linear()),
            ("best_val_loss", tensor(&[])),
            ("rng_state", tensor(&[200])),
        ]);
        assert_eq!(names(file), ["fc.weight", "fc.bias"], "{key}");
    }
    // Told by what it holds, whatever it is called.
    let file = dictionary(&[("stuff", adam()), ("network", linear())]);
    assert_eq!(names(file), ["fc.weight", "fc.bias"]);
}

#[test]
fn where_only_an_optimizer_is_the_error_says_so() {
    let of = |root| read(root).unwrap_err().to_string();
    let error = of(dictionary(&[("optimizer_state_dict", adam())]));
    assert!(
        error.contains("only an optimizer's state, no weights"),
        "{error}"
    );
    let error = of(dictionary(&[
        ("ds_version", text("0.18")),
        ("optimizer_state_dict", adam()),
    ]));
    assert!(error.contains("zero_to_fp32.py"), "{error}");
}

#[test]
fn dictionaries_inside_of_the_weights_are_joined_with_them() {
    let language_model = dictionary(&[
        ("embedding", dictionary(&[("word.weight", tensor(&[8, 4]))])),
        ("encoder", linear()),
        ("output_layer", dictionary(&[("weight", tensor(&[8, 4]))])),
    ]);
    let file = dictionary(&[
        ("model", dictionary(&[("language_model", language_model)])),
        ("iteration", b"K\x05".to_vec()),
    ]);
    assert_eq!(
        names(file),
        [
            "embedding.word.weight",
            "encoder.fc.weight",
            "encoder.fc.bias",
            "output_layer.weight"
        ]
    );
    let parts = dictionary(&[
        ("encoder", linear()),
        ("decoder", dictionary(&[("out", tensor(&[4, 4]))])),
    ]);
    assert_eq!(
        names(parts),
        ["encoder.fc.weight", "encoder.fc.bias", "decoder.out"]
    );
    // A matrix of its own makes a dictionary the model.
    let mixed = dictionary(&[("embed", tensor(&[2, 2])), ("layers", linear())]);
    assert_eq!(
        names(mixed),
        ["embed", "layers.fc.weight", "layers.fc.bias"]
    );
}

#[test]
fn of_several_models_the_largest_is_read_and_the_others_are_named() {
    let small = dictionary(&[
        ("a.weight", tensor(&[2, 2])),
        ("b.weight", tensor(&[2, 2])),
        ("c.weight", tensor(&[2, 2])),
    ]);
    let large = dictionary(&[("a.weight", tensor(&[9, 9]))]);
    let file = read(dictionary(&[
        ("generator", small.clone()),
        ("discriminator", large),
    ]))
    .unwrap();
    assert_eq!(file.tensors[0].info.shape, [9, 9]);
    let keys = vec!["generator".to_owned()];
    let read_key = "discriminator".to_owned();
    assert_eq!(
        file.warnings,
        [Warning::PickleParts {
            read: read_key,
            keys
        }]
    );
    assert_eq!(file.others[0].1[0].info.name, "generator.a.weight");
    // Keys that say nothing, and the same names in both.
    let file = read(dictionary(&[("x1", small.clone()), ("x2", small)])).unwrap();
    assert_eq!(
        (file.tensors.len(), file.others.len(), file.key.as_deref()),
        (3, 1, Some("x1"))
    );
}

#[test]
fn ordinary_files_bring_no_warning_and_unknown_classes_are_told_of() {
    let plain = read(dictionary(&[
        ("state_dict", linear()),
        ("epoch", b"K\x07".to_vec()),
    ]))
    .unwrap();
    assert_eq!(plain.warnings, []);
    let of_class = |module: &str| [b"c", module.as_bytes(), b"\nThing\n)\x81}b"].concat();
    let file = |module| {
        dictionary(&[
            ("state_dict", linear()),
            ("hyper_parameters", of_class(module)),
        ])
    };
    let noted = read(file("my.own.package")).unwrap();
    let names = vec!["my.own.package.Thing".to_owned()];
    assert_eq!(noted.warnings, [Warning::PickleGlobals { names, more: 0 }]);
    for module in [
        "posix",
        "os.path",
        "subprocess",
        "torch.hub",
        "importlib._bootstrap",
    ] {
        let error = read(file(module)).unwrap_err().to_string();
        assert!(
            error.contains("which weights do not need; nothing was run"),
            "{module}: {error}"
        );
    }
}

#[test]
fn names_of_protocol_4_are_held_against_the_same_list() {
    let stacked = |module: &str, name: &str| {
        let named = [
            b"\x8c",
            &[module.len() as u8][..],
            module.as_bytes(),
            b"\x94",
        ]
        .concat();
        let name = [
            b"\x8c",
            &[name.len() as u8][..],
            name.as_bytes(),
            b"\x94\x93",
        ]
        .concat();
        [named, name].concat()
    };
    let call = |module, name| [stacked(module, name), b")R".to_vec()].concat();
    let of = |value| read(dictionary(&[("state_dict", linear()), ("x", value)]));
    assert!(of(call("datetime", "datetime")).is_ok());
    for (module, name) in [
        ("builtins", "eval"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("torch", "hub.load"),
    ] {
        let error = of(call(module, name)).unwrap_err().to_string();
        assert!(
            error.contains("nothing was run"),
            "{module}.{name}: {error}"
        );
    }
}

#[test]
fn a_pickled_module_is_told_how_to_become_weights() {
    let module = b"c__main__\nNet\n)\x81}b".to_vec();
    let error = |root| read(root).unwrap_err().to_string();
    let alone = error(module.clone());
    assert!(
        alone.contains("a pickled module of class \"__main__.Net\"")
            && alone.contains("state_dict()"),
        "{alone}"
    );
    let inner = b"ctorch.nn.modules.linear\nLinear\n)\x81}b".to_vec();
    let wrapped = error(dictionary(&[
        ("model", inner),
        ("epoch", b"K\x01".to_vec()),
    ]));
    assert!(
        wrapped.contains("torch.nn.modules.linear.Linear"),
        "{wrapped}"
    );
}

#[test]
fn a_key_that_is_used_over_and_over_costs_no_more_than_its_file() {
    let key = "k".repeat(100_000);
    let again: Vec<u8> = b"h\x01h\x02".repeat(20_000);
    let root = [
        b"}(".to_vec(),
        text(&key),
        b"q\x01".to_vec(),
        tensor(&[4]),
        b"q\x02".to_vec(),
        again,
        b"u".to_vec(),
    ]
    .concat();
    let error = read(root).unwrap_err().to_string();
    assert!(error.contains("more names than its text holds"), "{error}");
}

#[test]
fn views_that_overlap_are_bounded_by_their_file() {
    // 70,000 views of 15 by 17 floats of one storage, each at another place or of another shape.
    let pairs: Vec<(String, Vec<u8>)> = (0..70_000u32)
        .map(|number| {
            let mut pickled = tensor(&[15, 17]);
            let offset = pickled
                .windows(4)
                .position(|four| four == b"tQK\0")
                .unwrap();
            pickled[offset + 3] = (number % 2) as u8;
            (format!("t{number}"), pickled)
        })
        .collect();
    let pairs: Vec<(&str, Vec<u8>)> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    // Two places only: all others are tied.
    assert_eq!(read(dictionary(&pairs)).unwrap().tied().len(), 69_998);
}
