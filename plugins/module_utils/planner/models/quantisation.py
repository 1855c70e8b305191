# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How weights are stored: number formats with their scales, and which components of a model each covers.

A precision is a name (``fp8``). What it covers comes from the checkpoint's ``quantization_config`` where there is one
(``quantisation_reading``), else from what the publishers of that architecture's checkpoints do (:data:`AS_PUBLISHED`),
else it is every linear layer but router and head.

Sources: DeepSeek-V3 README_WEIGHTS.md (128 x 128 blocks, FP32 scales); AutoAWQ's GEMM layout (4 bit weights, FP16
scale and 4 bit zero point a group); compressed-tensors ``pack-quantized`` (4 bit weights, BF16 scale a group);
ModelOpt's NVFP4 (4 bit weights, FP8 scale for 16, two FP32 factors a tensor). Llama-4-Maverick-FP8's exclusions as in
llm-compressor's example for that model; Kimi-K2's as in the released ``ignore`` list; NVIDIA's DeepSeek NVFP4 as the
shapes show that reach the FP4 kernel (output projection, shared and dense MLPs), and as the logged size agrees with.
From memory, unverified: GLM-4.5-FP8's scales are per output channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .components import FP32, LINEAR, Component

_WHOLE = 0  # a block that spans the dimension


@dataclass(frozen=True)
class Format:
    """A number format for matrices: ``bits`` a weight, and for each block of ``rows x columns`` (outputs by inputs; 0
    is the whole dimension) a scale of ``scale_bytes`` and a zero point of ``zero_bits``; ``tensor_bytes`` a matrix.
    """

    bits: int
    rows: int = _WHOLE
    columns: int = _WHOLE
    scale_bytes: int = 0
    zero_bits: int = 0
    tensor_bytes: int = 0

    def bytes(self, component: Component) -> int:
        """Bytes of a component stored so."""
        blocks = component.count * _blocks(component.rows, self.rows) * _blocks(component.columns, self.columns)
        scales = blocks * self.scale_bytes + -(-blocks * self.zero_bits // 8) + component.count * self.tensor_bytes
        return -(-component.parameters * self.bits // 8) + scales


def _blocks(length: int, each: int) -> int:
    return -(-length // each) if each else 1


BF16_FORMAT = Format(16)
FP8_BLOCK = Format(8, 128, 128, scale_bytes=4)
FP8_CHANNEL = Format(8, 1, _WHOLE, scale_bytes=4)
FP8_TENSOR = Format(8, _WHOLE, _WHOLE, scale_bytes=4)
INT8_CHANNEL = Format(8, 1, _WHOLE, scale_bytes=4)
INT4_ZERO_128 = Format(4, 1, 128, scale_bytes=2, zero_bits=4)
INT4_32 = Format(4, 1, 32, scale_bytes=2)
NVFP4 = Format(4, 1, 16, scale_bytes=1, tensor_bytes=8)


@dataclass(frozen=True)
class Quantisation:
    """How one model's weights are stored: linear components in ``default`` unless ``formats`` names another for them.

    ``exempt`` are (component, layer) pairs that a checkpoint leaves in 16 bit although the component is covered.
    """

    name: str
    default: Format = BF16_FORMAT
    formats: Mapping[str, Format] = field(default_factory=dict)
    exempt: frozenset[tuple[str, int]] = frozenset()

    def format_of(self, component: Component, layer: int | None = None) -> Format:
        """The format of a component, in a given layer where layers differ."""
        if component.storage != LINEAR or (layer is not None and (component.name, layer) in self.exempt):
            return BF16_FORMAT
        return self.formats.get(component.name, self.default)

    def bytes(self, component: Component, layer: int | None = None) -> int:
        """Bytes of the whole component."""
        if component.storage == FP32:
            return 4 * component.parameters
        return self.format_of(component, layer).bytes(component)

    def covers(self, name: str) -> bool:
        """Whether a linear component of that name is stored in fewer than 16 bits."""
        return self.formats.get(name, self.default).bits < BF16_FORMAT.bits


UNQUANTISED = Quantisation("bf16")

# Latent attention's projections beside the output projection, and the sparse-attention indexer's.
LATENT_PROJECTIONS = ("q_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "indexer_wq_b", "indexer_wk")
_LATENT_16_BIT = MappingProxyType(dict.fromkeys(LATENT_PROJECTIONS, BF16_FORMAT))

# Each precision as every linear layer has it.
PLAIN = {
    quantisation.name: quantisation
    for quantisation in (
        UNQUANTISED,
        Quantisation("fp8", FP8_BLOCK),
        Quantisation("int8", INT8_CHANNEL),
        Quantisation("int4", INT4_ZERO_128),
        Quantisation("awq", INT4_ZERO_128),
        Quantisation("gptq", INT4_ZERO_128),
        Quantisation("nvfp4", NVFP4),
    )
}
PRECISIONS = tuple(PLAIN)

# Other spellings of a precision.
PRECISION_ALIASES = {
    "bfloat16": "bf16",
    "fp8_e4m3": "fp8",
    "float8": "fp8",
    "fp4": "nvfp4",
    "int4-awq": "awq",
    "awq int4 g128": "awq",
    "awq_marlin": "awq",
}

_NVIDIA_LATENT = Quantisation("nvfp4", NVFP4, _LATENT_16_BIT)
_KIMI_INT4 = Quantisation("int4", BF16_FORMAT, {"routed_experts": INT4_32})

# What publishers' checkpoints of an architecture cover, by its name and precision, where that is not every linear.
AS_PUBLISHED: Mapping[tuple[str, str], Quantisation] = {
    ("llama4", "fp8"): Quantisation("fp8", BF16_FORMAT, {"routed_experts": FP8_CHANNEL}),
    ("kimi_k2", "int4"): _KIMI_INT4,
    ("kimi_k25", "int4"): _KIMI_INT4,
    ("glm4_moe", "fp8"): Quantisation("fp8", FP8_CHANNEL),
    ("deepseek_v3", "nvfp4"): _NVIDIA_LATENT,
    ("deepseek_v32", "nvfp4"): _NVIDIA_LATENT,
}


def named(precision: str, kind: str) -> Quantisation:
    """The quantisation meant by a precision's name for an architecture; the name is one of :data:`PRECISIONS`."""
    return AS_PUBLISHED.get((kind, precision)) or PLAIN[precision]


def known_precision(name: str) -> str | None:
    """The precision that a name or one of its other spellings means; ``None`` for anything else."""
    lowered = name.strip().lower()
    found = PRECISION_ALIASES.get(lowered, lowered)
    return found if found in PLAIN else None
