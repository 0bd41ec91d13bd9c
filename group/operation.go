package group

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// None is the argument or the result of an operation that has none.
type None struct{}

// operation is what the JSON form needs to know of an operation, whatever its Go types are.
type operation struct {
	info             OperationInfo
	argumentFromJSON func(body []byte) (payload []byte, err error)
	resultToJSON     func(payload []byte) ([]byte, error)
	explain          func(error) error
}

// stateOperation is an operation on the states of one type.
type stateOperation[S any] struct {
	operation
	run func(meta Meta, state *S, payload []byte) ([]byte, error)
}

// CommandOp is a command of a type: it may change the state. It is safe for concurrent use.
type CommandOp[S, A, R any] struct{ typed typedOperation[S, A, R] }

// QueryOp is a query of a type: it reads the state. It is safe for concurrent use.
type QueryOp[S, A, R any] struct{ typed typedOperation[S, A, R] }

// Command adds a command to a type. fn gets the state and the argument and must be deterministic. What it returns, an error
// too, is the command's answer; an error does not undo what fn did to the state. fn must not keep what R
// shares with the state: R is encoded at once.
//
// It is meant for package variables and panics when the name is empty, too long (100 bytes) or taken, when A or R can
// not be encoded (see Define), or when a machine of the type is running already.
func Command[S, A, R any](d *Definition[S], op string, fn func(*S, A) (R, error)) *CommandOp[S, A, R] {
	if fn == nil {
		panic(fmt.Sprintf("group.Command %q: the function is nil", op))
	}
	return CommandWithMeta(d, op, func(_ Meta, s *S, a A) (R, error) { return fn(s, a) })
}

// CommandWithMeta is Command for a function that wants the log's index or time.
func CommandWithMeta[S, A, R any](d *Definition[S], op string, fn func(Meta, *S, A) (R, error)) *CommandOp[S, A, R] {
	if fn == nil {
		panic(fmt.Sprintf("group.CommandWithMeta %q: the function is nil", op))
	}
	return &CommandOp[S, A, R]{newTypedOperation(d, "Command", op, false, fn)}
}

// Query adds a query to a type. fn must not change the state: it runs concurrently with other queries. Otherwise it is
// like Command.
func Query[S, A, R any](d *Definition[S], op string, fn func(*S, A) (R, error)) *QueryOp[S, A, R] {
	if fn == nil {
		panic(fmt.Sprintf("group.Query %q: the function is nil", op))
	}
	return &QueryOp[S, A, R]{newTypedOperation(d, "Query", op, true, func(_ Meta, s *S, a A) (R, error) { return fn(s, a) })}
}

// Name returns the operation's name.
func (o *CommandOp[S, A, R]) Name() string { return o.typed.name }

// Name returns the operation's name.
func (o *QueryOp[S, A, R]) Name() string { return o.typed.name }

// Call has the group carry out the command and returns its answer. A *MachineError is what the command itself
// returned as an error; for others OutcomeOf tells whether the command may have been applied.
func (o *CommandOp[S, A, R]) Call(ctx context.Context, c Caller, group string, arg A, opts ...CallOption) (R, error) {
	return o.typed.call(ctx, c.Command, group, arg, opts)
}

// Call asks the group and returns its answer. A *MachineError is what the query itself returned as an error.
func (o *QueryOp[S, A, R]) Call(ctx context.Context, c Caller, group string, arg A, opts ...CallOption) (R, error) {
	return o.typed.call(ctx, c.Query, group, arg, opts)
}

// typedOperation is the part that commands and queries share.
type typedOperation[S, A, R any] struct {
	definition *Definition[S]
	name       string
	argument   msgpackOf[A]
	result     msgpackOf[R]
}

