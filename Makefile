# Two commands do all of their own set-up: `make train` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
RELEASE_STAMP := $(VENV)/.installed-release
BUNDLE := $(BIN)/python -m monai.bundle run
CONFIG ?= configs/train.yaml
STUDY ?= configs/study_demo.yaml
# Of the bundle, for files outside configs/: MONAI looks for them beside the configuration file.
SHARED := --meta_file configs/metadata.json --logging_file configs/logging.conf
PORT ?= 5000
# Where the runs lie that evaluate, segment, publish, export and ui are about; runs/ without.
OUTPUT_DIR = $(if $(RUNS),--output_dir "'$(RUNS)'")

export MLFLOW_DISABLE_TELEMETRY := true
# Threads that wait give their core away: on a machine that others use too, a step is several times as fast.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help install train study evidence test lint types check ui evaluate segment publish export bundle release-check consumers sbom bench bench-loss bench-prepare bench-segment bench-studies torture mutants simulate clean

help:  ## list the commands; RUNS=folder tells those that take a run where runs lie, if not in runs/
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

install: $(STAMP)  ## make .venv with the pinned dependencies

train: $(STAMP)  ## train ADFL on the embedded phantom (CONFIG=... for another configuration)
	@$(BUNDLE) training --config_file $(CONFIG)

study: $(STAMP)  ## compare four losses on the phantom and report (STUDY=... for another study file)
	@$(BUNDLE) studying --config_file $(STUDY) $(SHARED)

evidence: $(STAMP)  ## make the reports and tables of docs/evidence again from its scores, without training
	@for study in docs/evidence/*/study.yaml; do $(BUNDLE) reporting --config_file "$$study" $(SHARED) || exit $$?; done
	@$(BIN)/python -m docs.evidence.leakage.compare

evaluate: $(STAMP)  ## score a run's best checkpoint on the test part (RUN=name; the newest without; PART=val where there is none)
	@$(BUNDLE) evaluating --config_file configs/evaluate.yaml --run_name "'$(or $(RUN),latest)'" $(if $(PART),--part "'$(PART)'") $(OUTPUT_DIR)

segment: $(STAMP)  ## segment images in their own geometry (INPUT=file or folder OUTPUT=folder RUN=name)
	@test -n "$(INPUT)" -a -n "$(OUTPUT)" || { echo "error: say which images and where the masks go: make segment INPUT=FOLDER OUTPUT=FOLDER RUN=NAME"; exit 1; }
	@$(BUNDLE) --config_file configs/inference.yaml --dataset_dir "'$(INPUT)'" --output_dir "'$(OUTPUT)'" $(if $(RUN),--run_name "'$(RUN)'") $(if $(RUNS),--runs_dir "'$(RUNS)'")

publish: $(STAMP)  ## make a run's weights the bundle's own, which inference takes (RUN=name)
	@$(BUNDLE) publishing --config_file configs/publish.yaml --run_name "'$(RUN)'" $(OUTPUT_DIR)

export: $(STAMP)  ## write a run's network for other programs, compared before it is kept (RUN=name FORMAT=onnx|pt2|ts)
	@$(BUNDLE) exporting --config_file configs/export.yaml --run_name "'$(RUN)'" --format "'$(or $(FORMAT),onnx)'" $(OUTPUT_DIR)

bundle: $(STAMP)  ## build dist/dual_focal_loss_segmentation and its zip from a run's weights (RUN=name URL=where they will lie)
	@$(BIN)/python -m scripts.release.build "$(RUN)" --url "$(URL)"

release-check: $(RELEASE_STAMP)  ## build the bundle from a small run and check all that a release promises (ONLY="files style ...")
	@$(BIN)/python -m tests.release_check $(if $(ONLY),--only $(ONLY))

consumers: $(RELEASE_STAMP)  ## run other people's programs on a built bundle, each in an environment of its own (ONLY="nvflare deploy ...")
	@$(BIN)/python -m tests.consumers.real $(if $(FOLDER),--folder $(FOLDER)) $(if $(ONLY),--only $(ONLY))

sbom: $(RELEASE_STAMP)  ## list what a user's install brings along, with licences: dist/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m scripts.release.sbom

ui: $(STAMP)  ## show all runs in MLflow's pages at http://127.0.0.1:5000 (PORT=...)
	@exec $(BIN)/python -m scripts.tracking.pages --port $(PORT) $(if $(RUNS),--output_dir "$(RUNS)")

test: $(DEV_STAMP)  ## run the tests, two at a time
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(DEV_STAMP)  ## check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/yamllint --strict configs .yamllint.yaml

types: $(DEV_STAMP)  ## check types
	@$(BIN)/mypy

check: lint types test  ## check style and types, run the tests: what CI does

bench: $(DEV_STAMP)  ## every benchmark: training, start, inference, growth, losses, preparing; each with its target
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks

bench-loss: $(DEV_STAMP)  ## time and memory of the losses beside torch's cross entropy
	@env -u OMP_WAIT_POLICY $(BIN)/python -m tests.benchmarks.bench_loss

bench-prepare: $(STAMP)  ## speed and memory of preparing
	@$(BIN)/python tests/benchmarks/bench_prepare.py

bench-segment: $(STAMP)  ## memory of inference on one volume, step by step
	@$(BIN)/python -m tests.benchmarks.bench_segment

bench-studies: $(DEV_STAMP)  ## two local jobs of a study beside one, on an idle machine
	@$(BIN)/python -m tests.benchmarks.bench_studies

torture: $(DEV_STAMP)  ## kill a training 50 times and compare it with one that never stopped
	@$(BIN)/python -m tests.torture --kills 50

mutants: $(DEV_STAMP)  ## put small faults into losses, scores, splits and checkpoints, and see which no test finds (SAMPLE=30)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutation.run --sample $(or $(SAMPLE),30)

NOISE ?= --patient .03 --run .015 --training .01 --residual .02

simulate: $(DEV_STAMP)  ## what a study's statistics are worth, on simulated scores (NOISE="--patient .03 ...")
	@$(BIN)/python -m tests.studies.simulate $(NOISE)

clean:  ## remove .venv and caches, keep runs/
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

# The stamps make a second call install nothing; they depend on what is installed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(f"Python 3.11 is needed, {sys.executable} is {v[0]}.{v[1]}; name another: make PYTHON=python3.11 ..." if v != (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the dependencies into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bundle]'
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "installing the development tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# without its dependencies: it asks for the obsolete package "typing"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps cityscapesscripts
	@touch $@

$(RELEASE_STAMP): $(DEV_STAMP)
	@echo "installing the tools of a release into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[release]'
	@touch $@
