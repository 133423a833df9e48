//go:build soak

package main

import "testing"

func TestSoakDrains(t *testing.T) { drains(t, 200) }
