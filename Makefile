# `make run` shows a fleet of numbers on a real API server. `make test` runs all tests. Both need Go, make and git; the tests also need a C
# compiler, for the race detector. Everything else comes from Go modules and is built in bin/.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The latest tag; a commit that no tag reaches is of no version, which v0.0.0 says.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null | sed '/^v/!s/^/v0.0.0-g/' || echo dev)
VERSION := $(VERSION)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
COMMIT := $(COMMIT)
BUILD := numberfleet.dev/numberfleet/internal/version
LDFLAGS ?= -s -w -X $(BUILD).release=$(VERSION) -X $(BUILD).commit=$(COMMIT)

# How many times faster than real time `make run` runs: 2880 is a day in 30 seconds, 1 is real time.
SPEED ?= 2880

# How many processes the operator of `make run` is: 1, or 3 that share a log of three nodes of NATS.
REPLICAS ?= 1

# The rounds of `make torture`, its random seed (a new one by default), a round to replay, and more flags for bin/torture, such as
# TORTUREFLAGS=--short.
ROUNDS ?= 200
SEED ?= 0
ROUND ?= 0
TORTUREFLAGS ?=

# The image that docker-build and image make and that build-installer and deploy use, the platforms that image makes it for, and its labels.
IMG ?= numberfleet:dev
PLATFORMS ?= linux/amd64 linux/arm64
LABELS := --label org.opencontainers.image.title=numberfleet \
	--label org.opencontainers.image.description='A Kubernetes operator for fleets of WhatsApp Business phone numbers' \
	--label org.opencontainers.image.licenses=Apache-2.0 \
	--label org.opencontainers.image.version=$(VERSION) \
	--label org.opencontainers.image.revision=$(COMMIT)
CONTAINER_TOOL ?= docker

# What `make release` writes to the folder DIST: for the plugin, its platforms; the URL of this repository, and where the files will be found;
# REPOSITORY, the name under which the image will be pulled, such as registry.example.com/numberfleet, which the chart then has; and who
# builds. SIGNING_KEY is a private key of cosign, a file or the URI of a key in a KMS; `keyless` signs as the workflow of a forge. Nothing is signed without it.
DIST ?= dist
PLUGIN_PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
SOURCE ?= https://numberfleet.dev/numberfleet
DOWNLOADS ?= $(SOURCE)/releases/download/$(VERSION)
REPOSITORY ?=
BUILDER ?= $(SOURCE)/docs/versions.md\#provenance
SIGNING_KEY ?=
KUBECTL ?= kubectl

# What `make test` tests, and more flags for go test, such as TESTFLAGS='-run TestGolden -v'.
PACKAGES ?= ./...
TESTFLAGS ?=

# More flags for make bench, such as BENCHFLAGS='--sections ingest --rounds 5'; --help lists them.
BENCHFLAGS ?=

# Relative, as all targets are: make knows no target whose path has a space. What leaves this folder gets $(abspath ...), in quotes.
BIN := bin
CONTROLLER_GEN ?= $(BIN)/controller-gen
KUSTOMIZE ?= $(BIN)/kustomize
HELM ?= $(BIN)/helm
GOLANGCI_LINT ?= $(BIN)/golangci-lint
PROMETHEUS ?= $(BIN)/prometheus
PROMTOOL ?= $(BIN)/promtool
NATS_SERVER ?= $(BIN)/nats-server
S3_SERVER ?= $(BIN)/s3
LAZYFS ?= $(BIN)/lazyfs
NODE := $(addprefix $(BIN)/,containerd containerd-shim-runc-v2 ctr coredns kube-controller-manager kube-proxy kube-scheduler kubectl kubelet pause.tar)
AUTOSCALING := $(BIN)/kube-controller-manager $(BIN)/keda-operator $(BIN)/keda-adapter
PROTOC_TOOLS := $(BIN)/protoc $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc

# The modules of this repository besides the operator's own that verify-modules checks. Not hack/keda and hack/cosign: go mod tidy unpacks
# gigabytes of sources for them, and nothing else that verify does needs those. Nor hack/chart/kinds, of which manifests alone are read.
HACK_MODULES := hack/bench hack/containerd hack/controlplane hack/coredns hack/gitops hack/grafana hack/helm hack/image hack/lazyfs hack/nats hack/prometheus hack/release hack/s3 hack/tools hack/tools/golangci-lint

