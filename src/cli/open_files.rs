//! How many files may be open at a time.

/// Lets the process open as many files as the system allows it. Every shard stays open while its
/// model is read, and `rank` reads several models of hundreds of shards, beyond the 1,024 that a
/// shell usually grants. Where the system refuses, opening the one too many says so.
pub(super) fn raise_limit() {
    #[cfg(unix)]
    let _ = rlimit::increase_nofile_limit(u64::MAX);
}
