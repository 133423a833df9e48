package train_test

import (
	"context"
	"os/signal"
	"syscall"
	"testing"
)

// signalContext ends by SIGTERM, as the command's does.
func signalContext(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return signal.NotifyContext(t.Context(), syscall.SIGTERM)
}