# How long each target of `make fuzz` runs.
FUZZTIME ?= 1m

# What `make generate` writes.
GENERATED := docs/api.md config/crd/bases config/chart/crds config/chart/files config/chart/values.schema.json config/chart/README.md config/grafana \
	config/default/operator.yaml config/samples/replicas/operator.yaml \
	api/v1alpha1/zz_generated.deepcopy.go api/v1alpha1/applyconfiguration \
	internal/scaler/externalscaler/externalscaler.pb.go internal/scaler/externalscaler/externalscaler_grpc.pb.go

.PHONY: all
all: build

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make [TARGET] [VARIABLE=VALUE]" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-19s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: bin/manager bin/kubectl-phonenumbers bin/run $(if $(filter-out 1,$(REPLICAS)),$(NATS_SERVER)) ## Run a fleet on a local API server, SPEED times faster than real time, with REPLICAS of the operator; Ctrl-C ends it.
	@assets=$$(hack/controlplane/assets.sh) && exec bin/run --assets "$$assets" --manager bin/manager --nats-server $(NATS_SERVER) \
		--replicas $(REPLICAS) --state .run$(patsubst %,-%,$(filter-out 1,$(REPLICAS))) --speed $(SPEED)

.PHONY: scale-demo
scale-demo: bin/manager bin/scale $(AUTOSCALING) ## Show senders that KEDA scales on what may be sent, in time-lapse: four minutes.
	@assets=$$(hack/controlplane/assets.sh) && exec bin/scale --assets "$$assets" --manager bin/manager --programs $(BIN) --crds "$$($(KEDA_CRDS))"

.PHONY: node
node: require-node $(NODE) $(HELM) bin/kubectl-phonenumbers ## Run a Kubernetes cluster of one node, which has the image IMG; Ctrl-C ends it. Needs Linux, root, and runc and more of Debian.
	@$(MAKE) --no-print-directory image PLATFORMS=linux/$$(go env GOARCH)
	@assets=$$(hack/controlplane/assets.sh) && exec bin/node --assets "$$assets" --image bin/image.tar

# Not in .ci/run: what a node has takes twelve minutes of CPU to build, and root to run. The test then takes two minutes.
.PHONY: e2e
e2e: require-node $(NODE) $(BIN)/image $(HELM) bin/manager bin/kubectl-phonenumbers ## Follow the quick start on such a node, and try kills, an upgrade and a removal of the chart. Needs what make node needs.
	assets=$$(hack/controlplane/assets.sh) && KUBEBUILDER_ASSETS=$$assets go test -tags e2e -count 1 -v $(TESTFLAGS) ./hack/e2e

.PHONY: require-node
require-node: bin/node
	@bin/node --check

.PHONY: test
test: require-cc bin/manager $(PROMETHEUS) $(PROMTOOL) $(NATS_SERVER) $(S3_SERVER) $(LAZYFS) $(HELM) ## Run all tests, with the race detector and a real API server, Prometheus, NATS, S3 and Helm.
	assets=$$(hack/controlplane/assets.sh) && \
		export KUBEBUILDER_ASSETS=$$assets PROMETHEUS="$(abspath $(PROMETHEUS))" PROMTOOL="$(abspath $(PROMTOOL))" NATS_SERVER="$(abspath $(NATS_SERVER))" \
			S3_SERVER="$(abspath $(S3_SERVER))" LAZYFS="$(abspath $(LAZYFS))" HELM="$(abspath $(HELM))" MANAGER="$(abspath bin/manager)" && \
		CGO_ENABLED=1 go test -race -timeout 20m $(TESTFLAGS) $(PACKAGES)
	go -C hack/bench test ./...
	go -C hack/gitops test ./...
	go -C hack/image test ./...
	go -C hack/release test ./...

.PHONY: test-scale
test-scale: bin/manager $(AUTOSCALING) ## Test that replicas follow what may be sent, with the real KEDA: two minutes.
	assets=$$(hack/controlplane/assets.sh) && \
		KUBEBUILDER_ASSETS=$$assets KEDA_CRDS=$$($(KEDA_CRDS)) go test -tags scale -count 1 -v $(TESTFLAGS) ./hack/scale

