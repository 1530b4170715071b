//! `wcmp sketch`, and what is said of a model of which a sketch is at hand alone
//! (guide/sketches.md).

mod hostile;
mod library;
mod parts;

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempDir;

use self::parts::Parts;
use crate::support::command::{answer, error_line, fixture, run, text};
use crate::support::draws::Draws;
use crate::support::file::safetensors;
use crate::support::weights::{Decoder, Model};

const SIZE: Decoder = Decoder {
    hidden: 64,
    ffn: 160,
    layers: 4,
    heads: 4,
    kv_heads: 2,
    vocab: 700,
    experts: 0,
};

/// Of its units a sketch keeps a tenth by chance.
const WIDE: Decoder = Decoder { ffn: 640, ..SIZE };

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A sketch of the checkpoint at `of`, as `name` in `folder`.
#[track_caller]
fn sketch(of: &Path, folder: &TempDir, name: &str) -> PathBuf {
    let file = folder.path().join(format!("{name}.sketch"));
    let output = run(&["sketch", path(of), "--output", path(&file), "-q"]);
    answer(&output, 0);
    file
}

#[track_caller]
fn json(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--format", "json"]].concat());
    serde_json::from_str(answer(&output, 0)).expect("JSON")
}

#[track_caller]
fn compare(base: &Path, target: &Path) -> Value {
    json(&["compare", path(base), path(target)])
}

fn label(report: &Value) -> &str {
    report["verdict"]["label"].as_str().expect("a label")
}

/// A checkpoint of this model in BF16.
fn written(model: &Model, folder: &TempDir, name: &str) -> PathBuf {
    let file = folder.path().join(format!("{name}.safetensors"));
    fs::write(&file, safetensors(&model.stored(|_| "BF16"))).expect("write");
    file
}

/// A checkpoint of this model, and its sketch.
fn with_sketch(model: &Model, folder: &TempDir, name: &str) -> [PathBuf; 2] {
    let model = written(model, folder, name);
    let of_model = sketch(&model, folder, name);
    [model, of_model]
}

/// The model with units that count more and less, as they do in trained ones.
fn varied(model: &Model, size: Decoder) -> Model {
    let mut out = model.clone();
    for layer in 0..size.layers {
        let up = format!("model.layers.{layer}.mlp.up_proj.weight");
        let up = out.0.get_mut(&up).expect("a matrix");
        let mut draws = Draws::new(&["sizes", &layer.to_string()]);
        for row in up.values.chunks_exact_mut(size.hidden) {
            let factor = (0.5 * draws.normal()).exp();
            row.iter_mut().for_each(|x| *x *= factor);
        }
    }
    out
}

/// The model with the units of every feed-forward in another order.
fn reordered(model: &Model, size: Decoder) -> Model {
    let mut out = model.clone();
    for layer in 0..size.layers {
        let mut order: Vec<usize> = (0..size.ffn).collect();
        let mut draws = Draws::new(&["order", &layer.to_string()]);
        for at in (1..size.ffn).rev() {
            order.swap(at, (draws.unit() * (at + 1) as f64) as usize);
        }
        let name = |part: &str| format!("model.layers.{layer}.mlp.{part}_proj.weight");
        for part in ["gate", "up"] {
            let from = &model.0[&name(part)].values;
            let rows = order.iter();
            let rows = rows.flat_map(|&row| from[row * size.hidden..][..size.hidden].to_vec());
            out.0.get_mut(&name(part)).expect("a matrix").values = rows.collect();
        }
        let down = out.0.get_mut(&name("down")).expect("a matrix");
        let from = &model.0[&name("down")].values;
        for (row, values) in down.values.chunks_exact_mut(size.ffn).enumerate() {
            let columns = order.iter().map(|&column| from[row * size.ffn + column]);
            values.copy_from_slice(&columns.collect::<Vec<_>>());
        }
    }
    out
}

