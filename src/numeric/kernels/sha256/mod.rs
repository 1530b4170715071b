//! SHA-256 (FIPS 180-4) of several streams at once.
//!
//! One stream is one chain of rounds, each waiting for the one before: most of a core stands idle.
//! Digests of different tensors are independent chains, so that a core takes them by turns (SHA
//! instructions) or side by side (a lane of a register each). What is computed is the same.
//!
//! The crate `sha2` is the reference, and the form for one stream; like all of RustCrypto it has no
//! form for several (RustCrypto/traits#2478 asks for one). Others that were looked at: `tape-sha256`
//! takes whole messages that lie in memory, where tensors come chunk by chunk; `purecrypto` and
//! Plonky3's `p3-sha256` keep theirs to themselves; `isal-rs` binds ISA-L's compression, and nobody
//! its `isal_crypto`, which wants an assembler.
#![allow(unsafe_code)] // Calls of kernels whose instruction set was asked for.

use std::sync::OnceLock;

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod streams;
#[cfg(test)]
mod tests;

pub use streams::{Feed, Stream, advance, finish};

/// The eight words that a stream's bytes so far come to.
type State = [u32; 8];

/// What the state advances by.
type Block = [u8; 64];

/// Before the first block (FIPS 180-4, section 5.3.3).
const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Constants of the rounds (FIPS 180-4, section 4.2.2).
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The same, those of 16 rounds at a time.
const K_BY_16: &[[u32; 16]; 4] = {
    let ([first, second, third, last], []) = K.as_chunks() else {
        panic!("64 constants are four times 16")
    };
    &[*first, *second, *third, *last]
};

/// A loop over the blocks of a fixed number of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `sha2`, which takes SHA instructions where there are any.
    One,
    Portable,
    #[cfg(target_arch = "x86_64")]
    TwoByShaNi,
    #[cfg(target_arch = "x86_64")]
    FourByShaNi,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    TwoByArmv8,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    FourByArmv8,
}

/// A stream that is advanced: its state and the blocks that are to come.
struct Lane<'a> {
    state: &'a mut State,
    blocks: &'a [Block],
}

impl Form {
    /// Whether the SHA instructions that one stream takes are there.
    fn has_sha() -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            has!("sha") && has!("sse4.1") && has!("ssse3")
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        {
            use std::arch::is_aarch64_feature_detected as has;
            has!("neon") && has!("sha2")
        }
        #[cfg(not(any(
            target_arch = "x86_64",
            all(target_arch = "aarch64", target_endian = "little")
        )))]
        false
    }

    /// The name of its kind.
    const fn kind(self) -> &'static str {
        match self {
            Self::One => "sha2",
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::TwoByShaNi | Self::FourByShaNi => "sha-ni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::TwoByArmv8 | Self::FourByArmv8 => "armv8",
        }
    }

    /// Streams that it advances in one go; fewer take as long.
    const fn lanes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Portable => portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::TwoByShaNi => 2,
            #[cfg(target_arch = "x86_64")]
            Self::FourByShaNi => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::LANES,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::TwoByArmv8 => 2,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::FourByArmv8 => 4,
        }
    }

    /// What a block in every lane takes, in nanoseconds on the machine at hand; only the ratios
    /// matter. On ARMv8 they are those of two and four chains through a unit that is half idle.
    fn time(self) -> f64 {
        match self {
            Self::One if Self::has_sha() => 30.0,
            Self::One => 120.0,
            Self::Portable => 280.0,
            #[cfg(target_arch = "x86_64")]
            Self::TwoByShaNi => 41.0,
            #[cfg(target_arch = "x86_64")]
            Self::FourByShaNi => 70.0,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 242.0,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 150.0,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::TwoByArmv8 => 41.0,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::FourByArmv8 => 75.0,
        }
    }

    /// Advances at most [`Form::lanes`] streams by `blocks` of their blocks.
    fn advance(self, lanes: &mut [Lane<'_>], blocks: usize) {
        match self {
            Self::One => {
                for lane in lanes {
                    let (now, later) = lane.blocks.split_at(blocks);
                    sha2::block_api::compress256(lane.state, now);
                    lane.blocks = later;
                }
            }
            Self::Portable => side_by_side(lanes, blocks, portable::advance),
            // SAFETY: a `Digester` holds such a form where the machine has its instructions.
            #[cfg(target_arch = "x86_64")]
            Self::TwoByShaNi => side_by_side(lanes, blocks, |s, i| unsafe {
                sha_ni::advance::<2>(s, i);
            }),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::FourByShaNi => side_by_side(lanes, blocks, |s, i| unsafe {
                sha_ni::advance::<4>(s, i);
            }),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => side_by_side(lanes, blocks, |s, i| unsafe { avx2::advance(s, i) }),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => side_by_side(lanes, blocks, |s, i| unsafe { avx512::advance(s, i) }),
            // SAFETY: as above.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::TwoByArmv8 => side_by_side(lanes, blocks, |s, i| unsafe {
                armv8::advance::<2>(s, i);
            }),
            // SAFETY: as above.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::FourByArmv8 => side_by_side(lanes, blocks, |s, i| unsafe {
                armv8::advance::<4>(s, i);
            }),
        }
    }
}

