package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/raftfleet/raftfleet/internal/wal"
)

// A data folder is read as it lies: nothing in it is locked, opened for writing or
// changed. Where its log begins is said in node.db, of which a copy is read. So the
// node must not run: what it writes meanwhile would look like damage.

// logFolder is a log that can be read.
type logFolder struct {
	dir  string // of the segments
	data string // the data folder, empty where the segments lie alone
}

const (
	databaseFile   = "node.db"
	walFolder      = "wal"
	checkpointFile = "checkpoint"
)

// findLog takes a data folder, or the folder of the segments.
func findLog(dir string) (logFolder, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return logFolder{}, &failure{fmt.Sprintf("there is no folder %s", dir), "give the data folder of a node", exitNotFound}
	case err != nil:
		return logFolder{}, err
	case !info.IsDir():
		return logFolder{}, usagef("give the data folder of a node", "%s is not a folder", dir)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return logFolder{}, err
	}
	switch {
	case isFile(dir, databaseFile):
		f := logFolder{dir: filepath.Join(dir, walFolder), data: dir}
		if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
			return f, &failure{fmt.Sprintf("%s has a %s and no %s/: its log is missing", dir, databaseFile, walFolder),
				"restore the folder, or remove it whole and let the node join again as a new one", exitUnhealthy}
		}
		return f, nil
	case isFile(dir, checkpointFile):
		return logFolder{dir: dir}, nil
	case filepath.Base(dir) == walFolder && isFile(filepath.Dir(dir), databaseFile):
		return logFolder{dir: dir, data: filepath.Dir(dir)}, nil
	}
	return logFolder{}, &failure{fmt.Sprintf("%s holds no log: there is neither a %s nor a %s in it", dir, databaseFile, checkpointFile),
		"give the data folder of a node", exitNotFound}
}

func isFile(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

// read runs do over the log, and refuses its result when somebody was writing.
func (f logFolder) read(do func(dir string, o wal.Options) error) error {
	if f.data != "" {
		if holder := folderHolder(f.data); holder != "" {
			return runningError(f.data, "is in use by "+holder)
		}
	}
	before, err := f.fingerprint()
	if err != nil {
		return err
	}
	var o wal.Options
	if f.data != "" {
		o.Checkpoints, err = copiedCheckpoint(f.data)
	}
	if err == nil {
		err = do(f.dir, o)
	}
	after, again := f.fingerprint()
	if again != nil || after != before {
		return runningError(or(f.data, f.dir), "changed while it was read")
	}
	return err
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func runningError(dir, what string) error {
	return &failure{fmt.Sprintf("%s %s: what is being written would look like damage", dir, what),
		"stop the node first, or ask it while it runs: fleetctl group show", exitRefused}
}

// fingerprint changes when anything is written to the log.
func (f logFolder) fingerprint() (string, error) {
	var b strings.Builder
	note := func(info fs.FileInfo) {
		fmt.Fprintln(&b, info.Name(), info.Size(), info.ModTime().UnixNano())
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		note(info)
	}
	if f.data != "" {
		info, err := os.Stat(filepath.Join(f.data, databaseFile))
		if err != nil {
			return "", err
		}
		note(info)
	}
	return b.String(), nil
}

// savedCheckpoint is a checkpoint that was read already.
type savedCheckpoint []byte

func (c savedCheckpoint) LoadCheckpoint() ([]byte, error) { return c, nil }
func (savedCheckpoint) SaveCheckpoint([]byte) error       { return errors.ErrUnsupported }

// logError gives an error of the log its exit code; the text has its remedy.
func logError(err error) error {
	switch {
	case errors.Is(err, wal.ErrCorrupt):
		return &failure{err.Error(), "", exitUnhealthy}
	case errors.Is(err, fs.ErrPermission):
		return &failure{err.Error(), "run it as a user who may read the folder", exitError}
	}
	return err
}
