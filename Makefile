# make demo: set up and run the main job.  make test: set up and run the tests.
# Both need Python >= 3.10 and make, nothing else. `make test PYTEST_ARGS=...` passes arguments on.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
READY = $(VENV)/.installed-$(EXTRAS)

.PHONY: demo test lint clean

demo: $(READY)
	$(VENV)/bin/yolo-tf demo --out runs/demo

# A worker takes whole files, since the tests of one share what it made first.
test: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: EXTRAS = dev
lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check yolo_tf tests scripts
	$(VENV)/bin/ruff format --check yolo_tf tests scripts

$(VENV)/.installed-%: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than 3.10. Install Python 3.10 or newer, or run: make PYTHON=python3.12"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
