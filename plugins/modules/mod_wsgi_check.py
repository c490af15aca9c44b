#!/usr/bin/python
# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether this host's Python and Apache match, and what to do if not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mod_wsgi_check
short_description: Tell whether Python and Apache of a host match
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Asks Apache httpd, C(apxs) and the Python interpreters of a host about themselves, and looks which WSGI modules are
    installed.
  - Says whether this collection's module can be built and loaded there, and if not, exactly what was found, what is
    needed and what to do about it on this distribution.
  - It only reads. The live Apache configuration is read as text and never loaded.
extends_documentation_fragment:
  - pyweb.mod_wsgi._attributes
  - pyweb.mod_wsgi._attributes.asking
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing, in check mode or otherwise.
  diff_mode:
    support: none
    details:
      - This module changes nothing, so that there is no difference to show.
  idempotent:
    support: full
  platform:
    details:
      - Written for Linux. On another system the reason RV(reasons[].code=system_unsupported) is returned.
options:
  python:
    description:
      - The interpreter to ask. That of a virtual environment may be given.
      - If neither this nor O(pythons) is given, C(/usr/bin/python3) is asked, or the C(python3) of the system's program
        directories where there is none.
      - This is not the interpreter under which Ansible runs; set that by C(ansible_python_interpreter).
    type: path
  pythons:
    description:
      - Several interpreters to ask, in place of O(python). The first one is the default of the built module.
    type: list
    elements: path
  mode:
    description:
      - For what the interpreters are meant.
      - V(daemon) needs no shared libpython. V(embedded) and V(both) do.
    type: str
    choices:
      - daemon
      - embedded
      - both
    default: daemon
  source_hash:
    description:
      - The hash of the module's sources, as M(pyweb.mod_wsgi.mod_wsgi_compile) returns it in
        RV(pyweb.mod_wsgi.mod_wsgi_compile#module:source_hash).
      - With it RV(build_key) can be told, and RV(rebuild_needed) takes the sources into account.
    type: str
  cflags:
    description:
      - The additional compiler flags that O(source_hash) is to be built with. They are part of RV(build_key).
    type: list
    elements: str
    default: []
  on_mismatch:
    description:
      - What to do if RV(matches) is V(false).
      - V(fail) lets the task fail with all reasons in words.
      - V(report) lets the task succeed and only returns the reasons.
    type: str
    choices:
      - fail
      - report
    default: fail
seealso:
  - module: pyweb.mod_wsgi.mod_wsgi_compile
"""

EXAMPLES = r"""
- name: Stop unless the system's Python and Apache match
  pyweb.mod_wsgi.mod_wsgi_check:

- name: Look at two interpreters and decide later
  pyweb.mod_wsgi.mod_wsgi_check:
    pythons:
      - /usr/bin/python3
      - /srv/shop/venv/bin/python
    on_mismatch: report
  register: wsgi_check

- name: Show what to do
  ansible.builtin.debug:
    msg: "{{ wsgi_check.reasons | map(attribute='remedy') | list }}"
  when: not wsgi_check.matches

- name: An httpd that did not come from the distribution
  pyweb.mod_wsgi.mod_wsgi_check:
    apxs: /opt/httpd/bin/apxs
    httpd: /opt/httpd/bin/httpd
"""

RETURN = r"""
matches:
  description: Whether the module can be built for these Pythons and this Apache.
  returned: always
  type: bool
  sample: true
reasons:
  description: Everything that speaks against it, the weightiest first. Empty if RV(matches) is V(true).
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description:
        - The kind of the reason, stable over releases.
        - One of V(system_unsupported), V(apache_missing), V(apache_too_old), V(apxs_missing), V(apxs_other_httpd),
          V(apache_user_owned),
          V(python_missing), V(python_not_runnable), V(python_too_old), V(python_headers_missing),
          V(python_user_owned), V(venv_other_python), V(libpython_missing), V(compiler_missing) and V(make_missing).
      type: str
      sample: python_headers_missing
    what:
      description: The thing that the reason is about.
      type: str
      sample: Python
    found:
      description: What was found.
      type: str
      sample: no Python.h
    needed:
      description: What is needed.
      type: str
      sample: Python.h of Python 3.11 for /usr/bin/python3.11
    remedy:
      description: What to do about it on this distribution.
      type: str
      sample: apt-get install python3-dev
    packages:
      description: The packages that take the reason away. Empty if packages cannot.
      type: list
      elements: str
      sample:
        - python3-dev
family:
  description: The family of the distribution, one of V(debian), V(redhat), V(suse), V(alpine), V(arch) and V(other).
  returned: always
  type: str
  sample: debian
machine:
  description: The machine's architecture.
  returned: always
  type: str
  sample: x86_64
libc:
  description: The C library and its version.
  returned: always
  type: str
  sample: glibc 2.36
tools:
  description: The programs for building.
  returned: always
  type: dict
  contains:
    cc:
      description: The compiler, empty if there is none.
      type: str
      sample: /usr/bin/x86_64-linux-gnu-gcc
    make:
      description: The make program, empty if there is none.
      type: str
      sample: /usr/bin/make
apache:
  description:
    - What is known about Apache httpd. Where none was found, the places are those at which the distribution's package
      would put things.
  returned: always
  type: dict
  contains:
    found:
      description: Whether an httpd was found that names its version.
      type: bool
      sample: true
    binary:
      description: The httpd program.
      type: str
      sample: /usr/sbin/apache2
    version:
      description: Its version.
      type: str
      sample: 2.4.65
    mmn:
      description: Its module magic number, major and minor.
      type: str
      sample: "20120211:141"
    mpm:
      description: The multi-processing module that is compiled in or that the configuration loads. Empty if none.
      type: str
      sample: event
    threaded:
      description: Whether that MPM has threads. Null if RV(apache.mpm) is empty.
      type: bool
      sample: true
    apr_version:
      description: The version of the Apache Portable Runtime.
      type: str
      sample: 1.7.2
    apxs:
      description: The C(apxs) program, empty if there is none.
      type: str
      sample: /usr/bin/apxs
    apxs_httpd:
      description: The httpd program that C(apxs) says it belongs to.
      type: str
      sample: /usr/sbin/apache2
    apxs_mmn:
      description: The module magic number of the headers that C(apxs) points to.
      type: str
      sample: "20120211:141"
    apxs_matches:
      description: Whether C(apxs) belongs to RV(apache.binary). Null if one of the two is missing.
      type: bool
      sample: true
    apxs_failure:
      description: Why C(apxs) gave no answer. Empty otherwise.
      type: str
    failure:
      description: Why the httpd program gave no answer. Empty otherwise.
      type: str
    libexecdir:
      description: The directory below which the module is installed.
      type: str
      sample: /usr/lib/apache2/modules
    modules_dir:
      description: The directory of Apache's own modules.
      type: str
      sample: /usr/lib/apache2/modules
    sysconfdir:
      description: The directory of the configuration.
      type: str
      sample: /etc/apache2
    runtime_dir:
      description: The directory for sockets and process ids.
      type: str
      sample: /var/run/apache2
    log_dir:
      description: The directory of Apache's logs.
      type: str
      sample: /var/log/apache2
    user:
      description: The user as whom Apache serves requests.
      type: str
      sample: www-data
    service:
      description: The name of the service. Empty for an httpd that is not the distribution's.
      type: str
      sample: apache2
    static_modules:
      description: The modules that are compiled in.
      type: list
      elements: str
      sample:
        - core
        - mod_so
    cc:
      description: The compiler that C(apxs) names.
      type: str
      sample: gcc
    layout:
      description: Where files go. A value is empty where this layout has no such place.
      type: dict
      contains:
        family:
          description: The kind of layout, one of V(debian), V(redhat), V(suse) and V(other).
          type: str
          sample: debian
        server_root:
          description: The directory from which relative paths of the configuration start.
          type: str
          sample: /etc/apache2
        conf_file:
          description: The main configuration file.
          type: str
          sample: /etc/apache2/apache2.conf
        load_dir:
          description: The directory for files that load modules.
          type: str
          sample: /etc/apache2/mods-available
        conf_dir:
          description: The directory for files with virtual hosts.
          type: str
          sample: /etc/apache2/sites-available
        mods_available:
          description: Debian's directory of modules.
          type: str
          sample: /etc/apache2/mods-available
        mods_enabled:
          description: Debian's directory of enabled modules.
          type: str
          sample: /etc/apache2/mods-enabled
        sites_available:
          description: Debian's directory of sites.
          type: str
          sample: /etc/apache2/sites-available
        sites_enabled:
          description: Debian's directory of enabled sites.
          type: str
          sample: /etc/apache2/sites-enabled
        conf_available:
          description: Debian's directory of snippets.
          type: str
          sample: /etc/apache2/conf-available
        conf_enabled:
          description: Debian's directory of enabled snippets.
          type: str
          sample: /etc/apache2/conf-enabled
        libexecdir:
          description: The same as RV(apache.libexecdir).
          type: str
          sample: /usr/lib/apache2/modules
pythons:
  description: What is known about each interpreter, in the order in which they were given.
  returned: always
  type: list
  elements: dict
  contains:
    executable:
      description: The path as it was given.
      type: str
      sample: /srv/shop/venv/bin/python
    real_path:
      description: The interpreter behind it, all links followed and a virtual environment left for its base.
      type: str
      sample: /usr/bin/python3.11
    base:
      description: The interpreter that a virtual environment was made from. Outside one the same as RV(pythons[].real_path).
      type: str
      sample: /usr/bin/python3.11
    is_venv:
      description: Whether it is the interpreter of a virtual environment.
      type: bool
      sample: true
    venv_version:
      description: The version with which the virtual environment was made.
      type: str
      sample: 3.11.2
    version:
      description: Its version.
      type: str
      sample: 3.11.2
    soabi:
      description: The tag of its binary interface.
      type: str
      sample: cpython-311-x86_64-linux-gnu
    include_ok:
      description: Whether its headers are there and of its version.
      type: bool
      sample: true
    header:
      description: The path of C(Python.h), empty if there is none.
      type: str
      sample: /usr/include/python3.11/Python.h
    header_version:
      description: The version of these headers.
      type: str
      sample: 3.11.2
    libpython:
      description: The shared libpython, empty if there is none. Only embedded mode needs it.
      type: str
      sample: /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0
    shared:
      description: Whether this Python was configured with a shared libpython.
      type: bool
      sample: true
    gil:
      description: Whether it has a global interpreter lock, that is, is not a free-threaded build.
      type: bool
      sample: true
    debug:
      description: Whether it is a debug build.
      type: bool
      sample: false
    prefix:
      description: The directory below which it is installed.
      type: str
      sample: /usr
    owner:
      description: Who can replace the file at RV(pythons[].executable). It was asked as this user.
      type: str
      sample: alice
    base_owner:
      description: Who can replace the file at RV(pythons[].real_path).
      type: str
      sample: root
    missing:
      description: Whether there is no such file.
      type: bool
      sample: false
    failure:
      description: Why it gave no answer. Empty otherwise.
      type: str
installed:
  description: What is installed of this collection's module.
  returned: always
  type: dict
  contains:
    present:
      description: Whether there is a current module.
      type: bool
      sample: true
    complete:
      description: Whether all files of it are there.
      type: bool
      sample: true
    problem:
      description: What is missing or damaged. Empty otherwise.
      type: str
    fingerprint:
      description: The first 16 digits of the key of that build.
      type: str
      sample: 6f1d2c3b4a596877
    version:
      description: The version of the module.
      type: str
      sample: 1.0.0
    mmn:
      description: The module magic number of the httpd for which it was built.
      type: str
      sample: "20120211:141"
    httpd_version:
      description: The version of the httpd for which it was built.
      type: str
      sample: 2.4.65
    directory:
      description: The versioned directory it is in.
      type: str
      sample: /usr/lib/apache2/modules/pyweb_mod_wsgi/6f1d2c3b4a596877
    module_path:
      description: The path for C(LoadModule), the same over all versions.
      type: str
      sample: /usr/lib/apache2/modules/pyweb_mod_wsgi/current/mod_wsgi.so
    pythons:
      description: The interpreters for which it has engines, as C(build.json) describes them.
      type: list
      elements: dict
      sample:
        - interpreter: /usr/bin/python3.11
          soabi: cpython-311-x86_64-linux-gnu
other_mod_wsgi:
  description: A WSGI module that is not this collection's, such as the distribution's.
  returned: always
  type: dict
  contains:
    present:
      description: Whether there is one.
      type: bool
      sample: false
    path:
      description: Its path.
      type: str
      sample: /usr/lib/apache2/modules/mod_wsgi.so
    package:
      description: The package that it belongs to.
      type: str
      sample: libapache2-mod-wsgi-py3
    load_file:
      description: The configuration file that loads it. Empty if none does.
      type: str
      sample: /etc/apache2/mods-enabled/wsgi.load
    enabled:
      description: Whether the configuration loads it.
      type: bool
      sample: false
build_key:
  description:
    - The hash of what a build depends on, that is the sources, flags, Apache's module magic number, the Pythons' binary
      interfaces and paths, the architecture and the C library.
    - Null without O(source_hash), or while one of these is not known.
  returned: always
  type: str
  sample: 6f1d2c3b4a59687706152433f2e1d0cfbeadbc9a8b7c6d5e4f30211203f4e5d6
rebuild_needed:
  description: Whether what is installed is missing, damaged, or was built for something else.
  returned: always
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _installed, _match


def report(options: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the module has to tell."""
    host = _match.examine(options)
    installed = _installed.examine(host.apache["libexecdir"])
    reasons = _match.all_reasons(host, embedded=options["mode"] != "daemon")
    key = _match.build_key(host, options["source_hash"], options["cflags"])
    result = _match.summary(host, installed)
    result.update(
        matches=not reasons,
        reasons=reasons,
        build_key=key or None,
        rebuild_needed=_match.needs_rebuild(host, installed, key),
    )
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "path"},
            "pythons": {"type": "list", "elements": "path"},
            "apxs": {"type": "path"},
            "httpd": {"type": "path"},
            "libexecdir": {"type": "path"},
            "mode": {"type": "str", "choices": ["daemon", "embedded", "both"], "default": "daemon"},
            "source_hash": {"type": "str"},
            "cflags": {"type": "list", "elements": "str", "default": []},
            "on_mismatch": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        },
        supports_check_mode=True,
    )
    result = report(module.params)
    if result["reasons"] and module.params["on_mismatch"] == "fail":
        module.fail_json(msg=_match.sentence(result["reasons"]), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
