package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	readTimeout   = 15 * time.Second // what a request that only looks may take
	changeTimeout = 60 * time.Second // what one that changes something may take
	eventWait     = 25 * time.Second // how long a wait for events is held before it answers with none
)

// Server serves the API of one node.
type Server struct {
	node    Node
	options Options
	log     *slog.Logger
	guard   *guard
	metrics *metrics
	handler http.Handler
	slots   chan struct{} // one for each request in work
	waits   chan struct{} // one for each wait for events

	life context.Context // ends when Shutdown begins, and the waits with it
	end  context.CancelFunc

	mu       sync.Mutex
	stopped  bool
	listener net.Listener
	http     *http.Server
	served   chan struct{} // closed when serving has ended
}

// NewServer returns a server that does not listen yet and has registered its
// metrics; Shutdown takes them back.
func NewServer(node Node, o Options) (*Server, error) {
	if node == nil {
		return nil, errors.New("admin: a server needs a node")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	m, err := newMetrics(node, o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		node: node, options: o, log: o.Logger, guard: newGuard(o), metrics: m,
		slots: make(chan struct{}, o.MaxConcurrent),
		waits: make(chan struct{}, o.MaxConcurrent/4),
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.handler = s.routes()
	return s, nil
}

// Handler returns the API for a host that serves it itself. The checks of token,
// host name and origin are in it; where it listens is then the host's care.
func (s *Server) Handler() http.Handler { return s.handler }

// Start listens and serves until Shutdown. It returns once requests can come.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return errors.New("admin: the server was shut down: make another one")
	case s.http != nil:
		return errors.New("admin: the server was started before")
	}
	l, err := s.options.listen()
	if err != nil {
		return err
	}
	s.listener = l
	if c := s.options.TLS; c != nil {
		c = c.Clone()
		if len(c.NextProtos) == 0 {
			c.NextProtos = []string{"h2", "http/1.1"}
		}
		l = tls.NewListener(l, c)
	}
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the admin API ended", "addr", s.listener.Addr().String(), "error", err)
		}
	}()
	return nil
}

// Addr returns where the server listens, empty before Start.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Shutdown takes no more requests, ends the waits for events, lets what is in
// work finish, and cuts it off when ctx ends. It may be called more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	server, served := s.http, s.served
	s.mu.Unlock()
	if first {
		s.end()
		s.metrics.unregister()
	}
	if server == nil {
		return nil
	}
	err := server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("admin: requests were still in work and were cut off: %w", errors.Join(err, server.Close()))
	}
	<-served
	return err
}
