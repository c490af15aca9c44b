# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs of other hosts print, and facts made from it.

Each text says where it comes from:
  ran          the command was run on that system
  quoted       it stands in a public source, which was not run here
  constructed  it was put together from the documentation or the source of the program
Only what was ran counts as verified.
"""

from __future__ import annotations

import copy

from typing import Any, NamedTuple

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _apache, _match, _python


class Said(NamedTuple):
    """The output of httpd -V on some host, and what is to be understood from it."""

    name: str
    origin: str
    text: str
    version: str
    mmn: str
    too_old: bool


HTTPD = [
    Said(
        "debian12",
        "ran: Debian 12, apache2 -V -d / -f /dev/null",
        """AH00534: apache2: Configuration error: No MPM loaded.
Server version: Apache/2.4.71 (Debian)
Server built:   2026-11-12T08:58:41
Server's Module Magic Number: 20120211:142
Server loaded:  APR 1.7.2, APR-UTIL 1.6.3, PCRE 10.42 2022-12-11
Compiled using: APR 1.7.2, APR-UTIL 1.6.3, PCRE 10.42 2022-12-11
Architecture:   64-bit
Server MPM:     
Server compiled with....
 -D APR_HAS_SENDFILE
 -D DYNAMIC_MODULE_LIMIT=256
 -D HTTPD_ROOT="/etc/apache2"
 -D SUEXEC_BIN="/usr/lib/apache2/suexec"
 -D DEFAULT_PIDLOG="/run/apache2.pid"
 -D DEFAULT_ERRORLOG="logs/error_log"
 -D SERVER_CONFIG_FILE="apache2.conf"
""",  # noqa: W291
        "2.4.71",
        "20120211:142",
        False,
    ),
    Said(
        "centos8",
        "quoted: public notes on a CentOS Stream 8 host, httpd -V",
        """Server version: Apache/2.4.37 (CentOS Stream)
Server built:   Aug 17 2023 14:07:36
Server's Module Magic Number: 20120211:83
Server loaded:  APR 1.6.3, APR-UTIL 1.6.1
Server MPM:     event
  threaded:     yes (fixed thread count)
 -D HTTPD_ROOT="/etc/httpd"
 -D DEFAULT_PIDLOG="run/httpd.pid"
 -D SERVER_CONFIG_FILE="conf/httpd.conf"
""",
        "2.4.37",
        "20120211:83",
        False,
    ),
    Said(
        "centos7",
        "quoted: public notes on a CentOS 7 host, httpd -V",
        """Server version: Apache/2.4.6 (CentOS)
Server built:   Nov 10 2021 14:26:31
Server's Module Magic Number: 20120211:24
Server loaded:  APR 1.4.8, APR-UTIL 1.5.2
Server MPM:     prefork
 -D HTTPD_ROOT="/etc/httpd"
 -D DEFAULT_PIDLOG="/run/httpd/httpd.pid"
 -D SERVER_CONFIG_FILE="conf/httpd.conf"
""",
        "2.4.6",
        "20120211:24",
        True,
    ),
    Said(
        "rhel6",
        "quoted: a comment in a public monitoring agent, httpd -V on RHEL 6",
        """Server version: Apache/2.2.15 (Unix)
Server built:   Apr  9 2011 08:58:28
Server's Module Magic Number: 20051115:24
Server loaded:  APR 1.3.9, APR-Util 1.3.9
Server MPM:     Prefork
 -D APACHE_MPM_DIR="server/mpm/prefork"
 -D HTTPD_ROOT="/etc/httpd"
 -D SERVER_CONFIG_FILE="conf/httpd.conf"
""",
        "2.2.15",
        "20051115:24",
        True,
    ),
    Said(
        "apache20",
        "constructed: the form of 2.0",
        """Server version: Apache/2.0.65
Server built:   Jul  1 2013 10:00:00
Server's Module Magic Number: 20020903:14
Architecture:   64-bit
 -D APACHE_MPM_DIR="server/mpm/prefork"
 -D HTTPD_ROOT="/usr/local/apache2"
 -D SERVER_CONFIG_FILE="conf/httpd.conf"
""",
        "2.0.65",
        "20020903:14",
        True,
    ),
    Said(
        "apache13",
        "constructed: the form of 1.3's show_compile_settings()",
        """Server version: Apache/1.3.42 (Unix)
Server built:   Feb  3 2010 10:00:00
Server's Module Magic Number: 19990320:18
Server compiled with....
 -D HAVE_MMAP
 -D HTTPD_ROOT="/usr/local/apache"
 -D SERVER_CONFIG_FILE="conf/httpd.conf"
""",
        "1.3.42",
        "19990320:18",
        True,
    ),
]


class Release(NamedTuple):
    """The os-release of a distribution and its family."""

    origin: str
    text: str
    family: str


RELEASES = [
    Release("ran: Debian 12", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n', "debian"),
    Release("constructed: Ubuntu", "ID=ubuntu\nID_LIKE=debian\n", "debian"),
    Release("constructed: a derivative by ID_LIKE", 'ID=pop\nID_LIKE="ubuntu debian"\n', "debian"),
    Release("constructed: Rocky", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "redhat"),
    Release("constructed: Fedora", "ID=fedora\n", "redhat"),
    Release("constructed: Amazon 2023", 'ID="amzn"\nID_LIKE="fedora"\n', "redhat"),
    Release("constructed: Leap", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
    Release("constructed: SLES", 'ID="sles"\nID_LIKE="suse"\n', "suse"),
    Release("constructed: Alpine", "ID=alpine\n", "alpine"),
    Release("constructed: Arch", "ID=arch\n", "arch"),
    Release("constructed: unknown", "ID=plan9\n", "other"),
    Release("constructed: empty", "", "other"),
]


def good_python(**changes: Any) -> dict[str, Any]:
    """Return the facts about an interpreter that fits; they were ran on Debian 12."""
    facts = _python.empty("/usr/bin/python3")
    facts.update(
        real_path="/usr/bin/python3.11",
        base="/usr/bin/python3.11",
        version="3.11.2",
        soabi="cpython-311-x86_64-linux-gnu",
        include_ok=True,
        header="/usr/include/python3.11/Python.h",
        header_version="3.11.2",
        libpython="/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0",
        shared=True,
        prefix="/usr",
        owner="root",
        base_owner="root",
    )
    facts.update(changes)
    return facts


def good_apache(**changes: Any) -> dict[str, Any]:
    """Return the facts about an Apache that fits; they were ran on Debian 12."""
    facts = copy.deepcopy(_apache.empty("debian"))
    facts.update(
        found=True,
        binary="/usr/sbin/apache2",
        version="2.4.71",
        mmn="20120211:142",
        mpm="event",
        threaded=True,
        apxs="/usr/bin/apxs",
        apxs_httpd="/usr/sbin/apache2",
        apxs_mmn="20120211:142",
        apxs_matches=True,
        cc="gcc",
    )
    facts.update(changes)
    return facts


def good_host(**changes: Any) -> _match.Host:
    """Return a host on which everything fits."""
    host = _match.Host(
        family="debian",
        apache=good_apache(),
        pythons=[good_python()],
        tools={"cc": "/usr/bin/gcc", "make": "/usr/bin/make"},
        machine="x86_64",
        libc="glibc 2.36",
        system="Linux",
    )
    return host._replace(**changes)
