// SPDX-License-Identifier: MIT

package locmem

import (
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/locmem/locmem/internal/lock"
	"github.com/locmem/locmem/internal/paged"
)

// Entries carry their tags together with the number of each tag's last
// invalidation when they were written. To invalidate a tag is to give it a new
// number: one store, whatever the tag is carried by, after which no entry that
// carries it is current. Its entries are removed when a write meets them, when they
// are evicted, and by a purge in the background.

// tag is what the engine knows of one tag.
//
//	INVARIANT: users is how many held entries carry the tag.
//	INVARIANT: a tag is in its stripe's records while it has users or is waiting.
type tag struct {
	name        string
	invalidated lock.Uint64 // number of the last invalidation, 0 if there was none; stored under the stripe's mu

	// Under the stripe's mu.
	users   int
	waiting bool
}

// carried is a tag as an entry carries it.
type carried struct {
	tag   *tag
	since uint64 // tag.invalidated when the entry was written
}

// current reports whether none of the tags was invalidated since.
func current(tags []carried) bool {
	for i := range tags {
		if tags[i].tag.invalidated.Load() != tags[i].since {
			return false
		}
	}
	return true
}

// tagTable has the tags of an engine, striped by their names' hashes.
type tagTable struct {
	clock   lock.Uint64 // number of the last invalidation of any tag
	waiting lock.Int32  // tags in any stripe's waiting list
	stripes [16]tagStripe
	// immutable: it returns how far clock had come when the oldest load that runs
	// began, or math.MaxUint64 if none runs.
	oldest func() uint64
}

type tagStripe struct {
	mu      lock.Mutex      // protects records, waiting and what a tag says it does
	records map[string]*tag // +checklocks:mu
	// waiting are tags that nothing carries, but a load began before they were
	// invalidated, and what it returns may turn out to carry them.
	waiting []*tag // +checklocks:mu
	// first is not above the number of any of their last invalidations.
	first uint64 // +checklocks:mu
}

func (t *tagTable) open(oldest func() uint64) {
	t.oldest = oldest
	for i := range t.stripes {
		st := &t.stripes[i]
		st.mu.Lock()
		st.first = math.MaxUint64
		st.mu.Unlock()
	}
}

func (t *tagTable) stripe(name string) *tagStripe {
	return &t.stripes[xxhash.Sum64String(name)%uint64(len(t.stripes))]
}

// record returns a tag's record, made if there is none.
//
// +checklocks:st.mu
func (st *tagStripe) record(name string) *tag {
	if r := st.records[name]; r != nil {
		return r
	}
	if st.records == nil {
		st.records = make(map[string]*tag)
	}
	r := &tag{name: name}
	st.records[name] = r
	return r
}

// carry returns tags for an entry that is about to be stored. Called under the
// lock of the entry's shard, so that an invalidation comes before the write or
// after it.
func (t *tagTable) carry(names []string) []carried {
	tags := make([]carried, len(names))
	for i, name := range names {
		st := t.stripe(name)
		st.mu.Lock()
		r := st.record(name)
		r.users++
		tags[i] = carried{r, r.invalidated.Load()}
		st.mu.Unlock()
	}
	return tags
}

// invalidatedSince returns the number of the last invalidation of any of the tags
// if it came after a load began, else 0.
func (t *tagTable) invalidatedSince(names []string, began uint64) (last uint64) {
	for _, name := range names {
		st := t.stripe(name)
		st.mu.Lock()
		if r := st.records[name]; r != nil {
			if number := r.invalidated.Load(); number > began {
				last = max(last, number)
			}
		}
		st.mu.Unlock()
	}
	return last
}

// release is called for an entry's tags when it goes.
func (t *tagTable) release(tags []carried) {
	for i := range tags {
		r := tags[i].tag
		st := t.stripe(r.name)
		st.mu.Lock()
		if r.users--; r.users == 0 && !r.waiting {
			t.retire(st, r)
		}
		st.mu.Unlock()
	}
}

// retire forgets a tag that nothing carries, or makes it wait.
//
// +checklocks:st.mu
func (t *tagTable) retire(st *tagStripe, r *tag) {
	if r.invalidated.Load() == 0 {
		delete(st.records, r.name)
		return
	}
	// Counted first: a load that ends before oldest is asked is not counted by it,
	// and one that ends after sees that somebody waits.
	t.waiting.Add(1)
	if r.invalidated.Load() <= t.oldest() {
		t.waiting.Add(-1)
		delete(st.records, r.name)
		return
	}
	r.waiting = true
	st.first = min(st.first, r.invalidated.Load())
	st.waiting = append(st.waiting, r)
}

// invalidate gives a tag a new number and reports whether entries carry it.
func (t *tagTable) invalidate(name string) bool {
	st := t.stripe(name)
	st.mu.Lock()
	defer st.mu.Unlock()
	number := t.clock.Add(1) // under the lock: a tag's numbers only grow
	r := st.records[name]
	if r == nil {
		// A load that begins from now on begins after the invalidation.
		if t.oldest() == math.MaxUint64 {
			return false
		}
		r = st.record(name)
	}
	r.invalidated.Store(number)
	if r.users == 0 && !r.waiting {
		t.retire(st, r)
	}
	return r.users > 0
}

