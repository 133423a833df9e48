//go:build !cgo

package libtorch

import (
	"errors"
	"unsafe"
)

// The twin of the *_cgo.go files for builds without cgo. Load always
// fails there, so nothing but rawOpen is ever reached.

type errorText struct{}

func (e *errorText) String() string { return "" }

func rawOpen(string) error {
	return errors.New("this program was built with CGO_ENABLED=0; build it with cgo")
}

const unreachable = "BUG: libtorch called in a build without cgo"

func rawLibtorchVersion() string                    { panic(unreachable) }
func rawCPUCapability() string                      { panic(unreachable) }
func rawSetNumThreads(int64, *errorText) int32      { panic(unreachable) }
func rawNumThreads(*int64, *errorText) int32        { panic(unreachable) }
func rawManualSeed(uint64, *errorText) int32        { panic(unreachable) }
func rawSetSwitch(int64, bool, *errorText) int32    { panic(unreachable) }
func rawTensorFree([]Value, *errorText) int32       { panic(unreachable) }
func rawClearGrads([]Value, *errorText) int32       { panic(unreachable) }
func rawScopeMode(int64, *errorText) (int64, int32) { panic(unreachable) }
func rawGradMode(bool, *errorText) (bool, int32)    { panic(unreachable) }

func rawTensorInfo(unsafe.Pointer, *Info, *errorText) int32 { panic(unreachable) }

func rawTensorFromData(unsafe.Pointer, int64, int64, []int64, *Result, *errorText) (int64, int32) {
	panic(unreachable)
}

func rawTensorRead(_, _ unsafe.Pointer, _ int64, _ *errorText) int32  { panic(unreachable) }
func rawTensorWrite(_, _ unsafe.Pointer, _ int64, _ *errorText) int32 { panic(unreachable) }

func rawTensorPrint(unsafe.Pointer, []byte, *int64, *errorText) int32 { panic(unreachable) }

func rawOpFind(_, _ string, _ *unsafe.Pointer, _ *errorText) int32 { panic(unreachable) }

func rawOpCall(unsafe.Pointer, []Value, []Result, *errorText) (n, scope int64, status int32) {
	panic(unreachable)
}

func rawBackward(_, _ unsafe.Pointer, _, _ bool, _ *errorText) int32 { panic(unreachable) }

func rawGrad(unsafe.Pointer, *Result, *errorText) (int64, int32) { panic(unreachable) }

func rawSetGrad(_, _ unsafe.Pointer, _ *errorText) int32 { panic(unreachable) }

func rawSetRequiresGrad(unsafe.Pointer, bool, *errorText) int32 { panic(unreachable) }

func rawSetData(_, _ unsafe.Pointer, _ *errorText) int32 { panic(unreachable) }

func rawAutocastMode(int64, bool, int64, *errorText) (bool, int64, int32) { panic(unreachable) }

func rawGradOf(_, _, _ []Value, _, _, _ bool, _ []Result, _ *errorText) (int64, int32) {
	panic(unreachable)
}

func rawGradFn(unsafe.Pointer, []byte, *int64, *errorText) int32 { panic(unreachable) }

