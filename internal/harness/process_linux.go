package harness

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// A child's death signal is sent when the thread that started it ends, not the
// process. So all children are started on one thread that lasts.
var starter = sync.OnceValue(func() chan<- startRequest {
	requests := make(chan startRequest)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.err <- r.cmd.Start()
		}
	}()
	return requests
})

type startRequest struct {
	cmd *exec.Cmd
	err chan error
}

// startChild starts a process that dies with this one.
func startChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r := startRequest{cmd, make(chan error, 1)}
	starter() <- r
	return <-r.err
}