#[test]
fn a_sketch_is_the_same_bytes_for_any_threads_and_either_way_of_reading() {
    let folder = TempDir::new().expect("a directory");
    let model = written(&Model::decoder("bytes", SIZE), &folder, "model");
    let fused = fixture("moe-base");
    for of in [&model, &fused] {
        let take = |threads: &str, io: &str| {
            let file = folder.path().join(format!("{threads}-{io}.sketch"));
            let arguments = ["sketch", path(of), "--output", path(&file)];
            let output = run(&[&arguments[..], &["--threads", threads, "--io", io, "-q"]].concat());
            answer(&output, 0);
            fs::read(file).expect("a sketch")
        };
        let one = take("1", "mmap");
        for threads in ["1", "2", "3"] {
            for io in ["mmap", "read"] {
                assert!(take(threads, io) == one, "--threads {threads} --io {io}");
            }
        }
    }
}

#[test]
fn labels_are_those_from_the_weights() {
    let folder = TempDir::new().expect("a directory");
    let pairs = [
        ("base", "base"),
        ("base", "fine-tuned"),
        ("base", "independent"),
        ("base", "partial-reuse"),
        ("base", "mixed-dtypes"),
        ("moe-base", "moe-fine-tuned"),
        ("vlm-base", "vlm-new-decoder"),
        ("independent", "fine-tuned"),
    ];
    for (base, target) in pairs {
        let [of_base, of_target] = [base, target].map(fixture);
        let [base_sketch, target_sketch] =
            [base, target].map(|name| sketch(&fixture(name), &folder, name));
        let from_weights = compare(&of_base, &of_target);
        for (base_given, target_given) in [
            (&base_sketch, &of_target),
            (&of_base, &target_sketch),
            (&base_sketch, &target_sketch),
        ] {
            let report = compare(base_given, target_given);
            let kinds = [&report["base"], &report["target"]].map(|side| side["kind"].clone());
            let is_sketch = |given: &Path| given.extension().is_some_and(|end| end == "sketch");
            let expected = [base_given, target_given].map(|given| match is_sketch(given) {
                true => "sketch",
                false => "checkpoint",
            });
            assert_eq!(kinds, expected);
            assert_eq!(
                label(&report),
                label(&from_weights),
                "{} {}",
                base_given.display(),
                target_given.display()
            );
        }
    }
}

#[test]
fn units_in_another_order_are_found_from_sketches_of_either_side_and_of_both() {
    let folder = TempDir::new().expect("a directory");
    let base = varied(&Model::decoder("reordered", WIDE), WIDE);
    let copy = reordered(&base, WIDE).trained("more", |_| 0.05);
    let ([base, of_base], [copy, of_copy]) = (
        with_sketch(&base, &folder, "base"),
        with_sketch(&copy, &folder, "copy"),
    );
    for (base, copy) in [
        (&base, &copy),
        (&of_base, &copy),
        (&base, &of_copy),
        (&of_base, &of_copy),
    ] {
        let report = compare(base, copy);
        assert_eq!(label(&report), "derived", "{}", report["verdict"]);
        let relations = report["verdict"]["relations"].as_array().expect("a list");
        assert!(relations.contains(&"permuted".into()), "{relations:?}");
        let moved = &report["transformations"][0];
        assert_eq!(moved["kind"], "ffn_permuted");
        assert_eq!(
            moved["found_in"].as_array().map(Vec::len),
            Some(SIZE.layers)
        );
    }
}

#[test]
fn experts_in_another_order_are_found_from_sketches_and_none_is_called_independent() {
    let size = Decoder {
        ffn: 160,
        experts: 8,
        ..SIZE
    };
    let folder = TempDir::new().expect("a directory");
    let base = Model::decoder("experts", size);
    let mut copy = base.clone();
    for (name, tensor) in &base.0 {
        let Some((stem, rest)) = name.split_once(".experts.") else {
            continue;
        };
        let (number, rest) = rest.split_once('.').expect("a number");
        let number: usize = number.parse().expect("a number");
        let moved = format!("{stem}.experts.{}.{rest}", (number + 3) % size.experts);
        copy.0.insert(moved, tensor.clone());
    }
    assert_ne!(base.0, copy.0);
    let ([base, of_base], [copy, of_copy]) = (
        with_sketch(&base, &folder, "base"),
        with_sketch(&copy, &folder, "copy"),
    );
    for (base, copy) in [(&of_base, &copy), (&base, &of_copy), (&of_base, &of_copy)] {
        let report = compare(base, copy);
        assert_eq!(label(&report), "derived", "{}", report["verdict"]);
        assert_eq!(report["transformations"][0]["kind"], "experts_permuted");
        let parts = report["parts"].as_array().expect("a list");
        assert!(parts.iter().all(|part| part["state"] != "independent"));
    }
}

