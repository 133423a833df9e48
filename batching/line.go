package batching

import "sort"

// line holds the items of one priority in the order in which they are due.
//
// It is a sorted slice that loses its first elements cheaply. Nearly every item is due after all others, because what has no
// urgent deadline is due a fixed time after it came: such an item is appended. An urgent one moves those behind it by one place,
// which is a memmove. A heap would be as quick, but it has no order to look ahead in, and looking ahead is what choosing a batch
// and refusing at the door are made of.
type line[In, Out any] struct {
	slots []*item[In, Out] // slots[first:] wait
	first int
}

func (l *line[In, Out]) len() int { return len(l.slots) - l.first }

// items returns what waits, in order. It is valid until the line changes.
func (l *line[In, Out]) items() []*item[In, Out] { return l.slots[l.first:] }

// before reports whether a goes before b.
func before[In, Out any](a, b *item[In, Out]) bool {
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}

// place returns how many items go before it.
func (l *line[In, Out]) place(it *item[In, Out]) int {
	items := l.items()
	if n := len(items); n == 0 || before(items[n-1], it) {
		return n
	}
	return sort.Search(len(items), func(i int) bool { return !before(items[i], it) })
}

// insert puts it into place i.
func (l *line[In, Out]) insert(i int, it *item[In, Out]) {
	if len(l.slots) == cap(l.slots) && l.first > len(l.slots)/2 { // Else it grows: moving all for each would be dear.
		n := copy(l.slots, l.items())
		clear(l.slots[n:])
		l.slots, l.first = l.slots[:n], 0
	}
	l.slots = append(l.slots, it)
	if items := l.items(); i < len(items)-1 {
		copy(items[i+1:], items[i:])
		items[i] = it
	}
}

// remove takes the item at place i out and marks it taken.
func (l *line[In, Out]) remove(i int) {
	items := l.items()
	items[i].state.Store(taken)
	if i == 0 {
		items[0] = nil
		l.first++
	} else {
		copy(items[i:], items[i+1:])
		items[len(items)-1] = nil
		l.slots = l.slots[:len(l.slots)-1]
	}
	l.rewind()
}

// sweep takes out, of the first n items, those that are marked taken.
func (l *line[In, Out]) sweep(n int) {
	items := l.items()
	kept := n
	for i := n - 1; i >= 0; i-- {
		if items[i].state.Load() == waiting {
			kept--
			items[kept] = items[i]
		}
	}
	clear(items[:kept])
	l.first += kept
	l.rewind()
}

func (l *line[In, Out]) rewind() {
	if l.first == len(l.slots) {
		l.slots, l.first = l.slots[:0], 0
	}
}
