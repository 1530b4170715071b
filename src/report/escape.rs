//! Names and sentences made safe for where they are printed: a terminal, a Markdown page, a shell.
//!
//! Whatever stands in a file may hold escape codes, line ends and controls that turn the text
//! around; nothing of that reaches a terminal or a page.

use unicode_width::UnicodeWidthChar;

use crate::error::{escape_controls, escape_sentence, is_hidden};

/// A tensor, model or file name: `\`, control codes and bidirectional controls as escapes
/// (guide/contract.md, section 6).
pub fn name(text: &str) -> String {
    escape_controls(text)
}

/// A sentence that may quote names which are escaped already: as [`name`], but `\` stays as it is.
pub fn sentence(text: &str) -> String {
    escape_sentence(text)
}

/// Columns that `text` takes in a terminal. A character of no width counts as one, so that no
/// number of combining marks passes for a short name.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of one character.
pub(super) fn char_width(c: char) -> usize {
    c.width().unwrap_or(1).max(1)
}

/// `text` in at most `columns` columns, its middle replaced by `…` where it is longer. The end of a
/// tensor name tells more than its middle, so both ends are kept.
pub fn elide(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else {
        return String::new();
    };
    let head = take(text.chars(), room / 2);
    let tail: String = take(text.chars().rev(), room - room / 2)
        .chars()
        .rev()
        .collect();
    format!("{head}…{tail}")
}

fn take(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += char_width(*c);
            used <= columns
        })
        .collect()
}

/// `text` broken at spaces into lines of at most `columns` columns; a longer word is cut.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let needed = width(word);
        if used > 0 && used + 1 + needed <= columns {
            line.push(' ');
            line.push_str(word);
            used += 1 + needed;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in word.chars() {
            if used + char_width(c) > columns && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += char_width(c);
        }
    }
    if used > 0 || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A name as a Markdown code span that neither its backticks nor, in a table, its pipes can leave.
pub fn markdown_code(text: &str) -> String {
    code_span(&name(text))
}

/// A word, a command or a value as a Markdown code span, its `\` as they are.
pub fn markdown_verbatim(text: &str) -> String {
    code_span(&sentence(text))
}

fn code_span(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A span that begins or ends with a backtick needs a space there; one that is all spaces is
    // kept by the fence.
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A sentence as text in HTML.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in sentence(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // What would be a mention where the page is shown.
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    out
}

/// A sentence as Markdown text: nothing in it is markup, HTML, a link or a mention.
pub fn markdown(text: &str) -> String {
    let text = sentence(text);
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            ':' if text[at..].starts_with("://") => out.push_str("&#58;"),
            '_' if before.is_alphanumeric()
                && text[at + 1..].starts_with(char::is_alphanumeric) =>
            {
                out.push(c)
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => out.extend(['\\', c]),
            '-' | '+' if at == 0 && !text[1..].starts_with(|d: char| d.is_ascii_digit()) => {
                out.extend(['\\', c])
            }
            '.' | ')'
                if at > 0
                    && text[..at].chars().all(|d| d.is_ascii_digit())
                    && !text[at + 1..].starts_with(char::is_alphanumeric) =>
            {
                out.extend(['\\', c])
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// `word` as one word of a POSIX shell: as it is where it is plain, else quoted; control codes in
/// `$'…'`.
pub fn shell_word(word: &str) -> String {
    shell_pieces(word, usize::MAX).concat()
}

/// Pieces of one shell word, none of them much longer than `columns`: together they are the word,
/// and each may stand at the end of a line with `\` behind it.
pub fn shell_pieces(word: &str, columns: usize) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if word.is_empty() {
        return vec!["''".to_owned()];
    }
    if word.chars().all(plain) {
        return word.chars().map(String::from).collect();
    }
    let mut pieces = Vec::new();
    let mut quoted = String::new();
    let close = |quoted: &mut String, pieces: &mut Vec<String>| {
        if !quoted.is_empty() {
            pieces.push(format!("'{}'", std::mem::take(quoted)));
        }
    };
    for c in word.chars() {
        if c == '\'' {
            close(&mut quoted, &mut pieces);
            pieces.push("\\'".to_owned());
        } else if c.is_control() || is_hidden(c) {
            close(&mut quoted, &mut pieces);
            let escape: String = c
                .encode_utf8(&mut [0; 4])
                .bytes()
                .map(|b| format!("\\x{b:02x}"))
                .collect();
            pieces.push(format!("$'{escape}'"));
        } else {
            quoted.push(c);
            if width(&quoted) >= columns {
                close(&mut quoted, &mut pieces);
            }
        }
    }
    close(&mut quoted, &mut pieces);
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sentence_keeps_the_backslash_of_a_name_that_was_escaped_before() {
        assert_eq!(
            sentence("tensor \"a\\nb\"\u{1b}[2J\u{202e}"),
            "tensor \"a\\nb\"\\u001B[2J\\u202E"
        );
    }

    #[test]
    fn elision_keeps_both_ends_and_counts_columns() {
        assert_eq!(
            elide("model.layers.17.mlp.down_proj.weight", 20),
            "model.lay…roj.weight"
        );
        assert_eq!(elide("層層層層層", 6), "層…層");
        assert_eq!(elide("short", 5), "short");
        assert_eq!(elide("anything", 0), "");
        assert!(
            elide(&format!("a{}", "\u{301}".repeat(1000)), 12)
                .chars()
                .count()
                <= 12
        );
    }

    #[test]
    fn long_words_are_cut_and_others_are_not() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn code_spans_hold_backticks_and_pipes() {
        assert_eq!(markdown_code("a|b"), "`a\\|b`");
        assert_eq!(markdown_code("`x``"), "``` `x`` ```");
        assert_eq!(markdown_code("a\n<b>"), "`a\\n<b>`");
        assert_eq!(markdown_code(""), "(empty)");
    }

    #[test]
    fn markdown_text_holds_no_markup() {
        assert_eq!(
            markdown("<img> *x* @me #1 a_b _c_"),
            "&lt;img&gt; \\*x\\* &#64;me \\#1 a_b \\_c\\_"
        );
        assert_eq!(markdown("- item"), "\\- item");
        assert_eq!(markdown("12. item"), "12\\. item");
        assert_eq!(markdown("0.50 and -0.5"), "0.50 and -0.5");
        assert_eq!(markdown("-0.5"), "-0.5");
        assert_eq!(markdown("10^-6 at 0.5."), "10^-6 at 0.5.");
        assert_eq!(markdown("https://e.org | x"), "https&#58;//e.org \\| x");
    }

    #[test]
    fn shell_words_are_quoted_where_needed() {
        assert_eq!(shell_word("models/base-1.5"), "models/base-1.5");
        assert_eq!(shell_word("it's here"), "'it'\\''s here'");
        assert_eq!(shell_word("a\u{1b}b"), "'a'$'\\x1b''b'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("*.bias"), "'*.bias'");
    }

    proptest! {
        #[test]
        fn what_is_printed_never_drives_a_terminal(text in any::<String>(), columns in 0usize..60) {
            let clean = |s: &str| !s.chars().any(|c| c.is_control() || is_hidden(c));
            for shown in [name(&text), sentence(&text), markdown_code(&text), markdown(&text), shell_word(&text)] {
                prop_assert!(clean(&shown));
            }
            prop_assert!(width(&elide(&name(&text), columns)) <= columns);
            for line in wrap(&sentence(&text), columns.max(2)) {
                prop_assert!(width(&line) <= columns.max(2));
            }
        }
    }
}
