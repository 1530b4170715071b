//! Which stored tensors make up a quantised matrix, and by which layout.
//!
//! Tensor names, dtypes and shapes decide; config.json gives what they leave open
//! (guide/formats.md, section 1.3).

mod members;
mod settings;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::members::{Group, Members, by_stem};
use self::settings::Settings;
use crate::error::{Error, Result};
use crate::model::checkpoint::TensorInfo;
use crate::model::config::Config;
use crate::model::dtype::Dtype;
use crate::numeric::quant::fp8::Block;
use crate::numeric::quant::gptq::Format;
use crate::numeric::quant::mlx::Mode;
use crate::numeric::quant::nvfp4::Global;
use crate::numeric::quant::{
    Built, SteppedRows, Stored, StoredBytes, awq, bnb, compressed, fp8, gptq, mlx, mxfp4, nvfp4,
};

/// Layout of a quantised matrix, with what its tensors alone do not tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Scheme {
    /// 8-bit floats with scales.
    Fp8 {
        /// Block of the config.
        block: Option<Block>,
    },
    /// 8-bit integers with scales (compressed-tensors, torchao, quanto).
    Int8,
    /// GPTQ.
    Gptq {
        /// How zero points and codes are written.
        format: Format,
        /// Group size of the config.
        group_size: Option<usize>,
    },
    /// AWQ, version gemm.
    AwqGemm {
        /// Group size of the config.
        group_size: Option<usize>,
    },
    /// AWQ, version gemv.
    AwqGemv {
        /// Group size of the config.
        group_size: Option<usize>,
    },
    /// bitsandbytes int8.
    BnbInt8,
    /// bitsandbytes nf4 or fp4.
    BnbFourBit(QuantState),
    /// compressed-tensors pack-quantized.
    PackQuantized {
        /// Rows.
        out: usize,
        /// Columns.
        input: usize,
        /// Bits of a code.
        bits: usize,
        /// Group size of the config.
        group_size: Option<usize>,
    },
    /// MXFP4 in bytes.
    Mxfp4,
    /// MXFP6 in bytes.
    Mxfp6,
    /// MXFP4 of gpt-oss: stacks of experts.
    GptOss,
    /// NVFP4.
    Nvfp4,
    /// MLX.
    Mlx(Mode),
}

/// Quantisation state of bitsandbytes.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantState {
    /// (out, in).
    pub shape: Vec<u64>,
    /// Elements that share a scale.
    pub block: usize,
    /// With double quantisation: scales that share a scale, and what is added to all.
    pub nested: Option<(usize, f32)>,
}

impl Scheme {
    /// The name that people know it by.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fp8 { .. } => "FP8",
            Self::Int8 => "INT8",
            Self::Gptq { .. } => "GPTQ",
            Self::AwqGemm { .. } | Self::AwqGemv { .. } => "AWQ",
            Self::BnbInt8 => "bitsandbytes int8",
            Self::BnbFourBit(_) => "bitsandbytes 4-bit",
            Self::PackQuantized { .. } => "compressed-tensors",
            Self::Mxfp4 | Self::GptOss => "MXFP4",
            Self::Mxfp6 => "MXFP6",
            Self::Nvfp4 => "NVFP4",
            Self::Mlx(_) => "MLX",
        }
    }

    /// Whether codes are rounded by a method that minimises the error of the layer's output, not of
    /// each weight.
    pub fn is_calibrated(&self) -> bool {
        // Packed integers of compressed-tensors come from GPTQ, AWQ or plain rounding; nothing in
        // the file tells.
        matches!(
            self,
            Self::Gptq { .. }
                | Self::AwqGemm { .. }
                | Self::AwqGemv { .. }
                | Self::PackQuantized { .. }
        )
    }

    /// Whether columns carry scales that the norm before the matrix takes back, so that more than
    /// rounding sets it apart from the original.
    pub fn rescales_inputs(&self) -> bool {
        matches!(self, Self::AwqGemm { .. } | Self::AwqGemv { .. })
    }
}

