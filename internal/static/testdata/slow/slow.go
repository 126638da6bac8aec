// SPDX-License-Identifier: MIT

// Package slow has what the compiler does not inline, and what it checks.
package slow

//go:noinline
func deep(n int) int {
	if n == 0 {
		return 0
	}
	return n + deep(n-1)
}

// At returns the sum up to an element, whose number it checks.
func At(list []int, i int) int {
	n := list[i]
	return deep(n)
}

func add(a, b int) int { return a + b }

// Sum is as fast as it can be.
func Sum(list []int) int {
	n := 0
	for i := range list {
		n = add(n, list[i])
	}
	return n
}
