// SPDX-License-Identifier: MIT

package evict

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// entry is what the models know of an entry. Its slot may change at any time,
// which changes no order: the models hold pointers.
type entry struct {
	key, slot, hash, mark uint32
	weight                int64
}

// model is a policy too simple to be wrong: slices of entries, the next to go
// first, searched from the start.
type model interface {
	hit(e *entry)
	admit(hash uint32, weight int64)
	reweigh(e *entry)
	insert(e *entry)
	evict(incoming bool, keep uint32) *entry // nil: none
	remove(e *entry)
	resize(capacity int)
	clear()
	all() []*entry
}

// first returns the first entry that is not in slot keep, nil if there is none.
func first(queue []*entry, keep uint32) *entry {
	for _, e := range queue {
		if e.slot != keep {
			return e
		}
	}
	return nil
}

func without(queue []*entry, e *entry) []*entry {
	return slices.DeleteFunc(queue, func(other *entry) bool { return other == e })
}

type fifoModel struct{ queue []*entry }

func newFIFOModel(int) model { return &fifoModel{} }

func (m *fifoModel) hit(*entry)          {}
func (m *fifoModel) admit(uint32, int64) {}
func (m *fifoModel) reweigh(*entry)      {}
func (m *fifoModel) insert(e *entry)     { m.queue = append(m.queue, e) }
func (m *fifoModel) remove(e *entry)     { m.queue = without(m.queue, e) }
func (m *fifoModel) resize(int)          {}
func (m *fifoModel) clear()              { m.queue = nil }
func (m *fifoModel) all() []*entry       { return m.queue }

func (m *fifoModel) evict(_ bool, keep uint32) *entry {
	e := first(m.queue, keep)
	m.remove(e)
	return e
}

type lruModel struct{ fifoModel }

func newLRUModel(int) model { return &lruModel{} }

func (m *lruModel) hit(e *entry) { m.queue = append(without(m.queue, e), e) }

type clockModel struct{ fifoModel }

func newClockModel(int) model { return &clockModel{} }

func (m *clockModel) evict(_ bool, keep uint32) *entry {
	for range 64 {
		if e := first(m.queue, keep); e != nil && e.mark > 0 {
			e.mark = 0
			m.queue = append(without(m.queue, e), e)
		}
	}
	return m.fifoModel.evict(false, keep)
}

// sieveModel is one list, the oldest first, and where the hand is in it.
type sieveModel struct {
	fifoModel
	hand int
}

func newSIEVEModel(int) model { return &sieveModel{} }

func (m *sieveModel) evict(_ bool, keep uint32) *entry {
	if first(m.queue, keep) == nil {
		return nil
	}
	for steps := 0; ; steps++ {
		e := m.queue[m.hand]
		if e.slot != keep {
			if e.mark == 0 || steps >= 64 {
				m.remove(e)
				return e
			}
			e.mark = 0
		}
		m.hand = (m.hand + 1) % len(m.queue)
	}
}

func (m *sieveModel) remove(e *entry) {
	at := slices.Index(m.queue, e)
	m.fifoModel.remove(e)
	if at < m.hand {
		m.hand--
	}
	if m.hand == len(m.queue) {
		m.hand = 0
	}
}

func (m *sieveModel) clear() { *m = sieveModel{} }

func (m *sieveModel) all() []*entry {
	return slices.Concat(m.queue[m.hand:], m.queue[:m.hand])
}

type s3fifoModel struct {
	small, main []*entry
	ghosts      ghosts // the ring's own, which have a model of their own elsewhere
	room        room
}

func newS3FIFOModel(capacity int) model {
	m := &s3fifoModel{}
	m.resize(capacity)
	return m
}

func (m *s3fifoModel) hit(*entry)          {}
func (m *s3fifoModel) admit(uint32, int64) {}
func (m *s3fifoModel) reweigh(*entry)      {}

func (m *s3fifoModel) insert(e *entry) {
	if m.ghosts.take(e.hash, (len(m.small)+len(m.main)+1)*9/10) >= 0 {
		m.main = append(m.main, e)
	} else {
		m.small = append(m.small, e)
	}
	m.room.fit(len(m.small) + len(m.main))
	m.ghosts.resize(1, m.room.size*9/10)
}

