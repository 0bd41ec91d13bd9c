package group

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

func TestResultsKeepWhatTheySay(t *testing.T) {
	for _, result := range [][]byte{{}, {0}, []byte("hello")} {
		got, err := decodeResult(encodeResult([]byte{}, result, nil))
		if err != nil || !bytes.Equal(got, result) {
			t.Errorf("%x came back as %x, %v", result, got, err)
		}
	}
	for _, refusal := range refusals {
		if _, err := decodeResult(encodeResult(nil, nil, refusal)); err != refusal {
			t.Errorf("%v came back as %v", refusal, err)
		}
		detailed := fmt.Errorf("detail: %w", refusal)
		if _, err := decodeResult(encodeResult(nil, []byte("ignored"), detailed)); !errors.Is(err, refusal) || err.Error() != detailed.Error() {
			t.Errorf("%v came back as %v", detailed, err)
		}
	}
	var machine *MachineError
	if _, err := decodeResult(encodeResult(nil, nil, errors.New("why"))); !errors.As(err, &machine) || machine.Text != "why" || err.Error() != "why" {
		t.Errorf("a machine's error: %v", err)
	}
	if _, err := decodeResult([]byte{resultRefused, 200, 'w', 'h', 'y'}); !errors.As(err, &machine) || machine.Text != "why" {
		t.Errorf("a refusal of a newer program: %v", err)
	}
	for _, b := range [][]byte{nil, {resultRefused}} {
		if _, err := decodeResult(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", b, err)
		}
	}
	if _, err := decodeResult([]byte{77}); !errors.Is(err, ErrUnknownVersion) {
		t.Errorf("an unknown kind: %v", err)
	}
}

func FuzzDecodeResult(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("answer", encodeResult(nil, []byte("answer"), nil))
	seeds.Bytes("error", encodeResult(nil, nil, errors.New("why")))
	seeds.Bytes("refusal", encodeResult(nil, nil, fmt.Errorf("detail: %w", ErrOverloaded)))
	seeds.Add("empty", []byte{})
	seeds.Add("empty-answer", encodeResult(nil, nil, nil))
	seeds.Add("refusal-without-code", []byte{resultRefused})
	seeds.Add("refusal-of-a-later-version", []byte{resultRefused, 200, 'w', 'h', 'y'})
	seeds.Add("unknown-kind", []byte{77, 1, 2})
	seeds.Add("not-utf8", []byte{resultRefused, 0, 0xff})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		result, err := decodeResult(b)
		if err != nil && (result != nil || err.Error() == "" && len(b) > 2) {
			t.Fatalf("%x: %x, %q", b, result, err)
		}
	})
}
