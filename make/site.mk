# SPDX-License-Identifier: Apache-2.0
# The product: from this host, whatever is on it, to a served site.

# Root needs nobody's leave, and a bare host has no sudo.
BECOME := $(if $(filter 0,$(shell id -u)),,--become)
PLAYBOOK = $(VENV)/bin/ansible-playbook -i inventories/localhost $(BECOME) $(ANSIBLE_ARGS)

.PHONY: site site-check site-remove
site: collection ## install Apache, build the module, serve the demo on this host
	$(PLAYBOOK) site.yml

site-check: collection ## say what `make site` would change, and change nothing
	$(PLAYBOOK) --check --diff site.yml

site-remove: collection ## take everything away again that `make site` made
	$(PLAYBOOK) playbooks/remove.yml
