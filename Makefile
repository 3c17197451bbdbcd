# Everything a user does, on a machine that has Python >= 3.11 and make.
#   make quickstart [SEEDS=3]   the whole graph on two CPU cores, and its table
#   make status [SEEDS=3]       where every job of the quickstart stands; may be asked while it runs
#   make test                   all tests
#   make check                  style, lint, and a dry-run of every shipped study at every scale
#   make benchmark              training, scoring and rewards of PRMs beside TRL and beside one step a call; grading
#   make report                 the quickstart's tables and figures as one HTML file
#   make ui                     the results in MLflow, on this machine
PYTHON ?= python3
CORES ?= 2
SEEDS ?= 1
RESULTS ?= results

COMMA := ,
BIN := .venv/bin
# What .venv was set up with before, or the CPU build.
EXTRAS ?= $(or $(subst -,$(COMMA),$(patsubst .venv/.ready-%,%,$(firstword $(wildcard .venv/.ready-*)))),cpu$(COMMA)slurm)
CONSTRAINTS := $(if $(findstring gpu,$(EXTRAS)),constraints-gpu.txt,constraints.txt)
READY := .venv/.ready-$(subst $(COMMA),-,$(EXTRAS))
# uv does not read pip's settings; where pip is told of a folder of wheels (a CPU build of torch, say), uv is told, too.
FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
TORCH := $(if $(FIND_LINKS),,$(if $(findstring cpu,$(EXTRAS)),--torch-backend cpu))
# The Snakefile lets one run at a time into a results folder; Snakemake's own lock would outlive a killed run.
SNAKEMAKE := $(BIN)/snakemake --nolock --profile profiles/local --cores $(CORES)
QUICKSTART := --config seeds=$(SEEDS) results=$(RESULTS)

.PHONY: quickstart status test check benchmark report ui setup
setup: $(READY)

$(READY): pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	PATH="$$PATH:$(BIN)" UV_FIND_LINKS="$(FIND_LINKS)" uv pip install --quiet --python $(BIN)/python --compile-bytecode \
	    $(TORCH) --constraint $(CONSTRAINTS) --group dev --editable ".[$(EXTRAS)]"
	touch $@

quickstart: $(READY)
	$(SNAKEMAKE) $(QUICKSTART)
	cat $(RESULTS)/quickstart/tables/main/table.md

status: $(READY)
	$(BIN)/python -m stepladder.status $(QUICKSTART)

test: $(READY)
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest tests --numprocesses $(CORES) --no-loadscope-reorder --durations=25

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/hadolint containers/Dockerfile
	$(BIN)/python tests/dry_runs.py

benchmark: $(READY)
	UV_FIND_LINKS="$(FIND_LINKS)" PATH="$$PATH:$(BIN)" $(BIN)/python benchmarks/prm_training.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/reward_pipeline.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/grading.py ../shared/data

report: $(READY)
	$(SNAKEMAKE) $(QUICKSTART)
	$(SNAKEMAKE) $(QUICKSTART) --report $(RESULTS)/report.html

ui: $(READY)
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(RESULTS)/mlflow.db --host 127.0.0.1 --port 5000
