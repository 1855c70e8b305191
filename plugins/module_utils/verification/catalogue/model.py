# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a check of a measured figure is made of. The catalogue's other files hold nothing but such entries."""

from __future__ import annotations

from dataclasses import dataclass

# Phases. The fabric needs the GPUs for itself; the service's checks never stop anything; experiments run by tag only.
FABRIC = "fabric"
SERVICE = "service"
EXPERIMENTS = "experiments"

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
    started on it. A figure between ``expected`` and ``warn`` passes. Each may be missing.
    """

    source: str
    expected: float | None = None
    warn: float | None = None
    fail: float | None = None


@dataclass(frozen=True)
class Acceptance:
    """One figure that a deployment is accepted by.

    Attributes:
        id: its name in reports, variables and the command line; a measurement bears it as ``check``.
        section: the part of the report it stands in.
        phase: FABRIC, SERVICE or EXPERIMENTS.
        scope: HOST, PAIR, GROUP or WHOLE.
        tool: the evidence parser that reads a run; its name in `evidence/registry.py`.
        figure: where the figure is in the parser's values, dotted: ``ttft_ms.p99``.
        unit: the unit of the figure and of every threshold.
        better: AT_MOST or AT_LEAST.
        statistic: what is judged of several runs.
        thresholds: one for each source that asks something; the first is used where the inventory chooses none.
        needs: what a host must have, in the order asked: ``gpu``, ``rdma``, ``nvlink``, ``gpus:32`` …
        floor: the name of the physical bound of this figure in `floors.py`; empty where physics set none.
        fix: what to do when it fails; may name {host} and {peer}.
    """

    id: str
    section: str
    phase: str
    title: str
    scope: str
    tool: str
    figure: str
    unit: str
    better: str
    statistic: str
    thresholds: tuple[Threshold, ...]
    needs: tuple[str, ...] = ()
    floor: str = ""
    fix: str = ""
