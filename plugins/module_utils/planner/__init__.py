# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner: pure Python, no Ansible import.

Rooms, each usable alone: ``request`` reads the input, ``inventory_sources`` the raw inventory files, ``layout`` places
ranks, ``model`` and ``hardware`` know sizes, ``memory`` judges the fullest rank, ``network`` the fabric, ``engine``
writes command lines; ``plan`` puts them together and ``findings`` is what they all answer with when something is wrong.
"""
