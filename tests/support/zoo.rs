//! The zoo: small models that were really trained, of known lineage, too large to come with the
//! project.

use std::path::{Path, PathBuf};

/// Where the zoo lies: `$WCMP_ZOO`, or beside the project. A test that asks for it is ignored by
/// default; where somebody runs it without a zoo it fails, as it has shown nothing.
pub(crate) fn zoo() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/zoo");
    let zoo = std::env::var_os("WCMP_ZOO").map_or_else(beside, PathBuf::from);
    assert!(
        zoo.join("TRUTH.tsv").is_file(),
        "no zoo of trained models at {} (WCMP_ZOO may name another place)",
        zoo.display()
    );
    zoo
}
