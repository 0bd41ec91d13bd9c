package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt maps its file and believes it: a page that is not what it should be ends
// the process, with a panic on a goroutine of its own or with a fault of the
// memory. So the file is read and checked once before bbolt sees it: the newest
// sound meta page, and from there every page that is reachable or free. The layout
// is that of bbolt's format version 2, which has not changed since 2013.

const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	boltPageHeader = 16
	boltElement    = 16
	boltNoFreelist = ^uint64(0)
	boltMaxDepth   = 64
	boltMaxPages   = 1 << 36

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	leafIsBucket = 0x01
)

type boltMeta struct {
	pageSize                 uint64
	root, freelist, end, txn uint64
}

type verifier struct {
	r       io.ReaderAt
	meta    boltMeta
	visited map[uint64]bool // every page in use, pages of overflow included
}

// verifyDatabase returns ErrCorrupt when bbolt could not safely open the file.
func verifyDatabase(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return folderError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file: %w", path, ErrCorrupt)
	}
	if err := verifyPages(f, info.Size()); err != nil {
		return fmt.Errorf("%s: %w: wipe this node and let it join again, or restore its disk: %w", path, err, ErrCorrupt)
	}
	return nil
}

func verifyPages(r io.ReaderAt, size int64) error {
	meta, err := readMeta(r, size)
	if err != nil {
		return err
	}
	if meta.end > boltMaxPages || int64(meta.end*meta.pageSize) > size {
		return fmt.Errorf("the file has %d bytes, its %d pages of %d need more", size, meta.end, meta.pageSize)
	}
	v := &verifier{r: r, meta: meta, visited: make(map[uint64]bool)}
	if err := v.tree(meta.root, nil, nil, 0); err != nil {
		return err
	}
	if err := v.freelist(); err != nil {
		return err
	}
	return v.nothingLost()
}

// readMeta returns the newer of the two meta pages that are sound. Where the
// second one is depends on the page size, which the first one tells; when that is
// torn, all sizes are tried, as bbolt does.
func readMeta(r io.ReaderAt, size int64) (best boltMeta, err error) {
	found := false
	try := func(at int64, pageSize uint64) {
		m, ok := readMetaAt(r, at)
		if ok && (pageSize == 0 || m.pageSize == pageSize) && (!found || m.txn > best.txn) {
			best, found = m, true
		}
	}
	try(0, 0)
	if found {
		try(int64(best.pageSize), best.pageSize)
		return best, nil
	}
	for shift := range 15 {
		if at := int64(1024) << shift; at < size && !found {
			try(at, uint64(at))
		}
	}
	if !found {
		return best, errors.New("no sound meta page")
	}
	return best, nil
}

func readMetaAt(r io.ReaderAt, at int64) (m boltMeta, ok bool) {
	b := make([]byte, 64)
	if _, err := r.ReadAt(b, at+boltPageHeader); err != nil {
		return m, false
	}
	u32 := binary.NativeEndian.Uint32
	u64 := binary.NativeEndian.Uint64
	sum := fnv.New64a()
	sum.Write(b[:56])
	if u32(b) != boltMagic || u32(b[4:]) != boltVersion || u64(b[56:]) != sum.Sum64() {
		return m, false
	}
	m = boltMeta{pageSize: uint64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), end: u64(b[40:]), txn: u64(b[48:])}
	return m, m.pageSize >= 1024 && m.pageSize <= 1<<24 && m.pageSize&(m.pageSize-1) == 0
}

// page reads a page with its overflow, and notes it as in use.
func (v *verifier) page(id uint64) (b []byte, flags uint16, err error) {
	if id < 2 || id >= v.meta.end {
		return nil, 0, fmt.Errorf("page %d is outside of the file", id)
	}
	head := make([]byte, boltPageHeader)
	if _, err := v.r.ReadAt(head, int64(id*v.meta.pageSize)); err != nil {
		return nil, 0, err
	}
	if own := binary.NativeEndian.Uint64(head); own != id {
		return nil, 0, fmt.Errorf("page %d says that it is page %d", id, own)
	}
	more := uint64(binary.NativeEndian.Uint32(head[12:]))
	if more >= v.meta.end-id {
		return nil, 0, fmt.Errorf("page %d reaches past the end of the file", id)
	}
	for i := id; i <= id+more; i++ {
		if v.visited[i] {
			return nil, 0, fmt.Errorf("page %d is used twice", i)
		}
		v.visited[i] = true
	}
	b = make([]byte, (more+1)*v.meta.pageSize)
	if _, err := v.r.ReadAt(b, int64(id*v.meta.pageSize)); err != nil {
		return nil, 0, err
	}
	return b, binary.NativeEndian.Uint16(head[8:]), nil
}

