# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a check of a measured figure is made of. The catalogue's other files hold nothing but such entries."""

from __future__ import annotations

from dataclasses import dataclass

# Phases. The fabric needs the GPUs for itself; the service's checks never stop anything; experiments run by tag only;
# what is watched has alert bands and is judged where it was measured, but no verification waits for it.
FABRIC = "fabric"
SERVICE = "service"
EXPERIMENTS = "experiments"
WATCHED = "watched"
PHASES = (FABRIC, SERVICE, EXPERIMENTS, WATCHED)

# Parts of the report.
NETWORK = "network"
NVLINK = "NVLink"
COLLECTIVES = "collectives"
FIRST_TOKEN = "time to first token"  # noqa: S105 - a time
LOAD = "load"
ANSWERS = "answers"
EXPERTS = "experts"
GAINS = "optimisations"
SENSITIVITY = "network sensitivity"
FAULTS = "faults"

# What one measurement is of: a host, an ordered pair of hosts, all hosts of a group together, the service.
HOST = "host"
PAIR = "pair"
GROUP = "group"
WHOLE = "service"

# Which way is better.
AT_MOST = "at most"
AT_LEAST = "at least"

# The figure of several runs that is judged.
MEAN = "mean"
MEDIAN = "median"
LARGEST = "largest"
SMALLEST = "smallest"
LAST = "last"


@dataclass(frozen=True)
class Threshold:
    """What one source asks of a figure, in the figure's unit.

    ``expected`` is kept by a good figure, beyond ``warn`` a figure is worth a look, beyond ``fail`` nothing should be
    started on it. A figure between ``expected`` and ``warn`` passes. Each may be missing: what has neither ``warn`` nor
    ``fail`` warns beyond ``expected``; what has no ``warn`` passes up to ``fail``.

    Attributes:
        source: where it is from; the reference document's sections are ``§4.4.1``, of which one may have several sets.
        needs: what it was set for. It judges nothing that lacks this, unless the inventory chooses it by name.
    """

    source: str
    expected: float | None = None
    warn: float | None = None
    fail: float | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Acceptance:
    """One figure that a deployment is accepted by.

    Attributes:
        id: its name in reports, variables and the command line; a measurement bears it as ``check``.
        section: the part of the report it stands in.
        phase: FABRIC, SERVICE or EXPERIMENTS.
        scope: HOST, PAIR, GROUP or WHOLE.
        tool: the evidence parser that reads a run; its name in `evidence/registry.py`.
        figure: where the figure is in the parser's values, dotted: ``ttft_ms.p99``. Where that is a word or nothing,
            the runs' own verdicts judge.
        unit: the unit of the figure and of every threshold.
        better: AT_MOST or AT_LEAST.
        statistic: what is judged of several runs.
        thresholds: one for each source that asks something; the first is used where the inventory chooses none.
        needs: what a host must have, in the order asked: ``gpu``, ``rdma``, ``nvlink``, ``gpus:32`` …
        floor: the physical bound of this figure in `floors.py`, ``name`` or ``name:argument``; empty: it has none.
        fix: what to do when it fails; may name {host} and {peer}.
        scale: the parser's figure times this is in ``unit``.
        low_share: a place that is worse than this share of the median of all places fails (bandwidth below the share,
            times above the median divided by it); 0 where places are not compared.
    """

    id: str
    section: str
    phase: str
    title: str
    scope: str
    unit: str
    better: str
    statistic: str
    tool: str = ""
    figure: str = "value"
    thresholds: tuple[Threshold, ...] = ()
    needs: tuple[str, ...] = ()
    floor: str = ""
    fix: str = ""
    scale: float = 1.0
    low_share: float = 0.0
