//go:build !linux && !darwin

package main

import "errors"

func reusePort(int) error {
	return errors.New("this system cannot share a port; leave out --reuse-port")
}
