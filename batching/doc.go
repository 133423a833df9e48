// Package batching groups items that callers hand in one by one into batches, runs each batch at once, and gives every caller
// its own answer. It knows nothing of what it batches.
//
// # The goal
//
// A model answers eight images in much less than eight times the time of one. Whoever waits for company gets throughput and pays
// for it in latency; whoever does not wait gets neither under load. And when more comes than can be served, whoever lets all of it
// in answers everybody too late. Three promises are to hold together:
//
//  1. A lone item never waits for company. Its added latency is two goroutine switches.
//  2. Under load the runners are always busy, with batches as large as the load, the deadlines and MaxBatch allow.
//  3. Under overload as much is answered in time as could be, what is let in is answered in time, and the rest hears no at once,
//     with the time when to come again.
//
// # The obvious way, and why not
//
// The obvious way is a collector: take the first item, start a timer, send when the batch is full or the timer fires. It breaks
// the first promise for every lone item, and it needs a delay that no operator can choose well: right for one load, it is wasted
// time at a lower one and too short at a higher one. The obvious bound for its queue is a number of items. That number too fits one
// model on one machine: where a batch takes half a second it lets in what is late already, and where one takes a millisecond it
// refuses what could have been served. And the obvious place to enforce a deadline is when an item is taken out of the queue, when
// its caller has waited for nothing.
//
// # The chosen way
//
// Nobody collects. Items stand in lines, and each runner, whenever it has nothing to do, takes from their heads whatever waits.
// While all runners are busy the lines grow by themselves, so the size of the next batch is the load: one item on a quiet server,
// MaxBatch on a flooded one. There is no timer. All decisions are made at two moments, under one lock, and all of them weigh
// deadlines against how long batches run.
//
//	Do ──▶ door ──▶ line of Normal ─┬▶ take ──▶ Runner.Run on its own OS thread ──▶ one-slot channel of each item ──▶ Do
//	        │  └──▶ line of Low ────┘   │
//	        │                           └ no time left, cancelled: answered without a run
//	        └ no room, no time: refused at once; caller gone: unlinked at once
//
// # How long batches run
//
// Config.Cost, measured when the model was warmed up, is where the costs begin; the runs correct it. Of each size the last five
// runs are kept, and their median counts, so that two outliers change nothing and three runs in a row change everything. Sizes in
// between are interpolated: with a given table its shape is kept, and only what the sizes seen say of it is applied, so one size
// that runs corrects all, up and down. A larger batch never takes less time; where runs contradict that, the newer are right.
// What is not seen for ten seconds is forgotten, and a cost that has refused everybody for a second, and can therefore not be proved
// wrong by a run, must let one item through as a probe.
//
// The typical run time decides how much gets done, but half of all runs take longer. A promise is given with the mean deviation
// added three times, as TCP does for its timers. Where every run takes equally long nothing is added. (See costs.)
//
// # The order of the lines
//
// Pure first-in, first-out makes an urgent item miss its deadline behind patient ones. Pure earliest-deadline-first lets a stream
// of urgent items keep a patient one waiting until it is urgent itself, perhaps half a minute later. Here each item is due at its
// deadline or when its patience ends (LatencyTarget or a second, or four of the largest batches), whichever is first, and the
// lines are in the order of that. Items without urgent deadlines keep the order they came in; an urgent one goes before them;
// and nobody is overtaken but by what comes within its patience.
//
// An item of Low priority is due eight times as late. Until then it runs when nothing of Normal waits, or in a place of a batch
// of Normal that costs less than an eighth of its time. A batch of Low alone takes hardly longer than a lone run, because one of
// Normal may come the next moment and cannot interrupt it; the longer Normal has been silent, the larger it may be. Once it is
// due it goes before all of Normal that is due later, so it is served under any load. A full queue refuses Low first, sends the
// last one of it away when Normal needs the place, and keeps one place in sixteen for it, so that something of Low is always
// growing older.
//
// # How many to take
//
// In this order:
//
//   - A dead item leaves first: its context is over, or it cannot meet its deadline even in a batch of its own, now. It is
//     answered with the context's error or ErrDeadline and costs no run.
//   - Never more than MaxBatch, nor, with a LatencyTarget, than what runs in half of it.
//   - When k runners are idle, each takes a k-th of what waits, provided that the smaller batch is markedly quicker than the
//     whole, or nothing is known; else one runner takes all and the others stay free for who comes next.
//   - If all in it meet their deadlines, that is the batch. Otherwise some sizes are tried in thought, each of which saves one more
//     of the urgent ones, and the one is taken by which the fewest are lost: in the batch, behind it, and, while the door refuses
//     some, for want of the throughput that small batches cost. So a batch is cut for one urgent item when the others have time,
//     and one that is as good as lost is not saved at the price of others.
//   - With Config.Buckets, a size between two of them is padded, or cut to the lower one if that way all of it is done sooner.
//
// # Who is let in
//
// The door runs the queue in thought: full batches, on the runner that is free first, each as long as nearly all such batches are
// at most. It refuses, with ErrBacklog, an item that would miss its deadline so, or make another miss one; and with ErrQueueFull
// what LatencyTarget has no time for, or MaxQueue no place. A caller who is refused has lost nothing but the way; one who is let
// in and then misses his deadline has also taken the time of others. So the door is rather too strict: under overload that costs
// nothing, because the queue then is shorter, not the batches smaller.
//
// Whoever has work to do before there is an item, such as decoding an image, asks the same question first (Refusal), and tells how
// many others are at that work, which are counted as if they waited, and how long its own will wait for it. When it is done the
// forecast is more lenient (DoAsked). So the work is seldom done for an item that is then refused.
//
// A refusal says when to come again: from how fast the queue drained in the last seconds, all that happens between runs included.
//
// # Invariants
//
//   - Every call of Do returns exactly once, with a result, the error of its own item's run, or the reason why there was no run.
//   - While anything waits, no runner is idle; of several idle ones the first is given work.
//   - A caller that gives up never blocks a batch, and is never made to wait for one.
//   - The batcher calls Config.Release exactly once for each item given to Do, when it will not touch the item any more.
//   - An item shares the fate of its batch only if it succeeds. The items of a batch that failed run again one by one, so that
//     only the guilty one fails.
//   - No accepted item is lost by Drain, unless its context ends first.
//   - A served item costs no allocation.
//
// # Who owns an item's memory
//
// While a batch runs, its runner reads the items, and native code cannot be told to stop. A Do that waited for the end of a run
// after its context is over would keep a caller for nothing; a Do that returned and let the caller reuse the memory would let the
// runner read another request's pixels. So Do takes the item over: from the call on it belongs to the batcher, whatever Do
// returns, and it comes back through Release. That is before Do returns in all cases but one: when the caller gave up while
// its batch was running, Release is called by the runner at the end of that run.
package batching
