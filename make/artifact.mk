# SPDX-License-Identifier: Apache-2.0
# The artifact that Galaxy would get, checked by Galaxy's own importer.

IMPORTER_VENV := $(CACHE)/venvs/importer

.PHONY: artifact
artifact: ## build the collection and run galaxy-importer on it
	@bash tests/artifact $(IMPORTER_VENV)
