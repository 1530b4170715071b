//! Members of a zip archive that are stored as they are (APPNOTE 6.3.10, sections 4.3 to 4.5).
//!
//! PyTorch writes no compressed member; one that is found is refused, so that nothing can expand.

use std::collections::BTreeMap;
use std::ops::Range;

use super::cursor::Cursor;
use crate::error::{Error, Result, quoted};
use crate::source::Source;

/// First bytes of every archive that is not empty.
pub(super) const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// Longest list of members that is read, in bytes. A member takes about 100.
const DIRECTORY_LIMIT: u64 = 256 << 20;

/// Length of the record at the end, without its comment.
const END_LENGTH: u64 = 22;

/// Where the bytes of each member are, by name.
pub(super) type Members = BTreeMap<String, Range<u64>>;

/// Reads the list of members at the end of the archive, and the place of each.
pub(super) fn members(source: &dyn Source) -> Result<Members> {
    let (count, directory) = directory(source)?;
    let mut cursor = Cursor::new(source, directory, "the list of members");
    let mut members = Members::new();
    for _ in 0..count {
        let (name, place) = member(&mut cursor, source)?;
        if members.contains_key(&name) {
            return Err(Error::malformed(
                source.path(),
                format!("zip member {} occurs twice", quoted(&name)),
            ));
        }
        members.insert(name, place);
    }
    Ok(members)
}

/// Number of members and range of their list.
fn directory(source: &dyn Source) -> Result<(u64, Range<u64>)> {
    let malformed = |what: &str| Error::malformed(source.path(), what.to_owned());
    let len = source.len();
    let tail_start = len.saturating_sub(END_LENGTH + u64::from(u16::MAX));
    let mut tail = vec![0; (len - tail_start) as usize];
    source.read_at(tail_start, &mut tail)?;
    // The last record whose comment reaches to the end of the file.
    let records = tail.windows(END_LENGTH as usize).enumerate().rev();
    let end = records.map(|(at, record)| (at, record, tail.len() - at - record.len())).find(|(_, record, rest)| {
        matches!(record, [b'P', b'K', 5, 6, .., low, high] if usize::from(u16::from_le_bytes([*low, *high])) == *rest)
    });
    let Some((end, ..)) = end else {
        return Err(malformed(
            "a zip archive without its list of members: cut short? (expected a whole PyTorch file)",
        ));
    };
    let end = tail_start + end as u64;
    let mut record = Cursor::new(source, end + 4..len, "the end of the file");
    const OF: &str = "the list of zip members";
    let part = record.u16(OF)?;
    record.skip(4, OF)?;
    let (count, size, start) = (record.u16(OF)?, record.u32(OF)?, record.u32(OF)?);
    if part != 0 && part != u16::MAX {
        return Err(Error::unsupported(
            source.path(),
            "a zip archive in several parts",
        ));
    }
    let (count, size, start) = match count == u16::MAX || size == u32::MAX || start == u32::MAX {
        true => directory_64(source, end)?,
        false => (count.into(), size.into(), start.into()),
    };
    let stop = start.checked_add(size).filter(|&stop| stop <= end);
    match stop {
        Some(stop) if size <= DIRECTORY_LIMIT => Ok((count, start..stop)),
        Some(_) => Err(malformed(
            "the list of zip members is longer than the longest that is read",
        )),
        None => Err(malformed("the list of zip members is not inside the file")),
    }
}

/// The same from the 64-bit record that goes before the one at `end`.
fn directory_64(source: &dyn Source, end: u64) -> Result<(u64, u64, u64)> {
    let missing = || {
        Error::malformed(
            source.path(),
            "a zip archive whose 64-bit list of members is missing",
        )
    };
    let locator = end.checked_sub(20).ok_or_else(missing)?;
    let mut cursor = Cursor::new(source, locator..end, "the zip64 locator");
    if &cursor.array::<4>("zip64 locator")? != b"PK\x06\x07" {
        return Err(missing());
    }
    cursor.skip(4, "zip64 locator")?;
    let record = cursor.u64("zip64 locator")?;
    let mut cursor = Cursor::new(source, record..locator, "the zip64 record");
    if &cursor.array::<4>("zip64 record")? != b"PK\x06\x06" {
        return Err(missing());
    }
    cursor.skip(28, "zip64 record")?;
    Ok((
        cursor.u64("zip64 record")?,
        cursor.u64("zip64 record")?,
        cursor.u64("zip64 record")?,
    ))
}

