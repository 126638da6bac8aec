// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/locmem/locmem"
)

// service is the HTTP service over one store, with or without a cache in front.
type service struct {
	store    *store
	cache    *locmem.Engine[uint64, Product] // nil: every request asks the database
	capacity int                             // of the cache
	addr     string                          // host and port it listens on
	server   *http.Server
	lookups  *meter     // how long the handler took to find a product
	served   chan error // what Serve returned
}

// startService listens on addr and serves the store's products. With capacity 0
// there is no cache. The service owns the store from here on, also on failure.
func startService(ctx context.Context, s *store, addr string, capacity int) (*service, error) {
	svc := &service{store: s, capacity: capacity, lookups: newMeter(), served: make(chan error, 1)}
	find := s.Product
	if capacity > 0 {
		cache, err := locmem.New(locmem.Options[uint64, Product]{
			MaxEntries: capacity,
			Stats:      true,
			Load:       s.Product,
		})
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		svc.cache = cache
		// This is all it takes: the loader is in the options, so a hit makes no
		// closure, and of all the requests that miss the same key one asks the
		// database while the others wait for its answer.
		find = func(ctx context.Context, id uint64) (Product, error) { return cache.GetOrSet(ctx, id, nil) }
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, errors.Join(err, svc.release())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /product/{id}", productHandler(find, svc.lookups))
	mux.HandleFunc("GET /stats", svc.serveStats)
	svc.addr = listener.Addr().String()
	svc.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { svc.served <- svc.server.Serve(listener) }()
	return svc, nil
}

// stop ends the service: requests under way get a few seconds to finish.
func (s *service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.release())
}

func (s *service) release() error {
	if s.cache != nil {
		s.cache.Close()
	}
	return s.store.Close()
}

// productHandler answers a product as JSON. The document is encoded for each
// request, whoever found the product.
func productHandler(find func(context.Context, uint64) (Product, error), lookups *meter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
		if err != nil {
			http.Error(w, "the id of a product is a decimal number", http.StatusBadRequest)
			return
		}
		start := time.Now()
		p, err := find(r.Context(), id)
		lookups.since(start)
		switch {
		case r.Context().Err() != nil: // the client is gone: nobody to answer
		case errors.Is(err, errNotFound):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			log.Printf("product %d: %v", id, err)
			http.Error(w, "the product could not be read", http.StatusInternalServerError)
		default:
			writeJSON(w, p)
		}
	})
}

// serveStats answers what the cache and the database did so far.
func (s *service) serveStats(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Queries int64  `json:"database_queries"`
		Hits    uint64 `json:"hits"`
		Misses  uint64 `json:"misses"`
		Loads   uint64 `json:"loads"`
		Entries int    `json:"entries"`
	}{Queries: s.store.Queries()}
	if s.cache != nil {
		st := s.cache.Stats()
		answer.Hits, answer.Misses, answer.Loads, answer.Entries = st.Hits, st.Misses, st.Loads, s.cache.Len()
	}
	writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		log.Print(err)
		http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // fails only if the client is gone
}
