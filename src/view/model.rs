//! A checkpoint as a set of logical tensors.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::format::open::Opened;
use crate::format::tokenizer;
use crate::model::checkpoint::{Checkpoint, Format, TensorInfo};
use crate::model::name::Namer;
use crate::model::tokenizer::Tokenizer;
use crate::model::words::{Component, Role};

use super::logical::{Logical, Origin, RowOrder, Source, fold};
use super::pieces::{Facts, pieces};
use super::place::Place;
use super::reader::View;

/// An open checkpoint and what its tensors mean.
pub struct Model {
    /// The files.
    pub opened: Opened,
    /// Logical tensors, sorted by name bytes.
    pub logicals: Vec<Logical>,
    /// What its fused tensors need to be cut.
    pub facts: Facts,
    /// Its tokenizer, where it was asked for and is there.
    pub tokenizer: Option<Tokenizer>,
    /// Matrices of single roles, cut out of fused tensors where need be, by place.
    places: BTreeMap<Place, Logical>,
}

impl Model {
    /// Gives every stored tensor its meaning.
    pub fn new(opened: Opened) -> Self {
        let checkpoint = &opened.checkpoint;
        let namer = Namer::new(checkpoint.tensors.iter().map(|t| t.name.as_str()), checkpoint.config.as_ref());
        let tensors = checkpoint.tensors.iter().enumerate();
        let mut logicals: Vec<Logical> = tensors.map(|(i, tensor)| stored(&namer, i, tensor)).collect();
        let embed = logicals.iter().find(|l| l.meaning.role == Role::Embed && l.meaning.component == Component::Text);
        let width = embed.and_then(|l| l.shape.get(1).copied());
        turn_conv1d(&mut logicals, width);
        let mut facts = Facts::new(checkpoint.config.as_ref(), width);
        // llama.cpp adds the 1 when it converts.
        facts.zero_centred_gains &= checkpoint.format != Format::Gguf;
        let cut = logicals.iter().flat_map(|l| pieces(l, &facts));
        let places = cut.chain(logicals.iter().cloned()).map(|l| (l.place(), l)).collect();
        Self { opened, logicals, facts, tokenizer: None, places }
    }

    /// The same, with its tokenizer.
    pub fn with_tokenizer(mut opened: Opened) -> Self {
        let tokenizer = tokenizer::read(&mut opened);
        Self { tokenizer, ..Self::new(opened) }
    }

    /// The tensor at a place, as it is stored or cut out of a fused one.
    pub fn at(&self, place: &Place) -> Option<&Logical> {
        self.places.get(place)
    }

    /// All places that hold a tensor, cut out of fused ones or not.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &Logical)> {
        self.places.iter()
    }

    /// What was found on disk.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.opened.checkpoint
    }

    /// The values of a logical tensor of this model, as rows.
    ///
    /// # Errors
    /// When its values cannot be decoded; the message says why.
    pub fn view(&self, logical: &Logical) -> Result<View<'_>> {
        View::new(self, logical).map_err(|why| Error::unsupported(&self.checkpoint().path, why))
    }

    /// Why the values of a logical tensor of this model cannot be read, if they cannot.
    pub fn unreadable(&self, logical: &Logical) -> Option<String> {
        View::new(self, logical).err()
    }

    /// Number of logical elements.
    pub fn parameters(&self) -> u64 {
        self.logicals.iter().map(Logical::elements).sum()
    }
}

/// Turns the matrices that GPT-2 stores (in, out) (formats.md, section 1.7: Conv1D). Other models use the same names
/// for ordinary matrices, so the first matrix of the feed-forward must read the residual stream on its first axis.
fn turn_conv1d(logicals: &mut [Logical], width: Option<u64>) {
    let is_conv1d = |l: &Logical| {
        let parts = [".c_attn.weight", ".c_proj.weight", ".c_fc.weight", ".q_attn.weight"];
        l.shape.len() == 2 && parts.iter().any(|part| l.name.ends_with(part))
    };
    let stored_in_out = logicals.iter().any(|l| {
        l.name.ends_with(".c_fc.weight") && l.shape.len() == 2 && Some(l.shape[0]) == width && l.shape[0] < l.shape[1]
    });
    for logical in logicals.iter_mut().filter(|l| stored_in_out && is_conv1d(l)) {
        logical.shape.reverse();
        logical.source.transposed = true;
    }
}

fn stored(namer: &Namer, index: usize, tensor: &TensorInfo) -> Logical {
    let meaning = namer.meaning(&tensor.name, &tensor.shape, tensor.dtype);
    let matrix = fold(&tensor.shape, meaning.role);
    Logical {
        name: tensor.name.clone(),
        meaning,
        shape: tensor.shape.clone(),
        stored_shape: tensor.shape.clone(),
        dtype: tensor.dtype,
        source: Source {
            origin: Origin::Tensor(index),
            stored: matrix,
            start: 0,
            transposed: false,
            rows: RowOrder::All,
        },
    }
}
