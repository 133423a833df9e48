package dist

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

func TestReadEnv(t *testing.T) {
	f := func(vars map[string]string, want Env) {
		t.Helper()
		got, err := readEnv(func(name string) string { return vars[name] })
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	f(nil, Env{Size: 1, LocalSize: 1})
	f(map[string]string{"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "fd00::1", "MASTER_PORT": "29500",
		"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2"},
		Env{Rank: 3, Size: 8, LocalRank: 1, LocalSize: 2, Addr: "[fd00::1]:29500", Hosted: true, Attempt: 2})
	f(map[string]string{"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1", "TORCHELASTIC_USE_AGENT_STORE": "False"},
		Env{Rank: 1, Size: 2, LocalSize: 1, Addr: "a:1"})
	f(map[string]string{"RANK": "0", "WORLD_SIZE": "1"}, Env{Size: 1, LocalSize: 1})
	f(map[string]string{"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
		Env{Rank: 1, Size: 4, LocalRank: 1, LocalSize: 2, MPI: true})
}

func TestReadEnvRefuses(t *testing.T) {
	f := func(why string, vars map[string]string) {
		t.Helper()
		_, err := readEnv(func(name string) string { return vars[name] })
		require.ErrorContains(t, err, why)
	}
	f("WORLD_SIZE is not set; start the ranks with 'torchlit launch'", map[string]string{"RANK": "0"})
	f("RANK is not set", map[string]string{"WORLD_SIZE": "2"})
	f("MASTER_ADDR is not set", map[string]string{"RANK": "0", "WORLD_SIZE": "2"})
	f(`MASTER_PORT="http": give a number of 1 to 65535`, map[string]string{"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "http"})
	f("rank 2 of 2", map[string]string{"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"})
	f("local rank 1 of 1", map[string]string{"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1", "LOCAL_RANK": "1"})
}

func TestEnvDevice(t *testing.T) {
	cuda := torch.NewDevice("cuda")
	f := func(e Env, d, want torch.Device) {
		t.Helper()
		got, err := e.Device(d)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	f(Env{Size: 4, LocalRank: 3}, cuda, torch.NewDevice("cuda:3"))
	f(Env{Size: 4, LocalRank: 3}, torch.Device{}, torch.Device{})
	f(Env{Size: 1}, torch.NewDevice("cuda:2"), torch.NewDevice("cuda:2"))
	_, err := Env{Size: 2}.Device(torch.NewDevice("cuda:0"))
	assert.ErrorContains(t, err, "say cuda without a number")
}

func TestOptions(t *testing.T) {
	cuda := torch.NewDevice("cuda:1")
	f := func(e Env, o Options, want string) {
		t.Helper()
		got, err := o.withDefaults(e)
		require.NoError(t, err)
		assert.Equal(t, want, got.Backend)
	}
	f(Env{}, Options{}, Ring)
	f(Env{MPI: true}, Options{}, MPI)
	f(Env{MPI: true}, Options{Device: cuda}, NCCL)
	f(Env{}, Options{Device: cuda}, NCCL)

	refused := func(e Env, o Options, why string) {
		t.Helper()
		_, err := o.withDefaults(e)
		assert.ErrorContains(t, err, why)
	}
	refused(Env{}, Options{Backend: "gloo"}, `backend "gloo": use ring, mpi or nccl`)
	refused(Env{}, Options{Backend: NCCL}, "backend nccl on the CPU")
	refused(Env{}, Options{Backend: Ring, Device: cuda}, "use nccl")
	refused(Env{}, Options{Backend: MPI}, "not started by mpirun")
	refused(Env{MPI: true}, Options{Backend: Ring}, "use mpi")
}