func rawGeneratorNew(int64, int64, *unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawGeneratorFree(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawGeneratorSetSeed(unsafe.Pointer, uint64, *errorText) int32 { panic(unreachable) }

func rawGeneratorSeed(unsafe.Pointer, bool, *uint64, *errorText) int32 { panic(unreachable) }

func rawGeneratorState(unsafe.Pointer, *Result, *errorText) (int64, int32) { panic(unreachable) }

func rawGeneratorSetState(_, _ unsafe.Pointer, _ *errorText) int32 { panic(unreachable) }

func rawDeviceCount(int64, *int64, *errorText) int32 { panic(unreachable) }

func rawHasCuDNN(*errorText) (bool, int32) { panic(unreachable) }

func rawDeviceInfo(_, _ int64, _ *DeviceInfo, _ *errorText) int32 { panic(unreachable) }

func rawStreamCurrent(_, _ int64, _ *Stream, _ *errorText) int32 { panic(unreachable) }

func rawStreamNew(_, _ int64, _ *Stream, _ *errorText) int32 { panic(unreachable) }

func rawStreamMode(_, _ *Stream, _ *errorText) int32 { panic(unreachable) }

func rawStreamQuery(*Stream, *errorText) (bool, int32) { panic(unreachable) }

func rawStreamSynchronize(*Stream, *errorText) int32 { panic(unreachable) }

func rawDeviceSynchronize(_, _ int64, _ *errorText) int32 { panic(unreachable) }

func rawMemoryStats(_, _ int64, _ *Memory, _ *errorText) int32 { panic(unreachable) }

func rawMemoryResetPeaks(_, _ int64, _ *errorText) int32 { panic(unreachable) }

func rawMemoryEmptyCache(int64, *errorText) int32 { panic(unreachable) }

func rawModuleLoad(string, int64, int64, *unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawModuleFree(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawModuleSave(unsafe.Pointer, string, *errorText) int32 { panic(unreachable) }

func rawModuleTo(unsafe.Pointer, int64, int64, *errorText) int32 { panic(unreachable) }

func rawModuleTrain(unsafe.Pointer, bool, *errorText) int32 { panic(unreachable) }

func rawModuleCall(unsafe.Pointer, string, []Value, *errorText) ([]Result, int64, int32) {
	panic(unreachable)
}

func rawModuleList(unsafe.Pointer, int64, *errorText) ([]Result, int64, int32) { panic(unreachable) }

func rawEngineOpen(*EngineConfig, []Step, *unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawEngineShare(unsafe.Pointer, *unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawEngineRun(unsafe.Pointer, []byte, int64, []float32, *errorText) int32 { panic(unreachable) }
func rawEngineRunPlanes(unsafe.Pointer, []float32, int64, []float32, *errorText) int32 {
	panic(unreachable)
}

func rawEngineChunk(unsafe.Pointer, *int64, *errorText) int32      { panic(unreachable) }
func rawEngineShapes(unsafe.Pointer, [][3]int64, *errorText) int32 { panic(unreachable) }

func rawEngineTrace(unsafe.Pointer, []byte, int64, []float32, *errorText) int32 {
	panic(unreachable)
}

func rawEnginePrecision(int64, *int32, *int32, *errorText) int32 { panic(unreachable) }

func rawEngineClose(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawImageResize([]byte, int64, int64, float64, float64, []byte, int64, int64, bool, *errorText) int32 {
	panic(unreachable)
}

func rawTensorMemory(unsafe.Pointer, *unsafe.Pointer, *int64, *errorText) int32 { panic(unreachable) }

func rawMailboxNew(*unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawMailboxTake(unsafe.Pointer, *int64, *Result, *errorText) int32 { panic(unreachable) }

func rawMailboxAnswer(unsafe.Pointer, int64, string, *errorText) int32 { panic(unreachable) }

func rawMailboxClose(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawMailboxFree(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawBucketsNew([]Value, []int64, int64, float64, unsafe.Pointer, *unsafe.Pointer, *errorText) int32 {
	panic(unreachable)
}

func rawBucketsSync(unsafe.Pointer, bool, *errorText) int32 { panic(unreachable) }

func rawBucketsWait(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawBucketsFree(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawSyncNormLocal(unsafe.Pointer, int64, int64, *Result, *errorText) (int64, int32) {
	panic(unreachable)
}

func rawSyncNormApply(*SyncNorm, unsafe.Pointer, *Result, *errorText) (int64, int32) {
	panic(unreachable)
}

func rawNCCLOpen(string, *int64, *errorText) int32 { panic(unreachable) }

func rawNCCLUniqueID(*NCCLID, *errorText) int32 { panic(unreachable) }

func rawNCCLNew(*NCCLID, int64, int64, int64, int64, *unsafe.Pointer, *errorText) int32 {
	panic(unreachable)
}

func rawNCCLAllReduce(unsafe.Pointer, []Value, *errorText) int32 { panic(unreachable) }

func rawNCCLBroadcast(unsafe.Pointer, []Value, int64, *errorText) int32 { panic(unreachable) }

func rawNCCLPoll(unsafe.Pointer, *errorText) (bool, int32) { panic(unreachable) }

func rawNCCLAbort(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawNCCLFree(unsafe.Pointer, *errorText) int32 { panic(unreachable) }

func rawOpenCUDA(string) error { return errors.New("this program was built with CGO_ENABLED=0") }

func rawCUDAOpen(*EngineConfig, *CUDAOptions, []Step, *unsafe.Pointer, *errorText) int32 {
	panic(unreachable)
}

func rawCUDAInfo(unsafe.Pointer, *CUDAInfo, *errorText) int32 { panic(unreachable) }
func rawCUDAClose(unsafe.Pointer)                             { panic(unreachable) }

func rawCUDALaneNew(unsafe.Pointer, *unsafe.Pointer, *unsafe.Pointer, *errorText) int32 {
	panic(unreachable)
}

func rawCUDALaneSend(unsafe.Pointer, int64, int64, *errorText) int32 { panic(unreachable) }

func rawCUDALaneRun(unsafe.Pointer, int64, bool, []float32, *errorText) int32 { panic(unreachable) }

func rawCUDALanePlanes(unsafe.Pointer, []float32, int64, bool, []float32, *errorText) int32 {
	panic(unreachable)
}

func rawCUDACompile(_, _ int64, _ *errorText) int32 { panic(unreachable) }

func rawCUDALaneClose(unsafe.Pointer) { panic(unreachable) }