func (m *s3fifoModel) evict(incoming bool, keep uint32) *entry {
	n := len(m.small) + len(m.main)
	for steps := 0; ; steps++ {
		small, main := first(m.small, keep), first(m.main, keep)
		switch {
		case small == nil && main == nil:
			return nil
		case small != nil && (main == nil || len(m.small) >= max(1, n/10)):
			m.small = without(m.small, small)
			if small.mark < 2 || steps == 64 {
				if incoming {
					m.ghosts.push(0, small.hash)
				}
				return small
			}
			small.mark = 0
			m.main = append(m.main, small)
		default:
			m.main = without(m.main, main)
			if main.mark == 0 || steps == 64 {
				return main
			}
			main.mark--
			m.main = append(m.main, main)
		}
	}
}

func (m *s3fifoModel) remove(e *entry) {
	m.small, m.main = without(m.small, e), without(m.main, e)
}

func (m *s3fifoModel) resize(capacity int) {
	m.room.expected = capacity
	m.room.fit(len(m.small) + len(m.main))
	m.ghosts.resize(1, m.room.size*9/10)
}

func (m *s3fifoModel) clear() {
	expected := m.room.expected
	*m = s3fifoModel{}
	m.resize(expected)
}

func (m *s3fifoModel) all() []*entry { return slices.Concat(m.small, m.main) }

// tinyClockModel shares the ring's sketch and ghosts, which are compared with
// models of their own elsewhere, and the parameters.
type tinyClockModel struct {
	window, probation, protected []*entry
	ghosts                       ghosts
	sketch                       sketch
	room                         room
	share                        float64
	steps                        int
	full                         bool
	once                         int // candidates asked for once
	incoming                     int64
	weighted                     bool
}

func newTinyClockModel(capacity int) model {
	m := &tinyClockModel{share: startShare, sketch: newSketch(0)}
	m.resize(capacity)
	return m
}

func (m *tinyClockModel) hit(*entry)    {}
func (m *tinyClockModel) all() []*entry { return slices.Concat(m.probation, m.window, m.protected) }

func weightOf(queue []*entry) (sum int64) {
	for _, e := range queue {
		sum += e.weight
	}
	return sum
}

// sizes returns the weights that window and protected are to have.
func (m *tinyClockModel) sizes() (window, protected int64) {
	total := weightOf(m.all())
	mean := max(1, total/max(1, int64(len(m.all()))))
	window = max(mean, int64(m.share*float64(total)))
	return window, int64(protectedShare * float64(total-window))
}

func (m *tinyClockModel) reweigh(e *entry) { m.weighted = m.weighted || e.weight != 1 }

func (m *tinyClockModel) admit(hash uint32, weight int64) {
	m.incoming = weight
	n := len(m.all())
	switch m.ghosts.take(hash, n/4) {
	case 0:
		refused, evicted := float64(m.ghosts.size(0, n/4)+1), float64(m.ghosts.size(1, n/4))
		m.share = min(mostShare, m.share+max(1, evicted/refused)/float64(max(1, n)))
	case 1:
		refused, evicted := float64(m.ghosts.size(0, n/4)), float64(m.ghosts.size(1, n/4)+1)
		m.share = max(leastShare, m.share-max(1, refused/evicted)/float64(max(1, n)))
	}
	m.sketch.add(hash)
}

func (m *tinyClockModel) insert(e *entry) {
	m.reweigh(e)
	m.window = append(m.window, e)
	m.fit()
	window, _ := m.sizes()
	for steps := 64; steps > 0 && len(m.window) > 1 && weightOf(m.window) > window; steps-- {
		moved := m.window[0]
		m.flush(moved)
		m.window, m.probation = m.window[1:], append(m.probation, moved)
	}
}

