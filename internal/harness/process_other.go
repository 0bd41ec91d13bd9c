//go:build unix && !linux

package harness

import (
	"os/exec"
	"syscall"
)

// startChild starts a process. This system cannot make it die with this one.
func startChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}
