package builtin

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/raftfleet/raftfleet/group"
)

// A store's snapshot, items in the order of their keys. All numbers are uvarints:
//
//	version   1, one byte
//	revision
//	count     items, each: key's length, key, value's length, value, version
const storeFormat = 1

// Snapshot implements group.Snapshotter. It takes no time: the copy shares the tree until either side changes.
func (s *Store) Snapshot() (func(io.Writer) error, error) {
	items, revision := s.items.Clone(), s.revision
	return func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		head := binary.AppendUvarint([]byte{storeFormat}, revision)
		head = binary.AppendUvarint(head, uint64(items.Len()))
		if _, err := b.Write(head); err != nil {
			return err
		}
		var err error
		var numbers []byte
		items.Ascend(func(i *storeItem) bool {
			numbers = binary.AppendUvarint(numbers[:0], uint64(len(i.key)))
			b.Write(numbers) // bufio keeps the first error, and the last write returns it
			b.WriteString(i.key)
			numbers = binary.AppendUvarint(numbers[:0], uint64(len(i.value)))
			b.Write(numbers)
			b.WriteString(i.value)
			_, err = b.Write(binary.AppendUvarint(numbers[:0], i.version))
			return err == nil
		})
		return b.Flush()
	}, nil
}

// Restore implements group.Snapshotter.
func (s *Store) Restore(r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	format, err := b.ReadByte()
	if err != nil {
		return malformed("version", err)
	}
	if format != storeFormat {
		return fmt.Errorf("version %d, this program knows %d: %w", format, storeFormat, group.ErrUnknownVersion)
	}
	restored := newStore()
	if restored.revision, err = binary.ReadUvarint(b); err != nil {
		return malformed("revision", err)
	}
	count, err := binary.ReadUvarint(b)
	if err != nil {
		return malformed("count", err)
	}
	last := ""
	for n := range count {
		i := new(storeItem)
		if i.key, err = readString(b, MaxKeyBytes); err != nil {
			return malformed("key", err)
		}
		if n > 0 && i.key <= last {
			return malformed("key", errors.New("keys are not in order"))
		}
		if i.value, err = readString(b, MaxValueBytes); err != nil {
			return malformed("value", err)
		}
		if i.version, err = binary.ReadUvarint(b); err != nil {
			return malformed("item's version", err)
		}
		if i.version > restored.revision {
			return malformed("item's version", fmt.Errorf("%d is beyond the store's revision %d", i.version, restored.revision))
		}
		last = i.key
		restored.items.ReplaceOrInsert(i)
	}
	if _, err := b.ReadByte(); err != io.EOF {
		return malformed("end", errors.New("there is more after it"))
	}
	*s = *restored
	return nil
}

func readString(b *bufio.Reader, limit uint64) (string, error) {
	n, err := binary.ReadUvarint(b)
	if err != nil {
		return "", err
	}
	if n > limit {
		return "", fmt.Errorf("%d bytes, at most %d are allowed", n, limit)
	}
	s := make([]byte, n)
	_, err = io.ReadFull(b, s)
	return string(s), err
}

func malformed(what string, err error) error {
	return fmt.Errorf("%s of a store's snapshot: %w: %w", what, err, group.ErrMalformed)
}
