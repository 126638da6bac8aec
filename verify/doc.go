// SPDX-License-Identifier: MIT

// Package verify has checks of the engine that need other modules than it does:
//
//	porcupine      the checker of histories agrees with another, whose model says
//	               everything out
//	statemachine   random calls that are made smaller when one goes wrong
//	metamorphic    one list of calls, and engines of which all must answer the same
//	lockorder      no two locks are taken in both orders
//	mutants        faults of one line that the checks have to notice
//	overlay        other texts in the place of the project's files, for the two above
//	report         makes docs/verification.md of the last run
package verify
