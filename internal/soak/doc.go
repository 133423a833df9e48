// Package soak looks at a server that works for a long time, and says whether anything of it grows.
//
// # The goal
//
// A leak of a hundred bytes a request fills a machine in a week and is not seen in any test of a minute. What is to be shown is that
// after a million requests of all kinds the process is as large as it was after the first thousands. The tests of this package
// make the requests; the package itself measures (Sampler), decides (Fit) and shows (Report).
//
// # The obvious way, and why not
//
// The obvious way compares memory before and after, with some room between. The room has to be larger than what memory sways by while
// nothing leaks: a garbage collector's heap is a saw, libc's allocator keeps what it once had, a model that is reloaded is there
// twice for a moment. So a leak smaller than the room passes, and a large pause of the collector at the end fails.
//
// # The chosen way
//
// Every second is a sample. After the warm-up a line is laid through some twenty blocks of samples, over the number of requests
// rather than over time, so that its slope is bytes a request. Neighbouring samples resemble one another, which would make
// a line through them look more certain than it is; long blocks hardly do. Of each block the least value counts where the
// quantity is memory, because a leak lifts the floor, not only the peaks. What fails is a slope of which even the lower end
// of its 95 % confidence interval is above a stated bound. A leak that is larger than the bound and than the noise is found;
// the report says how large the noise was.
//
// What is counted in ones, such as goroutines, threads, descriptors and tensors, is compared when the server is quiet, where it
// must be back at its base.
package soak
