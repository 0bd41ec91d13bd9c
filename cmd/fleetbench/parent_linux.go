package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has the system end a child when this process dies, however it dies.
func endWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