func newTypedOperation[S, A, R any](d *Definition[S], function, name string, query bool, fn func(Meta, *S, A) (R, error)) typedOperation[S, A, R] {
	mustBeName(function, "operation", name, maxOperationName)
	o := typedOperation[S, A, R]{definition: d, name: name}
	var err error
	if o.argument, err = newMsgpackOf[A](false); err != nil {
		panic(fmt.Sprintf("group.%s %q of type %q: the argument can not be sent: %v", function, name, d.name, err))
	}
	if o.result, err = newMsgpackOf[R](false); err != nil {
		panic(fmt.Sprintf("group.%s %q of type %q: the result can not be sent: %v", function, name, d.name, err))
	}
	run := func(meta Meta, state *S, payload []byte) ([]byte, error) {
		var arg A
		if o.argument.decode(payload, &arg) != nil {
			// The library's own words may differ between releases, and all members must answer alike.
			return nil, fmt.Errorf("%w: operation %q: the bytes are not the msgpack of %s", ErrInvalidArgument, name, reflect.TypeFor[A]())
		}
		result, err := fn(meta, state, arg)
		if err != nil {
			return nil, err
		}
		return o.result.encode(nil, &result)
	}
	d.add(function, func() {
		if d.operations[name] != nil {
			panic(fmt.Sprintf("group.%s: type %q has an operation %q already: give each its own name", function, d.name, name))
		}
		d.operations[name] = &stateOperation[S]{
			operation: operation{
				info: OperationInfo{
					Name: name, Query: query,
					Argument: describeJSON(reflect.TypeFor[A]()), Result: describeJSON(reflect.TypeFor[R]()),
				},
				argumentFromJSON: o.argumentFromJSON,
				resultToJSON:     o.resultToJSON,
				explain:          o.explain,
			},
			run: run,
		}
	})
	return o
}

func (o *typedOperation[S, A, R]) call(ctx context.Context, send func(context.Context, string, []byte, ...CallOption) ([]byte, error), group string, arg A, opts []CallOption) (R, error) {
	var result, none R
	b, err := o.argument.encode(appendOperation(make([]byte, 0, 64), o.name), &arg)
	if err != nil {
		return none, fmt.Errorf("%s of group %q: %w: %w", o.name, group, ErrInvalidArgument, err)
	}
	answer, err := send(ctx, group, b, opts...)
	if err != nil {
		return none, o.explain(err)
	}
	if err := o.result.decode(answer, &result); err != nil {
		return none, fmt.Errorf("%s of group %q was answered, but the answer is not a %s: run the same version of the program on all nodes: %w", o.name, group, reflect.TypeFor[R](), err)
	}
	return result, nil
}

// explain gives a machine's error its operation and the registered error that its text stands for.
func (o *typedOperation[S, A, R]) explain(err error) error {
	var from *MachineError
	if !errors.As(err, &from) {
		return err
	}
	machine := &MachineError{Op: o.name, Text: from.Text, sentinel: o.definition.sentinelOf(from.Text)}
	if err == error(from) {
		return machine
	}
	return &answeredError{machine: machine, err: err}
}

// answeredError is a machine's error with all that was wrapped around it on its way.
type answeredError struct {
	machine *MachineError
	err     error
}

func (e *answeredError) Error() string   { return e.err.Error() }
func (e *answeredError) Unwrap() []error { return []error{e.machine, e.err} }

// appendOperation appends the head of a command or query: one byte of length, and the name. The argument follows.
func appendOperation(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

// splitOperation is the inverse; what it returns aliases b.
func splitOperation(b []byte) (name, payload []byte, err error) {
	if len(b) == 0 {
		return nil, nil, fmt.Errorf("%w: no bytes: call it through the type's operations", ErrInvalidArgument)
	}
	n := int(b[0])
	if n == 0 || n > len(b)-1 {
		return nil, nil, fmt.Errorf("%w: a name of %d bytes in a command of %d: call it through the type's operations", ErrInvalidArgument, n, len(b))
	}
	return b[1 : 1+n], b[1+n:], nil
}
