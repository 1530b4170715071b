//! CSV by RFC 4180: a header line, then one row a tensor (rank: a base, arch: a role of a base).
//! Absent values are empty.
//!
//! Names are escaped as in the other formats for people. A text that a spreadsheet would take for a
//! formula begins with an apostrophe, which is what a spreadsheet shows as the text itself: who made
//! the file must not run anything where somebody reads of it.

use super::escape;
use super::number;
use super::schema::arch::Arch;
use super::schema::{
    Check, CheckpointRow, Compare, Hash, Inspect, Matrix, Rank, Sides, Sketch, Verify,
};
use crate::model::dtype::Dtype;

/// A table under construction.
struct Rows {
    writer: csv::Writer<Vec<u8>>,
}

impl Rows {
    fn new(header: &[&str]) -> Self {
        let writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let mut rows = Self { writer };
        rows.row(header);
        rows
    }

    fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        self.writer
            .write_record(cells.iter().map(AsRef::as_ref))
            .expect("rows of one length go into memory");
    }

    fn finish(self) -> String {
        let bytes = self.writer.into_inner().expect("memory takes every row");
        String::from_utf8(bytes).expect("cells are UTF-8")
    }
}

/// A number in shortest round-trip form, as in the JSON.
fn real(value: Option<f64>) -> String {
    value.and_then(super::json::number).unwrap_or_default()
}

