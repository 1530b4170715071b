//! CSV: what is read back is what was meant, whatever the names hold.

use std::collections::BTreeMap;

use wcmp::internals::report::csv;
use wcmp::internals::report::escape;

use super::samples::{self, HOSTILE};

/// The rows of a CSV text as maps from column to cell.
fn read(text: &str) -> Vec<BTreeMap<String, String>> {
    assert!(text.ends_with("\r\n"));
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let row = |record: ::csv::StringRecord| {
        header
            .iter()
            .cloned()
            .zip(record.iter().map(str::to_owned))
            .collect()
    };
    reader
        .records()
        .map(|record| row(record.unwrap()))
        .collect()
}

#[test]
fn compare_has_a_row_for_each_tensor_with_its_figures() {
    let report = samples::fine_tuned();
    let rows = read(&csv::compare(&report));
    assert_eq!(rows.len(), report.tensors.len());
    assert_eq!(
        rows[1]["name_target"],
        "model.layers.0.self_attn.q_proj.weight"
    );
    assert_eq!(
        rows[1]["cosine"].parse::<f64>().unwrap(),
        report.tensors[1].figures.cosine.unwrap()
    );
    assert_eq!(rows[1]["shape_base"], "[2048,2048]");
    assert_eq!(rows[0]["layer"], "");
    assert_eq!(rows[0]["identical"], "true");
}

#[test]
fn hostile_names_stay_in_their_cells() {
    let rows = read(&csv::compare(&samples::hostile()));
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["name_target"], escape::name(HOSTILE));
    assert_eq!(rows[2]["cosine"], "");
    assert_eq!(rows[2]["reason"], "3 values of the target are not finite");
    assert_eq!(rows[3]["name_base"], "");
    for text in [
        csv::compare(&samples::hostile()),
        csv::rank(&samples::hostile_rank()),
        csv::inspect(&samples::hostile_inspect()),
        csv::arch(&samples::hostile_architectures()),
        csv::hash(&samples::hashed()),
        csv::check(&samples::checked()),
        csv::sketch(&samples::hostile_sketch()),
        csv::matrix(&samples::hostile_families()),
    ] {
        assert!(
            !text
                .replace("\r\n", "")
                .chars()
                .any(|c| c.is_control() || wcmp::internals::error::is_bidirectional(c))
        );
    }
}

#[test]
fn no_tensor_is_a_header_alone() {
    assert!(read(&csv::compare(&samples::empty())).is_empty());
}

#[test]
fn arch_has_a_row_for_each_role_of_each_base() {
    let rows = read(&csv::arch(&samples::architectures()));
    assert_eq!(rows.len(), 5);
    assert_eq!(
        (rows[0]["name"].as_str(), rows[0]["equal"].as_str()),
        ("dense.down", "true")
    );
    assert_eq!(
        (
            rows[0]["shape_target"].as_str(),
            rows[0]["copies_target"].as_str()
        ),
        ("[5120,27648]", "64")
    );
    assert_eq!(
        (rows[2]["kind"].as_str(), rows[2]["shape_base"].as_str()),
        ("", "")
    );
    assert_eq!(
        (rows[4]["base_name"].as_str(), rows[4]["share"].as_str()),
        ("Mixtral-8x7B-v0.1", "0.0")
    );
}

#[test]
fn rank_has_a_row_for_each_base() {
    let rows = read(&csv::rank(&samples::ranked()));
    let names: Vec<&str> = rows.iter().map(|row| row["base_name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "Mistral-7B-Instruct-v0.2",
            "OpenHermes-2.5-Mistral-7B",
            "Solar-Open-100B"
        ]
    );
    assert_eq!(rows[0]["permutation_log10_p"], "-4474.8");
    assert_eq!(rows[0]["relations"], "fine_tuned vocabulary_extended");
    assert_eq!(rows[2]["label"], "from_scratch");
    assert_eq!(rows[2]["relation"], "");
}

#[test]
fn inspect_hash_and_check_have_a_row_for_each_tensor() {
    let rows = read(&csv::inspect(&samples::inspected()));
    assert_eq!(
        (
            rows.len(),
            rows[0]["expert"].as_str(),
            rows[0]["informative"].as_str()
        ),
        (2, "127", "")
    );
    let rows = read(&csv::hash(&samples::hashed()));
    assert_eq!((rows.len(), rows[2]["sha256"].clone()), (3, "c".repeat(64)));
    let rows = read(&csv::sketch(&samples::sketched()));
    assert_eq!(
        (rows.len(), rows[0]["disclosed_share"].as_str()),
        (1, "0.0013")
    );
    let rows = read(&csv::check(&samples::checked()));
    let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str()).collect();
    assert_eq!(
        states,
        ["different", "different", "missing", "missing", "new", "new"]
    );
}
