// SPDX-License-Identifier: MIT

package mutants

import (
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/locmem/locmem/verify/overlay"
)

// variable is the environment variable that says which mutant a process has: its
// number in All, from 1.
const variable = "LOCMEM_MUTANT"

// line returns what becomes of the line of a file's text that a mutant changes, and its
// number, from 0.
func (m Mutant) line(text string) (changed string, number int, err error) {
	if n := strings.Count(text, m.Old); n != 1 {
		return "", 0, fmt.Errorf("%s: %s has the piece to replace %d times, not once", m.Name, m.File, n)
	}
	before, after := strings.Split(text, "\n"), strings.Split(strings.Replace(text, m.Old, m.New, 1), "\n")
	if len(before) != len(after) {
		return "", 0, fmt.Errorf("%s: it changes the number of lines", m.Name)
	}
	number = -1
	for i := range before {
		if before[i] == after[i] {
			continue
		}
		if number >= 0 {
			return "", 0, fmt.Errorf("%s: it changes more than a line", m.Name)
		}
		changed, number = after[i], i
	}
	if number < 0 {
		return "", 0, fmt.Errorf("%s: it changes nothing", m.Name)
	}
	return changed, number, nil
}

// both returns a line that is the old one, or the changed one in a process that has the
// mutant.
func both(old, changed string, mutant int) (string, error) {
	old, _, _ = strings.Cut(old, " //")
	changed, _, _ = strings.Cut(changed, " //")
	on := fmt.Sprintf("mutated(%d)", mutant)
	trimmed := strings.TrimSpace(old)
	head, _, isBlock := strings.Cut(trimmed, " ")
	if strings.HasSuffix(trimmed, "{") || strings.HasSuffix(trimmed, ":") {
		isBlock = isBlock && (head == "if" || head == "for" || head == "case")
		if !isBlock {
			return "", fmt.Errorf("no form for %q", trimmed)
		}
		oldHead, oldCondition, end := condition(old)
		newHead, newCondition, _ := condition(changed)
		if newHead != oldHead {
			// What an if declares moves before it, to be changed there. The old value is worked
			// out in any case, so that whoever counts steps counts the same ones.
			name, value, declares := strings.Cut(strings.TrimPrefix(strings.TrimSpace(oldHead), "if "), " := ")
			_, newValue, _ := strings.Cut(newHead, " := ")
			if head != "if" || !declares || newCondition != oldCondition {
				return "", fmt.Errorf("no form for %q: it changes more than a condition or what comes before it", changed)
			}
			return fmt.Sprintf("%s := %s if %s { %s = %s }; if %s%s", name, value, on, name, strings.TrimSuffix(newValue, "; "), oldCondition, end), nil
		}
		return fmt.Sprintf("%s(%s && (%s) || !%s && (%s))%s", oldHead, on, newCondition, on, oldCondition, end), nil
	}
	if name, _, declares := strings.Cut(trimmed, " := "); declares {
		_, value, _ := strings.Cut(changed, " := ")
		return fmt.Sprintf("%s; if %s { %s = %s }", old, on, name, value), nil
	}
	return fmt.Sprintf("if %s { %s } else { %s }", on, strings.TrimSpace(changed), trimmed), nil
}

// condition cuts a line with a block at its condition: the last part before the brace or
// colon at its end, or of a for statement the middle one.
func condition(line string) (head, condition, end string) {
	i := len(strings.TrimRight(line, " ")) - 1
	end = line[i:]
	body := strings.TrimRight(line[:i], " ")
	parts := strings.Split(body, "; ")
	switch {
	case len(parts) == 3: // for
		return parts[0] + "; ", parts[1], "; " + parts[2] + " " + end
	case len(parts) == 2:
		return parts[0] + "; ", parts[1], " " + end
	}
	at := len(body) - len(strings.TrimLeft(body, "\t"))
	at += strings.Index(body[at:], " ") + 1
	return body[:at], body[at:], " " + end
}

// switchFile is added to each package that has a mutant.
const switchFile = `package %s

import (
	"os"
	"strconv"
)

var mutant, _ = strconv.Atoi(os.Getenv("` + variable + `"))

func mutated(n int) bool { return mutant == n }
`

// schema writes the files that have all mutants, of which each process chooses one,
// into a folder, and returns the file that go build -overlay takes.
func schema(root, folder string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	texts := make(map[string]string)
	for _, m := range All {
		path := filepath.Join(root, m.File)
		if _, read := texts[path]; !read {
			text, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			texts[path] = string(text)
		}
	}
	originals := maps.Clone(texts)
	for i, m := range All {
		path := filepath.Join(root, m.File)
		changed, number, err := m.line(originals[path])
		if err != nil {
			return "", err
		}
		// If another mutant has the same line, it is in what is the old one here.
		lines := strings.Split(texts[path], "\n")
		line, err := both(lines[number], changed, i+1)
		if err != nil {
			return "", fmt.Errorf("%s: %w", m.Name, err)
		}
		lines[number] = line
		texts[path] = strings.Join(lines, "\n")
	}
	for path, text := range maps.Clone(texts) {
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.PackageClauseOnly)
		if err != nil {
			return "", err
		}
		texts[filepath.Join(filepath.Dir(path), "zz_mutated.go")] = fmt.Sprintf(switchFile, file.Name.Name)
	}
	return overlay.Write(folder, texts)
}
