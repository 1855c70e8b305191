# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Greedy answers of a model's own weights, computed by transformers in float32: what an engine's are compared with.

Runs in the engine's environment, on one CPU, without network: ``python reference.py MODEL TOKENS SECONDS PROMPT...``.
Prints JSON: ``made_by``, and ``answers`` with the ``prompt`` as token ids and for each of the ``tokens`` its ``id`` and
``logprob``, and the next best as ``others``, pairs of the same.

It is its own file and not a module of the collection because it needs torch and transformers, which only the engine's
environment has. It knows nothing of vLLM: a fault in vLLM can't be in both.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from typing import Any

ALTERNATIVES = 20


def answer(model: Any, torch: Any, prompt: list[int], tokens: int, deadline: float) -> list[dict[str, Any]]:
    """Continue ``prompt`` with the most probable token each time, whatever it is, the end of text included."""
    found: list[dict[str, Any]] = []
    ids = list(prompt)
    for _unused in range(tokens):
        if time.monotonic() > deadline:
            sys.exit("the time allowed for the reference is over")
        # The whole text again for every token: no cache that could hide a fault, and no second code path.
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = torch.log_softmax(logits.double(), dim=-1).topk(min(1 + ALTERNATIVES, logits.shape[-1]))
        (first, value), *others = zip(best.indices.tolist(), best.values.tolist())
        found.append({"id": first, "logprob": value, "others": others})
        ids.append(first)
    return found


def main() -> None:
    """Load, answer every prompt, print."""
    path, tokens, seconds, *prompts = sys.argv[1:]
    deadline = time.monotonic() + float(seconds)

    # Only now: `--help` of nothing and wrong arguments need no torch.
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    torch.set_grad_enabled(False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
    # Eager experts: the grouped kernels of some versions want bfloat16 or a GPU.
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, local_files_only=True)
    model.eval()
    answers = []
    for text in prompts:
        prompt = tokenizer(text).input_ids
        answers.append({"prompt": prompt, "tokens": answer(model, torch, prompt, int(tokens), deadline)})
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__}, float32, {platform.machine()}"
    print(json.dumps({"made_by": made_by, "answers": answers}))


if __name__ == "__main__":
    main()
