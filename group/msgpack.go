package group

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/internal/msgpackcheck"
)

// maxPooledBuffer is the largest buffer that is kept for the next use.
const maxPooledBuffer = 64 << 10

// msgpackCodec is an encoder and a decoder with what they write to and read from.
type msgpackCodec struct {
	out bytes.Buffer
	enc *msgpack.Encoder
	in  bytes.Reader
	dec *msgpack.Decoder
}

var msgpackCodecs = sync.Pool{New: func() any {
	return &msgpackCodec{enc: msgpack.NewEncoder(nil), dec: msgpack.NewDecoder(nil)}
}}

// msgpackOf encodes and decodes the values of one type alike on every node.
type msgpackOf[T any] struct {
	shape shape
	none  bool // T is None, which travels as no bytes
}

// newMsgpackOf fails with what in T can not be replicated.
func newMsgpackOf[T any](state bool) (msgpackOf[T], error) {
	t := reflect.TypeFor[T]()
	s, err := shapeOf(t, state)
	return msgpackOf[T]{shape: s, none: t == reflect.TypeFor[None]()}, err
}

// append appends the encoded value to dst, not yet sorted if T has maps.
func (m msgpackOf[T]) append(dst []byte, v *T) (_ []byte, err error) {
	if m.none {
		return dst, nil
	}
	c := msgpackCodecs.Get().(*msgpackCodec)
	defer func() {
		// A type's own encoder may panic, and such a codec is not to be used again.
		if p := recover(); p != nil {
			err = fmt.Errorf("encode %s: panic: %v", reflect.TypeFor[T](), p)
			return
		}
		if c.out.Cap() <= maxPooledBuffer {
			msgpackCodecs.Put(c)
		}
	}()
	c.out.Reset()
	c.enc.Reset(&c.out)
	c.enc.UseCompactInts(true)
	if err := c.enc.Encode(v); err != nil {
		return dst, fmt.Errorf("encode %s: %w", reflect.TypeFor[T](), err)
	}
	return append(dst, c.out.Bytes()...), nil
}

// sort puts what append added into the order that all members agree on.
func (m msgpackOf[T]) sort(encoded []byte) error {
	if !m.shape.maps && !m.shape.interfaces && !m.shape.custom {
		return nil
	}
	if err := msgpackcheck.Sort(encoded); err != nil {
		return fmt.Errorf("encode %s: its own encoding is wrong: %w: %w", reflect.TypeFor[T](), err, ErrMalformed)
	}
	return nil
}

// encode appends the value to dst as the same bytes for equal values.
func (m msgpackOf[T]) encode(dst []byte, v *T) ([]byte, error) {
	out, err := m.append(dst, v)
	if err != nil {
		return dst, err
	}
	return out, m.sort(out[len(dst):])
}

// decode reads all of b into v, which is the zero value before.
func (m msgpackOf[T]) decode(b []byte, v *T) (err error) {
	if m.none {
		if len(b) != 0 {
			return fmt.Errorf("%d bytes where none belong: %w", len(b), ErrMalformed)
		}
		return nil
	}
	if err := msgpackcheck.Check(b, m.shape.times || m.shape.custom || m.shape.interfaces); err != nil {
		return fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	c := msgpackCodecs.Get().(*msgpackCodec)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v: %w", p, ErrMalformed)
			return
		}
		msgpackCodecs.Put(c)
	}()
	c.in.Reset(b)
	c.dec.Reset(&c.in)
	err = c.dec.Decode(v)
	left := c.in.Len()
	c.in.Reset(nil)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	if left != 0 {
		return fmt.Errorf("%d bytes after the end: %w", left, ErrMalformed)
	}
	m.shape.normalize(reflect.ValueOf(v).Elem(), false)
	return nil
}
