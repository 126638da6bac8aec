// SPDX-License-Identifier: MIT

// Package mutants has small faults of the engine, one line each, and finds out which
// checks notice them. A check that notices none checks nothing.
//
//	go test ./mutants -run EveryMutant -v -layers=all
package mutants

// Mutant is a change of one line.
type Mutant struct {
	Name string
	File string // relative to the project's root
	// Old occurs once in the file. It may start with lines that only say which of
	// several equal ones is meant: New differs in one line.
	Old, New string
}

// All are the mutants.
var All = []Mutant{
	// Locks: given back early, taken in the wrong order.
	{
		"a tag's lock is given back before its number is stored", "tags.go",
		"\tst.mu.Lock()\n\tdefer st.mu.Unlock()\n\tnumber := t.clock.Add(1)",
		"\tst.mu.Lock()\n\tst.mu.Unlock()\n\tnumber := t.clock.Add(1)",
	},
	{
		"two shards are locked in any order", "move.go",
		"if a.id > b.id {", "if a.id < 0 {",
	},
	{
		"credit is taken by a load and a store", "account.go",
		"if a.free.CompareAndSwap(free, free-n) {\n\t\t\treturn true\n\t\t}\n\t}\n}\n\n// takeWithin",
		"if a.free.CompareAndSwap(a.free.Load(), free-n) {\n\t\t\treturn true\n\t\t}\n\t}\n}\n\n// takeWithin",
	},

	// Lost notices: who waits is not told.
	{
		"the gate of a load stays closed", "singleflight.go",
		"\tf.gate.Open()\n", "\t_ = f.gate\n",
	},
	{
		"a drain is not told", "removal.go",
		"\t\t\tw.gate.Open()\n", "\t\t\t_ = w.gate\n",
	},
	{
		"the last who waits for events is forgotten", "removal.go",
		"if o.waiting.Load() > 0 {", "if o.waiting.Load() > 1 {",
	},
	{
		"Close does not tell those who wait for loads", "engine.go",
		"\t\t\tf.finish(ErrClosed)\n", "\t\t\t_ = f\n",
	},
	{
		"the drainer does not step down", "removal.go",
		"\t\t\to.draining = false\n", "\t\t\to.draining = true\n",
	},
	{
		"two drain at a time", "removal.go",
		"\to.draining = true\n\to.mu.Unlock()\n", "\to.draining = false\n\to.mu.Unlock()\n",
	},

	// Re-checks that are skipped.
	{
		"an update does not look whether the entry has changed", "write.go",
		"if n != w.slot || s.version(n) != w.version {", "if n != w.slot {",
	},
	{
		"a load does not look whether it was overtaken", "write.go",
		"if w.flight.overtaken || w.flight.invalidated > 0 {", "if w.flight.invalidated > 0 {",
	},
	{
		"a load gives its own value though a write has come", "write.go",
		"if w.flight.overtaken && n != evict.None { // by", "if w.flight.overtaken && n > s.top { // by",
	},
	{
		"a load does not look again whether its tags were invalidated", "write.go",
		"if last := lastInvalidation(tags); last > f.began {", "if last := lastInvalidation(tags); last < f.began {",
	},
	{
		"a load does not look whether the key was stored since the miss", "singleflight.go",
		"case !s.dead(n, meta): // stored since the miss", "case s.closed: // stored since the miss",
	},
	{
		"a refresh does not look whether one runs", "stale.go",
		"e.look(s, n, sl) != due {", "e.look(s, n, sl) == missing {",
	},
	{
		"who waits for events does not look again", "removal.go",
		"\tif o.delivered.Load() >= target {\n\t\to.release()", "\tif o.delivered.Load() > target {\n\t\to.release()",
	},
	{
		"an update does not look again whether the entry is invalid", "write.go",
		"\t\tif s.invalid(n, sl.meta.Load()) {\n\t\t\te.tags.release(tags)", "\t\tif s.closed {\n\t\t\te.tags.release(tags)",
	},

	// Versions: what Compute learns of changes by.
	{
		"an overwrite is no change", "write.go",
		"\ts.changed(n)\n\tw.held = true\n", "\t_ = n\n\tw.held = true\n",
	},

	// Loads and the writes that overtake them.
	{
		"a write does not overtake a load", "write.go",
		"\tif o == stored {\n\t\ts.overtake(w.key)", "\tif o == refused {\n\t\ts.overtake(w.key)",
	},
	{
		"a removal does not overtake a load", "engine.go",
		"\ts.overtake(key)\n\tn, sl := s.find(hash, key)", "\t_ = key\n\tn, sl := s.find(hash, key)",
	},
	{
		"a Clear does not overtake loads", "shard.go",
		"\t\tf.overtaken = true\n\t}\n\tclear(s.flights)", "\t\tf.overtaken = false\n\t}\n\tclear(s.flights)",
	},
	{
		"a move does not overtake a load of the new key", "move.go",
		"\tb.overtake(to)\n", "\t_ = to\n",
	},
	{
		"a load ends with the first who leaves", "singleflight.go",
		"last := f.waiters == 0 && s.end(f)", "last := f.waiters >= 0 && s.end(f)",
	},
	{
		"a load can end twice", "singleflight.go",
		"\tf.done = true\n", "\tf.done = false\n",
	},
	{
		"who joins a load is not counted", "singleflight.go",
		"\tb.flight.waiters++\n", "\tb.flight.waiters = 1\n",
	},
	{
		"loads of a key do not know of each other", "singleflight.go",
		"\t\ts.flights[key] = f\n", "\t\tdelete(s.flights, key)\n",
	},
	{
		"a closed shard starts loads", "engine.go",
		"\t\ts.closed = true\n", "\t\ts.closed = false\n",
	},

	// Notices of removals.
	{
		"an overwrite is not reported", "write.go",
		"\ts.report(sl, old, Replaced)\n", "\t_ = old\n",
	},
	{
		"a removal is not reported", "shard.go",
		"\ts.report(sl, weight, cause)\n\ts.index.remove", "\t_ = cause\n\ts.index.remove",
	},
	{
		"a Clear is not reported", "shard.go",
		"if events := int(entries) - int(notes); out != nil && events > 0 {", "if events := int(entries) - int(notes); out != nil && events > 1 {",
	},
	{
		"an entry that has expired is reported as evicted", "shard.go",
		"\t\treturn n, s.deathCause(n)\n\t}\n\treturn n, Evicted", "\t\treturn n, Evicted\n\t}\n\treturn n, Evicted",
	},

	// Credit.
	{
		"what a victim leaves is lost", "write.go",
		"\tw.entries++\n\tw.credit += s.drop(n, cause)", "\tw.entries += 0\n\tw.credit += s.drop(n, cause)",
	},
	{
		"what is in hand is not given back", "write.go",
		"\te.layDown(w)\n\tif w.serial {", "\t_ = w\n\tif w.serial {",
	},
	{
		"the last credit is not to be had", "account.go",
		"\t\tif free < n {\n", "\t\tif free <= n {\n",
	},
	{
		"a smaller limit leaves one too many", "resize.go",
		"for over := e.over(); over > 0; over = e.over() {", "for over := e.over(); over > 1; over = e.over() {",
	},
	{
		"a new limit is not kept", "account.go",
		"\ta.limit.Store(limit)\n\ta.mu.Unlock()", "\ta.limit.Store(a.limit.Load())\n\ta.mu.Unlock()",
	},
	{
		"a removal gives nothing back", "engine.go",
		"\te.giveBack(1, s.remove(n, cause))\n\treturn value, ok", "\t_ = s.remove(n, cause)\n\treturn value, ok",
	},

	// Deadlines.
	{
		"an entry is alive at its deadline", "clock.go",
		"return deadline <= k.horizon.Load() && deadline <= k.now()", "return deadline <= k.horizon.Load() && deadline < k.now()",
	},
	{
		"reads do not look at the deadline", "shard.go",
		"if meta&metaMortal == 0 || !s.dead(n, meta) {\n\t\t\tvalue, ok", "if meta&metaMortal == 0 || !s.closed {\n\t\t\tvalue, ok",
	},
	{
		"writes do not look at the deadline", "write.go",
		"if n != evict.None && s.dead(n, sl.meta.Load()) {", "if n != evict.None && s.closed {",
	},
	{
		"an earlier deadline does not bring the sweep forward", "shard.go",
		"if when < s.next.Load() {", "if when > s.next.Load() {",
	},
	{
		"an overwrite keeps the old lifetime", "write.go",
		"\tif !w.expiry.keep {\n", "\tif w.expiry.keep {\n",
	},

	// Tags.
	{
		"an invalidation is not kept", "tags.go",
		"\tr.invalidated.Store(number)\n", "\t_ = number\n",
	},
	{
		"an entry is current though a tag of it is not", "tags.go",
		"if tags[i].tag.invalidated.Load() != tags[i].since {", "if tags[i].tag.invalidated.Load() < tags[i].since {",
	},
	{
		"a load is not known as the oldest", "singleflight.go",
		"\t\tl.oldest.Store(f.began)\n", "\t\t_ = f.began\n",
	},

	// Policies.
	{
		"the hand of CLOCK passes nothing over", "evict/clock.go",
		"if steps == 0 || r.slots.Mark(slot) == 0 {", "if steps == 0 || r.slots.Mark(slot) >= 0 {",
	},
	{
		"the hand of CLOCK passes marks over for ever", "evict/clock.go",
		"\t\tr.slots.SetMark(slot, 0)\n", "\t\tr.slots.SetMark(slot, 1)\n",
	},

	// What was wrong in the engine once, as far as a line puts it back and a check of those
	// that take seconds notices it. Two more are above: "an update does not look again whether
	// the entry is invalid" and "who waits for events does not look again".
	{
		"ExpireAt takes the time twice", "write.go",
		"ttl, read = int64(set.at.Sub(wall)), true", "ttl, read = int64(set.at.Sub(wall)), false",
	},
	{
		"the end of a load forgets what waits for another", "tags.go",
		"if oldest := t.oldest(); len(st.waiting) > 0", "if oldest := max(t.oldest(), math.MaxUint64); len(st.waiting) > 0",
	},
	{
		"who came after an invalidation gets what is older", "singleflight.go",
		"return f.entry, f.invalidated > 0 && b.since > f.began, nil", "return f.entry, f.invalidated > 0 && b.since > f.invalidated, nil",
	},
	{
		"only the last invalidation counts for who came between two", "singleflight.go",
		"return f.entry, f.invalidated > 0 && b.since > f.began, nil", "return f.entry, f.invalidated > 0 && b.since >= f.invalidated, nil",
	},
	{
		"the purge passes over slots", "tags.go",
		"\t\tn--\n", "\t\tn -= min(n, 2)\n",
	},
}
