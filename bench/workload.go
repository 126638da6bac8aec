// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Theta is the exponent of the Zipf distribution of the keys: the key of rank r
// is drawn with a probability in proportion to 1/r^Theta.
const Theta = 0.99

// Mix is a kind of traffic.
type Mix struct {
	Name string
	// Writes is the share of Sets in percent; the rest are Gets.
	Writes uint32
	// Load makes every operation a Get that is followed by a Set if it missed.
	Load bool
	// Span is the number of different keys per entry of capacity. 1: all keys
	// fit, and a Set is an update. More: the cache has to evict.
	Span int
}

// Mixes lists the kinds of traffic.
func Mixes() []Mix {
	return []Mix{
		{Name: "100/0", Writes: 0, Span: 1},
		{Name: "90/10", Writes: 10, Span: 1},
		{Name: "50/50", Writes: 50, Span: 1},
		{Name: "get-or-set", Load: true, Span: 4},
	}
}

// ChooseMixes returns the mixes of those names, or all of them for none.
func ChooseMixes(names []string) ([]Mix, error) {
	all := Mixes()
	if len(names) == 0 {
		return all, nil
	}
	chosen := make([]Mix, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(all, func(m Mix) bool { return m.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no such mix: %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// describe says what a mix is, for the head of its table.
func (m Mix) describe() string {
	if m.Load {
		return fmt.Sprintf("get, and set what missed; %d keys an entry", m.Span)
	}
	return fmt.Sprintf("%d%% reads, %d%% writes; all keys fit", 100-m.Writes, m.Writes)
}

// Op is one operation. Value is what the key must hold if it is found.
type Op[K Key] struct {
	Key   K
	Value uint64
	// Dice is uniform in 0 to 99: the operation is a Set in mixes with more Writes.
	Dice uint32
}

// Keyspace makes the keys 0 to n-1 and draws from them. It is not safe for
// concurrent use.
type Keyspace[K Key] struct {
	n    int
	rng  *rand.Rand
	zipf *zipf
	// byRank shuffles the ranks, so that popular keys are no neighbours.
	byRank []uint32
}

// NewKeyspace prepares n keys; equal seeds draw equal sequences.
func NewKeyspace[K Key](n int, seed uint64) *Keyspace[K] {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	s := &Keyspace[K]{n: n, rng: rng, zipf: newZipf(n, Theta), byRank: make([]uint32, n)}
	for i := range s.byRank {
		s.byRank[i] = uint32(i)
	}
	rng.Shuffle(n, func(i, j int) { s.byRank[i], s.byRank[j] = s.byRank[j], s.byRank[i] })
	return s
}

// All returns one operation for each of the first n keys, in random order, for
// filling.
func (s *Keyspace[K]) All(n int) []Op[K] {
	ids := make([]uint32, n)
	for i, at := range s.rng.Perm(n) {
		ids[i] = uint32(at)
	}
	return s.ops(ids)
}

// Draw returns the next n operations. Each has a key of its own: a string is
// never the very same string, at the same address, as one that was drawn before,
// since a comparison of a string with itself ends early.
func (s *Keyspace[K]) Draw(n int) []Op[K] {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = s.byRank[s.zipf.draw(s.rng)]
	}
	return s.ops(ids)
}

func (s *Keyspace[K]) ops(ids []uint32) []Op[K] {
	ops := make([]Op[K], len(ids))
	keys := keysOf[K](ids)
	for i, id := range ids {
		ops[i] = Op[K]{Key: keys[i], Value: valueOf(id), Dice: s.rng.Uint32N(100)}
	}
	return ops
}

// keyLen is the length of a string key in bytes.
const keyLen = 16

// keysOf makes the keys with these numbers. The bytes of strings made together
// lie together and in order, as fresh in the processor's caches as a key that
// was just read from a request.
func keysOf[K Key](ids []uint32) []K {
	var keys any
	switch any(*new(K)).(type) {
	case string:
		buf := make([]byte, 0, keyLen*len(ids))
		for _, id := range ids {
			buf = fmt.Appendf(buf, "user:%011d", id)
		}
		text := string(buf)
		out := make([]string, len(ids))
		for i := range out {
			out[i] = text[i*keyLen : (i+1)*keyLen]
		}
		keys = out
	default:
		out := make([]uint64, len(ids))
		for i, id := range ids {
			out[i] = scatter(uint64(id))
		}
		keys = out
	}
	return keys.([]K)
}

// valueOf is the value of a key, different for each.
func valueOf(id uint32) uint64 { return scatter(uint64(id) + 1<<32) }

// scatter spreads numbers over 64 bits, one to one (the finalizer of splitmix64):
// integer keys are neither dense nor in order, which would favour weak hashes.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// zipf draws ranks 0 to n-1, exactly and in constant time, by Vose's alias
// method: a column is picked evenly and gives its own rank or its alias. (The
// one in math/rand needs an exponent above 1.)
type zipf struct {
	own   []float64 // chance that the column gives its own rank
	alias []uint32
}

func newZipf(n int, theta float64) *zipf {
	z := &zipf{own: make([]float64, n), alias: make([]uint32, n)}
	sum := 0.0
	for i := range z.own {
		z.own[i] = math.Pow(float64(i+1), -theta)
		sum += z.own[i]
	}
	var small, large []uint32
	for i := range z.own {
		z.own[i] *= float64(n) / sum
		if z.own[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.alias[s] = l
		z.own[l] -= 1 - z.own[s]
		if z.own[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	// What is left differs from 1 by rounding alone.
	for _, rest := range [][]uint32{small, large} {
		for _, i := range rest {
			z.own[i] = 1
		}
	}
	return z
}

func (z *zipf) draw(rng *rand.Rand) int {
	i := rng.IntN(len(z.own))
	if rng.Float64() < z.own[i] {
		return i
	}
	return int(z.alias[i])
}
