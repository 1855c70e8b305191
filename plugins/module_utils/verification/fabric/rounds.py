# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who measures with whom at the same time: rounds of disjoint pairs, as in a tournament."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[str, str]


def rounds(hosts: Sequence[str]) -> list[list[Pair]]:
    """Return the rounds: each pair of hosts is in one of them, and no host twice in a round.

    An even number of hosts takes n-1 rounds, an odd one n, with one host resting in each. A pair measures one direction
    and then the other, so that every ordered pair is measured once. One host or none gives no rounds.

    Raises:
        ValueError: a host is there twice.
    """
    if len(set(hosts)) != len(hosts):
        raise ValueError(f"a host is there twice: {', '.join(hosts)}")
    # The circle method: one stays, the others turn; None rests.
    seats: list[str | None] = [*hosts, None] if len(hosts) % 2 else list(hosts)
    turns = max(len(seats) - 1, 0) if len(hosts) > 1 else 0
    result: list[list[Pair]] = []
    for _turn in range(turns):
        half = len(seats) // 2
        pairs = zip(seats[:half], reversed(seats[half:]))
        result.append([(one, other) for one, other in pairs if one is not None and other is not None])
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return result
