//! The families of features by which units find their partners, on both sides.

use crate::error::Result;
use crate::evidence::disguise::basis::Basis;
use crate::model::words::words;
use crate::numeric::rng::Draws;
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::partners::{
    DAMAGE_COSINE, Damaged, Half, Halves, PROBES, Partners, Probes, StoredHalves, Whitened,
    found_twice, second_moment, whitening,
};
use crate::stats::units::{Features, Held, Projected, Sampling, TokenRows};

use super::block::{Block, Few, Whole};

words! {
    /// By which features of units partners were found.
    FeatureKind {
        /// Halves of the stored coordinates.
        Stored = "stored",
        /// Gate and up, over shared tokens.
        Projected = "projected",
        /// The same less what all units have in common.
        Whitened = "whitened",
        /// How units stand to the other matrices, sorted.
        TokenFree = "token_free",
        /// How units stand to partners that were found in other layers.
        Anchored = "anchored",
    }
}

/// Units from which the probes of a block are drawn, so that weak ones can be set aside.
const DRAWN: usize = 96;

/// Units of a block among which its damaged probes are looked for.
const COPIED: usize = 1024;

/// Shared tokens of one model, rows at unit length.
pub(in crate::evidence) struct Tokens {
    embedding: TokenRows,
    basis: Basis,
}

impl Tokens {
    /// From a basis of tokens; none of any other.
    pub(in crate::evidence) fn new(basis: Basis) -> Option<Self> {
        let Basis::Tokens { embedding, .. } = &basis else {
            return None;
        };
        Some(Self {
            embedding: embedding.clone().at_unit_length(),
            basis,
        })
    }
}

/// Probes of one block of the base, in every family that it has.
pub(in crate::evidence) struct Asked {
    /// Stored units that they are.
    pub units: Vec<usize>,
    stored: Option<Probes>,
    projected: Option<Probes>,
    /// The two halves over tokens.
    over_tokens: Option<[Held; 2]>,
    width: usize,
    is_gated: bool,
}

/// Units of `few` over tokens: gate and up, or the first matrix and what the second writes.
fn over_tokens(block: &Block<'_>, few: &Few, tokens: &Tokens) -> Result<Option<[Held; 2]>> {
    let Some(gate) = Projected::new(&few.gate, &tokens.embedding) else {
        return Ok(None);
    };
    let gate = Held::all(&gate)?;
    let second = match &few.up {
        Some(up) => Projected::new(up, &tokens.embedding)
            .map(|up| Held::all(&up))
            .transpose()?,
        None => block.over_head(&few.units, &tokens.basis)?,
    };
    Ok(second.map(|second| [gate, second]))
}

fn halves<'a, F: Features>(features: &'a [F; 2], is_gated: bool) -> Halves<'a> {
    let [first, second] = features;
    Halves {
        first: Half::plain(first),
        // Up and down may be negated together; what the second matrix of a plain block writes may
        // not.
        second: match is_gated {
            true => Half::signed(second),
            false => Half::plain(second),
        },
    }
}

fn stored<'a>(
    gate: &'a dyn RowSource,
    up: Option<&'a dyn RowSource>,
    down: &'a dyn RowSource,
    seed: u64,
) -> Option<StoredHalves<'a>> {
    match up {
        Some(up) => StoredHalves::new(&[gate], &[up, down], seed),
        None => StoredHalves::new(&[gate, down], &[], seed),
    }
}

/// Draws units of a block, weak ones left out, at most `count`.
pub(in crate::evidence) fn draw(
    block: &Block<'_>,
    count: usize,
    sampling: &Sampling,
) -> Result<Few> {
    let drawn = Draws::new(sampling.seed, "partner probes")
        .distinct(count.max(2) * DRAWN / PROBES, block.units());
    let few = block.some(&drawn, sampling)?;
    let mut strong = few.strong();
    strong.truncate(count);
    Ok(few.at(&strong))
}

