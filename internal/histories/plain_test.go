// SPDX-License-Identifier: MIT

//go:build !yield

package histories

const yields = false
