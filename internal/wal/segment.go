package wal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync/atomic"
)

// segment is one open file of the log.
type segment struct {
	header
	file File
	size int64
	end  int64 // where the next frame goes; the writer's alone while it is the active one

	live atomic.Int64 // bytes that extents point to, never too few for long
	// refs counts readers, and one for the log itself. No extent points to a
	// segment that the log has let go, so the count cannot rise again from zero.
	refs atomic.Int32
}

// room is the largest frame that still fits, leaving space for the seal.
func (s *segment) room() int64 { return s.size - s.end - frameBytes }

func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }

func random64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}

// createSegment makes a segment of fresh zeros. Its name appears only when all of it is durable.
func (l *Log) createSegment(number uint64, size int64) (*segment, error) {
	temp := l.path(segmentName(number) + tempSuffix)
	file, err := l.fs.Create(temp)
	if err != nil {
		return nil, fmt.Errorf("wal: create segment %s: %w", temp, err)
	}
	s := &segment{header: header{l.id, number, l.random(), uint64(size)}, file: file, size: size, end: dataStart}
	if err := l.publish(s, temp, true); err != nil {
		file.Close()
		l.fs.Remove(temp) // what is left of it is removed at the next Open
		return nil, err
	}
	return s, nil
}

// recycleSegment gives a segment that is no longer needed a new number and a new
// generation, which makes all that it holds unreadable. It is below the
// checkpoint, so that a crash in between leaves a file that nobody reads.
func (l *Log) recycleSegment(old *segment, number uint64) (*segment, error) {
	s := &segment{header: header{l.id, number, l.random(), uint64(old.size)}, file: old.file, size: old.size, end: dataStart}
	if err := l.publish(s, l.path(segmentName(old.number)), false); err != nil {
		return nil, err
	}
	return s, nil
}

func (l *Log) publish(s *segment, from string, allocate bool) error {
	name := l.path(segmentName(s.number))
	if allocate {
		if err := s.file.Allocate(s.size); err != nil {
			return fmt.Errorf("wal: allocate segment %s: %w", name, err)
		}
	}
	if _, err := s.file.WriteAt(s.header.append(nil), 0); err != nil {
		return fmt.Errorf("wal: write header of segment %s: %w", name, err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("wal: sync segment %s: %w", name, err)
	}
	if err := l.fs.Rename(from, name); err != nil {
		return fmt.Errorf("wal: name segment %s: %w", name, err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return fmt.Errorf("wal: sync folder %s: %w", l.dir, err)
	}
	s.refs.Store(1)
	return nil
}

// release ends one use of a segment. With the last one the file is free for another life.
func (l *Log) release(s *segment) {
	if s.refs.Add(-1) == 0 {
		l.reclaim(s)
	}
}
