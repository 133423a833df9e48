//go:build interop

package pretrained

// DefaultTags shows the table to the test that compares it with timm's.
func DefaultTags() map[string]string { return defaultTags() }
