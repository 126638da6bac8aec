// SPDX-License-Identifier: MIT

package cache

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
)

// item is what a location holds under a final key: a value as text, or as it is.
type item struct {
	// text is the encoded value: a whole number in decimal, or the codec's tag and
	// what it has encoded.
	text string
	rare *rare // nil for most
}

// rare is what few items have.
type rare struct {
	// kept is the Go value under NoCopy, keptNil for a nil interface; else nil.
	kept any
	// weight is what the alias's weigher said, 0 if there is none.
	weight int64
}

// textItem returns an item of a text, with a weight or 0.
func textItem(text string, weight int64) item { return item{text: text}.weighing(weight) }

// keptItem returns an item of a Go value, not nil.
func keptItem(kept any) item { return item{rare: &rare{kept: kept}} }

// kept returns the Go value, nil if it was encoded.
func (it item) kept() any {
	if it.rare == nil {
		return nil
	}
	return it.rare.kept
}

// weight returns what the alias's weigher said, or 0.
func (it item) weight() int64 {
	if it.rare == nil {
		return 0
	}
	return it.rare.weight
}

// weighing returns the item with another weight, or 0.
func (it item) weighing(weight int64) item {
	if weight != it.weight() {
		it.rare = &rare{kept: it.kept(), weight: weight}
	}
	return it
}

// keptNil stands for the nil of an interface type.
type keptNil struct{}

// weightOf returns what an item counts for.
func (it *item) weightOf(key string) int64 {
	if weight := it.weight(); weight != 0 {
		return weight
	}
	return int64(len(key) + len(it.text))
}

// encode makes an item of a value. It may call the user's codec.
func encode[V any](a *alias, value V) (item, error) {
	if a.keeps {
		if kept := any(value); kept != nil {
			return keptItem(kept), nil
		}
		return keptItem(keptNil{}), nil
	}
	if text, ok := asText(&value, a.raw); ok {
		return item{text: text}, nil
	}
	return encodeOther(a, value)
}

// encodeOther is encode by reflection and codecs, which makes the value escape.
//
// +checklocksexclude:codecs.mu
func encodeOther[V any](a *alias, value V) (item, error) {
	if text, ok := wholeText(&value); ok {
		return item{text: text}, nil
	}
	if reflect.TypeFor[V]().Kind() == reflect.Interface {
		return item{}, fmt.Errorf("%w: a view of %v needs the codec %s", ErrUnsupported, reflect.TypeFor[V](), NoCopy.Name())
	}
	var b []byte
	if tag := a.codec.Tag(); tag != 0 {
		b = append(make([]byte, 0, 64), tag)
	}
	b, err := a.codec.Append(b, value)
	if err != nil {
		return item{}, fmt.Errorf("%w: %w", ErrEncode, err)
	}
	return item{text: string(b)}, nil
}

// decode makes a value of an item. It may call the user's codec.
func decode[V any](a *alias, it *item) (value V, err error) {
	if a.keeps || it.kept() != nil {
		return asKept[V](a, it)
	}
	if value, ok := ofText[V](it.text, a.raw); ok {
		return value, nil
	}
	return decodeOther[V](a, it)
}

// decodeOther is decode by reflection and codecs, which makes the value escape.
//
// +checklocksexclude:codecs.mu
func decodeOther[V any](a *alias, it *item) (value V, err error) {
	switch ok, err := parseWhole(it.text, &value); {
	case err != nil:
		return value, fmt.Errorf("%w: %w", ErrDecode, err)
	case ok:
		return value, nil
	}
	if reflect.TypeFor[V]().Kind() == reflect.Interface {
		return value, fmt.Errorf("%w: a view of %v needs the codec %s", ErrUnsupported, reflect.TypeFor[V](), NoCopy.Name())
	}
	text := it.text
	if tag := a.codec.Tag(); tag != 0 {
		if text == "" || text[0] != tag {
			return value, fmt.Errorf("%w: it was not encoded by %s", ErrDecode, a.codec.Name())
		}
		text = text[1:]
	}
	if err := a.codec.Decode([]byte(text), &value); err != nil {
		return *new(V), fmt.Errorf("%w: %w", ErrDecode, err)
	}
	return value, nil
}

// asKept returns a value that NoCopy has kept.
//
// +checklocksexclude:codecs.mu
func asKept[V any](a *alias, it *item) (value V, err error) {
	switch {
	case it.kept() == nil:
		return value, fmt.Errorf("%w: it was encoded, and %s does not decode", ErrDecode, a.codec.Name())
	case !a.keeps:
		return value, fmt.Errorf("%w: it was not encoded by %s", ErrDecode, a.codec.Name())
	}
	value, ok := it.kept().(V)
	if _, null := it.kept().(keptNil); null {
		ok = reflect.TypeFor[V]().Kind() == reflect.Interface
		value = *new(V)
	}
	if !ok {
		return value, fmt.Errorf("%w: it is a %T, not a %v", ErrDecode, it.kept(), reflect.TypeFor[V]())
	}
	return value, nil
}

