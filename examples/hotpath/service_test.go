// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testService(t *testing.T, capacity int, keys ...uint64) *service {
	t.Helper()
	svc, err := startService(t.Context(), testStore(t, keys...), "127.0.0.1:0", capacity)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, svc.stop()) })
	return svc
}

// send asks for url; the caller closes the body of the answer.
func send(t *testing.T, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	return response
}

// get returns status and body of the answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response := send(t, url)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(body)
}

func TestAnswersAreTheSameWithAndWithoutCache(t *testing.T) {
	t.Parallel()
	plain, cached := testService(t, 0, 1, 2, 1<<63), testService(t, 10, 1, 2, 1<<63)
	for _, id := range []string{"1", "2", "9223372036854775808", "3", "word", "-1"} {
		wantStatus, want := get(t, "http://"+plain.addr+"/product/"+id)
		for range 2 { // a miss, then a hit
			status, got := get(t, "http://"+cached.addr+"/product/"+id)
			assert.Equal(t, wantStatus, status, id)
			assert.Equal(t, want, got, id)
		}
	}
}

func TestHitsDoNotAskTheDatabase(t *testing.T) {
	t.Parallel()
	svc := testService(t, 10, 1, 2)
	for range 5 {
		for _, id := range []string{"1", "2"} {
			status, _ := get(t, "http://"+svc.addr+"/product/"+id)
			require.Equal(t, http.StatusOK, status)
		}
	}
	status, body := get(t, "http://"+svc.addr+"/stats")
	require.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"database_queries": 2, "hits": 8, "misses": 2, "loads": 2, "entries": 2}`, body)
}

func TestMissingProductIsAskedForEachTime(t *testing.T) {
	t.Parallel()
	svc := testService(t, 10, 1)
	for range 3 {
		status, _ := get(t, "http://"+svc.addr+"/product/2")
		require.Equal(t, http.StatusNotFound, status)
	}
	assert.EqualValues(t, 3, svc.store.Queries())
	assert.Zero(t, svc.cache.Len())
}

func TestRequestsForOneMissingKeyShareOneQuery(t *testing.T) {
	t.Parallel()
	svc := testService(t, 10, 1)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			got, err := svc.cache.GetOrSet(t.Context(), 1, nil)
			assert.NoError(t, err)
			assert.Equal(t, makeProduct(1, 1).Product, got)
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, svc.store.Queries())
}

func TestStatusTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, id string
		err      error
		want     int
	}{
		{"found", "1", nil, http.StatusOK},
		{"not found", "1", errNotFound, http.StatusNotFound},
		{"failed", "1", errors.New("disk on fire"), http.StatusInternalServerError},
		{"no number", "one", nil, http.StatusBadRequest},
		{"over 64 bits", "18446744073709551616", nil, http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.Handle("GET /product/{id}", productHandler(func(_ context.Context, id uint64) (Product, error) {
				return Product{ID: id}, test.err
			}, newMeter()))
			answer := httptest.NewRecorder()
			mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/product/"+test.id, nil))
			assert.Equal(t, test.want, answer.Code)
			assert.NotContains(t, answer.Body.String(), "fire", "the cause is logged, not told")
		})
	}
}

func TestAnswersNameTheirLengthAndType(t *testing.T) {
	t.Parallel()
	svc := testService(t, 10, 1)
	response := send(t, "http://"+svc.addr+"/product/1")
	var p Product
	require.NoError(t, json.NewDecoder(response.Body).Decode(&p))
	require.NoError(t, response.Body.Close())
	assert.Equal(t, makeProduct(1, 1).Product, p)
	assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
	assert.Positive(t, response.ContentLength)
}

func TestServiceThatCannotListenSaysSo(t *testing.T) {
	t.Parallel()
	svc := testService(t, 10, 1)
	_, err := startService(t.Context(), testStore(t, 1), svc.addr, 10)
	require.ErrorContains(t, err, svc.addr)
}