fn whole(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn name(text: &str) -> String {
    let shown = escape::name(text);
    match shown
        .trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%'])
    {
        true => format!("'{shown}"),
        false => shown,
    }
}

fn optional(text: &Option<String>) -> String {
    text.as_deref().map(name).unwrap_or_default()
}

fn sides<T>(sides: &Sides<T>, cell: impl Fn(&T) -> String) -> [String; 2] {
    [cell(&sides.base), cell(&sides.target)]
}

/// `wcmp compare`: one row an aligned pair, the keys of the JSON's `tensors` flattened.
pub fn compare(report: &Compare) -> String {
    let mut rows = Rows::new(&[
        "name_base",
        "name_target",
        "component",
        "layer",
        "block",
        "role",
        "expert",
        "shared_expert",
        "class",
        "informative",
        "logical_shape",
        "shape_base",
        "shape_target",
        "dtype_base",
        "dtype_target",
        "compared_via",
        "cosine",
        "centered_cosine",
        "expected_cosine",
        "excess",
        "relative_change",
        "max_abs_diff",
        "reason",
        "nonfinite_base",
        "nonfinite_target",
        "sha256_base",
        "sha256_target",
        "identical",
        "standard_error",
        "estimated_from",
    ]);
    for row in &report.tensors {
        let figures = &row.figures;
        let mut cells = sides(&row.name, |n| name(n)).to_vec();
        cells.extend([
            row.component.to_string(),
            whole(row.layer),
            whole(row.block),
            row.role.to_string(),
        ]);
        cells.extend([
            whole(row.expert),
            row.shared_expert.to_string(),
            row.class.to_string(),
        ]);
        cells.extend([
            row.informative.to_string(),
            number::shape(&row.logical_shape),
        ]);
        cells.extend(sides(&row.shape, |shape| number::shape(shape)));
        cells.extend(sides(&row.dtype, Dtype::to_string));
        cells.push(row.compared_via.to_string());
        cells.extend(
            [
                figures.cosine,
                figures.centered_cosine,
                figures.expected_cosine,
                figures.excess,
            ]
            .map(real),
        );
        cells.extend([figures.relative_change, figures.max_abs_diff].map(real));
        cells.push(
            figures
                .reason
                .as_deref()
                .map(escape::sentence)
                .unwrap_or_default(),
        );
        cells.extend(sides(&row.nonfinite, u64::to_string));
        cells.extend(sides(&row.sha256, |digest| whole(*digest)));
        cells.push(row.identical.to_string());
        cells.extend([real(figures.standard_error), whole(figures.estimated_from)]);
        rows.row(&cells);
    }
    rows.finish()
}

/// `wcmp rank`: one row a base, best evidence first.
pub fn rank(report: &Rank) -> String {
    let mut rows = Rows::new(&[
        "rank",
        "base_path",
        "base_name",
        "base_architecture",
        "base_parameters",
        "base_model_digest",
        "coverage_parameters_target",
        "coverage_parameters_base",
        "coverage_matrices_target",
        "coverage_matrices_base",
        "mean_cosine",
        "matrix_cosine",
        "matrix_excess",
        "norm_cosine",
        "norm_expected_cosine",
        "norm_centered_cosine",
        "aligned",
        "identical",
        "identical_informative",
        "band",
        "layer_pattern",
        "permutation_log10_p",
        "permutation_probes",
        "permutation_hits",
        "pca_summary",
        "pca_median_excess",
        "label",
        "relation",
        "relations",
        "confidence",
    ]);
    for (at, row) in report.ranking.iter().enumerate() {
        let CheckpointRow {
            path,
            name: base,
            architecture,
            parameters,
            model_digest,
            ..
        } = &row.base;
        let (coverage, similarity) = (&row.coverage, &row.similarity);
        let (permutation, pca, verdict) =
            (row.permutation.as_ref(), row.pca.as_ref(), &row.verdict);
        let mut cells = vec![
            (at + 1).to_string(),
            name(path),
            name(base),
            optional(architecture),
        ];
        cells.extend([
            parameters.to_string(),
            model_digest.clone().unwrap_or_default(),
        ]);
        for shares in [coverage.parameters, coverage.matrices] {
            cells.extend([shares.target, shares.base].map(real));
        }
        cells.extend(
            [
                similarity.mean_cosine,
                similarity.matrix_cosine,
                similarity.matrix_excess,
            ]
            .map(real),
        );
        let norms = [
            similarity.norm_cosine,
            similarity.norm_expected_cosine,
            similarity.norm_centered_cosine,
        ];
        cells.extend(norms.map(real));
        cells.extend(
            [
                similarity.aligned,
                similarity.identical,
                similarity.identical_informative,
            ]
            .map(|n| n.to_string()),
        );
        cells.extend([
            whole(row.origin_reading.band),
            row.origin_reading.layer_pattern.to_string(),
        ]);
        cells.push(real(permutation.and_then(|p| p.log10_p)));
        cells.extend([
            whole(permutation.map(|p| p.probes)),
            whole(permutation.map(|p| p.hits)),
        ]);
        cells.extend([
            whole(pca.map(|p| p.summary)),
            real(pca.and_then(|p| p.median_excess)),
        ]);
        let relations: Vec<&str> = verdict.relations.iter().map(|r| r.word()).collect();
        cells.extend([
            verdict.label.to_string(),
            whole(verdict.relation),
            relations.join(" "),
        ]);
        cells.push(whole(verdict.confidence));
        rows.row(&cells);
    }
    rows.finish()
}

/// `wcmp arch`: one row a role of each base.
pub fn arch(report: &Arch) -> String {
    let mut rows = Rows::new(&[
        "base_path",
        "base_name",
        "comparability",
        "share",
        "component",
        "role",
        "kind",
        "name",
        "shape_target",
        "copies_target",
        "shape_base",
        "copies_base",
        "equal",
    ]);
    for base in &report.bases {
        for row in &base.roles {
            let mut cells = vec![
                name(&base.base.path),
                name(&base.base.name),
                base.comparability.to_string(),
            ];
            cells.extend([
                real(base.share),
                row.component.to_string(),
                row.role.to_string(),
                whole(row.kind),
            ]);
            cells.push(optional(&row.name));
            for side in [&row.target, &row.base] {
                let side = side.as_ref();
                cells.push(side.map(|s| number::shape(&s.shape)).unwrap_or_default());
                cells.push(whole(side.map(|s| s.copies)));
            }
            cells.push(row.equal.to_string());
            rows.row(&cells);
        }
    }
    rows.finish()
}

/// `wcmp inspect`: one row a tensor.
pub fn inspect(report: &Inspect) -> String {
    let mut rows = Rows::new(&[
        "name",
        "component",
        "layer",
        "block",
        "role",
        "expert",
        "shared_expert",
        "class",
        "informative",
        "shape",
        "logical_shape",
        "dtype",
        "storage",
        "file",
        "offset",
        "bytes",
    ]);
    for row in &report.tensors {
        rows.row(&[
            name(&row.name),
            name(&row.component),
            whole(row.layer),
            optional(&row.block),
            row.role.to_string(),
            whole(row.expert),
            row.shared_expert.to_string(),
            row.class.to_string(),
            whole(row.informative),
            number::shape(&row.shape),
            number::shape(&row.logical_shape),
            name(&row.dtype),
            name(&row.storage),
            name(&row.file),
            row.offset.to_string(),
            row.bytes.to_string(),
        ]);
    }
    rows.finish()
}

/// `wcmp hash`: one row a tensor; the model digest is in the other formats.
pub fn hash(report: &Hash) -> String {
    let mut rows = Rows::new(&["name", "dtype", "shape", "sha256"]);
    for row in &report.tensors {
        rows.row(&[
            name(&row.name),
            name(&row.dtype),
            number::shape(&row.shape),
            row.sha256.to_string(),
        ]);
    }
    rows.finish()
}

/// `wcmp verify`: a field a row.
pub fn verify(report: &Verify) -> String {
    let mut rows = Rows::new(&["field", "expected", "found"]);
    for row in &report.differences {
        rows.row(&[
            name(&row.field),
            name(&row.expected.to_string()),
            name(&row.found.to_string()),
        ]);
    }
    rows.finish()
}

/// `wcmp rank --matrix`: one row a pair.
pub fn matrix(report: &Matrix) -> String {
    let mut rows = Rows::new(&["a", "b", "label", "excess", "log10_p", "seen_by"]);
    for pair in &report.pairs {
        let named = |at: u64| {
            let found = usize::try_from(at).ok().and_then(|at| report.names.get(at));
            found.map(|found| name(found)).unwrap_or_default()
        };
        let seen: Vec<&str> = pair.seen_by.iter().map(|seen| seen.word()).collect();
        rows.row(&[
            named(pair.a),
            named(pair.b),
            pair.label.word().to_owned(),
            real(pair.excess),
            real(pair.log10_p),
            seen.join(" "),
        ]);
    }
    rows.finish()
}

/// `wcmp sketch`: one row.
pub fn sketch(report: &Sketch) -> String {
    let mut rows = Rows::new(&[
        "file",
        "bytes",
        "tensors",
        "disclosed_share",
        "model_digest",
    ]);
    rows.row(&[
        name(&report.file),
        report.bytes.to_string(),
        report.tensors.to_string(),
        report.disclosed_share.to_string(),
        report.checkpoint.model_digest.clone().unwrap_or_default(),
    ]);
    rows.finish()
}

/// `wcmp hash --check`: one row a tensor that is not as the manifest says.
pub fn check(report: &Check) -> String {
    let mut rows = Rows::new(&["name", "state", "expected", "found"]);
    let empty = String::new;
    for row in &report.different {
        rows.row(&[
            name(&row.name),
            "different".to_owned(),
            name(&row.expected),
            name(&row.found),
        ]);
    }
    for (state, names) in [("missing", &report.missing), ("new", &report.new)] {
        for tensor in names {
            rows.row(&[name(tensor), state.to_owned(), empty(), empty()]);
        }
    }
    rows.finish()
}
