//go:build !linux && !darwin

package modeldir

import "errors"

// exchange swaps two names in one step, which is not done here.
func exchange(string, string) error { return errors.ErrUnsupported }
