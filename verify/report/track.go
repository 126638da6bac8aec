// SPDX-License-Identifier: MIT

package main

// found is a fault that a check has found in the engine or its front. A check that is
// changed must still find those that it has found.
type found struct {
	What, By, Test string
}

var track = []found{
	{"A Replace, Compute or CompareAndSwap that met an entry while its tag was invalidated stored a value that outlived the invalidation.", "histories", "`TestHistories` with tags; mutant \"an update does not look again whether the entry is invalid\""},
	{"ExpireAt took the wall clock's time and then the engine's: a clock that went on in between made an entry live too long.", "histories", "`TestHistories` with times; scenario \"expire at a time, advance\"; mutant \"ExpireAt takes the time twice\""},
	{"A tag's record was forgotten for a load that had ended while another had begun.", "stress of tags under yield", "`TestNoReadSeesAnInvalidatedValue` and its like in `tags_test.go`; scenario \"invalidate, loads of two keys\"; mutant \"the end of a load forgets what waits for another\""},
	{"Of several invalidations during a load only the last one was compared.", "reading, for a test", "`load_overtaken_test.go`; scenario \"invalidate, load between two\"; mutant \"only the last invalidation counts for who came between two\""},
	{"A result that was not stored was given to callers who came after the invalidation.", "stress of tags under yield", "scenario \"invalidate, load, load\"; mutant \"who came after an invalidation gets what is older\""},
	{"A Drain could miss the wake-up of the last event.", "stress under yield", "scenarios \"drain, ...\"; mutant \"who waits for events does not look again\""},
	{"A purge of invalidated entries passed over entries that compaction moved.", "model under yield", "`tags_internal_test.go`; mutant \"the purge passes over slots\""},
	{"A listener that ended its goroutine between boarding a flight and starting it left the key without a loader.", "table of adversarial callbacks", "`TestAdversary`"},
	{"Who had given up delivering still looked at the outbox, beside the next one.", "race detector under yield", "`TestEachListenerHearsOfEachEventOnce`"},
	{"Two tests shared a variable with loaders and listeners that outlived them.", "race detector under yield", "`TestCloseFromEveryFunctionOfTheUser`"},
	{"The suite for caches took one that was slow on a busy machine for one that hangs, and let its waiters go before they waited.", "race detector on a busy machine", "`TestEveryFaultOfACacheIsNoticed`, four copies at once"},
}
