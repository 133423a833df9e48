package bench

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// desk is a server of fake time that does one request after the other, each in the same time.
func desk(service time.Duration) *simulated {
	free := make(chan struct{}, 1)
	return &simulated{serve: func(uint64) Reply {
		free <- struct{}{}
		time.Sleep(service)
		<-free
		return Reply{Outcome: Answered, Images: 1}
	}}
}

// Requests that arrive as they like and take one unit of time each (M/D/1) wait, at a share ρ of the capacity, for longer than t
// with the probability (1-ρ)/(ρe^θ-1)·e^(-θt), where ρ(e^θ-1) = θ. For t = 4 that is 1 % at ρ = 0.56.
func TestFindMaxOfAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried []float64
		r, err := FindMax(context.Background(), desk(5*time.Millisecond),
			faked(Load{Seed: 3, Warmup: time.Second, Duration: 2 * time.Minute, Connections: 500}),
			Search{P99: 25 * time.Millisecond, Trying: func(rate float64) { tried = append(tried, rate) }})
		require.NoError(t, err)
		assert.InDelta(t, 112, r.Found.Rate, 7)
		assert.Equal(t, r.Found.Rate, r.Rate)
		assert.LessOrEqual(t, r.Latency.P99, 25.0)
		assert.False(t, r.Found.ClientLimited)
		require.GreaterOrEqual(t, len(r.Found.Steps), 4)
		assert.Len(t, tried, 1+len(r.Found.Steps))
		assert.InDelta(t, 100, tried[1], 1, "half of what one client gets through")

		lowestBroken := r.Found.Rate * 10
		for _, s := range r.Found.Steps {
			assert.Equal(t, s.Kept, s.Why == "")
			if !s.Kept {
				lowestBroken = min(lowestBroken, s.Rate)
			}
		}
		assert.Greater(t, lowestBroken, r.Found.Rate)
		assert.LessOrEqual(t, lowestBroken, r.Found.Rate*1.0501)
	})
}

// What is refused is not served, however quickly.
func TestFindMaxOfADoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, n := time.Now(), 0
		door := &simulated{serve: func(uint64) Reply {
			time.Sleep(500 * time.Microsecond)
			if now := time.Now(); now.Sub(second) >= time.Second {
				second, n = now, 0
			}
			if n++; n > 400 {
				return Reply{Outcome: Refused}
			}
			return Reply{Outcome: Answered, Images: 1}
		}}
		r, err := FindMax(context.Background(), door, faked(Load{Rate: 50, Warmup: 2 * time.Second, Arrivals: Uniform, Duration: 5 * time.Second}), Search{P99: time.Millisecond})
		require.NoError(t, err)
		assert.InDelta(t, 400, r.Found.Rate, 25)
		broken := 0
		for _, s := range r.Found.Steps {
			if !s.Kept {
				assert.Contains(t, s.Why, "not served")
				broken++
			}
		}
		assert.Positive(t, broken)
	})
}

// A bound that no rate keeps.
func TestFindMaxFindsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := FindMax(context.Background(), desk(5*time.Millisecond), faked(Load{Rate: 1, Duration: time.Second}), Search{P99: time.Millisecond})
		require.NoError(t, err)
		assert.Zero(t, r.Found.Rate)
		assert.Empty(t, r.Found.Steps, "one client alone has waited too long")
		assert.InDelta(t, 5, r.Latency.P50, 0.1, "it says how long it took")
	})
}

// The server has no limit here, only the client has.
func TestFindMaxAtTheClientsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &simulated{serve: func(uint64) Reply { time.Sleep(20 * time.Millisecond); return Reply{Outcome: Answered, Images: 1} }}
		r, err := FindMax(context.Background(), slow, faked(Load{Connections: 10, Arrivals: Uniform, Duration: 10 * time.Second}), Search{P99: 25 * time.Millisecond})
		require.NoError(t, err)
		assert.InDelta(t, 490, r.Found.Rate, 30)
		assert.True(t, r.Found.ClientLimited)
	})
}

func TestFindMaxOfADeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &simulated{serve: func(uint64) Reply { return Reply{Outcome: Failed, Kind: "connection_refused"} }}
		_, err := FindMax(context.Background(), dead, faked(Load{Duration: time.Second}), Search{P99: time.Second})
		assert.ErrorContains(t, err, "answers nothing")
		_, err = FindMax(context.Background(), dead, faked(Load{Duration: time.Second}), Search{})
		assert.ErrorContains(t, err, "needs a bound")
	})
}
