# SPDX-License-Identifier: Apache-2.0
# The two commands that matter: `make site` (the product) and `make test`. `make help` lists all.
# Everything made here lies in .venv and .cache; `make clean` removes both.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE := $(CURDIR)/.cache
PYTHON ?= python3

include $(sort $(wildcard make/*.mk))

.PHONY: help clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

clean: ## remove .venv and .cache (caches, test hosts, built modules)
	rm -rf .venv .cache