impl Asked {
    /// Draws probes of a block and reads them.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn read(
        block: &Block<'_>,
        count: usize,
        tokens: Option<&Tokens>,
        sampling: &Sampling,
    ) -> Result<Self> {
        let few = draw(block, count, sampling)?;
        Self::of_units(block, &few, tokens, sampling)
    }

    /// Seeded units of a block in canonical form, at most `count`; their numbers are places in it.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn of_whole(
        whole: &Whole<'_, '_>,
        count: usize,
        tokens: Option<&Tokens>,
        sampling: &Sampling,
    ) -> Result<Self> {
        let places =
            Draws::new(sampling.seed, "partner probes").distinct(count, whole.live().len());
        let read = |source: &dyn RowSource| Matrix::from_rows(source, &places);
        let empty = || Matrix {
            rows: 0,
            columns: 0,
            values: Vec::new(),
        };
        let few = Few {
            units: places.iter().map(|&at| whole.live()[at].stored).collect(),
            gate: whole
                .gate()
                .map_or_else(|| Ok(empty()), |gate| read(&gate))?,
            up: whole.up().map(|up| read(&up)).transpose()?,
            down: whole
                .down()
                .map_or_else(|| Ok(empty()), |down| read(&down))?,
        };
        let asked = Self::of_units(whole.block(), &few, tokens, sampling)?;
        Ok(Self {
            units: places,
            ..asked
        })
    }

    /// Of the probes over tokens, how many a damaged copy of the block finds again.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn damaged_finds_itself(
        &self,
        block: &Block<'_>,
        tokens: &Tokens,
        sampling: &Sampling,
    ) -> Result<Option<(usize, usize)>> {
        let Some(probes) = &self.projected else {
            return Ok(None);
        };
        let drawn = Draws::new(sampling.seed, "units of a copy").distinct(COPIED, block.units());
        let mut all: Vec<usize> = self.units.iter().chain(&drawn).copied().collect();
        all.sort_unstable();
        all.dedup();
        let few = block.some(&all, sampling)?;
        // The others are as far from a damaged probe as they are: only the probes are damaged.
        let noised = |mut matrix: Matrix, purpose: &str| -> Result<Matrix> {
            let width = matrix.columns;
            let mut row = vec![0.0; width];
            for unit in &self.units {
                if let Ok(at) = all.binary_search(unit) {
                    let damaged = Damaged::new(&matrix, DAMAGE_COSINE, sampling.seed, purpose);
                    damaged.read_rows(at..at + 1, &mut row)?;
                    matrix.values[at * width..(at + 1) * width].copy_from_slice(&row);
                }
            }
            Ok(matrix)
        };
        let copy = Few {
            gate: noised(few.gate, "gate")?,
            up: few.up.map(|up| noised(up, "up")).transpose()?,
            down: noised(few.down, "down")?,
            units: few.units,
        };
        let Some(features) = over_tokens(block, &copy, tokens)? else {
            return Ok(None);
        };
        let found = found_twice(&[probes], &halves(&features, self.is_gated))?;
        let agreeing = found.into_iter().flatten().map(|found| found.agreeing);
        let itself = agreeing
            .flatten()
            .filter(|&(probe, partner)| self.units[probe] == all[partner]);
        Ok(Some((itself.count(), self.units.len())))
    }

    fn of_units(
        block: &Block<'_>,
        few: &Few,
        tokens: Option<&Tokens>,
        sampling: &Sampling,
    ) -> Result<Self> {
        let all: Vec<usize> = (0..few.units.len()).collect();
        let up = few.up.as_ref().map(|up| up as &dyn RowSource);
        let of_stored = stored(&few.gate, up, &few.down, sampling.seed);
        let of_stored = of_stored
            .as_ref()
            .map(|stored| Probes::read(&stored.halves(), &all))
            .transpose()?;
        let over_tokens = match tokens {
            Some(tokens) => over_tokens(block, few, tokens)?,
            None => None,
        };
        let projected = over_tokens
            .as_ref()
            .map(|features| Probes::read(&halves(features, block.is_gated()), &all))
            .transpose()?;
        Ok(Self {
            units: few.units.clone(),
            stored: of_stored,
            projected,
            over_tokens,
            width: block.width(),
            is_gated: block.is_gated(),
        })
    }
}

/// All units of a block of the target, with its features in every family, made when first asked.
pub(in crate::evidence) struct Sought<'a, 'b> {
    pub(in crate::evidence) whole: &'b Whole<'a, 'b>,
    over_tokens: Option<[Held; 2]>,
}

