# SPDX-License-Identifier: Apache-2.0
# What is fuzzed, and sanitizers. Random requests for longer than a test run has time; SECONDS=, SEED= (bash has a SECONDS of its own).

FUZZ_SECONDS = $(or $(filter-out environment,$(if $(filter command line,$(origin SECONDS)),$(SECONDS))),60)

.PHONY: fuzz
fuzz: prepare ## libFuzzer targets of the wire, 10 minutes each (SECONDS= JOBS= TARGETS="frame head")
	@tests/fuzz/run --seconds $(if $(filter command line,$(origin SECONDS)),$(SECONDS),600) --jobs $(or $(JOBS),2) $(TARGETS)

.PHONY: sanitize
sanitize: prepare ## tests/server against a build with AddressSanitizer and UBSan of both sides (ONLY="test_x.py")
	@WSGI_TEST_SANITIZE=1 $(CACHE)/venvs/test/bin/pytest -q -p no:cacheprovider $(or $(ONLY:%=tests/server/%),tests/server)

.PHONY: fuzz-requests
fuzz-requests: ## random requests against a build with sanitizers (SECONDS=600 SEED=1)
	$(CACHE)/venvs/test/bin/python tests/fuzz/requests --seconds $(FUZZ_SECONDS) $(if $(SEED),--seed $(SEED)) $(FUZZ_ARGS)
