// SPDX-License-Identifier: MIT

package lock

import (
	"context"
	"time"
)

// Gate is a wait for something that happens once: it is closed when made, and
// Open lets everybody through for good.
type Gate struct {
	ch chan struct{}
}

// NewGate returns a closed gate.
func NewGate() *Gate {
	return &Gate{ch: make(chan struct{})}
}

// Open lets all waiters through, now and later. It must be called once.
func (g *Gate) Open() {
	yield()
	close(g.ch)
}

// Wait blocks until the gate is open or the context has ended, and returns the
// context's error in the second case. An open gate wins over an ended context.
func (g *Gate) Wait(ctx context.Context) error {
	yield()
	until(func() bool { return g.isOpen() || ctx.Err() != nil })
	if g.isOpen() {
		return nil
	}
	select {
	case <-g.ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Gate) isOpen() bool {
	select {
	case <-g.ch:
		return true
	default:
		return false
	}
}

// Signal wakes one sleeper early. Signals sent while nobody sleeps are folded
// into one, which cuts the next sleep short. At most one goroutine may sleep at a
// time.
type Signal struct {
	ch    chan struct{}
	timer *time.Timer // the sleeper's, made with the first sleep and used again
}

// NewSignal returns a signal that has not been sent.
func NewSignal() *Signal {
	return &Signal{ch: make(chan struct{}, 1)}
}

// Send wakes the sleeper. It never blocks.
func (s *Signal) Send() {
	yield()
	select {
	case s.ch <- struct{}{}:
	default:
	}
}

// Sleep blocks for d or until a signal comes.
func (s *Signal) Sleep(d time.Duration) {
	yield()
	if sleepless() {
		return
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	select {
	case <-s.ch:
		s.timer.Stop()
	case <-s.timer.C:
	}
}
