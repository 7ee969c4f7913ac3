# Each target sets up what it needs; what is done already takes no time and no network.
# ARGS passes options on (make test ARGS="-k amp"), PYTHON names a Python 3.11 for the first set-up.
PY := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup system data lock lab lectures labs demo test test-slurm faults test-fast lint audit bench measure readme gpu clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from requirements.lock (once; offline afterwards)
	@PYTHON="$(PYTHON)" .ci/setup

system: ## install Debian's packages for the sandbox, where this may be done
	@.ci/system sandbox

data: setup ## put the packaged data into the cache (once; offline afterwards)
	@$(PY) -m quintet.data --quiet

demo: system data ## grade a sample class for every lab and print the grades
	@.venv/bin/quintet demo $(ARGS)

lab: data ## open JupyterLab on labs/ and lectures/
	.venv/bin/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/labs $(ARGS)

lectures: data ## execute every lecture in place, at smoke scale
	@$(PY) -m quintet_grading.notebooks lectures $(ARGS)

labs: data ## generate the student labs from solutions/
	@$(PY) -m quintet_grading.notebooks labs $(ARGS)

test: system data lint ## run all tests but those of Slurm
	@.ci/system postgres hosts
	@$(PY) -m pytest -n 2 --durations 20 --ignore tests/test_slurm.py $(ARGS)

test-slurm: system data ## grade a class on a real Slurm, started on this machine
	@.ci/system slurm
	@$(PY) -m pytest tests/test_slurm.py -rs $(ARGS)

faults: system data ## the long fault story: 20 kills of each kind, half an hour
	@.ci/system postgres
	@QUINTET_KILLS=20 $(PY) -m pytest tests/test_faults.py -s $(ARGS)

test-fast: system data ## run the tests that take under two minutes together
	@$(PY) -m pytest -m "not slow" $(ARGS)

gpu: data ## run the tests that need a GPU
	@$(PY) -m pytest -m gpu -rs $(ARGS)

readme: setup ## write the claims table into README.md
	@$(PY) -m quintet_grading.notebooks readme

lint: setup ## check style and who imports whom
	@.venv/bin/ruff check --quiet .
	@.venv/bin/lint-imports --no-logo

audit: system data ## grade the whole bank with all mutants, then the hostile one: are the graders right?
	@.venv/bin/quintet audit --mutants $(ARGS)
	@.venv/bin/quintet audit hostile

bench: system data ## time our code beside its peers
	@.venv/bin/quintet bench $(ARGS)

measure: data ## run the studies over several seeds behind the lectures
	@$(PY) -m quintet_grading.notebooks measure $(ARGS)

lock: ## resolve requirements.lock anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@uv=$$(.ci/setup uv) && "$$uv" pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet $(ARGS) -o requirements.lock

clean: ## remove caches and build files (.venv, data and course/ stay)
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache build *.egg-info
	@find lib grading tests lectures solutions labs -depth \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
