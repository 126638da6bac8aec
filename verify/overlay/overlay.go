// SPDX-License-Identifier: MIT

// Package overlay lets go build read other texts in the place of a project's files, which
// stay as they are.
package overlay

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Write writes texts into a folder, and returns the file that go build -overlay takes. Each
// text comes in the place of the file at its path, which is absolute and need not exist.
func Write(folder string, texts map[string]string) (string, error) {
	replace := make(map[string]string)
	for path, text := range texts {
		file, err := os.CreateTemp(folder, "*_"+filepath.Base(path))
		if err != nil {
			return "", err
		}
		_, err = file.WriteString(text)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return "", err
		}
		replace[path] = file.Name()
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "overlay.json")
	return file, os.WriteFile(file, list, 0o600)
}