impl<'a, 'b> Sought<'a, 'b> {
    /// Reads the features over tokens, where there are any.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn new(
        whole: &'b Whole<'a, 'b>,
        tokens: Option<&'b Tokens>,
    ) -> Result<Self> {
        let mut over = None;
        if let Some(tokens) = tokens {
            let first = match whole.gate() {
                Some(gate) => Projected::new(&gate, &tokens.embedding)
                    .map(|gate| Held::all(&gate))
                    .transpose()?,
                None => None,
            };
            let second = match whole.up() {
                Some(up) => Projected::new(&up, &tokens.embedding)
                    .map(|up| Held::all(&up))
                    .transpose()?,
                None => {
                    let stored: Vec<usize> = whole.live().iter().map(|unit| unit.stored).collect();
                    whole.block().over_head(&stored, &tokens.basis)?
                }
            };
            over = first.zip(second).map(|(first, second)| [first, second]);
        }
        Ok(Self {
            whole,
            over_tokens: over,
        })
    }

    /// Partners of each of `asked`, by the unit's place in the canonical form; none where the
    /// family does not apply.
    ///
    /// # Errors
    /// A read that fails.
    pub(in crate::evidence) fn partners(
        &self,
        asked: &[&Asked],
        kind: FeatureKind,
        sampling: &Sampling,
    ) -> Result<Vec<Option<Partners>>> {
        let none = || Ok(vec![None; asked.len()]);
        let is_gated = self.whole.block().is_gated();
        match kind {
            FeatureKind::Stored => {
                let (Some(gate), Some(down)) = (self.whole.gate(), self.whole.down()) else {
                    return none();
                };
                let up = self.whole.up();
                let up = up.as_ref().map(|up| up as &dyn RowSource);
                let Some(target) = stored(&gate, up, &down, sampling.seed) else {
                    return none();
                };
                let width = self.whole.block().width();
                self.each(asked, &target.halves(), |one| {
                    let fits = one.width == width && one.is_gated == is_gated;
                    one.stored.as_ref().filter(|_| fits)
                })
            }
            FeatureKind::Projected | FeatureKind::Anchored => {
                let Some(features) = &self.over_tokens else {
                    return none();
                };
                self.each(asked, &halves(features, is_gated), |one| {
                    one.projected.as_ref().filter(|_| one.is_gated == is_gated)
                })
            }
            FeatureKind::Whitened => {
                let one = |asked: &&Asked| self.whitened(asked);
                asked.iter().map(one).collect()
            }
            FeatureKind::TokenFree => none(),
        }
    }

    fn each<'c>(
        &self,
        asked: &[&'c Asked],
        target: &Halves<'_>,
        probes: impl Fn(&'c Asked) -> Option<&'c Probes>,
    ) -> Result<Vec<Option<Partners>>> {
        let probes: Vec<Option<&Probes>> = asked.iter().map(|one| probes(one)).collect();
        let there: Vec<&Probes> = probes.iter().flatten().copied().collect();
        let mut found = found_twice(&there, target)?.into_iter();
        let each = probes
            .iter()
            .map(|one| one.and_then(|_| found.next().flatten()));
        Ok(each.collect())
    }

    fn whitened(&self, asked: &Asked) -> Result<Option<Partners>> {
        let (Some(base), Some(target)) = (&asked.over_tokens, &self.over_tokens) else {
            return Ok(None);
        };
        if asked.is_gated != self.whole.block().is_gated() {
            return Ok(None);
        }
        let mut by = Vec::new();
        for half in 0..2 {
            let moments = [second_moment(&base[half])?, second_moment(&target[half])?];
            let Some(matrix) = whitening(&moments[0], &moments[1]) else {
                return Ok(None);
            };
            by.push(matrix);
        }
        // Never held as a whole: of the second half hardly a tile is asked for.
        let white = |features| -> Option<[Whitened<'_>; 2]> {
            let [first, second]: &[Held; 2] = features;
            Some([
                Whitened::new(first, &by[0])?,
                Whitened::new(second, &by[1])?,
            ])
        };
        let Some((base, target)) = white(base).zip(white(target)) else {
            return Ok(None);
        };
        let all: Vec<usize> = (0..base[0].units()).collect();
        let probes = Probes::read(&halves(&base, asked.is_gated), &all)?;
        let mut found = found_twice(&[&probes], &halves(&target, asked.is_gated))?;
        Ok(found.pop().flatten())
    }
}
