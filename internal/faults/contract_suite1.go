// SPDX-License-Identifier: MIT

package faults

// contractSuiteFaults break what the front makes of a backend: keys, timeouts,
// operations, values, counters and versions. The conformance suite notices them on
// local memory.
var contractSuiteFaults = []Fault{
	// Keys.
	{
		Name: "a point stands before the key of another version", Property: "K1", Test: "TestLocal/^K1_", File: "cache/key.go",
		Old: `strconv.Itoa(version) + ":" + k.space + key`,
		New: `strconv.Itoa(version) + "." + k.space + key`,
	},
	{
		Name: "versions have no sign in keys", Property: "K2", Test: "TestLocal/^K2_", File: "cache/key.go",
		Old: `strconv.Itoa(version) + ":" + k.space + key`,
		New: `strconv.FormatUint(uint64(version), 10) + ":" + k.space + key`,
	},
	{
		Name: "version 0 means none was given", Property: "K3", Test: "TestLocal/^K3_", File: "cache/option.go",
		Old: "c.version = int(o.n)",
		New: "if o.n != 0 {\n\t\t\t\tc.version = int(o.n)\n\t\t\t}",
	},
	{
		Name: "DeleteMany does not look at its options", Property: "K4", Test: "TestLocal/^K4_", File: "cache/cache.go",
		Old: "finals, _, err := c.startMany(ctx, keys, opts)",
		New: "finals, _, err := c.startMany(ctx, keys, nil)",
	},
	{
		Name: "a fault of a key is an error", Property: "K10", Test: "TestLocal/^K10_", File: "cache/key.go",
		Old: "logFaults(ctx, k.logger, final)\n\treturn nil",
		New: "return RefuseFaults(final)",
	},
	{
		Name: "long keys are cut", Property: "K12", Test: "TestLocal/^K12_", File: "cache/key.go",
		Old: "return final, k.check(ctx, final)",
		New: "final = final[:min(len(final), 1000)]\n\treturn final, k.check(ctx, final)",
	},

	// Timeouts.
	{
		Name: "the default timeout is the package's", Property: "T1", Test: "TestLocal/^T1_", File: "cache/cache.go",
		Old: "timeout: defaults.timeout",
		New: "timeout: DefaultTimeout",
	},
	{
		Name: "never is ten years", Property: "T2", Test: "TestLocal/^T2_", File: "cache/option.go",
		Old: "c.timeout = Forever",
		New: "c.timeout = 10 * 365 * 24 * time.Hour",
	},
	{
		Name: "a timeout of 0 is none", Property: "T3", Test: "TestLocal/^T3_", File: "cache/local.go",
		Old: "return locmem.TTL(timeout)",
		New: "if timeout == 0 {\n\t\treturn locmem.NoTTL()\n\t}\n\treturn locmem.TTL(timeout)",
	},
	{
		Name: "a negative timeout is none", Property: "T4", Test: "TestLocal/^T4_", File: "cache/local.go",
		Old: "return locmem.TTL(timeout)",
		New: "if timeout < 0 {\n\t\treturn locmem.NoTTL()\n\t}\n\treturn locmem.TTL(timeout)",
	},
	{
		Name: "timeouts are cut to seconds", Property: "T5", Test: "TestLocal/^T5_", File: "cache/local.go",
		Old: "return locmem.TTL(timeout)",
		New: "return locmem.TTL(timeout.Truncate(time.Second))",
	},
	{
		Name: "a value is there at its deadline", Property: "T6", Test: "TestLocal/^T6_", File: "cache/local.go",
		Old: "return locmem.TTL(timeout)",
		New: "if timeout > 0 {\n\t\ttimeout++\n\t}\n\treturn locmem.TTL(timeout)",
	},
	{
		Name: "over thirty days is a date", Property: "T7", Test: "TestLocal/^T7_", File: "cache/local.go",
		Old: "return locmem.TTL(timeout)",
		New: "if timeout > 30*24*time.Hour {\n\t\ttimeout = 0\n\t}\n\treturn locmem.TTL(timeout)",
	},
	{
		Name: "the remaining time of what has expired is 0", Property: "T8", Test: "TestLocal/^T8_", File: "cache/cache.go",
		Old: "remaining, found, err = c.backend.TTL(ctx, final)",
		New: "if remaining, found, err = c.backend.TTL(ctx, final); !found && err == nil {\n\t\treturn 0, false, true, nil\n\t}",
	},
	{
		Name: "Set keeps the expiry of what it overwrites", Property: "T9", Test: "TestLocal/^T9_", File: "cache/local.go",
		Old: "if !l.engine.Set(key, it, settings(&buf, w)...) {",
		New: "opts := settings(&buf, w)\n\tif l.engine.Has(key) {\n\t\topts = append(opts, locmem.KeepTTL())\n\t}\n\tif !l.engine.Set(key, it, opts...) {",
	},
	{
		Name: "GetMany prolongs", Property: "T10", Test: "TestLocal/^T10_", File: "cache/view.go",
		Old: "if it, found := v.local.engine.Get(finals[i]); found {",
		New: "if it, found := v.local.engine.Get(finals[i]); found {\n\t\t\t\tv.local.engine.Touch(finals[i], expiry(DefaultTimeout))",
	},
	{
		Name: "Touch does not shorten", Property: "T11", Test: "TestLocal/^T11_", File: "cache/local.go",
		Old: "return l.engine.Touch(key, expiry(timeout)), nil",
		New: "if left, _ := l.remaining(key); timeout > 0 && timeout < left {\n\t\treturn true, nil\n\t}\n\treturn l.engine.Touch(key, expiry(timeout)), nil",
	},

	// Operations.
	{
		Name: "Set leaves what is there", Property: "O1", Test: "TestLocal/^O1_", File: "cache/local.go",
		Old: "if !l.engine.Set(key, it, settings(&buf, w)...) {",
		New: "if !l.engine.Has(key) && !l.engine.Set(key, it, settings(&buf, w)...) {",
	},
	{
		Name: "Get finds a zero value where nothing is", Property: "O2", Test: "TestLocal/^O2_", File: "cache/view.go",
		Old: "if !found {\n\t\treturn value, false, nil",
		New: "if !found {\n\t\treturn value, true, nil",
	},
	{
		Name: "Add takes a stored nil for nothing", Property: "O3", Test: "TestLocal/^O3_", File: "cache/local.go",
		Old: "return l.engine.Add(key, it, settings(&buf, w)...), nil",
		New: "if old, _ := l.engine.Peek(key); old.Value.text == \"jnull\" {\n\t\tl.engine.Delete(key)\n\t}\n\treturn l.engine.Add(key, it, settings(&buf, w)...), nil",
	},
	{
		Name: "a failing Add sets the expiry", Property: "O4", Test: "TestLocal/^O4_", File: "cache/local.go",
		Old: "return l.engine.Add(key, it, settings(&buf, w)...), nil",
		New: "added := l.engine.Add(key, it, settings(&buf, w)...)\n\tif !added {\n\t\tl.engine.Touch(key, expiry(w.Timeout))\n\t}\n\treturn added, nil",
	},
	{
		Name: "Add does not encode for a key that is taken", Property: "O5", Test: "TestLocal/^O5_", File: "cache/view.go",
		Old: "var w Write\n\tfinal, it, err := v.prepare(ctx, key, value, opts, &w)\n\tif err != nil {\n\t\treturn false, err",
		New: "if found, err := v.Has(ctx, key, opts...); found || err != nil {\n\t\treturn false, err\n\t}\n\tvar w Write\n\tfinal, it, err := v.prepare(ctx, key, value, opts, &w)\n\tif err != nil {\n\t\treturn false, err",
	},
	{
		Name: "Delete is always true", Property: "O6", Test: "TestLocal/^O6_", File: "cache/local.go",
		Old: "return l.engine.Delete(key), nil",
		New: "l.engine.Delete(key)\n\treturn true, nil",
	},
	{
		Name: "Has tells whether anything is there", Property: "O7", Test: "TestLocal/^O7_", File: "cache/local.go",
		Old: "return l.engine.Has(key), nil",
		New: "return l.engine.Len() > 0, nil",
	},
	{
		Name: "GetMany answers by final keys", Property: "O8", Test: "TestLocal/^O8_", File: "cache/view.go",
		Old: "if values[key], err = decode[V](v.alias, &it); err != nil {",
		New: "if values[finals[i]], err = decode[V](v.alias, &it); err != nil {",
	},
	{
		Name: "SetMany goes backwards", Property: "O9", Test: "TestLocal/^O9_", File: "cache/view.go",
		Old: "keys := slices.Sorted(maps.Keys(values))",
		New: "keys := slices.Sorted(maps.Keys(values))\n\tslices.Reverse(keys)",
	},
	{
		Name: "Clear leaves entries of another prefix", Property: "O10", Test: "TestLocal/^O10_", File: "cache/local.go",
		Old: "l.engine.Clear()",
		New: "for key := range l.engine.All() {\n\t\tif !strings.HasPrefix(key, \"p:\") {\n\t\t\tl.engine.Delete(key)\n\t\t}\n\t}",
	},
	{
		Name: "Close clears", Property: "O11", Test: "TestLocal/^O11_", File: "cache/local.go",
		Old: "func (l *Local) Close() error { return nil }",
		New: "func (l *Local) Close() error {\n\tl.engine.Clear()\n\treturn nil\n}",
	},
	{
		Name: "TTL is in whole hours", Property: "O12", Test: "TestLocal/^O12_", File: "cache/cache.go",
		Old: "return remaining, false, true, nil",
		New: "return remaining.Round(time.Hour), false, true, nil",
	},

	// Values.
	{
		Name: "the caller's bytes are stored", Property: "P1", Test: "TestLocal/^P1_", File: "cache/view.go",
		Old: "if v.local != nil {\n\t\treturn v.local.set(final, it, &w)",
		New: "if v.local != nil {\n\t\tif b, ok := any(value).([]byte); ok && len(b) > 0 && v.codec == Raw {\n\t\t\tit.text = unsafe.String(&b[0], len(b))\n\t\t}\n\t\treturn v.local.set(final, it, &w)",
	},
	{
		Name: "of unsigned numbers the last bits count", Property: "P2", Test: "TestLocal/^P2_", File: "cache/value.go",
		Old: "return strconv.FormatUint(v.Uint(), 10), true",
		New: "return strconv.FormatUint(v.Uint()&0x7f, 10), true",
	},
	{
		Name: "values over 1 MiB are cut", Property: "P3", Test: "TestLocal/^P3_", File: "cache/value.go",
		Old: "return item{text: string(b)}, nil",
		New: "return item{text: string(b[:min(len(b), 1<<20)])}, nil",
	},
	{
		Name: "the codec's error is not wrapped", Property: "P4", Test: "TestLocal/^P4_", File: "cache/value.go",
		Old: "return item{}, fmt.Errorf(\"%w: %w\", ErrEncode, err)",
		New: "return item{}, fmt.Errorf(\"%w: %v\", ErrEncode, err)",
	},
	{
		Name: "a failing Set removes the old value", Property: "P5", Test: "TestLocal/^P5_", File: "cache/view.go",
		Old: "if err != nil {\n\t\treturn err\n\t}\n\tif v.local != nil {\n\t\treturn v.local.set(final, it, &w)",
		New: "if err != nil {\n\t\tv.Delete(ctx, key, opts...)\n\t\treturn err\n\t}\n\tif v.local != nil {\n\t\treturn v.local.set(final, it, &w)",
	},
	{
		Name: "what cannot be decoded is a miss", Property: "P6", Test: "TestLocal/^P6_", File: "cache/view.go",
		Old: "return *new(V), false, v.naming(key, err)",
		New: "return *new(V), false, nil",
	},
	{
		Name: "codecs are called under a lock", Property: "P7", Test: "TestLocal/^P7_", File: "cache/value.go",
		Old: "b, err := a.codec.Append(b, value)",
		New: "drivers.mu.Lock()\n\tdefer drivers.mu.Unlock()\n\tb, err := a.codec.Append(b, value)",
	},
	{
		Name: "unsigned numbers have a leading zero", Property: "P8", Test: "TestLocal/^P8_", File: "cache/value.go",
		Old: "return strconv.FormatUint(v.Uint(), 10), true",
		New: "return \"0\" + strconv.FormatUint(v.Uint(), 10), true",
	},

	// Counters.
	{
		Name: "Decr adds", Property: "I1", Test: "TestLocal/^I1_", File: "cache/cache.go",
		Old: "return c.Incr(ctx, key, -delta, opts...)",
		New: "return c.Incr(ctx, key, delta, opts...)",
	},
	{
		Name: "a miss of Incr has no key", Property: "I2", Test: "TestLocal/^I2_", File: "cache/local.go",
		Old: "case !found:\n\t\treturn 0, missed(key)",
		New: "case !found:\n\t\treturn 0, ErrMiss",
	},
	{
		Name: "sums wrap around", Property: "I3", Test: "TestLocal/^I3_", File: "cache/value.go",
		Old: "if (sum > n) != (delta > 0) {",
		New: "if false {",
	},
	{
		Name: "counting gives a new lifetime", Property: "I4", Test: "TestLocal/^I4_", File: "cache/local.go",
		Old: "}, locmem.KeepTTL())\n\treturn found, err",
		New: "}, expiry(DefaultTimeout))\n\treturn found, err",
	},
	{
		Name: "nil counts as 0", Property: "I5", Test: "TestLocal/^I5_", File: "cache/value.go",
		Old: "case err != nil:\n\t\treturn it, 0, fmt.Errorf(\"%w: %q\", ErrNotNumber, key)",
		New: "case err != nil && it.text != \"jnull\":\n\t\treturn it, 0, fmt.Errorf(\"%w: %q\", ErrNotNumber, key)",
	},
	{
		Name: "true counts as 0", Property: "I6", Test: "TestLocal/^I6_", File: "cache/value.go",
		Old: "case err != nil:\n\t\treturn it, 0, fmt.Errorf(\"%w: %q\", ErrNotNumber, key)",
		New: "case err != nil && it.text != \"jtrue\":\n\t\treturn it, 0, fmt.Errorf(\"%w: %q\", ErrNotNumber, key)",
	},
	{
		Name: "counting reads and then writes", Property: "I7", Test: "TestLocal/^I7_", File: "cache/local.go",
		Old: "l.engine.Compute(key, func(old locmem.Entry[item], live bool) (item, locmem.Op) {\n\t\tfound, err = live, nil",
		New: "was, there := l.engine.Peek(key)\n\tl.engine.Compute(key, func(locmem.Entry[item], bool) (item, locmem.Op) {\n\t\told, live := was, there\n\t\tfound, err = live, nil",
	},
	{
		Name: "Incr makes room", Property: "I8", Test: "TestLocal/^I8_", File: "cache/local.go",
		Old: "return 0, missed(key)\n\t}\n\treturn sum, nil",
		New: "return 0, missed(key)\n\t}\n\tif l.engine.Len() == 3 {\n\t\tl.engine.Evict(1)\n\t}\n\treturn sum, nil",
	},

	// Versions.
	{
		Name: "IncrVersion returns the next version", Property: "V1", Test: "TestLocal/^V1_", File: "cache/cache.go",
		Old: "return version, nil",
		New: "return said.version + 1, nil",
	},
	{
		Name: "a miss of IncrVersion has the final key", Property: "V2", Test: "TestLocal/^V2_", File: "cache/cache.go",
		Old: "err = missed(key)",
		New: "err = missed(from)",
	},
	{
		Name: "versions wrap around", Property: "V3", Test: "TestLocal/^V3_", File: "cache/cache.go",
		Old: "if (version > said.version) != (n > 0) {",
		New: "if false {",
	},
	{
		Name: "a version that is taken is left", Property: "V4", Test: "TestLocal/^V4_", File: "cache/local.go",
		Old: "return l.engine.Move(from, to), nil",
		New: "if from != to && l.engine.Has(to) {\n\t\treturn true, nil\n\t}\n\treturn l.engine.Move(from, to), nil",
	},
	{
		Name: "a nil does not move", Property: "V5", Test: "TestLocal/^V5_", File: "cache/local.go",
		Old: "return l.engine.Move(from, to), nil",
		New: "if old, _ := l.engine.Peek(from); old.Value.text == \"jnull\" {\n\t\treturn false, nil\n\t}\n\treturn l.engine.Move(from, to), nil",
	},
	{
		Name: "a move gives a new lifetime", Property: "V6", Test: "TestLocal/^V6_", File: "cache/local.go",
		Old: "return l.engine.Move(from, to), nil",
		New: "found := l.engine.Move(from, to)\n\tl.engine.Touch(to, expiry(DefaultTimeout))\n\treturn found, nil",
	},
}
