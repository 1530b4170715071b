//! JSON: numbers in shortest round-trip form, finite, no minus zero; indented, keys in the order of
//! the schema.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::error::is_bidirectional;

/// Bytes that are written at a time.
const BUFFER: usize = 1 << 16;

/// Writes `value` as indented JSON with a line end behind it.
///
/// Strings are carried as they are, by JSON's own escapes; control codes beyond ASCII and
/// bidirectional controls are escaped too, so that a printed report cannot drive a terminal.
///
/// # Errors
/// Those of `out`; a map key that is not a string, which no type of [`super::schema`] has.
pub fn write(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let formatter = Canonical {
        pretty: PrettyFormatter::with_indent(b"  "),
    };
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    out.write_all(b"\n")?;
    out.flush()
}

/// A number as it stands in JSON; `None` where JSON has none for it.
pub fn number(value: f64) -> Option<String> {
    // `value + 0.0` turns -0 into 0 and changes nothing else.
    serde_json::Number::from_f64(value + 0.0).map(|number| number.to_string())
}

struct Canonical<'a> {
    pretty: PrettyFormatter<'a>,
}

impl Formatter for Canonical<'_> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // `value + 0.0` turns -0 into 0 and changes nothing else.
        self.pretty.write_f64(writer, value + 0.0)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut from = 0;
        for (at, c) in fragment.char_indices() {
            if c.is_control() || is_bidirectional(c) {
                writer.write_all(&fragment.as_bytes()[from..at])?;
                write!(writer, "\\u{:04x}", c as u32)?;
                from = at + c.len_utf8();
            }
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}

#[cfg(test)]
pub(crate) fn to_string(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    write(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn numbers_are_shortest_finite_and_without_minus_zero() {
        let shown = to_string(&[0.1 + 0.2, -0.0, 1.0, 1e-300, f64::NAN, f64::INFINITY]);
        assert_eq!(
            shown,
            "[\n  0.30000000000000004,\n  0.0,\n  1.0,\n  1e-300,\n  null,\n  null\n]\n"
        );
    }

    #[test]
    fn controls_are_escaped_and_read_back_as_they_were() {
        let name = "a\u{1b}[2J\u{9b}\u{7f}\u{202e}\"\\b層";
        let shown = to_string(&name);
        assert_eq!(shown, "\"a\\u001b[2J\\u009b\\u007f\\u202e\\\"\\\\b層\"\n");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), name);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_bit_for_bit(text in any::<String>(), number in any::<f64>()) {
            let shown = to_string(&(&text, number));
            let (back, value): (String, Value) = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(back, text);
            match value.as_f64() {
                Some(read) if number != 0.0 => prop_assert_eq!(read.to_bits(), number.to_bits()),
                Some(read) => prop_assert_eq!(read.to_bits(), 0),
                None => prop_assert!(!number.is_finite()),
            }
        }
    }
}