#[test]
fn a_sketch_without_its_largest_units_says_that_an_order_was_not_looked_for() {
    let folder = TempDir::new().expect("a directory");
    let base = varied(&Model::decoder("reordered", WIDE), WIDE);
    let copy = reordered(&base, WIDE);
    let [of_base, of_copy] = [("base", &base), ("copy", &copy)].map(|(name, model)| {
        let mut parts = Parts::read(&sketch(&written(model, &folder, name), &folder, name));
        for tensor in parts.facts["tensors"].as_array_mut().expect("a list") {
            tensor.as_object_mut().expect("an object").remove("largest");
        }
        let is_kept = |name: &str| !name.starts_with("largest.");
        parts.tensors.retain(|(name, ..)| is_kept(name));
        let file = folder.path().join(format!("{name}.older.sketch"));
        fs::write(&file, parts.file()).expect("write");
        file
    });
    // Two such sketches know other units: what stands in another order is nothing that they deny.
    let both = compare(&of_base, &of_copy);
    let untested = both["verdict"]["not_testable"].as_array().expect("a list");
    assert!(
        untested
            .iter()
            .any(|row| row["obstacle"]["code"] == "not_in_sketch"),
        "{untested:?}"
    );
    assert!(
        label(&both) != "from_scratch" || both["verdict"]["confidence"] == "weak",
        "{}",
        both["verdict"]
    );
}

#[test]
fn nobody_is_accused_by_sketches() {
    let folder = TempDir::new().expect("a directory");
    let models: Vec<(PathBuf, PathBuf)> = (0..5)
        .map(|number| {
            let name = format!("stranger {number}");
            let model = written(&Model::decoder(&name, SIZE), &folder, &name);
            let sketch = sketch(&model, &folder, &name);
            (model, sketch)
        })
        .collect();
    for (base, of_base) in &models {
        for (target, of_target) in models.iter().filter(|(target, _)| target != base) {
            for (base, target) in [(of_base, target), (base, of_target), (of_base, of_target)] {
                let report = compare(base, target);
                assert!(
                    ["from_scratch", "inconclusive"].contains(&label(&report)),
                    "{} {}: {}",
                    base.display(),
                    target.display(),
                    report["verdict"]
                );
            }
        }
    }
}

#[test]
fn identity_is_told_by_digests_of_all_bytes() {
    let folder = TempDir::new().expect("a directory");
    let model = Model::decoder("identity", SIZE);
    let base = written(&model, &folder, "base");
    let of_base = sketch(&base, &folder, "base");
    assert_eq!(label(&compare(&of_base, &base)), "identical");

    // A value of the token table that no sketch keeps: the digest sees it.
    let kept = Parts::read(&of_base);
    let name = "model.embed_tokens.weight";
    let (rows, _) = kept.patch(name, 0);
    let row = (0..SIZE.vocab as u32)
        .find(|row| !rows.contains(row))
        .expect("a row that is not kept");
    let mut other = model.clone();
    let table = other.0.get_mut(name).expect("a table");
    table.values[row as usize * SIZE.hidden] += 1.0;
    let other = written(&other, &folder, "other");
    for target in [&other, &sketch(&other, &folder, "other")] {
        let report = compare(&of_base, target);
        assert_eq!(label(&report), "derived");
        let tensors = report["tensors"].as_array().expect("a list");
        let differ = tensors.iter().filter(|row| row["identical"] == false);
        let names: Vec<&Value> = differ.map(|row| &row["name"]["base"]).collect();
        assert_eq!(names, [name]);
    }
}

