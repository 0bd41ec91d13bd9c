package catalogue

import (
	"bytes"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// coder writes or reads msgpack, field by field. Each format is described once,
// by a function that visits its fields in order, so that what is written and
// what is read cannot differ. Fields have no names and are in a fixed order:
// equal values give equal bytes. Adding a field means a new format version.
//
// Writing never writes to the value: records are shared with readers. The first
// error stays and makes the rest do nothing.
type coder struct {
	enc *msgpack.Encoder // nil when reading
	dec *msgpack.Decoder // nil when writing
	err error

	format uint64 // of what is read or written, once its version was visited
}

// fielder is a value whose fields a coder can visit.
type fielder interface{ fields(*coder) }

func pack(visit func(*coder)) ([]byte, error) {
	var out bytes.Buffer
	c := &coder{enc: msgpack.NewEncoder(&out)}
	visit(c)
	return out.Bytes(), c.err
}

// unpack reads all of b; bytes left over are an error.
func unpack(b []byte, visit func(*coder)) error {
	in := bytes.NewReader(b)
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(in)
	c := &coder{dec: dec}
	visit(c)
	if c.err == nil && in.Len() > 0 {
		c.err = fmt.Errorf("%d bytes too many", in.Len())
	}
	return c.err
}

func (c *coder) uint(v *uint64) {
	switch {
	case c.err != nil:
	case c.enc != nil:
		c.err = c.enc.EncodeUint(*v)
	default:
		*v, c.err = c.dec.DecodeUint64()
	}
}

func (c *coder) int64(v *int64) {
	switch {
	case c.err != nil:
	case c.enc != nil:
		c.err = c.enc.EncodeInt(*v)
	default:
		*v, c.err = c.dec.DecodeInt64()
	}
}

func (c *coder) int(v *int) {
	wide := int64(*v)
	if c.int64(&wide); c.enc != nil {
		return
	}
	if *v = int(wide); int64(*v) != wide && c.err == nil {
		c.err = fmt.Errorf("%d is too large a number", wide)
	}
}

func (c *coder) bool(v *bool) {
	switch {
	case c.err != nil:
	case c.enc != nil:
		c.err = c.enc.EncodeBool(*v)
	default:
		*v, c.err = c.dec.DecodeBool()
	}
}

// id visits any of the identifiers.
func id[T ~uint64](c *coder, v *T) {
	plain := uint64(*v)
	if c.uint(&plain); c.dec != nil {
		*v = T(plain)
	}
}

func (c *coder) string(v *string, most int) {
	switch {
	case c.err != nil:
	case c.enc != nil:
		c.err = c.enc.EncodeString(*v)
	default:
		b := c.read(most)
		*v = string(b)
	}
}

// bytes keeps the difference between nil and empty.
func (c *coder) bytes(v *[]byte, most int) {
	switch {
	case c.err != nil:
	case c.enc != nil:
		c.err = c.enc.EncodeBytes(*v)
	default:
		*v = c.read(most)
	}
}

// readStep is how much memory a length alone, without the bytes, can ask for.
const readStep = 64 << 10

func (c *coder) read(most int) []byte {
	n, err := c.dec.DecodeBytesLen()
	switch {
	case err != nil:
		c.err = err
		return nil
	case n < 0:
		return nil
	case n > most:
		c.err = fmt.Errorf("%d bytes where at most %d may be", n, most)
		return nil
	}
	b := make([]byte, 0, min(n, readStep))
	for len(b) < n && c.err == nil {
		step := min(n-len(b), max(readStep, len(b)))
		b = append(b, make([]byte, step)...)
		c.err = c.dec.ReadFull(b[len(b)-step:])
	}
	return b
}

// count visits the length of a list.
func (c *coder) count(n *int, most int) {
	switch {
	case c.err != nil:
	case c.enc != nil:
		c.err = c.enc.EncodeArrayLen(*n)
	default:
		if *n, c.err = c.dec.DecodeArrayLen(); c.err == nil && (*n < 0 || *n > most) {
			c.err = fmt.Errorf("a list of %d where at most %d may be", *n, most)
		}
	}
}

// list visits a list. An empty one is read as nil.
func list[T any](c *coder, v *[]T, most int, each func(*coder, *T)) {
	n := len(*v)
	if c.count(&n, most); c.err != nil {
		return
	}
	if c.enc != nil {
		for i := range *v {
			each(c, &(*v)[i])
		}
		return
	}
	*v = nil
	for range n {
		var item T
		if each(c, &item); c.err != nil {
			return
		}
		*v = append(*v, item)
	}
}

// version visits the format version that begins every encoding.
func (c *coder) version(known uint64) { c.versions(known, known) }

// versions is version where older formats are read as well.
func (c *coder) versions(oldest, known uint64) {
	c.format = known
	c.uint(&c.format)
	if c.err == nil && (c.format < oldest || c.format > known) {
		c.err = fmt.Errorf("%w: it has format %d, this program knows %d: run the newer program on every node", ErrVersion, c.format, known)
	}
}

// end makes sure that a stream ends here.
func (c *coder) end(r io.Reader) {
	if c.err != nil {
		return
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 {
		c.err = fmt.Errorf("%w: bytes after the end", ErrCorrupt)
	} else if err != nil && err != io.EOF {
		c.err = err
	}
}
