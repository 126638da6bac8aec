// SPDX-License-Identifier: MIT

package evict

import (
	"bufio"
	"compress/gzip"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The recorded traces that the known numbers are of: 16 files, each replayed at
// these shares of its distinct keys if that gives at least leastCapacity.
var shares = []float64{0.001, 0.01, 0.05, 0.10, 0.25}

const (
	leastCapacity = 8
	recordedFiles = 16
	recordedRuns  = 75
	stressFile    = "stress_corda_loop"
	stressSize    = 512
)

// TestReplay compares hit ratios with known ones. The environment variable
// TRACES names a folder of recorded traces, NAME.keys.gz, gzip of one decimal key
// a line; without it generated sequences are replayed.
func TestReplay(t *testing.T) {
	folder := os.Getenv("TRACES")
	switch {
	case folder == "":
		t.Log("recorded traces were not replayed: TRACES names no folder; generated sequences are")
		replayGenerated(t)
	case testing.Short():
		t.Log("recorded traces were not replayed: -short; generated sequences are")
		replayGenerated(t)
	default:
		replayRecorded(t, folder)
	}
}

func replayRecorded(t *testing.T, folder string) {
	files, err := filepath.Glob(filepath.Join(folder, "*.keys.gz"))
	require.NoError(t, err)
	recorded := []struct {
		name        string
		policy      Policy
		least, most float64 // the mean hit ratio in percent
		stress      float64 // the least at the stress trace, 0: not replayed
	}{
		{"TinyClock", TinyClock, 42.8, 43.1, 46},
		{"LRU", LRU, 37.76, 37.96, 0},
		{"CLOCK", CLOCK, 37.98, 38.18, 0},
		{"S3FIFO", S3FIFO, 40.08, 40.88, 0},
		{"SIEVE", SIEVE, 36.68, 36.88, 0},
		{"FIFO", FIFO, 36.14, 36.34, 0},
	}
	sums := make([]float64, len(recorded))
	traces, runs, stressed := 0, 0, false
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".keys.gz")
		if strings.HasPrefix(name, "stress_") && name != stressFile {
			continue
		}
		keys, distinct := readTrace(t, file)
		if name == stressFile {
			for _, p := range recorded {
				if p.stress > 0 {
					ratio := hitRatio(p.policy, keys, distinct, stressSize)
					t.Logf("%s at %d: %s %.2f", name, stressSize, p.name, ratio)
					require.GreaterOrEqual(t, ratio, p.stress, "%s on %s", p.name, name)
				}
			}
			stressed = true
			continue
		}
		traces++
		for _, share := range shares {
			capacity := int(math.Round(share * float64(distinct)))
			if capacity < leastCapacity {
				continue
			}
			runs++
			line, ratios := "", map[string]float64{}
			for i, p := range recorded {
				ratio := hitRatio(p.policy, keys, distinct, capacity)
				sums[i] += ratio
				ratios[p.name] = ratio
				line += " " + p.name + " " + strconv.FormatFloat(ratio, 'f', 2, 64)
			}
			t.Logf("%s at %d:%s", name, capacity, line)
			if capacity >= 64 {
				require.GreaterOrEqual(t, ratios["TinyClock"], ratios["LRU"]-2, "%s at %d", name, capacity)
			}
		}
	}
	require.Equal(t, recordedFiles, traces, "recorded traces in %s", folder)
	require.Equal(t, recordedRuns, runs)
	require.True(t, stressed, "%s is missing in %s", stressFile, folder)
	for i, p := range recorded {
		mean := sums[i] / float64(runs)
		t.Logf("mean of %d runs: %s %.2f", runs, p.name, mean)
		require.GreaterOrEqual(t, mean, p.least, p.name)
		require.LessOrEqual(t, mean, p.most, p.name)
	}
}