/// A test in place of a feed-forward: layer, units of both sides, hits, and the bound.
type InPlace = (u64, Value, u64, f64);

fn tests_of_units(report: &Value) -> Vec<InPlace> {
    let tests = report["permutation"]["tests"].as_array().expect("a list");
    let in_place = tests
        .iter()
        .filter(|test| test["form"] == "direct" && test["kind"] == "ffn");
    let number = |value: &Value| value.as_u64().expect("a number");
    in_place
        .map(|test| {
            assert_eq!(test["exact"], true);
            let log10_p = test["log10_p"].as_f64().expect("a bound");
            (
                number(&test["layer"]),
                test["units"].clone(),
                number(&test["hits"]),
                log10_p,
            )
        })
        .collect()
}

#[test]
fn bounds_of_tests_in_place_are_those_from_the_weights() {
    let folder = TempDir::new().expect("a directory");
    let model = Model::decoder("bounds", SIZE);
    let base = written(&model, &folder, "base");
    let of_base = sketch(&base, &folder, "base");
    for change in [0.05, 0.6] {
        let target = written(&model.trained("more", |_| change), &folder, "target");
        let from_weights = tests_of_units(&compare(&base, &target));
        assert_eq!(from_weights.len(), SIZE.layers);
        assert!(from_weights.iter().all(|test| test.3 < -20.0));
        assert_eq!(tests_of_units(&compare(&of_base, &target)), from_weights);
        // Where the target is a sketch, n is the number of the units that are known, of which all
        // are probes: C(n,h)(n-h)!/n! = 1/h!, for three looks.
        let of_target = sketch(&target, &folder, "target");
        for given in [&base, &of_base] {
            let known = tests_of_units(&compare(given, &of_target));
            assert_eq!(known.len(), SIZE.layers);
            for (layer, _, hits, log10_p) in known {
                let factorial: f64 = (1..=hits).map(|at| (at as f64).log10()).sum();
                let bound = 3f64.log10() - factorial;
                assert!(
                    (bound - log10_p).abs() < 1e-6,
                    "layer {layer}: {hits} hits, {log10_p} and not {bound}"
                );
                assert!(hits > 20, "layer {layer}: {hits}");
            }
        }
    }
}

#[test]
fn a_cosine_that_was_estimated_says_from_how_much() {
    let folder = TempDir::new().expect("a directory");
    let model = Model::decoder("estimates", SIZE);
    let base = written(&model, &folder, "base");
    let target = written(&model.trained("more", |_| 0.4), &folder, "target");
    let exact = compare(&base, &target);
    let estimated = compare(&sketch(&base, &folder, "base"), &target);
    let rows = |report: &Value| report["tensors"].as_array().expect("a list").clone();
    let (mut count, mut outside) = (0, 0);
    for (exact, estimated) in rows(&exact).iter().zip(&rows(&estimated)) {
        assert_eq!(exact["name"], estimated["name"]);
        let (figures, of_weights) = (&estimated["figures"], &exact["figures"]);
        assert_eq!(of_weights["estimated_from"], Value::Null);
        assert_eq!(of_weights["standard_error"], Value::Null);
        let Some(values) = figures["estimated_from"].as_u64() else {
            // Every value was read, if in another order of additions.
            let cosines = [figures, of_weights].map(|figures| figures["cosine"].as_f64());
            let [Some(one), Some(other)] = cosines else {
                assert_eq!(cosines, [None, None], "{}", exact["name"]);
                continue;
            };
            assert!((one - other).abs() < 1e-6, "{}", exact["name"]);
            continue;
        };
        let shape = exact["logical_shape"].as_array().expect("a shape");
        let all: u64 = shape.iter().filter_map(Value::as_u64).product();
        assert!(values > 0 && values < all, "{}: {values}", exact["name"]);
        let number = |value: &Value| value.as_f64().expect("a number");
        let error = number(&figures["standard_error"]);
        let distance = (number(&figures["cosine"]) - number(&of_weights["cosine"])).abs();
        count += 1;
        outside += usize::from(distance > 2.0 * error);
        assert!(
            distance <= 5.0 * error,
            "{}: {distance} {error}",
            exact["name"]
        );
    }
    assert!(count >= 3 * SIZE.layers, "{count}");
    assert!(
        outside * 5 <= count,
        "{outside} of {count} beyond two errors"
    );
}

