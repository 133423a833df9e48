// Package batching groups items that callers hand in one by one into batches, runs each batch at once, and gives every caller
// its own answer. It knows nothing of what it batches.
//
// # The goal
//
// A model answers eight images in much less than eight times the time of one. Whoever waits for company gets throughput and pays
// for it in latency; whoever does not wait gets neither under load. Two promises are to hold together:
//
//  1. A lone item never waits for company. Its added latency is two goroutine switches.
//  2. Under load the runners are always busy, with batches as large as the load, the deadlines and MaxBatch allow.
//
// # The obvious way, and why not
//
// The obvious way is a collector: take the first item, start a timer, send when the batch is full or the timer fires. It breaks
// the first promise for every lone item, and it needs a delay that no operator can choose well: right for one load, it is wasted
// time at a lower one and too short at a higher one.
//
// # The chosen way
//
// Nobody collects. Items stand in one bounded first-in, first-out queue, and each runner, whenever it has nothing to do, takes
// from its head whatever waits. While all runners are busy the queue grows by itself, so the size of the next batch is the load:
// one item on a quiet server, MaxBatch on a flooded one. There is no timer, and there is nothing to tune.
//
//	Do ──▶ queue (MaxQueue) ──▶ take ──▶ Runner.Run on its own OS thread ──▶ one-slot channel of each item ──▶ Do
//	          │                  │
//	          │                  └ hopeless, cancelled: answered without a run
//	          └ full: ErrQueueFull; caller gone: unlinked at once
//
// How many of the waiting items a runner takes is decided at that moment, under one lock, in this order:
//
//   - A dead item leaves first: its context is over, or it cannot meet its deadline even in a batch of its own, now. It is
//     answered with the context's error or ErrDeadline and costs no run.
//   - Never more than MaxBatch.
//   - When k runners are idle, each takes a k-th of what waits, provided that the smaller batch is markedly quicker than the
//     whole, or nothing is known; else one runner takes all and the others stay free for who comes next.
//   - Of that the longest head of the queue for which now + Cost(n) is not after the deadline of any item in it. The queue keeps
//     its order: an urgent item may shorten the batch, but it is not pulled in front of a patient one.
//
// Costs come from Config.Cost, measured by the caller, or else from the run times seen in the last seconds. A learned cost is
// forgotten when it is not renewed: a cost that refuses everybody could otherwise never be proved wrong.
//
// # Invariants
//
//   - Every call of Do returns exactly once, with a result, the error of its own item's run, or the reason why there was no run.
//   - A caller that gives up never blocks a batch, and is never made to wait for one.
//   - The batcher calls Config.Release exactly once for each item given to Do, when it will not touch the item any more.
//   - An item shares the fate of its batch only if it succeeds. The items of a batch that failed run again one by one, so that
//     only the guilty one fails.
//   - No accepted item is lost by Drain, unless its context ends first.
//
// # Who owns an item's memory
//
// While a batch runs, its runner reads the items, and native code cannot be told to stop. A Do that waited for the end of a run
// after its context is over would keep a caller for nothing; a Do that returned and let the caller reuse the memory would let the
// runner read another request's pixels. So Do takes the item over: from the call on it belongs to the batcher, whatever Do
// returns, and it comes back through Release. That is before Do returns in all cases but one: when the caller gave up while
// its batch was running, Release is called by the runner at the end of that run.
package batching
