# SPDX-License-Identifier: Apache-2.0
# The play itself, against throw-away hosts; also a stage of `make test`.

.PHONY: test-play
test-play: ## make site and its refusals, in throw-away Debian hosts
	@$(PYTHON) tests/run play
