# `make demo` and `make test` do all their own set-up. PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup browser demo test test-all coverage peers campaign lint format docs release help clean

setup: .venv/.ready

help:
	@sed -n -E 's/^# `?make ([a-z-]+)`?: /make \1\t/p' Makefile | expand -t 18

# make setup: everything into .venv (1.5 GB); the other targets do it by themselves
# make demo: a rendered clip, labelled, propagated, scored, drawn
# make test: style, types, imports, and the quick tests
# make test-all: with the slow tests
# make coverage: the quick tests, and which lines they leave out; fails below 90 %
# make lint: what `make test` begins with
# make format: repairs what `make lint` says of style
# make docs: the site, in site/
# make release: what is checked before a release; dist/
# make peers: other programs' own readers on our files
# make campaign: hostile inputs, kills and full disks, for MINUTES=120
# make clean: takes away what the others made

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "poof needs Python 3.11 to 3.13; name one with: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python cannot make virtual environments here; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The tests of the labelling page need a browser. Where none is there and none can be had, they are skipped and say so.
browser:
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome \
	  || { test "$$(id -u)" = 0 && command -v apt-get && apt-get update && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y --no-install-recommends chromium fonts-dejavu-core; }; } >/dev/null 2>&1 \
	  || echo "no Chromium here, and it cannot be installed: the tests of the labelling page are skipped"

demo: setup
	$(BIN)/poof demo --force

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One torch thread a worker: two workers on two cores are faster than two threads in turn. The commands that tests start
# find poof compiled, whatever the environment says: otherwise each of them compiles it again.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

test: lint browser
	$(PYTEST)

test-all: lint browser
	$(PYTEST) -m 'slow or not slow'

# Apart from `make test`: tracing takes half as long again as code in Python does, and the report half a minute.
coverage: setup browser
	$(PYTEST) --cov --cov-report=term --cov-fail-under=90

# What sleap-io, movement and pycocotools make of our files, and we of theirs; they are installed apart (700 MB).
peers: setup
	$(PYTHON) -m venv .venv-peers
	echo "$$(cd .venv/lib/python3.*/site-packages && pwd)" > $$(ls -d .venv-peers/lib/python3.*/site-packages)/poof.pth
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt sleap-io movement pyarrow
	.venv-peers/bin/python -m pytest tests/peers

# Hostile inputs, kills and full disks for MINUTES; what goes wrong is kept in campaign-findings.
MINUTES ?= 120
campaign: setup
	$(BIN)/python tests/campaign/campaign.py --minutes $(MINUTES)

# Tools of one occasion have a venv of their own that sees .venv beneath it, so that `make setup` does not grow.
.venv-docs/.ready .venv-release/.ready: .venv-%/.ready: .venv/.ready
	$(PYTHON) -m venv .venv-$*
	echo "$$(cd .venv/lib/python3.*/site-packages && pwd)" > $$(ls -d .venv-$*/lib/python3.*/site-packages)/poof.pth
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

# The site, in site/ (`python -m http.server -d site` shows it). A warning or a broken link is an error.
docs: setup .venv-docs/.ready
	.venv-docs/bin/python docs/make/site.py

# What is checked before a release: CITATION.cff, issue forms, the container's recipe; then dist/ is built.
release: setup .venv-release/.ready
	.venv-release/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	.venv-release/bin/check-jsonschema --builtin-schema vendor.github-issue-forms \
	  .github/ISSUE_TEMPLATE/wrong.yml .github/ISSUE_TEMPLATE/missing.yml
	.venv-release/bin/hadolint Containerfile
	.venv-release/bin/python -m build --outdir dist

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-peers .venv-docs .venv-release site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
