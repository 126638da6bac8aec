// SPDX-License-Identifier: MIT

package fuzz

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

// decoded is a location as the rules say: all of it, "%" and two hexadecimal
// digits being one byte.
func decoded(location string) (string, bool) {
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(location, "%")
		b.WriteString(head)
		if !found {
			return b.String(), true
		}
		if len(rest) < 2 {
			return "", false
		}
		c, err := strconv.ParseUint(rest[:2], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		location = rest[2:]
	}
}

// encoded is a text with every byte percent-encoded.
func encoded(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02x", text[i])
	}
	return b.String()
}

// FuzzDSN takes a text as a DSN. It must be refused with an ErrConfig in which no
// piece of the location is, or its location must be what the rules say, each of
// its parameters be known and there once, and the DSN must mean the same if each
// byte of them is percent-encoded.
func FuzzDSN(f *testing.F) {
	for _, seed := range []string{
		"",
		"locmem://",
		"locmem://users?timeout=300s&max_entries=300&cull_frequency=3&key_prefix=&version=1",
		"LOCMEM://a%20b%3F?timeout=none&max_entries=none&max_weight=5&codec=gob",
		"dummy://u:p@h:1/0?timeout=-9223372036854775809&version=-1&key_prefix=a+b%26",
		"locmem://%zz?timeout=1e3&max_entries=0&version=1&version=2&;&x=1",
		"redis://localhost:6379",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		config, err := cache.ParseDSN(dsn)
		scheme, rest, split := strings.Cut(dsn, "://")
		location, query, _ := strings.Cut(rest, "?")
		want, valid := decoded(location)
		values, queryErr := url.ParseQuery(query)
		if err != nil {
			require.ErrorIs(t, err, cache.ErrConfig)
			if split {
				const secret = "Zk7q#Zk7q" // which no text of an error has by chance
				_, err = cache.ParseDSN(scheme + "://user:" + secret + "%" + location + "?" + query)
				if err != nil && !strings.Contains(scheme+query, secret) {
					require.NotContains(t, err.Error(), secret)
				}
			}
			_, err = cache.Open(dsn)
			require.ErrorIs(t, err, cache.ErrConfig)
			return
		}
		require.True(t, split)
		require.True(t, valid, "the location was accepted")
		require.NoError(t, queryErr)
		require.Equal(t, want, config.Location)
		require.Equal(t, strings.ToLower(scheme), config.Driver)
		var pairs []string
		for name, of := range values {
			require.Len(t, of, 1, name)
			require.Contains(t, []string{"timeout", "max_entries", "max_weight", "cull_frequency", "key_prefix", "version", "codec"}, name)
			pairs = append(pairs, encoded(name)+"="+encoded(of[0]))
		}
		same, err := cache.ParseDSN(config.Driver + "://" + encoded(config.Location) + "?" + strings.Join(pairs, "&"))
		require.NoError(t, err)
		require.Equal(t, config, same)
		require.Equal(t, values.Get("key_prefix"), config.KeyPrefix)
	})
}
