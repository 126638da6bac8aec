// SPDX-License-Identifier: MIT

package bench

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAdapterFindsWhatWasSet(t *testing.T) {
	t.Run("string", findsWhatWasSet[string])
	t.Run("uint64", findsWhatWasSet[uint64])
}

func findsWhatWasSet[K Key](t *testing.T) {
	t.Helper()
	for _, c := range Contenders[K]() {
		t.Run(c.Name, func(t *testing.T) {
			cache, err := c.New(1024)
			require.NoError(t, err)
			defer Close(cache)
			ops := NewKeyspace[K](64, 1).All(64)
			for _, op := range ops {
				_, found := cache.Get(op.Key)
				require.False(t, found, "found in an empty cache")
			}
			for _, replaced := range []uint64{1, 0} { // first other values, then their own
				for _, op := range ops {
					cache.Set(op.Key, op.Value+replaced)
				}
				Settle(cache)
			}
			if c.Name == "no-op" {
				assert.Zero(t, cache.Len())
				return
			}
			assert.Equal(t, len(ops), cache.Len())
			for _, op := range ops {
				value, found := cache.Get(op.Key)
				require.True(t, found)
				require.Equal(t, op.Value, value)
			}
		})
	}
}

// TestAdapterKeepsNearItsLimit shows that the limit reaches the contender in the
// right unit. Peers may hold a little more than it: soft bounds, rounded shards.
func TestAdapterKeepsNearItsLimit(t *testing.T) {
	const limit = 4096
	for _, c := range Contenders[string]() {
		if c.Role == Floor {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			cache, err := c.New(limit)
			require.NoError(t, err)
			defer Close(cache)
			for i, op := range NewKeyspace[string](4*limit, 1).All(4 * limit) {
				cache.Set(op.Key, op.Value)
				if i%256 == 0 {
					Settle(cache)
				}
			}
			Settle(cache)
			held := cache.Len()
			assert.Greater(t, held, limit*9/10)
			assert.LessOrEqual(t, held, limit*11/10)
			if c.Role != Peer {
				assert.Equal(t, limit, held)
			}
		})
	}
}

func tinyConfig() Config {
	return Config{
		Keys:       []string{"string", "uint64"},
		Entries:    []int{2048},
		Mixes:      Mixes(),
		Goroutines: []int{1, 3},
		Rounds:     3,
		Ops:        4096,
		Seed:       1,
	}
}

