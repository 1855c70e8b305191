# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the tiny model: DeepSeek-V3's real architecture at 10 million parameters.

MLA, shared and routed experts, grouped top-k. Run with the engine environment's Python: tiny_model.py CONFIG DIRECTORY
SEED. The files are the same, byte for byte, on every machine: the weights come from numpy's PCG64 bit stream and exact
arithmetic, the tokenizer is one token a byte.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<bos>", "<eos>", "<pad>")
# Uniform weights of this half-width have a standard deviation of 0.08; the usual 0.02 makes every output of so small a
# model alike.
HALF_WIDTH = 0.1386


def write_tokenizer(directory: Path) -> None:
    """One token for each of the 256 bytes, after the special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    bos, eos, pad = SPECIAL_TOKENS
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token=pad)
    fast.save_pretrained(directory)


def write_weights(config: dict, directory: Path, seed: int) -> None:
    """Every matrix uniform from the seed, in the order of the names; vectors keep their initial values."""
    known = {key: value for key, value in config.items() if key not in ("architectures", "model_type")}
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**known)).to(torch.bfloat16)
    generator = numpy.random.Generator(numpy.random.PCG64(seed))
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            if parameter.dim() > 1:
                # 24 random bits are exact in float32, and so are the steps to [-HALF_WIDTH, HALF_WIDTH) but for one
                # rounding each.
                bits = generator.integers(0, 1 << 24, size=parameter.numel(), dtype=numpy.uint32)
                values = torch.from_numpy(bits.astype(numpy.float32)).mul_(2.0**-23).sub_(1.0).mul_(HALF_WIDTH)
                parameter.copy_(values.reshape(parameter.shape).to(torch.bfloat16))
    model.save_pretrained(directory)


def write_checksums(directory: Path) -> None:
    """SHA256SUMS as sha256sum writes and checks it."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (directory / "SHA256SUMS").write_text("".join(lines))


def main() -> None:
    """Write config, tokenizer, weights and checksums."""
    config_path, directory, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)
    config = json.loads(config_path.read_text())
    write_tokenizer(directory)
    write_weights(config, directory, seed)
    # The library's own version of it lacks keys that the engine reads.
    (directory / "config.json").write_text(config_path.read_text())
    for path in directory.iterdir():
        path.chmod(0o644)
    write_checksums(directory)


if __name__ == "__main__":
    main()
