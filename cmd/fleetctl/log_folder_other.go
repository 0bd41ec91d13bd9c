//go:build !unix

package main

import "github.com/raftfleet/raftfleet/internal/wal"

// Nodes do not run on such systems, so there are no data folders to be found here.

func copiedCheckpoint(data string) (wal.Checkpoints, error) {
	return nil, usagef("run it where the node ran", "the data folder %s cannot be read on this system", data)
}

func folderHolder(string) string { return "" }
