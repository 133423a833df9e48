// Package smalldisk gives tests a disk that is soon full, or read-only.
package smalldisk
