# What a person or CI asks of this repository. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
NODE ?= node
# TLS 1.3 only, everywhere (docs/adr/0003).
NODE_FLAGS := --tls-min-v1.3 --enable-source-maps

.PHONY: help install build up demo test test-tools stack-up stack-down test-stack lint format bench clean images release deploy

help: ## Lists the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Installs again only when the lockfile has changed.
node_modules/.installed: package-lock.json package.json
	npm ci --no-audit --no-fund
	@touch $@

install: node_modules/.installed ## Installs the packages of the lockfile

build: install ## Builds every program into dist/
	@$(NODE) scripts/generate.mjs
	@$(NODE) scripts/build.mjs

up: build ## Runs the whole exchange here; Ctrl-C stops it
	@exec $(NODE) $(NODE_FLAGS) dist/embedded.mjs

demo: build ## Runs market makers and takers against a running exchange
	@exec $(NODE) $(NODE_FLAGS) dist/demo.mjs

test: build ## Runs the tests that need nothing but Node, git and make
	@$(NODE) scripts/test.mjs

test-tools: build ## Tests manifests, images, alerts and releases with their tools: needs Go, Java, Python and ssh-keygen
	@$(NODE) scripts/test.mjs --config jest.tools.config.js

stack-up: build ## Runs the full stack here: PostgreSQL, Kafka, Envoy, identities, each service in a process of its own
	@$(NODE) $(NODE_FLAGS) dist/stack.mjs up

stack-down: build ## Stops it
	@$(NODE) $(NODE_FLAGS) dist/stack.mjs down

test-stack: build ## Tests the full stack, which it starts and stops
	@$(NODE) scripts/test-stack.mjs

lint: install ## Checks style, types, layout, unused code and contracts
	@$(NODE) scripts/generate.mjs
	@$(NODE) scripts/lint.mjs

format: install ## Formats the code and the contracts
	@npx biome check --write . ; npx buf format -w proto

bench: build ## Measures the engine, the ledger and the whole, and writes bench/out/latest.json
	@$(NODE) $(NODE_FLAGS) scripts/bench.mjs

images: build ## Makes what goes into each image, with its SBOM, under dist/images; the Dockerfile only packs it
	@$(NODE) scripts/images.mjs $(if $(VERSION),--version "$(VERSION)")

release: install ## Builds, signs and tags a release and names its images by digest: make release VERSION=1.2.3
	@$(NODE) scripts/release.mjs --version "$(VERSION)" $(if $(DRY_RUN),--dry-run)

deploy: install ## Brings a release to a cluster, and takes it back if it fails: make deploy OVERLAY=gke CONTEXT=name
	@$(NODE) scripts/deploy.mjs --overlay "$(OVERLAY)" --context "$(CONTEXT)" $(if $(YES),--yes)

clean: ## Removes what was built and installed; keeps .bitka
	rm -rf node_modules dist libs/proto/gen third_party/proto
