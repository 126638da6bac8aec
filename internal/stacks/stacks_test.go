// SPDX-License-Identifier: MIT

package stacks

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/lock"
)

func TestWhoGoesOnIsNotSettled(t *testing.T) {
	require.True(t, Settle(10*time.Second), "nobody else is here")
	var stop lock.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for !stop.Load() {
			lock.Yield()
		}
	}()
	require.False(t, Settle(20*time.Millisecond))
	stop.Store(true)
	<-stopped
	require.True(t, Settle(10*time.Second))
}

// Each begins after the caller's last step, and has not come to where it waits: one that
// did not wait for it would see none of them there.
func TestAllAreWhereTheyWait(t *testing.T) {
	var mu sync.Mutex
	for range 50 {
		mu.Lock()
		gate := make(chan struct{})
		var arrived lock.Int64
		var ended sync.WaitGroup
		for i := range 30 {
			ended.Go(func() {
				for range 100 {
					lock.Yield()
				}
				arrived.Add(1)
				switch i % 3 {
				case 0:
					<-gate
				case 1:
					mu.Lock()
					mu.Unlock()
				case 2:
					select {
					case <-gate:
					case <-time.After(time.Hour):
					}
				}
			})
		}
		require.True(t, Settle(10*time.Second))
		require.EqualValues(t, 30, arrived.Load())
		close(gate)
		mu.Unlock()
		ended.Wait()
	}
}

func TestTheNetworkMayAnswer(t *testing.T) {
	ours, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = ours.Accept()
	}()
	require.Eventually(t, func() bool {
		return len(Others()) > 0 && strings.Contains(strings.Join(Others(), "\n"), "[IO wait")
	}, 10*time.Second, time.Millisecond)
	require.False(t, Settle(time.Millisecond))
	require.NoError(t, ours.Close())
	<-ended
}

func TestStates(t *testing.T) {
	for header, want := range map[string]bool{
		"goroutine 1 [running]:":                                          true,
		"goroutine 22 [runnable, 3 minutes]:":                             true,
		"goroutine 3 [syscall, locked to thread]:":                        true,
		"goroutine 4 [IO wait]:":                                          true,
		"goroutine 5 [chan receive, 2 minutes]:":                          false,
		"goroutine 6 [sync.Mutex.Lock]:":                                  false,
		"goroutine 7 [select (no cases)]:":                                false,
		"goroutine 8 [sleep]:":                                            false,
		"goroutine 9 [sync.WaitGroup.Wait (durable), synctest bubble 1]:": false,
	} {
		require.Equal(t, want, active(header+"\nmain.main()\n"), header)
	}
}
