package powerfail

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	volumePrefix = "raftfleet-powerfail-"
	volumeBytes  = 256 << 20

	// shutdownNow is EXT4_IOC_SHUTDOWN, and noLogFlush its EXT4_GOING_FLAGS_NOLOGFLUSH.
	shutdownNow = 0x8004587d
	noLogFlush  = 2
)

// volume is an ext4 file system on a loop device, whose power can be cut.
type volume struct {
	dir    string // of the image and the mount point
	device string
	lock   *os.File
}

func (v *volume) image() string { return filepath.Join(v.dir, "image") }
func (v *volume) mount() string { return filepath.Join(v.dir, "mnt") }

// volumeBase is where images live: in memory where that is possible.
func volumeBase() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

func run(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// newVolume makes and mounts a volume, or skips the test where it cannot.
func newVolume(t *testing.T, features string) *volume {
	t.Helper()
	removeLeftovers(t)
	dir, err := os.MkdirTemp(volumeBase(), volumePrefix)
	must(t, err)
	v := &volume{dir: dir}
	// Held until the process ends, however it ends: a left-over is one without it.
	v.lock, err = os.Create(filepath.Join(dir, "lock"))
	must(t, err)
	t.Cleanup(func() {
		if err := v.remove(); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	must(t, unix.Flock(int(v.lock.Fd()), unix.LOCK_EX))
	must(t, os.Mkdir(v.mount(), 0o700))
	image, err := os.Create(v.image())
	must(t, err)
	must(t, errors.Join(image.Truncate(volumeBytes), image.Close()))
	if _, err := run("mkfs.ext4", "-q", "-F", "-N", "1024", "-O", features, v.image()); err != nil {
		t.Skipf("this machine's mkfs.ext4 cannot do it: %v", err)
	}
	if v.device, err = run("losetup", "--find", "--show", v.image()); err != nil {
		t.Skipf("no loop device: %v", err)
	}
	if err := v.powerOn(); err != nil {
		t.Skipf("this kernel does not mount it: %v", err)
	}
	return v
}

func (v *volume) powerOn() error {
	if err := unix.Mount(v.device, v.mount(), "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", v.device, err)
	}
	return nil
}

// powerOff loses what was not synced.
func (v *volume) powerOff() error {
	root, err := os.Open(v.mount())
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := unix.IoctlSetPointerInt(int(root.Fd()), shutdownNow, noLogFlush); err != nil {
		return fmt.Errorf("shut down %s: %w", v.mount(), err)
	}
	return nil
}

func (v *volume) unmount() error {
	if err := unix.Unmount(v.mount(), 0); err != nil {
		return fmt.Errorf("unmount %s: %w", v.mount(), err)
	}
	return nil
}

// examine tells what e2fsck finds wrong with the file system.
func (v *volume) examine() error {
	if err := v.unmount(); err != nil && !errors.Is(err, unix.EINVAL) { // it may not be mounted any more
		return nil
	}
	_, err := run("e2fsck", "-f", "-n", v.device)
	return err
}

func (v *volume) remove() error {
	if v.dir == "" {
		return nil
	}
	err := errors.Join(removeVolume(v.dir), v.lock.Close())
	v.dir = ""
	return err
}

// removeVolume takes a volume away, in whatever state it is.
func removeVolume(dir string) error {
	var problems []error
	for { // one mounted over another goes with the next turn
		err := unix.Unmount(filepath.Join(dir, "mnt"), unix.MNT_DETACH)
		if err != nil {
			break
		}
	}
	image := filepath.Join(dir, "image")
	out, err := run("losetup", "--noheadings", "--output", "NAME", "--associated", image)
	if err != nil {
		problems = append(problems, err)
	}
	for _, device := range strings.Fields(out) {
		if _, err := run("losetup", "--detach", device); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(append(problems, os.RemoveAll(dir))...)
}

// removeLeftovers removes the volumes of runs that were killed.
func removeLeftovers(t *testing.T) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(volumeBase(), volumePrefix+"*"))
	must(t, err)
	for _, dir := range dirs {
		lock, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			continue // being made
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			if err := removeVolume(dir); err != nil {
				t.Logf("a left-over stays: %v", err)
			}
		}
		_ = lock.Close()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
