# SPDX-License-Identifier: Apache-2.0
# Scenarios on Debian hosts with systemd. SCENARIO=name picks one, default: all.

.PHONY: molecule
molecule: ## scenarios on Debian 12 and 13 with systemd in docker
	@PYTHON=$(PYTHON) bash molecule/run $(SCENARIO)