/// A matrix that several stored tensors make up.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantisedMatrix {
    /// Name of the unquantised tensor: "X.weight", or "X" for stacks of experts.
    pub name: String,
    /// (out, in), or (experts, out, in), whatever the orientation of the unquantised tensor.
    pub shape: Vec<u64>,
    /// Layout.
    pub scheme: Scheme,
    /// Its tensors: what each is for, and where it is in the list of tensors.
    pub members: BTreeMap<&'static str, usize>,
}

/// A matrix whose layout is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Name of the unquantised tensor.
    pub name: String,
    /// Layout, and why it is not read.
    pub reason: String,
    /// Its tensors.
    pub members: Vec<usize>,
}

/// What is quantised in a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quantised {
    /// Matrices that can be read, sorted by name.
    pub matrices: Vec<QuantisedMatrix>,
    /// Matrices that cannot, sorted by name.
    pub unsupported: Vec<Unsupported>,
    /// Tensors beside them that describe activations or caches, no weights.
    pub aside: Vec<usize>,
}

/// Finds the quantised matrices among `tensors`. `small` reads a whole tensor of at most [`SMALL`]
/// bytes.
pub fn quantised(
    tensors: &[TensorInfo],
    config: Option<&Config>,
    small: &dyn Fn(usize) -> Option<Vec<u8>>,
) -> Quantised {
    let settings = Settings::of(config);
    let mut found = Quantised::default();
    for (stem, group) in by_stem(tensors) {
        let finder = Finder {
            tensors,
            group: &group,
            stem,
            settings: &settings,
            small,
        };
        match finder
            .scheme()
            .map(|scheme| scheme.and_then(|scheme| finder.matrix(scheme)))
        {
            None => {}
            Some(Ok(matrix)) => found.matrices.push(matrix),
            Some(Err(reason)) => {
                let members = group.members.values().copied().collect();
                found.unsupported.push(Unsupported {
                    name: finder.matrix_name(),
                    reason,
                    members,
                });
            }
        }
    }
    if !found.matrices.is_empty() || !found.unsupported.is_empty() {
        found.aside = members::activation_side(tensors);
        let read = found
            .matrices
            .iter()
            .flat_map(|matrix| matrix.members.values());
        let unread = found.unsupported.iter().flat_map(|matrix| &matrix.members);
        let taken: BTreeSet<usize> = read.chain(unread).copied().collect();
        found.aside.retain(|at| !taken.contains(at));
    }
    found.matrices.sort_by(|a, b| a.name.cmp(&b.name));
    found.unsupported.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Largest tensor that [`quantised`] asks for: a quantisation state as JSON.
pub const SMALL: u64 = 1 << 16;

/// What the tensor that holds the codes can be called.
const CODES: [&str; 4] = ["blocks", "weight_packed", "qweight", "weight"];

impl QuantisedMatrix {
    /// The tensor that holds the codes.
    pub fn codes(&self) -> Option<usize> {
        CODES
            .iter()
            .find_map(|member| self.members.get(member))
            .copied()
    }

    /// The matrix as rows of f32, (experts ·) out of them; `bytes` gives the bytes of the tensor at
    /// an index of `tensors`, the list that the matrix was found in.
    ///
    /// # Errors
    /// What does not fit, in words; for a matrix that [`quantised`] found, only what its values say
    /// (a group that does not exist) or a failed read.
    pub fn open<'a>(
        &self,
        tensors: &[TensorInfo],
        bytes: &dyn Fn(usize) -> Box<dyn StoredBytes + 'a>,
    ) -> Built<Box<dyn SteppedRows + 'a>> {
        open(&self.scheme, &self.members, tensors, bytes)
    }
}