func (m *tinyClockModel) evict(incoming bool, keep uint32) *entry {
	m.steps = 64
	window, _ := m.sizes()
	m.full = m.full || incoming
	if c := first(m.window, keep); c != nil && incoming && weightOf(m.window)+m.incoming > window {
		if c.mark > 0 { // one more round
			m.flush(c)
			m.window = append(without(m.window, c), c)
			c = first(m.window, keep)
			m.flush(c)
		}
		count := m.sketch.estimate(c.hash)
		if count <= 1 && !m.weighted {
			if m.once++; m.once%4 != 0 {
				return m.forget(0, c)
			}
		}
		v := m.victim(keep)
		if v == nil {
			return m.forget(0, c)
		}
		m.remove(c)
		m.remove(v)
		if m.wins(c, v, count) {
			m.probation = append(m.probation, c)
			return m.forget(1, v)
		}
		m.probation = append(m.probation, v)
		return m.forget(0, c)
	}
	v := m.victim(keep)
	if v == nil {
		v = first(m.window, keep)
	}
	if v != nil && incoming {
		return m.forget(1, v)
	}
	m.remove(v)
	return v
}

func (m *tinyClockModel) wins(c, v *entry, a uint32) bool {
	b := m.sketch.estimate(v.hash)
	if b >= 2 && m.share <= 0.1 {
		b++
	}
	return int64(a)*v.weight > int64(b)*c.weight
}

// forget removes an entry and remembers its key.
func (m *tinyClockModel) forget(ghost int, e *entry) *entry {
	m.remove(e)
	m.ghosts.push(ghost, e.hash)
	return e
}

func (m *tinyClockModel) victim(keep uint32) *entry {
	_, most := m.sizes()
	for {
		e := first(m.probation, keep)
		if e == nil {
			if e = m.demote(keep); e != nil {
				m.probation = append(m.probation, e)
			}
			return e
		}
		if !m.pass(e) {
			return e
		}
		m.remove(e)
		m.protected = append(m.protected, e)
		for weightOf(m.protected) > most && m.steps > 0 {
			m.steps--
			if e := m.demote(keep); e != nil {
				m.probation = append(m.probation, e)
			}
		}
	}
}

// demote takes an entry out of protected.
func (m *tinyClockModel) demote(keep uint32) *entry {
	for {
		e := first(m.protected, keep)
		if e == nil {
			return nil
		}
		m.remove(e)
		if !m.pass(e) {
			return e
		}
		m.protected = append(m.protected, e)
	}
}

func (m *tinyClockModel) pass(e *entry) bool {
	if e.mark == 0 {
		return false
	}
	m.flush(e)
	m.steps--
	return m.steps >= 0
}

func (m *tinyClockModel) flush(e *entry) {
	if e.mark > 0 {
		e.mark = 0
		m.sketch.add(e.hash)
	}
}

func (m *tinyClockModel) remove(e *entry) {
	m.window, m.probation, m.protected = without(m.window, e), without(m.probation, e), without(m.protected, e)
}

func (m *tinyClockModel) resize(capacity int) {
	m.room.expected = capacity
	m.fit()
}

func (m *tinyClockModel) fit() {
	if m.room.fit(len(m.all())) && !m.full && m.room.size > 2*m.sketch.entries() {
		m.sketch = newSketch(m.room.size)
	}
	m.sketch.resize(m.room.size)
	m.ghosts.resize(2, m.room.size/4)
}

func (m *tinyClockModel) clear() {
	*m = tinyClockModel{share: m.share, once: m.once, sketch: newSketch(0), room: room{expected: m.room.expected}}
	m.fit()
}

// match drives a ring and its model through the same calls and compares them.
type match struct {
	t         testing.TB
	ring      Ring
	model     model
	slots     *fakeSlots
	entries   []*entry // held, in no order that matters
	free      []uint32
	capacity  int // entries held at most
	keys      int
	hash      func(key uint32) uint32
	weighted  bool
	evictions int
}

// choose is where a match gets its decisions from: 0 <= choose(n) < n.
type choose func(n int) int

const (
	matchSlots    = 1000
	matchCapacity = 300 // the most a match resizes to
)

func newMatch(t testing.TB, policy Policy, newModel func(int) model, capacity, expected int) *match {
	m := &match{
		t:        t,
		model:    newModel(expected),
		slots:    newFakeSlots(matchSlots),
		capacity: capacity,
		keys:     3*capacity + 2,
		hash:     mix32,
	}
	m.ring = one(policy, expected, m.slots)
	for slot := uint32(matchSlots); slot > 0; slot-- {
		m.free = append(m.free, slot)
	}
	return m
}

