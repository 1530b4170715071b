"""Random blocks of the block formats of ggml and the values that the gguf package decodes from them.

Run: python tests/reference/quant_ggml.py    (numpy, gguf 0.19.0, safetensors 0.8.0)
Writes quant_ggml.safetensors beside this file: TYPE.blocks (U8) and TYPE.values (F32), two small blocks or one
super-block a type.
"""

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize
from safetensors.numpy import save_file

# Byte positions of the F16 scales, which must not be NaN or infinite.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "NVFP4": [], "TQ1_0": [52], "TQ2_0": [64],
}

rng = np.random.default_rng(20)
tensors = {}
for name, halves in HALVES.items():
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (1 if elements == 256 else 2, size), dtype=np.uint8)
    for at in halves:
        scales = (rng.choice([-1, 1], len(blocks)) * 2.0 ** rng.uniform(-18, 2, len(blocks))).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if name == "MXFP4":
        blocks[:, 0] = [1, 122]
    if name == "NVFP4":
        blocks[0, :4] = [0, 0x7F, 0xFF, 3]
    tensors[f"{name}.blocks"] = blocks
    tensors[f"{name}.values"] = dequantize(blocks, kind).astype(np.float32).reshape(-1)
save_file(tensors, Path(__file__).with_name("quant_ggml.safetensors"))
