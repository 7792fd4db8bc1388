# `make` lists the targets. One virtual environment, .venv, serves them all; a stamp
# file in it records what is installed, so that a second call installs nothing.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt
EXTRAS_book := book
EXTRAS_lab := book,chapters,lab
EXTRAS_lab-deep := book,chapters,deep,lab
EXTRAS_test := book,deep,test
EXTRAS_bench := bench,deep
# Two workers on two cores: let neither start threads of its own for small products.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive
NBVAL := -m pytest --nbval --nbval-current-env --nbval-cell-timeout 900 -p no:cacheprovider -n 2 --dist loadfile --durations 10
# The quick chapters of which a digit or an order once changed with the processor
SENSITIVE := $(addprefix book/,04_collaborative_filtering.ipynb 06_hybrid.ipynb 09_implicit_feedback.ipynb 11_plsa.ipynb)
RENDER := .venv/bin/jupyter-book build . --quiet --all -W --keep-going

.PHONY: help book pdf test test-portable lab lab-deep edition notebooks lint bench leaderboard tuning data
.PHONY: fuzz mutants torch-cpu dist clean unit cells cells-portable render html

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

.venv/stamp-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/stamp-%: .venv/stamp-python pyproject.toml constraints.txt
	@echo "Installing .[$(EXTRAS_$*)] into .venv (once; some minutes)"
	@$(PIP) -e ".[$(EXTRAS_$*)]"
	@touch $@

book: .venv/stamp-book ## render the book to _build/html
	@$(RENDER)
	@touch _build/html/.nojekyll # GitHub Pages: serve the folders that start with _
	@echo "Open _build/html/index.html in a browser (no network needed)."

pdf: .venv/stamp-test render ## the whole book as one PDF, _build/book.pdf (needs Chromium, some minutes)
	$(PY) tools/pdf.py

test: lint data unit cells cells-portable render html ## everything: lint, unit tests, every notebook re-run and compared, the book and its pages

test-portable: .venv/stamp-test data ## every notebook as another processor runs it, on one thread and on two
	$(PY) tools/portable.py --threads 1 $(PY) $(NBVAL) book
	$(PY) tools/portable.py --threads 2 $(PY) $(NBVAL) book

lab: .venv/stamp-lab edition ## copies of the chapters to work in (work/), opened in JupyterLab
	$(PY) tools/lab.py

lab-deep: .venv/stamp-lab-deep edition ## the same with PyTorch and faiss
	$(PY) tools/lab.py

edition: .venv/stamp-book _build/edition/numbers.json # the chapters as plain notebooks

_build/edition/numbers.json: $(wildcard book/*.ipynb book/*.md) book/references.bib tools/edition.py tools/edition_text.py
	@$(RENDER)

notebooks: .venv/stamp-test data ## execute all chapters in place, or one: make notebooks CHAPTER=04
	$(PY) tools/notebooks.py $(CHAPTER)

lint: .venv/stamp-test ## ruff and mypy
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy

bench: .venv/stamp-bench ## this package beside its peers
	$(PY) -m benchmarks.run

leaderboard: .venv/stamp-test data ## the results file behind every table of the book
	OMP_NUM_THREADS=1 $(ONE_THREAD) $(PY) -m recsys_tutor.study.leaderboard
	OMP_NUM_THREADS=1 $(ONE_THREAD) $(PY) -m recsys_tutor.study.growth
	OMP_NUM_THREADS=1 $(ONE_THREAD) $(PY) -m recsys_tutor.study.starts

tuning: .venv/stamp-test data ## the search behind chapter 17's curves
	OMP_NUM_THREADS=1 $(ONE_THREAD) $(PY) -m recsys_tutor.study.search

data: .venv/stamp-test ## fetch MovieLens 100K into the cache (once)
	@$(PY) -c "from recsys_tutor.datasets import load_movielens_100k as load; print('MovieLens 100K:', load().interactions.csr.nnz, 'ratings')"

fuzz: .venv/stamp-test ## 12,000 odd inputs against independent oracles (some minutes)
	$(ONE_THREAD) $(PY) tools/fuzz

mutants: .venv/stamp-test data ## do the tests notice a wrong formula? one fault at a time, in a copy (half an hour)
	$(ONE_THREAD) $(PY) tools/mutants.py --jobs 2

torch-cpu: .venv/stamp-python # Linux, before the rest: PyTorch without GPU libraries
	$(PIP) --extra-index-url https://download.pytorch.org/whl/cpu torch

dist: .venv/stamp-python # wheel and source distribution to dist/, checked
	$(PY) -m pip install --quiet --disable-pip-version-check build twine
	rm -rf dist && $(PY) -m build && $(PY) -m twine check --strict dist/*

clean: ## remove what was built (not .venv, not the data cache)
	rm -rf _build build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov *.egg-info
	find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +

# The parts of `make test`, one by one
unit: .venv/stamp-test # the package, the rules of the book, the project files; coverage
	$(ONE_THREAD) $(PY) -m pytest -n 2 --durations 10 --cov --cov-report term

cells: .venv/stamp-test # every code cell again; its output must be the stored one
	$(ONE_THREAD) $(PY) $(NBVAL) book

cells-portable: .venv/stamp-test # four of them with another processor's kernels
	$(PY) tools/portable.py --threads 1 $(PY) $(NBVAL) $(SENSITIVE)

render: .venv/stamp-test
	@$(RENDER)

html: .venv/stamp-test # the rendered pages, read as files and in a browser without network
	$(PY) -m pytest -m html -n 2 tests
