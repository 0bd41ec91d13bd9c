package group

import (
	"errors"
	"fmt"
	"strings"
)

// A command's answer as one byte slice, which is stored in the session table and sent to the caller:
//
//	resultOK       the machine's bytes
//	resultError    the text of the machine's error
//	resultRefused  code, the text: the group refused to apply the command
const (
	resultOK byte = iota
	resultError
	resultRefused
)

// refusals are the errors that keep their identity on the way to the caller. The position is the code in the format:
// append only.
var refusals = [...]error{
	ErrSessionExpired,
	ErrTooManySessions,
	ErrOverloaded,
	ErrUnknownOperation,
	ErrInvalidArgument,
	ErrMalformed,
}

// encodeResult appends the encoded answer to dst. result counts only when err is nil.
func encodeResult(dst []byte, result []byte, err error) []byte {
	if err == nil {
		return append(append(dst, resultOK), result...)
	}
	for code, e := range refusals {
		if errors.Is(err, e) {
			return append(append(dst, resultRefused, byte(code)), err.Error()...)
		}
	}
	return append(append(dst, resultError), err.Error()...)
}

// decodeResult is the inverse. The result aliases b. The error is a *MachineError, an error that errors.Is
// finds to be one of refusals, or ErrMalformed.
func decodeResult(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("read a command's result: no bytes: %w", ErrMalformed)
	}
	switch b[0] {
	case resultOK:
		return b[1:], nil
	case resultError:
		return nil, &MachineError{Text: string(b[1:])}
	case resultRefused:
		if len(b) < 2 {
			return nil, fmt.Errorf("read a command's result: cut short: %w", ErrMalformed)
		}
		text := strings.ToValidUTF8(string(b[2:]), "\uFFFD")
		if int(b[1]) >= len(refusals) {
			// A newer program knows more reasons; what it says is still the answer.
			return nil, &MachineError{Text: text}
		}
		sentinel := refusals[b[1]]
		if text == sentinel.Error() {
			return nil, sentinel
		}
		return nil, &refusedError{text: text, sentinel: sentinel}
	default:
		return nil, fmt.Errorf("read a command's result: kind %d, this program knows 0 to %d: %w", b[0], resultRefused, ErrUnknownVersion)
	}
}

// refusedError is a refusal whose text says more than the sentinel's.
type refusedError struct {
	text     string
	sentinel error
}

func (e *refusedError) Error() string { return e.text }
func (e *refusedError) Unwrap() error { return e.sentinel }
