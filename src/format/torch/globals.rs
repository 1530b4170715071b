//! The names that a pickle may call, and what each stands for. Nothing is ever imported or run.

use crate::model::dtype::Dtype;
use crate::model::warning::NotRead;

/// What a global stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `collections.OrderedDict` and the like: a dictionary.
    Dictionary,
    /// `torch._utils._rebuild_tensor*`: a tensor of a storage.
    Tensor,
    /// Parameters: the tensor they wrap.
    Parameter,
    /// A class of storages: dtype of its elements, none for untyped bytes and for elements that no
    /// dtype here has.
    Storage(Element),
    /// `torch.float32` and the like.
    Dtype(Element),
    /// `torch.Size`: the tuple it is made of.
    Tuple,
    /// Tensors that are listed and not decoded.
    Unread(NotRead),
    /// A harmless value that no tensor depends on.
    Inert,
    /// Not on the list.
    Forbidden,
}

/// Elements of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Of a dtype.
    Of(Dtype),
    /// Bytes.
    Untyped,
    /// Of a kind that has no dtype here: bytes of one.
    Foreign(u64),
}

/// Meaning of `module.name`.
pub(super) fn meaning(module: &str, name: &str) -> Meaning {
    match (module, name) {
        ("collections", "OrderedDict" | "defaultdict" | "Counter") => Meaning::Dictionary,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
            Meaning::Tensor
        }
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            Meaning::Parameter
        }
        ("torch.nn.parameter", "Parameter") => Meaning::Parameter,
        ("torch._utils", "_rebuild_qtensor") => Meaning::Unread(NotRead::Quantised),
        ("torch._utils", "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor") => {
            Meaning::Unread(NotRead::Sparse)
        }
        ("torch._utils", "_rebuild_meta_tensor_no_storage") => {
            Meaning::Unread(NotRead::WithoutValues)
        }
        ("torch._utils", "_rebuild_nested_tensor") => Meaning::Unread(NotRead::Nested),
        ("torch._tensor", "_rebuild_from_type_v2") => Meaning::Unread(NotRead::Subclass),
        ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => {
            Meaning::Storage(Element::Untyped)
        }
        ("torch", "Size") => Meaning::Tuple,
        ("torch", name) => match name.strip_suffix("Storage") {
            Some(kind) => storage(kind).map_or(Meaning::Forbidden, Meaning::Storage),
            None => torch_name(name),
        },
        ("torch.serialization", "_get_layout") | ("torch.torch_version", "TorchVersion") => {
            Meaning::Inert
        }
        ("argparse", "Namespace") => Meaning::Inert,
        ("numpy", "dtype" | "ndarray") | ("_codecs", "encode") => Meaning::Inert,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct") => {
            Meaning::Inert
        }
        ("__builtin__" | "builtins", "set" | "frozenset" | "complex") => Meaning::Inert,
        _ => Meaning::Forbidden,
    }
}

/// Elements of `torch.KINDStorage`.
fn storage(kind: &str) -> Option<Element> {
    Some(match kind {
        "Float" => Element::Of(Dtype::F32),
        "Double" => Element::Of(Dtype::F64),
        "Half" => Element::Of(Dtype::F16),
        "BFloat16" => Element::Of(Dtype::Bf16),
        "Byte" => Element::Of(Dtype::U8),
        "Char" => Element::Of(Dtype::I8),
        "Short" => Element::Of(Dtype::I16),
        "Int" => Element::Of(Dtype::I32),
        "Long" => Element::Of(Dtype::I64),
        "Bool" => Element::Of(Dtype::Bool),
        "ComplexFloat" => Element::Of(Dtype::C64),
        "ComplexDouble" => Element::Foreign(16),
        "QInt8" | "QUInt8" => Element::Foreign(1),
        "QUInt4x2" | "QUInt2x4" => Element::Foreign(1),
        "QInt32" => Element::Foreign(4),
        _ => return None,
    })
}

/// Names of the module torch that are no storages: dtypes and devices.
fn torch_name(name: &str) -> Meaning {
    let dtype = match name {
        "float32" | "float" => Dtype::F32,
        "float64" | "double" => Dtype::F64,
        "float16" | "half" => Dtype::F16,
        "bfloat16" => Dtype::Bf16,
        "uint8" => Dtype::U8,
        "int8" => Dtype::I8,
        "int16" | "short" => Dtype::I16,
        "uint16" => Dtype::U16,
        "int32" | "int" => Dtype::I32,
        "uint32" => Dtype::U32,
        "int64" | "long" => Dtype::I64,
        "uint64" => Dtype::U64,
        "bool" => Dtype::Bool,
        "complex64" => Dtype::C64,
        "float8_e4m3fn" => Dtype::F8E4M3,
        "float8_e5m2" => Dtype::F8E5M2,
        "float8_e4m3fnuz" => Dtype::F8E4M3Fnuz,
        "float8_e5m2fnuz" => Dtype::F8E5M2Fnuz,
        "float8_e8m0fnu" => Dtype::F8E8M0,
        "complex128" => return Meaning::Dtype(Element::Foreign(16)),
        "complex32" => return Meaning::Dtype(Element::Foreign(4)),
        "float4_e2m1fn_x2" | "qint8" | "quint8" | "quint4x2" | "quint2x4" => {
            return Meaning::Dtype(Element::Foreign(1));
        }
        "qint32" => return Meaning::Dtype(Element::Foreign(4)),
        "device" => return Meaning::Inert,
        "per_tensor_affine" | "per_channel_affine" | "per_channel_affine_float_qparams" => {
            return Meaning::Inert;
        }
        "per_tensor_symmetric" | "per_channel_symmetric" | "strided" | "sparse_coo" => {
            return Meaning::Inert;
        }
        _ => return Meaning::Forbidden,
    };
    Meaning::Dtype(Element::Of(dtype))
}
