// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// newHistogram counts durations from a nanosecond to twice the longest that a
// request may take, with three significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(2*requestTimeout), 3)
}

// meter is a histogram that the handlers share.
type meter struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // guarded by mu
}

func newMeter() *meter { return &meter{histogram: newHistogram()} }

// since counts the time from start to now. A time out of range counts as the
// longest.
func (m *meter) since(start time.Time) {
	took := min(time.Since(start), 2*requestTimeout)
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.histogram.RecordValue(int64(took)) // in range
}

// take returns what was counted since the last take.
func (m *meter) take() *hdrhistogram.Histogram {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.histogram
	m.histogram = newHistogram()
	return taken
}
