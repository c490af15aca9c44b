#!/usr/bin/python
# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile and install the WSGI module of this collection."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mod_wsgi_compile
short_description: Compile and install the WSGI module for Apache httpd
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Compiles the collection's own WSGI module on the host, with C(apxs) for Apache's side and one engine for each kind of
    Python, and installs it below the directory of Apache's modules.
  - What a build depends on is its key. While the installed build has the key of the host, nothing is sent and no
    compiler is started.
  - A new build goes into a directory of its own. Only after the host's httpd and each Python have loaded it, one rename
    makes it the current one. Whatever fails before leaves the module in use untouched.
  - Never writes to a path that belongs to a package. It does not touch Apache's configuration.
extends_documentation_fragment:
  - pyweb.mod_wsgi._attributes
  - pyweb.mod_wsgi._attributes.asking
attributes:
  check_mode:
    support: full
    details:
      - On a host where Apache, C(apxs), a compiler or headers are still to be installed, a change is predicted and
        RV(fingerprint) stays empty.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    details:
      - Written for Linux. On another system the module fails without changing anything.
options:
  state:
    description:
      - V(present) compiles and installs the module if the installed one does not fit.
      - V(absent) removes every version of it.
    type: str
    choices:
      - present
      - absent
    default: present
  pythons:
    description:
      - The interpreters to build engines for. The first is the default, which serves where a site names no Python.
      - For a virtual environment the engine of its base is built.
      - If none are given, C(/usr/bin/python3) is taken, or the C(python3) of the system's program directories where there
        is none.
    type: list
    elements: path
  source:
    description:
      - A directory on the controller with the module's sources. If it is not given, the collection's own are taken.
      - They travel as one archive, and only if something has to be compiled.
    type: path
  source_hash:
    description:
      - The hash of the sources. The controller's half of this module fills it in.
    type: str
  archive:
    description:
      - The archive of the sources on the host. The controller's half of this module fills it in.
    type: path
  jobs:
    description:
      - How many compilers run side by side. If it is not given, one for each processor.
    type: int
  cflags:
    description:
      - Additional flags for the compiler. They are part of the build's key.
    type: list
    elements: str
    default: []
  keep_former:
    description:
      - Whether the version in use until now is kept beside the new one.
      - A version that a running process still uses is kept in any case, and removed by a later build.
    type: bool
    default: true
seealso:
  - module: pyweb.mod_wsgi.mod_wsgi_check
"""

EXAMPLES = r"""
- name: Build and install the module for the system's Python
  pyweb.mod_wsgi.mod_wsgi_compile:
  register: wsgi_module

- name: Load it
  ansible.builtin.copy:
    content: "LoadModule wsgi_module {{ wsgi_module.module_path | pyweb.mod_wsgi.apache_quote }}\n"
    dest: /etc/apache2/mods-available/pyweb_wsgi.load
    owner: root
    group: root
    mode: "0644"

- name: Build it for two Pythons, which one httpd then serves side by side
  pyweb.mod_wsgi.mod_wsgi_compile:
    pythons:
      - /usr/bin/python3
      - /opt/python3.13/bin/python3.13

- name: Remove every version of it
  pyweb.mod_wsgi.mod_wsgi_compile:
    state: absent
"""

RETURN = r"""
fingerprint:
  description: The first 16 digits of RV(build_key). Empty if it cannot be known yet, or if O(state=absent).
  returned: always
  type: str
  sample: 6f1d2c3b4a596877
build_key:
  description: The hash of everything that the build depends on.
  returned: success and O(state=present)
  type: str
  sample: 6f1d2c3b4a59687706152433f2e1d0cfbeadbc9a8b7c6d5e4f30211203f4e5d6
source_hash:
  description: The hash of the sources, for M(pyweb.mod_wsgi.mod_wsgi_check).
  returned: O(state=present)
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
directory:
  description: The versioned directory of the build. It never changes once it is there.
  returned: always
  type: str
  sample: /usr/lib/apache2/modules/pyweb_mod_wsgi/6f1d2c3b4a596877
module_path:
  description: The path for C(LoadModule), the same over all versions.
  returned: always
  type: str
  sample: /usr/lib/apache2/modules/pyweb_mod_wsgi/current/mod_wsgi.so
