package batching

import "testing"

// What is put into the pool has forgotten all that would change the next item that is made of it. Whether a pool gives the
// same one again is chance, so no test of a batcher can tell.
func TestClearedItemIsLikeNew(t *testing.T) {
	it := &item[int, int]{in: 1, ctx: background, probe: true, res: Result[int]{Value: 1}, err: errPoison, rejected: true}
	it.clear()
	if it.in != 0 || it.ctx != nil || it.probe || it.res != (Result[int]{}) || it.err != nil || it.rejected {
		t.Fatalf("got %+v; want nothing left", it)
	}
}
