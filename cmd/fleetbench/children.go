package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// process is a child as its parent sees it.
type process struct {
	name string
	load load
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

type children struct{ all []*process }

func (c *children) first() *process { return c.all[0] }

// startChildren starts the processes one after another: the first founds the
// fleet, the others join it.
func startChildren(ctx context.Context, l load, dir string) (*children, error) {
	c := &children{}
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	var join []string
	for i := range l.Processes {
		p := &process{name: fmt.Sprintf("n%d", i+1), load: l}
		p.cmd = exec.Command(self, childCommand)
		p.cmd.Stderr = os.Stderr
		endWithParent(p.cmd)
		if p.in, err = p.cmd.StdinPipe(); err != nil {
			return c, err
		}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			return c, err
		}
		p.out = bufio.NewReaderSize(out, 1<<20)
		if err := p.cmd.Start(); err != nil {
			return c, err
		}
		c.all = append(c.all, p)
		r, err := p.ask(ctx, order{Do: "open", Name: p.name, Dir: filepath.Join(dir, p.name), Join: join})
		if err != nil {
			return c, err
		}
		if i == 0 {
			join = []string{r.Gossip}
		}
	}
	return c, nil
}

// ask gives an order and waits for the answer; a process that does not answer
// before the context ends is killed.
func (p *process) ask(ctx context.Context, o order) (report, error) {
	o.Load, o.Duration, o.Warmup = p.load, p.load.Duration, p.load.Warmup
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return report{}, fmt.Errorf("process %s: %w", p.name, err)
	}
	stop := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer stop()
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return report{}, fmt.Errorf("process %s did not answer the order to %s: %w", p.name, o.Do, errors.Join(err, ctx.Err()))
	}
	var r report
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("process %s: %w", p.name, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("process %s: %s", p.name, r.Error)
	}
	return r, nil
}

func (p *process) addGroups(ctx context.Context) error {
	_, err := p.ask(ctx, order{Do: "add"})
	return err
}

// settle is how long leaders get to go where they are wanted before the load begins.
const settle = 3 * time.Second

// drive has all processes work at the same time.
func (c *children) drive(ctx context.Context) ([]report, error) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	reports, errs := make([]report, len(c.all)), make([]error, len(c.all))
	var wg sync.WaitGroup
	for i, p := range c.all {
		wg.Go(func() {
			o := order{Do: "drive"}
			if i == 0 {
				o.Profile = p.load.Profile
			}
			reports[i], errs[i] = p.ask(ctx, o)
		})
	}
	wg.Wait()
	return reports, errors.Join(errs...)
}

// stop ends all processes: they are asked, and killed if they do not go soon.
func (c *children) stop() {
	var wg sync.WaitGroup
	for _, p := range c.all {
		wg.Go(func() {
			p.in.Close()
			late := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
			defer late.Stop()
			p.cmd.Wait()
		})
	}
	wg.Wait()
}
