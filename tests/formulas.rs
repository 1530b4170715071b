//! What two models compute alike accuses nobody, and a copy is found all the same.

use serde_json::Value;

use crate::support::draws::Draws;
use crate::support::encoded::{Folder, compare, expect_label, model};
use crate::support::weights::{Model, Values};

fn table(rows: usize, columns: usize, mut value: impl FnMut(usize, usize) -> f64) -> Values {
    Values {
        shape: vec![rows, columns],
        values: (0..rows * columns)
            .map(|at| value(at / columns, at % columns))
            .collect(),
    }
}

fn sine(position: usize, column: usize) -> f64 {
    let angle = position as f64 / 10_000f64.powf((column / 2) as f64 / 32.0);
    if column.is_multiple_of(2) {
        angle.sin()
    } else {
        angle.cos()
    }
}

fn triangle(filter: usize, bin: usize) -> f64 {
    let centre = 4.0 + 3.0 * filter as f64 + 0.05 * (filter * filter) as f64;
    (1.0 - (bin as f64 - centre).abs() / (3.0 + 0.1 * filter as f64)).max(0.0)
}

/// Tables that many models hold, under names that say nothing.
fn tables() -> [(&'static str, Values); 4] {
    [
        ("proc.table_a", table(200, 64, sine)),
        (
            "proc.table_b",
            table(96, 96, |i, j| f64::from(u8::from(i == j))),
        ),
        ("proc.table_c", table(40, 201, triangle)),
        (
            "proc.table_d",
            table(96, 96, |i, j| (-(i as f64 - j as f64).abs() / 6.0).exp()),
        ),
    ]
}

/// `model` with the tables, each value off by `noise` of their size.
fn with_tables(mut model: Model, seed: &str, noise: f64) -> Model {
    for (name, mut table) in tables() {
        let energy: f64 = table.values.iter().map(|x| x * x).sum();
        let size = noise * (energy / table.values.len() as f64).sqrt();
        let mut draws = Draws::new(&[seed, name]);
        if noise > 0.0 {
            table
                .values
                .iter_mut()
                .for_each(|x| *x += size * draws.normal());
        }
        model.0.insert(name.to_owned(), table);
    }
    model
}

fn untested(report: &Value) -> Vec<&str> {
    let rows = report["verdict"]["not_testable"].as_array().unwrap();
    rows.iter().filter_map(|row| row["what"].as_str()).collect()
}

#[test]
fn tables_that_two_models_compute_accuse_nobody() {
    for noise in [0.0, 0.2] {
        let folder = Folder::new();
        let base = with_tables(model("one"), "one", noise);
        let target = with_tables(model("other"), "other", noise);
        let report = compare(
            &folder.safetensors("base", &base.stored(|_| "F32"), None),
            &folder.bf16("target", &target),
        );
        expect_label(&report, "from_scratch");
        let parts = report["parts"].as_array().unwrap();
        for (name, _) in tables() {
            assert!(untested(&report).contains(&name), "{noise} {name}");
            assert!(parts.iter().all(|part| part["name"] != name), "{name}");
        }
        let reasons = report["verdict"]["reasons"].to_string();
        assert!(reasons.contains("formula"), "{reasons}");
    }
}

#[test]
fn a_copy_of_a_trained_table_is_a_copy() {
    let folder = Folder::new();
    let base = with_tables(model("one"), "one", 0.2);
    let report = compare(
        &folder.bf16("base", &base),
        &folder.bf16("target", &base.trained("tuned", |_| 0.05)),
    );
    expect_label(&report, "derived");
    assert!(
        tables()
            .iter()
            .all(|(name, _)| !untested(&report).contains(name))
    );
}

#[test]
fn a_formula_is_warned_of_only_where_it_explains_an_equal_matrix() {
    let folder = Folder::new();
    // Numbers of one seed are equal too, and no formula makes them.
    let with_seeded = |name: &str| {
        let mut model = with_tables(model(name), name, 0.0);
        let mut draws = Draws::new(&["one seed for all"]);
        model.0.insert(
            "proc.seeded".to_owned(),
            table(48, 64, |_, _| draws.normal()),
        );
        model
    };
    let warned = |report: &Value| -> Vec<String> {
        let warnings = report["warnings"].as_array().unwrap().iter();
        let formula = warnings.filter(|warning| warning["code"] == "identical_perhaps_formula");
        formula
            .map(|warning| warning["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let base = with_seeded("one");
    let path = folder.bf16("base", &base);
    let report = compare(&path, &folder.bf16("stranger", &with_seeded("other")));
    assert!(
        ["from_scratch", "inconclusive"].contains(&report["verdict"]["label"].as_str().unwrap()),
        "{:#}",
        report["verdict"]
    );
    let tables: Vec<&str> = tables().map(|(name, _)| name).to_vec();
    assert_eq!(warned(&report), tables);

    let tuned = base.trained(
        "tuned",
        |name| if name.starts_with("proc") { 0.0 } else { 0.05 },
    );
    let report = compare(&path, &folder.bf16("tuned", &tuned));
    expect_label(&report, "derived");
    assert!(warned(&report).is_empty());
}

#[test]
fn one_pattern_of_zeros_accuses_nobody_and_hides_no_copy() {
    let masked = |model: &Model| {
        let mut model = model.clone();
        for (name, tensor) in &mut model.0 {
            let mut draws = Draws::new(&["mask", name]);
            if tensor.shape.len() == 2 {
                let values = tensor.values.iter_mut();
                values.for_each(|x| *x *= f64::from(u8::from(draws.unit() < 0.4)));
            }
        }
        model
    };
    let folder = Folder::new();
    let base = model("one");
    let path = folder.bf16("base", &masked(&base));
    let stranger = compare(&path, &folder.bf16("stranger", &masked(&model("other"))));
    assert!(
        ["from_scratch", "inconclusive"].contains(&stranger["verdict"]["label"].as_str().unwrap()),
        "{:#}",
        stranger["verdict"]
    );
    let tuned = masked(&base.trained("tuned", |_| 0.3));
    expect_label(&compare(&path, &folder.bf16("tuned", &tuned)), "derived");
}

#[test]
fn classes_against_features_are_no_units() {
    let folder = Folder::new();
    let solution = |seed: &str| {
        let mut draws = Draws::new(&[seed]);
        let mut optimum = Draws::new(&["the optimum of a convex task"]);
        let value = |_: usize| optimum.normal() + 0.1 * draws.normal();
        let values = (0..40 * 60).map(value).collect();
        let shape = vec![40, 60];
        Model([("linear.weight".to_owned(), Values { shape, values })].into())
    };
    let report = compare(
        &folder.bf16("base", &solution("one")),
        &folder.bf16("target", &solution("other")),
    );
    expect_label(&report, "inconclusive");
    assert!(untested(&report).contains(&"rows of linear.weight"));
}

#[test]
fn tables_of_few_rows_in_two_number_formats_accuse_nobody() {
    let folder = Folder::new();
    let with_decays = |seed: &str| {
        let mut model = model(seed);
        for name in ["mixer.table_a", "mixer.table_b"] {
            let decay = table(4, 64, |head, at| {
                (-((head + 1) as f64) * at as f64 / 9.0).exp()
            });
            model.0.insert(format!("model.layers.1.{name}"), decay);
        }
        model
    };
    let base = with_decays("one");
    let path = folder.safetensors("base", &base.stored(|_| "F32"), None);
    let stranger = folder.bf16("stranger", &with_decays("other"));
    expect_label(&compare(&path, &stranger), "from_scratch");
    let tuned = folder.bf16("tuned", &base.trained("tuned", |_| 0.01));
    expect_label(&compare(&path, &tuned), "derived");
}

#[test]
fn gains_that_never_moved_from_zero_hide_no_copy() {
    let folder = Folder::new();
    let mut base = model("one");
    for (name, tensor) in &mut base.0 {
        if name.contains("norm") {
            tensor.values.fill(0.0);
        }
    }
    let report = compare(
        &folder.bf16("base", &base),
        &folder.bf16("tuned", &base.trained("tuned", |_| 0.01)),
    );
    expect_label(&report, "derived");
    let parts = report["parts"].as_array().unwrap();
    assert!(
        parts.iter().all(|part| part["state"] == "reused"),
        "{parts:#?}"
    );
}