/// The next member of the list: name and place of its bytes.
fn member(cursor: &mut Cursor<'_>, source: &dyn Source) -> Result<(String, Range<u64>)> {
    const OF: &str = "a zip member";
    if &cursor.array::<4>(OF)? != b"PK\x01\x02" {
        return Err(cursor.malformed("the list of zip members is broken"));
    }
    cursor.skip(4, OF)?;
    let flags = cursor.u16(OF)?;
    let method = cursor.u16(OF)?;
    cursor.skip(8, OF)?;
    let packed = cursor.u32(OF)?;
    let size = cursor.u32(OF)?;
    let (name, extra, comment) = (cursor.u16(OF)?, cursor.u16(OF)?, cursor.u16(OF)?);
    cursor.skip(8, OF)?;
    let header = cursor.u32(OF)?;
    let name = String::from_utf8_lossy(&cursor.bytes(name.into(), OF)?).into_owned();
    let extra = cursor.bytes(extra.into(), OF)?;
    cursor.skip(comment.into(), OF)?;
    let shown = quoted(&name);
    if flags & 1 != 0 {
        return Err(cursor.unsupported(format!("zip member {shown} is encrypted")));
    }
    if method != 0 && name.contains("/code/") {
        return Err(cursor.unsupported(
            "a TorchScript archive, a program with its weights (expected a state dictionary)",
        ));
    }
    if method != 0 {
        return Err(cursor.unsupported(format!(
            "zip member {shown} is compressed; PyTorch stores its members as they are"
        )));
    }
    let mut wide = wide_fields(&extra);
    let mut widened = |value: u32| match value {
        u32::MAX => wide.next(),
        value => Some(value.into()),
    };
    let (Some(size), Some(packed), Some(header)) =
        (widened(size), widened(packed), widened(header))
    else {
        return Err(cursor.malformed(format!("zip member {shown} lacks its 64-bit sizes")));
    };
    if size != packed {
        return Err(cursor.malformed(format!(
            "zip member {shown} is stored, but in {packed} bytes for {size}"
        )));
    }
    let start = data_start(source, header, &shown)?;
    match start.checked_add(size) {
        Some(end) if end <= source.len() => Ok((name, start..end)),
        _ => Err(cursor.malformed(format!(
            "zip member {shown} of {size} bytes runs past the end of the file"
        ))),
    }
}

/// The 64-bit values of the extra field with tag 1.
fn wide_fields(extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = extra;
    let mut fields: &[u8] = &[];
    while let [a, b, c, d, body @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*c, *d])).min(body.len());
        if u16::from_le_bytes([*a, *b]) == 1 {
            fields = body.get(..len).unwrap_or_default();
            break;
        }
        rest = body.get(len..).unwrap_or_default();
    }
    fields
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
}

/// Where the bytes behind a local header begin: its own lengths count, not those of the list.
fn data_start(source: &dyn Source, header: u64, shown: &str) -> Result<u64> {
    let mut cursor = Cursor::new(
        source,
        header..header.saturating_add(30),
        "the local header of a zip member",
    );
    let of = format!("zip member {shown}");
    if cursor.array::<4>(&of)? != MAGIC {
        return Err(cursor.malformed(format!("{of} has no local header at byte {header}")));
    }
    cursor.skip(22, &of)?;
    let (name, extra) = (cursor.u16(&of)?, cursor.u16(&of)?);
    Ok(header + 30 + u64::from(name) + u64::from(extra))
}
