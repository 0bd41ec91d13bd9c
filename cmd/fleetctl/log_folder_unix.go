//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// copiedCheckpoint reads where the log of a data folder begins from a copy of its
// node.db: opening the database itself would lock it.
func copiedCheckpoint(data string) (_ wal.Checkpoints, err error) {
	dir, err := os.MkdirTemp("", "fleetctl-log-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := copyFile(filepath.Join(dir, databaseFile), filepath.Join(data, databaseFile)); err != nil {
		return nil, err
	}
	// The store wants to see that there is a log.
	if err := os.Mkdir(filepath.Join(dir, walFolder), 0o700); err != nil {
		return nil, err
	}
	s, err := store.Open(dir, store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, databaseError(data, dir, err)
	}
	saved, err := s.LoadCheckpoint()
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, databaseError(data, dir, err)
	}
	return savedCheckpoint(saved), nil
}

// databaseError speaks of the folder that was asked for, not of the copy.
func databaseError(data, copied string, err error) error {
	text := strings.ReplaceAll(err.Error(), copied, data)
	if errors.Is(err, store.ErrCorrupt) {
		return &failure{text, "", exitUnhealthy}
	}
	return &failure{text, "", exitError}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// folderHolder says who has a data folder locked, empty when nobody is known to. It
// looks at the kernel's list of locks, where there is one: trying the lock could make
// a node fail that starts just then. Where a lock cannot be seen, as that of a process
// in another container, the fingerprint tells what is written.
func folderHolder(data string) string {
	path := filepath.Join(data, "LOCK")
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	pid, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	return lockHolder(string(locks), strings.TrimSpace(string(pid)), uint64(stat.Ino))
}

// lockHolder looks for a lock in the text of /proc/locks:
//
//	1: FLOCK  ADVISORY  WRITE 4711 08:01:131077 0 EOF
//
// The device is written in several ways and so left aside; that the process is the
// one whose pid is in the file is as good.
func lockHolder(locks, pid string, inode uint64) string {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[4] != pid {
			continue
		}
		if strings.HasSuffix(f[5], fmt.Sprintf(":%d", inode)) {
			return "the process with pid " + pid
		}
	}
	return ""
}
