# `make daily` and `make test` are the two to know; `make help` lists the others.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
OLDEST := .venv-3.11
PYTEST := -m pytest -q
# Most of what is installed no test imports: what one does is compiled then, and kept.
QUICKLY := -qq --no-compile --disable-pip-version-check
# Files are shared out among processes. Each has to load the tests first: it is given as few as keep the processors busy,
# more of them where tests wait more than they compute.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# --- first contact -----------------------------------------------------------------------------------------------
$(VENV)/bin/upkeep: pyproject.toml galaxy.yml hatch_build.py
	@python=$$(tools/find-python) || exit 1; \
	echo "installing Upkeep into $(VENV) with $$python" >&2; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) && $(VENV)/bin/python -m pip install -qq --editable .
	@touch $@

daily: $(VENV)/bin/upkeep  ## run the daily procedure on this machine: looks, changes nothing
	@$(VENV)/bin/upkeep run daily; status=$$?; [ $$status -le 3 ]

# What Python has compiled is kept, wherever the variable is set: the tests start it some thousand times.
unexport PYTHONDONTWRITEBYTECODE

# --- tests -------------------------------------------------------------------------------------------------------
# Two rows side by side: in one, tests mostly wait; in the other, they mostly compute. What uses one processor alone comes
# early, beside the many of the other row; what is shared out among most processes comes last, when nobody else may be left.
ROWS := daemons lint,sanity,oldest-integration,unit,oldest,integration
# Debian's packages and Python's at once; the former first where they bring the Python that installs the latter.
test:  ## all that CI does; ends with one line
	@tools/find-python >/dev/null 2>&1 || $(MAKE) -s packages
	@$(MAKE) -s -j 2 packages $(VENV)/dev
	@$$(tools/find-python) tools/test-all $(ROWS)

test-busy:  ## the same beside two processes that keep two processors busy
	@tools/beside-busy $(MAKE) test

packages:
	@tools/install-test-packages
	@tools/install-test-servers
	@tools/install-test-machine

# In one go where nothing is there yet: what `make daily` needs is among it.
$(VENV)/dev: pyproject.toml galaxy.yml hatch_build.py
	@if $(MAKE) -s --question $(VENV)/bin/upkeep; then python=; else python=$$(tools/find-python) || exit 1; fi; \
	if [ -n "$$python" ]; then \
		echo "installing Upkeep and what its tests need into $(VENV) with $$python" >&2; \
		rm -rf $(VENV) && "$$python" -m venv $(VENV); \
	fi && $(VENV)/bin/python -m pip install $(QUICKLY) --editable '.[dev]'
	@touch $(VENV)/bin/upkeep $@

$(OLDEST)/dev: pyproject.toml galaxy.yml
	@python=$$(tools/find-python 3.11) || exit 1; \
	rm -rf $(OLDEST) && "$$python" -m venv $(OLDEST) && $(OLDEST)/bin/python -m pip install $(QUICKLY) --editable '.[all,test]'
	@touch $@

SPELT := README.md README.rst changelogs docs inventory playbooks plugins python/upkeep roles tools
lint: $(VENV)/dev  ## ruff, mypy --strict, imports, dependencies, docstrings, ansible-lint (production), spelling, phrases
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	PYTHONPATH=python $(VENV)/bin/lint-imports --no-cache --no-logo
	$(VENV)/bin/deptry --no-ansi python/upkeep plugins
	$(VENV)/bin/interrogate --quiet python/upkeep plugins/action plugins/module_utils plugins/plugin_utils
	PATH="$$PWD/$(VENV)/bin:$$PATH" $(VENV)/bin/ansible-lint --strict
	$(VENV)/bin/codespell $(SPELT)
	$(VENV)/bin/python tools/phrases.py

unit: $(VENV)/dev  ## the tests without services, in seconds
	$(VENV)/bin/python $(PYTEST) -n 2 $(SIDE_BY_SIDE) tests/unit

service: $(VENV)/dev  ## the tests on real daemons, but for the long ones
	$(VENV)/bin/python $(PYTEST) -n 4 $(SIDE_BY_SIDE) -m "not long and not thorough" tests/service

long: $(VENV)/dev  ## a year by a turned clock, thousands of runs, drivers that are killed
	$(VENV)/bin/python $(PYTEST) -n 4 $(SIDE_BY_SIDE) -m long $$(grep -l mark.long tests/service/test_*.py)

# The long ones begin first, so that no processor is idle while the last of them ends; and the tests are loaded once.
daemons: $(VENV)/dev  ## service and long together, as make test does
	$(VENV)/bin/python $(PYTEST) -n 4 $(SIDE_BY_SIDE) -m "not thorough" tests/service

thorough: $(VENV)/dev packages  ## each fault that is planted in a backup, and all that a kernel of its own shows; not in make test
	$(VENV)/bin/python $(PYTEST) -n 2 $(SIDE_BY_SIDE) -m thorough $$(grep -l mark.thorough tests/service/test_*.py)

# Each process has a fleet of its own, and shares out tests, not files: one file is half of them.
integration: $(VENV)/dev  ## the daily procedure over SSH on the lab
	$(VENV)/bin/python $(PYTEST) -n 3 --dist worksteal tests/integration

oldest: $(OLDEST)/dev  ## what depends on versions (tests/oldest.py), on the oldest Python and ansible-core
	$(OLDEST)/bin/python $(PYTEST) -n 2 $(SIDE_BY_SIDE) -m "oldest and not long" \
		tests/unit $$($(OLDEST)/bin/python tests/oldest.py)

oldest-integration: $(OLDEST)/dev  ## a daily run and a job on the lab, on the oldest Python and ansible-core
	$(OLDEST)/bin/python $(PYTEST) -m oldest tests/integration

sanity: $(VENV)/dev  ## ansible-test sanity on the collection
	tools/sanity $(VENV)/bin

# --- for developers ----------------------------------------------------------------------------------------------
bench: $(VENV)/dev  ## measure, in ratios; a few minutes
	$(VENV)/bin/python tests/bench/run.py

FILE := python/upkeep/checks/hosts/disk_space.py
mutate: $(VENV)/dev  ## change FILE=python/upkeep/… a little, again and again: which changes does no test hear?
	$(VENV)/bin/python tools/mutate.py $(FILE)

lab: $(VENV)/dev packages  ## a fleet of hosts to play with, until Ctrl-C
	cd tests && PYTHONPATH=helpers ../$(VENV)/bin/python -m lab

format: $(VENV)/dev
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

clean:  ## remove what the targets made
	rm -rf $(VENV) $(OLDEST) dist build .mypy_cache .ruff_cache .pytest_cache

.PHONY: help daily test test-busy packages bench mutate lab format clean
.PHONY: lint unit service long thorough daemons integration oldest oldest-integration sanity
