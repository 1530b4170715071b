//! The names that a pickle may call, and what each stands for. Nothing is ever imported or run.
//!
//! A name that is not known here stands for a value that no tensor depends on, and is told of. A
//! name that runs code where it is loaded is refused: no weights need it, and who named it meant it
//! to run.

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
    /// A tensor with attributes, or of a class of its own.
    TensorOfType,
    /// An array of numpy, or what it is made of.
    Numpy,
    /// A class of `torch.nn`: part of a module that was pickled whole.
    Module,
    /// A class that is not known: inert, and told of.
    Unknown,
    /// What runs code where it is loaded.
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

/// Modules of which every name can run code or reach outside of the process.
const RUNNING_MODULES: &[&str] = &[
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "subprocess",
    "commands",
    "popen2",
    "pty",
    "sys",
    "shutil",
    "socket",
    "ssl",
    "importlib",
    "imp",
    "runpy",
    "ctypes",
    "_ctypes",
    "code",
    "codeop",
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "dill",
    "cloudpickle",
    "joblib",
    "asyncio",
    "multiprocessing",
    "threading",
    "_thread",
    "thread",
    "signal",
    "webbrowser",
    "pip",
    "pkgutil",
    "pydoc",
    "profile",
    "cProfile",
    "pdb",
    "bdb",
    "trace",
    "timeit",
    "doctest",
    "distutils",
    "setuptools",
    "ensurepip",
    "venv",
    "idlelib",
    "lib2to3",
    "_osx_support",
    "_aix_support",
    "http",
    "httplib",
    "urllib",
    "urllib2",
    "requests",
    "aiohttp",
    "ftplib",
    "smtplib",
    "telnetlib",
    "xmlrpc",
    "_posixsubprocess",
    "_winapi",
    "winreg",
    "tempfile",
    "linecache",
    "inspect",
    "gc",
    "site",
    "sysconfig",
    "zipimport",
    "zipfile",
    "tarfile",
    "sqlite3",
    "shelve",
    "dbm",
    "mmap",
    "fileinput",
    "platform",
    "getpass",
    "cffi",
    "cgitb",
    "IPython",
];

/// Names of other modules that run code.
const RUNNING_NAMES: &[(&str, &[&str])] = &[
    ("builtins", BUILTINS),
    ("__builtin__", BUILTINS),
    ("operator", &["attrgetter", "methodcaller", "itemgetter"]),
    ("_operator", &["attrgetter", "methodcaller", "itemgetter"]),
    ("functools", &["reduce", "partialmethod", "singledispatch"]),
    ("_functools", &["reduce"]),
    (
        "types",
        &[
            "FunctionType",
            "CodeType",
            "MethodType",
            "ModuleType",
            "LambdaType",
        ],
    ),
    ("_io", &["FileIO", "open", "open_code"]),
    ("io", &["FileIO", "open", "open_code"]),
    ("uuid", &["_get_command_stdout", "_popen"]),
    (
        "numpy",
        &["load", "fromfile", "loadtxt", "genfromtxt", "f2py"],
    ),
    ("numpy.testing._private.utils", &["runstring"]),
    ("torch", &["load", "save", "compile"]),
    ("torch.storage", &["_load_from_bytes"]),
    ("torch.serialization", &["load", "save", "_load"]),
    (
        "torch.utils._config_module",
        &["load_config", "ConfigModule.load_config"],
    ),
    ("torch._utils", &["_import_dotted_name"]),
];

/// Whole folders of torch that load, compile or fetch.
const RUNNING_FOLDERS: &[&str] = &[
    "torch.hub",
    "torch.jit",
    "torch.package",
    "torch.fx",
    "torch._dynamo",
    "torch._inductor",
    "torch.utils.cpp_extension",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.utils.data.datapipes.utils",
    "torch.ops",
    "torch.classes",
    "torch.multiprocessing",
    "torch.distributed.run",
    "torch.distributed.launch",
    "torch.distributed.rpc",
    "numpy.f2py",
    "numpy.distutils",
    "numpy.testing",
];

