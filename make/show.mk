# SPDX-License-Identifier: Apache-2.0
# What a running group looks like from outside.

.PHONY: show-processes
show-processes: prepare ## ps and /proc of a running group: ids, capabilities, descriptors, maps
	@.cache/venvs/test/bin/python -B tests/server/show_processes.py
