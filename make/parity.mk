# SPDX-License-Identifier: Apache-2.0
# Ours and mod_wsgi 6.1.1 side by side. ONLY="4.4 B" picks cases by the beginning of their ids.

.PHONY: parity
parity: prepare ## compare with mod_wsgi 6.1.1: status, headers, body, environ, log
	@.cache/venvs/test/bin/python -B tests/parity $(ONLY)
