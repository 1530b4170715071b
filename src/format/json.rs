//! A strict JSON scanner that sees what a deserialiser hides: repeated keys, in any spelling, and
//! where things stand.
//!
//! It walks the text once and builds nothing; values that do not matter are checked and skipped.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// What is wrong with a text, in words, without the file's name.
pub(super) type Scan<T> = std::result::Result<T, String>;

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at the first byte.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// That nothing but white space follows.
    pub(super) fn end(&mut self) -> Scan<()> {
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end")),
        }
    }

    /// Reads an object and calls `field` behind each colon; it must read the value.
    pub(super) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, Cow<'a, str>) -> Scan<()>,
    ) -> Scan<()> {
        self.take(b'{', "an object")?;
        if self.next_is(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.take(b':', "':'")?;
            field(self, key)?;
            if self.next_is(b'}') {
                return Ok(());
            }
            self.take(b',', "',' or '}'")?;
        }
    }

    /// Reads an array and calls `item` at each element; it must read the element.
    pub(super) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        self.take(b'[', "an array")?;
        if self.next_is(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.next_is(b']') {
                return Ok(());
            }
            self.take(b',', "',' or ']'")?;
        }
    }

    /// Reads a string; borrowed where it has no escape.
    pub(super) fn string(&mut self) -> Scan<Cow<'a, str>> {
        self.take(b'"', "a string")?;
        let begin = self.at;
        let mut escaped = false;
        loop {
            let bytes = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let plain = bytes
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
                .unwrap_or(bytes.len());
            self.at += plain;
            match bytes.get(plain) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => return Err(self.expected("no raw control code in a string")),
                None => return Err(self.expected("the '\"' that ends a string")),
            }
        }
        let inside = self.text.get(begin..self.at).unwrap_or_default();
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(inside));
        }
        let quoted = self.text.get(begin - 1..self.at).unwrap_or_default();
        match serde_json::from_str(quoted) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(format!(
                "a string with an escape that is none, at byte {begin} (expected JSON escapes)"
            )),
        }
    }

    /// Reads a whole number without sign, fraction, exponent or leading zero.
    pub(super) fn whole_number(&mut self) -> Scan<u64> {
        self.space();
        let token = self.token();
        let plain = token.bytes().all(|byte| byte.is_ascii_digit())
            && (token == "0" || !token.starts_with('0'));
        match token.parse() {
            Ok(number) if plain => {
                self.at += token.len();
                Ok(number)
            }
            _ => Err(self.expected("a whole number from 0 to 2^64 - 1")),
        }
    }

    /// Reads `null` if it stands here.
    pub(super) fn null(&mut self) -> bool {
        self.space();
        let found = self.token() == "null";
        if found {
            self.at += 4;
        }
        found
    }

    /// Reads any value, however deep: it is walked without recursion.
    pub(super) fn skip(&mut self) -> Scan<()> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                self.at += values.byte_offset();
                Ok(())
            }
            _ => Err(self.expected("a JSON value")),
        }
    }

    /// `what` was expected here, and something else stands here.
    pub(super) fn expected(&self, what: &str) -> String {
        let token = self.token();
        let found = match (self.rest().chars().next(), token.is_empty()) {
            (None, _) => "the end".to_string(),
            (Some(c), true) => format!("{c:?}"),
            (Some(_), false) => crate::error::quoted(token),
        };
        format!("{found} at byte {} (expected {what})", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, what: &str) -> Scan<()> {
        match self.next_is(byte) {
            true => Ok(()),
            false => Err(self.expected(what)),
        }
    }

    fn next_is(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    /// The number or word that begins here, which may be no JSON; empty at anything else.
    fn token(&self) -> &'a str {
        let rest = self.rest();
        let in_token =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
        let len = rest
            .as_bytes()
            .iter()
            .position(|byte| !in_token(byte))
            .unwrap_or(rest.len());
        rest.get(..len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_seen_in_order_and_decoded() {
        let mut keys = Vec::new();
        let mut scanner =
            Scanner::new(r#" { "a" : 1, "\u0061":[2,{"x":null}] , "层\n":"\ud83d\ude00" } "#);
        let read = scanner.object(|scanner, key| {
            keys.push(key.into_owned());
            scanner.skip()
        });
        read.and_then(|()| scanner.end()).unwrap();
        assert_eq!(keys, ["a", "a", "层\n"]);
    }

    #[test]
    fn whole_numbers_have_one_spelling() {
        for (text, number) in [("0", 0), ("7", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(Scanner::new(text).whole_number(), Ok(number));
        }
        for text in [
            "",
            "-1",
            "-0",
            "00",
            "02",
            "+1",
            "1.0",
            "2e0",
            "2E0",
            "0x1",
            "1_0",
            "\"2\"",
            "null",
            "18446744073709551616",
        ] {
            let error = Scanner::new(text).whole_number().unwrap_err();
            assert!(
                error.ends_with("at byte 0 (expected a whole number from 0 to 2^64 - 1)"),
                "{error}"
            );
        }
    }

    #[test]
    fn strings_follow_json() {
        assert!(matches!(
            Scanner::new("\"plain\"").string(),
            Ok(Cow::Borrowed("plain"))
        ));
        assert_eq!(
            Scanner::new(r#""\u0000\/\\\"""#).string().unwrap(),
            "\0/\\\""
        );
        for text in [
            "\"a",
            "\"a\\",
            "\"a\\\"",
            "\"\n\"",
            "\"\u{1f}\"",
            r#""\ud800""#,
            r#""\x41""#,
            r#""\u00g0""#,
            "a",
        ] {
            Scanner::new(text).string().unwrap_err();
        }
    }

    #[test]
    fn skipped_values_are_checked() {
        for text in ["{\"a\":[1,-2.5e3,true,null]}", "\"x\"", "0", "[]"] {
            let mut scanner = Scanner::new(text);
            scanner.skip().and_then(|()| scanner.end()).unwrap();
        }
        for text in [
            "", "[1,]", "{\"a\":}", "{a:1}", "01", "nul", "[1 2]", "'x'", "NaN",
        ] {
            let mut scanner = Scanner::new(text);
            scanner.skip().and_then(|()| scanner.end()).unwrap_err();
        }
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        Scanner::new(&deep).skip().unwrap();
    }

    #[test]
    fn what_was_found_is_shown_escaped_and_cut() {
        assert_eq!(
            Scanner::new("\u{1b}[31m").array(|_| Ok(())).unwrap_err(),
            "'\\u{1b}' at byte 0 (expected an array)"
        );
        assert!(
            Scanner::new(&"9".repeat(5000))
                .whole_number()
                .unwrap_err()
                .chars()
                .count()
                < 200
        );
    }
}
