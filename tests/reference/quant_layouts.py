"""Small matrices in the quantised layouts of safetensors checkpoints, and their values by the written-down formulas.

Run: python tests/reference/quant_layouts.py    (numpy, ml_dtypes, safetensors 0.8.0)
Writes quant_layouts.safetensors beside this file: CASE/TENSOR or CASE/TENSOR:DTYPE (bytes to be read as that dtype)
and CASE/expected (F32). Packing is done bit by bit and values element by element, so that nothing is shared with the
reader but the definition (formats.md, section 1.3).
"""

from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

rng = np.random.default_rng(11)
f32 = np.float32
tensors = {}
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], f32)


def raw(values):
    return np.ascontiguousarray(values).view(np.uint8)


def case(name, expected, **members):
    for member, value in members.items():
        member = member.replace("__", ":")
        tensors[f"{name}/{member}"] = np.ascontiguousarray(value)
    tensors[f"{name}/expected"] = np.ascontiguousarray(expected, dtype=f32)


def stream(codes, bits, word=32):
    """Codes of one run as a little-endian bit stream of words."""
    total = 0
    for i, code in enumerate(codes):
        total |= int(code) << (i * bits)
    words = -(-len(codes) * bits // word)
    return [(total >> (word * i)) & ((1 << word) - 1) for i in range(words)]


def spaced(codes, bits):
    """Codes of one run, as many whole ones as fit to a word."""
    per = 32 // bits
    return [sum(int(c) << (bits * j) for j, c in enumerate(codes[i:i + per])) for i in range(0, len(codes), per)]


def planar(codes, bits):
    words = []
    for i in range(0, len(codes), 32):
        low = 0
        for plane in [p for p in (4, 2, 1) if bits & p]:
            words += stream([(int(c) >> low) & ((1 << plane) - 1) for c in codes[i:i + 32]], plane)
            low += plane
    return words


def words(rows):
    return np.array(rows, dtype=np.uint32).view(np.int32)


def fp8(shape):
    weight = rng.normal(0, 20, shape).astype(ml_dtypes.float8_e4m3fn)
    return weight, weight.astype(f32)


# FP8: blocks with partial ends, channels, the whole tensor; FNUZ; powers of two.
weight, values = fp8((36, 40))
scale = rng.uniform(0.01, 0.1, (2, 2)).astype(f32)
expected = [[values[r, c] * scale[r // 32, c // 32] for c in range(40)] for r in range(36)]
case("fp8_block", expected, weight__F8_E4M3=raw(weight), scale=scale)
weight, values = fp8((6, 16))
scale = rng.uniform(0.01, 0.1, (6, 1)).astype(ml_dtypes.bfloat16)
case("fp8_channel", values * scale.astype(f32), weight__F8_E4M3=raw(weight), scale__BF16=raw(scale).reshape(6, 2))
case("fp8_tensor", values * f32(0.03), weight__F8_E4M3=raw(weight), scale=np.array(0.03, f32))
codes = rng.integers(0, 256, (4, 64), dtype=np.uint8)
scale = rng.integers(120, 130, (4, 2), dtype=np.uint8)
for name, dtype in [("F8_E4M3FNUZ", ml_dtypes.float8_e4m3fnuz), ("F8_E5M2FNUZ", ml_dtypes.float8_e5m2fnuz), ("F8_E5M2", ml_dtypes.float8_e5m2)]:
    finite = np.where(np.isfinite(codes.view(dtype).astype(f32)), codes, 1).astype(np.uint8)
    expected = finite.view(dtype).astype(f32) * np.exp2(np.repeat(scale, 32, 1).astype(f32) - 127)
    case(f"mx_{name.lower()}", expected, **{f"weight__{name}": finite, "scale": scale})

# INT8 by groups with zero points.
weight = rng.integers(-128, 128, (5, 32), dtype=np.int8)
scale, zero = rng.uniform(0.01, 0.1, (5, 2)).astype(f32), rng.integers(-9, 9, (5, 2), dtype=np.int8)
expected = [[(f32(weight[r, c]) - f32(zero[r, c // 16])) * scale[r, c // 16] for c in range(32)] for r in range(5)]
case("int8_group", expected, weight=weight, scale=scale, zero=zero)

# GPTQ: out 32, in 32, two groups; zero points stored less 1 in the first form.
OUT, IN = 32, 32
for name, bits, v1, pack in [("v1_2", 2, 1, stream), ("v1_3", 3, 1, stream), ("v1_4", 4, 1, stream), ("v1_8", 8, 1, stream), ("v2_4", 4, 0, stream), ("p_5", 5, 0, planar), ("p_7", 7, 0, planar)]:
    q, z = rng.integers(0, 1 << bits, (IN, OUT)), rng.integers(0, 1 << bits, (2, OUT))
    scales = rng.uniform(0.001, 0.01, (2, OUT)).astype(np.float16)
    g_idx = rng.permutation(np.repeat([0, 1], IN // 2)).astype(np.int32)
    if name == "v2_4":
        g_idx = np.repeat([0, 1], IN // 2).astype(np.int32)
    actual = (z + 1) % (1 << bits) if v1 else z
    expected = [[f32(scales[g_idx[k], o]) * (f32(q[k, o]) - f32(actual[g_idx[k], o])) for k in range(IN)] for o in range(OUT)]
    members = {
        "qweight": words([pack(q[:, o], bits) for o in range(OUT)]).T,
        "qzeros": words([pack(z[g], bits) for g in range(2)]),
        "scales": scales,
    }
    case(f"gptq_{name}", expected, **members, **({} if name == "v2_4" else {"g_idx": g_idx}))

# AWQ: nibble k of a word holds column 8j + ORD[k].
ORD = [0, 2, 4, 6, 1, 3, 5, 7]


def awq(row):
    return [sum(int(row[j + ORD[k]]) << (4 * k) for k in range(8)) for j in range(0, len(row), 8)]


q, z = rng.integers(0, 16, (IN, 16)), rng.integers(0, 16, (2, 16))
scales = rng.uniform(0.001, 0.01, (2, 16)).astype(np.float16)
expected = [[(f32(q[k, o]) - f32(z[k // 16, o])) * f32(scales[k // 16, o]) for k in range(IN)] for o in range(16)]
case("awq_gemm", expected, qweight=words([awq(row) for row in q]), qzeros=words([awq(row) for row in z]), scales=scales)
q, z = rng.integers(0, 16, (6, IN)), rng.integers(0, 16, (6, 8))
scales = rng.uniform(0.001, 0.01, (6, 8)).astype(np.float16)
expected = [[(f32(q[o, k]) - f32(z[o, k // 8])) * f32(scales[o, k // 8]) for k in range(IN)] for o in range(6)]
case("awq_gemv", expected, qweight=words([stream(row, 4) for row in q]), qzeros=words([stream(row, 4) for row in z]), scales=scales)

# bitsandbytes: blocks run over the flat index, across rows.
weight, scb = rng.integers(-127, 128, (6, 20), dtype=np.int8), rng.uniform(0.01, 2, 6).astype(f32)
case("bnb_int8", weight.astype(np.float64) * scb[:, None].astype(np.float64) / 127, weight=weight, scb=scb)
NF4 = np.sort(rng.uniform(-1, 1, 16)).astype(f32)
codes = rng.integers(0, 16, 10 * 50)
packed = np.array([codes[2 * i] << 4 | codes[2 * i + 1] for i in range(250)], np.uint8).reshape(-1, 1)
absmax = rng.uniform(0.01, 0.2, 8).astype(f32)
expected = np.array([NF4[c] * absmax[i // 64] for i, c in enumerate(codes)]).reshape(10, 50)
case("bnb_4bit", expected, weight=packed, absmax=absmax, quant_map=NF4)
nested_map, nested = np.sort(rng.uniform(-1, 1, 256)).astype(f32), rng.uniform(0.01, 0.1, 3).astype(f32)
absmax = rng.integers(0, 256, 8, dtype=np.uint8)
full = np.array([nested_map[a] * nested[i // 3] + f32(0.25) for i, a in enumerate(absmax)], f32)
expected = np.array([NF4[c] * full[i // 64] for i, c in enumerate(codes)]).reshape(10, 50)
case("bnb_nested", expected, weight__BF16=packed.reshape(-1, 2), absmax=absmax, quant_map=NF4, nested_quant_map=nested_map, nested_absmax=nested)

# compressed-tensors: packed integers, dense and with idle bits; 70 columns of 3 bits take 7 words either way.
for name, bits, columns, pack, asymmetric in [("4", 4, 64, stream, True), ("3_dense", 3, 70, stream, False), ("3_spaced", 3, 70, spaced, True), ("8", 8, 12, stream, False), ("5_spaced", 5, 64, spaced, False)]:
    rows, groups = 20, 2
    q = rng.integers(0, 1 << bits, (rows, columns))
    z = rng.integers(0, 1 << bits, (rows, groups)) if asymmetric else np.full((rows, groups), 1 << (bits - 1))
    scale = rng.uniform(0.001, 0.01, (rows, groups)).astype(f32)
    size, half = columns // groups, 1 << (bits - 1)
    expected = [[(f32(q[r, c] - half) - f32(z[r, c // size] - half)) * scale[r, c // size] for c in range(columns)] for r in range(rows)]
    members = {"packed": words([pack(row, bits) for row in q]), "scale": scale}
    if asymmetric:
        members["zero"] = words([pack(z[:, g], bits) for g in range(groups)]).T
    case(f"packed_{name}", expected, **members)

# Microscaling formats. Low nibble first.
codes, scale = rng.integers(0, 16, (2, 4, 64)), rng.integers(110, 130, (2, 4, 2), dtype=np.uint8)
packed = (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)
expected = E2M1[codes] * np.exp2(np.repeat(scale, 32, -1).astype(f32) - 127)
case("mxfp4_gpt_oss", expected, blocks=packed.reshape(2, 4, 2, 16), scales=scale)
case("mxfp4_packed", expected[0], packed=packed[0], scale=scale[0])
codes = rng.integers(0, 64, (3, 64), dtype=np.uint8)
packed = np.array([stream(row, 6, 8) for row in codes], np.uint8)
expected = codes.view(ml_dtypes.float6_e2m3fn).astype(f32) * np.exp2(np.repeat(scale[0, :3], 32, -1).astype(f32) - 127)
case("mxfp6_packed", expected, packed=packed, scale=scale[0, :3])
codes = rng.integers(0, 16, (5, 48))
packed = (codes[:, 0::2] | codes[:, 1::2] << 4).astype(np.uint8)
scale = rng.uniform(1, 400, (5, 3)).astype(ml_dtypes.float8_e4m3fn)
block = np.repeat(scale.astype(f32), 16, 1)
case("nvfp4_over", E2M1[codes] * (block / f32(700)), packed=packed, scale__F8_E4M3=raw(scale), over=np.array([700], f32))
case("nvfp4_times", E2M1[codes] * (block * f32(0.0003)), packed=packed, scale__F8_E4M3=raw(scale), times=np.array(0.0003, f32))
case("mlx_nvfp4", E2M1[codes] * block, weight__U32=raw(packed).reshape(5, 6, 4), scales=raw(scale))

# MLX: words along the rows.
for bits in (2, 3, 4, 6):
    q = rng.integers(0, 1 << bits, (4, 64))
    scales, biases = (rng.normal(0, 0.1, (4, 2)).astype(ml_dtypes.bfloat16) for _ in range(2))
    expected = [[f32(q[r, c]) * f32(scales[r, c // 32]) + f32(biases[r, c // 32]) for c in range(64)] for r in range(4)]
    weight = np.array([stream(row, bits) for row in q], np.uint32)
    case(f"mlx_{bits}", expected, weight=weight, scales__BF16=raw(scales).reshape(4, 2, 2), biases__BF16=raw(biases).reshape(4, 2, 2))

save_file(tensors, Path(__file__).with_name("quant_layouts.safetensors"))
