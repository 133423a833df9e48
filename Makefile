# Torchlit: "make serve" and "make test" need no other command before them;
# "make help" lists the rest.
#
# Variables: CUDA=1 adds the CUDA libraries; LIBTORCH=/path uses a libtorch that is
# there already; DATA=path takes the data set from a local file; PHOTOS=path is a folder of
# photos to measure with; ARGS="..." goes to the program that a target starts; SANITIZE=address,undefined builds a checked native library.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

GO       ?= go
JOBS     ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
BENCH    ?= .
FUZZTIME ?= 10s
SOAK     ?= Soak
ARGS     ?=

# https://staticcheck.dev; this release understands the Go version of go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# https://github.com/CycloneDX/cyclonedx-gomod
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
# https://github.com/rhysd/actionlint
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

override LIBTORCH := $(if $(LIBTORCH),$(abspath $(LIBTORCH)))
export LIBTORCH

##@ The program

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  \033[1mmake %-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: go
go:
	@command -v $(GO) >/dev/null || { echo "make: no go command found; Torchlit needs Go $(GO_VERSION) or later (https://go.dev/doc/install)" >&2; exit 1; }
	@$(GO) list -m >/dev/null || { echo "make: Torchlit needs Go $(GO_VERSION) or later; this is $$($(GO) version) (https://go.dev/doc/install)" >&2; exit 1; }
GO_VERSION = $(shell awk '$$1 == "go" {print $$2}' go.mod)

.PHONY: deps
deps: go ## fetch the pinned libtorch into .deps/ (CUDA=1: with CUDA); quick when present
	@$(GO) run ./tools/deps $(if $(filter-out 0,$(CUDA)),-cuda)

.PHONY: native
native: deps ## build the native library alone (SANITIZE=address: into .deps/native-address)
	@$(MAKE) --no-print-directory -j$(JOBS) $(NATIVE_LIB) $(CUDA_LIB) $(MPI_LIB)

.PHONY: build
build: native ## build the native library and bin/torchlit
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/torchlit ./cmd/torchlit

VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS = -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: serve
serve: build ## serve the bundled model on http://localhost:8080 (ARGS="--addr :9000")
	bin/torchlit serve $(ARGS)

##@ Training

.PHONY: data
data: go ## fetch CIFAR-10 into data/ (SET=cifar100; DATA=path: take a local copy)
	$(GO) run ./tools/cifar10 $(if $(SET),--set '$(SET)') $(if $(DATA),--from '$(DATA)')

.PHONY: repro
repro: build ## data, training, evaluation and export as one pipeline, with DVC (docs/source/dvc.md)
	@command -v dvc >/dev/null || { echo 'make: no dvc command found: pip install dvc (https://dvc.org)' >&2; exit 1; }
	dvc repro $(ARGS)

.PHONY: train
train: build ## train (ARGS="trainer.max_epochs=3 optim.lr=0.1")
	bin/torchlit train $(ARGS)

.PHONY: eval
eval: build ## accuracy of the bundled model on the CIFAR-10 test images
	bin/torchlit eval --model models/cifar10-resnet18 --data data/processed/cifar10/test $(ARGS)

##@ Tests

# -race covers the packages that keep out of libtorch: the detector sees Go's memory
# only, and libtorch's own threads make everything that calls it much slower under it. Those of ALONE start no goroutines of ours: they draw, compute,
# read the repository, or run programs, which are not under it.
.PHONY: test
test: build ## the whole test suite
	$(GO) test -timeout 15m ./...
	$(GO) list -f '{{.ImportPath}} {{join .Deps " "}}' ./... | awk '!/torch\/internal\/libtorch/ && $$1 !~ "^[^/]*/[^/]*/[^/]*/($(ALONE))(/|$$)" {print $$1}' \
		| xargs $(GO) test -race -timeout 10m
ALONE = batching/sim/fleet|deploy|report|scripts|tests

# With libtorch too. What a test starts as a process of its own has the detector where it is the test's own binary.
.PHONY: test-race
test-race: build ## every package under the race detector (half an hour and more)
	$(GO) test -race -timeout 60m ./...

# The lightest optimization: with both sanitizers it compiles in the time that -O2 takes with the first alone.
.PHONY: test-asan
test-asan: build ## the native side under AddressSanitizer and UndefinedBehaviorSanitizer (Linux)
	@$(MAKE) --no-print-directory native SANITIZE=address,undefined CXXFLAGS=-O1
	TORCHLIT_NATIVE=$(CURDIR)/.deps/native-address-undefined/libtorchlit.so \
		$(GO) test -count=1 -timeout 20m -exec $(CURDIR)/tools/asan.sh ./torch/... ./predict

# -asan gives Go's memory margins, so that libjpeg-turbo is seen to leave it; the undefined behaviour of cgo's C is checked
# by the flags. Tests that count allocations or memory would count the sanitizer's.
.PHONY: test-jpeg-asan
test-jpeg-asan: go ## libjpeg-turbo under both sanitizers, over whole and damaged files (Debian, Ubuntu; FUZZTIME=1m: then fuzzed)
	@tools/jpegasan.sh .deps/jpeg-asan
	$(JPEG_ASAN) $(GO) test -asan -count=1 -skip 'AllocationBudget|^TestMemory' ./vision ./vision/internal/turbojpeg
ifeq ($(origin FUZZTIME),command line)
	$(JPEG_ASAN) $(GO) test -asan -run - -fuzz FuzzDecode -fuzztime $(FUZZTIME) -fuzzminimizetime 1x -parallel 1 ./vision
endif

JPEG_ASAN = LD_LIBRARY_PATH=$(CURDIR)/.deps/jpeg-asan TORCHLIT_CHECKED_JPEG=$(CURDIR)/.deps/jpeg-asan/ \
	UBSAN_OPTIONS=print_stacktrace=1 CGO_CFLAGS='-O2 -g -fsanitize=undefined -fno-sanitize-recover=all' CGO_LDFLAGS=-fsanitize=undefined

.PHONY: test-interop
test-interop: build ## tests against other programs (build tag interop; they may fetch them)
	$(GO) test -tags interop -run Interop -count=1 -timeout 30m ./...

.PHONY: lint
lint: go lint-workflows lint-kubernetes ## gofmt, go vet, staticcheck, shellcheck, hadolint, go mod verify, the workflows and what is for Kubernetes
	$(GO) mod verify
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { printf 'make: gofmt -w these files:\n%s\n' "$$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags interop,soak,cluster,links ./...
	$(GO) run $(STATICCHECK) -tags interop,soak,cluster,links ./...
	tools/shellcheck.sh
	tools/hadolint.sh

# What a step runs is one command; longer ones would be shellcheck's affair.
.PHONY: lint-workflows
lint-workflows: go ## the workflows of GitHub by actionlint and zizmor
	$(GO) run $(ACTIONLINT) -shellcheck= -pyflakes=
	tools/workflows/zizmor.sh

.PHONY: test-newcomer
test-newcomer: ## README's commands and curl lines in a bare Debian (root, debootstrap; TESTS=none: without 'make test'; PORT=18080)
	TESTS='$(or $(TESTS),all)' PORT='$(or $(PORT),8080)' scripts/newcomer.sh

.PHONY: lint-kubernetes
lint-kubernetes: go ## the chart, the manifests and what is for KServe by helm lint and kubeconform
	@GO='$(GO)' tools/kubernetes/check.sh

.PHONY: manifests
manifests: go ## write the plain manifests and the table of values that the chart stands for (docs/source/kubernetes.md)
	@GO='$(GO)' tools/kubernetes/manifests.sh

.PHONY: test-cluster
test-cluster: go ## install the chart into an API server of Kubernetes without nodes, which is built first: a quarter of an hour (build tag cluster)
	$(GO) test -tags cluster -run '^TestCluster$$' -count=1 -v -timeout 1h ./deploy/kubernetes

.PHONY: kubernetes-schemas
kubernetes-schemas: go ## write deploy/kubernetes/schemas from the modules of Kubernetes, KServe, KEDA and others
	$(GO) run ./tools/kubernetes/schemas deploy/kubernetes/schemas

.PHONY: links
links: go ## visit the addresses elsewhere that the pages link to (needs a network; CI does not)
	$(GO) test -tags links -run TestVisitLinks -count=1 -v ./tests/pages

.PHONY: audit
audit: go ## known vulnerabilities of the modules that are called (VULNDB=file:///path: another database)
	@GO='$(GO)' VULNDB='$(VULNDB)' tools/audit/audit.sh

.PHONY: licences
licences: go ## write docs/source/licences.md; fails at a licence that is not known or not allowed
	$(GO) run ./tools/licences

.PHONY: sbom
sbom: build ## write sbom.cdx.json: what bin/torchlit holds and loads (CUDA=1: with the CUDA libraries; PACKAGES=folder of dpkg's records)
	$(GO) run $(CYCLONEDX) bin -json -version '$(VERSION)' bin/torchlit \
		| $(GO) run ./tools/deps/sbom $(if $(filter-out 0,$(CUDA)),-cuda) $(if $(PACKAGES),-packages '$(PACKAGES)') >sbom.cdx.json || { rm -f sbom.cdx.json; exit 1; }

.PHONY: fuzz
fuzz: build ## every fuzz target for FUZZTIME (10s) each
	@GO='$(GO)' tools/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: build ## Go benchmarks (BENCH=pattern)
	$(GO) test -tags interop -run '^$$' -bench '$(BENCH)' -benchmem -timeout 1h ./...

.PHONY: bench-engine
bench-engine: build ## the engine, ONNX Runtime, OpenVINO and PyTorch in turns (PHOTOS=folder, ARGS="--page docs/source/benchmarks.md")
	$(GO) run ./bench/peers engine $(if $(PHOTOS),--images '$(PHOTOS)') $(ARGS)

.PHONY: bench-litserve
bench-litserve: build ## Torchlit and LitServe in turns (PHOTOS=folder, ARGS="--setup tuned --rounds 5 --json file")
	$(GO) run ./bench/peers litserve $(if $(PHOTOS),--images '$(PHOTOS)') $(ARGS)

.PHONY: bench-overload
bench-overload: build ## goodput and refusals at twice the capacity (PHOTOS=folder, ARGS="--model folder")
	$(GO) run ./bench/peers overload $(if $(PHOTOS),--images '$(PHOTOS)') $(ARGS)

.PHONY: bench-server
bench-server: build ## the server against its own bare engine (PHOTOS=folder, ARGS="--model folder --precisions fp32,bf16,int8")
	$(GO) run ./bench/peers server $(if $(PHOTOS),--images '$(PHOTOS)') $(ARGS)

.PHONY: profile
profile: build ## where a request's time goes, as docs/source/profile.svg (PHOTOS=folder, ARGS="--model folder")
	$(GO) run ./bench/peers profile --profile .deps/cpu.pprof --duration 15s $(if $(PHOTOS),--images '$(PHOTOS)') $(ARGS)
	$(GO) run ./tools/flamegraph -o docs/source/profile.svg -title 'torchlit serve, JPEG in, labels out' .deps/cpu.pprof

# No measurement: the same numbers give the same bytes. What is measured is written by the targets above.
.PHONY: figures
figures: go ## every figure of reports/figures and of the simulations' pages, from committed numbers
	$(GO) run ./batching/sim/batchsim -docs
	$(GO) run ./batching/sim/fleetsim --docs
	$(GO) run ./report/figures

.PHONY: soak
soak: build ## long tests for leaks and drift (build tag soak; SOAK=TestSoakServer: one of them, see docs/source/soak.md)
	$(GO) test -tags soak -run '$(SOAK)' -count=1 -v -timeout 3h ./...

.PHONY: test-drift
test-drift: build ## the scenarios of docs/source/drift.md on real images (CIFAR10=folder of its test images, PHOTOS=folder of photos)
	TORCHLIT_CIFAR10='$(abspath $(CIFAR10))' TORCHLIT_PHOTOS='$(if $(PHOTOS),$(abspath $(PHOTOS)))' $(GO) test ./cmd/torchlit -run '^TestDrift$$' -count=1 -v -timeout 1h

##@ Images

.PHONY: image-cpu
image-cpu: ## an image that serves on the CPU, by docker or buildah (TAG=torchlit:cpu; docs/source/images.md)
	docker/build.sh cpu '$(or $(TAG),torchlit:cpu)'

.PHONY: test-image-cpu
test-image-cpu: image-cpu ## run that image with no rights at all, classify a photo, stop it (PHOTO=file)
	docker/test.sh '$(or $(TAG),torchlit:cpu)' '$(or $(PHOTO),vision/testdata/photo.jpg)'

.PHONY: image-cuda
image-cuda: ## the same for NVIDIA GPUs, 15 GB of disk while it is built (TAG=torchlit:cuda)
	docker/build.sh cuda '$(or $(TAG),torchlit:cuda)'

.PHONY: test-image-cuda
test-image-cuda: image-cuda ## try that one out, with or without a GPU (PHOTO=file)
	docker/test.sh '$(or $(TAG),torchlit:cuda)' '$(or $(PHOTO),vision/testdata/photo.jpg)'

.PHONY: test-devcontainer
test-devcontainer: ## make build and tests in the development container (FLAVOUR=cuda, ARGS="packages"; docs/source/development.md)
	docker/build.sh '$(or $(FLAVOUR),cpu)' '$(or $(TAG),torchlit:dev-$(or $(FLAVOUR),cpu))' dev
	docker/test-dev.sh '$(or $(TAG),torchlit:dev-$(or $(FLAVOUR),cpu))' $(ARGS)

##@ Documentation

.PHONY: docs
docs: ## build the site of docs/source into site/, strictly (docs/mkdocs.yml)
	tools/docs.sh build --strict

.PHONY: reference
reference: build ## write docs/source/reference: command line, settings, HTTP API and metrics, as the program has them
	$(GO) test ./cmd/torchlit -run '^TestReference$$' -count=1 -write-reference

.PHONY: docs-serve
docs-serve: ## show it on http://localhost:8000, and again when a page is saved (ARGS="-a localhost:9000")
	tools/docs.sh serve $(ARGS)

.PHONY: screenshots
screenshots: build ## make the pictures of the pages in docs/source (CIFAR10=folder of its test images, PHOTOS="files to drop")
	CIFAR10='$(abspath $(or $(CIFAR10),data/processed/cifar10/test))' PHOTOS='$(PHOTOS)' tools/screenshots.sh

.PHONY: notebooks
notebooks: build ## JupyterLab with the notebooks, for this machine alone (ARGS="--no-browser"; docs/source/notebooks.md)
	tools/notebooks.sh $(ARGS)

##@ Housekeeping

.PHONY: clean
clean: ## remove what was built; downloads and data stay
	rm -rf bin .deps/native .deps/native-* .deps/jpeg-asan

.PHONY: distclean
distclean: clean ## remove the downloaded libraries as well
	rm -rf .deps

# The native library. One C++ file includes libtorch's headers for ten seconds and
# more, so each is an object of its own, and they are rebuilt only when they, their
# headers (-MMD), or the command line and the libtorch behind it (flags) changed.
# libtorch's headers come by -isystem: our warnings, not theirs.

SANITIZE ?=
comma    := ,
NATIVE   := .deps/native$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
ROOT     := $(or $(LIBTORCH),.deps/libtorch)
CC_FILES := $(wildcard torch/csrc/*.cc)
OBJECTS  := $(CC_FILES:torch/csrc/%.cc=$(NATIVE)/obj/%.o)

ifeq ($(shell uname -s),Darwin)
NATIVE_LIB := $(NATIVE)/libtorchlit.dylib
SHARED     := -dynamiclib -install_name @rpath/libtorchlit.dylib
BESIDE     := @loader_path/../libtorch/lib
else
NATIVE_LIB := $(NATIVE)/libtorchlit.so
ifeq ($(SANITIZE),) # a sanitizer's symbols may come with the program that loads the library
NO_UNDEFINED := -Wl,--no-undefined
endif
SHARED     := -shared $(NO_UNDEFINED)
BESIDE     := $$ORIGIN/../libtorch/lib
endif
# A default CXX of make is g++, which a machine with only clang lacks.
ifeq ($(origin CXX),default)
CXX := c++
endif

CXXFLAGS ?= -O2
CHECKED  := $(if $(SANITIZE),-g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
COMPILE   = $(CXX) -std=c++17 $(CXXFLAGS) $(CHECKED) $(OPENMP) -fPIC -fvisibility=hidden -Wall -Wextra \
	-D_GLIBCXX_USE_CXX11_ABI=1 -isystem $(ROOT)/include -isystem $(ROOT)/include/torch/csrc/api/include
LINK      = $(CXX) $(SHARED) $(CHECKED)

# at::parallel_for is a template: compiled without OpenMP it computes on one thread. It needs the
# OpenMP that libtorch has, GCC's, so not under clang; and a sanitizer of threads does not know it.
ifeq ($(shell uname -s)$(filter thread,$(SANITIZE)),Linux)
ifeq ($(shell $(CXX) --version | grep clang),)
OPENMP      := -fopenmp
OPENMP_LIB   = $(or $(firstword $(wildcard $(ROOT)/lib/libgomp*.so*)),-lgomp)
endif
endif
LIBS      = -L$(ROOT)/lib -ltorch_cpu -lc10 $(OPENMP_LIB) -Wl,-rpath,'$(or $(LIBTORCH:%=%/lib),$(BESIDE))'

$(NATIVE_LIB): $(OBJECTS) $(NATIVE)/flags
	@echo "link $@"
	@$(LINK) -o $@ $(OBJECTS) $(LIBS)

$(NATIVE)/obj/%.o: torch/csrc/%.cc $(NATIVE)/flags
	@mkdir -p $(@D)
	@echo "compile $<"
	@$(COMPILE) -MMD -MP -c -o $@ $<

# CUDA, for the engine on NVIDIA GPUs (docs/source/cuda.md): where libtorch has it, a library
# of its own, which compiles and links without a GPU. What libtorch_cuda itself is
# linked against is its own affair, and may lie elsewhere.
CUDA_CC_FILES := $(wildcard torch/csrc/cuda/*.cc)
CUDA_OBJECTS  := $(CUDA_CC_FILES:torch/csrc/%.cc=$(NATIVE)/obj/%.o)
CUDA_LIB      := $(if $(wildcard $(ROOT)/lib/libtorch_cuda.so),$(NATIVE)/libtorchlit_cuda.so)
CUDA_LIBS      = -L$(ROOT)/lib -ltorch_cuda -lc10_cuda -l:libcudart.so.13 $(LIBS) \
	-Wl,--allow-shlib-undefined -Wl,-rpath-link,$(ROOT)/lib

$(NATIVE)/libtorchlit_cuda.so: $(CUDA_OBJECTS) $(NATIVE)/flags
	@echo "link $@"
	@$(LINK) -o $@ $(CUDA_OBJECTS) $(CUDA_LIBS)

# MPI, for training on several CPU hosts (docs/source/distributed.md): where mpicc is, a
# small library of its own, as mpi.h differs between implementations.
MPICC   ?= $(shell command -v mpicc 2>/dev/null)
MPI_LIB := $(if $(MPICC),$(NATIVE)/libtorchlit_mpi.so)

$(NATIVE)/libtorchlit_mpi.so: torch/csrc/mpi/mpi.c torch/csrc/mpi/torchlit_mpi.h
	@mkdir -p $(@D)
	@echo "compile and link $@"
	@$(MPICC) -std=c11 -O2 -fPIC -fvisibility=hidden -Wall -Wextra -shared -o $@ $<

# Written only when it would change, so that its time means something.
.PHONY: FORCE
$(NATIVE)/flags: FORCE
	@mkdir -p $(@D)
	@new='$(subst ','\'',$(COMPILE) | $(LINK) | $(LIBS) | $(shell awk '$$1 == "version" {print $$2}' torch/LIBTORCH))'; \
		test "$$new" = "$$(cat $@ 2>/dev/null)" || echo "$$new" >$@

-include $(OBJECTS:.o=.d) $(CUDA_OBJECTS:.o=.d)
