package server

import "sync/atomic"

// Holds counts the requests that hold one loading of a model, so that whoever loaded it knows when it may be freed:
// SetModels lets go of a model that it is not given again, and Released is closed when the last request that
// took it before is answered. Make one with NewHolds for each loading, never for two.
//
// A request takes its hold before it reads its body and gives it back after its last metric was counted. Between
// finding a model in the catalog and holding it, SetModels may let go of it; then hold says no, and the request looks
// once more, into the catalog that is in place by then. So no request ever meets a model that is being drained.
type Holds struct {
	state    atomic.Int64 // how many hold it, and the bit letGo
	released chan struct{}
}

const letGo = 1 << 62

// NewHolds returns the count of a model that nobody holds yet.
func NewHolds() *Holds { return &Holds{released: make(chan struct{})} }

// Released is closed when the server has let go of the model and its last request is answered.
func (h *Holds) Released() <-chan struct{} { return h.released }

// hold takes one hold. It reports false when the server has let go of the model.
func (h *Holds) hold() bool {
	for {
		n := h.state.Load()
		if n&letGo != 0 {
			return false
		}
		if h.state.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (h *Holds) unhold() {
	if h.state.Add(-1) == letGo {
		close(h.released)
	}
}

// LetGo refuses every later hold. SetModels calls it for the models that it is not given again; whoever loaded a model
// that it never gives to SetModels may. A second call does nothing.
func (h *Holds) LetGo() {
	if h.state.Or(letGo) == 0 {
		close(h.released)
	}
}

// lease is one request's hold on the model that answers it, and on the one that answers beside it, if any. The zero
// value holds nothing.
type lease struct {
	*served
	shadow *shadowing // nil for none
	list   string     // for the prediction log, see monitor.Answer
}

// release gives the holds back. Nothing of the model may be used after it.
func (l lease) release() {
	if l.served != nil {
		l.unhold()
	}
	if l.shadow != nil {
		l.shadow.unhold()
	}
}

// hold takes a hold on m; a model without Holds is never freed.
func (m *served) hold() bool { return m.Holds == nil || m.Holds.hold() }

// again takes one more hold on m, which the caller holds.
func (m *served) again() {
	if m.Holds != nil {
		m.Holds.state.Add(1)
	}
}

func (m *served) unhold() {
	if m.Holds != nil {
		m.Holds.unhold()
	}
}
