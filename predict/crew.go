package predict

import (
	"sync"

	"github.com/torchlit/torchlit/torch/engine"
)

// crew shares the CPUs out among a model's runners. Each has an equal part, but for
// the first, the lead, which has more for a batch that it begins while no other has
// one. The batcher gives a lone batch to the first runner. Others wait until it is
// done: with more threads than CPUs, all would wait for those that are not running.
//
// A runner on all CPUs has a lone image's answer soonest. But its threads wait for
// each other after every layer, and whatever else the machine does on one of them,
// such as decoding, holds up the others; runners of few threads do not wait for each
// other. On two CPUs (AVX2, fp32, ResNet18 at 224 px) one image took 35 ms on both and
// 50 on one; 64 clients got 32 images/s of a runner on both, and 39 of two on one
// each. A fixed choice gives one of these away.
//
// Why only the lead: each runner's thread keeps its own team, and where the teams have
// more threads than there are CPUs, libgomp lets those that wait for the next layer
// sleep at once instead of looking out for it. A lone image then takes a third longer.
// So the teams together are never larger than the machine.
type crew struct {
	each  int // threads of a runner while others compute
	alone int // threads of the lead while none does

	mu    sync.Mutex
	ended sync.Cond // solo was set to false
	busy  int       // runners that compute or wait to
	solo  bool      // the lead computes with more than its part
}

// mostThreads: a convolution of a few images has no work for many more.
const mostThreads = 8

func newCrew(cpus, runners int) *crew {
	each := max(1, min(mostThreads, cpus/runners))
	c := &crew{each: each, alone: max(each, min(mostThreads, cpus-(runners-1)*(each-1)))}
	c.ended.L = &c.mu
	return c
}

// member is a runner's place in a crew. A nil member has the threads that its thread was given.
type member struct {
	crew *crew
	lead bool
	has  int  // threads that the engine was last told
	in   bool // between join and leave
}

// join waits until the runner may compute, and sets its threads. Once it has joined it
// does nothing.
func (m *member) join() error {
	if m == nil || m.in {
		return nil
	}
	m.in = true
	c, threads := m.crew, m.crew.each
	c.mu.Lock()
	c.busy++
	if m.lead && c.busy == 1 && c.alone > c.each {
		threads, c.solo = c.alone, true
	}
	for !m.lead && c.solo {
		c.ended.Wait()
	}
	c.mu.Unlock()
	if threads == m.has {
		return nil
	}
	m.has = threads
	return engine.SetThreads(threads)
}

// leave ends what join began, whatever that returned.
func (m *member) leave() {
	if m == nil || !m.in {
		return
	}
	m.in = false
	c := m.crew
	c.mu.Lock()
	c.busy--
	if m.lead && c.solo {
		c.solo = false
		c.ended.Broadcast()
	}
	c.mu.Unlock()
}
