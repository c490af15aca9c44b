# SPDX-License-Identifier: Apache-2.0
"""Ours and mod_wsgi 6.1.1 side by side: the same configuration, the same request, one comparison.

model.py         the format of the tables: Site, Case, Ask, Check
cases/*.py       the tables; every module there is read, each defines SITES, CASES or CHECKS
rows.py          one id for each row of the behaviour description that needs a comparison
differences.py   the differences we accept, each with a paragraph in docs/differences.md
normal.py        what makes two runs comparable: ports, paths, pids, times, banners
pair.py          two servers, two `httpd -t`
report.py        differences in words, coverage by row, the sum
run              the command behind `make parity`
"""
