# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Models: parameters by component, number formats, KV cache and FLOPs, from a published configuration."""
