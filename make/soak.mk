# SPDX-License-Identifier: Apache-2.0
# What takes minutes: graceful restarts by the thousand. COUNT= and EVERY= change the numbers.

.PHONY: restarts
restarts: prepare ## 3,000 graceful restarts: memory and descriptors of the parent stay flat
	@.cache/venvs/test/bin/python -B tests/soak/restarts $(if $(COUNT),--count $(COUNT)) $(if $(EVERY),--every $(EVERY))