// step makes one call, or a few that belong together.
func (m *match) step(next choose) {
	switch op := next(1000); {
	case op < 880:
		m.use(next)
	case op < 920:
		if e := m.any(next); e != nil {
			m.ring.Remove(e.slot)
			m.model.remove(e)
			m.drop(e)
		}
	case op < 960:
		if e := m.any(next); e != nil {
			i := next(len(m.free))
			from, to := e.slot, m.free[i]
			m.free[i] = from
			e.slot = to
			m.slots.hashes[to], m.slots.marks[to] = m.slots.hashes[from], m.slots.marks[from]
			m.ring.Move(from, to)
		}
	case op < 980:
		keep := None
		if e := m.any(next); e != nil && next(2) == 0 {
			keep = e.slot
		}
		m.evict(next(4) == 0, keep)
	case op < 995:
		if e := m.any(next); e != nil && m.weighted {
			e.weight = int64(next(20))
			m.ring.Reweigh(e.slot, e.weight)
			m.model.reweigh(e)
		}
	case op < 998:
		m.capacity = 1 + next(matchCapacity)
		m.keys = 3*m.capacity + 2
		expected := m.capacity
		if next(4) == 0 {
			expected = next(3) * m.capacity
		}
		m.ring.Resize(expected)
		m.model.resize(expected)
		for len(m.entries) > m.capacity {
			m.evict(false, None)
		}
	case op < 999:
		top := uint32(0)
		for _, e := range m.entries {
			top = max(top, e.slot)
		}
		m.ring.Trim(top)
	default:
		m.ring.Clear()
		m.model.clear()
		for len(m.entries) > 0 {
			m.drop(m.entries[0])
		}
	}
}

// use asks for a key, low ones more often, and puts it in on a miss.
func (m *match) use(next choose) {
	key := uint32(next(1 + next(m.keys)))
	for _, e := range m.entries {
		if e.key == key {
			if most := m.ring.MaxMark(); most == 0 {
				m.ring.Hit(e.slot)
			} else if e.mark < most {
				e.mark++
				m.slots.marks[e.slot]++
			}
			m.model.hit(e)
			return
		}
	}
	hash := m.hash(key)
	weight := int64(1)
	if m.weighted {
		weight = int64(next(20))
	}
	m.ring.Admit(hash, weight)
	m.model.admit(hash, weight)
	for len(m.entries) >= m.capacity {
		m.evict(true, None)
	}
	e := &entry{key: key, slot: m.free[len(m.free)-1], hash: hash, weight: weight}
	m.free = m.free[:len(m.free)-1]
	m.slots.hashes[e.slot], m.slots.marks[e.slot] = hash, 0
	m.entries = append(m.entries, e)
	m.ring.Insert(e.slot, e.weight)
	m.model.insert(e)
}

func (m *match) evict(incoming bool, keep uint32) {
	want := m.model.evict(incoming, keep)
	got := m.ring.Evict(incoming, keep)
	if want == nil {
		require.Equal(m.t, None, got)
		return
	}
	require.Equal(m.t, want.slot, got, "the victim after %d others", m.evictions)
	m.evictions++
	m.drop(want)
}

func (m *match) any(next choose) *entry {
	if len(m.entries) == 0 {
		return nil
	}
	return m.entries[next(len(m.entries))]
}

func (m *match) drop(e *entry) {
	m.entries = without(m.entries, e)
	m.free = append(m.free, e.slot)
}

// compare checks the whole state.
func (m *match) compare() {
	require.NoError(m.t, m.ring.(Validator).Validate())
	require.Equal(m.t, len(m.entries), m.ring.Len())
	var want, got []uint32
	for _, e := range m.model.all() {
		want = append(want, e.slot)
		require.Equal(m.t, e.mark, m.slots.marks[e.slot], "mark of slot %d", e.slot)
	}
	for slot := range m.ring.All() {
		got = append(got, slot)
	}
	require.Equal(m.t, want, got)
}

