// SPDX-License-Identifier: MIT

//go:build yield

package histories

// yields tells that locks yield, without which clients seldom meet.
const yields = true
