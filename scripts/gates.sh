# SPDX-License-Identifier: MIT

# The runner of the checks, to be sourced. Needs $logs, a folder for the output.
#
#   gate NAME COMMAND...   runs the command, prints one line
#   closing                prints the time and the totals; its status is the run's
#
# A command passes if it exits 0 and has printed a line "figure: ..." that says
# how much it checked: one that cannot say so has checked nothing. Every gate
# runs, whatever happened to those before it. GATES, if set, names those to run.

passed=0 failed=0 skipped=0 failures=

gate() {
	local name=$1 log=$logs/$1.log start=$SECONDS status figure
	shift
	if [ -n "${GATES:-}" ]; then
		case " $GATES " in *" $name "*) ;; *) return 0 ;; esac
	fi
	printf '%-11s ' "$name"
	# A subshell of its own, outside any condition: there, set -e has no effect.
	(set -euo pipefail && "$@") >"$log" 2>&1 </dev/null
	status=$?
	figure=$(sed -n 's/^figure: //p' "$log" | tail -n 1)
	if [ $status -eq 0 ] && [ -z "$figure" ]; then
		status=1 figure='no figure: nothing was checked'
	fi
	case $status in
	0) passed=$((passed + 1)) status=ok ;;
	"$not_run_status") skipped=$((skipped + 1)) status='not run' ;;
	*) failed=$((failed + 1)) status=FAIL ;;
	esac
	printf '%5ss  %-7s  %s\n' $((SECONDS - start)) "$status" "$figure"
	if [ "$status" = FAIL ]; then
		failures="$failures $name"
		tail -n 40 "$log" | sed 's/^/    | /'
		echo "    all of it: $log"
	fi
}

# not_run REASON ends a gate whose prerequisite is missing. In CI that is a
# failure: there, everything has to be there.
not_run_status=77
not_run() {
	echo "figure: $1"
	if [ "${CI:-}" = true ]; then exit 1; fi
	exit $not_run_status
}

# failure NAME prints in few lines why a gate has failed: where the failed tests are
# listed, from there, else the end.
failure() {
	local log=$logs/$1.log
	echo "$1:"
	if grep -q '^=== FAIL' "$log"; then
		sed -n '/^=== FAIL/,$p' "$log" | grep -v '^ *$' | head -n 16
	else
		tail -n 8 "$log"
	fi | cut -c1-160 | sed 's/^/    | /'
}

closing() {
	local line="$passed passed, $failed failed"
	if [ $skipped -gt 0 ]; then line="$line, $skipped skipped"; fi
	if [ $((passed + failed + skipped)) -eq 0 ]; then
		echo "no gate is named: ${GATES:-}"
		failed=1
	fi
	local name
	for name in $failures; do failure "$name"; done # once more: of a long run often only the end is at hand
	printf '\n%s s in all\n%s\n' "$SECONDS" "$line"
	[ $failed -eq 0 ]
}
