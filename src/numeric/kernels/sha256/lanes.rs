//! The 64 rounds of SHA-256 over words of several streams, one lane each: written once, for every
//! width of a word.

/// Advances the state `$state` (eight words) by one block, whose 16 words `$words` it uses up.
///
/// Where it stands, these must be in scope: `add`, `add_now`, `big_sigma_0`, `big_sigma_1`, `small_sigma_0`,
/// `small_sigma_1`, `choose`, `majority` and `splat`, lane by lane (FIPS 180-4, sections 4.1.2 and
/// 6.2.2).
macro_rules! rounds {
    ($state:ident, $words:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $state;

        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $constants:expr, $at:literal) => {
                let constant = splat($constants[$at]);
                let known = add($h, add(constant, $words[$at]));
                let chosen = choose($e, $f, $g);
                let mixed = big_sigma_1($e);
                let sum = add(add(known, chosen), mixed);
                $h = add(sum, add(big_sigma_0($a), majority($a, $b, $c)));
                // The next round waits for this one alone: what of it is known early goes first.
                $d = add(add_now(add($d, known), chosen), mixed);
            };
        }

        // The word of round t makes room for that of round t + 16.
        macro_rules! schedule {
            ($at:literal) => {
                let far = add($words[$at], small_sigma_0($words[($at + 1) % 16]));
                let near = add($words[($at + 9) % 16], small_sigma_1($words[($at + 14) % 16]));
                $words[$at] = add(far, near);
            };
        }

        macro_rules! eight_rounds {
            ($constants:expr, $then:ident, $i0:literal $i1:literal $i2:literal $i3:literal $i4:literal $i5:literal $i6:literal $i7:literal) => {
                round!(a b c d e f g h, $constants, $i0);
                $then!($i0);
                round!(h a b c d e f g, $constants, $i1);
                $then!($i1);
                round!(g h a b c d e f, $constants, $i2);
                $then!($i2);
                round!(f g h a b c d e, $constants, $i3);
                $then!($i3);
                round!(e f g h a b c d, $constants, $i4);
                $then!($i4);
                round!(d e f g h a b c, $constants, $i5);
                $then!($i5);
                round!(c d e f g h a b, $constants, $i6);
                $then!($i6);
                round!(b c d e f g h a, $constants, $i7);
                $then!($i7);
            };
        }

        macro_rules! nothing {
            ($at:literal) => {};
        }

        let [scheduling @ .., last] = $crate::numeric::kernels::sha256::K_BY_16;
        for constants in scheduling {
            eight_rounds!(constants, schedule, 0 1 2 3 4 5 6 7);
            eight_rounds!(constants, schedule, 8 9 10 11 12 13 14 15);
        }
        eight_rounds!(last, nothing, 0 1 2 3 4 5 6 7);
        eight_rounds!(last, nothing, 8 9 10 11 12 13 14 15);

        let advanced = [a, b, c, d, e, f, g, h];
        for (word, advanced) in $state.iter_mut().zip(advanced) {
            *word = add(*word, advanced);
        }
    }};
}

pub(super) use rounds;