#[test]
fn other_commands_take_a_sketch_for_its_model() {
    let folder = TempDir::new().expect("a directory");
    let of_base = sketch(&fixture("base"), &folder, "base");
    let seen = json(&["inspect", path(&of_base)]);
    let model = json(&["inspect", path(&fixture("base"))]);
    assert_eq!(seen["checkpoint"]["kind"], "sketch");
    assert_eq!(model["checkpoint"]["kind"], "checkpoint");
    for key in ["components", "blocks", "config"] {
        assert_eq!(seen[key], model[key], "{key}");
    }
    let shapes = |report: &Value| -> Vec<[Value; 3]> {
        let tensors = report["tensors"].as_array().expect("a list").iter();
        tensors
            .map(|row| ["name", "role", "shape"].map(|key| row[key].clone()))
            .collect()
    };
    assert_eq!(shapes(&seen), shapes(&model));
    let shown = run(&["inspect", path(&of_base), "--full"]);
    assert!(answer(&shown, 0).contains("sketch"));

    let hashed = |path: &Path| run(&["hash", self::path(path)]);
    let manifest = hashed(&fixture("base"));
    assert_eq!(
        answer(&hashed(&of_base), 0),
        answer(&manifest, 0),
        "the manifest of the model"
    );
    let file = folder.path().join("manifest");
    fs::write(&file, &manifest.stdout).expect("write");
    let check = |manifest: &Path, checkpoint: &Path, code| {
        let output = run(&["hash", "--check", path(manifest), path(checkpoint)]);
        answer(&output, code);
    };
    check(&file, &of_base, 0);
    check(&of_base, &fixture("base"), 0);
    check(&of_base, &fixture("fine-tuned"), 1);
    let architecture = json(&["arch", path(&fixture("fine-tuned")), path(&of_base)]);
    assert_eq!(architecture["bases"][0]["base"]["kind"], "sketch");
}

#[test]
fn rank_takes_sketches_as_bases() {
    let folder = TempDir::new().expect("a directory");
    let names = ["base", "independent"];
    let [base, independent] = names.map(|name| sketch(&fixture(name), &folder, name));
    let report = json(&[
        "rank",
        path(&fixture("fine-tuned")),
        path(&independent),
        path(&base),
    ]);
    assert_eq!(report["conclusion"]["label"], "derived");
    assert_eq!(report["conclusion"]["base"], "base");
}

#[test]
fn anyone_opens_a_sketch_and_reads_the_values_of_the_model() {
    let folder = TempDir::new().expect("a directory");
    for name in ["base", "mixed-dtypes", "moe-base", "vlm-base"] {
        let file = sketch(&fixture(name), &folder, name);
        let bytes = fs::read(&file).expect("a sketch");
        SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let weights = fs::read(fixture(name).join("model.safetensors")).expect("weights");
        let weights = SafeTensors::deserialize(&weights).expect("weights");
        let parts = Parts::read(&file);
        let mut compared = 0;
        for tensor in parts.facts["tensors"].as_array().expect("a list") {
            let name = tensor["name"].as_str().expect("a name");
            let Ok(stored) = weights.tensor(name) else {
                continue;
            };
            if stored.dtype().to_string() != tensor["dtype"] {
                continue;
            }
            let width = tensor["width"].as_u64().expect("a width") as usize;
            let elements: usize = stored.shape().iter().product();
            if elements == 0 {
                continue;
            }
            let size = stored.data().len() / elements;
            for patch in 0..parts.count(name) {
                let (rows, columns) = parts.patch(name, patch);
                let values = parts.values(name, patch);
                let mut at = 0;
                for row in &rows {
                    for column in &columns {
                        let place = (*row as usize * width + *column as usize) * size;
                        let stored = &stored.data()[place..place + size];
                        assert_eq!(&values[at..at + size], stored, "{name} {row} {column}");
                        at += size;
                        compared += 1;
                    }
                }
                assert_eq!(at, values.len());
            }
        }
        assert!(compared > 10_000, "{name}: {compared}");
    }
}

