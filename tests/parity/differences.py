# SPDX-License-Identifier: Apache-2.0
"""Every accepted difference from 6.1.1, and what proves it; docs/differences.md tells about each.

The first digit is the section of the page; a new one takes the next number of its section.
CASES: cases of this run carry the id, and they have to differ. Otherwise `file::test`, a test of ours.
Tests of ours that 6.1.1 would fail are marked `ours("D101, D102: words")`, or with NOT_SEEN in front.
"""

from __future__ import annotations

import ast
import re

from collections.abc import Iterator

from harness.places import ROOT

PAGE = ROOT / "docs" / "differences.md"

CASES = "cases"

DIFFERENCES: dict[str, str] = {
    "D101": CASES,
    "D102": CASES,
    "D103": CASES,
    "D104": CASES,
    "D105": "tests/server/test_homes.py::test_home_that_the_user_cannot_read",
    "D106": "tests/server/test_homes.py::test_venv_whose_python_was_upgraded",
    "D107": "tests/server/test_homes.py::test_spoilt_marker",
    "D108": "tests/server/test_configuration.py::test_python_home_may_be_the_interpreter",
    "D109": "tests/server/test_configuration.py::test_missing_directories_are_refused",
    "D110": CASES,
    "D111": CASES,
    "D112": "tests/server/test_directives.py::test_removed_directives_are_told_once",
    "D113": "tests/server/test_sections.py::test_a_selector_may_be_quoted",
    "D114": CASES,
    "D115": CASES,
    "D116": CASES,
    "D117": CASES,
    "D118": CASES,
    "D119": "tests/server/test_hints.py::test_directory_without_require",
    "D120": "tests/server/test_configuration.py::test_refusals_say_value_and_choice",
    "D121": "tests/server/test_dump.py::test_dumped_as_served",
    "D123": "tests/server/test_log_options.py::test_records_keep_their_level",
    "D201": CASES,
    "D202": CASES,
    "D203": CASES,
    "D204": CASES,
    "D205": "tests/server/test_errors.py::test_exception_in_mid_response_of_a_daemon_is_seen_by_the_client",
    "D206": "tests/server/test_errors.py::test_cut_response_closes_the_connection_at_once",
    "D207": "tests/server/test_responses.py::test_shorter_body_than_content_length_cuts_the_connection",
    "D208": "tests/engine/test_requests.py::test_hop_by_hop_headers_are_dropped",
    "D209": "tests/engine/test_requests.py::test_start_response",
    "D210": "tests/engine/test_requests.py::test_start_response",
    "D211": "tests/server/test_requests.py::test_body_that_breaks_off",
    "D212": "tests/server/test_requests.py::test_both_directions_at_once_in_a_daemon",
    "D213": CASES,
    "D214": CASES,
    "D215": CASES,
    "D216": CASES,
    "D217": CASES,
    "D218": CASES,
    "D219": CASES,
    "D220": "tests/server/test_input.py::test_none_is_no_limit",
    "D221": "tests/server/test_input.py::test_slow_client_is_408",
    "D222": "tests/server/test_input.py::test_chunked_over_the_limit",
    "D223": "tests/server/test_input.py::test_no_continue_for_an_answer_without_reading",
    "D224": "tests/server/test_input.py::test_any_calls_in_any_order",
    "D225": "tests/server/test_input.py::test_any_calls_on_an_inflated_body",
    "D226": "tests/server/test_input.py::test_any_calls_over_http_2",
    "D230": CASES,
    "D231": CASES,
    "D240": "tests/server/test_streaming.py::test_fast_blocks_leave_together",
    "D241": "tests/server/test_leaving.py::test_write_raises",
    "D242": "tests/server/test_cut.py::test_file_that_becomes_shorter",
    "D250": CASES,
    "D251": "tests/server/test_files.py::test_files_that_change_what_is_read",
    "D252": "tests/server/test_files.py::test_more_promised_than_there_is",
    "D253": "tests/server/test_processes.py::test_the_other_one_is_ready_first",
    "D254": "tests/server/test_processes.py::test_time_zone_of_an_application",
    "D255": "tests/server/test_processes.py::test_exit_functions_and_threads",
    "D256": CASES,
    "D261": "tests/server/test_with_security.py::test_inspected_answer",
    "D270": "tests/server/test_broken_applications.py::test_rule",
    "D271": "tests/server/test_broken_applications.py::test_rule",
    "D280": "tests/server/test_wild_clients.py::test_curl_head",
    "D282": "tests/engine/test_interpreters.py::test_finalisers_at_the_end_can_still_import",
    "D301": CASES,
    "D302": CASES,
    "D303": CASES,
    "D304": CASES,
    "D305": "tests/server/test_proxies.py::test_forwarded_for",
    "D306": CASES,
    "D307": CASES,
    "D308": CASES,
    "D309": "tests/server/test_deciding.py::test_mod_ssl",
    "D310": "tests/engine/test_ask.py::test_request_rec",
    "D401": CASES,
    "D402": CASES,
    "D403": CASES,
    "D404": "tests/server/test_deciding.py::test_no_http_proxy",
    "D405": "tests/engine/test_ask.py::test_large_lists",
    "D406": "tests/server/test_deciding.py::test_names_of_users_are_not_logged",
    "D501": "tests/server/test_interpreters.py::test_groups_never_mix",
    "D502": "tests/server/test_main_interpreter.py::test_the_rule",
    "D503": "tests/server/test_extensions.py::test_two_applications_in_two_groups",
    "D504": "tests/server/test_interpreters.py::test_children",
    "D505": "tests/server/test_interpreters.py::test_settings_of_sites_stay_apart",
    "D506": "tests/engine/test_interpreters.py::test_limit_of_interpreters",
    "D507": "tests/server/test_site_role.py::test_every_key_becomes_a_directive",
    "D508": "tests/server/test_daemon.py::test_process_tree",
    "D509": CASES,
    "D510": CASES,
    "D511": "tests/engine/test_interpreters.py::test_broken_site_module",
    "D512": "tests/engine/test_interpreters.py::test_free_threading_is_told_about",
    "D513": "tests/engine/test_interpreters.py::test_restricted_streams",
    "D514": CASES,
    "D601": "tests/engine/test_events.py::test_exceptions_change_nothing",
    "D602": "tests/server/test_modules.py::test_request_timeout_after_the_head",
    "D603": "tests/server/test_modules.py::test_log_handler_never_raises",
    "D604": "tests/server/test_modules.py::test_request_inside_a_request",
    "D605": "tests/engine/test_events.py::test_exceptions_of_the_application",
    "D606": CASES,
    "D607": "tests/server/test_metrics.py::test_threads_that_serve",
    "D701": "tests/server/test_daemon.py::test_descriptors_of_a_daemon",
    "D702": CASES,
    "D703": CASES,
    "D704": "tests/server/test_configuration.py::test_cold_start_puts_only_the_broken_group_out_of_service",
    "D705": "tests/server/test_lifecycle.py::test_graceful_restart_under_load_loses_nothing",
    "D706": "tests/server/test_modules.py::test_graceful_signal_under_load_loses_nothing",
    "D707": "tests/server/test_modules.py::test_script_reload_of_the_other_processes",
    "D708": "tests/server/test_lifecycle.py::test_touch_reloads",
    "D709": "tests/server/test_daemon_options.py::test_buffer_sizes_reach_the_connections",
    "D710": "tests/server/test_daemon_options.py::test_an_unknown_locale_is_told_and_replaced",
    "D720": "tests/server/test_supervisor.py::test_back_off",
    "D721": "tests/server/test_supervisor.py::test_killed_parent_and_supervisor",
    "D722": "tests/server/test_replacing.py::test_restart_interval",
    "D723": "tests/server/test_replacing.py::test_a_group_is_never_without_a_process",
    "D725": "tests/server/test_renewal.py::test_broken_deploy_and_its_repair",
    "D726": "tests/server/test_renewal.py::test_failed_load_heals_by_itself",
    "D727": "tests/server/test_renewal.py::test_replacement_has_imported_the_application",
    "D728": "tests/server/test_renewal.py::test_reload_by_command",
    "D729": "tests/server/test_renewal.py::test_overlap_serves_the_old_code_meanwhile",
    "D730": "tests/server/test_timeouts.py::test_a_stuck_request",
    "D731": "tests/server/test_timeouts.py::test_a_request_that_is_interrupted",
    "D732": "tests/server/test_timeouts.py::test_an_import_that_hangs",
    "D733": "tests/server/test_timeouts.py::test_a_gil_that_is_held",
    "D734": "tests/server/test_timeouts.py::test_limits",
    "D735": "tests/server/test_timeouts.py::test_an_end_that_hangs",
    "D740": "tests/server/test_queue.py::test_full_queue_is_503_at_once",
    "D741": "tests/server/test_queue.py::test_first_come_first_served",
    "D742": "tests/server/test_queue.py::test_queue_timeout",
    "D743": "tests/server/test_queue.py::test_who_left_the_queue_never_reaches_the_application",
    "D744": "tests/server/test_queue.py::test_a_slow_import_takes_half_of_apache",
    "D745": "tests/server/test_queue.py::test_connect_timeout",
    "D746": "tests/server/test_queue.py::test_a_worker_stays_taken_until_it_is_free",
    "D747": "tests/server/test_queue.py::test_request_timeout",
    "D748": "tests/server/test_queue.py::test_response_socket_timeout",
    "D749": "tests/server/test_queue.py::test_queue_time_is_in_the_access_log",
    "D750": "tests/server/test_services.py::test_a_request_for_it_gets_an_answer_at_once",
    "D751": "tests/server/test_services.py::test_a_broken_service_backs_off",
    "D752": "tests/server/test_services.py::test_other_signals_raise_it_too",
    "D753": "tests/server/test_services.py::test_a_service_without_a_script",
    "D754": "tests/server/test_chroot.py::test_an_import",
    "D755": "tests/server/test_chroot.py::test_what_is_missing_is_said",
    "D756": "tests/server/test_environment.py::test_a_file",
    "D757": "tests/server/test_identity.py::test_the_line_at_the_start_is_true",
    "D758": "tests/server/test_identity.py::test_only_what_was_given_is_open",
    "D759": "tests/server/test_identity.py::test_a_directory_that_is_gone",
    "D760": "tests/server/test_zoo.py::test_row_in_a_daemon",
    "D761": "tests/server/test_zoo.py::test_a_lost_listener_is_replaced",
    "D762": "tests/server/test_zoo.py::test_row_in_a_daemon",
    "D763": "tests/server/test_per_user.py::test_a_user_who_may_not_connect",
    "D764": "tests/server/test_per_user.py::test_embedded_never_with_rights",
    "D770": "tests/server/test_supervisor.py::test_keep_alive_clients_in_restarts",
    "D771": "tests/server/test_chroot.py::test_a_slash_at_the_end",
    "D767": "tests/server/test_hostile_daemons.py::test_frames",
    "D801": CASES,
    "D802": CASES,
    "D803": CASES,
    "D804": CASES,
    "D805": "tests/server/test_errors.py::test_log_line_has_the_request_id",
    "D806": "tests/server/test_errors.py::test_traceback_has_the_frames",
    "D807": "tests/server/test_logging.py::test_long_lines_are_cut_in_pieces_not_lost",
    "D808": "tests/server/test_errors.py::test_end_of_a_daemon_is_said_in_the_log_of_its_group",
    "D810": "tests/server/test_logging.py::test_nul",
    "D811": "tests/server/test_logging.py::test_group_with_trouble_is_pointed_to",
    "D812": CASES,
    "D813": "tests/server/test_log_options.py::test_a_traceback_is_one_object_of_json",
    "D814": CASES,
    "D815": CASES,
    "D816": CASES,
    "D817": CASES,
    "D818": CASES,
}


