// SPDX-License-Identifier: MIT

package cachetest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/locmem/locmem/cache"
)

// versionStatements are about moves between the versions of a key.
var versionStatements = []statement{
	{"V1", "IncrVersion moves to version plus n", cache.CanStore, checkIncrVersion},
	{"V2", "IncrVersion of what is missing names the user's key", 0, checkIncrVersionMiss},
	{"V3", "DecrVersion may go below 0 but not out of range", cache.CanStore, checkDecrVersion},
	{"V4", "what the target version holds is overwritten", cache.CanStore, checkIncrVersionOver},
	{"V5", "a stored nil moves", cache.CanStore, checkIncrVersionNil},
	{"V6", "a move is one step that keeps the remaining time", cache.CanStore | cache.CanMove, checkMove},
}

// move makes a call of IncrVersion.
func (s *subject) move(c *cache.Cache, key string, n int, opts ...cache.Option) int {
	s.Helper()
	version, err := c.IncrVersion(s.ctx, key, n, opts...)
	s.noError(err, "IncrVersion")
	return version
}

func checkIncrVersion(s *subject) {
	c, two := s.alias(cache.Config{}), s.alias(cache.Config{Version: cache.Version(2)})
	set(s, c, "k", "value")
	equal(s, s.move(c, "k", 1), 2, "IncrVersion by 1")
	s.lacks(c, "k")
	holds(s, two, "k", "value")
	equal(s, s.move(two, "k", 5), 7, "IncrVersion by 5")
	s.lacks(two, "k")
	holds(s, c, "k", "value", cache.Version(7))
	equal(s, s.move(c, "k", 1, cache.Version(7)), 8, "IncrVersion of version 7")
	s.lacks(c, "k", cache.Version(7))
	holds(s, c, "k", "value", cache.Version(8))
	set[int64](s, c, "n", 3)
	s.move(c, "n", 1)
	holds[int64](s, two, "n", 3)
}

func checkIncrVersionMiss(s *subject) {
	c := s.alias(cache.Config{KeyPrefix: "p"})
	for _, call := range []func() (int, error){
		func() (int, error) { return c.IncrVersion(s.ctx, "missing", 1) },
		func() (int, error) { return c.DecrVersion(s.ctx, "missing", 1) },
	} {
		_, err := call()
		s.wantError(err, cache.ErrMiss, "IncrVersion")
		if err != nil && (!strings.Contains(err.Error(), "missing") || strings.Contains(err.Error(), ":missing")) {
			s.Errorf("the text of the error has not the user's key: %v", err)
		}
	}
	s.lacks(c, "missing", cache.Version(2))
}

func checkDecrVersion(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "k", "value")
	version, err := c.DecrVersion(s.ctx, "k", 5)
	s.noError(err, "DecrVersion")
	equal(s, version, -4, "DecrVersion by 5")
	s.lacks(c, "k")
	holds(s, c, "k", "value", cache.Version(-4))
	version, err = c.DecrVersion(s.ctx, "k", -6, cache.Version(-4))
	s.noError(err, "DecrVersion")
	equal(s, version, 2, "DecrVersion by -6")

	highest, lowest := cache.Version(math.MaxInt), cache.Version(math.MinInt)
	set(s, c, "k", "highest", highest)
	set(s, c, "k", "lowest", lowest)
	_, err = c.IncrVersion(s.ctx, "k", 1, highest)
	s.wantError(err, cache.ErrOverflow, "IncrVersion of the highest version")
	_, err = c.DecrVersion(s.ctx, "k", 1, lowest)
	s.wantError(err, cache.ErrOverflow, "DecrVersion of the lowest version")
	_, err = c.DecrVersion(s.ctx, "k", math.MinInt)
	s.wantError(err, cache.ErrOverflow, "DecrVersion by what cannot be negated")
	holds(s, c, "k", "highest", highest)
	holds(s, c, "k", "lowest", lowest)
}

func checkIncrVersionOver(s *subject) {
	c, two := s.alias(cache.Config{}), cache.Version(2)
	set(s, c, "k", "moved")
	set(s, c, "k", "overwritten", two)
	s.move(c, "k", 1)
	holds(s, c, "k", "moved", two)
	set(s, c, "l", "moved", two)
	set(s, c, "l", "overwritten")
	s.move(c, "l", -1, two)
	holds(s, c, "l", "moved")
}

func checkIncrVersionNil(s *subject) {
	c := s.alias(cache.Config{})
	err := cache.For[*point](c).Set(s.ctx, "nil", nil)
	if errors.Is(err, cache.ErrEncode) {
		s.Skipf("the codec does not take nil: %v", err)
	}
	s.noError(err, "Set")
	s.move(c, "nil", 1)
	holds[*point](s, c, "nil", nil, cache.Version(2))
}

func checkMove(s *subject) {
	c, two := s.alias(cache.Config{Timeout: cache.Timeout(s.unit)}), cache.Version(2)
	set(s, c, "timed", "value", cache.Timeout(4*s.unit))
	set(s, c, "permanent", "value", cache.Never())
	s.move(c, "timed", 1)
	s.move(c, "permanent", 1)
	s.outlive(s.unit) // the alias's default
	holds(s, c, "timed", "value", two)
	s.outlive(3 * s.unit)
	s.lacks(c, "timed", two)
	holds(s, c, "permanent", "value", two)

	// Who does not find the old version finds the new one, and there are never both.
	for i := range 100 {
		key := fmt.Sprint("k", i)
		set(s, c, key, "value", cache.Never())
		s.together(3, func(i int) {
			if i == 0 {
				if _, err := c.IncrVersion(s.ctx, key, 1); err != nil {
					s.Errorf("IncrVersion: %v", err)
				}
				return
			}
			looks := []cache.Option{cache.Version(1), two} // first the one, and if it is as it is after the move, the other
			if i == 2 {
				looks = []cache.Option{two, cache.Version(1)}
			}
			for range 50 {
				first, err := c.Has(s.ctx, key, looks[0])
				if err != nil {
					s.Errorf("Has: %v", err)
				}
				if moved := first == (i == 2); !moved {
					continue
				}
				if second, err := c.Has(s.ctx, key, looks[1]); second != (i == 1) || err != nil {
					s.Errorf("when %q was moved its version %d was found: %t (%v)", key, 3-i, second, err)
				}
				return
			}
		})
	}
	if !s.can(cache.CanLimit) {
		return
	}
	full := s.on(s.fresh(), cache.Config{MaxEntries: 2})
	set(s, full, "a", "value")
	set(s, full, "b", "value")
	s.move(full, "a", 1) // a use
	set(s, full, "c", "value")
	s.lacks(full, "b")
	holds(s, full, "a", "value", two)
}