// tree checks the pages of a bucket. Its keys lie in [low, high).
func (v *verifier) tree(id uint64, low, high []byte, depth int) error {
	if depth > boltMaxDepth {
		return fmt.Errorf("page %d lies too deep", id)
	}
	b, flags, err := v.page(id)
	if err != nil {
		return err
	}
	switch flags {
	case flagLeaf:
		err = v.leaf(b, low, high, depth)
	case flagBranch:
		err = v.branch(b, low, high, depth)
	default:
		err = fmt.Errorf("neither branch nor leaf (flags %#x)", flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func elements(b []byte) (int, error) {
	n := int(binary.NativeEndian.Uint16(b[10:]))
	if boltPageHeader+n*boltElement > len(b) {
		return 0, fmt.Errorf("%d elements do not fit into it", n)
	}
	return n, nil
}

// packed walks over the data of a page's elements. bbolt writes them in order and
// without gaps behind the table of elements, so that a wrong count, position or
// size shows: an element that was dropped from the count would be a member
// forgotten with its vote.
type packed struct {
	b    []byte
	next uint64
}

func newPacked(b []byte, n int) packed {
	return packed{b, uint64(boltPageHeader + n*boltElement)}
}

// take returns the size bytes that belong to the element at offset at.
func (p *packed) take(at int, pos, size uint32) ([]byte, error) {
	from := uint64(at) + uint64(pos)
	to := from + uint64(size)
	if from != p.next || to > uint64(len(p.b)) {
		return nil, errors.New("its elements do not lie one behind the other")
	}
	p.next = to
	return p.b[from:to], nil
}

// inOrder checks that a key comes after the one before it and below the end.
func inOrder(key, before, high []byte, first bool) error {
	c := bytes.Compare(key, before)
	if c < 0 || c == 0 && !first || high != nil && bytes.Compare(key, high) >= 0 {
		return errors.New("its keys are out of order")
	}
	return nil
}

func (v *verifier) leaf(b, low, high []byte, depth int) error {
	n, err := elements(b)
	if err != nil {
		return err
	}
	if n == 0 && len(bytes.TrimLeft(b[boltPageHeader:], "\x00")) > 0 {
		return errors.New("it counts no elements and is not empty")
	}
	before, data := low, newPacked(b, n)
	for i := range n {
		at := boltPageHeader + i*boltElement
		u32 := func(o int) uint32 { return binary.NativeEndian.Uint32(b[at+o:]) }
		kind, pos, keySize, valueSize := u32(0), u32(4), u32(8), u32(12)
		if keySize+valueSize < keySize {
			return errors.New("an element reaches out of it")
		}
		both, err := data.take(at, pos, keySize+valueSize)
		if err != nil {
			return err
		}
		key, value := both[:keySize], both[keySize:]
		if err := inOrder(key, before, high, i == 0); err != nil {
			return err
		}
		before = key
		switch kind {
		case 0:
		case leafIsBucket:
			if err := v.bucket(value, depth); err != nil {
				return fmt.Errorf("bucket %q: %w", key, err)
			}
		default:
			return fmt.Errorf("key %q: neither a value nor a bucket (flags %#x)", key, kind)
		}
	}
	return nil
}

// bucket checks a bucket: a reference to a tree, or a small leaf of its own.
func (v *verifier) bucket(value []byte, depth int) error {
	if len(value) < 16 {
		return errors.New("cut short")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return v.tree(root, nil, nil, depth+1)
	}
	inline := value[16:]
	if len(inline) < boltPageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return errors.New("no leaf in it")
	}
	if depth > boltMaxDepth {
		return errors.New("it lies too deep")
	}
	return v.leaf(inline, nil, nil, depth+1)
}

func (v *verifier) branch(b, low, high []byte, depth int) error {
	n, err := elements(b)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("a branch without leaves")
	}
	keys := make([][]byte, n+1)
	keys[n] = high
	before, data := low, newPacked(b, n)
	for i := range n {
		at := boltPageHeader + i*boltElement
		pos, size := binary.NativeEndian.Uint32(b[at:]), binary.NativeEndian.Uint32(b[at+4:])
		key, err := data.take(at, pos, size)
		if err != nil {
			return err
		}
		if err := inOrder(key, before, high, i == 0); err != nil {
			return err
		}
		keys[i], before = key, key
	}
	for i := range n {
		child := binary.NativeEndian.Uint64(b[boltPageHeader+i*boltElement+8:])
		if err := v.tree(child, keys[i], keys[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// freelist checks that nothing is free that is in use: bbolt would write over it.
func (v *verifier) freelist() error {
	if v.meta.freelist == boltNoFreelist {
		return nil
	}
	b, flags, err := v.page(v.meta.freelist)
	if err != nil {
		return err
	}
	if flags != flagFreelist {
		return fmt.Errorf("page %d: not the list of free pages (flags %#x)", v.meta.freelist, flags)
	}
	count, ids := uint64(binary.NativeEndian.Uint16(b[10:])), b[boltPageHeader:]
	if count == 0xFFFF {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return fmt.Errorf("page %d: %d free pages do not fit into it", v.meta.freelist, count)
	}
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[i*8:])
		if id < 2 || id >= v.meta.end || v.visited[id] {
			return fmt.Errorf("page %d: page %d is listed as free and is not, or is listed twice", v.meta.freelist, id)
		}
		v.visited[id] = true
	}
	return nil
}

// nothingLost checks that every page is in use or free. One that is neither held
// what a damaged page no longer leads to.
func (v *verifier) nothingLost() error {
	if v.meta.freelist == boltNoFreelist {
		return nil
	}
	for id := uint64(2); id < v.meta.end; id++ {
		if !v.visited[id] {
			return fmt.Errorf("page %d is neither in use nor free", id)
		}
	}
	return nil
}
