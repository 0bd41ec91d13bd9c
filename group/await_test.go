package group

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// fragile panics when it is told to.
type fragile struct {
	sum
	before func() // called ahead of the panic, with the state spoilt
}

func (f *fragile) Apply(m Meta, b []byte) ([]byte, error) {
	if len(b) == 0 {
		f.n = 999
		if f.before != nil {
			f.before()
		}
		panic("broken")
	}
	return f.sum.Apply(m, b)
}
func (f *fragile) Restore(r io.Reader) error { return f.sum.Restore(r) }

var fragileType = RawType("fragile", func() Machine { return new(fragile) })

// Who waits for a member to apply something, or for its state, hears of its end.
func TestWaitersHearOfTheMembersEnd(t *testing.T) {
	for name, end := range map[string]func(*cluster){
		"failed": func(c *cluster) { c.host(1).Propose(g1, Proposal{}, func([]byte, error) {}) },
		"stopped by its lane": func(c *cluster) {
			m := c.host(1).member(g1)
			m.lane.call(func() { m.fail(errors.New("test")) })
		},
		"destroyed": func(c *cluster) { c.host(1).Destroy(g1) },
		"closed":    func(c *cluster) { c.host(1).Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1, fragileType)
			c.add(g1, "fragile", quick, 1)
			c.command(g1, Proposal{Body: number(1)})
			h := c.host(1)
			m := h.member(g1)
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			go func() { done <- h.AwaitApplied(ctx, g1, 1000) }()
			c.eventually("the waiter is known", func() bool {
				got := make(chan int, 1)
				m.enqueueTask(applyTask{do: func() { got <- len(m.applyState.awaited) }})
				return <-got == 1
			})
			end(c)
			if err := <-done; err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waiting for an index: %v", err)
			}
			c.eventually("the member has ended", func() bool {
				info, ok := h.Info(g1)
				return !ok || info.Failed != nil || name == "closed"
			})
			if _, _, err := h.Export(ctx, g1); (err == nil && name != "stopped by its lane") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("export: %v", err)
			}
			if err := h.AwaitApplied(ctx, g1, 1000); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waiting once more: %v", err)
			}
		})
	}
}

// Between a panic and the member's end nobody reads what the panic left behind.
func TestNobodyReadsHalfACommand(t *testing.T) {
	f := &fragile{}
	c := newCluster(t, 1, RawType("fragile", func() Machine { return f }))
	c.add(g1, "fragile", quick, 1)
	c.command(g1, Proposal{Body: number(1)})
	h := c.host(1)
	held, let := make(chan struct{}), make(chan struct{})
	f.before = func() { h.member(g1).lane.call(func() { close(held); <-let }) }
	defer close(let)
	h.Propose(g1, Proposal{}, func([]byte, error) {})
	<-held // the lane cannot stop the member yet
	if b, err := h.QueryLocal(g1, nil); err == nil {
		t.Errorf("a query was answered from the state that a panic left: %v", b)
	}
}
