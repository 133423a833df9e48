package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

// Node is what one server can do.
type Node struct {
	Costs    sim.Table // how long a batch runs while all runners do
	MaxBatch int
	Runners  int     // batches that run at once; 0: one
	MaxQueue int     // images that wait, negative: none may; 0: as torchlit serve has it, four full batches for each runner and at least 128
	Noise    float64 // standard deviation of the logarithm of a run's time

	vary func(cost time.Duration, rnd *rand.Rand) time.Duration // in place of Noise, for the queues of theory
}

// Capacity returns the most images a second that the node can do, whatever the batch.
func (n Node) Capacity() float64 {
	return float64(max(1, n.Runners)) * sim.Machine{Costs: n.Costs, MaxBatch: n.MaxBatch}.Capacity()
}

// Slower returns the node with only this share of its speed: what is left when the same processors also speak HTTP and decode.
func (n Node) Slower(share float64) Node {
	n.Costs = slices.Clone(n.Costs)
	for i := range n.Costs {
		n.Costs[i].Took = time.Duration(float64(n.Costs[i].Took) / share)
	}
	return n
}

// ReadProfile reads measured costs: what "torchlit bench --engine --batch N --json" prints for several N, one after the other, or
// lines of size,seconds as sim.ReadTable does. Only the former know the number of runners.
func ReadProfile(r io.Reader) (Node, error) {
	in := bufio.NewReader(r)
	for {
		b, err := in.Peek(1)
		if err != nil || b[0] != ' ' && b[0] != '\n' && b[0] != '\r' && b[0] != '\t' {
			break
		}
		in.Discard(1)
	}
	if b, err := in.Peek(1); err != nil || b[0] != '{' {
		costs, err := sim.ReadTable(in)
		return Node{Costs: costs, Runners: 1}, err
	}
	var n Node
	for d := json.NewDecoder(in); ; {
		var run struct {
			Batch   int `json:"batch"`
			Runners int `json:"runners"`
			Latency struct {
				P50 float64 `json:"p50"`
			} `json:"latency_ms"`
		}
		if err := d.Decode(&run); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Node{}, fmt.Errorf("cannot read profile: %w", err)
		}
		took := time.Duration(run.Latency.P50 * float64(time.Millisecond))
		if run.Batch < 1 || run.Runners < 1 || took <= 0 || took > time.Hour {
			return Node{}, errors.New("cannot read profile: want what torchlit bench --engine --json prints: batch, runners and latency_ms.p50")
		}
		if n.Runners != 0 && n.Runners != run.Runners {
			return Node{}, fmt.Errorf("cannot use profile: it has runs of %d and of %d runners; measure all sizes with the same --runners", n.Runners, run.Runners)
		}
		n.Runners = run.Runners
		n.Costs = append(n.Costs, sim.Point{Size: run.Batch, Took: took})
	}
	slices.SortFunc(n.Costs, func(a, b sim.Point) int { return a.Size - b.Size })
	for i := 1; i < len(n.Costs); i++ {
		if n.Costs[i].Size == n.Costs[i-1].Size {
			return Node{}, fmt.Errorf("cannot use profile: batches of %d are in it twice", n.Costs[i].Size)
		}
	}
	return n, nil
}
