"""PyTorch files without PyTorch: the pickles that `torch.save` makes, by stand-ins of the same names.

Run: python tests/reference/torch_file.py
Writes torch_zip.bin and torch_legacy.bin beside this file. torch.save pickles with Python's own pickler (protocol 2)
and a persistent_id for storages; stand-ins with the same module, name and arguments give the same opcodes. The archive
is laid out as PyTorch's writer does it: sizes behind the data (flag bit 3), data at multiples of 64 by the extra field
"FB".
"""

import io
import pickle
import struct
import sys
import types
import zlib
from collections import OrderedDict
from pathlib import Path

here = Path(__file__).parent
torch, utils, nn = types.ModuleType("torch"), types.ModuleType("torch._utils"), types.ModuleType("torch.nn.parameter")
storage = types.ModuleType("torch.storage")
for module in (torch, utils, nn, storage):
    sys.modules[module.__name__] = module


def stand_in(module, name):
    def called(*arguments):
        raise RuntimeError("never called")

    called.__module__, called.__qualname__, called.__name__ = module.__name__, name, name
    setattr(module, name, called)
    return called


V2, V3 = stand_in(utils, "_rebuild_tensor_v2"), stand_in(utils, "_rebuild_tensor_v3")
PARAMETER, SPARSE = stand_in(utils, "_rebuild_parameter"), stand_in(utils, "_rebuild_sparse_tensor")
KINDS = {name: stand_in(torch, f"{name}Storage") for name in ("Float", "Half", "BFloat16", "Long", "ComplexFloat")}
UNTYPED, E4M3 = stand_in(storage, "UntypedStorage"), stand_in(torch, "float8_e4m3fn")


class Storage:
    def __init__(self, key, kind, count, data):
        self.key, self.kind, self.count, self.data = key, kind, count, data


class Reduced:
    """An object that pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def tensor(store, offset, size, stride, *metadata):
    return Reduced(V2, store, offset, size, stride, False, OrderedDict(), *metadata)


class Pickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, value):
        if isinstance(value, Storage):
            id = ("storage", value.kind, value.key, "cpu", value.count)
            return (*id, None) if self.legacy else id
        return None


def dumped(value, legacy=False):
    out = io.BytesIO()
    pickler = Pickler(out, protocol=2)
    pickler.legacy = legacy
    pickler.dump(value)
    return out.getvalue()


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


stores = [
    Storage("0", KINDS["Float"], 6, floats(0, 1, 2, 3, 4, 5)),
    Storage("1", KINDS["Half"], 4, struct.pack("<4e", 1, 2, 3, 4)),
    Storage("2", KINDS["BFloat16"], 8, b"".join(floats(v)[2:] for v in range(8))),
    Storage("3", KINDS["Long"], 1, struct.pack("<q", -5)),
    Storage("4", KINDS["ComplexFloat"], 1, floats(1, 2)),
]
untyped = Storage("5", UNTYPED, 4, b"\x38\x40\x44\x48")


class Weights(OrderedDict):
    """A state dictionary with its _metadata attribute, pickled as an OrderedDict."""

    def __reduce__(self):
        return OrderedDict, (), {"_metadata": OrderedDict([("", {"version": 1})])}, None, iter(self.items())


def weights(legacy):
    state = Weights()
    state["a.weight"] = tensor(stores[0], 0, (2, 3), (3, 1))
    state["a.transposed"] = tensor(stores[0], 0, (3, 2), (1, 3))
    state["tied.weight"] = tensor(stores[0], 0, (2, 3), (3, 1))
    state["half"] = Reduced(PARAMETER, tensor(stores[1], 0, (4,), (1,)), True, OrderedDict())
    state["slice"] = tensor(stores[2], 4, (2, 2), (2, 1))
    state["count"] = tensor(stores[3], 0, (), ())
    state["conjugated"] = tensor(stores[4], 0, (1,), (1,), {"conj": True})
    if not legacy:
        state["float8"] = Reduced(V3, untyped, 0, (2, 2), (2, 1), False, OrderedDict(), E4M3)
        state["sparse"] = Reduced(SPARSE, None, ())
    return {"epoch": 3, "lr": 0.5, "state_dict": state, "optimizer": {"state": {0: {"exp_avg": state["half"]}}}}


def archive(members):
    out, listed = io.BytesIO(), []
    for name, data in members:
        name, start = name.encode(), out.tell()
        padding = -(start + 30 + len(name) + 4) % 64
        extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        out.write(struct.pack("<4s5H3I2H", b"PK\3\4", 0, 0x0808, 0, 0, 0, 0, 0, 0, len(name), len(extra)))
        out.write(name + extra + data)
        out.write(struct.pack("<4s3I", b"PK\7\x08", zlib.crc32(data), len(data), len(data)))
        listed.append((name, zlib.crc32(data), len(data), start))
    begin = out.tell()
    for name, crc, size, start in listed:
        out.write(struct.pack("<4s6H3I5H2I", b"PK\1\2", 0, 0, 0x0808, 0, 0, 0, crc, size, size, len(name), 0, 0, 0, 0, 0, start))
        out.write(name)
    out.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(listed), len(listed), out.tell() - begin, begin, 0))
    return out.getvalue()


members = [("model/data.pkl", dumped(weights(False))), ("model/byteorder", b"little")]
members += [(f"model/data/{store.key}", store.data) for store in [*stores, untyped]]
members += [("model/version", b"3\n")]
(here / "torch_zip.bin").write_bytes(archive(members))

system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
parts = [0x1950A86A20F9469CFC6C, 1001, system]
legacy = b"".join(pickle.dumps(part, protocol=2) for part in parts) + dumped(weights(True), legacy=True)
legacy += pickle.dumps([store.key for store in stores], protocol=2)
for store in stores:
    legacy += struct.pack("<q", store.count) + store.data
(here / "torch_legacy.bin").write_bytes(legacy)
