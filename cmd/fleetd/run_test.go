package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// logged collects a log and lets others wait for a text in it.
type logged struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	changed chan struct{}
}

func newLogged() *logged { return &logged{changed: make(chan struct{})} }

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buffer.Write(b)
}

func (l *logged) await(t *testing.T, text string) string {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		all, changed := l.buffer.String(), l.changed
		l.mu.Unlock()
		if strings.Contains(all, text) {
			return all
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("the log never said %q:\n%s", text, all)
		}
	}
}

// local are the settings of a node that disturbs no other on this machine.
func local(name string) settings {
	s := defaultSettings()
	s.Name, s.Gossip, s.Listen, s.Admin = name, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s.Local = true
	return s
}

func TestANodeTellsWhereItIsAndStopsWhenTold(t *testing.T) {
	s := local("alone")
	s.Data = filepath.Join(t.TempDir(), "data")
	for range 2 { // the second time with the data of the first
		log, signals, ended := newLogged(), make(chan os.Signal, 1), make(chan error, 1)
		go func() { ended <- run(s, newLogger(log, s.LogLevel, "json"), signals) }()
		text := log.await(t, "node is active")
		for _, want := range []string{`"node":"alone"`, `"id":"`, `"zone":"default"`, `"gossip":"127.0.0.1:`, `"listen":"127.0.0.1:`, `"admin":"127.0.0.1:`} {
			if !strings.Contains(text, want) {
				t.Errorf("the log does not say %s:\n%s", want, text)
			}
		}
		signals <- syscall.SIGTERM
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		log.await(t, "no other node is active")
	}
}

func TestASignalEndsTheSearchForAFleet(t *testing.T) {
	s := local("lost")
	s.InMemory, s.Join = true, addresses{"127.0.0.1:1"}
	log, signals, ended := newLogged(), make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- run(s, newLogger(log, s.LogLevel, "json"), signals) }()
	log.await(t, "node started")
	signals <- syscall.SIGINT
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestANodeThatIsNotActiveSaysWhy(t *testing.T) {
	s := local("lost")
	s.InMemory, s.Join = true, addresses{"127.0.0.1:1"}
	config, err := s.config(newLogger(newLogged(), s.LogLevel, "json"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := fleet.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if why := whyNotActive(t.Context(), node); !strings.Contains(why, "in no fleet") || !strings.Contains(why, "127.0.0.1:1") || !strings.Contains(why, "join address") {
		t.Error(why)
	}
}

func TestFailuresToStartNameTheThingAndTheRemedy(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*settings)
		want   []string
	}{
		"busy listen port": {func(s *settings) { s.InMemory, s.Listen = true, busy.Addr().String() }, []string{"--listen", busy.Addr().String(), "free port"}},
		"busy admin port":  {func(s *settings) { s.InMemory, s.Admin = true, busy.Addr().String() }, []string{"--admin", busy.Addr().String(), "another address"}},
		"busy gossip port": {func(s *settings) { s.InMemory, s.Gossip = true, busy.Addr().String() }, []string{"gossip", busy.Addr().String()}},
		"foreign folder":   {func(s *settings) { s.Data = foreign }, []string{foreign, "letter.txt", "empty folder"}},
		"file for folder":  {func(s *settings) { s.Data = filepath.Join(foreign, "letter.txt") }, []string{"letter.txt"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := local("unlucky")
			test.change(&s)
			err := run(s, newLogger(newLogged(), s.LogLevel, "json"), make(chan os.Signal))
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(oneLine(err), want) {
					t.Errorf("%q does not say %q", oneLine(err), want)
				}
			}
		})
	}
}

func TestADataFolderIsOneProcessesAlone(t *testing.T) {
	s := local("first")
	s.Data = t.TempDir()
	log, signals, ended := newLogged(), make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- run(s, newLogger(log, s.LogLevel, "json"), signals) }()
	log.await(t, "node started")
	err := run(s, newLogger(newLogged(), s.LogLevel, "json"), make(chan os.Signal))
	if want := fmt.Sprint("pid ", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the folder was opened twice, or %v does not say %q", err, want)
	}
	signals <- syscall.SIGTERM
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestSystemdIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	s := local("service")
	s.InMemory = true
	log, signals, ended := newLogged(), make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- run(s, newLogger(log, s.LogLevel, "json"), signals) }()
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		socket.SetReadDeadline(time.Now().Add(30 * time.Second))
		b := make([]byte, 1024)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(b[:n]), want) {
			t.Errorf("systemd was told %q, not %s", b[:n], want)
		}
		if want == "READY=1" {
			signals <- syscall.SIGTERM
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
