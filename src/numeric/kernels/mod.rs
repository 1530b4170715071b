//! The inner loops of the sums: one portable form, one for each instruction set, all with the same
//! bits.
//!
//! A run of elements is cut into blocks of 256, a block into steps of 16; the elements behind the
//! last whole step, filled up with zeros, are a block of one step. Element k of a block belongs to
//! f32 lane k mod 16 in the narrow loops (two 16-bit inputs) and to f64 lane k mod 8 in the wide
//! ones. A narrow block sums in f32, at most 16 terms a lane, and then adds f32 lanes j and j + 8
//! to f64 lane j: `lane += lo + hi`. A block with a value that f32 cannot square takes the wide
//! loop. Instruction sets differ in how many lanes they hold in a register, never in which terms a
//! lane adds, nor in which order.
//!
//! Fused multiply-add cannot show: the products a·b, a², b² are exact in the precision they are
//! summed in (f32 for 16-bit inputs within [2^-55, 2^60), f64 for f32 inputs), so that fused or not
//! they are rounded once, by the addition. (a−b)² is not exact; it is rounded before it is added,
//! on every path.
#![allow(unsafe_code)] // Calls of kernels whose instruction set was asked for.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod portable;
pub(crate) mod sha256;
#[cfg(test)]
mod tests;

use sha256::Digester;

/// Elements of one block: how far a kernel may run before it checks the range and folds f32 lanes
/// into f64.
pub(super) const BLOCK: usize = 256;

/// Kernels take whole steps; callers pad the last one with zeros, which change no sum.
pub(super) const STEP: usize = 16;

/// Lanes of f64.
pub(super) const LANES: usize = 8;

/// The sums of a run, lane by lane, and its counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Lanes {
    pub(super) ab: [f64; LANES],
    pub(super) aa: [f64; LANES],
    pub(super) bb: [f64; LANES],
    pub(super) a: [f64; LANES],
    pub(super) b: [f64; LANES],
    pub(super) dd: [f64; LANES],
    pub(super) max_abs_diff: f64,
    pub(super) equal: u64,
    pub(super) zeros: [u64; 2],
}

/// What a look at the codes of a block tells before it is summed.
struct Seen {
    equal: u64,
    zeros: [u64; 2],
    /// Whether a value lies outside the range that the loop sums exactly.
    beyond: bool,
}

impl Seen {
    fn add_to(&self, lanes: &mut Lanes) {
        lanes.equal += self.equal;
        lanes.zeros[0] += self.zeros[0];
        lanes.zeros[1] += self.zeros[1];
    }
}

/// A 16-bit floating-point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Narrow {
    /// Upper half of an IEEE single.
    Bf16,
    /// IEEE half precision.
    F16,
}

impl Narrow {
    /// Magnitudes that the narrow loops take besides 0, as codes shifted left by 1: the least, and
    /// the first past them.
    ///
    /// BF16: [2^-55, 2^60), so that sums of 16 squares stay below 2^126 and the square of a
    /// difference, which is at least 2^-62, stays normal. F16: all that is finite.
    const fn range(self) -> (u16, u16) {
        match self {
            Self::Bf16 => ((127 - 55) << 8, (127 + 60) << 8),
            Self::F16 => (2, 31 << 11),
        }
    }
}

/// An instruction set that the loops are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon,
}

/// A form of the loops that this machine runs.
// The field is private and set by `available` alone: a value is the proof that its instructions
// exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Set);

impl Kernel {
    /// Plain Rust, whatever the machine.
    pub const PORTABLE: Self = Self(Set::Portable);

