//! What the entries of a header promise about the bytes behind it: every byte belongs to exactly
//! one tensor.

use super::Entry;
use crate::error::quoted;
use crate::format::json::Scan;
use crate::model::dtype::{Dtype, element_count};

/// Axes of a shape that an error line shows.
const SHOWN_AXES: usize = 8;

/// That a tensor's range is as long as its shape and dtype say.
pub(super) fn check_length(dtype: Dtype, shape: &[u64], begin: u64, end: u64) -> Scan<()> {
    let shown = || format!("{dtype} {}", shape_text(shape));
    let elements =
        element_count(shape).ok_or_else(|| format!("{} has 2^64 elements or more", shown()))?;
    let bytes = dtype
        .byte_len(elements)
        .ok_or_else(|| match elements % dtype.block().0 {
            0 => format!("{} has 2^64 bytes or more", shown()),
            _ => format!(
                "{} does not fill whole bytes (expected a multiple of {} elements)",
                shown(),
                dtype.block().0
            ),
        })?;
    match end.checked_sub(begin) {
        Some(found) if found == bytes => Ok(()),
        _ => Err(format!(
            "data_offsets [{begin}, {end}] (expected {bytes} bytes for {})",
            shown()
        )),
    }
}

fn shape_text(shape: &[u64]) -> String {
    let axes: Vec<String> = shape.iter().take(SHOWN_AXES).map(u64::to_string).collect();
    let more = if shape.len() > SHOWN_AXES {
        format!(",… {} axes", shape.len())
    } else {
        String::new()
    };
    format!("[{}{more}]", axes.join(","))
}

/// Sorts `entries` by name and checks that no name stands twice and that the ranges tile `buffer`
/// bytes: sorted by (begin, end), the first begins at 0, each where the one before ends, and the
/// last ends with the file.
pub(super) fn check(entries: &mut [Entry], buffer: u64) -> Scan<()> {
    entries.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let twice = entries.windows(2).find_map(|pair| match pair {
        [a, b] if a.name == b.name => Some(b),
        _ => None,
    });
    if let Some(entry) = twice {
        return Err(format!(
            "header: tensor {} stands twice (expected each name once)",
            quoted(&entry.name)
        ));
    }
    let mut by_place: Vec<&Entry> = entries.iter().collect();
    // Stable, so that of two entries in one place the later name is the one that is wrong.
    by_place.sort_by_key(|entry| (entry.begin, entry.end));
    let mut expected = 0;
    let mut last: Option<&Entry> = None;
    for entry in by_place {
        if entry.begin != expected || entry.end > buffer {
            return Err(misplaced(entry, last, expected, buffer));
        }
        expected = entry.end;
        last = Some(entry);
    }
    match buffer - expected {
        0 => Ok(()),
        behind => Err(format!(
            "{behind} bytes behind the last tensor (expected the file to end with it)"
        )),
    }
}

/// What is wrong with an entry that does not begin at `expected`, where `last` ends, or ends past
/// the file.
fn misplaced(entry: &Entry, last: Option<&Entry>, expected: u64, buffer: u64) -> String {
    let what = match last {
        Some(last) if entry.begin < expected => {
            format!(
                "overlaps tensor {} (expected to begin at {expected})",
                quoted(&last.name)
            )
        }
        _ if entry.begin > expected => {
            format!(
                "leaves a hole of {} bytes (expected to begin at {expected})",
                entry.begin - expected
            )
        }
        _ => format!("ends past the file (expected at most {buffer}: cut off?)"),
    };
    format!(
        "header: tensor {}: data_offsets [{}, {}] {what}",
        quoted(&entry.name),
        entry.begin,
        entry.end
    )
}