# Prints the folder with KEDA's CRDs.
KEDA_CRDS := go -C hack/keda list -m -f '{{.Dir}}/config/crd' github.com/kedacore/keda/v2

.PHONY: test-release
test-release: release $(BIN)/cosign $(BIN)/crane $(HELM) ## Make a release, sign it with a new key, publish it to a local registry, and verify it all. The build of cosign takes minutes.
	DIST="$(abspath $(DIST))" VERSION=$(VERSION) go -C hack/release test -tags signed -count 1 -v $(TESTFLAGS) -run Signed ./...

.PHONY: test-sdk
test-sdk: hack/sdk/node_modules ## Send through the guard with a client of the Cloud API from npm. Needs Node.js 20.19 or newer, with npm.
	go test -tags sdk -count 1 $(TESTFLAGS) ./hack/sdk

hack/sdk/node_modules: hack/sdk/package-lock.json | require-npm
	cd hack/sdk && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: test-dashboard
test-dashboard: hack/dashboard/node_modules | require-chromium ## Look at the dashboard in a browser, with 10,000 numbers too. Needs Chromium, and Node.js with npm for its checker of accessibility.
	assets=$$(hack/controlplane/assets.sh) && KUBEBUILDER_ASSETS=$$assets go -C hack/dashboard test -count 1 $(TESTFLAGS) .

hack/dashboard/node_modules: hack/dashboard/package-lock.json | require-npm
	cd hack/dashboard && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: torture
torture: bin/manager bin/torture $(NATS_SERVER) $(LAZYFS) ## Try to break the operator in ROUNDS rounds, and check what it shows. SEED and ROUND replay one.
	@assets=$$(hack/controlplane/assets.sh) && \
		NATS_SERVER="$(abspath $(NATS_SERVER))" LAZYFS="$(abspath $(LAZYFS))" exec bin/torture --assets "$$assets" --manager bin/manager --rounds $(ROUNDS) --seed $(SEED) --round $(ROUND) $(TORTUREFLAGS)

.PHONY: bench
bench: $(NATS_SERVER) ## Measure the operator beside its alternatives, and write docs/performance.md. Needs Debian's redis-server.
	@assets=$$(hack/controlplane/assets.sh) && CGO_ENABLED=0 go -C hack/bench build -trimpath -ldflags '-s -w' -o "$(abspath $(BIN))/bench" . && \
		KUBEBUILDER_ASSETS=$$assets NATS_SERVER="$(abspath $(NATS_SERVER))" exec bin/bench $(BENCHFLAGS)

.PHONY: verify
verify: verify-generated verify-format vet lint verify-modules ## Check everything that is not a test: generated files, format, lint, modules.

.PHONY: verify-reproducible
verify-reproducible: ## Make a release of this commit in two folders, once without a cache, and compare: minutes.
	hack/verify-reproducible.sh

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME, one after the other.
	hack/fuzz.sh $(FUZZTIME)

##@ Development