#[test]
fn the_share_that_a_sketch_discloses_is_what_stands_in_it() {
    let folder = TempDir::new().expect("a directory");
    for name in ["base", "moe-base", "vlm-base", "mixed-dtypes"] {
        let parts = Parts::read(&sketch(&fixture(name), &folder, name));
        let mut known = 0;
        for tensor in parts.facts["tensors"].as_array().expect("a list") {
            let name = tensor["name"].as_str().expect("a name");
            let mut places = std::collections::BTreeSet::new();
            for patch in 0..parts.count(name) {
                let (rows, columns) = parts.patch(name, patch);
                let of_row = |row: &u32| columns.iter().map(|column| (*row, *column)).collect();
                places.extend(rows.iter().flat_map(|row| -> Vec<_> { of_row(row) }));
            }
            known += places.len();
        }
        let share = known as f64 / parts.facts["parameters"].as_f64().expect("a number");
        let told = parts.facts["disclosed_share"].as_f64().expect("a share");
        assert!((share - told).abs() < 1e-12, "{name}: {share} {told}");
        let short = &parts.facts["left_out"];
        assert!(share < 1.0 || *short == serde_json::json!([]), "{short}");
    }
}

#[test]
fn a_sketch_is_written_whole_beside_its_inputs_or_not_at_all() {
    let folder = TempDir::new().expect("a directory");
    let model = folder.path().join("model.safetensors");
    fs::copy(fixture("base").join("model.safetensors"), &model).expect("copy");
    let before = fs::read(&model).expect("read");
    let refused = |output: &str, says: &str| {
        let output = run(&["sketch", path(&model), "--output", output]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        let error = text(&output.stderr);
        assert!(error.contains(says), "{error}");
    };
    refused(path(&model), "--output would overwrite an input");
    refused("-", "sketch needs --output FILE");
    refused(path(&folder.path().join("none/a.sketch")), "no directory");
    let none = run(&["sketch", path(&model)]);
    assert_eq!(none.status.code(), Some(2));
    assert_eq!(text(&none.stdout), "");
    let link = folder.path().join("link.sketch");
    fs::hard_link(&model, &link).expect("a link");
    refused(path(&link), "--output would overwrite an input");
    assert!(fs::read(&model).expect("read") == before);

    // What cannot be read leaves no file, and an older one as it was.
    let cut = folder.path().join("cut.safetensors");
    fs::write(&cut, &before[..before.len() - 1]).expect("write");
    let file = folder.path().join("a.sketch");
    for old in [None, Some("old")] {
        if let Some(old) = old {
            fs::write(&file, old).expect("write");
        }
        let output = run(&["sketch", path(&cut), "--output", path(&file)]);
        assert!(error_line(&output).contains("cut.safetensors"));
        let found = fs::read_to_string(&file).ok();
        assert_eq!(found.as_deref(), old);
    }
    let listed = fs::read_dir(folder.path()).expect("a directory").count();
    assert_eq!(listed, 4, "model, link, cut and the old file alone");
}

#[test]
fn of_a_sketch_and_of_an_adapter_no_sketch_is_taken() {
    let folder = TempDir::new().expect("a directory");
    let of_base = sketch(&fixture("base"), &folder, "base");
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/legal-adapter");
    for (given, says) in [(&of_base, "a sketch"), (&adapter, "adapter")] {
        let file = folder.path().join("again.sketch");
        let output = run(&["sketch", path(given), "--output", path(&file)]);
        let line = error_line(&output);
        assert!(line.contains(says) && line.contains(path(given)), "{line}");
        assert!(!file.exists());
    }
}
