// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testWorkload(t *testing.T, n, requests int) *workload {
	t.Helper()
	w := zipfWorkload(1, 1, n, requests)
	var err error
	w.sums, _, err = checksums(1, w.keys)
	require.NoError(t, err)
	return w
}

func TestReplaySendsEveryRequestOnce(t *testing.T) {
	t.Parallel()
	w := testWorkload(t, 20, 3000)
	svc := testService(t, 0, w.keys...)
	var last atomic.Int64
	result, err := replay(t.Context(), svc.addr, w, w.measured, 7, func(done int) { last.Store(int64(done)) })
	require.NoError(t, err)
	assert.EqualValues(t, 3000, svc.store.Queries())
	assert.EqualValues(t, 3000, result.latency.TotalCount())
	assert.EqualValues(t, 3000, last.Load())
	assert.Positive(t, result.elapsed)
	assert.Positive(t, result.latency.ValueAtPercentile(50))
}

func TestReplayFailsOnAWrongAnswer(t *testing.T) {
	t.Parallel()
	w := testWorkload(t, 20, 1000)
	victim := w.keys[w.measured[500]]
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, right Product)
		want   string
	}{
		{"status", func(w http.ResponseWriter, _ Product) { http.Error(w, "no", http.StatusInternalServerError) }, "status 500"},
		{"payload", func(w http.ResponseWriter, p Product) { p.PriceCents++; writeJSON(w, p) }, "wrong answer"},
		{"id", func(w http.ResponseWriter, p Product) { p.ID++; writeJSON(w, p) }, "wrong answer"},
		{"another product", func(w http.ResponseWriter, p Product) { writeJSON(w, makeProduct(1, p.ID+1).Product) }, "wrong answer"},
		{"empty", func(w http.ResponseWriter, _ Product) { w.WriteHeader(http.StatusOK) }, "wrong answer"},
		{"cut short", func(http.ResponseWriter, Product) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("GET /product/{id}", func(rw http.ResponseWriter, r *http.Request) {
				id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
				assert.NoError(t, err)
				if right := makeProduct(1, id).Product; id == victim {
					test.answer(rw, right)
				} else {
					writeJSON(rw, right)
				}
			})
			server := httptest.NewServer(mux)
			defer server.Close()
			_, err := replay(t.Context(), server.Listener.Addr().String(), w, w.measured, 1, nothing)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestReplayStopsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	w := testWorkload(t, 20, 100)
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(stopped)
		<-r.Context().Done() // never answers
	}))
	defer server.Close()
	_, err := replay(ctx, server.Listener.Addr().String(), w, w.measured, 4, nothing)
	require.ErrorIs(t, err, stopped)
}

func TestReplayWithoutAServiceFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	addr := server.Listener.Addr().String()
	server.Close()
	w := testWorkload(t, 2, 10)
	_, err := replay(t.Context(), addr, w, w.measured, 2, nothing)
	require.ErrorContains(t, err, addr)
}
