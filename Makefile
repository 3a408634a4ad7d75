# make demo: set up and run the main job.  make test: set up and run the tests. Both install the versions of constraints.txt.
# make test-next: the tests on what comes next, in an environment of its own.
# All need Python >= 3.10 and make, nothing else. `make test PYTEST_ARGS=...` passes arguments on.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
READY = $(VENV)/.installed-$(EXTRAS)
NEXT ?= .venv-next
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check
# A worker takes whole files, since the tests of one share what it made first.
PYTEST = -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

.PHONY: demo test test-next lint clean

demo: $(READY)
	$(VENV)/bin/yolo-tf demo --out runs/demo

test: $(READY)
	$(VENV)/bin/python $(PYTEST) $(PYTEST_ARGS)

# Nightly TensorFlow and Keras, the newest of all else. A warning is no error here: the summary counts them.
test-next:
	test -x $(NEXT)/bin/python || $(PYTHON) -m venv $(NEXT)
	$(NEXT)/bin/python $(PIP_INSTALL) --upgrade --upgrade-strategy eager -e '.[test]'
	$(NEXT)/bin/python -m pip uninstall --quiet --yes tensorflow keras tf-nightly keras-nightly
	$(NEXT)/bin/python $(PIP_INSTALL) --pre tf-nightly keras-nightly
	$(NEXT)/bin/python -c 'import keras, numpy, sys, tensorflow; print("TensorFlow", tensorflow.__version__, "Keras", \
		keras.__version__, "NumPy", numpy.__version__, "Python", sys.version.split()[0])'
	$(NEXT)/bin/python $(PYTEST) -W default $(PYTEST_ARGS)

lint: EXTRAS = dev
lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check yolo_tf tests scripts
	$(VENV)/bin/ruff format --check yolo_tf tests scripts

$(VENV)/.installed-%: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than 3.10. Install Python 3.10 or newer, or run: make PYTHON=python3.12"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP_INSTALL) --upgrade pip
	$(VENV)/bin/python $(PIP_INSTALL) --constraint constraints.txt -e '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) $(NEXT) build *.egg-info
