# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of configuration files: publish, settle, roll back, and runs that died in between."""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.modules.mod_wsgi_publish import Sets

ONE = {"site-a.conf": "# one\n"}
TWO = {"site-a.conf": "# two\n", "site-b.conf": "# b\n"}
THREE = {"site-c.conf": "# three\n"}


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "sites")


def sets(directory: str, check_mode: bool = False) -> Sets:
    return Sets(directory, check_mode)


def live(directory: str) -> dict[str, str]:
    return sets(directory).contents(sets(directory).named("live"))


def tree(directory: str) -> list[tuple[str, int]]:
    return sorted(
        (os.path.join(folder, name), os.lstat(os.path.join(folder, name)).st_mtime_ns)
        for folder, folders, files in os.walk(directory)
        for name in folders + files
    )


def test_a_second_publication_of_the_same_files_touches_nothing(directory: str) -> None:
    assert sets(directory).publish(ONE)
    assert sets(directory).settle()
    before = tree(directory)
    assert not sets(directory).publish(ONE)
    assert not sets(directory).settle()
    assert tree(directory) == before


def test_the_former_set_becomes_previous_only_when_the_new_one_is_settled(directory: str) -> None:
    for files in (ONE, TWO):
        sets(directory).publish(files)
        sets(directory).settle()
    sets(directory).publish(THREE)
    assert live(directory) == THREE
    assert sets(directory).contents(sets(directory).named("previous")) == ONE
    sets(directory).settle()
    assert sets(directory).contents(sets(directory).named("previous")) == TWO
    assert len(sets(directory).all()) == 2


def test_a_set_that_did_not_answer_is_given_up(directory: str) -> None:
    sets(directory).publish(ONE)
    sets(directory).settle()
    sets(directory).publish(TWO)
    assert sets(directory).roll_back()
    assert live(directory) == ONE
    assert sets(directory).pending()
    assert sets(directory).settle()
    assert len(sets(directory).all()) == 1
    assert not sets(directory).pending()


def test_the_very_first_set_is_given_up_too(directory: str) -> None:
    sets(directory).publish(ONE)
    assert sets(directory).roll_back()
    assert sets(directory).named("live") == ""
    sets(directory).settle()
    assert sets(directory).all() == []


def test_a_run_that_died_before_it_settled_still_knows_the_good_set(directory: str) -> None:
    sets(directory).publish(ONE)
    sets(directory).settle()
    sets(directory).publish(TWO)
    # The run dies here; the next one brings other files, which do not answer either.
    sets(directory).publish(THREE)
    assert sets(directory).roll_back()
    assert live(directory) == ONE


def test_by_hand_live_and_previous_change_places(directory: str) -> None:
    for files in (ONE, TWO):
        sets(directory).publish(files)
        sets(directory).settle()
    for expected in (ONE, TWO):
        assert sets(directory).roll_back()
        sets(directory).settle()
        assert live(directory) == expected


def test_without_a_previous_set_there_is_nothing_to_go_back_to(directory: str) -> None:
    sets(directory).publish(ONE)
    sets(directory).settle()
    with pytest.raises(ValueError, match="no previous set"):
        sets(directory).roll_back()


def test_check_mode_tells_the_difference_and_changes_nothing(directory: str) -> None:
    sets(directory).publish(ONE)
    sets(directory).settle()
    before = tree(directory)
    probe = sets(directory, check_mode=True)
    assert probe.publish(TWO)
    assert [one["after_header"] for one in probe.diff] == ["site-a.conf", "site-b.conf"]
    assert probe.remove()
    assert tree(directory) == before


def test_a_set_that_somebody_edited_is_replaced(directory: str) -> None:
    sets(directory).publish(ONE)
    sets(directory).settle()
    with open(os.path.join(directory, "live", "site-a.conf"), "a", encoding="utf-8") as handle:
        handle.write("# by hand\n")
    assert sets(directory).publish(ONE)
    assert live(directory) == ONE


def test_the_link_never_points_to_nothing(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sets(directory).publish(ONE)
    sets(directory).settle()
    seen = []
    rename = os.rename

    def watch(source: str, target: str) -> None:
        seen.append(os.path.isdir(os.path.join(directory, "live")))
        rename(source, target)
        seen.append(os.path.isdir(os.path.join(directory, "live")))

    monkeypatch.setattr(os, "rename", watch)
    sets(directory).publish(TWO)
    assert seen
    assert all(seen)


SECRET = {"site-a.conf": "# one\n", "site-a.env": '# KEY\nKEY="swordfish"\n'}


def test_a_secret_file_is_root_s_alone_and_shown_by_its_first_line(directory: str) -> None:
    first = sets(directory)
    assert first.publish(SECRET)
    assert first.settle()
    path = os.path.join(directory, "live", "site-a.env")
    assert os.stat(path).st_mode & 0o7777 == 0o600
    assert os.stat(os.path.join(directory, "live", "site-a.conf")).st_mode & 0o7777 == 0o644
    assert live(directory) == SECRET
    assert not sets(directory).publish(SECRET)
    second = sets(directory)
    assert second.publish({**SECRET, "site-a.env": '# KEY\nKEY="other"\n'})
    removed = sets(directory)
    assert removed.publish({"site-a.conf": "# one\n"})
    told = [one for done in (first, second, removed) for one in done.diff if one["after_header"] == "site-a.env"]
    assert [(one["before"], one["after"]) for one in told] == [
        ("", "# KEY\n(the values are not shown)\n"),
        ("# KEY\n(the values are not shown)\n", "# KEY\n(the values are not shown; there are others)\n"),
        ("# KEY\n(the values are not shown)\n", ""),
    ]


def test_a_secret_without_a_comment_is_not_shown_at_all(directory: str) -> None:
    one = sets(directory, check_mode=True)
    assert one.publish({"a.env": "KEY=swordfish\n"})
    assert one.diff[0]["after"] == "(the values are not shown)\n"


def test_a_secret_goes_back_with_its_set(directory: str) -> None:
    sets(directory).publish(SECRET)
    sets(directory).settle()
    sets(directory).publish({**SECRET, "site-a.env": "# KEY\n"})
    assert sets(directory).roll_back()
    assert live(directory) == SECRET
