package imageloader

import "math/rand"

// shuffle mixes a stream through a buffer. What it draws, and in which order, is
// gotorch's, so that a seed means the same order as there; hence also the first
// version of math/rand.
type shuffle struct {
	lots   *rand.Rand
	buffer []sample
	size   int
}

func newShuffle(size int, seed int64) *shuffle {
	return &shuffle{lots: rand.New(rand.NewSource(seed)), size: max(size, 1)}
}

// exchange takes a sample in and, once the buffer is full, puts another one out.
func (s *shuffle) exchange(in sample) (out sample, full bool) {
	if len(s.buffer) < s.size {
		s.buffer = append(s.buffer, in)
		return sample{}, false
	}
	i := s.lots.Intn(len(s.buffer))
	out, s.buffer[i] = s.buffer[i], in
	return out, true
}

// rest returns what is in the buffer when the stream has ended.
func (s *shuffle) rest() []sample {
	s.lots.Shuffle(len(s.buffer), func(i, j int) { s.buffer[i], s.buffer[j] = s.buffer[j], s.buffer[i] })
	return s.buffer
}
