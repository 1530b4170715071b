//! `wcmp show REPORT`: a saved JSON report, in another format or language.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::super::settings::Settings;
use super::super::{Answer, input};
use crate::error::{Error, Result};
use crate::report::Style;
use crate::report::schema::{self, Saved};

/// Renders the report at `path` as the original run would have.
///
/// # Errors
/// A file that cannot be read or that is no report of wcmp.
pub(in crate::cli) fn run(
    settings: &Settings,
    path: &Path,
    all_tensors: bool,
) -> anyhow::Result<Answer> {
    input::keep(path, &settings.destinations())?;
    let saved = saved(&read(path)?, path)?;
    let style = Style {
        all_tensors,
        full: settings.style.full || all_tensors,
        ..settings.style
    };
    Ok(Answer::plain(match saved {
        Saved::Compare(report) => settings.render(*report, &style),
        Saved::Rank(report) => settings.render(*report, &style),
        Saved::Arch(report) => settings.render(*report, &style),
        Saved::Inspect(report) => settings.render(*report, &style),
        Saved::Hash(report) => settings.render(*report, &style),
        Saved::Check(report) => settings.render(*report, &style),
        Saved::Matrix(report) => settings.render(*report, &style),
        Saved::Sketch(report) => settings.render(*report, &style),
        Saved::Verify(report) => settings.render(*report, &style),
    }))
}

/// The bytes of a report, from a file or from standard input.
///
/// # Errors
/// The system refuses it, or it is longer than any report.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    /// Larger than the report of any model: a tensor takes about a kilobyte, and a header holds at
    /// most 100 MB.
    const LONGEST_REPORT: u64 = 1 << 32;
    let mut bytes = Vec::new();
    let from: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = File::open(path).map_err(|error| Error::io(path, error))?;
            Box::new(file)
        }
    };
    let read = from.take(LONGEST_REPORT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(path, error))?;
    if bytes.len() as u64 > LONGEST_REPORT {
        return Err(Error::malformed(
            path,
            "longer than 4 GiB (expected a report of wcmp)",
        ));
    }
    Ok(bytes)
}

/// The report in these bytes.
///
/// # Errors
/// They are no report of wcmp, or one of a version that is not read.
pub(super) fn saved(bytes: &[u8], path: &Path) -> Result<Saved> {
    schema::saved(bytes).map_err(|why| {
        Error::malformed(
            path,
            format!("{why} (expected a report that --format json gave)"),
        )
    })
}
