// SPDX-License-Identifier: MIT

package faults

var snapshotFaults = []Fault{
	{
		Name: "a snapshot forgets the order of use", Property: "PER-5", Test: "TestASnapshotKeepsAnExactOrder",
		File: "snapshot.go",
		Old:  "return cmp.Compare(a.use, b.use)",
		New:  "return cmp.Compare(a.weight, b.weight)",
	},
	{
		Name: "a restored lifetime starts anew", Property: "PER-1", Test: "TestRestoreKeepsWhatIsLeftOfALifetime",
		File: "snapshot.go",
		Old:  "\t\t\ts.deadline -= passed\n",
		New:  "",
	},
	{
		Name: "a clock that was set back lengthens lives", Property: "PER-1", Test: "TestRestoreTakesTheTimeOfSavingOffLifetimes",
		File: "snapshot.go",
		Old:  "max(took, int64(e.clock.wall().Sub(wall)))",
		New:  "max(0*took, int64(e.clock.wall().Sub(wall)))",
	},
	{
		Name: "checksums are not compared", Property: "PER-2", Test: "TestRestoreOfADamagedSnapshotChangesNothing",
		File: "snapshot_frame.go",
		Old:  "if in.sum != binary.BigEndian.Uint32(sum) {",
		New:  "if in.sum != binary.BigEndian.Uint32(sum) && len(body) == 0 {",
	},
	{
		Name: "the number of entries is not compared", Property: "PER-2", Test: "TestRestoreSeesFramesOutOfPlace",
		File: "snapshot.go",
		Old:  "!f.done() || count != uint64(len(entries))",
		New:  "!f.done() || count > 1<<62",
	},
	{
		Name: "a file that could not be written stays", Property: "PER-2", Test: "TestSaveFileLeavesTheOldFileWholeIfItFails",
		File: "snapshot_file.go",
		Old:  "\t\t\t_ = os.Remove(f.Name())\n",
		New:  "",
	},
	{
		Name: "a snapshot of an engine that was closed meanwhile looks whole", Property: "PER-2", Test: "TestSnapshotOfAClosedEngineIsErrClosed",
		File: "snapshot.go",
		Old:  "\tif e.clock.closed.Load() { // Close says so before it drops the first entry\n\t\treturn ErrClosed\n\t}\n",
		New:  "",
	},
	{
		Name: "restored entries weigh nothing", Property: "PER-4", Test: "TestSnapshotKeepsWeights",
		File: "snapshot.go",
		Old:  "weight: entry.weight, expiry",
		New:  "weight: 0, expiry",
	},
	{
		Name: "a codec runs under the lock", Property: "PER-3", Test: "TestSnapshotCallsUserCodeUnderNoLock",
		File: "snapshot.go",
		Old:  "\t\tif out.buf, scratch, err = entry.append(out.buf, scratch, codec); err != nil {\n",
		New:  "\t\tlocked := e.shardOf(e.hasher.sum(key))\n\t\tlocked.mu.Lock()\n\t\tout.buf, scratch, err = entry.append(out.buf, scratch, codec)\n\t\tlocked.mu.Unlock()\n\t\tif err != nil {\n",
	},
	{
		Name: "tags are not restored", Property: "PER-4", Test: "TestSnapshotKeepsTags",
		File: "snapshot.go",
		Old:  "\t\t\tw.tags = &entry.tags\n",
		New:  "",
	},
	{
		Name: "weights are not saved", Property: "PER-4", Test: "TestSnapshotKeepsWeights",
		File: "snapshot.go",
		Old:  "\t\tentry.weight = s.weightOf(n)\n",
		New:  "",
	},
}
