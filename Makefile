# Thin names for what the collection's users type themselves; no logic lives here. `make help` lists them.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# One place for ansible's configuration, whatever the caller's shell exports.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.DEFAULT_GOAL := help
.PHONY: help setup site site-32 verify plan lab-down test lint format types unit sanity compat integration long molecule bench docs build clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make the control environment .venv from its hash-locked requirements
	@scripts/setup

site: setup ## Plan, provision and launch on the default inventory, the lab: 4 hosts x 2 ranks
	ansible-playbook site.yml

site-32: setup ## The whole reference topology on the lab: 4 hosts x 8 ranks (20 GiB of memory)
	ansible-playbook site.yml -e lab_ranks_per_host=8

verify: setup ## Measure and judge the running service; the report is artifacts/verify/report.html
	ansible-playbook verify.yml

plan: setup ## The plan of the 32-GPU reference cluster, touching no host
	ansible-playbook -i inventory/h20 playbooks/plan.yml

lab-down: setup ## Take the lab away: hosts, networks, mounts, swap
	ansible-playbook playbooks/lab_down.yml

test: setup ## Everything that is checked, the lab's tests included; one pytest run counts it
	@$(MAKE) --no-print-directory -j2 lint types
	pytest tests/unit tests/compat tests/sanity tests/integration tests/molecule

lint: setup ## ansible-lint (production), yamllint, ruff, shellcheck, changelog fragments
	scripts/lint

format: setup ## Let ruff put the Python files into the house's form
	ruff check --fix --unsafe-fixes .
	ruff format .

types: setup ## mypy --strict over plugins and tests
	mypy

unit: setup ## Tests of the pure Python parts and of the roles' argument specs: seconds, no host
	pytest tests/unit

sanity: setup ## ansible-test sanity, and the collection installed from its tarball
	pytest tests/sanity

compat: setup ## The playbooks on every ansible-core this machine's Pythons run
	pytest tests/compat

integration: setup ## site.yml and verify.yml on the lab, through ansible-runner
	pytest tests/integration

long: setup ## What CI has no time for: layouts switched on the lab, a group killed, an experiment, the lab from a bundle (half an hour)
	pytest tests/long

molecule: setup ## Every role's scenario: converge, idempotence, testinfra
	pytest tests/molecule

bench: setup ## What a plan, a second run and a launch cost
	python -m tests.bench.search
	python -m tests.bench

docs: setup ## Write docs/reference from the argument specs and the plugins' documentation, the checked document's tables and those of the figures
	python scripts/reference.py
	python scripts/document_check.py
	python scripts/acceptance.py

build: setup ## Build the collection's tarball into artifacts/
	ansible-galaxy collection build --force --output-path artifacts

clean: ## Remove what setup, tests and runs left in the checkout (not the lab)
	rm -rf .venv .venv-compat .cache artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible
