# SPDX-License-Identifier: Apache-2.0
"""script-user and script-group: whose files a process group runs."""

from __future__ import annotations

import grp
import os
import pwd

from pathlib import Path

import pytest

from harness import Layout, Server, places

pytestmark = [pytest.mark.needs_root, pytest.mark.modes("daemon")]


def script_of(layout: Layout) -> Path:
    """The script whose owner the tests change, in a directory of its own."""
    return layout.apps / "owned" / "environ.wsgi"


def configure(layout: Layout) -> str:
    """One group for each rule."""
    script = layout.write_app("owned/environ.wsgi", (layout.apps / "environ.wsgi").read_text())
    here = places()
    return f"""
WSGIDaemonProcess by-user threads=2 script-user={here.user or pwd.getpwuid(os.geteuid()).pw_name}
WSGIDaemonProcess by-group threads=2 script-group={here.group or grp.getgrgid(os.getegid()).gr_name}
WSGIDaemonProcess plain threads=2
WSGIScriptAlias /user {script} process-group=by-user
WSGIScriptAlias /group {script} process-group=by-group
WSGIScriptAlias /plain {script} process-group=plain
WSGIScriptAlias /embedded {script}
"""


US = "us"
ROOT = "root"

# Path, owner and mode of the script, of its directory, code (None: served). Codes are those of 6.1.1.
RULES = [
    ("/user", US, 0o644, US, 0o755, None),
    ("/user", US, 0o600, US, 0o755, None),
    ("/user", ROOT, 0o644, US, 0o755, 164),
    ("/user", US, 0o644, ROOT, 0o755, 171),
    ("/user", ROOT, 0o666, ROOT, 0o777, 164),
    ("/user", US, 0o664, US, 0o755, 166),
    ("/user", US, 0o646, US, 0o755, 168),
    ("/user", US, 0o666, US, 0o777, 166),
    ("/user", US, 0o644, US, 0o775, 173),
    ("/user", US, 0o644, US, 0o757, 172),
    ("/group", US, 0o644, US, 0o755, None),
    ("/group", US, 0o664, US, 0o775, None),
    ("/group", ROOT, 0o644, US, 0o755, 155),
    ("/group", US, 0o644, ROOT, 0o755, 160),
    ("/group", US, 0o646, US, 0o755, 157),
    ("/group", US, 0o644, US, 0o757, 161),
    ("/plain", ROOT, 0o666, ROOT, 0o777, None),
    ("/embedded", ROOT, 0o666, ROOT, 0o777, None),
]


@pytest.mark.parametrize(("target", "owner", "mode", "directory_owner", "directory_mode", "code"), RULES)
def test_rules(
    site: Server, target: str, owner: str, mode: int, directory_owner: str, directory_mode: int, code: int | None
) -> None:
    """Owner of both, and who may write them."""
    here = places()
    ids = {US: (pwd.getpwnam(here.user).pw_uid, grp.getgrnam(here.group).gr_gid), ROOT: (0, 0)}
    script = script_of(site.layout)
    os.chown(script, *ids[owner])
    script.chmod(mode)
    os.chown(script.parent, *ids[directory_owner])
    script.parent.chmod(directory_mode)
    reply = site.get(target)
    if code is None:
        assert reply.status == 200
        return
    assert reply.status == 403
    assert b"owned" not in reply.body
    line = site.expect_code(code)
    if not site.layout.module.peer:
        option = "script-user" if target == "/user" else "script-group"
        assert option in line.text
        assert str(script.parent) in line.text
