package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// readFrames gives all frames of a stream and the error that ended it.
func readFrames(src io.Reader, most int) (kinds []byte, payloads [][]byte, err error) {
	r := newFrameReader(src, most)
	for {
		if err := r.fill(); err != nil {
			return kinds, payloads, err
		}
		for {
			kind, p, ok, err := r.next()
			if err != nil {
				return kinds, payloads, err
			}
			if !ok {
				break
			}
			kinds, payloads = append(kinds, kind), append(payloads, p)
			if len(payloads)%3 == 0 {
				r.calm() // at any time
			}
		}
	}
}

// What the outbox packs, the reader unpacks, however the stream is cut, and
// payloads that were handed out stay as they are.
func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var box outbox
		box.init(1<<30, 1<<20, ErrOverloaded, ErrTooLarge)
		sizes := rapid.SliceOfN(rapid.OneOf(
			rapid.IntRange(0, 100), rapid.IntRange(frameTarget-20, frameTarget+20), rapid.IntRange(0, 600<<10),
		), 1, 30).Draw(t, "sizes")
		var want [][]byte
		for i, n := range sizes {
			msg := bytes.Repeat([]byte{byte(i)}, n)
			want = append(want, msg)
			if err := box.add(kindMessages, func(dst []byte) []byte { return append(dst, msg...) }); err != nil {
				t.Fatal(err)
			}
			if i%5 == 4 { // a frame of another kind between
				box.mu.Lock()
				_, err := box.addRecord(kindRequests, make([]byte, requestHead), nil)
				box.mu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		var stream []byte
		for block, _ := box.take(nil, nil); block != nil; block, _ = box.take(block, nil) {
			sealFrames(block)
			stream = append(stream, block...)
		}
		if box.waiting != 0 || len(box.blocks) != 0 {
			t.Fatalf("%d bytes left", box.waiting)
		}
		var src io.Reader = bytes.NewReader(stream)
		if len(stream) < 100000 && rapid.Bool().Draw(t, "byte by byte") {
			src = iotest.OneByteReader(src)
		}
		kinds, payloads, err := readFrames(src, 2<<20)
		if err != io.EOF {
			t.Fatal(err)
		}
		var got [][]byte
		for i, p := range payloads {
			for kinds[i] == kindMessages && len(p) > 0 {
				var msg []byte
				var ok bool
				if msg, p, ok = nextMessage(p); !ok {
					t.Fatal("cut short")
				}
				got = append(got, msg)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d messages, want %d", len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("message %d differs", i)
			}
		}
	})
}

func TestDamagedFrameIsNoticed(t *testing.T) {
	frame := appendFrame(nil, kindMessages, []byte("hello"))
	for i := range frame {
		for bit := range 8 {
			b := bytes.Clone(frame)
			b[i] ^= 1 << bit
			_, payloads, err := readFrames(bytes.NewReader(b), 1<<20)
			if len(payloads) > 0 || !errors.Is(err, ErrBadFrame) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("byte %d bit %d: %q, %v", i, bit, payloads, err)
			}
		}
	}
}

