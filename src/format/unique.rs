//! Names that must not repeat.

/// The first name, in byte order, that occurs twice.
pub(super) fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [first, second] if first == second => Some(*first),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn a_name_that_occurs_twice_is_found() {
        assert_eq!(repeated(["b", "a", "c"].into_iter()), None);
        assert_eq!(repeated(["b", "a", "c", "b"].into_iter()), Some("b"));
    }
}
