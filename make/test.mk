# SPDX-License-Identifier: Apache-2.0
# Tests. Stages and their order are in tests/run; ONLY="c server" picks some of them.

.PHONY: test prepare clients prefork
test: ## every test; installs what it needs when it may
	@$(PYTHON) tests/run $(ONLY)

prepare: ## only install what the tests need
	@sh tests/prepare

# WSGI_PEER=1 and WSGI_PEER_MODULE= show the same through mod_wsgi 6.1.1.
CLIENT_TESTS := git mercurial dav index events clients
clients: prepare ## real clients against real applications: run them and print what they said
	@.cache/venvs/test/bin/pytest -q -p no:cacheprovider $(CLIENT_TESTS:%=tests/server/test_wild_%.py)
	@cat $(or $(WSGI_TEST_CACHE),.cache)/results/clients$(if $(filter 1,$(WSGI_PEER)),-peer).txt

prefork: prepare ## 400 children of the prefork MPM and 10 groups with 1,024 descriptors, and the figures
	@WSGI_TEST_CHILDREN=400 .cache/venvs/test/bin/pytest -q -s -p no:cacheprovider tests/server/test_descriptors.py -k many
