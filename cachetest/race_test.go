// SPDX-License-Identifier: MIT

//go:build race

package cachetest

func init() { underRace = true }
