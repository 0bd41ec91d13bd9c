// Package msgpackcheck looks at encoded msgpack without decoding it.
//
// The msgpack library believes the lengths that it reads, decodes what is nested by
// recursion until the process ends, and writes the entries of most Go maps in random
// order. So bytes from outside are walked through before they are decoded (Check),
// and what must be the same bytes everywhere is put in order afterwards (Sort).
package msgpackcheck

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrMalformed is returned for bytes that are not whole values of msgpack, or are
// nested too deep.
var ErrMalformed = errors.New("msgpack: malformed")

// maxNesting bounds how deep values may lie in each other: the library decodes by recursion.
const maxNesting = 200

// Check makes sure that b is exactly one value, whose parts all lie within b, so that decoding it allocates in
// proportion to b. Extension types, which times are, are let through only if asked for.
func Check(b []byte, extensions bool) error {
	w := walker{b: b, extensions: extensions}
	end, err := w.value(0, 0)
	if err == nil && end != len(b) {
		err = fmt.Errorf("%d bytes after the end of the value: %w", len(b)-end, ErrMalformed)
	}
	return err
}

// Sort puts the entries of all maps in b, one or more values, in the order of their encoded keys. Nothing
// changes its length, so it works in place.
func Sort(b []byte) error {
	w := walker{b: b, extensions: true, sort: true}
	for at := 0; at < len(b); {
		end, err := w.value(at, 0)
		if err != nil {
			return err
		}
		at = end
	}
	return nil
}

type walker struct {
	b          []byte
	extensions bool
	sort       bool
	scratch    []byte
}

// value walks the value that begins at byte at, and returns where it ends.
func (w *walker) value(at, depth int) (end int, err error) {
	if depth > maxNesting {
		return 0, fmt.Errorf("values nested deeper than %d at byte %d: %w", maxNesting, at, ErrMalformed)
	}
	if at >= len(w.b) {
		return 0, w.cut(at)
	}
	c := w.b[at]
	at++
	switch {
	case c <= 0x7f || c >= 0xe0: // small integers
		return at, nil
	case c <= 0x8f:
		return w.entries(at, int(c&0x0f), depth)
	case c <= 0x9f:
		return w.elements(at, int(c&0x0f), depth)
	case c <= 0xbf:
		return w.skip(at, int(c&0x1f))
	}
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return at, nil
	case 0xc4, 0xc5, 0xc6: // bytes
		return w.sized(at, 1<<(c-0xc4), 0)
	case 0xc7, 0xc8, 0xc9: // extension: length, type, body
		if w.extensions {
			return w.sized(at, 1<<(c-0xc7), 1)
		}
	case 0xca: // float32
		return w.skip(at, 4)
	case 0xcb: // float64
		return w.skip(at, 8)
	case 0xcc, 0xcd, 0xce, 0xcf: // unsigned
		return w.skip(at, 1<<(c-0xcc))
	case 0xd0, 0xd1, 0xd2, 0xd3: // signed
		return w.skip(at, 1<<(c-0xd0))
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extension of fixed length
		if w.extensions {
			return w.skip(at, 1+1<<(c-0xd4))
		}
	case 0xd9, 0xda, 0xdb: // string
		return w.sized(at, 1<<(c-0xd9), 0)
	case 0xdc, 0xdd:
		n, at, err := w.length(at, 2<<(c-0xdc))
		if err != nil {
			return 0, err
		}
		return w.elements(at, n, depth)
	case 0xde, 0xdf:
		n, at, err := w.length(at, 2<<(c-0xde))
		if err != nil {
			return 0, err
		}
		return w.entries(at, n, depth)
	}
	return 0, fmt.Errorf("code %#x at byte %d is not expected: %w", c, at-1, ErrMalformed)
}

func (w *walker) cut(at int) error {
	return fmt.Errorf("cut short at byte %d: %w", at, ErrMalformed)
}

func (w *walker) skip(at, n int) (int, error) {
	if n > len(w.b)-at {
		return 0, w.cut(at)
	}
	return at + n, nil
}

// sized skips a length of width bytes, and then that many and extra bytes.
func (w *walker) sized(at, width, extra int) (int, error) {
	n, at, err := w.length(at, width)
	if err != nil {
		return 0, err
	}
	return w.skip(at, n+extra)
}

func (w *walker) length(at, width int) (n, end int, err error) {
	if width > len(w.b)-at {
		return 0, 0, w.cut(at)
	}
	switch width {
	case 1:
		n = int(w.b[at])
	case 2:
		n = int(binary.BigEndian.Uint16(w.b[at:]))
	default:
		n = int(binary.BigEndian.Uint32(w.b[at:]))
	}
	return n, at + width, nil
}

func (w *walker) elements(at, n, depth int) (int, error) {
	if n > len(w.b)-at { // each has a byte at least
		return 0, w.cut(at)
	}
	var err error
	for range n {
		if at, err = w.value(at, depth+1); err != nil {
			return 0, err
		}
	}
	return at, nil
}

func (w *walker) entries(at, n, depth int) (int, error) {
	if n > (len(w.b)-at)/2 {
		return 0, w.cut(at)
	}
	type entry struct{ key, value, end int }
	var unsorted []entry
	start, before := at, entry{}
	for i := range n {
		e := entry{key: at}
		var err error
		if e.value, err = w.value(at, depth+1); err != nil {
			return 0, err
		}
		if e.end, err = w.value(e.value, depth+1); err != nil {
			return 0, err
		}
		at = e.end
		if !w.sort {
			continue
		}
		if unsorted == nil && i > 0 && bytes.Compare(w.b[before.key:before.value], w.b[e.key:e.value]) > 0 {
			// Not in order: gather all entries, the ones before included.
			unsorted = make([]entry, 0, n)
			for p := start; p < e.key; {
				value, _ := (&walker{b: w.b, extensions: true}).value(p, depth+1)
				end, _ := (&walker{b: w.b, extensions: true}).value(value, depth+1)
				unsorted = append(unsorted, entry{p, value, end})
				p = end
			}
		}
		if unsorted != nil {
			unsorted = append(unsorted, e)
		}
		before = e
	}
	if unsorted == nil {
		return at, nil
	}
	slices.SortStableFunc(unsorted, func(x, y entry) int {
		if c := bytes.Compare(w.b[x.key:x.value], w.b[y.key:y.value]); c != 0 {
			return c
		}
		return bytes.Compare(w.b[x.value:x.end], w.b[y.value:y.end]) // NaN keys may repeat
	})
	w.scratch = w.scratch[:0]
	for _, e := range unsorted {
		w.scratch = append(w.scratch, w.b[e.key:e.end]...)
	}
	copy(w.b[start:at], w.scratch)
	return at, nil
}
