// SPDX-License-Identifier: MIT

package histories

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFlawsAreFound puts each flaw around the engine and counts in how many of 400
// histories it shows, in three columns: with room for all keys, strict; with room for
// three of six, relaxed; and the same, explained.
func TestFlawsAreFound(t *testing.T) {
	standard := standard
	standard.Shards = 4
	columns := []Setting{standard, standard, standard}
	columns[0].Entries, columns[0].Model = 100, Strict
	columns[1].Entries, columns[1].Model = 3, Relaxed
	columns[2].Entries, columns[2].Model = 3, Explained
	histories := 400
	if !yields || testing.Short() {
		histories = 20
	}
	t.Logf("%-36s %6s %7s %9s    overlap", "found in", columns[0].Model, columns[1].Model, columns[2].Model)
	for _, f := range flaws {
		var found [3]int
		overlap := 0.0
		for i, s := range columns {
			d := Driver{Setting: s, Around: f.around}
			for seed := range histories {
				h := d.Record(uint64(seed))
				overlap += h.Overlap / float64(3*histories)
				if h.Linearizable() != nil {
					found[i]++
				}
			}
		}
		t.Logf("%-36s %6d %7d %9d    %.2f", f.name, found[0], found[1], found[2], overlap)
		for i := range columns {
			if f.least[i] == 0 {
				require.Zero(t, found[i], "%s is no fault in the column %v", f.name, columns[i].Model)
			} else if histories == 400 {
				require.GreaterOrEqual(t, found[i], f.least[i], "%s, %v", f.name, columns[i].Model)
			}
		}
	}
}

// TestFlawsOfLifetimesLoadsAndTagsAreFound does so with what the table has no place
// for, in a setting with all kinds of calls.
func TestFlawsOfLifetimesLoadsAndTagsAreFound(t *testing.T) {
	s := standard
	s.Entries, s.Shards, s.Model = 4, 4, Explained
	s.Loads, s.Times, s.Tags = true, true, true
	histories := 400
	if !yields || testing.Short() {
		histories = 20
	}
	for _, f := range otherFlaws {
		found, lost := 0, 0
		d := Driver{Setting: s, Around: f.around}
		for seed := range histories {
			h := d.Record(uint64(seed))
			if h.Linearizable() != nil {
				found++
			}
			if h.Conserved() != nil {
				lost++
			}
		}
		t.Logf("%-40s %3d not linearizable, %3d not conserved", f.name, found, lost)
		if histories == 400 {
			assert.GreaterOrEqual(t, found, f.found, f.name)
			assert.GreaterOrEqual(t, lost, f.lost, f.name)
		}
	}
}
