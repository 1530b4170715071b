//! What a model card declares: `base_model` in the front matter of README.md, and nothing else of
//! it.

/// The declared bases, in the order of the card. The few forms of YAML that model cards use for one
/// name or a list of names are read; anything else declares nothing.
pub(super) fn declared_base(card: &str) -> Vec<String> {
    let mut lines = card
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim_end);
    if lines.next() != Some("---") {
        return Vec::new();
    }
    let front: Vec<&str> = lines.take_while(|line| *line != "---").collect();
    let Some(at) = front
        .iter()
        .position(|line| line.starts_with("base_model:"))
    else {
        return Vec::new();
    };
    let mut rest = front.into_iter().skip(at);
    let value = rest
        .next()
        .and_then(|line| line.strip_prefix("base_model:"))
        .map_or("", |value| without_comment(value).trim_start());
    let items = rest.map(without_comment).take_while(|line| !is_key(line));
    match value.strip_prefix('[') {
        Some(first) => flow_list(
            &std::iter::once(first)
                .chain(items)
                .collect::<Vec<_>>()
                .join(" "),
        ),
        None if value.is_empty() => block_list(items),
        None => name(value).into_iter().collect(),
    }
}

/// The next key of the mapping: not indented, and no item of a list.
fn is_key(line: &str) -> bool {
    !line.is_empty() && !line.starts_with([' ', '-', ']', '\t'])
}

fn block_list<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let lines = lines.map(str::trim).filter(|line| !line.is_empty());
    lines
        .map_while(|line| line.strip_prefix("- "))
        .filter_map(name)
        .collect()
}

fn flow_list(text: &str) -> Vec<String> {
    let inside = text.split(']').next().unwrap_or_default();
    inside.split(',').filter_map(name).collect()
}

/// A name without its quotes; none where nothing or null is left.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text);
    (!matches!(unquoted, "" | "null" | "~")).then(|| unquoted.to_string())
}

/// The line up to a comment, which begins with `#` behind white space.
fn without_comment(line: &str) -> &str {
    let begin = line.match_indices('#').map(|(at, _)| at);
    let mut begin = begin.filter(|&at| {
        line.get(..at)
            .is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t']))
    });
    begin
        .next()
        .and_then(|at| line.get(..at))
        .unwrap_or(line)
        .trim_end()
}

#[cfg(test)]
mod tests {
    use super::declared_base;

    fn of(front: &str) -> Vec<String> {
        declared_base(&format!(
            "---\nlicense: mit\n{front}\n---\n# Card\nbase_model: no/body\n"
        ))
    }

    #[test]
    fn one_name_is_read_plain_and_quoted() {
        for front in [
            "base_model: org/Base-7B",
            "base_model: \"org/Base-7B\"",
            "base_model: 'org/Base-7B'   # the second try",
            "base_model:    org/Base-7B\r",
            "base_model_relation: finetune\nbase_model: org/Base-7B\ntags: [a]",
        ] {
            assert_eq!(of(front), ["org/Base-7B"], "{front}");
        }
    }

    #[test]
    fn lists_are_read_in_both_forms() {
        for front in [
            "base_model:\n- a/one\n- b/two\ntags:\n- c",
            "base_model:\n  - a/one\n  - \"b/two\"\nlanguage: en",
            "base_model: [a/one, 'b/two']\nlanguage: en",
            "base_model: [\n  a/one,\n  b/two\n]\nlanguage: en",
            "base_model: # both\n\n  - a/one\n  # and\n  - b/two",
        ] {
            assert_eq!(of(front), ["a/one", "b/two"], "{front}");
        }
    }

    #[test]
    fn nothing_is_declared_without_the_key_in_front_matter() {
        assert_eq!(of("tags: [x]"), [""; 0]);
        assert_eq!(of("base_model:"), [""; 0]);
        assert_eq!(of("base_model: null"), [""; 0]);
        assert_eq!(of("model:\n  base_model: a/b"), [""; 0]);
        assert_eq!(
            declared_base("# Card\n---\nbase_model: a/b\n---\n"),
            [""; 0]
        );
        assert_eq!(declared_base(""), [""; 0]);
    }

    #[test]
    fn a_byte_order_mark_before_the_card_is_passed_over() {
        assert_eq!(
            declared_base("\u{feff}---\r\nbase_model: a/b\r\n---\r\n"),
            ["a/b"]
        );
    }
}