.PHONY: generate
generate: $(CONTROLLER_GEN) $(PROTOC_TOOLS) $(HELM) $(BIN)/crd-ref-docs ## Write deep copies, apply configurations, CRDs, docs/api.md and the manager's role from the Go code, KEDA's protocol in Go, and the schema, the page and the manifests of the chart.
	$(BIN)/protoc internal/scaler/externalscaler/externalscaler.proto $(BIN)/protoc-gen-go $(BIN)/protoc-gen-go-grpc
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(CONTROLLER_GEN) applyconfiguration:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(BIN)/crd-ref-docs --config hack/docs/api/config.yaml --templates-dir hack/docs/api --renderer markdown --source-path api/v1alpha1 --output-path docs/api.md --log-level ERROR
	$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/... paths=./cmd/... output:rbac:dir=config/chart/files
	rm -rf config/chart/crds && cp -r config/crd/bases config/chart/crds
	mkdir -p config/grafana config/chart/files/grafana
	go -C hack/grafana run . ../../config/grafana
	cp config/grafana/*.json config/chart/files/grafana
	cp config/prometheus/rules.yaml config/chart/files
	go run ./hack/chart/generate
	$(call print,config/default,--set image.repository=numberfleet)
	$(call print,config/samples/replicas,--values config/samples/replicas/values.yaml)

# What the chart prints for some values, in a folder that kustomize makes a whole of.
define print
{ echo '# Written by make generate: what the chart prints.'; \
	$(HELM) template numberfleet config/chart --namespace numberfleet-system --no-hooks $(2); } >$(1)/operator.yaml
endef

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the Go code.
	$(GOLANGCI_LINT) fmt ./...

.PHONY: vet
vet: ## Run go vet.
	go vet -tags e2e,scale,sdk ./...
	go -C hack/bench vet ./...
	go -C hack/dashboard vet ./...
	go -C hack/coredns vet ./...
	go -C hack/gitops vet ./...
	go -C hack/grafana vet ./...
	go -C hack/image vet ./...
	go -C hack/release vet -tags signed ./...
	go -C hack/lazyfs vet ./...
	CGO_ENABLED=0 go -C hack/s3 vet -trimpath ./... # as the tool is built: nothing is compiled twice

.PHONY: lint
lint: $(GOLANGCI_LINT) $(BIN)/actionlint ## Run golangci-lint, with kube-api-linter on the API types, and actionlint on the workflows.
	$(BIN)/actionlint .github/workflows/*.yaml
	$(GOLANGCI_LINT) run --allow-parallel-runners ./...
	cd hack/bench && "$(abspath $(GOLANGCI_LINT))" run --allow-parallel-runners ./...
	cd hack/dashboard && "$(abspath $(GOLANGCI_LINT))" run --allow-parallel-runners ./...
	cd hack/image && "$(abspath $(GOLANGCI_LINT))" run --allow-parallel-runners ./...
	cd hack/release && "$(abspath $(GOLANGCI_LINT))" run --allow-parallel-runners ./...
	cd hack/s3 && "$(abspath $(GOLANGCI_LINT))" run --allow-parallel-runners ./...
	cd hack/lazyfs && "$(abspath $(GOLANGCI_LINT))" run --allow-parallel-runners ./...

.PHONY: lint-fix
lint-fix: $(GOLANGCI_LINT) ## Run golangci-lint and apply its fixes.
	$(GOLANGCI_LINT) run --allow-parallel-runners --fix ./...

.PHONY: verify-generated
verify-generated: $(CONTROLLER_GEN) $(PROTOC_TOOLS) $(HELM) $(BIN)/crd-ref-docs # Are the generated files what make generate would write?
	@hack/verify-generated.sh $(GENERATED)

.PHONY: verify-format
verify-format: # Is all Go code formatted?
	@files=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l) && \
		if [[ -n $$files ]]; then printf 'not formatted, run make fmt:\n%s\n' "$$files" >&2; exit 1; fi

.PHONY: verify-modules
verify-modules: # Do go.mod and go.sum say what the code needs?
	@for module in . $(HACK_MODULES); do \
		go -C $$module mod tidy -diff || { echo "$$module/go.mod is not tidy: run go mod tidy there" >&2; exit 1; }; \
	done

##@ Build

.PHONY: build
build: bin/manager bin/kubectl-phonenumbers ## Build the manager and the kubectl plugin.

# Always run: go build knows whether there is anything to do.
.PHONY: bin/manager
bin/manager:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/manager

.PHONY: bin/kubectl-phonenumbers
bin/kubectl-phonenumbers:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/kubectl-phonenumbers

# The manager for each platform of the image.
.PHONY: $(PLATFORMS:%=bin/%/manager)
$(PLATFORMS:%=bin/%/manager): bin/%/manager:
	CGO_ENABLED=0 GOOS=$(*D) GOARCH=$(*F) go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/manager

.PHONY: bin/run bin/node bin/scale bin/torture
bin/run bin/node bin/scale bin/torture: bin/%:
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $@ ./hack/$*

.PHONY: sbom
sbom: bin/manager.cdx.json bin/kubectl-phonenumbers.cdx.json ## Write the bills of materials of both programs, in CycloneDX, to bin/*.cdx.json.

# Without serial number and time, the same program has the same bill.
bin/%.cdx.json: bin/% $(BIN)/cyclonedx-gomod
	$(BIN)/cyclonedx-gomod bin -json -std -noserial -notimestamp -version $(VERSION) -output $@ $<

.PHONY: docker-build
docker-build: ## Build the manager's image, IMG.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) $(LABELS) --tag $(IMG) .

.PHONY: image
image: $(BIN)/image $(PLATFORMS:%=bin/%/manager) ## Write the manager's image, IMG, for PLATFORMS to bin/image.tar, without a container engine.
	$(BIN)/image --name $(IMG) --output bin/image.tar $(LABELS) $(foreach platform,$(PLATFORMS),$(platform)=bin/$(platform)/manager)

# The plugin for each platform.
plugin = bin/$(1)/kubectl-phonenumbers$(if $(filter windows/%,$(1)),.exe)
PLUGINS := $(foreach platform,$(PLUGIN_PLATFORMS),$(call plugin,$(platform)))
.PHONY: $(PLUGINS)
$(PLUGINS): bin/%:
	CGO_ENABLED=0 GOOS=$(word 1,$(subst /, ,$*)) GOARCH=$(word 2,$(subst /, ,$*)) go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/kubectl-phonenumbers

.PHONY: build-installer
build-installer: $(KUSTOMIZE) overlay ## Print one manifest that installs everything, with the image IMG.
	@$(KUSTOMIZE) build bin/overlay

.PHONY: clean
clean: ## Remove all builds, with tools and control plane. The state of make run stays.
	rm -rf bin

##@ Deployment

.PHONY: install
install: $(KUSTOMIZE) ## Install the kinds into the cluster of the current context.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) apply --server-side -f -
	$(KUSTOMIZE) build config/crd | $(KUBECTL) wait --for=condition=Established --timeout=60s -f -

.PHONY: uninstall
uninstall: $(KUSTOMIZE) ## Remove the kinds, and with them every number and policy, from the cluster.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: deploy
deploy: overlay ## Deploy the operator, with the image IMG, to the cluster of the current context.
	$(KUSTOMIZE) build bin/overlay | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove the operator, its ledger included, from the cluster; kinds, numbers and policies stay.
	$(KUBECTL) delete --ignore-not-found -f config/default/operator.yaml -f config/namespace/namespace.yaml

# config/default with the image IMG, without touching the files in config/.
.PHONY: overlay
overlay: $(KUSTOMIZE)
	@mkdir -p bin/overlay
	@printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../../config/default\n' >bin/overlay/kustomization.yaml
	@cd bin/overlay && "$(abspath $(KUSTOMIZE))" edit set image numberfleet=$(IMG)

##@ Release

# The bills of materials of all programs, by the names that they have in a release.
BILLS := $(patsubst %,bin/%/manager.cdx.json,$(PLATFORMS)) $(PLUGINS:%=%.cdx.json)
bill = $(DIST)/$(notdir $(patsubst %.exe,%,$(1:.cdx.json=)))_$(VERSION)_$(subst /,_,$(patsubst bin/%/,%,$(dir $(1)))).cdx.json

.PHONY: release
release: IMG = $(or $(REPOSITORY),numberfleet):$(VERSION)
release: image overlay $(BILLS) $(BIN)/release ## Write everything that a release is to DIST: image, plugin, chart, manifests, bills of materials, provenance, checksums. SIGNING_KEY signs it.
	rm -rf $(DIST) && mkdir -p $(DIST)
	cp bin/image.tar $(DIST)/numberfleet_$(VERSION).oci.tar
	$(KUSTOMIZE) build bin/overlay >$(DIST)/install.yaml
	$(KUSTOMIZE) build config/crd >$(DIST)/crds.yaml
	$(foreach file,$(BILLS),cp $(file) $(call bill,$(file)) &&) true
	$(BIN)/release --version $(VERSION) --commit $(COMMIT) --source $(SOURCE) --downloads $(DOWNLOADS) --repository '$(REPOSITORY)' --builder '$(BUILDER)' \
		--output $(DIST) $(foreach platform,$(PLUGIN_PLATFORMS),$(platform)=$(call plugin,$(platform)))
	@$(if $(SIGNING_KEY),$(MAKE) --no-print-directory sign,echo '$(DIST) is not signed: that takes SIGNING_KEY')

# How cosign signs. With a key it asks no server.
SIGN = $(if $(filter keyless,$(SIGNING_KEY)),--yes,--key $(SIGNING_KEY) --yes --use-signing-config=false --tlog-upload=false)

.PHONY: sign
sign: $(BIN)/cosign # Sign the checksums and the provenance in DIST.
	$(BIN)/cosign sign-blob $(SIGN) --bundle $(DIST)/checksums.txt.sigstore.json $(DIST)/checksums.txt
	$(BIN)/cosign attest-blob $(SIGN) --bundle $(DIST)/provenance.sigstore.json --statement $(DIST)/provenance.json

# In a registry the chart is REPOSITORY/charts/numberfleet. Helm needs --plain-http for a registry without TLS, in HELMFLAGS.
IMAGE_REFERENCE = $(REPOSITORY):$(VERSION)
CHART_REFERENCE = $(REPOSITORY)/charts/numberfleet:$(VERSION:v%=%)

.PHONY: publish
publish: $(BIN)/crane $(HELM) $(if $(SIGNING_KEY),$(BIN)/cosign) ## Push the image and the chart in DIST to REPOSITORY; SIGNING_KEY signs them there.
	rm -rf bin/layout && mkdir -p bin/layout && tar -xf $(DIST)/numberfleet_$(VERSION).oci.tar -C bin/layout
	$(BIN)/crane push bin/layout $(IMAGE_REFERENCE)
	$(HELM) push $(HELMFLAGS) $(DIST)/numberfleet-$(VERSION:v%=%).tgz oci://$(REPOSITORY)/charts
	$(if $(SIGNING_KEY),for reference in $(IMAGE_REFERENCE) $(CHART_REFERENCE); do \
		$(BIN)/cosign sign $(SIGN) "$$($(BIN)/crane digest --full-ref "$$reference")"; done)

##@ Tools

.PHONY: tools
tools: $(CONTROLLER_GEN) $(PROTOC_TOOLS) $(KUSTOMIZE) $(HELM) $(GOLANGCI_LINT) ## Build the tools, as hack/tools pins them.

# A tool is built when it is missing or older than the go.mod that pins it.
$(BIN)/controller-gen: hack/tools/go.mod
	$(call tool,hack/tools,sigs.k8s.io/controller-tools/cmd/controller-gen)

$(BIN)/protoc: hack/tools/go.mod hack/tools/protoc/main.go
	$(call tool,hack/tools,./protoc)

$(BIN)/protoc-gen-go: hack/tools/go.mod
	$(call tool,hack/tools,google.golang.org/protobuf/cmd/protoc-gen-go)

$(BIN)/protoc-gen-go-grpc: hack/tools/go.mod
	$(call tool,hack/tools,google.golang.org/grpc/cmd/protoc-gen-go-grpc)

$(BIN)/kustomize: hack/tools/go.mod
	$(call tool,hack/tools,sigs.k8s.io/kustomize/kustomize/v5)

$(BIN)/helm: hack/helm/go.mod
	@echo 'building Helm, once: this takes a minute or more'
	$(call tool,hack/helm,helm.sh/helm/v4/cmd/helm)

$(BIN)/golangci-lint: hack/tools/golangci-lint/go.mod hack/tools/golangci-lint/main.go
	@echo 'building golangci-lint, once: this takes a minute or more'
	$(call tool,hack/tools/golangci-lint,.)

$(BIN)/actionlint: hack/tools/go.mod
	$(call tool,hack/tools,github.com/rhysd/actionlint/cmd/actionlint)

$(BIN)/crd-ref-docs: hack/tools/go.mod
	$(call tool,hack/tools,github.com/elastic/crd-ref-docs)

$(BIN)/cyclonedx-gomod: hack/tools/go.mod
	$(call tool,hack/tools,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)

# The Prometheus of the tests, without service discovery and web pages, and what tests rules: they have most packages in common.
$(BIN)/prometheus: hack/prometheus/go.mod
	@echo 'building Prometheus, once: this takes some minutes'
	$(call tool,hack/prometheus,-tags remove_all_sd github.com/prometheus/prometheus/cmd/prometheus)

$(BIN)/promtool: hack/prometheus/go.mod
	$(call tool,hack/prometheus,-tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool)

$(BIN)/nats-server: hack/nats/go.mod
	$(call tool,hack/nats,github.com/nats-io/nats-server/v2)

$(BIN)/s3: hack/s3/go.mod hack/s3/main.go
	@echo 'building an S3 server, once: this takes a minute or more'
	$(call tool,hack/s3,.)

$(BIN)/image: hack/image/go.mod $(wildcard hack/image/*.go)
	$(call tool,hack/image,.)

$(BIN)/crane: hack/image/go.mod
	$(call tool,hack/image,github.com/google/go-containerregistry/cmd/crane)

$(BIN)/release: hack/release/go.mod $(wildcard hack/release/*.go)
	$(call tool,hack/release,.)

$(BIN)/cosign: hack/cosign/go.mod
	@echo 'building cosign, once: this takes some minutes'
	$(call tool,hack/cosign,github.com/sigstore/cosign/v3/cmd/cosign)

# The file system of the tests that forgets what was not synced.
$(BIN)/lazyfs: hack/lazyfs/go.mod $(wildcard hack/lazyfs/*.go)
	$(call tool,hack/lazyfs,.)

$(BIN)/keda-operator: hack/keda/go.mod
	@echo "building KEDA's operator, once: this takes minutes"
	$(call tool,hack/keda,github.com/kedacore/keda/v2/cmd/operator)

$(BIN)/keda-adapter: hack/keda/go.mod
	$(call tool,hack/keda,github.com/kedacore/keda/v2/cmd/adapter)

KUBERNETES := $(addprefix $(BIN)/,kube-controller-manager kube-proxy kube-scheduler kubectl kubelet)
$(KUBERNETES): hack/controlplane/go.mod
	@echo 'building $(@F), once: this takes minutes'
	$(call tool,hack/controlplane,k8s.io/kubernetes/cmd/$(@F))

CONTAINERD := $(addprefix $(BIN)/,containerd containerd-shim-runc-v2 ctr)
$(CONTAINERD): hack/containerd/go.mod
	@echo 'building $(@F), once: this takes a minute or more'
	$(call tool,hack/containerd,github.com/containerd/containerd/v2/cmd/$(@F))

$(BIN)/coredns: hack/coredns/go.mod hack/coredns/main.go
	@echo 'building CoreDNS, once: this takes a minute or more'
	$(call tool,hack/coredns,.)

# The image of the container that holds the namespaces of a pod.
$(BIN)/pause.tar: hack/node/pause/main.go $(BIN)/image
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN)/pause ./hack/node/pause
	$(BIN)/image --name localhost/pause:1 --output $@ linux/$$(go env GOARCH)=$(BIN)/pause

define tool
@mkdir -p bin
CGO_ENABLED=0 go -C $(1) build -trimpath -ldflags '-s -w' -o "$(abspath $(BIN))/.$(@F)" $(2)
@mv -f $(BIN)/.$(@F) $@
endef

.PHONY: require-cc
require-cc:
	@cc=$$(go env CC) && command -v "$${cc%% *}" >/dev/null || { \
		echo "make test needs a C compiler for the race detector, and there is no $$cc here." >&2; \
		echo "Debian and Ubuntu: apt-get install gcc libc6-dev; Alpine: apk add build-base; macOS: xcode-select --install" >&2; \
		exit 1; }

.PHONY: require-npm
require-npm:
	@command -v npm >/dev/null || { \
		echo "this needs Node.js with npm, and there is no npm here." >&2; \
		echo "Debian and Ubuntu: apt-get install nodejs npm; Alpine: apk add nodejs npm; macOS: brew install node" >&2; \
		exit 1; }

.PHONY: require-chromium
require-chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		echo "make test-dashboard needs Chromium, and there is none here." >&2; \
		echo "Debian: apt-get install chromium; Alpine: apk add chromium; macOS: brew install --cask chromium" >&2; \
		exit 1; }
