//! Several streams in plain Rust: words of as many lanes as common vector units hold, whose loops
//! compilers turn into their instructions.

use super::lanes::rounds;
use super::{Block, State};

/// Streams at a time.
pub(super) const LANES: usize = 2;

/// One word of each stream.
type Word = [u32; LANES];

/// See [`super::Form::advance`].
pub(super) fn advance(states: &mut [State; LANES], inputs: &[&[Block]; LANES]) {
    let mut state: [Word; 8] = std::array::from_fn(|word| states.map(|state| state[word]));
    for block in 0..inputs[0].len() {
        let mut words: [Word; 16] = std::array::from_fn(|word| {
            inputs.map(|input| {
                let bytes = input[block].as_chunks::<4>().0[word];
                u32::from_be_bytes(bytes)
            })
        });
        rounds!(state, words);
    }
    for (lane, own) in states.iter_mut().enumerate() {
        *own = state.map(|word| word[lane]);
    }
}

#[inline(always)]
fn each(f: impl Fn(usize) -> u32) -> Word {
    let mut word = [0; LANES];
    for (lane, value) in word.iter_mut().enumerate() {
        *value = f(lane);
    }
    word
}

#[inline(always)]
fn splat(value: u32) -> Word {
    [value; LANES]
}

#[inline(always)]
fn add(x: Word, y: Word) -> Word {
    each(|i| x[i].wrapping_add(y[i]))
}

#[inline(always)]
fn add_now(x: Word, y: Word) -> Word {
    add(x, y)
}

#[inline(always)]
fn big_sigma_0(x: Word) -> Word {
    each(|i| x[i].rotate_right(2) ^ x[i].rotate_right(13) ^ x[i].rotate_right(22))
}

#[inline(always)]
fn big_sigma_1(x: Word) -> Word {
    each(|i| x[i].rotate_right(6) ^ x[i].rotate_right(11) ^ x[i].rotate_right(25))
}

#[inline(always)]
fn small_sigma_0(x: Word) -> Word {
    each(|i| x[i].rotate_right(7) ^ x[i].rotate_right(18) ^ (x[i] >> 3))
}

#[inline(always)]
fn small_sigma_1(x: Word) -> Word {
    each(|i| x[i].rotate_right(17) ^ x[i].rotate_right(19) ^ (x[i] >> 10))
}

#[inline(always)]
fn choose(x: Word, y: Word, z: Word) -> Word {
    each(|i| z[i] ^ (x[i] & (y[i] ^ z[i])))
}

#[inline(always)]
fn majority(x: Word, y: Word, z: Word) -> Word {
    each(|i| (x[i] & y[i]) | (z[i] & (x[i] | y[i])))
}
