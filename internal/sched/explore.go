// SPDX-License-Identifier: MIT

package sched

import (
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Plan says which schedules of a scenario to run.
type Plan struct {
	Random int    // schedules by random walk
	PCT    int    // by priorities; see the strategy
	Depth  int    // of PCT; 0: 3
	Seed   uint64 // of the first; the others' follow
	// Preemptions, if not 0, asks for all schedules with so many of them at most,
	// after the others; Limit stops that after so many. 0: none.
	Preemptions int
	Limit       int
	// All goes on after a schedule has failed.
	All bool
}

// Report is what came of a plan.
type Report struct {
	Schedules int
	Distinct  int  // different from each other
	Complete  bool // every schedule within Plan.Preemptions was run
	Failed    int
	First     *ScheduleError // nil: none
	Steps     int            // of all schedules
}

// ScheduleError is a schedule that failed.
type ScheduleError struct {
	Err      error
	Schedule string // for Replay
	Steps    []Step // with places, from the first choice to the last
}

func (f *ScheduleError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\nschedule %s:\n", f.Err, f.Schedule)
	for _, s := range f.Steps {
		fmt.Fprintf(&b, "\tthread %d  %-14v %s\n", s.Thread, s.Kind, s.Where)
	}
	return b.String()
}

func (f *ScheduleError) Unwrap() error { return f.Err }

// explorer runs the schedules of one plan.
type explorer struct {
	body     func(*Run) error
	report   Report
	distinct map[uint64]struct{}
	seed     maphash.Seed
	last     Run // its slices are used again
	buf      []byte
}

// Explore runs a scenario under many schedules. The scenario starts threads by
// Run.Go, waits for them by Run.Wait, and returns what is wrong. It must depend on
// nothing but the schedule: no other goroutine, no order of a map, no time, no seed.
// It runs on one processor, which makes the change from thread to thread cheap.
func (p Plan) Explore(body func(*Run) error) Report {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	x := &explorer{body: body, distinct: make(map[uint64]struct{}), seed: maphash.MakeSeed()}
	if p.Random > 0 && !x.repeatable(p.Seed) {
		return x.close()
	}
	for i := range p.Random {
		if !x.run(newRandom(p.Seed+uint64(i))) && !p.All {
			return x.close()
		}
	}
	if p.Depth == 0 {
		p.Depth = 3
	}
	longest := 0
	for i := range p.PCT {
		s := newPCT(p.Seed+uint64(i), p.Depth, max(longest, 10))
		if !x.run(s) && !p.All {
			return x.close()
		}
		longest = max(longest, s.step)
	}
	if p.Preemptions > 0 {
		s := &exhaustive{bound: p.Preemptions}
		for more := true; more && (p.Limit == 0 || x.report.Schedules < p.Limit+p.Random+p.PCT); {
			s.begin()
			if !x.run(s) && !p.All {
				return x.close()
			}
			more = s.advance()
			x.report.Complete = !more
		}
	}
	return x.close()
}

// run runs one schedule, and reports whether all was well.
func (x *explorer) run(s strategy) bool {
	r := newRun(s)
	r.steps, r.choices = x.last.steps[:0], x.last.choices[:0]
	err := r.execute(x.body)
	x.last.steps, x.last.choices = r.steps, r.choices
	x.report.Schedules++
	x.report.Steps += len(r.steps)
	x.buf = x.buf[:0]
	for _, step := range r.steps {
		x.buf = append(x.buf, byte(step.Thread))
	}
	x.distinct[maphash.Bytes(x.seed, x.buf)] = struct{}{}
	if err == nil {
		return true
	}
	x.report.Failed++
	if x.report.First == nil {
		x.report.First = &ScheduleError{Err: err, Schedule: written(r)}
	}
	return false
}

// repeatable reports whether a schedule is followed by the same steps twice, and
// says that it failed if it is not.
func (x *explorer) repeatable(seed uint64) bool {
	var twice [2][]Step
	for i := range twice {
		r := newRun(newRandom(seed))
		_ = r.execute(x.body) // whether it fails is asked for later
		twice[i] = r.steps
	}
	if slices.Equal(twice[0], twice[1]) {
		return true
	}
	x.report.Failed++
	x.report.First = &ScheduleError{Err: ErrNotRepeatable}
	return false
}

func (x *explorer) close() Report {
	x.report.Distinct = len(x.distinct)
	if f := x.report.First; f != nil && !errors.Is(f, ErrNotRepeatable) {
		again := Replay(f.Schedule, x.body)
		if again == nil {
			f.Err = fmt.Errorf("%w\n(it does not fail again: the scenario depends on something else than the schedule)", f.Err)
		} else {
			f.Steps = again.Steps
		}
	}
	return x.report
}

// written returns the threads that were chosen, as text: each number is followed by
// how often, if more than once, as in 0*3.1.0*2.
func written(r *Run) string {
	var b strings.Builder
	ids := r.choices
	for i := 0; i < len(ids); {
		n := i
		for n < len(ids) && ids[n] == ids[i] {
			n++
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strconv.Itoa(ids[i]))
		if n-i > 1 {
			b.WriteString("*" + strconv.Itoa(n-i))
		}
		i = n
	}
	return b.String()
}

// read is the inverse of written.
func read(schedule string) ([]int, error) {
	var ids []int
	if schedule == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(schedule, ".") {
		id, times, repeated := strings.Cut(part, "*")
		n := 1
		thread, err := strconv.Atoi(id)
		if err == nil && repeated {
			n, err = strconv.Atoi(times)
		}
		if err != nil || thread < 0 || n < 1 {
			return nil, fmt.Errorf("schedule %q: %q is not a thread's number, or one*times", schedule, part)
		}
		ids = append(ids, slices.Repeat([]int{thread}, n)...)
	}
	return ids, nil
}

// Replay runs a scenario under one schedule, a ScheduleError's, and returns how it fails
// with the place of every step, or nil.
func Replay(schedule string, body func(*Run) error) *ScheduleError {
	ids, err := read(schedule)
	if err != nil {
		return &ScheduleError{Err: err, Schedule: schedule}
	}
	r := newRun(&given{threads: ids})
	r.tracing = true
	if err := r.execute(body); err != nil {
		return &ScheduleError{Err: err, Schedule: schedule, Steps: r.steps[r.first:r.last]}
	}
	return nil
}

// Drive runs a scenario under the schedule that a source chooses, and returns how it
// fails, or nil.
func Drive(source Source, body func(*Run) error) *ScheduleError {
	r := newRun(drawn{source})
	if err := r.execute(body); err != nil {
		return &ScheduleError{Err: err, Schedule: written(r)}
	}
	return nil
}
