#!/usr/bin/env bash
# Makes the Go files of the .proto files beside it. usage: generate.sh [FOLDER]
#
# They go to FOLDER, or to their place beside this script. PYTHON names an interpreter that has grpcio-tools; by default
# one is made under .deps/venv. protoc comes with grpcio-tools and the message generator is of go.mod's version, so that
# everybody gets the same files.
set -euo pipefail

cd "$(dirname "$0")/../.."
PROTOC_GEN_GO_GRPC=v1.6.2
GRPCIO_TOOLS=$(sed -n 's/^grpcio-tools==//p' requirements_dev.txt)
out=$(mkdir -p "${1:-internal/inferencepb}" && cd "${1:-internal/inferencepb}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${PYTHON:-}" ]; then
	python3 -m venv .deps/venv/protoc
	PYTHON=.deps/venv/protoc/bin/python
	"$PYTHON" -m pip install --quiet --disable-pip-version-check --only-binary=:all: "grpcio-tools==$GRPCIO_TOOLS"
fi
go build -o "$work/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
GOBIN=$work go install "google.golang.org/grpc/cmd/protoc-gen-go-grpc@$PROTOC_GEN_GO_GRPC"

"$PYTHON" -m grpc_tools.protoc --proto_path=. \
	--plugin="$work/protoc-gen-go" --go_out="$work" --go_opt=module=github.com/torchlit/torchlit \
	--plugin="$work/protoc-gen-go-grpc" --go-grpc_out="$work" --go-grpc_opt=module=github.com/torchlit/torchlit \
	internal/inferencepb/grpc_service.proto internal/inferencepb/model_config.proto
cp "$work"/internal/inferencepb/*.go "$out"
