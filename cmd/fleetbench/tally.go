package main

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/raftfleet/raftfleet/group"
)

// tally is the least that a group can replicate: how many commands and bytes it saw.
type tally struct{ commands, bytes uint64 }

func (t *tally) Apply(_ group.Meta, command []byte) ([]byte, error) {
	t.commands++
	t.bytes += uint64(len(command))
	return t.Query(nil)
}

func (t *tally) Query([]byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, 8), t.commands), nil
}

func (t *tally) Snapshot() (func(io.Writer) error, error) {
	now := *t
	return func(w io.Writer) error {
		_, err := fmt.Fprintln(w, now.commands, now.bytes)
		return err
	}, nil
}

func (t *tally) Restore(r io.Reader) error {
	_, err := fmt.Fscan(r, &t.commands, &t.bytes)
	return err
}

var tallyType = group.RawType("tally", func() group.Machine { return new(tally) })