// TestRunIsComplete measures every contender and mix at a tiny size and looks at
// everything but the times.
func TestRunIsComplete(t *testing.T) {
	cfg := tinyConfig()
	var text bytes.Buffer
	report := NewReport(&text)
	require.NoError(t, Run(cfg, report.Add))
	report.Summary()

	require.Len(t, report.cells, len(cfg.Keys)*len(cfg.Mixes)*len(cfg.Goroutines))
	rows := 0
	for _, c := range report.cells {
		contenders := Contenders[string]()
		if c.Mix.Span > 1 { // the unbounded map sits these out
			require.Nil(t, c.Named("xsync map"))
			require.Len(t, c.Rows, len(contenders)-1)
		} else {
			require.Len(t, c.Rows, len(contenders))
		}
		rows += len(c.Rows)
		for _, row := range c.Rows {
			where := []any{"%s %s %d %s", c.Keys, c.Mix.Name, c.Goroutines, row.Contender}
			require.Len(t, row.NS, cfg.Rounds, where...)
			assert.Positive(t, row.NS[0], where...)
			assert.IsNonDecreasing(t, row.NS, where...)
			if runtime.GOOS == "linux" {
				require.Len(t, row.CPU, cfg.Rounds, where...)
			}
			assert.IsNonDecreasing(t, row.CPU, where...)
			assert.Zero(t, row.Wrong, where...)
			assert.GreaterOrEqual(t, row.BytesPerOp, 0.0, where...)
			switch {
			case row.Contender == "no-op":
				assert.Zero(t, row.Hits, where...)
			case c.Mix.Span > 1:
				assert.Greater(t, row.Hits, 0.4, where...)
				assert.Less(t, row.Hits, 1.0, where...)
			case row.Role == Peer:
				assert.Greater(t, row.Hits, 0.9, where...)
			default:
				assert.InDelta(t, 1, row.Hits, 0, where...)
			}
			if row.Role == Subject || row.Role == Again {
				assert.LessOrEqual(t, row.Held, c.Entries, where...)
				assert.Positive(t, row.Held, where...)
			}
		}
	}
	assert.Empty(t, report.Faults())

	for _, c := range Contenders[string]() {
		assert.Contains(t, text.String(), "\n"+c.Name+" ")
	}
	for _, ratio := range tableRatios() {
		tables := strings.Count(text.String(), "\n"+ratio.name+"  ")
		assert.Equal(t, len(cfg.Keys)*len(cfg.Mixes)+1, tables, ratio.name) // and the summary
	}

	var out bytes.Buffer
	require.NoError(t, report.WriteCSV(&out))
	lines, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	assert.Len(t, lines, 1+rows)
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	tests := map[string]func(*Config){
		"key type":  func(c *Config) { c.Keys = []string{"float"} },
		"contender": func(c *Config) { c.Contenders = []string{"locmem", "nobody"} },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := tinyConfig()
			spoil(&cfg)
			assert.Error(t, Run(cfg, func([]Cell) { t.Error("a table was made") }))
		})
	}
	_, err := ChooseMixes([]string{"60/40"})
	assert.Error(t, err)
}

// liar finds every key, with a wrong value for some.
type liar struct{ right Cache[string] }

func (c *liar) Get(key string) (uint64, bool) {
	value, found := c.right.Get(key)
	return value &^ 1, found
}
func (c *liar) Set(key string, value uint64) { c.right.Set(key, value) }
func (c *liar) Len() int                     { return c.right.Len() }

func TestWrongValuesAreSeen(t *testing.T) {
	right, err := newLocmem[string](64)
	require.NoError(t, err)
	defer Close(right)
	space := NewKeyspace[string](64, 1)
	load(right, space.All(64))
	for _, mix := range Mixes() {
		ops := space.Draw(1024)
		assert.Zero(t, turn(right, ops, mix, 2).wrong, mix.Name)
		assert.Equal(t, uint64(1), turn[string](&liar{right}, ops, mix, 2).wrong, mix.Name)
	}
}

func TestFaultsNameWhatIsBroken(t *testing.T) {
	fits := Mixes()[0]
	tests := map[string]struct {
		row  Row
		want string
	}{
		"wrong value":  {Row{Contender: "otter", Role: Peer, Wrong: 1, Hits: 1}, "wrong values"},
		"over limit":   {Row{Contender: "locmem", Role: Subject, Held: 101, Hits: 1}, "holds 101"},
		"lost entries": {Row{Contender: "locmem", Role: Subject, Held: 99, Hits: 0.99}, "hits 0.9900"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Report{cells: []Cell{{Keys: "string", Entries: 100, Mix: fits, Goroutines: 1, Rows: []Row{test.row}}}}
			require.Len(t, r.Faults(), 1)
			assert.Contains(t, r.Faults()[0], test.want)
		})
	}
}

func TestMeanIsGeometricAndCountsLosses(t *testing.T) {
	var text bytes.Buffer
	r := NewReport(&text)
	for _, peer := range []float64{50, 200, 800} {
		r.cells = append(r.cells, Cell{Mix: Mixes()[0], Goroutines: 1, Rows: []Row{
			{Contender: "locmem", Role: Subject, NS: []float64{100}},
			{Contender: "otter", Role: Peer, NS: []float64{2 * peer}},
			{Contender: "phuslu", Role: Peer, NS: []float64{peer}},
		}})
	}
	r.Summary()
	assert.Regexp(t, `(?m)^best peer / locmem +3 +2\.00 +0\.50 +8\.00 +1$`, text.String())
	assert.Regexp(t, `(?m)^otter / locmem +3 +4\.00 +1\.00 +16\.00 +0$`, text.String())
	assert.Regexp(t, `(?m)^phuslu / locmem +3 +2\.00 `, text.String())
	assert.Equal(t, "best peer / locmem 2.00, otter / locmem 4.00", r.Line())
}

