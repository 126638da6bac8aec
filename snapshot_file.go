// SPDX-License-Identifier: MIT

package locmem

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// SaveFile saves the engine to a file, as Save does. The file is replaced as a
// whole: it is written under another name in the same folder, synced and renamed,
// and then the folder is synced, so that after an error, a panic or a crash the
// path has the old file or the new one. The new one is readable by its owner only;
// if path is a symbolic link, it replaces the link. An error leaves no other file
// behind; a crash may leave one named path.*.tmp.
func SaveFile[K comparable, V any](e *Engine[K, V], path string) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, base+".*.tmp")
	if err != nil {
		return fmt.Errorf("locmem: SaveFile: %w", err)
	}
	renamed := false
	defer func() {
		if !renamed { // a codec that panics or ends the goroutine gets here too
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := e.Save(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("locmem: SaveFile: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("locmem: SaveFile: %w", err)
	}
	renamed = true
	if err := syncFolder(dir); err != nil {
		return fmt.Errorf("locmem: SaveFile: the file is in place, but its folder may not be on disk: %w", err)
	}
	return nil
}

// syncFolder makes a rename in the folder last. Windows has no such call.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RestoreFile restores the engine from a file that SaveFile has written, as
// Restore does; that the file goes on after the snapshot's end is ErrSnapshotDamaged.
// The error is fs.ErrNotExist, wrapped, if there is none.
func RestoreFile[K comparable, V any](e *Engine[K, V], path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("locmem: RestoreFile: %w", err)
	}
	defer func() { _ = f.Close() }() // of what was only read
	entries, err := e.read(f)
	if err != nil {
		return err
	}
	switch n, err := io.ReadFull(f, make([]byte, 1)); {
	case n > 0:
		return damaged("the file goes on after its end")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("locmem: RestoreFile: %w", err)
	}
	return e.storeAll(entries)
}