    /// Every kernel that this machine runs, slowest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") && has!("f16c") {
                kernels.push(Self(Set::Avx2));
            }
            if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                kernels.push(Self(Set::Avx512));
            }
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        if std::arch::is_aarch64_feature_detected!("neon") {
            kernels.push(Self(Set::Neon));
        }
        kernels
    }

    /// The kernel in use: the one that `force` was told, else the fastest that this machine runs.
    pub fn active() -> Self {
        in_use().sums
    }

    /// Its name, as `--version` prints it.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Set::Neon => "neon",
        }
    }

    /// Adds the leading blocks of two runs of 16-bit floats (little-endian codes, whole steps) to
    /// `lanes`, up to the first block that holds a value outside its exact range; the number of
    /// elements added.
    pub(super) fn narrow(self, format: Narrow, a: &[u8], b: &[u8], lanes: &mut Lanes) -> usize {
        debug_assert!(a.len() == b.len() && a.len().is_multiple_of(2 * STEP));
        match self.0 {
            Set::Portable => portable::narrow(format, a, b, lanes),
            // SAFETY: `available` found the instruction set on this machine.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::narrow(format, a, b, lanes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::narrow(format, a, b, lanes) },
            // SAFETY: as above.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Set::Neon => unsafe { neon::narrow(format, a, b, lanes) },
        }
    }

    /// Adds the leading blocks of two runs of f32 (whole steps) to `lanes`, up to the first block
    /// that holds a non-finite value; the number of elements added.
    pub(super) fn wide(self, a: &[f32], b: &[f32], lanes: &mut Lanes) -> usize {
        debug_assert!(a.len() == b.len() && a.len().is_multiple_of(STEP));
        match self.0 {
            Set::Portable => portable::wide(a, b, lanes),
            // SAFETY: `available` found the instruction set on this machine.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::wide(a, b, lanes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::wide(a, b, lanes) },
            // SAFETY: as above.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Set::Neon => unsafe { neon::wide(a, b, lanes) },
        }
    }

    /// [`Kernel::wide`] for f64, whose products are rounded before they are added.
    pub(super) fn double(self, a: &[f64], b: &[f64], lanes: &mut Lanes) -> usize {
        debug_assert!(a.len() == b.len() && a.len().is_multiple_of(STEP));
        portable::wide(a, b, lanes)
    }
}

/// The kernels of a process, the same from its first sum to its last digest.
#[derive(Debug, Clone, Copy)]
struct InUse {
    sums: Kernel,
    digests: Digester,
}

static IN_USE: OnceLock<InUse> = OnceLock::new();

impl InUse {
    fn fastest() -> Self {
        Self {
            sums: Kernel::available().pop().unwrap_or(Kernel::PORTABLE),
            digests: Digester::FASTEST,
        }
    }

    /// The fastest but where one of `names`, set apart by commas, is that of another.
    fn named(names: &str) -> Result<Self, String> {
        let (sums, digests) = (Kernel::available(), Digester::available());
        let mut in_use = Self::fastest();
        for name in names.split(',').map(str::trim) {
            let sum = sums.iter().find(|kernel| kernel.name() == name);
            let digest = digests.iter().find(|kernel| kernel.name() == name);
            if sum.is_none() && digest.is_none() {
                let list = |names: Vec<&str>| names.join(", ");
                return Err(format!(
                    "no kernel of this machine is called {name:?} (expected some of: sums {}; digests {})",
                    list(sums.iter().map(|kernel| kernel.name()).collect()),
                    list(digests.iter().map(|kernel| kernel.name()).collect()),
                ));
            }
            in_use.sums = sum.copied().unwrap_or(in_use.sums);
            in_use.digests = digest.copied().unwrap_or(in_use.digests);
        }
        Ok(in_use)
    }
}

fn in_use() -> InUse {
    *IN_USE.get_or_init(InUse::fastest)
}

/// Takes the kernels of these names, set apart by commas, in the place of the fastest. No answer
/// depends on it: for tests, and for a machine whose fastest is in doubt. It must come before the
/// first sum and digest.
///
/// # Errors
/// A name that no kernel of this machine has: what was expected.
pub(crate) fn force(names: &str) -> Result<(), String> {
    let named = InUse::named(names)?;
    IN_USE
        .set(named)
        .map_err(|_| "kernels are in use already".to_owned())
}

/// The kernel of the sums in use by name: "avx512", "avx2", "neon" or "portable".
pub(crate) fn active() -> &'static str {
    Kernel::active().name()
}

/// The kernels of the digests in use.
pub(crate) fn digester() -> Digester {
    in_use().digests
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
