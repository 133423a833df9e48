package predict

import (
	"testing"
	"testing/synctest"
)

func TestCrewFitsTheMachine(t *testing.T) {
	f := func(cpus, runners, each, alone int) {
		t.Helper()
		c := newCrew(cpus, runners)
		if c.each != each || c.alone != alone {
			t.Errorf("%d CPUs, %d runners: got %d threads each, %d alone; want %d, %d", cpus, runners, c.each, c.alone, each, alone)
		}
		if teams := 1 + (c.alone - 1) + (runners-1)*(c.each-1); teams > max(cpus, runners) {
			t.Errorf("%d CPUs, %d runners: the teams have %d threads", cpus, runners, teams)
		}
	}
	f(1, 1, 1, 1)
	f(2, 1, 2, 2)
	f(2, 2, 1, 2)
	f(2, 5, 1, 2)
	f(3, 2, 1, 3)
	f(4, 2, 2, 3)
	f(8, 2, 4, 5)
	f(16, 4, 4, 7)
	f(64, 16, 4, 8)
	f(64, 1, 8, 8)
}

// crewOf returns the members of a crew on two CPUs.
func crewOf(t *testing.T) (lead, other *member) {
	c := newCrew(2, 2)
	return &member{crew: c, lead: true, has: c.alone}, &member{crew: c, has: c.each}
}

func mustJoin(t *testing.T, m *member, threads int) {
	t.Helper()
	if err := m.join(); err != nil {
		t.Fatal(err)
	}
	if m.has != threads {
		t.Fatalf("a runner has %d threads; want %d", m.has, threads)
	}
}

// What comes while the lead has all CPUs waits, and then both have one.
func TestCrewWaitsForALoneLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lead, other := crewOf(t)
		mustJoin(t, lead, 2)
		began := false
		go func() {
			mustJoin(t, other, 1)
			began = true
		}()
		synctest.Wait()
		if began {
			t.Fatal("the other computes beside a lead that has all CPUs")
		}
		lead.leave()
		mustJoin(t, lead, 1) // before the other has even woken
		synctest.Wait()
		if !began {
			t.Fatal("the other still waits")
		}
		other.leave()
		lead.leave()
		mustJoin(t, lead, 2)
		lead.leave()
	})
}

func TestCrewMembersNeedNoOrder(t *testing.T) {
	lead, other := crewOf(t)
	mustJoin(t, other, 1)
	mustJoin(t, lead, 1)
	mustJoin(t, lead, 1) // again, as Enter and Run do
	other.leave()
	lead.leave()
	lead.leave()
	if busy := lead.crew.busy; busy != 0 {
		t.Fatalf("%d runners compute after all have left", busy)
	}
	var none *member
	if err := none.join(); err != nil {
		t.Fatal(err)
	}
	none.leave()
}
