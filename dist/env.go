package dist

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"

	"github.com/torchlit/torchlit/torch"
)

// Env is a process's place among the ranks.
type Env struct {
	Rank, Size           int
	LocalRank, LocalSize int // among the ranks on this machine
	// Addr is host:port of the store where the ranks meet: MASTER_ADDR and
	// MASTER_PORT. It is empty for a single process and under mpirun.
	Addr string
	// Hosted tells that the launcher hosts the store; otherwise rank 0 does.
	Hosted bool
	// Attempt counts how often the launcher has started the ranks again.
	Attempt int
	// MPI tells that mpirun started this process.
	MPI bool
}

// FromEnvironment reads what torchrun, 'torchlit launch' or mpirun left in the
// environment: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR,
// MASTER_PORT, and torchrun's TORCHELASTIC_USE_AGENT_STORE and
// TORCHELASTIC_RESTART_COUNT; or OMPI_COMM_WORLD_RANK and its like. LOCAL_RANK and
// LOCAL_WORLD_SIZE may be absent: then the ranks are one a machine. Without any of it
// the process is a single one, of size 1.
func FromEnvironment() (Env, error) { return readEnv(os.Getenv) }

func readEnv(get func(string) string) (Env, error) {
	r := envReader{get: get}
	var e Env
	switch {
	case get("RANK") != "" || get("WORLD_SIZE") != "":
		e = Env{
			Size: r.number("WORLD_SIZE", 1, maxRanks), Rank: r.number("RANK", 0, maxRanks),
			LocalRank: r.optional("LOCAL_RANK", 0), LocalSize: r.optional("LOCAL_WORLD_SIZE", 1),
			Hosted: get("TORCHELASTIC_USE_AGENT_STORE") == "True", Attempt: r.optional("TORCHELASTIC_RESTART_COUNT", 0),
		}
		if r.err == nil && e.Size > 1 {
			e.Addr = net.JoinHostPort(r.text("MASTER_ADDR"), strconv.Itoa(r.number("MASTER_PORT", 1, 65535)))
		}
	case get("OMPI_COMM_WORLD_SIZE") != "":
		e = Env{
			Size: r.number("OMPI_COMM_WORLD_SIZE", 1, maxRanks), Rank: r.number("OMPI_COMM_WORLD_RANK", 0, maxRanks),
			LocalRank: r.optional("OMPI_COMM_WORLD_LOCAL_RANK", 0), LocalSize: r.optional("OMPI_COMM_WORLD_LOCAL_SIZE", 1),
			MPI: true,
		}
	default:
		return Env{Size: 1, LocalSize: 1}, nil
	}
	switch {
	case r.err != nil:
		return e, r.err
	case e.Rank >= e.Size:
		return e, fmt.Errorf("cannot be rank %d of %d: ranks count from 0 to the world size less 1; correct RANK or WORLD_SIZE", e.Rank, e.Size)
	case e.LocalRank >= max(e.LocalSize, 1):
		return e, fmt.Errorf("cannot be local rank %d of %d: correct LOCAL_RANK or LOCAL_WORLD_SIZE", e.LocalRank, e.LocalSize)
	}
	return e, nil
}

const maxRanks = 1 << 16

// envReader reads variables; its first error stays.
type envReader struct {
	get func(string) string
	err error
}

func (r *envReader) text(name string) string {
	v := r.get(name)
	if v == "" && r.err == nil {
		r.err = fmt.Errorf("cannot find the other ranks: %s is not set; start the ranks with 'torchlit launch' or torchrun, or set it", name)
	}
	return v
}

func (r *envReader) number(name string, least, most int) int {
	v := r.text(name)
	if r.err != nil {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		r.err = fmt.Errorf("cannot use %s=%q: give a number of %d to %d", name, v, least, most)
	}
	return n
}

func (r *envReader) optional(name string, otherwise int) int {
	if r.get(name) == "" {
		return otherwise
	}
	return r.number(name, 0, maxRanks)
}

// Threads is a fair share of this machine's CPUs for each of its ranks, at least 1.
func (e Env) Threads() int { return max(1, runtime.NumCPU()/max(1, e.LocalSize)) }

// Device is the device of this rank when the ranks of a machine each take one: cuda
// stands for cuda:0 on local rank 0, cuda:1 on the next, and so on. The CPU, and a
// device given by its number to a single process, stay as they are.
func (e Env) Device(d torch.Device) (torch.Device, error) {
	kind, index := torch.DeviceNumbers(d)
	if kind == 0 || e.Size == 1 {
		return d, nil
	}
	if index >= 0 {
		return d, fmt.Errorf("cannot put %d ranks on one device: say cuda without a number, and each takes its own", e.Size)
	}
	return torch.ParseDevice(fmt.Sprintf("cuda:%d", e.LocalRank))
}
