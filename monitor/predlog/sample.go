package predlog

import "math"

// Which answers are logged, and of which more is kept, is decided by a hash of the request's id. The same id gives the same
// decision in every process and at every time, so nothing needs to be remembered to say later that an answer was left out.

// Salts make the three decisions independent of each other.
const (
	saltAnswer  = 0x9e3779b97f4a7c15
	saltVector  = 0xbf58476d1ce4e5b9
	saltPicture = 0x94d049bb133111eb
)

// share is a share of all ids as a bound of their hashes.
type share struct {
	salt, below uint64
	all         bool
}

func newShare(of float64, salt uint64) share {
	if of >= 1 {
		return share{all: true}
	}
	return share{salt: salt, below: uint64(of * math.MaxUint64)}
}

func (s share) has(hash uint64) bool { return s.all || mix(hash^s.salt) < s.below }

// hashOf is FNV-1a: short and the same everywhere.
func hashOf(id string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}

// mix spreads what FNV leaves in the low bits over all: the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