// replayGenerated replays sequences that tell policies apart, at 1000 entries.
// LRU, CLOCK, SIEVE and FIFO have no hits in a loop that does not fit, and keys
// that are asked for twice give 50 % at most; the other numbers were measured when
// the policies met the bars of the recorded traces.
func replayGenerated(t *testing.T) {
	const requests, capacity = 200_000, 1000
	rnd := rand.New(rand.NewPCG(8, 9))
	zipf := rand.NewZipf(rnd, 1.1, 20, 50_000)
	fresh := uint32(1 << 20) // keys from here on are asked for once or twice
	sequences := []struct {
		name string
		next func(i uint32) uint32
		want map[string]float64 // hits in percent
	}{
		{"popular keys", func(uint32) uint32 { return uint32(zipf.Uint64()) }, map[string]float64{"FIFO": 39.72, "CLOCK": 47.3, "S3FIFO": 56.5, "SIEVE": 56.2, "LRU": 45.67, "TinyClock": 57.74}},
		{"a loop over a fifth more than fits", func(i uint32) uint32 { return i % (capacity * 6 / 5) }, map[string]float64{"FIFO": 0, "CLOCK": 0, "S3FIFO": 66.84, "SIEVE": 0, "LRU": 0, "TinyClock": 77.54}},
		{"popular keys and scans", func(i uint32) uint32 {
			if i/5000%2 == 1 {
				fresh++
				return fresh
			}
			return uint32(zipf.Uint64())
		}, map[string]float64{"FIFO": 18.86, "CLOCK": 21.45, "S3FIFO": 27.81, "SIEVE": 27.38, "LRU": 21.01, "TinyClock": 27.71}},
		{"every key twice, a third of capacity apart", func(i uint32) uint32 {
			const apart = capacity / 3
			return i/(2*apart)*apart + i%apart
		}, map[string]float64{"FIFO": 49.95, "CLOCK": 49.81, "S3FIFO": 49.95, "SIEVE": 0.5, "LRU": 49.95, "TinyClock": 49.83}},
	}
	for _, sequence := range sequences {
		keys := make([]uint32, requests)
		number := map[uint32]uint32{}
		for i := range keys {
			key := sequence.next(uint32(i))
			n, ok := number[key]
			if !ok {
				n = uint32(len(number))
				number[key] = n
			}
			keys[i] = n
		}
		for _, p := range policies {
			ratio := hitRatio(p.policy, keys, len(number), capacity)
			t.Logf("%s: %s %.2f", sequence.name, p.name, ratio)
			want, ok := sequence.want[p.name]
			require.True(t, ok)
			assert.InDelta(t, want, ratio, 0.5, "%s: %s", sequence.name, p.name)
		}
	}
}

// readTrace returns a trace's keys, numbered from 0 in the order in which they
// first come.
func readTrace(t *testing.T, file string) (keys []uint32, distinct int) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	unzip, err := gzip.NewReader(f)
	require.NoError(t, err, file)
	number := map[string]uint32{}
	lines := bufio.NewScanner(unzip)
	for lines.Scan() {
		n, ok := number[string(lines.Bytes())]
		if !ok {
			_, err := strconv.ParseUint(lines.Text(), 10, 64)
			require.NoError(t, err, "%s:%d", file, len(keys)+1)
			n = uint32(len(number))
			number[lines.Text()] = n
		}
		keys = append(keys, n)
	}
	require.NoError(t, lines.Err(), file)
	return keys, len(number)
}

// hitRatio replays keys with one goroutine, one ring and a strict capacity: look
// the key up; on a miss, put it in. It returns percents.
func hitRatio(policy Policy, keys []uint32, distinct, capacity int) float64 {
	slots := newFakeSlots(capacity)
	ring := policy([]Shard{{Capacity: capacity, Slots: slots}})[0]
	maxMark := ring.MaxMark()
	slotOf := make([]uint32, distinct)
	keyOf := make([]uint32, capacity+1)
	next, hits := uint32(0), 0
	for _, key := range keys {
		if slot := slotOf[key]; slot != None {
			hits++
			if maxMark == 0 {
				ring.Hit(slot)
			} else if slots.marks[slot] < maxMark {
				slots.marks[slot]++
			}
			continue
		}
		hash := mix32(key)
		ring.Admit(hash, 1)
		slot := next + 1
		if ring.Len() == capacity {
			slot = ring.Evict(true, None)
			slotOf[keyOf[slot]] = None
		} else {
			next++
		}
		slotOf[key], keyOf[slot] = slot, key
		slots.hashes[slot], slots.marks[slot] = hash, 0
		ring.Insert(slot, 1)
	}
	return 100 * float64(hits) / float64(len(keys))
}
