# mssync: every command of the project. `make` lists them.
PYTHON ?= python3
TORCH_BACKEND ?= cpu
PROFILE ?= cpu
# what else may be given, by default nothing
GIVEN := CORPUS VIDEOS LAYOUT OPTIONS SEEDS GENERATED OTHERS METHODS RECORDINGS DEVICE SNAKEFLAGS ONLY VERSION

# a misspelt variable would be ignored without a word
KNOWN := PYTHON TORCH_BACKEND PROFILE $(GIVEN)
$(foreach v,$(.VARIABLES),$(if $(filter command%,$(origin $v)),$(if $(filter $v,$(KNOWN)),,$(error there is no variable $v: choose from $(KNOWN)))))

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
TORCH = $(shell grep '^torch==' requirements.lock)
UV = $(shell grep '^uv==' requirements.lock)
# installs without compiling what may never be imported
UVPIP = UV_HTTP_TIMEOUT=30 UV_HTTP_CONNECT_TIMEOUT=5 UV_HTTP_RETRIES=2 $(BIN)/uv pip install --python $(PY)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
export JUPYTER_PLATFORM_DIRS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
# tqdm warns, with a path, where there is no ipywidgets
export PYTHONWARNINGS := ignore:IProgress not found

.PHONY: help install study calibration table4 rehearsal bench test mutants export readme book film weights dist release clean
.SILENT:

help:  ## List the commands and variables
	grep -hE '^[a-z0-9]+:.*## ' Makefile | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 17
	echo
	echo "  Variables (make study PROFILE=smoke): PROFILE=$(PROFILE), CORPUS=folder made by mssync ingest, or"
	echo "  VIDEOS=folder to be ingested first (default: the profile simulates or downloads its corpus),"
	echo "  LAYOUT=grid, voxceleb2, ... of that folder, OPTIONS='videos=FOLDER ...' of the layout, SEEDS=0 or 0,1,2 (default: the"
	echo "  profile's; each is a whole training, and adding one later trains only that one), GENERATED=folder of ingested videos"
	echo "  of other systems, for the calibration, OTHERS=folder,folder of finished runs whose generators are tested here and whose"
	echo "  claims stand beside this run's, METHODS=folder,folder of what other people's code made (mssync import-method), RECORDINGS=folder of the"
	echo "  corpus' own videos, to be encoded again in the calibration, DEVICE=cpu or cuda,"
	echo "  TORCH_BACKEND=$(TORCH_BACKEND) (cpu, cu128, ..., auto; a torch already in $(VENV) is kept), PYTHON=$(PYTHON), SNAKEFLAGS="

install: $(STAMP)  ## Install everything into .venv (nothing to do: instant)

$(STAMP): requirements.lock setup.py settings.ini pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mssync needs Python 3.11 or newer; make PYTHON=... names one")'
	if ! $(PY) -m pip --version >/dev/null 2>&1; then
	    echo "== virtual environment in $(VENV)"
	    $(PYTHON) -m venv $(VENV)
	fi
	$(PY) -m pip install --no-compile $(UV)
	if $(PY) -c 'import torch; print("== torch", torch.__version__, "is there already: kept")' 2>/dev/null; then :
	else
	    echo "== $(TORCH), backend $(TORCH_BACKEND)"
	    $(BIN)/uv pip compile --quiet --offline --no-header --torch-backend=$(TORCH_BACKEND) /dev/null  # a wrong name ends here
	    $(UVPIP) --torch-backend=$(TORCH_BACKEND) $(TORCH) || {
	        echo "== the index of torch's $(TORCH_BACKEND) build did not answer: taking the build that pip finds (it may be a large CUDA one)"
	        $(PY) -m pip install --no-compile $(TORCH)
	    }
	fi
	got() {
	    $(UVPIP) "$$@" || {
	        echo "== uv did not get them: pip, which may know another way"
	        $(PY) -m pip install --no-compile "$$@"
	    }
	}
	echo "== packages of requirements.lock"
	grep -v '^torch==' requirements.lock > $(VENV)/requirements.txt
	got -r $(VENV)/requirements.txt
	# as a path and not a finder, so that the clone's own folder, named mssync too, does not hide it from scripts beside it
	got --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	echo "== the file of the face mesh, without what its package requires"
	got --no-deps $$(sed -n 's/^BUNDLED = ".* \([^ ]*==[^ ]*\)".*/\1/p' mssync/data/mesh.py)
	touch $@

