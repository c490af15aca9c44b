# SPDX-License-Identifier: Apache-2.0
# .venv with the pinned ansible-core, and the checkout made importable as the collection pyweb.mod_wsgi.

VENV := $(CURDIR)/.venv
COLLECTIONS := $(CACHE)/collections
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)

.PHONY: collection
collection: $(VENV)/.complete $(COLLECTIONS)/ansible_collections/pyweb/mod_wsgi ## make .venv and the link to the collection

# The mark is written last, so that a virtual environment that was cut short is made again.
$(VENV)/.complete: requirements/ansible.txt make/venv
	make/venv $(PYTHON) $(VENV) requirements/ansible.txt
	touch $@

$(COLLECTIONS)/ansible_collections/pyweb/mod_wsgi:
	mkdir -p $(@D)
	ln -sfn $(CURDIR) $@
