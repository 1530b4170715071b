//! Models split over several files, `NAME-00001-of-00003.gguf`.

use std::path::{Path, PathBuf};

use super::GgufFile;
use crate::error::{Error, Result, quoted};
use crate::format::unique::repeated;

/// A file name of a split model, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitName {
    stem: String,
    /// Number in the name, from 1.
    pub number: u32,
    /// Number of files that the name states.
    pub count: u32,
}

impl SplitName {
    /// Takes `NAME-0000i-of-0000n.gguf` apart; `None` for other names.
    pub(crate) fn parse(file_name: &str) -> Option<Self> {
        let rest = file_name.strip_suffix(".gguf")?;
        let (rest, count) = rest.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let digits = |text: &str| match text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit())
        {
            true => text.parse::<u32>().ok(),
            false => None,
        };
        let (number, count) = (digits(number)?, digits(count)?);
        (1..=count).contains(&number).then(|| Self {
            stem: stem.to_owned(),
            number,
            count,
        })
    }

    /// File names of all parts in order.
    pub(crate) fn siblings(&self) -> Vec<String> {
        (1..=self.count)
            .map(|number| format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count))
            .collect()
    }
}

/// The first part that `names`, the sorted file names of a split model, lack.
pub(crate) fn missing_part(names: &[&str]) -> Option<String> {
    let siblings = SplitName::parse(names.first()?)?.siblings();
    siblings
        .into_iter()
        .find(|part| names.binary_search(&part.as_str()).is_err())
}

/// Joins the parts of a split model, given in order with their paths: the metadata of the first
/// file and the tensors of all, whose [`file`](crate::model::checkpoint::TensorInfo::file) stays as
/// it was read.
///
/// # Errors
/// Parts that are missing or in another order than they state, a tensor in two parts, or another
/// number of tensors than the first part states.
pub fn join_splits(parts: Vec<(PathBuf, GgufFile)>) -> Result<GgufFile> {
    let count = parts.len() as u64;
    for (at, (path, part)) in (0u64..).zip(&parts) {
        match part.split {
            Some(split) if split.count == count && split.index == at => {}
            Some(split) => {
                let (index, stated) = (split.index + 1, split.count);
                let what = format!(
                    "states that it is part {index} of {stated}, found as {} of {count}",
                    at + 1
                );
                return Err(Error::malformed(path, what));
            }
            None if count == 1 => {}
            None => {
                return Err(Error::malformed(
                    path,
                    "lacks the keys of a split model (split.no, split.count)",
                ));
            }
        }
    }
    let mut parts = parts.into_iter();
    let Some((first, mut whole)) = parts.next() else {
        return Err(Error::malformed(Path::new("."), "no part of a split model"));
    };
    for (_, part) in parts {
        whole.tensors.extend(part.tensors);
    }
    if let Some(name) = repeated(whole.tensors.iter().map(|tensor| tensor.name.as_str())) {
        return Err(Error::malformed(
            &first,
            format!("tensor {} occurs in two parts", quoted(name)),
        ));
    }
    if let Some(stated) = whole.split.and_then(|split| split.tensors)
        && stated != whole.tensors.len() as u64
    {
        let found = whole.tensors.len();
        return Err(Error::malformed(
            &first,
            format!("the parts hold {found} tensors, split.tensors.count is {stated}"),
        ));
    }
    whole.split = None;
    Ok(whole)
}
