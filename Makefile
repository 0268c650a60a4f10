# Two commands do all the set-up: `make demo` and `make test`. An active virtual environment is used as it is;
# without one, .venv is made.

PYTHON ?= python3
ifdef VIRTUAL_ENV
  BIN := $(VIRTUAL_ENV)/bin
else
  BIN := .venv/bin
endif
MARK := $(BIN)/.latentgan-installed
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check docs gallery fuzz bench browser format clean

demo: $(MARK)  ## train a BiGAN on real digits and write the report: three minutes on two cores
	$(BIN)/latentgan demo --out demo

test: $(MARK)  ## every test that this machine can run, two at a time (browser tests skip without Chromium)
	$(BIN)/python -m pytest -m "not gpu" -n 2 --dist loadfile

check: $(MARK)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(MARK)  ## the site into build/docs, without network; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "the site: build/docs/index.html"

gallery: $(MARK)  ## three finished reports and what the examples print, which `make docs` then links: half an hour or more
	$(BIN)/python docs/gallery.py $(if $(MIRROR),--mirror $(MIRROR))

fuzz: $(MARK)  ## some 2,000 malformed calls of every command: each is refused in one sentence; minutes
	$(BIN)/python tests/helpers/fuzz.py

ifdef QUICK
bench: $(MARK)  ## what latentgan costs beyond what the algorithms need, a few rounds of it: two minutes
	$(BIN)/python examples/reproduce/bench.py --quick
else
bench: $(MARK)  ## what latentgan costs beyond what the algorithms need, and how often its claims hold in simulations
	$(BIN)/python examples/reproduce/bench.py; costs=$$?; \
	$(BIN)/latentgan selfcheck --statistics && exit $$costs
endif

format: $(MARK)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(MARK): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing latentgan into $(dir $(BIN)) (torch is large: a few minutes the first time)"
	$(INSTALL) torch
	$(INSTALL) -e '.[dev]'
	@touch $@
