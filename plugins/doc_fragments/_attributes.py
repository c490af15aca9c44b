# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the modules of this collection promise."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes that the modules share."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Whether the module can tell in check mode what it would do, without doing it.
  diff_mode:
    description: Whether the module returns what it changed, or would change, in diff mode.
  idempotent:
    description: Whether a second run with the same options and an unchanged host changes nothing.
  platform:
    description: On which hosts the module works.
    support: full
    platforms: posix
"""

    ASKING = r"""
options:
  apxs:
    description:
      - The C(apxs) program of the httpd for which the module is built.
      - If it is not given, C(apxs) or C(apxs2) is searched for in the system's program directories.
    type: path
  httpd:
    description:
      - The httpd program, such as C(/usr/sbin/apache2).
      - If it is not given, the httpd that O(apxs) names is taken, else C(apache2) or C(httpd) from the system's
        program directories.
    type: path
  libexecdir:
    description:
      - The directory below which the module's own directory C(pyweb_mod_wsgi) stands.
      - If it is not given, C(apxs) is asked for the directory of Apache's modules.
    type: path
notes:
  - A program that somebody besides root can replace, such as the interpreter of a user's virtual environment, is asked
    as that user, with a time limit, and never as root.
"""