func TestMeasures(t *testing.T) {
	odd := Row{NS: []float64{1, 3, 100}, CPU: []float64{2}}
	assert.InDelta(t, 3, Median(odd), 0)
	assert.InDelta(t, 1, Least(odd), 0)
	assert.InDelta(t, 2, Processor(odd), 0)
	assert.InDelta(t, 4, Median(Row{NS: []float64{1, 3, 5, 100}}), 0)
	assert.True(t, math.IsNaN(Processor(Row{NS: []float64{1}})))
}

func TestZipfDrawsInProportion(t *testing.T) {
	const n, draws = 1000, 2_000_000
	z := newZipf(n, Theta)
	rng := rand.New(rand.NewPCG(1, 2))
	count := make([]float64, n)
	for range draws {
		count[z.draw(rng)]++
	}
	sum := 0.0
	for rank := range n {
		sum += math.Pow(float64(rank+1), -Theta)
	}
	for _, rank := range []int{0, 1, 9, 99, 999} {
		want := draws * math.Pow(float64(rank+1), -Theta) / sum
		assert.InDelta(t, want, count[rank], 5*math.Sqrt(want), "rank %d", rank+1)
	}
}

func TestDrawsRepeatAndKeysAreFresh(t *testing.T) {
	a, b := NewKeyspace[string](100, 7), NewKeyspace[string](100, 7)
	assert.Equal(t, a.Draw(1000), b.Draw(1000))
	assert.NotEqual(t, a.Draw(1000), NewKeyspace[string](100, 8).Draw(1000))

	distinct := map[uint64]string{}
	for _, op := range NewKeyspace[string](1000, 1).All(1000) {
		assert.Len(t, op.Key, keyLen)
		distinct[op.Value] = op.Key
	}
	assert.Len(t, distinct, 1000)
}

func TestMemoryIsThatOfTheEntries(t *testing.T) {
	const entries = 1 << 14
	for _, name := range Bounded() {
		t.Run(name, func(t *testing.T) {
			m, err := MeasureMemory(name, entries)
			require.NoError(t, err)
			assert.InDelta(t, entries, m.Held, entries/10)
			// 24 bytes of key and value are the least; nobody needs a kilobyte.
			assert.Greater(t, perEntry(m.Full, m.Held), 24.0)
			assert.Less(t, perEntry(m.Full, m.Held), 1024.0)
			var text bytes.Buffer
			WriteMemory(&text, entries, []Memory{m})
			assert.Equal(t, 2, strings.Count(text.String(), "\n"+name+" "))
		})
	}
	_, err := MeasureMemory("nobody", entries)
	assert.ErrorIs(t, err, errUnknownContender)
}

func TestLockFloorsArePlausible(t *testing.T) {
	floors := LockFloors([]int{1, 2}, 1<<14)
	require.Len(t, floors, 2)
	for i, f := range floors {
		assert.Equal(t, i+1, f.Goroutines)
		for _, ns := range []float64{f.RLock, f.Lock, f.Mutex} {
			assert.Positive(t, ns)
		}
	}
}

func TestLocmemDoesNotAllocate(t *testing.T) {
	m, err := MeasureMemory("locmem", 1<<14)
	require.NoError(t, err)
	for i, c := range m.Ops {
		// The runtime itself allocates now and then, an operation does it each time.
		assert.Less(t, c.Allocations, 0.01, OpNames()[i])
	}
}