// asText returns the text of a value of the types that need nothing else, which under
// Raw are texts and bytes too.
func asText[V any](value *V, raw bool) (text string, ok bool) {
	switch v := any(value).(type) {
	case *int:
		return strconv.Itoa(*v), true
	case *int64:
		return strconv.FormatInt(*v, 10), true
	case *string:
		return *v, raw
	case *[]byte:
		if raw {
			return string(*v), true
		}
	}
	return "", false
}

// ofText is the way back.
func ofText[V any](text string, raw bool) (value V, ok bool) {
	switch v := any(&value).(type) {
	case *int:
		n, err := strconv.Atoi(text)
		*v, ok = n, err == nil
	case *int64:
		n, err := strconv.ParseInt(text, 10, 64)
		*v, ok = n, err == nil
	case *string:
		if raw {
			*v, ok = text, true
		}
	case *[]byte:
		if raw {
			*v, ok = []byte(text), true
		}
	}
	return value, ok
}

// wholeText returns the decimal text of a value whose kind is that of a whole
// number.
func wholeText[V any](value *V) (string, bool) {
	switch v := reflect.ValueOf(value).Elem(); {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), true
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), true
	default:
		return "", false
	}
}

// parseWhole parses a decimal text into a value whose kind is that of a whole
// number, or into a float if the text is one. It returns false for other kinds.
func parseWhole[V any](text string, value *V) (bool, error) {
	v := reflect.ValueOf(value).Elem()
	bits := 8 * int(v.Type().Size())
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, bits)
		if err == nil {
			v.SetInt(n)
		}
		return true, err
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, bits)
		if err == nil {
			v.SetUint(n)
		}
		return true, err
	case v.CanFloat() && whole(text):
		n, err := strconv.ParseFloat(text, bits)
		if err == nil {
			v.SetFloat(n)
		}
		return true, err
	default:
		return false, nil
	}
}

// whole reports whether a text is a whole number in decimal.
func whole(text string) bool {
	if text != "" && text[0] == '-' {
		text = text[1:]
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// plus returns an item whose whole number is greater by delta. Its errors are
// those of Incr.
func (it item) plus(key string, delta int64) (item, int64, error) {
	if it.kept() != nil {
		return it.keptPlus(key, delta)
	}
	n, err := strconv.ParseInt(it.text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return it, 0, fmt.Errorf("%w: %q holds a number beyond 64 bits", ErrOverflow, key)
	case err != nil:
		return it, 0, fmt.Errorf("%w: %q", ErrNotNumber, key)
	}
	sum := n + delta
	if (sum > n) != (delta > 0) {
		return it, 0, overflowed(key, n, delta)
	}
	it.text = strconv.FormatInt(sum, 10)
	return it, sum, nil
}

// keptPlus is plus for a Go value, whose type stays.
func (it item) keptPlus(key string, delta int64) (item, int64, error) {
	old := reflect.ValueOf(it.kept())
	next := reflect.New(old.Type()).Elem()
	switch {
	case old.CanInt():
		n := old.Int()
		sum := n + delta
		if (sum > n) != (delta > 0) || next.OverflowInt(sum) {
			return it, 0, overflowed(key, n, delta)
		}
		next.SetInt(sum)
		return keptItem(next.Interface()).weighing(it.weight()), sum, nil
	case old.CanUint():
		n := old.Uint()
		sum := int64(n) + delta
		if int64(n) < 0 || (sum > int64(n)) != (delta > 0) || sum < 0 || next.OverflowUint(uint64(sum)) {
			return it, 0, fmt.Errorf("%w: %q holds %d, which plus %d does not fit", ErrOverflow, key, n, delta)
		}
		next.SetUint(uint64(sum))
		return keptItem(next.Interface()).weighing(it.weight()), sum, nil
	default:
		return it, 0, fmt.Errorf("%w: %q", ErrNotNumber, key)
	}
}

func overflowed(key string, n, delta int64) error {
	return fmt.Errorf("%w: %q holds %d, which plus %d does not fit", ErrOverflow, key, n, delta)
}

// floatOf returns the number that an item holds, whole or not.
func (a *alias) floatOf(it item) (float64, error) {
	switch v := reflect.ValueOf(it.kept()); {
	case it.kept() == nil:
		return decode[float64](a, &it)
	case v.CanInt():
		return float64(v.Int()), nil
	case v.CanUint():
		return float64(v.Uint()), nil
	case v.CanFloat():
		return v.Float(), nil
	default:
		return 0, fmt.Errorf("it is a %T", it.kept())
	}
}
