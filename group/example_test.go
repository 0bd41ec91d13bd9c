package group_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/group"
)

// Stock is what a group of type "stock" replicates: how many pieces of each article there are.
type Stock struct {
	Pieces map[string]int64
}

// Movement is the argument of the commands.
type Movement struct {
	Article string `json:"article"`
	Pieces  int64  `json:"pieces"`
}

var ErrNotEnough = errors.New("not enough pieces in stock")

var (
	stocks = group.Define("stock", func() *Stock { return &Stock{Pieces: map[string]int64{}} }).Errors(ErrNotEnough)

	receive = group.Command(stocks, "receive", func(s *Stock, m Movement) (int64, error) {
		s.Pieces[m.Article] += m.Pieces
		return s.Pieces[m.Article], nil
	})

	ship = group.Command(stocks, "ship", func(s *Stock, m Movement) (int64, error) {
		left := s.Pieces[m.Article] - m.Pieces
		if left < 0 {
			return 0, fmt.Errorf("article %s has %d: %w", m.Article, s.Pieces[m.Article], ErrNotEnough)
		}
		s.Pieces[m.Article] = left
		return left, nil
	})

	inStock = group.Query(stocks, "in-stock", func(s *Stock, article string) (int64, error) {
		return s.Pieces[article], nil
	})
)

// oneMachine is a Caller for unit tests of a type: a machine without a fleet around it.
type oneMachine struct {
	machine group.Machine
	index   uint64
}

func (o *oneMachine) Command(_ context.Context, _ string, command []byte, _ ...group.CallOption) ([]byte, error) {
	o.index++
	return answer(o.machine.Apply(group.Meta{Index: o.index, Time: time.Unix(0, int64(o.index))}, command))
}

func (o *oneMachine) Query(_ context.Context, _ string, query []byte, _ ...group.CallOption) ([]byte, error) {
	return answer(o.machine.Query(query))
}

// answer leaves of an error what a group would: its text.
func answer(result []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, &group.MachineError{Text: err.Error()}
	}
	return result, nil
}

func Example() {
	ctx := context.Background()
	node := &oneMachine{machine: stocks.NewMachine()} // in a program: a node of a fleet

	if _, err := receive.Call(ctx, node, "berlin", Movement{"bolt", 100}); err != nil {
		fmt.Println(err)
	}
	left, _ := ship.Call(ctx, node, "berlin", Movement{"bolt", 30})
	fmt.Println(left, "left")

	_, err := ship.Call(ctx, node, "berlin", Movement{"bolt", 80})
	fmt.Println(err)
	fmt.Println(errors.Is(err, ErrNotEnough), group.OutcomeOf(err))

	n, _ := inStock.Call(ctx, node, "berlin", "bolt")
	fmt.Println(n, "in stock")
	// Output:
	// 70 left
	// ship: article bolt has 70: not enough pieces in stock
	// true final
	// 70 in stock
}

func ExampleCallJSON() {
	ctx := context.Background()
	node := &oneMachine{machine: stocks.NewMachine()}

	result, _ := group.CallJSON(ctx, node, stocks, "berlin", "receive", []byte(`{"article": "nut", "pieces": 9007199254740993}`), false)
	fmt.Println(string(result))

	_, err := group.CallJSON(ctx, node, stocks, "berlin", "receive", []byte(`{"article": "nut", "pieces": "ten"}`), false)
	fmt.Println(err)

	_, err = group.CallJSON(ctx, node, stocks, "berlin", "recieve", nil, false)
	fmt.Println(err)
	// Output:
	// 9007199254740993
	// receive of group "berlin": invalid argument: JSON line 1, column 34: field "pieces": found string, which is not integer; want {"article": string, "pieces": integer}
	// unknown operation: run the same version of the program on all nodes: type "stock" (group "berlin") has no command "recieve"; its commands: receive, ship
}

func ExampleOperations() {
	for _, o := range group.Operations(stocks) {
		fmt.Println(o.Name, o.Query, o.Argument, "->", o.Result)
	}
	// Output:
	// in-stock true string -> integer
	// receive false {"article": string, "pieces": integer} -> integer
	// ship false {"article": string, "pieces": integer} -> integer
}

func ExampleOutcomeOf() {
	id, _ := group.ParseCommandID("000000000000002a-0000000000000007")
	err := error(&group.CallError{
		Op: "add", Group: "orders", Attempts: 3,
		Outcome: group.Unknown, CommandID: id, Err: context.DeadlineExceeded,
	})
	fmt.Println(err)
	fmt.Println(group.OutcomeOf(err), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// add of group "orders" failed after 3 attempts: context deadline exceeded (outcome unknown: send it again with command id 000000000000002a-0000000000000007)
	// unknown true
}

// Timer shows a command that needs a time: the log's, never the clock's.
type Timer struct{ Started time.Time }

func ExampleCommandWithMeta() {
	timers := group.Define("timer", func() *Timer { return new(Timer) })
	start := group.CommandWithMeta(timers, "start", func(meta group.Meta, t *Timer, _ group.None) (time.Time, error) {
		t.Started = meta.Time
		return t.Started, nil
	})
	node := &oneMachine{machine: timers.NewMachine()}
	at, err := start.Call(context.Background(), node, "tea", group.None{})
	fmt.Println(at.Format(time.RFC3339Nano), err)
	// Output: 1970-01-01T00:00:00.000000001Z <nil>
}

// A node's hooks are its own: each node that wants to be told registers the type with
// them, in place of the bare one.
func ExampleWithHooks() {
	stock := group.WithHooks(stocks, group.Hooks{
		OnElected: func(name string, term uint64) { fmt.Println(name, "is led from here") },
		WhileLeading: func(ctx context.Context, name string, term uint64) {
			<-ctx.Done() // here a job runs on one node at a time
		},
	})
	fmt.Println(stock.TypeName(), len(group.Operations(stock)) > 0)
	// Output: stock true
}
