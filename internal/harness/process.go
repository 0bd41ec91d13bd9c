package harness

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// process is one run of a binary.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed once it has ended and err is set
	err  error
}

// startProcess runs a binary whose output is appended to a file. The process is in
// a group of its own, so that an interrupt at the terminal reaches only this one.
func startProcess(binary string, args []string, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("harness: log of a node: %w", err)
	}
	defer out.Close() // the child has its own
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = environment()
	if err := startChild(cmd); err != nil {
		return nil, fmt.Errorf("harness: start %s: %w", binary, err)
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// environment is this process's, without what would change the settings of a node.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "FLEET_") && !strings.HasPrefix(e, "NOTIFY_SOCKET=") {
			env = append(env, e)
		}
	}
	return append(env, "GORACE=halt_on_error=1")
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends one, unless the process has ended: os.Process never signals a pid
// that it has waited for.
func (p *process) signal(s syscall.Signal) error {
	if !p.running() {
		return os.ErrProcessDone
	}
	return p.cmd.Process.Signal(s)
}

// kill ends the process at once and waits until it has.
func (p *process) kill() {
	p.cmd.Process.Kill() // fails only when it has ended
	<-p.done
}

// lastLines returns the end of what the process logged.
func lastLines(log string, lines int) string {
	f, err := os.Open(log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 64 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		f.Seek(-most, io.SeekEnd)
	}
	b, _ := io.ReadAll(f)
	all := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
