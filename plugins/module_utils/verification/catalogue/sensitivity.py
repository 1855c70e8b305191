# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What slower networks and faults do to the service: changes in percent of the figure without them.

A range of the document is its better end as ``expected`` and its worse end as ``warn``: what lies in it passes, a
larger effect warns. They are expectations, so none of them fails.
"""

from __future__ import annotations

from .model import (
    AT_LEAST,
    AT_MOST,
    EXPERIMENTS,
    FAULTS,
    MEDIAN,
    SENSITIVITY,
    WHOLE,
    Acceptance,
    Threshold,
)

_MORE = "The network has more influence than expected: compare with the plan's sensitivity and its binding limit."
_FIRST_TOKEN = "Time to first token"  # noqa: S105 - a time


def _change(
    name: str, title: str, better: str, thresholds: tuple[Threshold, ...], *, faults: bool = False, unit: str = "%"
) -> Acceptance:
    return Acceptance(
        id=name,
        section=FAULTS if faults else SENSITIVITY,
        phase=EXPERIMENTS,
        title=title,
        scope=WHOLE,
        figure="change_percent" if unit == "%" else "value",
        unit=unit,
        better=better,
        statistic=MEDIAN,
        thresholds=thresholds,
        fix=_MORE,
    )


# Delay in ms: TTFT's change from, to; throughput's change from, to (percent).
_DELAYS = (
    (5, (2, 5), (-1, -3)),
    (10, (5, 10), (-3, -7)),
    (20, (10, 20), (-7, -15)),
    (50, (25, 40), (-15, -30)),
    (100, (50, 80), (-30, -50)),
)

# Rate in Gb/s: changes of the all-to-all's bandwidth, of throughput, and of the time that routing to experts takes.
_RATES = (
    (20, (-10, -15), (-5, -10), (10, 15)),
    (15, (-20, -30), (-15, -25), (20, 30)),
    (10, (-35, -50), (-25, -40), (40, 60)),
    (5, (-60, -75), (-50, -65), (80, 120)),
)

# Other places of the document speak of the same figures.
_ALSO = {
    "sensitivity_delay_10ms_ttft": (Threshold("§4.5.5", 5, 10),),
    "sensitivity_rate_20g_throughput": (Threshold("§4.5.5", -10, -15),),
}


def _delay(delay_ms: int, ttft: tuple[float, float], throughput: tuple[float, float]) -> tuple[Acceptance, ...]:
    name = f"sensitivity_delay_{delay_ms}ms"
    return (
        _change(
            f"{name}_ttft",
            f"{_FIRST_TOKEN} with {delay_ms} ms more delay",
            AT_MOST,
            (Threshold("§4.5.1", *ttft), *_ALSO.get(f"{name}_ttft", ())),
        ),
        _change(
            f"{name}_throughput",
            f"Throughput with {delay_ms} ms more delay",
            AT_LEAST,
            (Threshold("§4.5.1", *throughput), *_ALSO.get(f"{name}_throughput", ())),
        ),
    )


def _rate(
    rate: int, exchange: tuple[float, float], throughput: tuple[float, float], routing: tuple[float, float]
) -> tuple[Acceptance, ...]:
    name = f"sensitivity_rate_{rate}g"
    figures = (
        ("all_to_all", "All-to-all bandwidth", AT_LEAST, exchange),
        ("throughput", "Throughput", AT_LEAST, throughput),
        ("routing", "Time of routing to experts", AT_MOST, routing),
    )
    return tuple(
        _change(
            f"{name}_{kind}",
            f"{title} at {rate} Gb/s a port",
            better,
            (Threshold("§4.5.2", *limits), *_ALSO.get(f"{name}_{kind}", ())),
        )
        for kind, title, better, limits in figures
    )


SENSITIVITY_FIGURES = (
    *(figure for row in _DELAYS for figure in _delay(*row)),
    *(figure for row in _RATES for figure in _rate(*row)),
    _change(
        "sensitivity_all_to_all_routing",
        "Time of routing to experts when the all-to-all takes 50 % longer",
        AT_MOST,
        (Threshold("§4.5.5", 30, 40),),
    ),
)

FAULT_FIGURES = (
    _change(
        "fault_link_throughput",
        "Throughput with one link down",
        AT_LEAST,
        (Threshold("§4.5.4", -20, -30),),
        faults=True,
    ),
    _change(
        "fault_host_throughput",
        "Throughput with one host lost",
        AT_LEAST,
        # §4.5.5: it goes on with less, so anything but nothing.
        (Threshold("§4.5.4", -25), Threshold("§4.5.5", None, None, -99)),
        faults=True,
    ),
    _change(
        "fault_half_hosts_throughput",
        "Throughput with more than half of the hosts lost: the service has stopped",
        AT_MOST,
        (Threshold("§4.5.4", -100), Threshold("§4.5.5", -100)),
        faults=True,
    ),
    _change(
        "fault_recovery",
        "Time from the network's return to the throughput before",
        AT_MOST,
        (Threshold("§4.5.4", 30),),
        faults=True,
        unit="s",
    ),
)

CHANGE_FIGURES = SENSITIVITY_FIGURES + FAULT_FIGURES