engines:
  description: The engines of the build, one for each kind of Python.
  returned: success and O(state=present)
  type: list
  elements: dict
  contains:
    soabi:
      description: The tag of the binary interface.
      type: str
      sample: cpython-311-x86_64-linux-gnu
    path:
      description: The engine's path.
      type: str
      sample: /usr/lib/apache2/modules/pyweb_mod_wsgi/6f1d2c3b4a596877/_mod_wsgi.cpython-311-x86_64-linux-gnu.so
    pythons:
      description: The interpreters that use it.
      type: list
      elements: str
      sample:
        - /usr/bin/python3.11
built:
  description: Whether the compiler was started.
  returned: always
  type: bool
  sample: true
former:
  description: The fingerprint that was current before. Empty if there was none.
  returned: always
  type: str
  sample: 0123456789abcdef
removed:
  description: Earlier versions that were removed because nothing uses them.
  returned: success and O(state=present)
  type: list
  elements: str
  sample: []
reasons:
  description: Why the module cannot be built, as M(pyweb.mod_wsgi.mod_wsgi_check) returns it.
  returned: when Python, Apache or the programs for building do not match
  type: list
  elements: dict
log:
  description: The last lines of the build's output.
  returned: when something was compiled or put into use
  type: list
  elements: str
  sample: []
