package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
)

// Checkpoints keeps the few bytes that say where the log begins.
type Checkpoints interface {
	// LoadCheckpoint returns what was saved last, nil when nothing ever was.
	LoadCheckpoint() ([]byte, error)
	// SaveCheckpoint replaces it, atomically and durably when it returns.
	SaveCheckpoint([]byte) error
}

// checkpoint: version 4, CRC-32C of what follows 4, log id 8, first segment 8.
type checkpoint struct {
	id    uint64
	first uint64 // segments below are not part of the log
}

const checkpointBytes = 24

func (c checkpoint) append(dst []byte) []byte {
	var b [checkpointBytes]byte
	binary.LittleEndian.PutUint32(b[:], formatVersion)
	binary.LittleEndian.PutUint64(b[8:], c.id)
	binary.LittleEndian.PutUint64(b[16:], c.first)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return append(dst, b[:]...)
}

func decodeCheckpoint(dir string, b []byte) (c checkpoint, err error) {
	if len(b) >= 4 {
		if v := binary.LittleEndian.Uint32(b); v != formatVersion {
			return c, fmt.Errorf("%w: checkpoint of %s has version %d, this program knows %d; use the program version that wrote it", ErrFormat, dir, v, formatVersion)
		}
	}
	if len(b) != checkpointBytes || binary.LittleEndian.Uint32(b[4:]) != crc32.Checksum(b[8:], castagnoli) {
		return c, corrupt(dir, 0, -1, "the log's checkpoint is damaged")
	}
	c.id, c.first = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	if c.first == 0 {
		return c, corrupt(dir, 0, -1, "the log's checkpoint names no segment")
	}
	return c, nil
}

const (
	checkpointName = "checkpoint"
	tempSuffix     = ".tmp"
)

// checkpointFile keeps the checkpoint beside the segments.
type checkpointFile struct {
	fs  FS
	dir string
}

func (c checkpointFile) LoadCheckpoint() ([]byte, error) {
	f, err := c.fs.Open(filepath.Join(c.dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(size, 4*checkpointBytes))
	if n, err := f.ReadAt(b, 0); n < len(b) && err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

func (c checkpointFile) SaveCheckpoint(b []byte) error {
	name := filepath.Join(c.dir, checkpointName)
	f, err := c.fs.Create(name + tempSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := c.fs.Rename(name+tempSuffix, name); err != nil {
		return err
	}
	return c.fs.SyncDir(c.dir)
}
