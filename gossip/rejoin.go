package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	rejoinAtOnce  = 3           // addresses tried in one round
	rejoinAlone   = 8           // the same, while nobody else is alive
	rejoinBackoff = time.Second // first pause while alone; doubles up to RejoinInterval
)

// rejoin keeps trying whoever should be there and is not. memberlist alone forgets a
// dead node and never looks for it again, so that the two sides of a partition which
// lasted longer than its patience would stay apart.
func (g *Gossip) rejoin() {
	defer g.work.Done()
	interval := g.config.rejoinInterval()
	backoff := min(rejoinBackoff, interval)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.left:
			return
		case <-timer.C:
		}
		pause := interval
		if g.rejoinRound() {
			pause, backoff = backoff, min(2*backoff, interval)
		} else {
			backoff = min(rejoinBackoff, interval)
		}
		timer.Reset(jitter(pause))
	}
}

func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}

// rejoinRound tries some addresses and says whether we are still alone although
// there are addresses to try.
func (g *Gossip) rejoinRound() (alone bool) {
	addrs, alone := g.absent()
	if len(addrs) == 0 {
		return false
	}
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	limit := rejoinAtOnce
	if alone {
		limit = rejoinAlone
	}
	var tries sync.WaitGroup
	var reached atomic.Bool
	for _, addr := range addrs[:min(limit, len(addrs))] {
		tries.Go(func() {
			n, err := g.attempt(g.ctx, addr, true)
			if g.ctx.Err() == nil && slices.Contains(g.config.Join, addr) {
				g.trouble.tried(addr, err)
			}
			switch {
			case n > 0:
				reached.Store(true)
			case err != nil && g.ctx.Err() == nil:
				g.sayUnreached(addr, alone, err)
			}
		})
	}
	tries.Wait()
	return alone && !reached.Load()
}

// sayUnreached is loud only where an operator may have to act: while this node is
// alone, a wrong address or key may be the reason.
func (g *Gossip) sayUnreached(addr string, alone bool, err error) {
	level := slog.LevelDebug
	if alone && g.refusals.due("join "+addr) {
		level = slog.LevelWarn
	}
	g.logger.Log(g.ctx, level, "could not join: trying again: check address, keys and the node there",
		"addr", addr, "reason", whyNot(addr, err))
}

// absent lists the last addresses of nodes that are not alive, also of those that
// left, which may have been started again with nobody to turn to, and configured
// addresses at which nobody is alive. A configured name stays on the list until it is
// resolved.
func (g *Gossip) absent() (addrs []string, alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	living := g.livingAddrs()
	listed := make(map[string]bool)
	add := func(addr string) {
		if !living[addr] && !listed[addr] {
			listed[addr] = true
			addrs = append(addrs, addr)
		}
	}
	for _, addr := range g.config.Join {
		add(addr)
	}
	for _, m := range g.listed() {
		if !m.Alive {
			add(m.Addr)
		}
	}
	return addrs, len(living) <= 1
}

// livingAddrs includes our own. It is called with g.mu held.
func (g *Gossip) livingAddrs() map[string]bool {
	living := map[string]bool{g.addr: true}
	for _, m := range g.listed() {
		if m.Alive {
			living[m.Addr] = true
		}
	}
	return living
}

// Join asks the nodes at the addresses (host:port) for all that they know, and makes
// this node known to them. It returns how many were reached, and an error only if
// none was: ErrJoin, and ErrForeignFleet too if a node belongs to another fleet. Our
// own address is passed over. Once joined, a node is remembered: addresses need not
// be given again. When ctx ends first, tries that are under way end by themselves
// within seconds.
func (g *Gossip) Join(ctx context.Context, addrs []string) (int, error) {
	type outcome struct {
		n   int
		err error
	}
	for _, addr := range addrs {
		if err := validateAddr(addr); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrJoin, err)
		}
	}
	outcomes := make(chan outcome, len(addrs))
	// One after the other: what the first one tells mostly makes the others known.
	if !g.begin() {
		return 0, fmt.Errorf("gossip: join: %w", ErrClosed)
	}
	go func() {
		defer g.work.Done()
		defer close(outcomes)
		for _, addr := range addrs {
			if ctx.Err() != nil || g.ctx.Err() != nil {
				return
			}
			n, err := g.attempt(ctx, addr, false)
			outcomes <- outcome{n, err}
		}
	}()
	reached := 0
	var errs []error
	for {
		select {
		case o, more := <-outcomes:
			if more {
				reached += o.n
				errs = append(errs, o.err)
				continue
			}
			errs = append(errs, ctx.Err())
			if g.ctx.Err() != nil {
				errs = append(errs, ErrClosed)
			}
		case <-ctx.Done():
			errs = append(errs, ctx.Err())
		}
		if err := errors.Join(errs...); reached == 0 && err != nil {
			return 0, fmt.Errorf("%w: %w", ErrJoin, err)
		}
		return reached, nil
	}
}

// attempt joins whatever addr resolves to and returns how many nodes it reached.
// With skip it passes over addresses at which someone is alive.
func (g *Gossip) attempt(ctx context.Context, addr string, skip bool) (int, error) {
	resolved, err := resolve(ctx, addr)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", addr, err)
	}
	g.mu.Lock()
	living := g.livingAddrs()
	g.mu.Unlock()
	reached := 0
	var errs []error
	for _, to := range resolved {
		if to == g.addr || skip && living[to] {
			continue
		}
		if err := g.exchange(to); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", to, err))
			continue
		}
		reached++
	}
	if reached > 0 {
		return reached, nil
	}
	return 0, errors.Join(errs...)
}

// exchange tells the node at addr all that we know and learns what it knows.
//
// After a partition both sides hold the other's nodes for dead in just the version
// in which those still live, and memberlist drops words of life in a version that it
// holds for dead. The first exchange lets each node hear of its own death and take a
// newer version; only a further one carries the newer version across. The third is for
// a remote node that had not yet taken its newer version when the second came.
func (g *Gossip) exchange(addr string) error {
	g.mu.Lock()
	g.joining[addr]++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.joining[addr]--; g.joining[addr] <= 0 {
			delete(g.joining, addr)
		}
	}()
	for range 3 {
		if _, err := g.list.Join([]string{addr}); err != nil {
			// memberlist flattens errors, ours as well, into text.
			err = plain(err)
			if _, why, foreign := strings.Cut(err.Error(), ErrForeignFleet.Error()+": "); foreign {
				return fmt.Errorf("%w: %s", ErrForeignFleet, why)
			}
			return err
		}
		g.mu.Lock()
		known := g.livingAddrs()[addr]
		g.mu.Unlock()
		if known {
			break
		}
	}
	g.life.Lock()
	defer g.life.Unlock()
	if !g.closed && !g.gone {
		g.repeat(repeats) // the others hear of us through the one that was asked
	}
	return nil
}

// resolve looks names up here and not in memberlist, where it could not be stopped.
func resolve(ctx context.Context, addr string) ([]string, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	addrs := make([]string, len(ips))
	for i, ip := range ips {
		addrs[i] = hostPort(ip.IP, uint16(port))
	}
	return addrs, nil
}

func hostPort(ip net.IP, port uint16) string {
	return net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))
}