"""

import os
import shutil
import tempfile

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _installed, _match, _toolchain


def described(installed: dict[str, Any]) -> dict[str, Any]:
    """Return what a difference shows of a build."""
    pythons = [str(python.get("interpreter")) for python in installed["pythons"]]
    return {"fingerprint": installed["fingerprint"], "pythons": pythons}


class Compiler:
    """The state of the module on this host: it can be asked for, and it can be brought about."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.options: dict[str, Any] = module.params
        self.host = _match.examine(self.options)
        self.libexecdir: str = self.host.apache["libexecdir"]
        self.installed = _installed.examine(self.libexecdir)
        self.key = _match.build_key(self.host, self.options["source_hash"], self.options["cflags"])
        self.result: dict[str, Any] = {
            "changed": False,
            "built": False,
            "fingerprint": "",
            "directory": self.installed["directory"],
            "module_path": _installed.module_path(self.libexecdir) if self.libexecdir else "",
            "former": self.installed["fingerprint"],
        }

    def fits(self) -> bool:
        """Tell whether what is installed is what is wanted."""
        return bool(self.key) and not _match.needs_rebuild(self.host, self.installed, self.key)

    def show_difference(self, after: dict[str, Any]) -> None:
        """Note what changes."""
        self.result["changed"] = True
        self.result["diff"] = {"before": described(self.installed), "after": after}

    def tell(self) -> dict[str, Any]:
        """Return the result for what is installed now."""
        now = _installed.examine(self.libexecdir)
        engines: dict[str, dict[str, Any]] = {}
        for python in now["pythons"]:
            path = os.path.join(now["directory"], os.path.basename(str(python.get("engine"))))
            engine = engines.setdefault(path, {"soabi": python.get("soabi"), "path": path, "pythons": []})
            engine["pythons"].append(python.get("interpreter"))
        self.result.update(directory=now["directory"], engines=list(engines.values()))
        self.result.setdefault("removed", [])
        return self.result

    # ---- present ----

    def present(self) -> dict[str, Any]:
        """Bring the module about."""
        self.result.update(fingerprint=self.key[:16], build_key=self.key, source_hash=self.options["source_hash"] or "")
        if self.fits():
            return self.tell()
        self.refuse_what_cannot_work()
        wanted = [facts["real_path"] for facts in self.host.pythons]
        self.show_difference({"fingerprint": self.key[:16], "pythons": wanted})
        if self.module.check_mode:
            home = _installed.home_of(self.libexecdir)
            self.result["directory"] = os.path.join(home, self.key[:16]) if self.key else ""
            self.result.update(engines=[], removed=[])
            return self.result
        plan = self.plan()
        if not self.options["archive"] and not _toolchain.is_there(plan):
            # The controller's half sends the archive and asks again; nothing was changed yet.
            self.result.pop("diff")
            self.result.update(changed=False, source_needed=True)
            return self.result
        self.install(plan)
        return self.tell()

    def plan(self) -> _toolchain.Plan:
        """Return what is to be built."""
        jobs = self.options["jobs"] or os.cpu_count() or 1
        make = self.host.tools["make"]
        return _toolchain.Plan(self.host.apache, self.host.pythons, self.key, make, jobs, self.options["cflags"])

    def refuse_what_cannot_work(self) -> None:
        """Fail before any change; in check mode forgive what an earlier task would have installed."""
        reasons = _match.all_reasons(self.host, embedded=False)
        if self.module.check_mode and all(one["packages"] for one in reasons):
            for one in reasons:
                self.module.warn(f"{one['what']}: {one['found']}. A real run needs it: {one['remedy']}")
            return
        if reasons:
            self.module.fail_json(msg=_match.sentence(reasons), reasons=reasons, **self.result)
        if not self.key:
            self.module.fail_json(
                msg="The hash of the sources is missing: call this module by its name.", **self.result
            )

    def install(self, plan: _toolchain.Plan) -> None:
        """Compile and prove, unless that was done before, and make it the current one."""
        work = tempfile.mkdtemp(prefix="pyweb_mod_wsgi-", dir=self.module.tmpdir)
        log = ""
        try:
            _toolchain.prepare(plan.libexecdir)
            with _toolchain.locked(plan.libexecdir):
                if _toolchain.is_there(plan):
                    log = _toolchain.prove_it_loads(plan, plan.directory, work)
                else:
                    self.result["built"] = True
                    log = _toolchain.build(plan, self.options["archive"], self.options["source_hash"], work)
                _toolchain.switch(plan)
                self.result["removed"] = _toolchain.tidy(plan.home, self.versions_to_keep(plan))
        except _toolchain.BuildError as error:
            self.fail(f"{error}. {self.still_in_use()}", error.log)
        except OSError as error:
            self.fail(f"{error.filename or self.libexecdir}: {error.strerror}. {self.still_in_use()}", log)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self.result["log"] = _toolchain.tail(log)

    def versions_to_keep(self, plan: _toolchain.Plan) -> list[str]:
        """Return the new version and, if it is wanted, the one before; a repair leaves all others alone."""
        former = self.result["former"]
        if former == plan.fingerprint:
            return os.listdir(plan.home)
        return [plan.fingerprint, former] if self.options["keep_former"] else [plan.fingerprint]

    def still_in_use(self) -> str:
        """Say what became of the module that was there."""
        now = _installed.examine(self.libexecdir)
        if now["present"]:
            return f"The module in use, {now['fingerprint']}, is untouched."
        return "No module was installed before, and none is now."

    def fail(self, message: str, log: str) -> None:
        """Fail with what happened; nothing was changed."""
        self.result.pop("diff", None)
        self.result.update(changed=False, log=_toolchain.tail(log))
        self.module.fail_json(msg=message, **self.result)

    # ---- absent ----

    def absent(self) -> dict[str, Any]:
        """Take every version away."""
        if not self.libexecdir:
            self.module.fail_json(
                msg="The directory of Apache's modules cannot be found without apxs or httpd: give libexecdir.",
                **self.result,
            )
        if not os.path.lexists(_installed.home_of(self.libexecdir)):
            return self.result
        self.show_difference({"fingerprint": "", "pythons": []})
        self.result["directory"] = ""
        if not self.module.check_mode:
            try:
                with _toolchain.locked(self.libexecdir):
                    _toolchain.remove(self.libexecdir)
            except _toolchain.BuildError as error:
                self.fail(str(error), error.log)
        return self.result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "pythons": {"type": "list", "elements": "path"},
            "apxs": {"type": "path"},
            "httpd": {"type": "path"},
            "libexecdir": {"type": "path"},
            "source": {"type": "path"},
            "source_hash": {"type": "str"},
            "archive": {"type": "path"},
            "jobs": {"type": "int"},
            "cflags": {"type": "list", "elements": "str", "default": []},
            "keep_former": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    compiler = Compiler(module)
    module.exit_json(**(compiler.present() if module.params["state"] == "present" else compiler.absent()))


if __name__ == "__main__":
    main()
