# SPDX-License-Identifier: Apache-2.0
# Tests. Stages and their order are in tests/run; ONLY="c server" picks some of them.

.PHONY: test prepare
test: ## every test; installs what it needs when it may
	@$(PYTHON) tests/run $(ONLY)

prepare: ## only install what the tests need
	@sh tests/prepare
