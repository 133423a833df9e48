// Package process has what all who start processes want to be sure of.
package process
