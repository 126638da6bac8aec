// SPDX-License-Identifier: MIT

// Package values has what the codecs ask of values before they encode or decode them.
package values

import "reflect"

// Addressable returns a pointer to a copy of a value on which methods of pointers
// can be found, or else the value itself.
func Addressable(value any) any {
	t := reflect.TypeOf(value)
	if t == nil || t.Kind() == reflect.Pointer || t.PkgPath() == "" && t.Kind() != reflect.Struct && t.Kind() != reflect.Array {
		return value
	}
	p := reflect.New(t)
	p.Elem().Set(reflect.ValueOf(value))
	return p.Interface()
}

// TakesNil reports whether nil says something for what a pointer points to: the
// rest would be left, or made, zero.
func TakesNil(into any) bool {
	t := reflect.TypeOf(into)
	if t == nil || t.Kind() != reflect.Pointer {
		return true // which is an error of its own
	}
	switch t.Elem().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return false
	}
}
