//go:build interop

package inferencepb_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropTritonClientProto compares names, numbers and types with the descriptors that the real client carries.
func TestInteropTritonClientProto(t *testing.T) {
	python := interop.Python(t, "triton")
	encoded := interop.Run(t, python, filepath.Join("testdata", "descriptors.py"))
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	require.NoError(t, err)
	var set descriptorpb.FileDescriptorSet
	require.NoError(t, proto.Unmarshal(data, &set))
	theirs, err := protodesc.NewFiles(&set)
	require.NoError(t, err)

	for _, file := range []protoreflect.FileDescriptor{
		inferencepb.File_internal_inferencepb_grpc_service_proto, inferencepb.File_internal_inferencepb_model_config_proto,
	} {
		for i := range file.Messages().Len() {
			compareMessage(t, theirs.FindDescriptorByName, file.Messages().Get(i))
		}
		for i := range file.Enums().Len() {
			compareEnum(t, theirs.FindDescriptorByName, file.Enums().Get(i))
		}
	}
	d, err := theirs.FindDescriptorByName("inference.GRPCInferenceService")
	require.NoError(t, err)
	compareService(t, inferencepb.File_internal_inferencepb_grpc_service_proto.Services().Get(0), d.(protoreflect.ServiceDescriptor))
}

type finder func(protoreflect.FullName) (protoreflect.Descriptor, error)

func compareMessage(t *testing.T, find finder, ours protoreflect.MessageDescriptor) {
	d, err := find(ours.FullName())
	if !assert.NoError(t, err) {
		return
	}
	theirs := d.(protoreflect.MessageDescriptor)
	for i := range ours.Fields().Len() {
		a := ours.Fields().Get(i)
		b := theirs.Fields().ByNumber(a.Number())
		if assert.NotNil(t, b, "%s has no field %d", ours.FullName(), a.Number()) {
			assert.Equal(t, shape(b), shape(a))
		}
	}
	for i := range ours.Messages().Len() {
		compareMessage(t, find, ours.Messages().Get(i))
	}
}

// shape is what the wire and reflection show of a field.
func shape(f protoreflect.FieldDescriptor) string {
	words := []string{string(f.FullName()), f.Kind().String(), f.Cardinality().String()}
	if f.IsPacked() {
		words = append(words, "packed")
	}
	if m := f.Message(); m != nil {
		words = append(words, string(m.FullName()))
	}
	if o := f.ContainingOneof(); o != nil {
		words = append(words, "oneof", string(o.Name()))
	}
	return strings.Join(words, " ")
}

func compareEnum(t *testing.T, find finder, ours protoreflect.EnumDescriptor) {
	d, err := find(ours.FullName())
	require.NoError(t, err)
	theirs := d.(protoreflect.EnumDescriptor)
	require.Equal(t, theirs.Values().Len(), ours.Values().Len())
	for i := range ours.Values().Len() {
		v := ours.Values().Get(i)
		assert.Equal(t, theirs.Values().ByNumber(v.Number()).Name(), v.Name())
	}
}

func compareService(t *testing.T, ours, theirs protoreflect.ServiceDescriptor) {
	require.Equal(t, theirs.Methods().Len(), ours.Methods().Len())
	for i := range ours.Methods().Len() {
		a := ours.Methods().Get(i)
		b := theirs.Methods().ByName(a.Name())
		require.NotNil(t, b, a.Name())
		assert.Equal(t, b.Input().FullName(), a.Input().FullName())
		assert.Equal(t, b.Output().FullName(), a.Output().FullName())
		assert.Equal(t, b.IsStreamingClient(), a.IsStreamingClient())
		assert.Equal(t, b.IsStreamingServer(), a.IsStreamingServer())
	}
}

// TestInteropGenerated: what is committed is what generate.sh makes of the .proto files.
func TestInteropGenerated(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "./generate.sh", t.TempDir())
	cmd.Env = append(os.Environ(), "PYTHON="+interop.Python(t, "grpc-tools"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	made, err := filepath.Glob(filepath.Join(cmd.Args[1], "*.go"))
	require.NoError(t, err)
	require.Len(t, made, 3)
	for _, name := range made {
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Base(name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s is not what its .proto file makes: run go generate", filepath.Base(name))
	}
}