func TestRingsDoWhatTheirModelsDo(t *testing.T) {
	few := func(key uint32) uint32 { return mix32(key) & 0x3f }
	runs := []struct {
		name     string
		capacity int
		expected int
		steps    int
		hash     func(uint32) uint32
		weighted bool
	}{
		{"one entry", 1, 1, 20_000, mix32, false},
		{"two entries", 2, 2, 20_000, mix32, false},
		{"small", 20, 20, 60_000, mix32, false},
		{"large", 300, 300, 60_000, mix32, false},
		{"capacity unknown", 60, 0, 40_000, mix32, false},
		{"more than expected", 60, 10, 20_000, mix32, false},
		{"fewer than expected", 60, 3000, 20_000, mix32, false},
		{"fingerprints collide", 40, 40, 40_000, few, false},
		{"weighted", 40, 40, 60_000, mix32, true},
	}
	for _, p := range policies {
		for seed, run := range runs {
			t.Run(p.name+"/"+run.name, func(t *testing.T) {
				t.Parallel()
				if testing.Short() {
					run.steps /= 10
				}
				rnd := rand.New(rand.NewPCG(uint64(seed), 7))
				m := newMatch(t, p.policy, p.model, run.capacity, run.expected)
				m.hash, m.weighted = run.hash, run.weighted
				for step := range run.steps {
					m.step(rnd.IntN)
					if step%100 == 0 {
						m.compare()
					}
				}
				m.compare()
				require.Greater(t, m.evictions, run.steps/20, "the run has evicted")
			})
		}
	}
}

var steps = flag.Int("steps", 20_000, "calls of each policy's ring that are followed by Validate")

// TestEveryStepLeavesAValidRing validates after every call; with the flag
// -steps=1000000 in the checks that take long.
func TestEveryStepLeavesAValidRing(t *testing.T) {
	n := *steps
	if testing.Short() {
		n = min(n, 2000)
	}
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			rnd := rand.New(rand.NewPCG(seed, 0))
			m := newMatch(t, p.policy, p.model, 1+rnd.IntN(matchCapacity), rnd.IntN(2*matchCapacity))
			m.weighted = true
			for step := range n {
				m.step(rnd.IntN)
				if err := m.ring.(Validator).Validate(); err != nil {
					t.Fatalf("after step %d: %v", step, err)
				}
				if step%50 == 0 {
					m.compare()
				}
			}
			m.compare()
			require.Greater(t, m.evictions, n/50, "the run has evicted")
		})
	}
}

// One target for each policy, so that each gets the same time.

func FuzzFIFO(f *testing.F)      { fuzzRing(f, "FIFO") }
func FuzzCLOCK(f *testing.F)     { fuzzRing(f, "CLOCK") }
func FuzzS3FIFO(f *testing.F)    { fuzzRing(f, "S3FIFO") }
func FuzzSIEVE(f *testing.F)     { fuzzRing(f, "SIEVE") }
func FuzzLRU(f *testing.F)       { fuzzRing(f, "LRU") }
func FuzzTinyClock(f *testing.F) { fuzzRing(f, "TinyClock") }

// fuzzRing reads a capacity and a program of calls from bytes. Programs are long:
// with -fuzzminimizetime=10x the time goes into new ones.
func fuzzRing(f *testing.F, name string) {
	i := slices.IndexFunc(policies, func(p policyRow) bool { return p.name == name })
	require.GreaterOrEqual(f, i, 0, "no policy is named %s", name)
	p := policies[i]
	for _, capacity := range []byte{0, 3, 40} {
		for kind := range byte(8) {
			program := []byte{capacity, kind}
			for n := range 600 {
				program = append(program, byte(mix32(uint32(n))))
			}
			f.Add(program)
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) < 2 || len(program) > 4096 { // longer ones find no more, slowly
			return
		}
		capacity := 1 + int(program[0])
		expected := []int{capacity, 0, capacity / 3, capacity * 9}[program[1]&3]
		m := newMatch(t, p.policy, p.model, capacity, expected)
		m.weighted = program[1]&4 != 0
		if program[1]&8 != 0 {
			m.hash = func(key uint32) uint32 { return key & 7 }
		}
		program = program[2:]
		next := func(n int) int {
			choice := 0
			for range 2 {
				choice <<= 8
				if len(program) > 0 {
					choice |= int(program[0])
					program = program[1:]
				}
			}
			return choice % n
		}
		for step := 0; len(program) > 0; step++ {
			m.step(next)
			if step%8 == 0 {
				m.compare()
			}
		}
		m.compare()
		for len(m.entries) > 0 {
			m.evict(true, None)
		}
		require.Equal(t, None, m.ring.Evict(false, None), p.name)
	})
}
