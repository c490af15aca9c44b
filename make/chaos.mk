# SPDX-License-Identifier: Apache-2.0
# Steady load during everything that can happen to a server, with mod_wsgi 6.1.1 beside it. About ten minutes;
# QUICK=1 takes about three. ONLY="graceful touch" picks phases.

.PHONY: chaos
chaos: prepare ## steady load during restarts, touches, kills, upgrades; non-zero when requests are lost (QUICK=1)
	@.cache/venvs/test/bin/python -B tests/chaos $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(CHAOS_ARGS)
