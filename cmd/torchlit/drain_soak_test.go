//go:build soak

package main

import "testing"

func TestSoakDrain(t *testing.T) { drains(t, 200) }