STUDY = $(PY) -m snakemake -s workflow/Snakefile --cores all --rerun-incomplete --nolock $(SNAKEFLAGS) --config 'profile=$(PROFILE)' $(if $(CORPUS),'corpus=$(CORPUS)') $(if $(VIDEOS),'videos=$(VIDEOS)') $(if $(LAYOUT),'layout=$(LAYOUT)') $(if $(OPTIONS),'options=$(OPTIONS)') $(if $(SEEDS),'seeds=$(SEEDS)') $(if $(DEVICE),'device=$(DEVICE)') $(if $(GENERATED),'generated=$(GENERATED)') $(if $(OTHERS),'others=$(OTHERS)') $(if $(METHODS),'methods=$(METHODS)') $(if $(RECORDINGS),'recordings=$(RECORDINGS)')

study: install  ## Run the study: tables and figures in results/PROFILE/
	$(STUDY)

calibration: install  ## Only what says whether the metrics can be trusted (part of the study too): results/PROFILE/calibration.md
	$(subst -m snakemake,-m snakemake calibration,$(STUDY))

table4: install  ## Only Table 4: generators of finished runs (OTHERS=) on another corpus than theirs: results/PROFILE/table4.md
	$(if $(OTHERS),,$(error give the finished runs: OTHERS=folder,folder))
	$(subst -m snakemake,-m snakemake table4,$(STUDY))

rehearsal: PROFILE := rehearsal
rehearsal: install  ## The paper's study, its steps cut to a few, on corpora of the paper's sizes: results/rehearsal-NAME/
	$(PY) workflow/rehearsal.py results/rehearsal
	for name in voxceleb2 hdtf lrs2; do
	    $(STUDY) 'corpus=results/rehearsal/'$$name
	done

bench: install  ## Measure speed on this machine, which should be idle: results/bench/ (with DEVICE=cuda results/bench_gpu/)
	if [[ "$(DEVICE)" == cuda* ]]; then
	    $(PY) -m mssync.study.notebooks run nbs/experiments/15_benchmark_gpu.ipynb results/bench_gpu/15_benchmark_gpu.ipynb results="$(CURDIR)/results/bench_gpu" device="$(DEVICE)"
	    cat results/bench_gpu/benchmark.md 2>/dev/null || echo "nothing was measured: is there a CUDA device?"
	    exit
	fi
	OMP_WAIT_POLICY=active $(PY) -m mssync.study.notebooks run nbs/experiments/08_benchmark.ipynb results/bench/08_benchmark.ipynb results="$(CURDIR)/results/bench"
	cat results/bench/benchmark.md

test: install  ## Run every test
	$(PY) -m pytest

mutants: install  ## Change one line at a time and see whether the tests notice (hours; ONLY=training for some)
	$(PY) workflow/mutants.py $(ONLY)

export: install  ## After editing notebooks: format, mssync/, clean notebooks, README.md, the experiments' text twins
	$(BIN)/ruff check --quiet --fix --select I nbs tests workflow
	$(BIN)/ruff format --quiet nbs tests workflow
	$(BIN)/nbdev_export
	$(BIN)/ruff format --quiet mssync
	shopt -s nullglob
	pairs=(nbs/experiments/*.ipynb nbs/experiments/py/*.py)
	[ $${#pairs[@]} = 0 ] || $(BIN)/jupytext --quiet --sync "$${pairs[@]}"
	$(BIN)/nbdev_clean
	$(PY) workflow/readme.py

weights: install  ## Ship the generators and syncers of results/longer (seed 0) with the package (half precision)
	$(PY) workflow/weights.py results/longer

dist: install  ## Build source archive and wheel into dist/: the same bytes from the same commit
	$(PY) workflow/dist.py

release: install  ## Make a version (VERSION=0.2.0): number, changelog's day, commit, tag, archives; uploads nothing
	$(PY) workflow/release.py $(VERSION)

readme: install  ## Write README.md from nbs/index.ipynb
	$(PY) workflow/readme.py

book: install  ## Build the book: _book/html/index.html
	$(PY) workflow/book.py

film: install  ## Draw the README's moving picture
	$(PY) workflow/film.py

clean:  ## Remove caches and .venv (results/ stays)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .snakemake _proc _docs _book
	find nbs mssync tests workflow -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
