package catalogue

import (
	"errors"
	"fmt"
)

const answerVersion = 1

// EncodeAnswer puts what Machine.Apply returned into one value that can travel.
func EncodeAnswer(result []byte, refusal error) []byte {
	a := answer{code: codeOf(refusal), result: result}
	if refusal != nil {
		a.detail = refusal.Error()
		var r *Refusal
		if errors.As(refusal, &r) {
			a.detail = r.Detail
		}
		if a.code == 0 {
			a.code = unknownCode
		}
	}
	b, err := pack(a.fields)
	if err != nil {
		return nil // writing to memory does not fail; DecodeAnswer refuses nil
	}
	return b
}

// DecodeAnswer returns what Machine.Apply returned. A refusal is a *Refusal for
// which errors.Is finds the same sentinel. Bytes that are no answer give
// ErrCorrupt, or ErrVersion.
func DecodeAnswer(b []byte) (result []byte, err error) {
	var a answer
	if err := unpack(b, a.fields); err != nil {
		if errors.Is(err, ErrVersion) {
			return nil, fmt.Errorf("catalogue: decode answer: %w", err)
		}
		return nil, fmt.Errorf("catalogue: decode answer: %w: %w", ErrCorrupt, err)
	}
	if a.code == 0 {
		return a.result, nil
	}
	sentinel, known := codes[a.code]
	if !known {
		// A newer program refused for a reason that this one has no name for.
		return nil, errors.New("catalogue: refused: " + a.detail)
	}
	return nil, &Refusal{Sentinel: sentinel, Detail: a.detail}
}

const (
	unknownCode = 255
	maxAnswer   = 64 << 20
)

type answer struct {
	code   uint64
	detail string
	result []byte
}

func (a *answer) fields(c *coder) {
	c.version(answerVersion)
	c.uint(&a.code)
	c.string(&a.detail, maxAnswer)
	c.bytes(&a.result, maxAnswer)
}
