package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has the system tell a child when this process dies, however it
// dies, and keeps the terminal's signals from it: its parent ends it.
func endWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