// landed forgets the tags that have waited for loads which have ended by now.
// Called when a load has ended.
func (t *tagTable) landed() {
	if t.waiting.Load() == 0 {
		return
	}
	for i := range t.stripes {
		st := &t.stripes[i]
		st.mu.Lock()
		// Under the lock: no load that a tag of this stripe waits for is younger.
		if oldest := t.oldest(); len(st.waiting) > 0 && oldest >= st.first {
			t.waiting.Add(int32(st.reap(oldest)))
		}
		st.mu.Unlock()
	}
}

// reap forgets the tags that wait for no load any more, and returns the change of
// how many wait.
//
// +checklocks:st.mu
func (st *tagStripe) reap(oldest uint64) int {
	before := len(st.waiting)
	st.first = math.MaxUint64
	rest := st.waiting[:0]
	for _, r := range st.waiting {
		number := r.invalidated.Load()
		if r.users == 0 && number > oldest {
			st.first = min(st.first, number)
			rest = append(rest, r)
			continue
		}
		r.waiting = false
		if r.users == 0 {
			delete(st.records, r.name)
		}
	}
	clear(st.waiting[len(rest):])
	st.waiting = rest
	return len(rest) - before
}

// lastInvalidation returns the number of the last invalidation of any of the tags.
func lastInvalidation(tags []carried) (last uint64) {
	for i := range tags {
		last = max(last, tags[i].tag.invalidated.Load())
	}
	return last
}

// InvalidateTags makes every entry that carries one of the tags invisible at once:
// no read that starts after the call has returned finds it, and a load that had
// begun before does not store a value that carries it. It is linearizable per tag
// and key, takes time in proportion to the number of tags given and not of entries,
// and takes no shard's lock.
//
// The memory of the entries comes back later: when a write meets them, when they
// are the policy's choice where room is needed, and by a purge in the background,
// at most one a second, that looks through all shards in bounded steps. Then they
// are reported as Invalidated; until then they count in Len and Weight. With a
// ManualClock the purge comes with its next move.
//
// The answer that a load has found nothing, kept by Options.NegativeTTL, carries
// no tags.
func (e *Engine[K, V]) InvalidateTags(tags ...string) {
	carriers := false
	for _, name := range tags {
		if e.tags.invalidate(name) {
			carriers = true
		}
	}
	if carriers {
		e.purgeSoon()
	}
}

// purgeEvery is the least time between two purges: one looks at each slot, some
// milliseconds for a million.
const purgeEvery = int64(1e9)

// purgeSoon makes the clock purge, a second after the last time.
func (e *Engine[K, V]) purgeSoon() {
	due := max(e.clock.now(), e.purged.Load()+purgeEvery)
	if e.purgeAt.CompareAndSwap(never, due) {
		e.clock.expect(due)
	}
}

// purge removes what was invalidated from all shards. Called by sweep.
func (e *Engine[K, V]) purge() {
	e.purgeAt.Store(never) // first: what is invalidated from now on is for the next one
	e.purged.Store(e.clock.now())
	for i := range e.shards {
		s := &e.shards[i]
		for n := uint32(math.MaxUint32); n > 0; {
			s.mu.Lock()
			var entries, weight int64
			n, entries, weight = s.purge(n)
			e.giveBack(entries, weight)
			e.checkLocked(s)
			s.mu.Unlock()
			e.clock.beat()
		}
	}
}

// purge removes what was invalidated in the slots from n down, as many as one hold
// of the lock may, and returns where to go on, 0 at the end. It goes down because
// that is the way in which entries move, so none is passed over.
//
// +checklocks:s.mu
func (s *shard[K, V]) purge(n uint32) (next uint32, entries, weight int64) {
	if s.tagged == nil {
		return 0, 0, 0
	}
	n = min(n, s.top)
	for looks := 0; n > 0 && looks < perHold && entries < maxRemovals; looks++ {
		if s.invalid(n, s.slots.At(n).meta.Load()) {
			weight += s.remove(n, Invalidated)
			entries++
		}
		n--
	}
	return n, entries, weight
}

// invalid reports whether one of an entry's tags was invalidated. Called with the
// entry's meta.
//
// +checklocksread:s.mu
func (s *shard[K, V]) invalid(n, meta uint32) bool {
	return meta&metaTagged != 0 && !current(*s.tagged.At(n))
}

// setTags makes a held slot carry tags, in place of those it has.
//
// +checklocks:s.mu
func (s *shard[K, V]) setTags(n uint32, sl *slot[K, V], tags []carried) {
	s.tags.release(s.takeTags(n, sl))
	if len(tags) > 0 {
		if s.tagged == nil {
			tagged := paged.New[[]carried]()
			s.tagged = &tagged
		}
		s.tagged.Grow(n)
		*s.tagged.At(n) = tags
		sl.meta.Store(sl.meta.Load() | metaTagged)
	}
}

// takeTags takes a slot's tags away and leaves them to the caller, who must give them to
// a slot or release them.
//
// +checklocks:s.mu
func (s *shard[K, V]) takeTags(n uint32, sl *slot[K, V]) []carried {
	meta := sl.meta.Load()
	if meta&metaTagged == 0 {
		return nil
	}
	tags := *s.tagged.At(n)
	*s.tagged.At(n) = nil
	sl.meta.Store(meta &^ metaTagged)
	return tags
}

// releaseAll releases the tags of entries that were taken away whole.
func (t *tagTable) releaseAll(tagged *paged.Array[[]carried]) {
	if tagged == nil {
		return
	}
	for n := range tagged.Len() {
		t.release(*tagged.At(uint32(n)))
	}
}
