# SPDX-License-Identifier: Apache-2.0
"""A Django project with a database, static files and users, made once and copied for each server."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile

from pathlib import Path

from harness.build import application_venv
from harness.places import APPS
from harness.server import Layout
from harness.wild import give_away, tool

PASSWORD = "correct horse"
AGENT = "secret-agents"


def project(layout: Layout) -> Path:
    """What the documents call /path/to/mysite.com."""
    return layout.apps / "django_site"


def venv() -> Path:
    """What they call /path/to/venv."""
    return application_venv("django")


@functools.cache
def template() -> Path:
    """The project, made once: database, static files, users of whom one is in a group."""
    kept = tempfile.TemporaryDirectory(prefix="wsgi-django-")
    atexit.register(kept.cleanup)
    home = Path(kept.name) / "django_site"
    shutil.copytree(APPS / "django_site", home)
    data = home / "data"
    data.mkdir()
    for command in ("makemigrations site_app", "migrate --run-syncdb", "collectstatic --noinput"):
        tool(venv(), "python", "manage.py", *command.split(), cwd=home)
    code = f"""
from django.contrib.auth.models import Group, User
User.objects.create_superuser("admin", "admin@example.invalid", "{PASSWORD}")
bond = User.objects.create_user("bond", password="{PASSWORD}")
bond.groups.add(Group.objects.create(name="{AGENT}"))
User.objects.create_user("gone", password="{PASSWORD}", is_active=False)
"""
    tool(venv(), "python", "manage.py", "shell", "-c", code, cwd=home)
    (data / "static" / "robots.txt").write_text("User-agent: *\n")
    (data / "media").mkdir(exist_ok=True)
    return home


def prepare(layout: Layout) -> None:
    """A private copy, whose data everybody may write."""
    shutil.copytree(template(), project(layout), dirs_exist_ok=True)
    give_away(project(layout) / "data")
