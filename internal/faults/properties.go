// SPDX-License-Identifier: MIT

package faults

// A Property is something that holds of the engine, and that other caches were
// seen to get wrong.
type Property struct {
	ID, Says string
}

// properties in the order of the page. Each has at least one fault.
var properties = []Property{
	{"EXP-1", "A write states the whole expiry of its entry: nothing is left over from the one before, nor from the slot's last tenant"},
	{"EXP-2", "A write over an expired entry is visible at once, and KeepTTL on it means the default lifetime"},
	{"EXP-3", "No method returns, yields or counts as present an entry whose deadline has come, the boundary included"},
	{"EXP-4", "Lifetimes shorter than a tick of the deadline index end to the nanosecond"},
	{"EXP-5", "Lifetimes of zero, below zero and beyond the range have a meaning, and so has a clock that jumps, goes back or stands before 1970"},
	{"EXP-6", "A new deadline reaches every index of deadlines, and none revives an entry that has expired"},
	{"EXP-7", "Expired entries are removed with nobody at work, and every removal leaves the deadline index too"},
	{"EXP-8", "A sweep never takes an entry that was written since the one it found"},
	{"EXP-9", "All time comes from the engine's clock; jitter spreads lifetimes evenly and lengthens none"},
	{"EXP-10", "Each entry may have a lifetime of its own"},

	{"BND-1", "Entries and weight are within their limits at every instant, whoever looks"},
	{"BND-2", "The limit is that of all shards together and can be used up, however many shards there are"},
	{"BND-3", "An entry weighs what the caller said, and what fits stays"},
	{"BND-4", "An overwrite in a full engine evicts nothing and is never dropped"},
	{"BND-5", "An eviction takes what is needed and no more"},
	{"BND-6", "Writing the same keys again and again does not grow anything"},
	{"BND-7", "Slots, index, ring and deadlines agree after every call"},
	{"BND-8", "Counters stay in range, also with Clear against writers"},
	{"BND-9", "Memory goes back on Clear and Resize"},
	{"BND-10", "A policy that breaks its contract is an error of New, or a panic of the write that it fails, with nothing held"},
	{"BND-11", "A write's own limits hold as those of the engine do, and a cull is one write's"},

	{"WRT-1", "What a write has stored the next read sees; true means stored"},
	{"WRT-2", "The writes of a key have one order, which every reader sees"},
	{"WRT-3", "Add, Replace, CompareAndSwap, Incr, Touch, Take and Compute are atomic"},
	{"WRT-4", "Compute sees live entries only, and its function may call the engine, panic or end its goroutine"},
	{"WRT-6", "A call on many keys is as so many calls"},
	{"WRT-7", "Move is one step for whoever looks, and takes along all that was said of the entry"},

	{"LDR-1", "One load of a key at a time, and a load that has ended cannot be joined"},
	{"LDR-2", "Who waits for a load gets its value, however short its lifetime"},
	{"LDR-3", "No lock is held during a load"},
	{"LDR-4", "Who waits leaves with its own context, and nobody else with it"},
	{"LDR-5", "A loader that panics or ends its goroutine fails its callers and leaves the key usable"},
	{"LDR-6", "A write or removal during a load wins over its result"},
	{"LDR-7", "Eviction and expiry neither cancel nor repeat a load"},
	{"LDR-8", "That there is nothing can be kept with a lifetime of its own, and differs from an error; errors are not stored"},
	{"LDR-9", "Refreshes make progress when they are slower than the time between them, outlive who has asked, and their goroutines are bounded"},
	{"LDR-10", "What a bulk load leaves out is a miss, for its caller and for who has joined it"},
	{"LDR-11", "A load that needs its own result is an error, not a wait for ever"},
	{"LDR-12", "What a loader says of its value's lifetime and weight counts over what its caller says"},
	{"LDR-13", "A call for many keys loads what is missing by one call, each key once, and joins loads and is joined"},
	{"LDR-14", "A bulk load that fails, panics or ends its goroutine stores nothing and tells all who wait"},
	{"LDR-15", "Without a loader of many, workers load one by one, so many at once and no more, and a loader has all its time"},
	{"LDR-16", "A call for many keys returns stale values at once and refreshes them by one call"},
	{"LDR-17", "Every load ends in one counter, every lookup is a hit or a miss, and removed weights are those of the events"},
	{"LDR-18", "Within StaleFor a load returns the old value at once while one refresh runs, and nothing else sees it"},
	{"LDR-19", "Within StaleIfError a load that fails, in whatever way, returns the old value, and tells its error"},
	{"LDR-20", "LoadTimeout ends the context of every loader"},

	{"TAG-1", "An invalidation of a tag hides all that carries it from every method, at once, and nothing else"},
	{"TAG-2", "A write states the tags of its entry; KeepTTL keeps them"},
	{"TAG-3", "What was invalidated is reported once, as such, whoever removes it, and is removed about a second later at the latest"},
	{"TAG-4", "An invalidation touches no entry and no shard's lock, tags that nothing carries are forgotten, and entries without tags cost nothing"},
	{"TAG-5", "A load or refresh that began before an invalidation does not store what carries the tag, and gives it to nobody who came after"},

	{"CBK-1", "Listeners, loaders, weighers and bodies of loops run with no lock held and may call any method"},
	{"CBK-2", "Every removal is reported once, with its cause, in order per key"},
	{"CBK-3", "A listener that panics or ends its goroutine stops nobody"},
	{"CBK-4", "An iteration sees once what is held throughout, nothing twice and nothing expired, whatever goes on"},
	{"CBK-5", "Each listener hears of each event once, from when it came until it goes, whatever others do"},

	{"HSH-1", "Keys are compared, so that equal hashes lose nothing"},
	{"HSH-2", "Zero keys, and keys that were deleted and come again, are keys like others"},
	{"HSH-3", "Poor hashes stay correct, keys at equal distances spread over the shards, and crafted keys do not slow the rest for long"},
	{"HSH-4", "Keys that differ from themselves are never stored, and those that cannot be compared panic with nothing held"},
	{"HSH-6", "Keys of every integer and string type hash all of their bits"},

	{"LIF-1", "No goroutine runs unless something expires, and Close ends all"},
	{"LIF-2", "Close may be called often and against every method, and nothing hangs or panics after"},
	{"LIF-3", "The engine works in a testing/synctest bubble"},
	{"LIF-4", "An engine that is dropped is collected"},

	{"PER-1", "What a snapshot brings back lives no longer than it would have, and what was removed before it stays away"},
	{"PER-2", "A snapshot that is cut off, damaged or foreign is an error that changes nothing, and a file is replaced whole or not at all"},
	{"PER-3", "Restoring keeps the bounds, and codecs run with no lock held"},
	{"PER-4", "A snapshot keeps what was said of an entry: its lifetimes, weight and tags"},
	{"PER-5", "A snapshot keeps the order of use of a policy that has one"},
}
