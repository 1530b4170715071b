//! Plain loops for the vectors of the machine at hand.
//!
//! The package is built for every machine of its kind, with narrow vectors. What the analyses do
//! with each of millions of values is compiled a second time for wider ones.

use pulp::Arch;

/// What `work` gives, compiled for the widest vectors that are found. The compiler neither fuses nor
/// re-orders operations on its own, so the bits are the same.
///
/// Only what is inlined into `work` is compiled so.
#[inline]
pub(crate) fn widest<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Fewer values than this are worked through before wider vectors are found.
const FEW: usize = 256;

/// [`widest`], or `work` as it is where there are only a few values: the same bits.
#[inline]
pub(crate) fn widest_for<R>(values: usize, work: impl FnOnce() -> R) -> R {
    if values < FEW { work() } else { widest(work) }
}

/// Values that are compared side by side.
const LANES: usize = 16;

/// The largest of some values, those that are no numbers left out; −∞ where there is none.
pub(crate) fn largest(values: &[f32]) -> f32 {
    widest(
        #[inline(always)]
        || {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            let mut groups = values.chunks_exact(LANES);
            for group in &mut groups {
                for (lane, &value) in lanes.iter_mut().zip(group) {
                    *lane = if value > *lane { value } else { *lane };
                }
            }
            let rest = groups.remainder().iter().copied();
            rest.chain(lanes).fold(f32::NEG_INFINITY, f32::max)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_that_of_all_places_and_no_nan() {
        for length in 0..70 {
            for at in 0..length {
                let mut values: Vec<f32> = (0..length).map(|i| -1.0 - i as f32).collect();
                values[at] = 3.0;
                values[(at + 1) % length] = if length > 1 { f32::NAN } else { 3.0 };
                assert_eq!(largest(&values), 3.0, "{at} of {length}");
            }
        }
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
        assert_eq!(largest(&[f32::NAN; 20]), f32::NEG_INFINITY);
    }
}
