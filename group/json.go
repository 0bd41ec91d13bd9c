package group

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// OperationInfo describes an operation to people: fleetctl prints it.
type OperationInfo struct {
	// Name is the operation's name.
	Name string
	// Query tells a query from a command.
	Query bool
	// Argument and Result are the JSON that goes in and comes out, such as {"key": string, "version": integer}.
	// Both are "none" for None.
	Argument, Result string
}

// jsonType is a type with typed operations.
type jsonType interface {
	operationNamed(name string) (operation, bool)
	operationNames() []string
}

// Operations lists a type's operations by name. A type without typed operations has none.
func Operations(t Type) []OperationInfo {
	typed, ok := t.(jsonType)
	if !ok {
		return nil
	}
	names := typed.operationNames()
	list := make([]OperationInfo, 0, len(names))
	for _, name := range names {
		if o, ok := typed.operationNamed(name); ok {
			list = append(list, o.info)
		}
	}
	return list
}

// CallJSON carries out a command, or a query, with a JSON argument and returns its result as JSON. Types are those
// of encoding/json: whole numbers are exact to 64 bits, bytes are base64, None is {}. No body at all is the zero argument.
// An argument with unknown fields is refused.
//
// It fails with ErrNoJSON for a type without typed operations, with ErrUnknownOperation and a list of those that
// there are, and with ErrInvalidArgument and the place and what belongs there. Nothing is sent then.
func CallJSON(ctx context.Context, c Caller, t Type, group, op string, body []byte, query bool, opts ...CallOption) ([]byte, error) {
	typed, ok := t.(jsonType)
	if !ok {
		return nil, fmt.Errorf("%s of group %q, type %q: %w", op, group, t.TypeName(), ErrNoJSON)
	}
	o, ok := typed.operationNamed(op)
	if !ok || o.info.Query != query {
		return nil, unknownOperation(t, group, op, query, ok)
	}
	payload, err := o.argumentFromJSON(body)
	if err != nil {
		return nil, fmt.Errorf("%s of group %q: %w", op, group, err)
	}
	message := append(appendOperation(make([]byte, 0, 1+len(op)+len(payload)), op), payload...)
	send := c.Command
	if query {
		send = c.Query
	}
	answer, err := send(ctx, group, message, opts...)
	if err != nil {
		return nil, o.explain(err)
	}
	result, err := o.resultToJSON(answer)
	if err != nil {
		return nil, fmt.Errorf("%s of group %q was answered, but the answer has no JSON form: %w", op, group, err)
	}
	return result, nil
}

func unknownOperation(t Type, group, op string, query, other bool) error {
	kind, kinds, otherKind := "command", "commands", "query"
	if query {
		kind, kinds, otherKind = "query", "queries", "command"
	}
	if other {
		return fmt.Errorf("%w: %q of type %q (group %q) is a %s, not a %s", ErrUnknownOperation, op, t.TypeName(), group, otherKind, kind)
	}
	var names []string
	for _, info := range Operations(t) {
		if info.Query == query {
			names = append(names, info.Name)
		}
	}
	list := "none"
	if len(names) > 0 {
		list = strings.Join(names, ", ")
	}
	return fmt.Errorf("%w: type %q (group %q) has no %s %q; its %s: %s", ErrUnknownOperation, t.TypeName(), group, kind, op, kinds, list)
}

func (o *typedOperation[S, A, R]) argumentFromJSON(body []byte) ([]byte, error) {
	var arg A
	if err := decodeJSON(body, &arg); err != nil {
		return nil, err
	}
	if o.argument.shape.interfaces {
		o.argument.shape.normalize(reflect.ValueOf(&arg).Elem(), true)
	}
	b, err := o.argument.encode(nil, &arg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	return b, nil
}

func (o *typedOperation[S, A, R]) resultToJSON(payload []byte) ([]byte, error) {
	var result R
	if err := o.result.decode(payload, &result); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it is read by programs and people, not by browsers
	if err := enc.Encode(result); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decodeJSON reads exactly one value into v.
func decodeJSON[A any](body []byte, v *A) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	want := describeJSON(reflect.TypeFor[A]())
	if err := dec.Decode(v); err != nil {
		offset, problem := dec.InputOffset(), strings.TrimPrefix(err.Error(), "json: ")
		var syntax *json.SyntaxError
		var mismatch *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			offset = syntax.Offset
		case errors.As(err, &mismatch):
			offset, problem = mismatch.Offset, "found "+mismatch.Value
			if mismatch.Field != "" {
				problem = fmt.Sprintf("field %q: %s", mismatch.Field, problem)
			}
			problem += ", which is not " + describeJSON(mismatch.Type)
		case errors.Is(err, io.ErrUnexpectedEOF):
			offset, problem = int64(len(body)), "it ends too early"
		}
		return fmt.Errorf("%w: %s: %s; want %s", ErrInvalidArgument, jsonPlace(body, offset), problem, want)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: %s: there is more after the end of the argument; want one %s", ErrInvalidArgument, jsonPlace(body, dec.InputOffset()), want)
	}
	return nil
}

// jsonPlace says where byte offset of body is, as editors count.
func jsonPlace(body []byte, offset int64) string {
	before := body[:max(0, min(offset, int64(len(body))))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Sprintf("JSON line %d, column %d", line, max(column, 1))
}

type jsonNumber = json.Number

// exactNumber is the number with the Go type that keeps it, float64 where no whole one does.
func exactNumber(n json.Number) any {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	f, err := n.Float64()
	if err != nil {
		return n.String() // beyond float64: its digits are all there is
	}
	return f
}
