# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reference document: a theoretical plan for DeepSeek-V3 on 4 hosts of 8 H20 with 25 Gb/s between them, checked.

Its layout is EP=32, TP=1, PP=1 with BF16 weights, 200 sessions and contexts of 32,768 tokens. What it says is checked
for that layout, on the plan's own devices, ports and release.
"""

from __future__ import annotations

from dataclasses import replace

from ..request import Parallel
from .claims import DEVICE, MODEL, SIZE, Check, Claim, check
from .commands import COMMANDS
from .first_token import FIRST_TOKEN
from .flops import FLOPS
from .memory import MEMORY
from .model import MODEL_AND_WEIGHTS
from .network import NETWORK
from .quantities import figure
from .sensitivity import SENSITIVITY
from .subject import Subject
from .throughput import THROUGHPUT

CLAIMS: tuple[Claim, ...] = (
    *MODEL_AND_WEIGHTS,
    *MEMORY,
    *FLOPS,
    *THROUGHPUT,
    *FIRST_TOKEN,
    *NETWORK,
    *SENSITIVITY,
    *COMMANDS,
)

_HOSTS, _GPUS, _DEVICE = 4, 32, "H20-96G"
_SESSIONS, _CONTEXT, _UTILISATION = 200, 32768, 0.9
# What makes a model the document's: DeepSeek-V3, its successors of the same shape, R1.
_KIND, _PARAMETERS = "deepseek_v3", 671_026_419_200


def scopes(subject: Subject) -> tuple[str, ...]:
    """Which of the document's claims mean the same for this model and cluster: none for another model, those about the
    model alone on a cluster of another size, and those about the devices only on the same ones.
    """
    if subject.model.kind != _KIND or subject.model.parameters() != _PARAMETERS:
        return ()
    cluster = subject.cluster
    if len(cluster.hosts) != _HOSTS or len(cluster.hosts) * cluster.gpus_per_host != _GPUS:
        return (MODEL,)
    if subject.gpu is None or subject.gpu.name != _DEVICE:
        return (MODEL, SIZE)
    return (MODEL, SIZE, DEVICE)


def document_subject(subject: Subject) -> Subject:
    """The document's layout, precision and workload on the subject's cluster and release."""
    case = subject.case
    ranks = len(subject.cluster.hosts) * subject.cluster.gpus_per_host
    return replace(
        subject,
        case=replace(
            case,
            precision="bf16",
            data=ranks,
            parallel=Parallel(data=ranks),
            engine=replace(
                case.engine,
                gpu_memory_utilization=_UTILISATION,
                kv_cache_dtype="auto",
                max_model_len=_CONTEXT,
                kv_cache_memory_bytes=None,
                max_num_seqs=None,
                all2all_backend=None,
                speculative_tokens=0,
            ),
            workload=replace(case.workload, sessions=_SESSIONS, context_tokens=_CONTEXT, arrival_rate=None),
        ),
    )


def check_document(subject: Subject) -> list[Check]:
    """Every claim of the document that means something for the subject; empty for another model."""
    meant = scopes(subject)
    if not meant:
        return []
    asked = document_subject(subject)
    return [check(claim, lambda name, given: figure(asked, name, given)) for claim in CLAIMS if claim.scope in meant]
