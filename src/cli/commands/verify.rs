//! `wcmp verify REPORT [PATH...]`: does a saved report come out the same from these files?

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::super::exit::Exit;
use super::super::settings::Settings;
use super::super::{Answer, guard, input};
use super::show;
use crate::error::{Error, Result};
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::pipeline::filter::Filter;
use crate::pipeline::options::Options;
use crate::report::schema::arch::Arch;
use crate::report::schema::{
    CheckpointRow, Hash, Inspect, Saved, SettingsRow, Verify, convert, differences,
};
use crate::source::Io;

/// Runs again what the report at `path` tells of, from `paths` where any are given, and says what
/// differs.
///
/// # Errors
/// A report or checkpoint that cannot be read; paths that are too many or too few.
pub(in crate::cli) fn run(
    settings: &Settings,
    path: &Path,
    paths: &[PathBuf],
    io: Io,
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    input::keep(path, &settings.destinations())?;
    let bytes = show::read(path)?;
    let saved = show::saved(&bytes, path)?;
    let expected: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::malformed(path, error.to_string()))?;
    let again = Again {
        settings,
        path,
        paths,
        io,
        monitor,
    };
    let found = again.run(saved)?;
    let report = Verify::new(
        path.display().to_string(),
        &expected,
        &found,
        differences::between,
    );
    let exit = Exit::answered(report.equal);
    Ok(Answer {
        exit,
        ..Answer::plain(settings.render(report, &settings.style))
    })
}

/// A run that is made once more.
struct Again<'a> {
    settings: &'a Settings,
    path: &'a Path,
    paths: &'a [PathBuf],
    io: Io,
    monitor: &'a dyn Monitor,
}

impl Again<'_> {
    fn run(&self, saved: Saved) -> anyhow::Result<Value> {
        let outputs = self.settings.destinations();
        let pool = self.settings.pool()?;
        match saved {
            Saved::Compare(report) => {
                let [base, target] = self.two(&[&report.base, &report.target])?;
                let options = self.options(&report.settings)?;
                let base = input::open_base(&base, self.io, &outputs).context("base")?;
                let target = input::open(&target, self.io, &outputs).context("target")?;
                let compare = || pipeline::compare::compare(base, target, &options, self.monitor);
                let compared = pool.install(compare).context("while comparing")?;
                let mut found = convert::compare(compared);
                found.expect = report.expect;
                value(&found)
            }
            Saved::Rank(report) => {
                let bases = report.ranking.iter().map(|row| &row.base);
                let models: Vec<&CheckpointRow> =
                    std::iter::once(&report.target).chain(bases).collect();
                let paths = self.places(&models)?;
                let options = self.options(&report.settings)?;
                let (target, bases) = paths.split_first().context("no target")?;
                let target = input::open(target, self.io, &outputs).context("target")?;
                let bases = bases
                    .iter()
                    .map(|base| input::open_base(base, self.io, &outputs).context("base"))
                    .collect::<anyhow::Result<Vec<_>>>()?;
                let rank = || pipeline::rank::rank(target, bases, &options, self.monitor);
                let mut found = convert::rank(pool.install(rank).context("while ranking")?);
                found.expect = report.expect;
                value(&found)
            }
            Saved::Arch(report) => {
                let bases = report.bases.iter().map(|row| &row.base);
                let models: Vec<&CheckpointRow> =
                    std::iter::once(&report.target).chain(bases).collect();
                let paths = self.places(&models)?;
                let opened = paths
                    .iter()
                    .map(|path| Ok(input::open_described(path, &outputs)?))
                    .collect::<anyhow::Result<Vec<_>>>()?;
                let mut opened = opened.into_iter();
                let target = opened.next().context("no target")?;
                value(&Arch::from(pipeline::arch::arch(target, opened.collect())))
            }
            Saved::Inspect(report) => {
                let paths = self.places(&[&report.checkpoint])?;
                let opened = input::open(&paths[0], Io::Mmap, &outputs)?;
                value(&Inspect::from(pipeline::inspect::inspect(opened)))
            }
            Saved::Hash(report) => {
                let paths = self.places(&[&report.checkpoint])?;
                let opened = input::open(&paths[0], self.io, &outputs)?;
                let hash = || pipeline::hash::hash(opened, self.monitor);
                value(&Hash::from(pool.install(hash).context("while hashing")?))
            }
            Saved::Check(_) | Saved::Matrix(_) | Saved::Sketch(_) | Saved::Verify(_) => {
                Err(Error::unsupported(
                    self.path,
                    "what hash --check or verify gave (expected a report of compare, rank, arch, \
                 inspect or hash)",
                )
                .into())
            }
        }
    }

    /// Where the checkpoints are: as given, else as the report names them. No output replaces a file
    /// of theirs.
    fn places(&self, models: &[&CheckpointRow]) -> Result<Vec<PathBuf>> {
        let places = self.named_places(models)?;
        let outputs = self.settings.destinations();
        places
            .iter()
            .try_for_each(|place| guard::keep_place(place, &outputs))?;
        Ok(places)
    }

    fn named_places(&self, models: &[&CheckpointRow]) -> Result<Vec<PathBuf>> {
        if self.paths.is_empty() {
            return Ok(models
                .iter()
                .map(|model| PathBuf::from(&model.path))
                .collect());
        }
        if self.paths.len() != models.len() {
            return Err(Error::Usage(format!(
                "{} path(s) for a report on {} checkpoints",
                self.paths.len(),
                models.len()
            )));
        }
        Ok(self.paths.to_vec())
    }

    fn two(&self, models: &[&CheckpointRow; 2]) -> Result<[PathBuf; 2]> {
        let places = self.places(models)?;
        places
            .try_into()
            .map_err(|_| Error::Usage("a comparison has two checkpoints".into()))
    }

    fn options(&self, settings: &SettingsRow) -> Result<Options> {
        Ok(Options {
            hash: settings.hash,
            pca: settings.pca,
            permutation: settings.permutation,
            deep: settings.deep,
            seed: settings.seed,
            filter: Filter::new(&settings.include, &settings.exclude)?,
            include: settings.include.clone(),
            exclude: settings.exclude.clone(),
            io: self.io,
        })
    }
}

fn value(report: &impl Serialize) -> anyhow::Result<Value> {
    // As it is printed: -0 is 0 there.
    let mut text = Vec::new();
    crate::report::json::write(report, &mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