NOT_SEEN = "nothing that a user sees: "
IDS = re.compile(r"(D\d+(?:, D\d+)*): \S")


def in_page() -> list[str]:
    """Ids of the page, in its order."""
    return re.findall(r"(?m)^\| (D\d+) \|", PAGE.read_text())


def problems(used: set[str], complete: bool) -> list[str]:
    """Page and table, both ways; ids that nothing proves any more."""
    page = in_page()
    found = [f"{name} stands twice in {PAGE.name}" for name in sorted(set(page)) if page.count(name) > 1]
    found += [f"{name} is not in {PAGE.name}" for name in sorted({*DIFFERENCES, *used} - set(page))]
    found += [f"{name} of {PAGE.name} is not in differences.py" for name in sorted(set(page) - set(DIFFERENCES))]
    for name, proof in DIFFERENCES.items():
        if proof == CASES:
            if complete and name not in used:
                found.append(f"{name}: no case shows it any more")
            continue
        path, _, test = proof.partition("::")
        if not (ROOT / path).is_file() or f"def {test}(" not in (ROOT / path).read_text():
            found.append(f"{name}: there is no test {proof}")
    return found + mark_problems(set(page))


def reasons(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each reason of a mark `ours`; of a mark made by a function, those of its constants."""
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if called == "ours" and isinstance(first, ast.Constant):
            yield node.lineno, str(first.value)
        elif called == "differs" and isinstance(first, ast.Name):
            yield node.lineno, str(constants.get(first.id, f"{first.id}, which is no text"))


def mark_problems(page: set[str]) -> list[str]:
    """Marks `ours` whose reason names no line of the page."""
    found = []
    for path in sorted((ROOT / "tests" / "server").glob("test_*.py")):
        for line, reason in reasons(ast.parse(path.read_text())):
            ids = IDS.match(reason)
            unknown = sorted(set(ids.group(1).split(", ")) - page) if ids else []
            if not ids and not reason.startswith(NOT_SEEN):
                found.append(f"{path.name}:{line}: {reason!r} names no difference")
            found += [f"{path.name}:{line}: {name} is not in {PAGE.name}" for name in unknown]
    return found
