#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: kernel parameters as a set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_parameters
short_description: Set kernel parameters, live and for the next boot, in one call
version_added: 0.1.0
description:
  - Compares the running kernel's values and the file that brings them back at boot with what is wanted, and writes only
    on difference.
  - Fails with the parameters that the kernel doesn't know or refuses, after everything else has been set.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  parameters:
    description: Values by name, for example C(net.core.somaxconn).
    type: dict
    required: true
  path:
    description: The file for the next boot. It holds these parameters and nothing else.
    type: path
    default: /etc/sysctl.d/60-moefleet.conf
"""

EXAMPLES = r"""
- name: Sockets for many ranks
  moefleet.serving.kernel_parameters:
    parameters:
      net.core.somaxconn: 4096
      net.ipv4.ip_local_port_range: 20000 60999
"""

RETURN = r"""
live:
  description: Values before, of the parameters that differed.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files, kernel_parameters


def main() -> None:
    """Compare and set."""
    module = AnsibleModule(
        argument_spec={
            "parameters": {"type": "dict", "required": True},
            "path": {"type": "path", "default": "/etc/sysctl.d/60-moefleet.conf"},
        },
        supports_check_mode=True,
    )
    wanted = {str(name): kernel_parameters.normal(value) for name, value in module.params["parameters"].items()}
    conf = files.Wanted(module.params["path"], kernel_parameters.conf_text(wanted))
    seen = files.see(conf.path)
    differing = kernel_parameters.differing(wanted)
    unknown = sorted(name for name, value in differing.items() if value is None)
    conf_differs = files.differs(conf, seen)
    refused: dict[str, str] = dict.fromkeys(unknown, "the kernel has no such parameter")
    if not module.check_mode:
        if conf_differs and not unknown:
            files.write(conf)
        refused.update(kernel_parameters.apply({name: wanted[name] for name in differing if name not in unknown}))
    if refused:
        words = "; ".join(f"{name}: {why}" for name, why in sorted(refused.items()))
        module.fail_json(
            msg=f"kernel parameters that can't be set here: {words}. Leave them out for this host, or fix the kernel."
        )
    before = "".join(f"live {name} = {value}\n" for name, value in sorted(differing.items())) + (seen.content or "")
    after = "".join(f"live {name} = {wanted[name]}\n" for name in sorted(differing)) + conf.content
    changed = bool(differing) or conf_differs
    diff = {"before": before, "after": after, "before_header": conf.path, "after_header": conf.path} if changed else {}
    module.exit_json(changed=changed, live=differing, diff=diff)


if __name__ == "__main__":
    main()
