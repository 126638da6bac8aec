// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"
)

const (
	// requestTimeout ends the run if the service hangs.
	requestTimeout = 30 * time.Second
	// progressEvery is the number of requests between two signs of progress: rare
	// enough to cost nothing.
	progressEvery = 1024
)

// loadResult is what one replay measured.
type loadResult struct {
	elapsed time.Duration
	cpu     time.Duration           // of the whole process: service and clients; 0: not known
	latency *hdrhistogram.Histogram // nanoseconds, one value per request
}

// replay sends the sequence, given as positions in w.keys, to the service at
// addr. Each worker has a connection of its own that it keeps; it takes the next
// request of the sequence as soon as its last one is answered. Every answer is
// checked, and the first wrong one ends the replay with an error. progress is
// called with the number of requests begun.
func replay(ctx context.Context, addr string, w *workload, sequence []uint32, workers int, progress func(done int)) (loadResult, error) {
	clients := make([]*client, workers)
	defer func() {
		for _, c := range clients {
			if c != nil {
				_ = c.conn.Close() // everything was read
			}
		}
	}()
	for i := range clients {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return loadResult{}, err
		}
		clients[i] = newClient(conn, addr)
	}

	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	cpu, start := processorTime(), time.Now()
	for _, c := range clients {
		group.Go(func() error {
			stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() }) // wakes a blocked read
			defer stop()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sequence) {
					return nil
				}
				if i%progressEvery == 0 {
					progress(i)
				}
				at := sequence[i]
				if err := c.get(w.keys[at], w.sums[at]); err != nil {
					if ctx.Err() != nil {
						return context.Cause(ctx) // the closed connection is not the reason
					}
					return fmt.Errorf("request %d, product %d: %w", i, w.keys[at], err)
				}
			}
		})
	}
	err := group.Wait()
	result := loadResult{elapsed: time.Since(start), cpu: processorTime() - cpu, latency: newHistogram()}
	if err != nil {
		return loadResult{}, err
	}
	progress(len(sequence))
	for _, c := range clients {
		if dropped := result.latency.Merge(c.latency); dropped != 0 {
			return loadResult{}, fmt.Errorf("%d latencies are out of the histogram's range", dropped)
		}
	}
	return result, nil
}

// client speaks HTTP/1.1 on one connection, one request at a time. It does so
// without http.Client, whose goroutines for each connection would take a large
// part of the processor that client and service share here.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	tail    string // of every request
	request []byte
	body    bytes.Buffer
	latency *hdrhistogram.Histogram
}

func newClient(conn net.Conn, host string) *client {
	return &client{
		conn:    conn,
		in:      bufio.NewReader(conn),
		tail:    " HTTP/1.1\r\nHost: " + host + "\r\nAccept: application/json\r\n\r\n",
		latency: newHistogram(),
	}
}

// get asks for one product, counts the time until the whole answer is there, and
// checks the answer.
func (c *client) get(key, sum uint64) error {
	c.request = append(c.request[:0], "GET /product/"...)
	c.request = strconv.AppendUint(c.request, key, 10)
	c.request = append(c.request, c.tail...)

	start := time.Now()
	if err := c.conn.SetDeadline(start.Add(requestTimeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	c.body.Reset()
	if _, err = c.body.ReadFrom(response.Body); err != nil {
		return err
	}
	took := time.Since(start)
	if err = response.Body.Close(); err != nil {
		return err
	}
	if err = c.latency.RecordValue(int64(took)); err != nil {
		return err
	}
	return checkAnswer(response.StatusCode, c.body.Bytes(), sum)
}

// checkAnswer compares an answer with the checksum of the right one.
func checkAnswer(status int, body []byte, sum uint64) error {
	if status != http.StatusOK {
		return fmt.Errorf("answered with status %d: %.80q", status, body)
	}
	if got := xxhash.Sum64(body); got != sum {
		return fmt.Errorf("wrong answer: checksum %016x, not %016x: %.80q", got, sum, body)
	}
	return nil
}