/// How many zero points of a GPTQ matrix in the form v1 are stored as the largest code. They count
/// as 0 here and where AutoGPTQ reads them; a program that adds 1 to whole words carries into their
/// neighbours (guide/formats.md, section 1.3). `None` for other layouts, and where they cannot be
/// read.
pub fn wrapped_zeros<'a>(
    matrix: &QuantisedMatrix,
    tensors: &[TensorInfo],
    bytes: &dyn Fn(usize) -> Box<dyn StoredBytes + 'a>,
) -> Option<u64> {
    let Scheme::Gptq {
        format: Format::V1,
        group_size,
    } = matrix.scheme
    else {
        return None;
    };
    let stored = |member: &str| {
        let at = *matrix.members.get(member)?;
        let tensor = tensors.get(at)?;
        Stored::new(tensor.dtype, &tensor.shape, bytes(at)).ok()
    };
    let (qweight, qzeros, scales) = (stored("qweight")?, stored("qzeros")?, stored("scales")?);
    let members = gptq::Tensors {
        qweight,
        qzeros,
        scales,
        g_idx: stored("g_idx"),
    };
    gptq::new(members, Format::V1, group_size)
        .ok()?
        .wrapped_zeros()
        .ok()
}

/// Puts the layout together.
fn open<'a>(
    scheme: &Scheme,
    members: &Members,
    tensors: &[TensorInfo],
    bytes: &dyn Fn(usize) -> Box<dyn StoredBytes + 'a>,
) -> Built<Box<dyn SteppedRows + 'a>> {
    let find = |member: &str| {
        let stored = |&at: &usize| match tensors.get(at) {
            Some(tensor) => Stored::new(tensor.dtype, &tensor.shape, bytes(at))
                .map_err(|e| format!("{member}: {e}")),
            None => Err(format!("{member} is not in the list of tensors")),
        };
        members.get(member).map(stored).transpose()
    };
    let get = |member: &str| find(member)?.ok_or_else(|| format!("{member} is missing"));
    // One matrix under the names that different writers give its scale.
    let scale = || {
        let names = ["weight_scale_inv", "weight_scale", "scale"];
        names
            .iter()
            .find_map(|name| find(name).transpose())
            .unwrap_or_else(|| Err("its scale is missing".to_owned()))
    };
    Ok(match scheme {
        Scheme::Fp8 { block } => Box::new(fp8::scaled(get("weight")?, scale()?, None, *block)?),
        Scheme::Int8 => Box::new(fp8::scaled(
            get("weight")?,
            scale()?,
            find("weight_zero_point")?,
            None,
        )?),
        Scheme::Gptq { format, group_size } => {
            let (qweight, qzeros, scales) = (get("qweight")?, get("qzeros")?, get("scales")?);
            let tensors = gptq::Tensors {
                qweight,
                qzeros,
                scales,
                g_idx: find("g_idx")?,
            };
            Box::new(gptq::new(tensors, *format, *group_size)?)
        }
        Scheme::AwqGemm { group_size } => Box::new(awq::gemm(
            get("qweight")?,
            get("qzeros")?,
            get("scales")?,
            *group_size,
        )?),
        Scheme::AwqGemv { group_size } => Box::new(awq::gemv(
            get("qweight")?,
            get("qzeros")?,
            get("scales")?,
            *group_size,
        )?),
        Scheme::BnbInt8 => Box::new(bnb::int8(get("weight")?, get("SCB")?)?),
        Scheme::BnbFourBit(state) => {
            let nested = match state.nested {
                None => None,
                Some((block, offset)) => {
                    let (quant_map, absmax) = (get("nested_quant_map")?, get("nested_absmax")?);
                    Some(bnb::Nested {
                        quant_map,
                        absmax,
                        block,
                        offset,
                    })
                }
            };
            let (weight, absmax, quant_map) = (get("weight")?, get("absmax")?, get("quant_map")?);
            Box::new(bnb::FourBit::new(
                bnb::Tensors {
                    weight,
                    absmax,
                    quant_map,
                    nested,
                },
                &state.shape,
                state.block,
            )?)
        }
        Scheme::PackQuantized {
            out,
            input,
            bits,
            group_size,
        } => {
            let (packed, scale) = (get("weight_packed")?, get("weight_scale")?);
            let (zero, g_idx) = (find("weight_zero_point")?, find("weight_g_idx")?);
            let tensors = compressed::Tensors {
                packed,
                scale,
                zero,
                g_idx,
            };
            Box::new(compressed::pack_quantized(
                tensors,
                *out,
                *input,
                *bits,
                *group_size,
            )?)
        }
        Scheme::Mxfp4 => Box::new(mxfp4::packed(
            find("weight_packed")?.map_or_else(|| get("weight"), Ok)?,
            scale()?,
        )?),
        Scheme::Mxfp6 => Box::new(mxfp4::six_bit(get("weight_packed")?, scale()?)?),
        Scheme::GptOss => Box::new(mxfp4::gpt_oss(get("blocks")?, get("stack_scales")?)?),
        Scheme::Nvfp4 => match find("weight_packed")? {
            Some(packed) => Box::new(nvfp4::new(
                packed,
                scale()?,
                Global::Over(get("weight_global_scale")?),
            )?),
            None => Box::new(nvfp4::new(
                get("weight")?,
                scale()?,
                Global::Times(get("weight_scale_2")?),
            )?),
        },
        Scheme::Mlx(mode) => Box::new(mlx::new(
            get("weight")?,
            get("scales")?,
            find("biases")?,
            *mode,
        )?),
    })
}

