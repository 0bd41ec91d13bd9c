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
	"runtime"
	"sync"
	"time"
)

// process is a child as its parent sees it.
type process struct {
	name   string
	dir    string
	gossip string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
}

// children are the processes of one measured fleet.
type children struct {
	all      []*process
	dir      string
	progress io.Writer
}

// startChildren starts the processes one after another, the first of which founds
// the fleet and the others join it, and returns when the fleet is complete. The
// goroutine stays on its thread until stop: the system ends children with the
// thread that started them.
func startChildren(ctx context.Context, o *options, progress io.Writer) (*children, error) {
	dir, err := os.MkdirTemp(o.Dir, "fleetbench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the data: %w; see --dir", err)
	}
	runtime.LockOSThread()
	c := &children{dir: dir, progress: progress}
	began := time.Now()
	for i := range o.Processes {
		name := fmt.Sprintf("n%d", i+1)
		if _, err := c.launch(ctx, name, filepath.Join(dir, name), c.addresses()); err != nil {
			c.stop()
			return nil, err
		}
	}
	if _, err := c.first().ask(ctx, order{Do: "settled", Processes: o.Processes}); err != nil {
		c.stop()
		return nil, err
	}
	c.say("%d processes, started in %s", o.Processes, time.Since(began).Round(time.Millisecond))
	return c, nil
}

func (c *children) say(format string, args ...any) { fmt.Fprintf(c.progress, format+"\n", args...) }

func (c *children) first() *process { return c.all[0] }

func (c *children) addresses() (all []string) {
	for _, p := range c.all {
		all = append(all, p.gossip)
	}
	return all
}

// launch starts one process and returns when its node is active. It is called on
// the goroutine of startChildren only.
func (c *children) launch(ctx context.Context, name, dir string, join []string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, dir: dir, cmd: exec.Command(self, childCommand)}
	p.cmd.Stderr = os.Stderr
	endWithParent(p.cmd)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 64<<10)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	c.all = append(c.all, p)
	r, err := p.ask(ctx, order{Do: "open", Name: name, Dir: dir, Join: join})
	p.gossip = r.Gossip
	return p, err
}

// ask gives an order and waits for the answer; a process that does not answer
// before the context ends is killed.
func (p *process) ask(ctx context.Context, o order) (report, error) {
	// What it prints then says where it hangs.
	stop := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer stop()
	err := json.NewEncoder(p.in).Encode(o)
	var line []byte
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	var r report
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return r, fmt.Errorf("process %s, asked to %s: %w", p.name, o.Do, err)
	}
	return r, nil
}

// askAll gives all processes an order at the same time.
func (c *children) askAll(ctx context.Context, o func(i int) order) ([]report, error) {
	reports, errs := make([]report, len(c.all)), make([]error, len(c.all))
	var wg sync.WaitGroup
	for i, p := range c.all {
		wg.Go(func() { reports[i], errs[i] = p.ask(ctx, o(i)) })
	}
	wg.Wait()
	return reports, errors.Join(errs...)
}

// addGroups adds groups and returns how long that took.
func (c *children) addGroups(ctx context.Context, groups, processes int) (time.Duration, error) {
	began := time.Now()
	_, err := c.first().ask(ctx, order{Do: "add", Groups: groups, Processes: processes})
	took := time.Since(began)
	if err == nil {
		c.say("%d groups, added in %s", groups, took.Round(time.Millisecond))
	}
	return took, err
}

// spread has all processes lead equally many groups.
func (c *children) spread(ctx context.Context) error {
	began := time.Now()
	r, err := c.first().ask(ctx, order{Do: "spread", Processes: len(c.all)})
	if err == nil {
		c.say("leaders %v, spread in %s", r.Leaders, time.Since(began).Round(time.Millisecond))
	}
	return err
}

// kill ends one process at once and forgets it.
func (c *children) kill(p *process) {
	p.cmd.Process.Kill()
	p.in.Close()
	p.cmd.Wait()
	for i := range c.all {
		if c.all[i] == p {
			c.all = append(c.all[:i:i], c.all[i+1:]...)
			return
		}
	}
}

// stop ends all processes, whatever they are doing, and removes their data.
func (c *children) stop() {
	for _, p := range c.all {
		p.cmd.Process.Kill()
	}
	for _, p := range c.all {
		p.in.Close()
		p.cmd.Wait()
	}
	os.RemoveAll(c.dir)
	runtime.UnlockOSThread()
}
