//! `wcmp hash CHECKPOINT`: a release's manifest; `--check MANIFEST`: is this copy the released one?

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use anyhow::Context;

use super::super::exit::Exit;
use super::super::settings::Settings;
use super::super::{Answer, input};
use crate::error::{Error, Result};
use crate::format::open;
use crate::manifest::{self, Manifest};
use crate::measure::monitor::Monitor;
use crate::pipeline;
use crate::report;
use crate::report::schema::{Check, Hash, LeftAsideRow, WarningRow};
use crate::source::Io;

/// Prints the manifest of `checkpoint`, whose files are read as `io` says, or holds it against the
/// manifest at `check`.
///
/// # Errors
/// A checkpoint or manifest that cannot be read or breaks its format.
pub(in crate::cli) fn run(
    settings: &Settings,
    checkpoint: &Path,
    io: Io,
    check: Option<&Path>,
    monitor: &dyn Monitor,
) -> anyhow::Result<Answer> {
    // Before the pass: a manifest that is wrong should not cost the reading of a whole release.
    let manifest = check.map(read_manifest).transpose().context("manifest")?;
    check.map_or(Ok(()), |path| input::keep(path, &settings.destinations()))?;
    let opened = input::open(checkpoint, io, &settings.destinations()).context("checkpoint")?;
    let mut hashed = settings
        .pool()?
        .install(|| pipeline::hash::hash(opened, monitor))
        .context("while hashing")?;
    let left = std::mem::take(&mut hashed.left_aside).into_iter();
    let left: Vec<LeftAsideRow> = left.map(|left| LeftAsideRow::new("", left)).collect();
    let warnings = hashed
        .warnings
        .iter()
        .map(|warning| WarningRow::from(warning).message);
    let left = report::not_read(&settings.style, &left);
    let notes = warnings.chain(left).collect();
    let Some(manifest) = manifest else {
        return Ok(Answer {
            notes,
            ..Answer::plain(settings.render(Hash::from(hashed), &settings.style))
        });
    };
    let check = Check::from(pipeline::hash::check(hashed, &manifest));
    let exit = Exit::answered(check.equal);
    Ok(Answer {
        exit,
        notes,
        ..Answer::plain(settings.render(check, &settings.style))
    })
}

/// Larger than the manifest of any model: a tensor's line is some 200 bytes, and a header holds at
/// most 100 MB.
const LONGEST_MANIFEST: u64 = 1 << 30;

fn read_manifest(path: &Path) -> Result<Manifest> {
    if path.as_os_str() == "-" {
        let source = Path::new("standard input");
        return parse(io::stdin().lock(), source);
    }
    let found = fs::metadata(path);
    let is_file = found.as_ref().is_ok_and(fs::Metadata::is_file);
    match found {
        Ok(found) if found.is_dir() => {
            return Err(Error::unsupported(
                path,
                "a directory (expected a manifest, the output of wcmp hash)",
            ));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::unsupported(
                path,
                "no such file (expected a manifest, the output of wcmp hash)",
            ));
        }
        _ => {}
    }
    // A sketch carries the manifest of its model; a pipe can be read only once, and is none.
    let sketch = match is_file {
        true => open::sketch_alone(path)?.and_then(|opened| opened.sketch),
        false => None,
    };
    if let Some(sketch) = sketch {
        return Ok(pipeline::hash::kept(&sketch));
    }
    parse(
        fs::File::open(path).map_err(|error| Error::io(path, error))?,
        path,
    )
}

fn parse(from: impl Read, source: &Path) -> Result<Manifest> {
    let mut bytes = Vec::new();
    from.take(LONGEST_MANIFEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io(source, error))?;
    if bytes.len() as u64 > LONGEST_MANIFEST {
        return Err(Error::malformed(
            source,
            "longer than 1 GiB (expected the output of wcmp hash)",
        ));
    }
    manifest::parse(&bytes, source)
}
