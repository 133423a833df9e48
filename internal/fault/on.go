//go:build faults

package fault

/*
static void crash(void) { *(volatile int *)0 = 1; }
*/
import "C"

import "os"

// BeforeBatch dereferences a null pointer in C when the file that TORCHLIT_FAULT_SIGSEGV names is there. It takes the file away first,
// so that there is one crash for each.
func BeforeBatch() {
	if path := os.Getenv("TORCHLIT_FAULT_SIGSEGV"); path != "" && os.Remove(path) == nil {
		C.crash()
	}
}
