//! `WCMP_KERNEL`: kernels by name, where the fastest are not wanted.

use std::env;

use crate::numeric::kernels;

/// Names of kernels, set apart by commas.
const VARIABLE: &str = "WCMP_KERNEL";

/// Takes the kernels that the environment names, if it names any.
///
/// # Errors
/// What is wrong with the name: nothing is measured by other kernels than were asked for.
pub(super) fn from_environment() -> Result<(), String> {
    let Some(names) = env::var_os(VARIABLE).filter(|names| !names.is_empty()) else {
        return Ok(());
    };
    kernels::force(&names.to_string_lossy()).map_err(|what| format!("{VARIABLE}: {what}"))
}
