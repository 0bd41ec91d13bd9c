package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxBodyBytes is the greatest body of a request.
const MaxBodyBytes = 8 << 20

// bodyTimeout bounds how long a client may take to send its body.
const bodyTimeout = 30 * time.Second

// readBody reads a whole body within the bound. Of one that is larger it reads and
// drops as much again: a connection that is closed on a caller who still sends is
// reset, and the reason would be lost with it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// Only real connections have deadlines, and they are taken off again so that
	// they do not end the request while the node works on it.
	ctl := http.NewResponseController(w)
	if ctl.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer ctl.SetReadDeadline(time.Time{})
	}
	if r.ContentLength > MaxBodyBytes {
		io.CopyN(io.Discard, r.Body, 2*MaxBodyBytes)
		return nil, tooLarge()
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, MaxBodyBytes+1))
	if err != nil {
		return nil, newError(KindInvalid, "send the whole body, without long pauses", fmt.Sprintf("the body could not be read: %v", err))
	}
	if len(b) > MaxBodyBytes {
		io.CopyN(io.Discard, r.Body, MaxBodyBytes)
		return nil, tooLarge()
	}
	return b, nil
}

func tooLarge() error {
	return newError(KindInvalid, "send less at a time", fmt.Sprintf("the body is larger than %d bytes", MaxBodyBytes)).withStatus(http.StatusRequestEntityTooLarge)
}

// decodeBody reads one JSON object into the struct that to points at. An empty
// body is an empty object.
func decodeBody(b []byte, to any) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return malformed(b, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return newError(KindInvalid, "send one JSON object", fmt.Sprintf("the body goes on after its JSON object, at byte %d", d.InputOffset()))
	}
	return nil
}

// checkJSON says where a body that is passed on is not JSON. An empty body is allowed.
func checkJSON(b []byte) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	var raw json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return malformed(b, err)
	}
	return nil
}

// malformed turns an error of encoding/json into one that tells place and expectation.
func malformed(b []byte, err error) error {
	const remedy = "send JSON as the documentation of the path shows it"
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return newError(KindInvalid, remedy, fmt.Sprintf("the body is not JSON at byte %d: %v", syntax.Offset, syntax))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return newError(KindInvalid, remedy, fmt.Sprintf("the body is not JSON: it ends too early, after %d bytes", len(b)))
	case errors.As(err, &wrong):
		field := wrong.Field
		if field == "" {
			field = "the body"
		}
		return newError(KindInvalid, remedy, fmt.Sprintf("%s, at byte %d, is a JSON %s where a %s is expected", field, wrong.Offset, wrong.Value, jsonName(wrong.Type.Kind().String())))
	}
	return newError(KindInvalid, remedy, "the body cannot be read: "+strings.TrimPrefix(err.Error(), "json: "))
}

func jsonName(kind string) string {
	switch kind {
	case "bool":
		return "boolean"
	case "int":
		return "whole number"
	case "struct":
		return "object"
	}
	return kind
}

// query holds the parameters of a request; the first error of any of them stays.
type query struct {
	values url.Values
	err    error
}

// readQuery refuses parameters that are not among the names.
func readQuery(r *http.Request, names ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &query{err: newError(KindInvalid, "escape the parameters", fmt.Sprintf("the parameters cannot be read: %v", err))}
	}
	q := &query{values: values}
	for name, v := range values {
		if !slices.Contains(names, name) {
			remedy := "leave it out"
			if len(names) > 0 {
				remedy = "known are: " + strings.Join(names, ", ")
			}
			q.fail(remedy, "unknown parameter %q", name)
		} else if len(v) > 1 {
			q.fail("give it once", "the parameter %s is given %d times", name, len(v))
		}
	}
	return q
}

func (q *query) fail(remedy, format string, args ...any) {
	if q.err == nil {
		q.err = newError(KindInvalid, remedy, fmt.Sprintf(format, args...))
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

func (q *query) flag(name string) bool {
	s := q.values.Get(name)
	if s == "" {
		return false
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		q.fail("use true or false", "%s is %q, which is neither true nor false", name, s)
	}
	return v
}

func (q *query) number(name string) uint64 {
	s := q.values.Get(name)
	if s == "" {
		return 0
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		q.fail("use a whole number, 0 or more", "%s is %q, which is not a whole number", name, s)
	}
	return v
}

func (q *query) duration(name string) time.Duration {
	s := q.values.Get(name)
	if s == "" {
		return 0
	}
	v, err := time.ParseDuration(s)
	if err != nil || v <= 0 {
		q.fail("use a duration greater than zero such as 500ms or 2s", "%s is %q, which is no duration greater than zero", name, s)
	}
	return v
}
