# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner: pure Python, no Ansible import.

Rooms, each usable alone. Here: ``request`` and its reading, ``layout`` places ranks, ``plan`` puts everything together,
``outlook`` what is to be expected, ``explain`` where numbers come from, ``report`` the plan as text; ``findings`` is
what all of them answer with when something is wrong. In folders: ``inventory``, ``models``, ``memory``, ``network``,
``performance``, ``search``, ``engine``, ``stack``, ``commands``, ``claims``.
"""
