# SPDX-License-Identifier: Apache-2.0
# Random requests for longer than a test run has time; SECONDS=, SEED= (bash has a SECONDS of its own).

FUZZ_SECONDS = $(or $(filter-out environment,$(if $(filter command line,$(origin SECONDS)),$(SECONDS))),60)

.PHONY: fuzz-requests
fuzz-requests: ## random requests against a build with sanitizers (SECONDS=600 SEED=1)
	$(CACHE)/venvs/test/bin/python tests/fuzz/requests --seconds $(FUZZ_SECONDS) $(if $(SEED),--seed $(SEED)) $(FUZZ_ARGS)
