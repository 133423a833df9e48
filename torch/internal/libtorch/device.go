package libtorch

// Stream is one of a device's streams; it has the layout of tl_stream.
type Stream struct{ ID, DeviceType, DeviceIndex int64 }

// Memory says what a device's allocator holds; it has the layout of tl_memory.
type Memory struct {
	Allocated, AllocatedPeak       int64 // bytes
	Reserved, ReservedPeak         int64 // bytes
	Allocations, Retries, Failures int64
}

// DeviceInfo describes a device; it has the layout of tl_device_info.
type DeviceInfo struct {
	Memory       int64 // bytes
	Processors   int64
	Major, Minor int64
	Name         [256]byte // NUL-terminated
}

// DeviceCount tells how many devices of a type there are.
func DeviceCount(kind int64) (n int64, err error) {
	err = do("device_count", func(e *errorText) int32 { return rawDeviceCount(kind, &n, e) })
	return n, err
}

// HasCuDNN tells whether libtorch has cuDNN.
func HasCuDNN() (has bool, err error) {
	err = do("has_cudnn", func(e *errorText) (status int32) {
		has, status = rawHasCuDNN(e)
		return status
	})
	return has, err
}

// DescribeDevice fills info, for devices other than the CPU.
func DescribeDevice(kind, index int64, info *DeviceInfo) error {
	return do("device_info", func(e *errorText) int32 { return rawDeviceInfo(kind, index, info, e) })
}

// CurrentStream tells the calling thread's stream on a device.
func CurrentStream(kind, index int64) (s Stream, err error) {
	err = do("stream_current", func(e *errorText) int32 { return rawStreamCurrent(kind, index, &s, e) })
	return s, err
}

// NewStream takes a stream from the device's pool.
func NewStream(kind, index int64) (s Stream, err error) {
	err = do("stream_new", func(e *errorText) int32 { return rawStreamNew(kind, index, &s, e) })
	return s, err
}

// StreamMode makes s the calling thread's stream on its device, and returns what
// was. REQUIRES: the caller has locked its thread.
func StreamMode(s Stream) (before Stream, err error) {
	err = do("stream_mode", func(e *errorText) int32 { return rawStreamMode(&s, &before, e) })
	return before, err
}

// QueryStream tells whether all work given to the stream is done.
func QueryStream(s Stream) (done bool, err error) {
	err = do("stream_query", func(e *errorText) (status int32) {
		done, status = rawStreamQuery(&s, e)
		return status
	})
	return done, err
}

// SynchronizeStream waits until all work given to the stream is done.
func SynchronizeStream(s Stream) error {
	return do("stream_synchronize", func(e *errorText) int32 { return rawStreamSynchronize(&s, e) })
}

// SynchronizeDevice waits until all work given to the device is done.
func SynchronizeDevice(kind, index int64) error {
	return do("device_synchronize", func(e *errorText) int32 { return rawDeviceSynchronize(kind, index, e) })
}

// MemoryStats asks a device's allocator what it holds.
func MemoryStats(kind, index int64) (m Memory, err error) {
	err = do("memory_stats", func(e *errorText) int32 { return rawMemoryStats(kind, index, &m, e) })
	return m, err
}

// ResetMemoryPeaks makes the peaks what is allocated now.
func ResetMemoryPeaks(kind, index int64) error {
	return do("memory_reset_peaks", func(e *errorText) int32 { return rawMemoryResetPeaks(kind, index, e) })
}

// EmptyCache gives memory that no tensor uses back to the devices of a type.
func EmptyCache(kind int64) error {
	return do("memory_empty_cache", func(e *errorText) int32 { return rawMemoryEmptyCache(kind, e) })
}
