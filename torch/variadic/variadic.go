// Package variadic reads optional arguments by name. A function of gotorch that
// has some takes a variadic list of maps, of which callers pass none or one:
//
//	torch.Sum(x, map[string]interface{}{"dim": 1, "keepDim": true})
//
// Only the first map counts. The functions only read, so any number of
// goroutines may call them at once.
package variadic

// Has tells whether the caller gave the option key, be its value nil.
func Has(opts []map[string]interface{}, key string) bool {
	_, given := Lookup(opts, key)
	return given
}

// Get returns the option key, or dft[0] when the caller did not give it, or nil
// when there is no dft either. A given nil stays nil.
//
// The default counts also for a caller that passed no map at all. In gotorch it
// did not, and a type assertion on the result panicked.
func Get(opts []map[string]interface{}, key string, dft ...interface{}) interface{} {
	if value, given := Lookup(opts, key); given || len(dft) == 0 {
		return value
	}
	return dft[0]
}

// Lookup returns the option key and whether the caller gave it.
func Lookup(opts []map[string]interface{}, key string) (interface{}, bool) {
	if len(opts) == 0 {
		return nil, false
	}
	value, given := opts[0][key]
	return value, given
}
