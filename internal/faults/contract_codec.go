// SPDX-License-Identifier: MIT

package faults

// contractCodecFaults break what the contract says of keys and values.
var contractCodecFaults = []Fault{
	// Keys.
	{
		Name: "the parts of a final key are joined by another character", Property: "K1",
		Test: "TestK1AFinalKeyIsPrefixVersionAndKey", File: "cache/key.go",
		Old: "k.head = k.prefix + \":\" + strconv.Itoa(k.version)",
		New: "k.head = k.prefix + \"-\" + strconv.Itoa(k.version)",
	},
	{
		Name: "colons of a prefix are escaped", Property: "K1",
		Test: "TestK1NothingIsEscaped", File: "cache/key.go",
		Old: "k.head = k.prefix + \":\" + strconv.Itoa(k.version)",
		New: "k.head = strconv.Quote(k.prefix) + \":\" + strconv.Itoa(k.version)",
	},
	{
		Name: "versions are written in another base", Property: "K2",
		Test: "TestK2TheEmptyKeyIsAKeyAndVersionsAreDecimal", File: "cache/key.go",
		Old: "return k.prefix + \":\" + strconv.Itoa(version) + ",
		New: "return k.prefix + \":\" + strconv.FormatInt(int64(version), 16) + ",
	},
	{
		Name: "version 0 means the alias's version", Property: "K3",
		Test: "TestK3NoughtAndNegativeNumbersAreVersions", File: "cache/option.go",
		Old: "\t\t\tc.version = int(o.n)\n",
		New: "\t\t\tif o.n != 0 {\n\t\t\t\tc.version = int(o.n)\n\t\t\t}\n",
	},
	{
		Name: "DeleteMany forgets the version", Property: "K4",
		Test: "TestK4EveryOperationTakesAVersion", File: "cache/cache.go",
		Old: "finals, _, err := c.startMany(ctx, keys, opts)",
		New: "finals, _, err := c.startMany(ctx, keys, opts[:0])",
	},
	{
		Name: "what a key function returns gets a prefix", Property: "K5",
		Test: "TestK5AKeyFunctionReplacesTheRuleWhole", File: "cache/key.go",
		Old: "return k.fn(k.space+key, k.prefix, version)",
		New: "return k.head + k.fn(k.space+key, k.prefix, version)",
	},
	{
		Name: "the user's key is checked", Property: "K6",
		Test: "TestK6TheFinalKeyIsWhatIsChecked", File: "cache/key.go",
		Old: "return final, k.check(ctx, final)",
		New: "return final, k.check(ctx, key)",
	},
	{
		Name: "bytes are counted for characters", Property: "K7",
		Test: "TestK7ThereAreAtMost250Characters", File: "cache/keyfault.go",
		Old: "return len(key) > MaxKeyLength && utf8.RuneCountInString(key) > MaxKeyLength",
		New: "return len(key) > MaxKeyLength",
	},
	{
		Name: "250 characters are too many", Property: "K7",
		Test: "TestK7ThereAreAtMost250Characters", File: "cache/keyfault.go",
		Old: "return len(key) > MaxKeyLength && utf8.RuneCountInString(key) > MaxKeyLength",
		New: "return len(key) >= MaxKeyLength && utf8.RuneCountInString(key) >= MaxKeyLength",
	},
	{
		Name: "a space is no fault", Property: "K8",
		Test: "TestK8ControlCharactersAndSpacesAreFaults", File: "cache/keyfault.go",
		Old: "if c := key[i]; c <= ' ' || c == 0x7f {",
		New: "if c := key[i]; c < ' ' || c == 0x7f {",
	},
	{
		Name: "long characters are faults", Property: "K8",
		Test: "TestK8ControlCharactersAndSpacesAreFaults", File: "cache/keyfault.go",
		Old: "(x-ones*(' '+1))&^x|",
		New: "(x-ones*(' '+1))|",
	},
	{
		Name: "the first fault hides the second", Property: "K9",
		Test: "TestK9BothFaultsAreTwoWarningsLengthFirst", File: "cache/keyfault.go",
		Old: "if badCharacter(finalKey) {",
		New: "if faults == nil && badCharacter(finalKey) {",
	},
	{
		Name: "a fault is logged as information", Property: "K10",
		Test: "TestK10AWarningIsOneRecordAndTheOperationWorks", File: "cache/keyfault.go",
		Old: "slog.LevelWarn",
		New: "slog.LevelInfo",
	},
	{
		Name: "the alias's handler is not asked", Property: "K10",
		Test: "TestK10AWarningIsOneRecordAndTheOperationWorks", File: "cache/keyfault.go",
		Old: "if logger == nil {",
		New: "if logger != slog.Default() {",
	},
	{
		Name: "a hook relaxes a backend that takes faultless keys only", Property: "K10",
		Test: "TestK10ABackendMayRefuseFaults", File: "cache/key.go",
		Old: "if k.hook != nil && !k.strict || faultless(final) {",
		New: "if k.hook != nil || faultless(final) {",
	},
	{
		Name: "of many keys the first is checked", Property: "K11",
		Test: "TestK11EveryOperationChecksEachKeyOnce", File: "cache/cache.go",
		Old: "if finals[i], err = c.keys.make(ctx, key, said.version); err != nil {",
		New: "if finals[i] = c.keys.final(key, said.version); i == 0 && c.keys.check(ctx, finals[i]) != nil {",
	},
	{
		Name: "the key of the new version is not checked", Property: "K11",
		Test: "TestK11EveryOperationChecksEachKeyOnce", File: "cache/cache.go",
		Old: "to, err := c.keys.make(ctx, key, version)",
		New: "to, err := c.keys.final(key, version), error(nil)",
	},
	{
		Name: "local memory refuses keys with faults", Property: "K12",
		Test: "TestK12AllElseIsAKey", File: "cache/cache.go",
		Old: "strict: !a.can.Has(CanAnyKey)",
		New: "strict: a.can.Has(CanAnyKey)",
	},
	{
		Name: "what a hook accepts is checked again", Property: "K13",
		Test: "TestK13AHookReplacesTheRules/nil accepts", File: "cache/key.go",
		Old: "if k.hook != nil && !k.strict || faultless(final) {",
		New: "if faultless(final) {",
	},
	{
		Name: "a hook's error is not wrapped", Property: "K13",
		Test: "TestK13AHookReplacesTheRules/an error refuses", File: "cache/key.go",
		Old: "return fmt.Errorf(\"%w: %q: %w\", ErrInvalidKey, final, err)",
		New: "return fmt.Errorf(\"%w: %q: %v\", ErrInvalidKey, final, err)",
	},

	// Values.
	{
		Name: "local memory keeps values as they are", Property: "P1",
		Test: "TestP1NobodyElsesChangesReachAValue", File: "cache/cache.go",
		Old: "a.keeps, a.raw = a.codec == NoCopy, a.codec == Raw\n",
		New: "a.keeps = a.codec == NoCopy || a.local != nil\n",
	},
	{
		Name: "waiters share what one has decoded", Property: "P1",
		Test: "TestP1WaitersDoNotShareAValue", File: "cache/cache.go",
		Old: "a.keeps, a.raw = a.codec == NoCopy, a.codec == Raw\n",
		New: "a.keeps = a.codec == NoCopy || a.local != nil\n",
	},
	{
		Name: "methods of pointers do not encode values", Property: "P2",
		Test: "TestP2AValueComesBackWithItsTypeAndContent", File: "cache/json.go",
		Old: "encoder.Encode(addressable(value))",
		New: "encoder.Encode(value)",
	},
	{
		Name: "an empty slice comes back as nil", Property: "P2",
		Test: "TestP2AValueComesBackWithItsTypeAndContent", File: "cache/gob.go",
		Old: "if v.Kind() == reflect.Slice && v.IsNil() {",
		New: "if v.Kind() == reflect.Slice && v.IsNil() && len(b) == 0 {",
	},
	{
		Name: "a whole float is written as a whole number", Property: "P8",
		Test: "TestRawFloatsAreNeverWholeNumbers", File: "cache/raw.go",
		Old: "b = append(b, \".0\"...)",
		New: "b = append(b, \"\"...)",
	},
	{
		Name: "the codec's error is lost", Property: "P4",
		Test: "TestP4AValueThatCannotBeEncodedIsAnError", File: "cache/value.go",
		Old: "fmt.Errorf(\"%w: %w\", ErrEncode, err)",
		New: "fmt.Errorf(\"%w: %v\", ErrEncode, err)",
	},
	{
		Name: "text that would come back changed is stored", Property: "P4",
		Test: "TestP4AValueThatCannotBeEncodedIsAnError", File: "cache/json.go",
		Old: "if replaced(text[len(b):]) {",
		New: "if replaced(text[:len(b)]) {",
	},
	{
		Name: "SetMany stores what it has encoded before it knows the rest", Property: "P5",
		Test: "TestP5AfterAnEncodingErrorTheStoreIsAsBefore", File: "cache/view.go",
		Old: "\t\tif items[i], err = v.encode(finals[i], values[key]); err != nil {\n",
		New: "\t\tif items[i], err = v.encode(finals[i], values[key]); err == nil && v.local != nil {\n\t\t\t_ = v.local.set(finals[i], items[i], &w)\n\t\t}\n\t\tif err != nil {\n",
	},
	{
		Name: "a codec reads what another has written", Property: "P6",
		Test: "TestP6AValueThatCannotBeDecodedIsAnErrorAndStays", File: "cache/value.go",
		Old: "if text == \"\" || text[0] != tag {",
		New: "if text == \"\" {",
	},
	{
		Name: "a stored nil is read as a zero", Property: "P6",
		Test: "TestP6AValueThatCannotBeDecodedIsAnErrorAndStays/another type", File: "cache/json.go",
		Old: "if string(b) == \"null\" && !takesNull(into) {",
		New: "if string(b) == \"nil\" && !takesNull(into) {",
	},
	{
		Name: "the codec runs under a lock", Property: "P7",
		Test: "TestP7ASlowCodecBlocksNobody", File: "cache/value.go",
		Old: "\tb, err := a.codec.Append(b, value)\n",
		New: "\tprocessRegistry.mu.Lock()\n\tb, err := a.codec.Append(b, value)\n\tprocessRegistry.mu.Unlock()\n",
	},
	{
		Name: "a codec that calls the cache meets its own lock", Property: "P7",
		Test: "TestP7ACodecMayCallTheCache", File: "cache/value.go",
		Old: "\tb, err := a.codec.Append(b, value)\n",
		New: "\tprocessRegistry.mu.Lock()\n\tb, err := a.codec.Append(b, value)\n\tprocessRegistry.mu.Unlock()\n",
	},
	{
		Name: "whole numbers go to the codec", Property: "P8",
		Test: "TestP8TheCodecIsTheAliassAndWholeNumbersBypassIt", File: "cache/value.go",
		Old: "if text, ok := wholeText(&value); ok {",
		New: "if text, ok := wholeText(&value); ok && a.codec == Raw {",
	},
	{
		Name: "the nil of an interface is not stored", Property: "O3",
		Test: "TestO3NilIsAValue", File: "cache/value.go",
		Old: "return keptItem(keptNil{}), nil",
		New: "return item{}, nil",
	},
	{
		Name: "gob is given a nil", Property: "O3",
		Test: "TestO3NilIsAValue", File: "cache/gob.go",
		Old: "nilable(v.Kind()) && v.IsNil() ||",
		New: "nilable(v.Kind()) && v.IsZero() && v.Kind() != reflect.Pointer ||",
	},
	{
		Name: "the final key of a hit is allocated", Property: "W2",
		Test: "TestW2AHitOfAKeptValueAllocatesNothing", File: "cache/view.go",
		Old: "const quickKey = 128",
		New: "const quickKey = 64",
	},
	{
		Name: "the key check makes a list of nothing", Property: "W2",
		Test: "TestW2TheKeyCheckAllocatesNothing", File: "cache/keyfault.go",
		Old: "\tvar faults []KeyFault\n",
		New: "\tfaults := make([]KeyFault, 0, len(finalKey))\n",
	},
	{
		Name: "a backend of bytes is given NoCopy", Property: "W2",
		Test: "TestW2OnlyLocalMemoryKeepsValues", File: "cache/cache.go",
		Old: "if a.keeps && a.local == nil {",
		New: "if a.keeps && a.backend == nil {",
	},
}
