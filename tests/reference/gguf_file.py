"""A tiny Llama in one GGUF file, as the gguf package writes it.

Run: python tests/reference/gguf_file.py    (numpy, gguf 0.19.0, safetensors 0.8.0)
Writes gguf_file.gguf beside this file and gguf_file.safetensors with the values that the package reads back, F32.
The q and k rows are permuted as llama.cpp's converter permutes them; NAME.original holds them unpermuted.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

HEADS, KV_HEADS, WIDTH = 4, 2, 32
here = Path(__file__).parent
rng = np.random.default_rng(3)


def permuted(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


writer = GGUFWriter(here / "gguf_file.gguf", "llama")
writer.add_name("Tiny")
writer.add_block_count(1)
writer.add_embedding_length(WIDTH)
writer.add_feed_forward_length(64)
writer.add_head_count(HEADS)
writer.add_head_count_kv([KV_HEADS])
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_freq_base(10000.0)
writer.add_token_list(["<s>", "한국", b"\xff", "d"])
writer.add_token_types([3, 1, 6, 1])
writer.add_array("test.nested", [[1, 2], [3]])
writer.add_bool("test.yes", True)
writer.add_int32("test.negative", -7)

expected = {}
for name, shape, kind in [
    ("token_embd.weight", (4, WIDTH), GGMLQuantizationType.F16),
    ("blk.0.attn_norm.weight", (WIDTH,), GGMLQuantizationType.F32),
    ("blk.0.attn_q.weight", (32, WIDTH), GGMLQuantizationType.Q8_0),
    ("blk.0.attn_k.weight", (16, WIDTH), GGMLQuantizationType.Q4_0),
    ("blk.0.ffn_down_exps.weight", (2, 3, 32), GGMLQuantizationType.BF16),
]:
    values = rng.normal(0, 0.02, shape).astype(np.float32)
    if name.endswith(("attn_q.weight", "attn_k.weight")):
        expected[f"{name}.original"] = dequantize(quantize(values, kind), kind)
        values = permuted(values, HEADS if "attn_q" in name else KV_HEADS)
    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

for tensor in GGUFReader(here / "gguf_file.gguf").tensors:
    values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    expected[tensor.name] = values.reshape(tuple(int(n) for n in reversed(tensor.shape)))
save_file(expected, here / "gguf_file.safetensors")