/// Hands `lanes` to a loop of `N` lanes. Lanes without a stream go over the first one's blocks, and
/// what they come to is dropped.
fn side_by_side<const N: usize>(
    lanes: &mut [Lane<'_>],
    blocks: usize,
    advance: impl Fn(&mut [State; N], &[&[Block]; N]),
) {
    debug_assert!(lanes.len() <= N);
    let Some(first) = lanes.first() else { return };
    let mut states = [START; N];
    let mut inputs = [&first.blocks[..blocks]; N];
    for ((lane, state), input) in lanes.iter().zip(&mut states).zip(&mut inputs) {
        *state = *lane.state;
        *input = &lane.blocks[..blocks];
    }
    advance(&mut states, &inputs);
    for (lane, state) in lanes.iter_mut().zip(states) {
        *lane.state = state;
        lane.blocks = &lane.blocks[blocks..];
    }
}

/// Which forms are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Fastest,
    Sha2,
    Portable,
    #[cfg(target_arch = "x86_64")]
    ShaNi,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Armv8,
}

/// A way of hashing that this machine has.
// The field is private and set by `available` alone: a value is the proof that its instructions
// exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digester(Set);

impl Digester {
    /// Whichever form is the fastest for the streams at hand.
    pub const FASTEST: Self = Self(Set::Fastest);

    /// Every one of a single kind that this machine has.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Set::Sha2, Set::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if Form::has_sha() {
                sets.push(Set::ShaNi);
            }
            if has!("avx2") {
                sets.push(Set::Avx2);
            }
            if has!("avx2") && has!("avx512f") && has!("avx512bw") {
                sets.push(Set::Avx512);
            }
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        if Form::has_sha() {
            sets.push(Set::Armv8);
        }
        sets.into_iter().map(Self).collect()
    }

    /// Its name in `WCMP_KERNEL`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Fastest => "fastest",
            _ => self.forms().first().map_or("", |form| form.kind()),
        }
    }

    /// Most streams that are worth advancing together.
    pub fn streams(self) -> usize {
        let lanes = self.forms().iter().map(|form| form.lanes());
        lanes.max().unwrap_or(1)
    }

    /// Its forms, each of them on this machine.
    fn forms(self) -> &'static [Form] {
        static ALL: OnceLock<Vec<Form>> = OnceLock::new();
        match self.0 {
            Set::Fastest => ALL.get_or_init(|| {
                let kinds = Self::available().into_iter();
                kinds.flat_map(Self::forms).copied().collect()
            }),
            Set::Sha2 => &[Form::One],
            Set::Portable => &[Form::Portable],
            #[cfg(target_arch = "x86_64")]
            Set::ShaNi => &[Form::TwoByShaNi, Form::FourByShaNi],
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => &[Form::Avx2],
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => &[Form::Avx512],
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Set::Armv8 => &[Form::TwoByArmv8, Form::FourByArmv8],
        }
    }

    /// The form that takes the least time a stream where there are `streams` of them, at least one.
    fn form_for(self, streams: usize) -> Form {
        let time = |form: &Form| form.time() / form.lanes().min(streams) as f64;
        let forms = self.forms().iter().copied();
        let fastest = forms.min_by(|a, b| time(a).total_cmp(&time(b)));
        fastest.unwrap_or(Form::One)
    }

    /// Nanoseconds a byte of one of `streams` streams that are advanced together, on the machine at
    /// hand.
    pub fn time_a_byte(self, streams: usize) -> f64 {
        let form = self.form_for(streams.max(1));
        let at_once = form.lanes().min(streams.max(1));
        form.time() / (at_once * size_of::<Block>()) as f64
    }
}

impl std::fmt::Display for Digester {
    /// Its kinds, each with the least number of streams that it is taken for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before = "";
        for streams in 1..=self.streams() {
            let kind = self.form_for(streams).kind();
            if kind != before {
                match before {
                    "" => write!(f, "{kind}")?,
                    _ => write!(f, ", {kind} from {streams} at once")?,
                }
                before = kind;
            }
        }
        Ok(())
    }
}
