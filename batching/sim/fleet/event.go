package fleet

import "time"

// event is something that happens at a moment; of several at the same moment the first that was planned is first.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// agenda is a heap of events. (container/heap would allocate for each.)
type agenda struct {
	events []event
	seq    uint64
}

func (a *agenda) add(at time.Duration, do func()) {
	a.seq++
	a.events = append(a.events, event{at, a.seq, do})
	for i := len(a.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !a.events[i].before(a.events[up]) {
			break
		}
		a.events[i], a.events[up] = a.events[up], a.events[i]
		i = up
	}
}

// next returns the moment of the first event.
func (a *agenda) next() (at time.Duration, ok bool) {
	if len(a.events) == 0 {
		return 0, false
	}
	return a.events[0].at, true
}

func (a *agenda) take() event {
	first, last := a.events[0], len(a.events)-1
	a.events[0], a.events[last] = a.events[last], event{}
	a.events = a.events[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && a.events[child].before(a.events[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		a.events[i], a.events[least] = a.events[least], a.events[i]
		i = least
	}
}
