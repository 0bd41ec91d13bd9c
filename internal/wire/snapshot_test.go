package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	r.Read(b)
	return b
}

func TestSnapshotsArriveWhole(t *testing.T) {
	var b book
	got := make(chan string, 1)
	r := newRecorder()
	r.onSnap = func(from ident.NodeID, header []byte, body io.Reader) error {
		h := sha256.New()
		n, err := io.Copy(h, body)
		got <- fmt.Sprintf("%d %s %d %x %v", from, header, n, h.Sum(nil), err)
		return err
	}
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	for i, n := range []int{0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 10 << 20, 3} {
		data := randomBytes(n)
		header := fmt.Sprint("h", i)
		if err := one.SendSnapshot(soon(t), 2, []byte(header), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		await(t, got, fmt.Sprintf("1 %s %d %x <nil>", header, n, sha256.Sum256(data)))
	}
}

func TestSnapshotReceiverErrorTravelsBack(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	for _, read := range []int64{0, 1, 100000, 8 << 20} {
		r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
			io.CopyN(io.Discard, body, read)
			return errors.New("disk is full")
		}
		err := one.SendSnapshot(soon(t), 2, nil, bytes.NewReader(make([]byte, 8<<20)))
		var remote *RemoteError
		if !errors.As(err, &remote) || remote.Text != "disk is full" || remote.Node != 2 {
			t.Fatalf("after %d bytes: %v", read, err)
		}
	}
}