/// The right number of bytes, all zero: enough to check shapes against one another.
struct Blank(u64);

impl StoredBytes for Blank {
    fn len(&self) -> u64 {
        self.0
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        if offset
            .checked_add(out.len() as u64)
            .is_none_or(|end| end > self.0)
        {
            return Err(Error::Usage("read past the end".into()));
        }
        out.fill(0);
        Ok(())
    }
}

/// Looks for the scheme of one stem.
struct Finder<'a> {
    tensors: &'a [TensorInfo],
    group: &'a Group,
    stem: &'a str,
    settings: &'a Settings<'a>,
    small: &'a dyn Fn(usize) -> Option<Vec<u8>>,
}

impl Finder<'_> {
    fn get(&self, member: &str) -> Option<&TensorInfo> {
        self.group
            .members
            .get(member)
            .and_then(|&at| self.tensors.get(at))
    }

    fn has(&self, member: &str) -> bool {
        self.group.members.contains_key(member)
    }

    fn dtype(&self, member: &str) -> Option<Dtype> {
        self.get(member).map(|tensor| tensor.dtype)
    }

    /// Contents of a small member.
    fn read(&self, member: &str) -> Option<Vec<u8>> {
        let at = *self.group.members.get(member)?;
        (self.tensors.get(at)?.bytes <= SMALL).then(|| (self.small)(at))?
    }

    fn matrix_name(&self) -> String {
        if self.group.is_stack {
            self.stem.to_owned()
        } else {
            format!("{}.weight", self.stem)
        }
    }

    /// The scheme, or why it is not read; `None` where the tensors are no quantised matrix.
    fn scheme(&self) -> Option<Built<Scheme>> {
        if let Some(reason) = members::foreign(&self.group.members, self.tensors) {
            return Some(Err(reason));
        }
        if self.has("quant_state") {
            return Some(self.bnb_four_bit());
        }
        if self.has("qweight") {
            return Some(self.words_of_codes());
        }
        if self.has("weight_packed") {
            return Some(self.compressed());
        }
        if self.dtype("blocks") == Some(Dtype::U8) && self.dtype("stack_scales") == Some(Dtype::U8)
        {
            return Some(Ok(Scheme::GptOss));
        }
        let scale = ["weight_scale_inv", "weight_scale", "scale"]
            .iter()
            .find_map(|member| self.get(member));
        let weight = self.get("weight")?;
        let microscaled = |scale: &TensorInfo, per_scale: u64| {
            matches!(scale.dtype, Dtype::U8 | Dtype::F8E8M0)
                && scale
                    .shape
                    .last()
                    .and_then(|groups| groups.checked_mul(per_scale))
                    == weight.shape.last().copied()
        };
        match (weight.dtype, scale) {
            (Dtype::I8, _) if self.has("SCB") => Some(self.bnb_int8()),
            (Dtype::I8, _) if self.has("weight_scales") => Some(Err(
                "EETQ, whose tiling of the weights is not read".to_owned(),
            )),
            (Dtype::U32, _) if self.has("scales") => Some(self.mlx()),
            (Dtype::U8 | Dtype::F4, Some(_)) if self.has("weight_scale_2") => {
                Some(Ok(Scheme::Nvfp4))
            }
            (Dtype::U8 | Dtype::I8, Some(scale)) if microscaled(scale, 16) => {
                Some(Ok(Scheme::Mxfp4))
            }
            (Dtype::F4, Some(scale)) if microscaled(scale, 32) => Some(Ok(Scheme::Mxfp4)),
            (Dtype::I8, Some(_)) => Some(Ok(Scheme::Int8)),
            (Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz, Some(_)) => {
                Some(Ok(Scheme::Fp8 {
                    block: self.settings.block(),
                }))
            }
            (Dtype::U8 | Dtype::F4 | Dtype::I32, Some(_)) => Some(Err(format!(
                "{} with scales in a layout that is not known",
                weight.dtype
            ))),
            _ => None,
        }
    }

    fn bnb_int8(&self) -> Built<Scheme> {
        match self
            .has("weight_format")
            .then(|| self.read("weight_format"))
        {
            None => Ok(Scheme::BnbInt8),
            Some(Some(format)) if format.iter().all(|&byte| byte == 0) => Ok(Scheme::BnbInt8),
            Some(_) => Err("bitsandbytes int8 in a tiled order, which is not read".to_owned()),
        }
    }

    fn bnb_four_bit(&self) -> Built<Scheme> {
        let json = self
            .read("quant_state")
            .ok_or("bitsandbytes 4-bit: its quant_state cannot be read")?;
        settings::quant_state(&json)
            .map(Scheme::BnbFourBit)
            .ok_or_else(|| {
                "bitsandbytes 4-bit: its quant_state lacks shape or blocksize".to_owned()
            })
    }

    /// GPTQ and AWQ name their tensors alike; the packed axis tells them apart.
    fn words_of_codes(&self) -> Built<Scheme> {
        let (Some(qweight), Some(scales)) = (self.get("qweight"), self.get("scales")) else {
            return Err("qweight without scales, a layout that is not known".to_owned());
        };
        if !self.has("qzeros") {
            return Err("qweight without qzeros, a layout that is not known".to_owned());
        }
        let group_size = self.settings.group_size(self.stem);
        match (&qweight.shape[..], &scales.shape[..]) {
            (&[_, columns], &[_, out]) if columns == out => Ok(Scheme::Gptq {
                format: self.settings.gptq_format()?,
                group_size,
            }),
            (&[_, columns], &[_, out]) if columns.checked_mul(8) == Some(out) => {
                Ok(Scheme::AwqGemm { group_size })
            }
            (&[rows, _], &[out, _]) if rows == out => Ok(Scheme::AwqGemv { group_size }),
            (a, b) => Err(format!(
                "qweight of shape {a:?} and scales of shape {b:?} are neither GPTQ nor AWQ"
            )),
        }
    }

    fn compressed(&self) -> Built<Scheme> {
        let Some(packed) = self.get("weight_packed") else {
            return Err("weight_packed is missing".to_owned());
        };
        match (packed.dtype, self.dtype("weight_scale")) {
            (Dtype::I32, Some(_)) => self.pack_quantized(packed),
            (Dtype::U8, Some(Dtype::F8E4M3)) if self.has("weight_global_scale") => {
                Ok(Scheme::Nvfp4)
            }
            (Dtype::U8, Some(Dtype::U8 | Dtype::F8E8M0)) => {
                let groups = self
                    .get("weight_scale")
                    .and_then(|scale| scale.shape.last().copied())
                    .unwrap_or(0);
                match packed.shape.last() {
                    Some(&bytes) if groups.checked_mul(24) == Some(bytes) => Ok(Scheme::Mxfp6),
                    _ => Ok(Scheme::Mxfp4),
                }
            }
            (dtype, scale) => {
                let scale = scale.map_or("no scale", Dtype::word);
                Err(format!(
                    "compressed-tensors: {dtype} codes with {scale}, a layout that is not known"
                ))
            }
        }
    }

    fn pack_quantized(&self, packed: &TensorInfo) -> Built<Scheme> {
        let &[rows, words] = &packed.shape[..] else {
            return Err(format!(
                "compressed-tensors: weight_packed has the shape {:?}, expected two axes",
                packed.shape
            ));
        };
        let stated = self
            .read("weight_shape")
            .and_then(|bytes| settings::integers(&bytes, self.dtype("weight_shape")?));
        let group_size = self.settings.group_size(self.stem);
        let mut error = "compressed-tensors: no width fits".to_owned();
        for bits in self.settings.bits(&[4, 8, 2, 3, 5, 6, 7, 1]) {
            let input = match stated.as_deref() {
                Some(&[out, input]) if out == rows => Some(input),
                Some(shape) => {
                    return Err(format!(
                        "compressed-tensors: weight_shape {shape:?} contradicts {rows} rows"
                    ));
                }
                None => words.checked_mul(32).map(|all| all / bits as u64),
            };
            let (Ok(out), Some(Ok(input))) = (usize::try_from(rows), input.map(usize::try_from))
            else {
                return Err("compressed-tensors: the matrix is too large".to_owned());
            };
            let scheme = Scheme::PackQuantized {
                out,
                input,
                bits,
                group_size,
            };
            match self.matrix(scheme.clone()) {
                Ok(_) => return Ok(scheme),
                Err(reason) => error = reason,
            }
        }
        Err(error)
    }

    fn mlx(&self) -> Built<Scheme> {
        if let Some(mode) = self.settings.mlx_mode(self.stem) {
            return Ok(Scheme::Mlx(mode));
        }
        if !self.has("biases") {
            return Err("MLX without biases and without a mode in config.json".to_owned());
        }
        // Words and groups leave bits and group size open; the default of MLX is (64, 4).
        let last = |member: &str| {
            self.get(member)
                .and_then(|tensor| tensor.shape.last().copied())
                .unwrap_or(0)
        };
        let (words, groups) = (last("weight"), last("scales"));
        let fits = |bits: u64| {
            words
                .checked_mul(32)
                .is_some_and(|all| Some(all) == groups.checked_mul(64 * bits))
        };
        match [4, 8, 2, 3, 5, 6].into_iter().find(|&bits| fits(bits)) {
            Some(bits) => Ok(Scheme::Mlx(Mode::Affine(bits as usize))),
            None => Err("MLX without bits in config.json, and no groups of 64".to_owned()),
        }
    }

    /// The matrix in that scheme, its shapes checked against one another.
    fn matrix(&self, scheme: Scheme) -> Built<QuantisedMatrix> {
        let blank = |at: usize| -> Box<dyn StoredBytes> {
            Box::new(Blank(self.tensors.get(at).map_or(0, |tensor| tensor.bytes)))
        };
        let rows = open(&scheme, &self.group.members, self.tensors, &blank)
            .map_err(|e| format!("{}: {e}", scheme.word()))?;
        let (rows, columns) = (rows.rows() as u64, rows.columns() as u64);
        let main = CODES.iter().find_map(|member| self.get(member));
        let shape = match main.map(|tensor| &tensor.shape[..]) {
            Some(&[experts, _, _] | &[experts, _, _, _]) if experts > 0 => {
                vec![experts, rows / experts, columns]
            }
            _ => vec![rows, columns],
        };
        Ok(QuantisedMatrix {
            name: self.matrix_name(),
            shape,
            scheme,
            members: self.group.members.clone(),
        })
    }
}
