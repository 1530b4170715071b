//! The house rules that a compiler does not know: what may import what, that the guide tells the
//! truth about paths and keys, that a citation leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src`, from the ground up: what the code of each may import beside itself. Tests
/// beside the code may import what they like.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("model", &["error"]),
    ("source", &["error", "model"]),
    ("numeric", &["error", "model"]),
    ("stats", &["error", "numeric"]),
    ("format", &["error", "model", "source"]),
    ("view", &["error", "model", "source", "numeric", "format"]),
    ("align", &["error", "model", "numeric", "view"]),
    (
        "measure",
        &["error", "model", "source", "numeric", "view", "align"],
    ),
    (
        "evidence",
        &[
            "error", "model", "numeric", "stats", "view", "align", "measure",
        ],
    ),
    ("verdict", &["error", "model", "evidence"]),
    ("manifest", &["error", "model"]),
    (
        "results",
        &[
            "error", "model", "stats", "view", "align", "measure", "evidence", "verdict",
            "manifest",
        ],
    ),
    (
        "pipeline",
        &[
            "error", "model", "source", "numeric", "stats", "format", "view", "align", "measure",
            "evidence", "verdict", "manifest", "results",
        ],
    ),
    (
        "report",
        &[
            "error", "model", "evidence", "verdict", "manifest", "results",
        ],
    ),
    (
        "cli",
        &[
            "error", "model", "source", "numeric", "format", "view", "measure", "verdict",
            "manifest", "results", "pipeline", "report",
        ],
    ),
    ("guide", &[]),
];

/// Arrows that still point the wrong way. A row that is not needed any more is to be taken out; a
/// new one is a fault.
const OWED: &[(&str, &str)] = &[
    ("align", "format"),
    ("report", "align"),
    ("report", "measure"),
    ("report", "stats"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files under `folder` with one of these endings, sorted, with their text.
fn texts(folder: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if ending.is_some_and(|ending| endings.contains(&ending)) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The room that a file of `src` is in.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without its comments and without the tests at its end.
fn code(text: &str) -> String {
    let tests = ["mod tests {", "mod tests;"]
        .iter()
        .filter_map(|tests| text.find(tests))
        .filter(|&at| text[..at].contains("#[cfg(test)]"))
        .filter(|&at| text[at..].starts_with("mod tests {"))
        .min();
    text[..tests.unwrap_or(text.len())]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first segments of the paths that begin with `crate::`.
fn imported(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_word).collect()
    };
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => {
                found.insert(word(rest));
            }
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    if start && !c.is_whitespace() {
                        found.insert(word(&list[at..]));
                        start = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        _ => {}
                    }
                }
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn the_arrows_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut below: BTreeSet<&str> = BTreeSet::new();
    for (room, imports) in ROOMS {
        for import in *imports {
            assert!(
                below.contains(import),
                "{room} may not import {import}, which is not below"
            );
        }
        below.insert(room);
    }
    let mut wrong = Vec::new();
    for (path, text) in texts("src", &["rs"]) {
        let at = room(&path);
        let is_test = path.ends_with("tests.rs") || path.ends_with("reference.rs");
        if is_test || matches!(at.as_str(), "lib" | "main" | "internals") {
            continue;
        }
        let Some(allowed) = allowed.get(at.as_str()) else {
            wrong.push(format!("{}: a room that the table lacks", path.display()));
            continue;
        };
        for import in imported(&code(&text)) {
            let owed = OWED.contains(&(at.as_str(), import.as_str()));
            let is_room = below.contains(import.as_str());
            if import != at && is_room && !owed && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: crate::{import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first words of the headings of a page: "1.", "1.2".
fn sections(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with("##"));
    headings
        .filter_map(|line| line.trim_start_matches('#').split_whitespace().next())
        .map(|number| number.trim_end_matches('.').to_owned())
        .collect()
}

/// Comments of a file, each joined over its lines.
fn comments(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim_start) {
        match line.strip_prefix("//") {
            Some(comment) => {
                out.push(' ');
                out.push_str(comment.trim_start_matches(['/', '!']).trim());
            }
            None => out.push('\n'),
        }
    }
    out
}

#[test]
fn citations_of_the_guide_lead_somewhere() {
    let pages: BTreeMap<String, BTreeSet<String>> = texts("src/guide", &["md"])
        .into_iter()
        .map(|(path, text)| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), sections(&text))
        })
        .collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, text) in texts("src", &["rs"])
        .into_iter()
        .chain(texts("tests", &["rs"]))
    {
        if path.ends_with("tests/house.rs") || path.ends_with("guide/mod.rs") {
            continue;
        }
        let comments = comments(&text);
        let cited = [
            "contract.md",
            "methods.md",
            "formats.md",
            "schema.md",
            "sketches.md",
        ];
        for page in cited {
            for (at, _) in comments.match_indices(page) {
                count += 1;
                let place = format!(
                    "{}: {}",
                    path.display(),
                    &comments[at..].lines().next().unwrap_or_default()
                );
                if !comments[..at].ends_with("guide/") {
                    wrong.push(format!("{place} (expected guide/{page})"));
                    continue;
                }
                let after = &comments[at + page.len()..];
                let Some(after) = after
                    .strip_prefix(", sections ")
                    .or_else(|| after.strip_prefix(", section "))
                else {
                    continue;
                };
                let number: String = after
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || *c == '.')
                    .collect();
                if !pages[page].contains(number.trim_end_matches('.')) {
                    wrong.push(format!("{place}: no such section"));
                }
            }
        }
    }
    assert!(count > 40, "only {count} citations were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_that_the_guide_names_exist() {
    let mut pages = texts("src/guide", &["md"]);
    for name in ["README.md", "tests/README.md", "fixtures/README.md"] {
        pages.push((
            root().join(name),
            fs::read_to_string(root().join(name)).unwrap(),
        ));
    }
    pages.extend(texts(".github", &["md"]));
    let mut wrong = Vec::new();
    for (path, text) in &pages {
        let quoted = text.split('`').skip(1).step_by(2);
        let is_path = |word: &&str| {
            let begins = ["src/", "tests/", "fixtures/", ".ci/", ".github/"];
            begins.iter().any(|begin| word.starts_with(begin)) && !word.contains(['*', ' ', '\n'])
        };
        for named in quoted.filter(is_path) {
            if !root().join(named).exists() {
                wrong.push(format!("{}: {named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_page_lists_the_keys_of_every_command() {
    let page = fs::read_to_string(root().join("src/guide/schema.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("```text\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    let commands = [
        "compare", "rank", "arch", "inspect", "hash", "check", "sketch", "matrix",
    ];
    assert_eq!(blocks.len(), commands.len());
    for (command, block) in commands.into_iter().zip(blocks) {
        let list = fs::read_to_string(root().join(format!("tests/schema/{command}.txt"))).unwrap();
        assert_eq!(block.trim_end(), list.trim_end(), "{command}");
    }
}