const BUILTINS: &[&str] = &[
    "eval",
    "exec",
    "execfile",
    "compile",
    "open",
    "file",
    "__import__",
    "getattr",
    "setattr",
    "delattr",
    "globals",
    "locals",
    "vars",
    "input",
    "raw_input",
    "breakpoint",
    "apply",
    "map",
    "filter",
    "reload",
    "help",
    "exit",
    "quit",
    "callable",
    "hasattr",
    "dir",
    "__build_class__",
];

/// Whether what `module.name` names runs code where a pickle calls it.
fn runs_code(module: &str, name: &str) -> bool {
    let is_in = |folder: &str| {
        module
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let names = RUNNING_NAMES
        .iter()
        .filter(|(of, _)| *of == module)
        .flat_map(|(_, names)| *names);
    RUNNING_MODULES.iter().chain(RUNNING_FOLDERS).any(|folder| is_in(folder))
        || names.into_iter().any(|running| *running == name)
        // No name that a program has.
        || [module, name].iter().any(|part| part.contains(char::is_control))
        // Protocol 4 reaches through attributes: `collections` and `OrderedDict.__init__.__globals__`.
        || name.split('.').any(is_special)
        || module.split('.').any(is_special) && !OWN_MODULES.contains(&module)
            && !module.starts_with("__torch__")
}

/// Modules that are called so in every program.
const OWN_MODULES: [&str; 3] = ["__builtin__", "__main__", "__mp_main__"];

fn is_special(part: &str) -> bool {
    part.len() > 4 && part.starts_with("__") && part.ends_with("__")
}

/// Meaning of `module.name`.
pub(super) fn meaning(module: &str, name: &str) -> Meaning {
    match (module, name) {
        ("collections", "OrderedDict" | "defaultdict" | "Counter") => Meaning::Dictionary,
        ("__builtin__" | "builtins", "dict") => Meaning::Dictionary,
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
        ("torch._tensor", "_rebuild_from_type_v2" | "_rebuild_from_type") => Meaning::TensorOfType,
        ("torch._utils", "_rebuild_wrapper_subclass" | "_rebuild_device_tensor_from_numpy") => {
            Meaning::Unread(NotRead::Subclass)
        }
        ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor") => Meaning::Parameter,
        ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => {
            Meaning::Storage(Element::Untyped)
        }
        ("torch", "Size") => Meaning::Tuple,
        ("torch", name) => match name.strip_suffix("Storage") {
            Some(kind) => storage(kind).map_or(Meaning::Unknown, Meaning::Storage),
            None if name.contains('.') => Meaning::Forbidden,
            None => torch_name(name),
        },
        ("torch.serialization", "_get_layout") | ("torch.torch_version", "TorchVersion") => {
            Meaning::Inert
        }
        ("argparse", "Namespace") | ("types", "SimpleNamespace") => Meaning::Inert,
        ("numpy", "dtype") | ("_codecs", "encode") => Meaning::Inert,
        ("numpy", "ndarray") => Meaning::Numpy,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Meaning::Inert,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct")
        | ("numpy._core.numeric" | "numpy.core.numeric", "_frombuffer") => Meaning::Numpy,
        ("__builtin__" | "builtins", name) if INERT_BUILTINS.contains(&name) => Meaning::Inert,
        ("datetime", _)
        | ("pathlib" | "pathlib._local", _)
        | ("copy_reg" | "copyreg", "_reconstructor") => Meaning::Inert,
        _ if runs_code(module, name) => Meaning::Forbidden,
        _ if module.starts_with("torch.nn.modules.") || module.starts_with("__torch__") => {
            Meaning::Module
        }
        _ => Meaning::Unknown,
    }
}

/// Builtin classes and functions that make plain values.
const INERT_BUILTINS: [&str; 14] = [
    "set",
    "frozenset",
    "complex",
    "list",
    "tuple",
    "str",
    "int",
    "float",
    "bool",
    "bytes",
    "bytearray",
    "object",
    "slice",
    "range",
];

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
        "Tensor" => return Meaning::Parameter,
        "load" | "save" | "compile" => return Meaning::Forbidden,
        _ => return Meaning::Unknown,
    };
    Meaning::Dtype(Element::Of(dtype))
}
