package systest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatienceEndsWithoutProgressAndLongPatienceAlways(t *testing.T) {
	for _, tt := range []struct {
		name string
		grow time.Duration // what is waited for grows for so long
		want time.Duration
	}{
		{"nothing ever", 0, patience},
		{"progress, then nothing", 2*patience + time.Second, 3*patience + time.Second},
		{"progress for ever", 2 * longPatience, longPatience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				start := time.Now()
				done := make(chan struct{})
				defer func() { <-done }()
				go func() {
					defer close(done)
					for time.Since(start) < tt.grow {
						time.Sleep(patience / 3)
						n.Add(1)
					}
				}()
				ctx, cancel := whileItGoesOn(t.Context(), func() int { return int(n.Load()) })
				defer cancel()
				<-ctx.Done()
				if d := time.Since(start); d < tt.want-time.Second || d > tt.want+patience/3+time.Second {
					t.Errorf("it took %v, not %v", d, tt.want)
				}
				if context.Cause(ctx) == context.Canceled {
					t.Error("it has no cause")
				}
			})
		})
	}
}