func TestStreamCutWithinAFrame(t *testing.T) {
	frame := appendFrame(nil, kindMessages, []byte("hello"))
	for n := range frame {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, _, err := readFrames(bytes.NewReader(frame[:n]), 100); err != want {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// A header alone must not make the reader allocate what it promises.
func TestLargeFrameIsReadAsItComes(t *testing.T) {
	r := newFrameReader(bytes.NewReader([]byte{0, 0, 0, 32, 1, 2, 3, 4, kindMessages}), 1<<30)
	for range 3 {
		err := r.fill()
		if _, _, ok, bad := r.next(); ok || bad != nil {
			t.Fatal(ok, bad)
		}
		if cap(r.chunk) > 2*growStep {
			t.Fatalf("%d bytes are allocated for a header", cap(r.chunk))
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
	}
}

// FuzzFrames reads anything: no panic, memory in proportion to the input, and
// whatever passes is what was there.
func FuzzFrames(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("messages", appendFrame(appendFrame(nil, kindPing), kindMessages, []byte{1, 0, 0, 0, 'x'}))
	seeds.Bytes("requests", appendFrame(nil, kindRequests, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x'}))
	seeds.Bytes("answers", appendFrame(nil, kindAnswers, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x'}))
	seeds.Add("empty", []byte{})
	seeds.Add("heartbeat-and-pong", appendFrame(appendFrame(nil, kindHeartbeat, []byte("alive")), kindPong))
	seeds.Add("unknown-kind", appendFrame(nil, 0xff, []byte("x")))
	seeds.Add("huge-frame", []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1})
	seeds.Add("large-frame", []byte{0, 0, 0, 3, 0, 0, 0, 0, 1})
	seeds.Add("huge-message", appendFrame(nil, kindMessages, []byte{0xff, 0xff, 0xff, 0xff, 'x'}))
	seeds.Add("huge-request", appendFrame(nil, kindRequests, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'}))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, data []byte) {
		var kinds []byte
		var payloads [][]byte
		var err error
		fuzzseeds.Bounded(t, len(data), 64, func() { kinds, payloads, err = readFrames(bytes.NewReader(data), 1<<26) })
		if err == nil {
			t.Fatal("no end")
		}
		var again []byte
		for i, p := range payloads {
			again = appendFrame(again, kinds[i], p)
		}
		if !bytes.HasPrefix(data, again) {
			t.Fatal("frames differ from what was read")
		}
		// Payloads are taken apart whether or not their frame was sealed.
		for _, p := range append(payloads, data) {
			for rest, ok := p, true; ok && len(rest) > 0; {
				_, rest, ok = nextMessage(rest)
			}
			for rest, ok := p, true; ok && len(rest) > 0; {
				_, _, rest, ok = nextRequest(rest)
			}
			appendAnswers(nil, p)
		}
	})
}

// FuzzHandshake reads anything as either side's first bytes; what passes is
// written back the same.
func FuzzHandshake(f *testing.F) {
	greeting := (&hello{min: 1, max: 1, class: Calls, fleet: 1, node: 2, wanted: 3, boot: 4}).append(nil)
	refusal := (&welcome{refusal: refusedFleet, protocol: 1, fleet: 1, node: 2, boot: 4, reason: "no"}).append(nil)
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("hello", greeting)
	seeds.Bytes("welcome", refusal)
	seeds.Add("empty", []byte{})
	seeds.Add("hello-of-later-versions", (&hello{min: 7, max: 9, class: Consensus, fleet: 1, node: 2, boot: 4}).append(nil))
	seeds.Add("hello-of-an-unknown-class", (&hello{min: 1, max: 1, class: 99, fleet: 1, node: 2, boot: 4}).append(nil))
	seeds.Add("hello-of-nobody", (&hello{min: 1, max: 1, class: Calls}).append(nil))
	seeds.Add("welcome-huge-reason", fuzzseeds.With(refusal, 16, 0xff, 0xff))
	seeds.Add("welcome-unknown-refusal", (&welcome{refusal: 200, protocol: 1, fleet: 1, node: 2, boot: 4}).append(nil))
	seeds.Add("http", []byte("GET / HTTP/1.1\r\n\r\n"))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := readHello(bytes.NewReader(data)); err == nil {
			judge(h, welcome{min: 1, max: 1, fleet: 1, node: 2, boot: 3})
			if again, err := readHello(bytes.NewReader(h.append(nil))); err != nil || again != h {
				t.Fatalf("%+v, then %+v, %v", h, again, err)
			}
		}
		if w, err := readWelcome(bytes.NewReader(data)); err == nil {
			w.check(hello{min: 1, max: 1}, "")
			if again, err := readWelcome(bytes.NewReader(w.append(nil))); err != nil || again != w {
				t.Fatalf("%+v, then %+v, %v", w, again, err)
			}
		}
	})
}
