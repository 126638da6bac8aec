// SPDX-License-Identifier: MIT

package faults

// contractConfigFaults break what the contract says of configurations and of sets
// of caches.
var contractConfigFaults = []Fault{
	{
		Name: "an unconfigured program has a location of its own", Property: "C1",
		Test: "TestC1AnUnconfiguredProgramHasOneAlias", File: "cache/caches.go",
		Old: "configs = map[string]Config{defaultAlias: {}}",
		New: "configs = map[string]Config{defaultAlias: {Location: defaultAlias}}",
	},
	{
		Name: "drivers in capitals are unknown", Property: "C1",
		Test: "TestC1AllOfADSNIsOptionalButItsDriver", File: "cache/dsn.go",
		Old: "scheme = strings.ToLower(scheme)",
		New: "scheme = strings.TrimSpace(scheme)",
	},
	{
		Name: "a set without default is made", Property: "C2",
		Test: "TestC2ASetHasADefault", File: "cache/caches.go",
		Old: "if _, ok := configs[defaultAlias]; !ok {",
		New: "if _, ok := configs[defaultAlias]; !ok && len(configs) == 0 {",
	},
	{
		Name: "the unknown alias is not named", Property: "C3",
		Test: "TestC3AnUnknownAliasIsNamed", File: "cache/caches.go",
		Old: `return nil, fmt.Errorf("%w: %q", ErrUnknownAlias, alias)`,
		New: `return nil, ErrUnknownAlias`,
	},
	{
		Name: "an unknown driver is found at the first use only", Property: "C4",
		Test: "TestC4TheDriverIsCheckedBeforeItIsUsed", File: "cache/config.go",
		Old: "return []error{err}",
		New: "return nil",
	},
	{
		Name: "the prefix is a part of the location", Property: "C5",
		Test: "TestC5AliasesWithoutALocationShareOneStore", File: "cache/driver.go",
		Old: "return c.Registry.Local(c.Location), nil",
		New: "return c.Registry.Local(c.Location + c.KeyPrefix), nil",
	},
	{
		Name: "a plus in a location is a space", Property: "C6",
		Test: "TestC6TheLocationIsAnyText", File: "cache/dsn.go",
		Old: "url.PathUnescape(text)",
		New: "url.QueryUnescape(text)",
	},
	{
		Name: "locations differ in more than case", Property: "C6",
		Test: "TestC6LocationsThatDifferAreDifferentStores", File: "cache/driver.go",
		Old: "return c.Registry.Local(c.Location), nil",
		New: "return c.Registry.Local(strings.ToLower(c.Location)), nil",
	},
	{
		Name: "each alias has a registry", Property: "C7",
		Test: "TestC7OneRegistryForTheProcess", File: "cache/driver.go",
		Old: "return processRegistry.Local(c.Location), nil",
		New: "return NewRegistry(RegistryOptions{}).Local(c.Location), nil",
	},
	{
		Name: "Close empties the store", Property: "C8",
		Test: "TestC8AStoreOutlivesAliasesAndSets", File: "cache/local.go",
		Old: "func (l *Local) Close() error { return nil }",
		New: "func (l *Local) Close() error { return l.Clear(context.Background()) }",
	},
	{
		Name: "callers that come together open an alias each", Property: "C9",
		Test: "TestC9AnAliasIsOneInstance", File: "cache/caches.go",
		Old: "if m.cache == nil && m.opening == nil {",
		New: "if m.cache == nil {",
	},
	{
		Name: "a write does not say the limits of its alias", Property: "C10",
		Test: "TestC10DefaultsAndLimitsBelongToTheAlias", File: "cache/cache.go",
		Old: "&Write{Timeout: a.timeout, Limits: limits}",
		New: "&Write{Timeout: a.timeout, Limits: Limits{MaxEntries: NoLimit}}",
	},
	{
		Name: "many seconds overflow", Property: "C11",
		Test: "TestC11TheDefaultTimeout", File: "cache/dsn.go",
		Old: "case seconds > longest:",
		New: "case seconds > longest && seconds == math.MaxInt64:",
	},
	{
		Name: "fractions of a second are cut off", Property: "C11",
		Test: "TestC11TheDefaultTimeout", File: "cache/dsn.go",
		Old: "return Timeout(d)",
		New: "return Timeout(d.Truncate(time.Second))",
	},
	{
		Name: "a very negative timeout means never", Property: "C12",
		Test: "TestC12ADefaultTimeoutOfNothingCachesNothingByItself", File: "cache/dsn.go",
		Old: "return Timeout(math.MinInt64)",
		New: "return Never()",
	},
	{
		Name: "the last of a repeated parameter counts", Property: "C13",
		Test: "TestC13EveryFaultIsNamed", File: "cache/dsn.go",
		Old: "		r.fault(\"%s is there twice\", name)\n		return\n",
		New: "",
	},
	{
		Name: "only the first fault is named", Property: "C13",
		Test: "TestC13NothingIsBuiltIfOneAliasHasAFault", File: "cache/caches.go",
		Old: "return nil, errors.Join(all...)",
		New: "return nil, all[0]",
	},
	{
		Name: "a batch without a number is all", Property: "C13",
		Test: "TestC13ABatchWithoutANumberIsAThird", File: "cache/config.go",
		Old: "frequency: DefaultCullFrequency}",
		New: "frequency: 1}",
	},
	{
		Name: "a cull is asked for where none is", Property: "C13",
		Test: "TestC13LimitsThatAreLeftOut", File: "cache/dsn.go",
		Old: "r := reader{config: Config{Driver: scheme},",
		New: "r := reader{config: Config{Driver: scheme, Cull: Batch()},",
	},
	{
		Name: "version 0 means the default", Property: "C14",
		Test: "TestC14PrefixAndVersion", File: "cache/dsn.go",
		Old: "c.Version = Version(int(n))",
		New: "if n != 0 {\n\t\t\t\tc.Version = Version(int(n))\n\t\t\t}",
	},
	{
		Name: "Default does not see a new set", Property: "C15",
		Test: "TestC15DefaultFollowsTheCurrentSet", File: "cache/caches.go",
		Old: "s := current.Load()",
		New: "s := unconfigured",
	},
	{
		Name: "Close opens what was not", Property: "C16",
		Test: "TestC16CloseClosesWhatWasMade", File: "cache/caches.go",
		Old: "if c := s.members[alias].opened(); c != nil {",
		New: "if c, _ := s.Cache(alias); c != nil {",
	},
	{
		Name: "what is opened after Close stays open", Property: "C16",
		Test: "TestC16CloseClosesWhatWasMade", File: "cache/caches.go",
		Old: "if o.cache != nil && s.closed.Load() {",
		New: "if o.cache == nil && s.closed.Load() {",
	},
	{
		Name: "a negative cull frequency is taken", Property: "Q5",
		Test: "TestQ5ANegativeCullFrequencyIsRefused", File: "cache/config.go",
		Old: "if l.Cull.frequency < 0 {",
		New: "if l.Cull.frequency < 0 && !l.Cull.batch {",
	},
	{
		Name: "limits below one are taken", Property: "L11",
		Test: "TestL11LimitsBelowOneAreRefusedAndChangeNothing", File: "cache/config.go",
		Old: "if l.MaxEntries < 0 {",
		New: "if l.MaxEntries < -1 {",
	},
	{
		Name: "a driver opens under the lock of all drivers", Property: "Q14",
		Test: "TestQ14ADriverMayCallThePackage", File: "cache/driver.go",
		Old: "b, err := d.Open(c)",
		New: "drivers.mu.RLock()\n\tdefer drivers.mu.RUnlock()\n\tb, err := d.Open(c)",
	},
}
