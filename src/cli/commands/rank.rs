//! `wcmp rank TARGET BASE...`: which of these is the target made from, or from none?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::settings::{Analyses, Settings};
use super::super::{Answer, input};
use crate::error::Error;
use crate::format::open::{Opened, one_level_down, sketches_in};
use crate::measure::monitor::Monitor;
use crate::model::warning::{Noted, Warning};
use crate::pipeline;
use crate::report::schema::{Matrix, convert};
use crate::source::Io;

/// Bases to hold against a target, and what was given as one and is none.
struct Bases {
    bases: Vec<Opened>,
    /// Sketches, which are opened as they are looked at.
    library: Vec<PathBuf>,
    set_aside: Vec<Warning>,
}

/// Opens the bases, those of directories that hold some one level down among them. The target
/// itself, unless nothing else is left, and adapters that lie beside models are set aside.
fn bases_of(
    settings: &Settings,
    io: Io,
    target: &Opened,
    paths: &[PathBuf],
) -> anyhow::Result<Bases> {
    let mut out = Bases {
        bases: Vec::new(),
        library: Vec::new(),
        set_aside: Vec::new(),
    };
    let mut same = Vec::new();
    for path in paths {
        let sketches = sketches_in(path).unwrap_or_default();
        let below = one_level_down(path, io).unwrap_or_default();
        let is_target = |sketch: &PathBuf| {
            let resolved = std::fs::canonicalize(sketch).unwrap_or_else(|_| sketch.clone());
            files(target).contains(&resolved)
        };
        let (own, others): (Vec<PathBuf>, Vec<PathBuf>) = sketches.into_iter().partition(is_target);
        out.set_aside
            .extend(own.iter().map(|path| Warning::BaseSetAside {
                path: path.to_string_lossy().into_owned(),
                is_target: true,
            }));
        let holds_sketches = !others.is_empty() || !own.is_empty();
        for sketch in &others {
            input::keep(sketch, &settings.destinations())?;
        }
        out.library.extend(others);
        if holds_sketches && below.is_empty() {
            continue;
        }
        let is_library = !below.is_empty();
        let paths = if is_library {
            below
        } else {
            vec![path.clone()]
        };
        for path in paths {
            let opened = input::open(&path, io, &settings.destinations()).context("base")?;
            let set_aside = |is_target| Warning::BaseSetAside {
                path: path.to_string_lossy().into_owned(),
                is_target,
            };
            if is_library && opened.adapter.is_some() {
                out.set_aside.push(set_aside(false));
            } else if files(&opened) == files(target) {
                same.push((set_aside(true), opened));
            } else {
                out.bases.push(input::whole_model(opened).context("base")?);
            }
        }
    }
    if !out.library.is_empty() {
        out.set_aside
            .extend(same.into_iter().map(|(warning, _)| warning));
    } else if out.bases.is_empty() {
        let (_, opened): (Vec<_>, Vec<_>) = same.into_iter().unzip();
        out.bases = opened;
    } else {
        out.set_aside
            .extend(same.into_iter().map(|(warning, _)| warning));
    }
    if out.bases.is_empty() && out.library.is_empty() {
        anyhow::bail!("no base among the paths given (expected a whole model)");
    }
    Ok(out)
}

/// Where the files of a checkpoint lie, links followed.
fn files(opened: &Opened) -> BTreeSet<PathBuf> {
    let files = opened.checkpoint.files.iter();
    let resolved = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    files.map(|file| resolved(&file.path)).collect()
}

/// Holds every base against the target and renders the report.
///
/// # Errors
/// A checkpoint that cannot be read, or an interrupt.
pub(in crate::cli) fn run(
    settings: &Settings,
    analyses: &Analyses,
    target: &Path,
    bases: &[PathBuf],
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    let options = &analyses.options;
    let target = input::open(target, options.io, &settings.destinations()).context("target")?;
    let mut given = bases_of(settings, options.io, &target, bases)?;
    let Bases { bases, library, .. } = &mut given;
    let bases = std::mem::take(bases);
    let rank = || pipeline::library::rank_library(target, bases, library, options, monitor);
    let mut ranked = settings.pool()?.install(rank).context("while ranking")?;
    ranked
        .warnings
        .extend(given.set_aside.into_iter().map(Noted::from));
    let mut ranked = convert::rank(ranked);
    ranked.expect = analyses.expected(ranked.conclusion.label, ranked.confidence());
    let expect = ranked.expect.clone();
    let reports = settings.render(ranked, &analyses.style(settings));
    Ok(Answer::expected(reports, expect.as_ref()))
}

/// Holds all sketches of a directory against one another and renders the report.
///
/// # Errors
/// A directory without two sketches, one that cannot be read, or an interrupt.
pub(in crate::cli) fn matrix(
    settings: &Settings,
    analyses: &Analyses,
    library: &Path,
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    let sketches = sketches_in(library).context("library")?;
    for sketch in &sketches {
        input::keep(sketch, &settings.destinations())?;
    }
    if sketches.len() < 2 {
        let what = format!(
            "{} sketches (expected a directory of at least two; wcmp sketch makes them)",
            sketches.len()
        );
        return Err(Error::unsupported(library, what).into());
    }
    let matrix = || pipeline::matrix::matrix(&sketches, &analyses.options, monitor);
    let found = settings
        .pool()?
        .install(matrix)
        .context("while comparing")?;
    let reports = settings.render(Matrix::from(found), &analyses.style(settings));
    Ok(Answer::plain(reports))
}
